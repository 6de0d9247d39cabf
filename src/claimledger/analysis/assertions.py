"""Assertions: sets of claims that say the same.

Claims are merged when linked by ``corroborates``, or by ``repeats`` with unchanged figures. A claim that
repeats several others joins them only if these are one assertion. A pair that is linked as the same
and also as contradicting is flagged, and the link that would merge it is ignored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from claimledger.analysis.graph import Graph
from claimledger.records.graph_data import ClaimNode, LinkEdge
from claimledger.records.link import LinkType


@dataclass(frozen=True)
class Assertions:
    """A partition of the claims into assertions."""

    of: Mapping[str, str]
    """From each claim to its assertion, which is named by the smallest key in it."""

    members: Mapping[str, tuple[str, ...]]
    """From each assertion to its claims, in order of key."""

    at_odds: tuple[LinkEdge, ...]
    """The links that were ignored because their two claims also contradict each other."""

    def same(self, left: str, right: str) -> bool:
        """Whether two claims belong to one assertion."""
        return self.of[left] == self.of[right]


class DisjointSet:
    """Disjoint sets of keys (union-find with path compression), each named by its smallest member.

    Naming by the smallest member makes the result independent of the order of the links, which the laws
    in ``docs/semantics.md`` require. It rules out union by rank, so ``find`` takes amortised O(log n).
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._parent = {key: key for key in keys}

    def find(self, key: str) -> str:
        """Return the name of the set that contains a key."""
        root = key
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[key] != root:
            self._parent[key], key = root, self._parent[key]
        return root

    def join(self, left: str, right: str) -> bool:
        """Merge the sets of two keys. Return whether they were different sets before."""
        low, high = sorted((self.find(left), self.find(right)))
        self._parent[high] = low
        return low != high


def assertions(graph: Graph) -> Assertions:
    """Return which claims of a graph say the same."""
    union = DisjointSet(graph.claims)
    contradicting = {
        frozenset((link.from_, link.to))
        for link in graph.links
        if link.type == LinkType.CONTRADICTS
    }
    at_odds: list[LinkEdge] = []
    for link in graph.links:
        if link.type in (LinkType.CORROBORATES, LinkType.REPEATS):
            if frozenset((link.from_, link.to)) in contradicting:
                at_odds.append(link)
            elif link.type == LinkType.CORROBORATES:
                union.join(link.from_, link.to)
    repeaters_of_several: dict[str, list[LinkEdge]] = {}
    for key in graph.claims:
        links = graph.from_(LinkType.REPEATS, key)
        targets = {link.to for link in links}
        joining = [link for link in links if _says_the_same(graph, link, contradicting)]
        if len(targets) == 1:
            for link in joining[:1]:
                union.join(key, link.to)
        elif joining:
            # Whether these join is decided last, when it is known which of their targets are one assertion.
            repeaters_of_several[key] = list(links)
    _join_repeaters_of_several(graph, union, repeaters_of_several, contradicting)
    members: dict[str, list[str]] = defaultdict(list)
    for key in sorted(graph.claims):
        members[union.find(key)].append(key)
    of = {key: name for name, keys in members.items() for key in keys}
    return Assertions(of, {name: tuple(keys) for name, keys in members.items()}, tuple(at_odds))


def _join_repeaters_of_several(
    graph: Graph,
    union: DisjointSet,
    waiting: dict[str, list[LinkEdge]],
    contradicting: set[frozenset[str]],
) -> None:
    """Join each claim that repeats several others, if all of those are one assertion.

    One join can make the targets of another claim one assertion, so the passes are repeated until one joins
    nothing: the least fixpoint, which does not depend on the order of the claims. The claims that join are
    removed from ``waiting``.
    """
    joined = True
    while waiting and joined:
        joined = False
        for key, links in list(waiting.items()):
            if len({union.find(link.to) for link in links}) == 1:
                del waiting[key]
                for link in links:
                    if _says_the_same(graph, link, contradicting):
                        joined |= union.join(key, link.to)


def _says_the_same(graph: Graph, link: LinkEdge, contradicting: set[frozenset[str]]) -> bool:
    """Whether a ``repeats`` link merges its claims: no figure changed, and no contradiction between them."""
    pair = frozenset((link.from_, link.to))
    return pair not in contradicting and not changes_figures(
        graph.claims[link.from_], graph.claims[link.to]
    )


def changes_figures(left: ClaimNode, right: ClaimNode) -> bool:
    """Whether two claims give different figures for a measure that both have.

    A claim may have several figures of one measure, in different scopes; then the sets are compared.
    """
    if not left.figures or not right.figures:
        return False
    left_figures, right_figures = _figures_by_measure(left), _figures_by_measure(right)
    return any(
        left_figures[measure] != right_figures[measure]
        for measure in left_figures.keys() & right_figures.keys()
    )


def _figures_by_measure(claim: ClaimNode) -> dict[str, set[object]]:
    figures: dict[str, set[object]] = defaultdict(set)
    for figure in claim.figures:
        figures[figure.measure].add((figure.unit, figure.interval))
    return figures
