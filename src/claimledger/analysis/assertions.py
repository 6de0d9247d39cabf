"""Assertions: claims that say the same.

Joined are claims by ``corroborates``, and by ``repeats`` that change no figure. A claim that repeats
several joins only where these are one assertion. A pair so linked that also contradicts is flagged, and
that link joins nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from claimledger.analysis.graph import Graph
from claimledger.records.graph_data import ClaimNode, LinkEdge


@dataclass(frozen=True)
class Assertions:
    """Which claims are one assertion."""

    of: Mapping[str, str]
    """From each claim to its assertion, named by the smallest key in it."""

    members: Mapping[str, tuple[str, ...]]
    """From each assertion to its claims, in order of key."""

    at_odds: tuple[LinkEdge, ...]
    """Links that would join two claims which also contradict each other."""

    def same(self, left: str, right: str) -> bool:
        """Whether two claims are of one assertion."""
        return self.of[left] == self.of[right]


class DisjointSet:
    """Disjoint sets of keys, named by their smallest member."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._parent = {key: key for key in keys}

    def find(self, key: str) -> str:
        """Return the name of the set a key is in."""
        root = key
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[key] != root:
            self._parent[key], key = root, self._parent[key]
        return root

    def join(self, left: str, right: str) -> bool:
        """Make two sets one; return whether they were two."""
        low, high = sorted((self.find(left), self.find(right)))
        self._parent[high] = low
        return low != high


def assertions(graph: Graph) -> Assertions:
    """Return which claims of a graph are one assertion."""
    union = DisjointSet(graph.claims)
    opposed = {
        frozenset((link.from_, link.to)) for link in graph.links if link.type == "contradicts"
    }
    at_odds: list[LinkEdge] = []
    several: dict[str, list[LinkEdge]] = {}
    for link in graph.links:
        if link.type in ("corroborates", "repeats"):
            if frozenset((link.from_, link.to)) in opposed:
                at_odds.append(link)
            elif link.type == "corroborates":
                union.join(link.from_, link.to)
    for key in graph.claims:
        links = graph.from_("repeats", key)
        targets = {link.to for link in links}
        joining = [link for link in links if _joins(graph, link, opposed)]
        if len(targets) == 1:
            for link in joining[:1]:
                union.join(key, link.to)
        elif joining:
            several[key] = list(links)
    _join_repeaters_of_several(graph, union, several, opposed)
    members: dict[str, list[str]] = defaultdict(list)
    for key in sorted(graph.claims):
        members[union.find(key)].append(key)
    named = {key: name for name, keys in members.items() for key in keys}
    return Assertions(named, {name: tuple(m) for name, m in members.items()}, tuple(at_odds))


def _join_repeaters_of_several(
    graph: Graph,
    union: DisjointSet,
    several: dict[str, list[LinkEdge]],
    opposed: set[frozenset[str]],
) -> None:
    """Join claims that repeat several, as soon as these are one assertion; until nothing joins."""
    joined = True
    while several and joined:
        joined = False
        for key, links in list(several.items()):
            if len({union.find(link.to) for link in links}) == 1:
                del several[key]
                for link in links:
                    if _joins(graph, link, opposed):
                        joined |= union.join(key, link.to)


def _joins(graph: Graph, link: LinkEdge, opposed: set[frozenset[str]]) -> bool:
    pair = frozenset((link.from_, link.to))
    return pair not in opposed and not changes_figures(
        graph.claims[link.from_], graph.claims[link.to]
    )


def changes_figures(left: ClaimNode, right: ClaimNode) -> bool:
    """Whether a measure that both claims hold has another interval in each."""
    if not left.figures or not right.figures:
        return False
    left_figures, right_figures = _by_measure(left), _by_measure(right)
    return any(
        left_figures[measure] != right_figures[measure]
        for measure in left_figures.keys() & right_figures.keys()
    )


def _by_measure(claim: ClaimNode) -> dict[str, set[object]]:
    figures: dict[str, set[object]] = defaultdict(set)
    for figure in claim.figures:
        figures[figure.measure].add((figure.unit, figure.interval))
    return figures
