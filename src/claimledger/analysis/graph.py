"""The graph from which every answer is computed: the claims in view and the links between them.

A claim is in view when it is not withdrawn and lies inside both clocks. The ledger's clock
(``--known-at``) was applied when the graph data were loaded. The world's clock (``--as-of``) is applied
here: as of a day, a claim is in view if it was known by then, or if a claim in view rests on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

from claimledger.analysis.closure import closure, label_reachable
from claimledger.records.graph_data import ClaimNode, GraphData, LinkEdge, PartyNode, SourceNode
from claimledger.records.link import RELATIONS, LinkType

RESTS_ON = (LinkType.REPEATS, LinkType.DERIVES_FROM)
"""The link types by which a claim rests on another."""

Day = int
"""A day as a proleptic Gregorian ordinal."""

LinksByClaim = Mapping[str, tuple[LinkEdge, ...]]


@dataclass(frozen=True)
class Graph:
    """Claims, links, sources and parties, with the links indexed by type and by either end."""

    claims: Mapping[str, ClaimNode]
    links: tuple[LinkEdge, ...]
    sources: Mapping[str, SourceNode]
    parties: Mapping[str, PartyNode]
    compute_known_by: Callable[[], Mapping[str, Day]]
    """Computes the day by which each claim was known: lazily, because most answers need no dates."""

    @cached_property
    def known_by(self) -> Mapping[str, Day]:
        """The day by which each claim in view was known."""
        days = self.compute_known_by()
        return {key: days[key] for key in self.claims}

    @cached_property
    def _indexes(self) -> tuple[dict[str, LinksByClaim], dict[str, LinksByClaim], LinksByClaim]:
        """Indexes of the links: by type and start, by type and end, and by the source at which they end."""
        by_start: dict[str, dict[str, list[LinkEdge]]] = {kind: {} for kind in RELATIONS}
        by_end: dict[str, dict[str, list[LinkEdge]]] = {kind: {} for kind in RELATIONS}
        by_source: dict[str, list[LinkEdge]] = {}
        for link in self.links:
            if link.to_kind == "source":
                by_source.setdefault(link.to, []).append(link)
            else:
                by_start[link.type].setdefault(link.from_, []).append(link)
                by_end[link.type].setdefault(link.to, []).append(link)
        critics = {source: tuple(links) for source, links in by_source.items()}
        return _with_tuples(by_start), _with_tuples(by_end), critics

    def links_by_start(self, kind: str) -> LinksByClaim:
        """Return the claim-to-claim links of a type, by the claim they start at."""
        return self._indexes[0][kind]

    def links_by_end(self, kind: str) -> LinksByClaim:
        """Return the claim-to-claim links of a type, by the claim they end at."""
        return self._indexes[1][kind]

    def from_(self, kind: str, key: str) -> tuple[LinkEdge, ...]:
        """Return the links of a type that start at a claim and end at a claim."""
        return self._indexes[0][kind].get(key, ())

    def to(self, kind: str, key: str) -> tuple[LinkEdge, ...]:
        """Return the links of a type that end at a claim."""
        return self._indexes[1][kind].get(key, ())

    def critics(self, source: str) -> tuple[LinkEdge, ...]:
        """Return the links that undercut a source."""
        return self._indexes[2].get(source, ())

    @property
    def criticised_sources(self) -> Iterable[str]:
        """The sources that at least one claim undercuts."""
        return self._indexes[2].keys()

    def contradictions(self, key: str) -> Iterable[tuple[str, LinkEdge]]:
        """Yield each claim that contradicts a claim or is contradicted by it, with the link."""
        for link in self.from_(LinkType.CONTRADICTS, key):
            yield link.to, link
        for link in self.to(LinkType.CONTRADICTS, key):
            yield link.from_, link

    @cached_property
    def _above_cache(self) -> dict[str, frozenset[str]]:
        return {}

    def above(self, party: str) -> frozenset[str]:
        """Return a party and every party it belongs to, directly or through others."""
        above = self._above_cache.get(party)
        if above is None:
            above = frozenset(closure([party], self._parents))
            self._above_cache[party] = above
        return above

    def _parents(self, party: str) -> tuple[str, ...]:
        node = self.parties.get(party)
        return (node.part_of,) if node and node.part_of else ()

    def speaks_for(self, source: str, claim: ClaimNode) -> bool:
        """Whether a source is the claimant's own, so that criticism of it reaches the claim.

        It is if the claimant, or a party above the claimant, published it; if the claimant wrote it; or if
        neither a publisher nor an author is recorded.
        """
        node = self.sources.get(source)
        if node is None or (node.publisher is None and not node.authors):
            return True
        for claimant in claim.claimants:
            if node.publisher in self.above(claimant):
                return True
            party = self.parties.get(claimant)
            if party and not party.names.isdisjoint(node.authors):
                return True
        return False

    def own_sources(self, claim: ClaimNode) -> tuple[str, ...]:
        """Return the sources a claim cites that speak for its claimant."""
        return tuple(source for source in claim.sources if self.speaks_for(source, claim))


def _with_tuples(index: dict[str, dict[str, list[LinkEdge]]]) -> dict[str, LinksByClaim]:
    return {
        kind: {key: tuple(links) for key, links in by_claim.items()}
        for kind, by_claim in index.items()
    }


def graph_of(graph_data: GraphData, as_of: Day | None = None) -> Graph:
    """Return the graph of some claims and links.

    ``as_of`` limits it to what the world knew by the end of a day; ``None`` sets no limit.
    """
    compute_known_by = partial(known_by_days, graph_data)
    claims = graph_data.claims
    if as_of is not None:
        in_view = _claims_in_view(graph_data, compute_known_by(), as_of)
        claims = {key: claim for key, claim in claims.items() if key in in_view}
    links = tuple(
        link
        for link in graph_data.links
        if link.from_ in claims
        and (link.to_kind == "source" or link.to in claims)
        and (as_of is None or is_link_known(graph_data, link, as_of))
    )
    return Graph(
        claims=claims,
        links=links,
        sources=graph_data.sources,
        parties=graph_data.parties,
        compute_known_by=compute_known_by,
    )


def known_by_days(graph_data: GraphData) -> dict[str, Day]:
    """Return the day by which each claim was known.

    It is the earliest of: the last day of ``asserted``; the last day of ``published`` of a cited source; the
    source's ``accessed``; the day of a capture of it; and the day by which a claim that repeats it was
    known. If none of these is recorded, it is the earliest day on which the claim, or a claim that repeats
    it, was recorded.
    """
    dated = {key: list(_stated_days(graph_data, claim)) for key, claim in graph_data.claims.items()}
    repeated: dict[str, list[str]] = defaultdict(list)
    for link in graph_data.links:
        if link.type == LinkType.REPEATS:
            repeated[link.from_].append(link.to)
    stated = _earliest_of_repeaters(
        {key: min(days) for key, days in dated.items() if days}, repeated
    )
    # The day of recording only proves that the claim existed by then, so any stated day takes precedence.
    recorded = _earliest_of_repeaters(
        {key: claim.recorded for key, claim in graph_data.claims.items()}, repeated
    )
    return {key: stated.get(key, recorded[key]) for key in graph_data.claims}


def _stated_days(graph_data: GraphData, claim: ClaimNode) -> Iterable[Day]:
    """Yield the days that a claim's own date and its sources give."""
    if claim.asserted and claim.asserted[1] is not None:
        yield claim.asserted[1]
    for source in claim.sources:
        if source in graph_data.sources:
            yield from graph_data.sources[source].days


