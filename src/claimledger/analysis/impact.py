"""Load-bearing: what most others rest on, and what would have no origin left if it fell.

A claim falls when it is taken back; a source takes with it the claims that cite nothing else, a party
those that only it, or parties under it, make. All are found in one pass over the claims, roots first: to
each claim belongs the set of all that lies on every way from it to a root. These sets are kept as one
tree, as dominators are (Cooper, Harvey and Kennedy 2001): a claim stands under the last thing that all
its ways have in common, so that a chain of a hundred thousand repeats costs no more than its length.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from claimledger.analysis.analysis import Analysis

Label = tuple[str, str]
"""What can fall: ``claim``, ``source`` or ``party``, and its key."""


@dataclass(frozen=True, slots=True)
class Impact:
    """What rests on a claim, a source or a party."""

    kind: str
    key: str
    own: int
    """How many claims fall with it."""

    others: int
    """How many more would have no origin left."""


class ImpactIndex:
    """Everything whose fall would leave other claims without an origin.

    Spoken of are claims neither retracted nor superseded; the others have no origin to lose, or one
    that counts for them alone.
    """

    def __init__(self, answers: Analysis) -> None:
        ways = _Ways(answers)
        self._members = ways.members
        self._order, self._spans = ways.spans()
        self._own: dict[Label, list[str]] = defaultdict(list)
        for key, labels in ways.labels.items():
            for label in labels:
                self._own[label].append(key)
        place = {name: at for at, name in enumerate(self._order)}
        self._place = {key: place[n] for n in self._order for key in self._members[n]}
        sizes = (len(self._members[name]) for name in self._order)
        self._before = [0, *accumulate(sizes)]

    def heaviest(self, most: int | None = None) -> list[Impact]:
        """Return what bears most, the heaviest first."""
        impacts = [load for label in self._spans if (load := self.of(*label)).others]
        order = {"claim": 0, "source": 1, "party": 2}
        impacts.sort(key=lambda impact: (-impact.others, order[impact.kind], impact.key))
        return impacts[:most]

    def of(self, kind: str, key: str) -> Impact:
        """Return what rests on one thing."""
        own = self._own.get((kind, key), [])
        spans = self._spans.get((kind, key), [])
        under = sum(self._before[end] - self._before[start] for start, end in spans)
        among = sum(self._is_within(span, spans) for span in own)
        return Impact(kind, key, len(own), under - among)

    def others(self, kind: str, key: str) -> list[str]:
        """Return the claims that would have no origin left if something fell, not those that fall."""
        own = set(self._own.get((kind, key), ()))
        spans = self._spans.get((kind, key), [])
        names = (name for start, end in spans for name in self._order[start:end])
        return sorted(key for name in names for key in self._members[name] if key not in own)

    def _is_within(self, key: str, spans: list[tuple[int, int]]) -> bool:
        at = self._place.get(key)
        if at is None:
            return False
        near = bisect_right(spans, (at, len(self._order))) - 1
        return near >= 0 and spans[near][0] <= at < spans[near][1]


@dataclass
class _Node:
    """A place in the tree: what it stands under, and what falls with it."""

    above: _Node | None
    labels: frozenset[Label]
    depth: int
    assertions: list[str] = field(default_factory=list)
    under: list[_Node] = field(default_factory=list)


class _Ways:
    """The ways from each assertion to its roots."""

    def __init__(self, answers: Analysis) -> None:
        self._answers = answers
        self._graph = answers.graph
        self._root = _Node(None, frozenset(), 0)
        self._loops: dict[str, _Node] = {}
        self._entries: dict[str, _Node] = {}
        self.members: dict[str, list[str]] = {}
        self.labels = {
            key: frozenset(self._labels_of(key))
            for key in self._graph.claims
            if answers.revisions.counts(key)
        }
        for name, keys in answers.assertions.members.items():
            active = [key for key in keys if key in self.labels]
            if active:
                self.members[name] = active
                self._place(name, active)

    def _labels_of(self, key: str) -> Iterator[Label]:
        claim = self._graph.claims[key]
        yield "claim", key
        if len(claim.sources) == 1:
            yield "source", claim.sources[0]
        above = [self._graph.above(party) for party in claim.claimants]
        for party in frozenset.intersection(*above) if above else ():
            yield "party", party

    def _ups(self, loop: tuple[str, ...]) -> list[str]:
        """Return the claims that are the next step towards the roots; none where a root is."""
        needs = self._answers.dependencies.of(loop[0])
        if len(needs) != 1 or needs[0].derived:
            return []
        return [key for key in needs[0].alternatives if key in self.labels]

    def _is_root(self, loop: tuple[str, ...]) -> bool:
        needs = self._answers.dependencies.of(loop[0])
        return len(needs) != 1 or needs[0].derived

    def _place(self, name: str, active: list[str]) -> None:
        """Hang an assertion under what lies on every way from its members to a root."""
        inside = set(active)
        loop_of = self._answers.dependencies.loop
        # A member that only repeats other members adds nothing to their ways but itself.
        entries = [
            key
            for key in active
            if not (ups := self._ups(loop_of(key))) or not inside.issuperset(ups)
        ]
        nodes = [node for key in entries if (node := self._node(key)) is not _LOST]
        if nodes:
            self._meet(nodes, frozenset()).assertions.append(name)

    def _node(self, key: str) -> _Node:
        """Return the node of a claim, those of all it leads to first."""
        loop_of = self._answers.dependencies.loop
        stack = [loop_of(key)]
        while stack:
            loop = stack[-1]
            if loop[0] in self._loops:
                stack.pop()
                continue
            ups = [loop_of(up) for up in self._ups(loop)]
            waiting = [up for up in ups if up[0] not in self._loops]
            if waiting:
                stack += waiting
                continue
            stack.pop()
            self._loops[loop[0]] = self._made(loop)
        return self._entered(key)

    def _entered(self, key: str) -> _Node:
        """Return where a claim stands: itself, or the step by which its loop is entered."""
        loop = self._answers.dependencies.loop(key)
        node = self._loops[loop[0]]
        if len(loop) == 1 or node is _LOST:
            return node
        if key not in self._entries:
            self._entries[key] = self._under([node], self.labels[key])
        return self._entries[key]

    def _made(self, loop: tuple[str, ...]) -> _Node:
        standing = [self.labels[key] for key in loop if key in self.labels]
        # A loop counts while one of it does: only what all of it shares makes it fall.
        labels = frozenset.intersection(*standing) if standing else frozenset()
        if self._is_root(loop):
            return self._under([self._root], labels) if standing else _LOST
        ups = [node for up in self._ups(loop) if (node := self._entered(up)) is not _LOST]
        # On the way up a loop is only passed: which of it stand matters where it is entered.
        return self._under(ups, labels if len(loop) == 1 else frozenset()) if ups else _LOST

    def _under(self, nodes: Sequence[_Node], labels: frozenset[Label]) -> _Node:
        return self._meet(nodes, labels, new=True)

    def _meet(
        self, nodes: Sequence[_Node], labels: frozenset[Label], *, new: bool = False
    ) -> _Node:
        """Return the place under all that several ways have in common."""
        meeting = nodes[0]
        for node in nodes[1:]:
            meeting = _common(meeting, node)
        shared: frozenset[Label] = frozenset()
        if any(node is not meeting for node in nodes):
            shared = frozenset.intersection(*(_between(node, meeting) for node in nodes))
        elif not new:
            return meeting
        meeting_node = _Node(meeting, labels | shared, meeting.depth + 1)
        meeting.under.append(meeting_node)
        return meeting_node

    def spans(self) -> tuple[list[str], dict[Label, list[tuple[int, int]]]]:
        """Return the assertions in an order in which all below one place stand together.

        And for each label the stretches of that order all of whose ways pass it.
        """
        order: list[str] = []
        spans: dict[Label, list[tuple[int, int]]] = defaultdict(list)
        passed: set[Label] = set()
        stack: list[tuple[_Node, int, frozenset[Label]]] = [(self._root, -1, frozenset())]
        while stack:
            node, start, labels = stack.pop()
            if start >= 0:
                passed -= labels
                for label in labels if len(order) > start else ():
                    spans[label].append((start, len(order)))
                continue
            fresh = node.labels - passed  # below one that was passed already it says nothing new
            passed |= fresh
            stack.append((node, len(order), fresh))
            order += node.assertions
            stack += [(under, -1, frozenset()) for under in node.under]
        return order, spans


_LOST = _Node(None, frozenset(), -1)
"""Stands for claims from which no way leads to a root any more."""


def _common(left: _Node, right: _Node) -> _Node:
    """Return the deepest place that two places stand under (or are)."""
    while left is not right:
        if left.depth < right.depth:
            left, right = right, left
        assert left.above is not None
        left = left.above
    return left


def _between(node: _Node, top: _Node) -> frozenset[Label]:
    """Return all labels from a place up to another, that one left out."""
    labels: set[Label] = set()
    while node is not top:
        labels |= node.labels
        assert node.above is not None
        node = node.above
    return frozenset(labels)
