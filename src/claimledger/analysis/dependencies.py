"""Dependencies: the claims on which a claim rests, through ``repeats`` and ``derives_from`` links.

Repeated claims of one assertion are alternatives, one of which is enough. Repeated claims of different
assertions, and every claim derived from, are separate dependencies, all of which are needed. Claims that
rest on each other in a loop count as one claim, whose dependencies are those that lead out of the loop.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from claimledger.analysis.assertions import Assertions
from claimledger.analysis.closure import closure
from claimledger.analysis.graph import RESTS_ON, Graph
from claimledger.records.link import LinkType


@dataclass(frozen=True, slots=True)
class Dependency:
    """One dependency of a claim: one or more alternative claims, any one of which is enough."""

    alternatives: tuple[str, ...]
    derived: bool = False
    """Whether the claim is derived from it, instead of repeating it."""


@dataclass(frozen=True)
class Dependencies:
    """The loops of a graph, and the dependencies of each claim or loop."""

    loops: Mapping[str, tuple[str, ...]]
    """From each claim in a loop to the loop's claims, in order of key."""

    by_claim: Mapping[str, tuple[Dependency, ...]]
    """From each claim to its dependencies; for a claim in a loop, those of the whole loop."""

    def loop(self, key: str) -> tuple[str, ...]:
        """Return the claims that count as one with a claim: its loop, or the claim alone."""
        return self.loops.get(key, (key,))

    def of(self, key: str) -> tuple[Dependency, ...]:
        """Return the dependencies of a claim; for a claim in a loop, those of the whole loop."""
        return self.by_claim.get(key, ())

    def circular(self, key: str) -> bool:
        """Whether a claim rests on itself through others."""
        return key in self.loops

    def repeated_assertion(self, key: str) -> tuple[str, ...]:
        """Return the claims through which a claim's origins are followed further; empty at a root.

        Origins are followed only while a claim does nothing but repeat one assertion. A claim with no
        dependency, with several, or with a derivation contributes something of its own, so it is a root.
        """
        dependencies = self.of(key)
        if len(dependencies) == 1 and not dependencies[0].derived:
            return dependencies[0].alternatives
        return ()


def dependencies(graph: Graph, assertions: Assertions) -> Dependencies:
    """Return the dependencies of every claim of a graph."""
    loops = {key: loop for loop in _loops(graph) for key in loop}
    by_claim: dict[str, tuple[Dependency, ...]] = {}
    for key in {
        **graph.links_by_start(LinkType.REPEATS),
        **graph.links_by_start(LinkType.DERIVES_FROM),
    }:
        loop = loops.get(key, (key,))
        # Every claim of a loop rests on another, so this iteration visits the first one too.
        if key == loop[0]:
            of_loop = tuple(_dependencies_of_loop(graph, assertions, loop))
            if of_loop:
                by_claim.update((member, of_loop) for member in loop)
    return Dependencies(loops, by_claim)


def _dependencies_of_loop(
    graph: Graph, assertions: Assertions, loop: tuple[str, ...]
) -> Iterator[Dependency]:
    """Yield the dependencies of a loop, or of a single claim, outside itself.

    Alternatives are grouped over the whole loop: when two of its claims repeat two reports that
    corroborate each other, the loop has one dependency with two alternatives (see the second reading in
    section *Rests on* of ``docs/semantics.md``).
    """
    inside = set(loop)
    repeated: dict[str, set[str]] = defaultdict(set)
    derived: set[str] = set()
    for key in loop:
        for link in graph.from_(LinkType.REPEATS, key):
            if link.to not in inside:
                repeated[assertions.of[link.to]].add(link.to)
        derived |= {link.to for link in graph.from_(LinkType.DERIVES_FROM, key)} - inside
    for name in sorted(repeated):
        yield Dependency(tuple(sorted(repeated[name])))
    for key in sorted(derived):
        yield Dependency((key,), derived=True)


def _loops(graph: Graph) -> Iterator[tuple[str, ...]]:
    """Yield the loops: strongly connected components of more than one claim, each in order of key."""
    candidates = _claims_near_loops(graph)
    if not candidates:
        return
    # Imported late: it is slow to import, and most graphs have no loop.
    import networkx as nx

    rests_on: nx.DiGraph[str] = nx.DiGraph()
    for key in candidates:
        rests_on.add_edges_from((key, to) for to in _rests_on(graph, key) if to in candidates)
    # Tarjan's algorithm (1972), in Nuutila's non-recursive form.
    for component in nx.strongly_connected_components(rests_on):
        if len(component) > 1:
            yield tuple(sorted(component))


def _claims_near_loops(graph: Graph) -> set[str]:
    """Return the claims that are in a loop or rest, directly or indirectly, on one.

    Kahn's topological sort (1962): claims that rest on nothing are removed, then those that rest on
    nothing else, and so on. What it cannot remove is what the search for components has to look at.
    """
    unresolved = {key: set(_rests_on(graph, key)) for key in graph.claims}
    remaining = {key for key, targets in unresolved.items() if targets}
    queue = deque(key for key in graph.claims if key not in remaining)
    while queue:
        key = queue.popleft()
        for kind in RESTS_ON:
            for link in graph.to(kind, key):
                unresolved[link.from_].discard(key)
                if not unresolved[link.from_] and link.from_ in remaining:
                    remaining.discard(link.from_)
                    queue.append(link.from_)
    return remaining


def _rests_on(graph: Graph, key: str) -> Iterable[str]:
    for kind in RESTS_ON:
        for link in graph.from_(kind, key):
            yield link.to


def upstream(graph: Graph, keys: Iterable[str]) -> set[str]:
    """Return some claims and everything they rest on, directly or through others."""
    return closure(keys, lambda key: _rests_on(graph, key))