def _earliest_of_repeaters(
    days: dict[str, Day], repeated: Mapping[str, list[str]]
) -> dict[str, Day]:
    """Return for each claim the earliest day of its own and of the claims that repeat it.

    Whoever repeats a claim knows it, so a day applies to the repeated claim as well. If the walks start with
    the earliest day, the first day that reaches a claim is its minimum. This is Dijkstra's algorithm, which
    needs no priority queue here because a day does not change along a link.
    """
    earliest_first = sorted(days, key=lambda claim: (days[claim], claim))
    return label_reachable(
        ((key, days[key]) for key in earliest_first), lambda key: repeated.get(key, ())
    )


def _claims_in_view(graph_data: GraphData, known_by: Mapping[str, Day], as_of: Day) -> set[str]:
    """Return the claims known by a day, with everything they rest on.

    A claim cannot have been made before the claim that it repeats, even if only a later date of that is
    recorded.
    """
    rests_on: dict[str, list[str]] = defaultdict(list)
    for link in graph_data.links:
        if (
            link.type in RESTS_ON
            and link.to in graph_data.claims
            and is_link_known(graph_data, link, as_of)
        ):
            rests_on[link.from_].append(link.to)
    known = (key for key, day in known_by.items() if day <= as_of)
    return closure(known, lambda key: rests_on.get(key, ()))


def is_link_known(graph_data: GraphData, link: LinkEdge, as_of: Day) -> bool:
    """Whether a link counts as of a day, given that both its ends do.

    A stated link with a citation became known with its source; any other link became known with its ends.
    """
    if link.basis != "stated" or not link.sources:
        return True
    days = [
        day
        for source in link.sources
        if source in graph_data.sources
        for day in graph_data.sources[source].days
    ]
    return min(days, default=link.recorded) <= as_of
