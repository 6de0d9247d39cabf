"""Disputes: one contested assertion, or one criticised source, with its direct attackers.

Two claims that contradict each other are one dispute, not two. Sides are never inferred. A claim that is
contested only through a source, or through what it rests on, is listed in the dispute about that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.attacks import Attack
from claimledger.analysis.closure import closure
from claimledger.analysis.origins import Origins
from claimledger.records.graph_data import LinkEdge


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A dispute: its subject, the attacking claims, their links, and the time since when it exists."""

    head: str
    """The claim or source that is disputed; of an assertion, the claim that was known first."""

    source: bool
    """Whether a source is criticised rather than an assertion contested."""

    claims: tuple[str, ...]
    """The claims of the contested assertion; for a criticised source, the claims it speaks for."""

    attackers: tuple[str, ...]
    links: tuple[LinkEdge, ...]
    past: tuple[LinkEdge, ...]
    """The links of attackers that were retracted or superseded."""

    contested_allies: tuple[str, ...]
    """Claims that say the same as an attacker and are contested with it."""

    reached: tuple[str, ...]
    """Claims that are contested only because they rest on these claims."""

    questioned: tuple[str, ...]
    """Claims whose attribution is in question because they cite the criticised source."""

    since: int
    """The day by which the first of the current attacks was known."""

    last: int
    """The day by which the last attack was known, past attacks included."""

    key: str = ""
    """The key of the link that names it: the oldest in it that names no other dispute."""

    @property
    def all_links(self) -> tuple[LinkEdge, ...]:
        """Its links, current and past, the oldest record first."""
        return tuple(sorted({*self.links, *self.past}, key=lambda link: (link.first, link.key)))

    @property
    def voices(self) -> frozenset[str]:
        """The claims that take part in it, on either side."""
        return frozenset((*self.claims, *self.attackers))

    @property
    def stated(self) -> int:
        """The number of attacks that a source states."""
        return sum(link.basis == "stated" for link in self.links)

    @property
    def judged(self) -> int:
        """The number of attacks that are the recorder's inference."""
        return len(self.links) - self.stated


def disputes(analysis: Analysis) -> list[Dispute]:
    """Return the disputes of a graph: first contested assertions, most attackers first, then sources."""
    return _with_keys([*_contested_assertions(analysis), *_criticised_sources(analysis)])


def _with_keys(disputes: list[Dispute]) -> list[Dispute]:
    """Return the disputes with their keys.

    The dispute with the oldest links chooses its link first. A new link is younger than all others, so
    it can name only a new dispute, and no existing key changes.
    """
    order = sorted(
        disputes, key=lambda dispute: [(link.first, link.key) for link in dispute.all_links]
    )
    keys: dict[int, str] = {}
    used: set[str] = set()
    for dispute in order:
        links = dispute.all_links
        free = [link.key for link in links if link.key not in used]
        key = free[0] if free else f"{links[0].key}~{dispute.head}"
        keys[id(dispute)] = key
        used.add(key)
    return [replace(dispute, key=keys[id(dispute)]) for dispute in disputes]


def attackers_origins(analysis: Analysis, dispute: Dispute) -> Origins:
    """Return the independent origins behind the attackers of a dispute."""
    return analysis.origins_of_all(dispute.attackers)


def _contested_assertions(analysis: Analysis) -> Iterator[Dispute]:
    """Yield a dispute for each contested assertion, unless another dispute has all its links already.

    Each side of a contradiction attacks the other. Assertions are visited in order of their number of
    attackers, then of the day they were known, so a pair is reported at the one that is attacked most.
    """
    assertions, known_by = analysis.assertions, analysis.graph.known_by
    attacks_on: dict[str, list[Attack]] = defaultdict(list)
    past_on: dict[str, set[LinkEdge]] = defaultdict(set)
    for key in analysis.graph.claims:
        for attack in analysis.attacks.current.get(key, ()):
            if _is_direct(attack, key):
                attacks_on[assertions.of[key]].append(attack)
        for attack in analysis.attacks.past.get(key, ()):
            if _is_direct(attack, key):
                past_on[assertions.of[key]].add(attack.link)
    order = sorted(
        attacks_on,
        key=lambda name: (
            -len({attack.attacker for attack in attacks_on[name]}),
            min(known_by[key] for key in assertions.members[name]),
            name,
        ),
    )
    reported: set[str] = set()
    for name in order:
        links = {attack.link.key: attack.link for attack in attacks_on[name]}
        if not reported.issuperset(links):
            reported.update(links)
            yield _dispute_about_assertion(
                analysis, name, list(links.values()), attacks_on[name], past_on[name]
            )


