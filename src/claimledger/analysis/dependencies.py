"""What a claim rests on: what it repeats, and what it derives from.

Repeated claims of one assertion are alternatives: one is enough. Those of different assertions, and
everything derived from, are needs of their own, all of them needed. Claims that rest on each other in
a loop count as one; their needs point out of the loop.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from claimledger.analysis.assertions import Assertions
from claimledger.analysis.graph import RESTS_ON, Graph


@dataclass(frozen=True, slots=True)
class Dependency:
    """Something a claim rests on: claims any one of which is enough."""

    alternatives: tuple[str, ...]
    derived: bool = False


@dataclass(frozen=True)
class Dependencies:
    """The loops of a graph, and what each claim (or loop) needs."""

    loops: Mapping[str, tuple[str, ...]]
    """From each claim in a loop to the loop's claims, in order of key."""

    by_claim: Mapping[str, tuple[Dependency, ...]]
    """From each claim to its needs, those of its whole loop where it is in one."""

    def loop(self, key: str) -> tuple[str, ...]:
        """Return the claims that count as one with a claim: its loop, or itself alone."""
        return self.loops.get(key, (key,))

    def of(self, key: str) -> tuple[Dependency, ...]:
        """Return what a claim needs."""
        return self.by_claim.get(key, ())

    def circular(self, key: str) -> bool:
        """Whether a claim rests on itself through others."""
        return key in self.loops


def dependencies(graph: Graph, asserted: Assertions) -> Dependencies:
    """Return what each claim of a graph rests on."""
    loops = {key: loop for loop in _loops(graph) for key in loop}
    of_claim: dict[str, tuple[Dependency, ...]] = {}
    resting = {**graph.beginning("repeats"), **graph.beginning("derives_from")}
    for key in resting:
        loop = loops.get(key, (key,))
        if key == loop[0]:
            needs = tuple(_needs(graph, asserted, loop))
            if needs:
                of_claim.update((member, needs) for member in loop)
    return Dependencies(loops, of_claim)


def _needs(graph: Graph, asserted: Assertions, loop: tuple[str, ...]) -> Iterator[Dependency]:
    inside = set(loop)
    repeated: dict[str, set[str]] = defaultdict(set)
    derived: set[str] = set()
    for key in loop:
        for link in graph.from_("repeats", key):
            if link.to not in inside:
                repeated[asserted.of[link.to]].add(link.to)
        derived |= {link.to for link in graph.from_("derives_from", key)} - inside
    for name in sorted(repeated):
        yield Dependency(tuple(sorted(repeated[name])))
    for key in sorted(derived):
        yield Dependency((key,), derived=True)


def _loops(graph: Graph) -> Iterator[tuple[str, ...]]:
    """Yield the sets of claims that rest on each other, each in order of key."""
    left = _not_peeled(graph)
    if not left:
        return
    import networkx as nx  # here, because most parts of most ledgers have no loop

    rests: nx.DiGraph[str] = nx.DiGraph()
    for key in left:
        rests.add_edges_from((key, to) for to in _rests_on(graph, key) if to in left)
    for component in nx.strongly_connected_components(rests):
        if len(component) > 1:
            yield tuple(sorted(component))


def _not_peeled(graph: Graph) -> set[str]:
    """Return the claims left when those that rest on nothing are taken away, again and again."""
    waiting = {key: set(_rests_on(graph, key)) for key in graph.claims}
    left = {key for key, targets in waiting.items() if targets}
    queue = deque(key for key in graph.claims if key not in left)
    while queue:
        key = queue.popleft()
        for kind in RESTS_ON:
            for link in graph.to(kind, key):
                waiting[link.from_].discard(key)
                if not waiting[link.from_] and link.from_ in left:
                    left.discard(link.from_)
                    queue.append(link.from_)
    return left


def _rests_on(graph: Graph, key: str) -> Iterable[str]:
    for kind in RESTS_ON:
        for link in graph.from_(kind, key):
            yield link.to


def upstream(graph: Graph, keys: Iterable[str]) -> set[str]:
    """Return these claims and all they rest on, near and far."""
    reached = set(keys)
    stack = list(reached)
    while stack:
        for to in _rests_on(graph, stack.pop()):
            if to not in reached:
                reached.add(to)
                stack.append(to)
    return reached
