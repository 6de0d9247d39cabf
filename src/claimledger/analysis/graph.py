"""The dispute graph: the claims in view, and the links between them.

In view are the claims not withdrawn, inside both clocks. The ledger's clock has been applied where the
part was cut out; the world's is applied here: a claim is in view as of a day if it was known by then,
and brings with it what it rests on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

from claimledger.records.graph_data import ClaimNode, GraphData, LinkEdge, PartyNode, SourceNode
from claimledger.records.link import RELATIONS

RESTS_ON = ("repeats", "derives_from")

Day = int
By = Mapping[str, tuple[LinkEdge, ...]]


@dataclass(frozen=True)
class Graph:
    """Claims, links, sources and parties, with the links found by type and end."""

    claims: Mapping[str, ClaimNode]
    links: tuple[LinkEdge, ...]
    sources: Mapping[str, SourceNode]
    parties: Mapping[str, PartyNode]
    days: Callable[[], Mapping[str, Day]]
    """Finds the day by which each claim was known: asked only where dates matter."""

    @cached_property
    def known_by(self) -> Mapping[str, Day]:
        """The day by which each claim was known."""
        known = self.days()
        return {key: known[key] for key in self.claims}

    @cached_property
    def _ends(self) -> tuple[dict[str, By], dict[str, By], By]:
        forward: dict[str, dict[str, list[LinkEdge]]] = {kind: {} for kind in RELATIONS}
        backward: dict[str, dict[str, list[LinkEdge]]] = {kind: {} for kind in RELATIONS}
        critics: dict[str, list[LinkEdge]] = {}
        for link in self.links:
            if link.to_kind == "source":
                critics.setdefault(link.to, []).append(link)
            else:
                forward[link.type].setdefault(link.from_, []).append(link)
                backward[link.type].setdefault(link.to, []).append(link)
        return _frozen(forward), _frozen(backward), {k: tuple(v) for k, v in critics.items()}

    def beginning(self, kind: str) -> By:
        """Return the links of a type that begin and end at claims, by the claim they begin at."""
        return self._ends[0][kind]

    def ending(self, kind: str) -> By:
        """Return the links of a type that begin and end at claims, by the claim they end at."""
        return self._ends[1][kind]

    def from_(self, kind: str, key: str) -> tuple[LinkEdge, ...]:
        """Return the links of a type that begin at a claim and end at a claim."""
        return self._ends[0][kind].get(key, ())

    def to(self, kind: str, key: str) -> tuple[LinkEdge, ...]:
        """Return the links of a type that end at a claim."""
        return self._ends[1][kind].get(key, ())

    def critics(self, source: str) -> tuple[LinkEdge, ...]:
        """Return the links that undercut a source."""
        return self._ends[2].get(source, ())

    @property
    def criticised(self) -> Iterable[str]:
        """The sources that some claim undercuts."""
        return self._ends[2].keys()

    def opposed(self, key: str) -> Iterable[tuple[str, LinkEdge]]:
        """Yield the claims that a claim contradicts or that contradict it, each with the link."""
        for link in self.from_("contradicts", key):
            yield link.to, link
        for link in self.to("contradicts", key):
            yield link.from_, link

    @cached_property
    def _above(self) -> dict[str, frozenset[str]]:
        return {}

    def above(self, party: str) -> frozenset[str]:
        """Return a party and all it is part of, near and far."""
        above = self._above.get(party)
        if above is None:
            chain = [party]
            stored_party = self.parties.get(party)
            while stored_party and stored_party.part_of and stored_party.part_of not in chain:
                chain.append(stored_party.part_of)
                stored_party = self.parties.get(stored_party.part_of)
            above = self._above[party] = frozenset(chain)
        return above

    def speaks_for(self, source: str, claim: ClaimNode) -> bool:
        """Whether a source speaks for a claim's claimant.

        Published by the claimant or a party above it, or written by it, or by nobody known.
        """
        cited = self.sources.get(source)
        if cited is None or (cited.publisher is None and not cited.authors):
            return True
        for claimant in claim.claimants:
            if cited.publisher in self.above(claimant):
                return True
            party = self.parties.get(claimant)
            if party and not party.names.isdisjoint(cited.authors):
                return True
        return False

    def own_sources(self, claim: ClaimNode) -> tuple[str, ...]:
        """Return the sources a claim cites that speak for its claimant."""
        return tuple(source for source in claim.sources if self.speaks_for(source, claim))


def _frozen(by_key: dict[str, dict[str, list[LinkEdge]]]) -> dict[str, By]:
    return {kind: {key: tuple(v) for key, v in by.items()} for kind, by in by_key.items()}


def graph_of(cut: GraphData, as_of: Day | None = None) -> Graph:
    """Return the dispute graph of a part of the ledger, as of a day or without end."""
    days = partial(known_by, cut)
    claims = cut.claims
    if as_of is not None:
        known = days()
        seen = _in_view(cut, known, as_of)
        claims = {key: claim for key, claim in claims.items() if key in seen}
    links = tuple(
        link
        for link in cut.links
        if link.from_ in claims
        and (link.to_kind == "source" or link.to in claims)
        and (as_of is None or entered(cut, link, as_of))
    )
    return Graph(claims, links, cut.sources, cut.parties, days)


def known_by(cut: GraphData) -> dict[str, Day]:
    """Return for each claim the day by which it was known.

    The earliest of: the last day of ``asserted``; of ``published`` of a source it cites; a source's
    ``accessed``; a capture's day; what is so known of any claim that repeats it. Where none of these
    is known, the earliest day on which it or what repeats it was recorded.
    """
    dated = {key: list(_own_days(cut, claim)) for key, claim in cut.claims.items()}
    repeats: dict[str, list[str]] = defaultdict(list)
    for link in cut.links:
        if link.type == "repeats":
            repeats[link.from_].append(link.to)
    days = _spread({key: min(own) for key, own in dated.items() if own}, repeats)
    recorded = _spread({key: claim.recorded for key, claim in cut.claims.items()}, repeats)
    return {key: days.get(key, recorded[key]) for key in cut.claims}


def _own_days(cut: GraphData, claim: ClaimNode) -> Iterable[Day]:
    if claim.asserted and claim.asserted[1] is not None:
        yield claim.asserted[1]
    for source in claim.sources:
        if source in cut.sources:
            yield from cut.sources[source].days


def _spread(days: dict[str, Day], repeats: Mapping[str, list[str]]) -> dict[str, Day]:
    """Let each day reach what the claim repeats, near and far; the earliest wins."""
    spread: dict[str, Day] = {}
    for key in sorted(days, key=lambda claim: (days[claim], claim)):
        stack = [key]
        while stack:
            at = stack.pop()
            if at not in spread:
                spread[at] = days[key]
                stack.extend(repeats.get(at, ()))
    return spread


def _in_view(cut: GraphData, known: Mapping[str, Day], as_of: Day) -> set[str]:
    seen = {key for key, day in known.items() if day <= as_of}
    rests: dict[str, list[str]] = defaultdict(list)
    for link in cut.links:
        if link.type in RESTS_ON and entered(cut, link, as_of):
            rests[link.from_].append(link.to)
    stack = list(seen)
    while stack:
        for key in rests.get(stack.pop(), ()):
            if key not in seen and key in cut.claims:
                seen.add(key)
                stack.append(key)
    return seen


def entered(cut: GraphData, link: LinkEdge, as_of: Day) -> bool:
    """Whether a link was there by a day: a stated one with its citation's source, any other with its ends."""
    if link.basis != "stated" or not link.sources:
        return True
    days = [
        day for source in link.sources if source in cut.sources for day in cut.sources[source].days
    ]
    return min(days, default=link.recorded) <= as_of