def _is_direct(attack: Attack, key: str) -> bool:
    """Whether an attack is aimed at a claim itself: not at its source, its assertion or its loop."""
    return attack.source is None and attack.at == key


def _dispute_about_assertion(
    analysis: Analysis, name: str, links: list[LinkEdge], attacks: list[Attack], past: set[LinkEdge]
) -> Dispute:
    known_by = analysis.graph.known_by
    members = analysis.assertions.members[name]
    attackers = tuple(sorted({attack.attacker for attack in attacks}))
    return Dispute(
        head=min(members, key=lambda key: (known_by[key], key)),
        source=False,
        claims=members,
        attackers=attackers,
        links=tuple(sorted(links, key=lambda link: link.entry)),
        past=tuple(sorted(past, key=lambda link: link.entry)),
        contested_allies=_contested_allies(analysis, members, attackers),
        reached=_contested_through(analysis, members),
        questioned=(),
        since=min(_link_known_by(analysis, link) for link in links),
        last=max(_link_known_by(analysis, link) for link in (*links, *past)),
    )


def _criticised_sources(analysis: Analysis) -> Iterator[Dispute]:
    """Yield a dispute for each source that a live claim undercuts, in order of key."""
    graph = analysis.graph
    claims_of: dict[str, set[str]] = defaultdict(set)
    questioned_by: dict[str, set[str]] = defaultdict(set)
    for key in graph.claims:
        for attack in analysis.attacks.current.get(key, ()):
            if attack.source is not None and attack.at == key:
                claims_of[attack.source].add(key)
        for link in analysis.attacks.questioned.get(key, ()):
            questioned_by[link.to].add(key)
    for source in sorted(graph.criticised_sources):
        critics = graph.critics(source)
        links = [link for link in critics if analysis.revisions.counts(link.from_)]
        past = [link for link in critics if link not in links]
        if links:
            claims = tuple(sorted(claims_of[source]))
            yield Dispute(
                head=source,
                source=True,
                claims=claims,
                attackers=tuple(sorted({link.from_ for link in links})),
                links=tuple(links),
                past=tuple(past),
                contested_allies=(),
                reached=_contested_through(analysis, claims),
                questioned=tuple(sorted(questioned_by[source])),
                since=min(graph.known_by[link.from_] for link in links),
                last=max(graph.known_by[link.from_] for link in critics),
            )


def _contested_allies(
    analysis: Analysis, members: tuple[str, ...], attackers: tuple[str, ...]
) -> tuple[str, ...]:
    assertions = analysis.assertions
    allies = {
        key for attacker in attackers for key in assertions.members[assertions.of[attacker]]
    } - {*members, *attackers}
    return tuple(sorted(key for key in allies if analysis.attacks.contested(key)))


def _link_known_by(analysis: Analysis, link: LinkEdge) -> int:
    """Return the day by which an attack was known: the day by which both its ends were."""
    known_by = analysis.graph.known_by
    return max(known_by[link.from_], known_by.get(link.to, 0))


def _contested_through(analysis: Analysis, claims: tuple[str, ...]) -> tuple[str, ...]:
    """Return the claims contested only because they rest on these claims, directly or through others."""
    attacks = analysis.attacks

    def contested_dependents(key: str) -> Iterator[str]:
        for dependent in attacks.dependents.get(key, ()):
            if dependent not in attacks.current:
                yield dependent

    return tuple(sorted(closure(claims, contested_dependents) - set(claims)))
