"""What a graph shows: claims as boxes, links as lines; repeats folded into what they repeat.

Up to a hundred boxes each claim has its own; past that each dispute is one box, and the scene says what it
folded.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.disputes import disputes
from claimledger.present import phrases
from claimledger.records.dates import day_text
from claimledger.records.graph_data import LinkEdge
from claimledger.records.link import RELATIONS, LinkType
from claimledger.services.record_cache import RecordCache
from claimledger.services.visibility import links_in_view

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView, StoredRecord

MOST = 100
"""Boxes up to which each claim has its own."""


@dataclass(frozen=True, slots=True)
class Node:
    """One box: a claim, a source that is criticised, or a dispute that is folded."""

    key: str
    kind: str
    """``claim``, ``source`` or ``dispute``."""

    who: str
    statement: str
    figures: str
    standing: str
    detail: str
    """Why it has its standing, for readers who want to know."""

    folded: tuple[str, ...] = ()
    """Claims that only repeat it, and are drawn in it."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One line between two boxes."""

    key: str
    type: str
    family: str
    from_: str
    to: str
    reason: str

    @property
    def symmetric(self) -> bool:
        """Whether it points both ways."""
        return self.type in (LinkType.CONTRADICTS, LinkType.CORROBORATES)


@dataclass(frozen=True, slots=True)
class Diagram:
    """Everything a graph shows."""

    title: str
    boxes: tuple[Node, ...]
    lines: tuple[Edge, ...]
    note: str
    """What was folded, in a sentence; empty where nothing was."""


def scene(view: LedgerView, answers: Analysis, keys: Iterable[str], title: str) -> Diagram:
    """Return the scene of some claims and the links between them."""
    known = answers.graph.known_by
    # In the order they became known: the same claims give the same picture everywhere.
    claims = sorted({key for key in keys if key in known}, key=lambda key: (known[key], key))
    names = RecordCache(view)
    names.learn("claim", claims)
    links = _links(view, set(claims))
    records = view.get_all("link", [link.key for link in links])
    folds = _folds(claims, links, answers)
    shown = [key for key in claims if key not in folds]
    within: dict[str, list[str]] = defaultdict(list)
    for folded, into in folds.items():
        within[into].append(folded)
    boxes = [_claim(answers, names, key, within[key]) for key in shown]
    inside = set(shown)
    sources = sorted(
        {link.to for link in links if link.to_kind == "source" and link.from_ in inside}
    )
    boxes += [
        Node(f"source:{s}", "source", "", names.title(s), "", "", "a source that is criticised")
        for s in sources
    ]
    lines = tuple(
        Edge(
            link.key,
            link.type,
            RELATIONS[link.type].family.value,
            link.from_,
            f"source:{link.to}" if link.to_kind == "source" else link.to,
            _reason(records.get(link.key)),
        )
        for link in links
        if link.from_ in inside and (link.to_kind == "source" or link.to in inside)
    )
    lines += _through(answers, shown, sources)
    note = ""
    if folds:
        which = (
            "1 claim that only repeats"
            if len(folds) == 1
            else f"{len(folds):,} claims that only repeat"
        )
        note = f"{which} another {'is' if len(folds) == 1 else 'are'} not drawn separately."
    diagram = Diagram(title, tuple(boxes), lines, note)
    return diagram if len(boxes) <= MOST else _by_dispute(answers, names, diagram, claims)


def _reason(stored: StoredRecord | None) -> str:
    return str(getattr(stored.record, "reason", None) or "") if stored else ""


def around(answers: Analysis, key: str, depth: int) -> list[str]:
    """Return the claims within a number of links of one, nearest first."""
    import networkx as nx

    graph: nx.Graph[str] = nx.Graph()
    graph.add_node(key)
    for link in answers.graph.links:
        if link.to_kind == "claim":
            graph.add_edge(link.from_, link.to)
        else:
            for critic_link in answers.graph.critics(link.to):
                graph.add_edge(link.from_, critic_link.from_)
    for claim_key, claim in answers.graph.claims.items():
        for source in claim.sources:
            for critic in answers.graph.critics(source):
                graph.add_edge(claim_key, critic.from_)
    distances = nx.single_source_shortest_path_length(graph, key, cutoff=depth)
    return sorted(distances, key=lambda claim_key: (distances[claim_key], claim_key))


def _links(view: LedgerView, claims: set[str]) -> list[LinkEdge]:
    pointing = view.references_to("claim", sorted(claims))
    entries = {
        reference.entry for references in pointing.values() for reference in references
        if reference.kind == "link" and reference.field in ("from", "to")
    }  # fmt: skip
    seen = links_in_view(view, entries)
    cut = view.links_only(sorted(seen))
    return [
        link
        for link in cut.links
        if link.from_ in claims and (link.to_kind == "source" or link.to in claims)
    ]


def _through(answers: Analysis, shown: list[str], sources: list[str]) -> tuple[Edge, ...]:
    """Return what leads from the claims contested through a source to that source."""
    drawn = set(sources)
    pairs = {
        (key, attack.source): None
        for key in shown
        for attack in answers.attacks.on(key)
        if attack.source in drawn and attack.at == key
    }
    return tuple(
        Edge(f"{key}-{source}", "cites", "cites", key, f"source:{source}", "")
        for key, source in pairs
    )


def _folds(claims: list[str], links: list[LinkEdge], answers: Analysis) -> dict[str, str]:
    """Return the claims that do nothing but repeat one other, with what they are drawn in."""
    touching: dict[str, set[int]] = defaultdict(set)
    for place, link in enumerate(links):
        touching[link.from_].add(place)
        if link.to_kind == "claim":
            touching[link.to].add(place)
    into: dict[str, str] = {}
    queue = deque(claims)
    while queue:
        key = queue.popleft()
        left = touching[key]
        if key in into or len(left) != 1:
            continue
        link = links[next(iter(left))]
        own = any(attack.at == key for attack in answers.attacks.on(key))
        if link.type == LinkType.REPEATS and link.from_ == key and not own:
            # What repeated this one has gone into it before: the next may be free to go now.
            into[key] = link.to
            touching[link.to].discard(next(iter(left)))
            queue.append(link.to)
    return {key: _top(key, into) for key in claims if key in into}


def _top(key: str, into: dict[str, str]) -> str:
    while key in into:
        key = into[key]
    return key


def _claim(answers: Analysis, names: RecordCache, key: str, folded: list[str]) -> Node:
    claim = names.claim(key)
    who = f"{names.claimants(claim)}, {phrases.when(claim, answers.graph.known_by[key])}"
    detail = phrases.standing(answers, key, names)
    return Node(key, "claim", who, claim.statement, phrases.figures(claim), str(answers.standing(key)),
                detail, tuple(folded))  # fmt: skip


def _by_dispute(
    answers: Analysis, names: RecordCache, diagram: Diagram, claims: list[str]
) -> Diagram:
    """Return the scene with each dispute as one box, joined where they share claims."""
    inside = set(claims)
    shown = [dispute for dispute in disputes(answers) if inside & dispute.voices][:MOST]
    boxes = []
    for dispute in shown:
        title = names.title(dispute.head) if dispute.source else names.claim(dispute.head).statement
        attacks = f"{len(dispute.links):,} attack{'' if len(dispute.links) == 1 else 's'}"
        count = f"{len(dispute.voices):,} claims, {attacks}"
        boxes.append(
            Node(
                dispute.key,
                "dispute",
                count,
                title,
                "",
                "contested",
                f"since {day_text(dispute.since)}",
            )
        )
    lines = []
    for place, dispute in enumerate(shown):
        for right in shown[place + 1 :]:
            if shared := sorted(dispute.voices & right.voices):
                reason = f"share {', '.join(shared[:5])}"
                lines.append(Edge(shared[0], "shares", "shared", dispute.key, right.key, reason))
    left = len(inside - {key for dispute in shown for key in dispute.voices})
    note = (
        f"{len(diagram.boxes):,} boxes would be too many: each of {len(shown):,} disputes is one; "
        f"{left:,} claims in none of these are left out."
    )
    return replace(diagram, boxes=tuple(boxes), lines=tuple(lines), note=note)
