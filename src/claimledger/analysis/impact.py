"""Load-bearing records: those on which many other claims rest, which would have no origin without them.

A claim that falls counts as taken back. With a source fall the claims that cite nothing else; with a party
fall the claims that only this party, or parties under it, make. Another claim rests on the record if every
path from the claim's assertion up to a root passes through a claim that falls with the record. In terms of
flow graphs (with the roots at the entry), the record *dominates* the claim.

So all answers come from one dominator tree. It is built like that of Cooper, Harvey and Kennedy (2001,
"A simple, fast dominance algorithm"), from the roots down: a node hangs under the lowest common ancestor
of the nodes that all its paths come from. Loops of repeats are collapsed first, which leaves a graph
without cycles, so one pass is enough. The time is linear in the length of a chain of repeats; a set of
dominators for each claim would make it quadratic. See section *Load-bearing* of
``docs/semantics.md``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from claimledger.analysis.analysis import Analysis

Label = tuple[str, str]
"""A record that can fall: ``claim``, ``source`` or ``party``, and its key."""

Span = tuple[int, int]
"""A half-open range of positions in the order of assertions."""


@dataclass(frozen=True, slots=True)
class Impact:
    """The number of claims that depend on a claim, a source or a party."""

    kind: str
    key: str
    own: int
    """How many claims fall with it."""

    others: int
    """How many more claims would have no origin left."""


class ImpactIndex:
    """The impact of every record whose fall would leave other claims without an origin.

    Only live claims are counted. A retracted claim has no origin to lose, and a superseded one has an
    origin that counts for itself alone.

    The assertions are listed so that each subtree of the dominator tree is one contiguous range
    (an Euler tour), and each record keeps the ranges it dominates. Counting then takes prefix sums,
    and membership a binary search, instead of a walk over the tree for every record.
    """

    def __init__(self, analysis: Analysis) -> None:
        tree = _DominatorTree(analysis)
        self._members = tree.members
        self._order, self._spans = tree.dominated_spans()
        self._own: dict[Label, list[str]] = defaultdict(list)
        for key, labels in tree.labels.items():
            for label in labels:
                self._own[label].append(key)
        self._position = {
            key: position
            for position, name in enumerate(self._order)
            for key in self._members[name]
        }
        sizes = (len(self._members[name]) for name in self._order)
        self._claims_before = [0, *accumulate(sizes)]

    def heaviest(self, limit: int | None = None) -> list[Impact]:
        """Return the records on which the most other claims rest, the heaviest first; at most ``limit``."""
        impacts = [impact for label in self._spans if (impact := self.of(*label)).others]
        order = {"claim": 0, "source": 1, "party": 2}
        impacts.sort(key=lambda impact: (-impact.others, order[impact.kind], impact.key))
        return impacts[:limit]

    def of(self, kind: str, key: str) -> Impact:
        """Return the impact of one record."""
        own = self._own.get((kind, key), [])
        spans = self._spans.get((kind, key), [])
        dominated = sum(
            self._claims_before[end] - self._claims_before[start] for start, end in spans
        )
        own_among_them = sum(self._is_within(claim, spans) for claim in own)
        return Impact(kind=kind, key=key, own=len(own), others=dominated - own_among_them)

    def others(self, kind: str, key: str) -> list[str]:
        """Return the claims that would have no origin left if a record fell, without those that fall."""
        own = set(self._own.get((kind, key), ()))
        spans = self._spans.get((kind, key), [])
        names = (name for start, end in spans for name in self._order[start:end])
        return sorted(claim for name in names for claim in self._members[name] if claim not in own)

    def _is_within(self, key: str, spans: list[Span]) -> bool:
        position = self._position.get(key)
        if position is None:
            return False
        # The spans are disjoint and sorted, so only the last one that starts at or before it can contain it.
        index = bisect_right(spans, (position, len(self._order))) - 1
        return index >= 0 and spans[index][0] <= position < spans[index][1]


@dataclass
class _Node:
    """A node of the dominator tree.

    ``labels`` are the records whose fall breaks every path that passes the node.
    """

    parent: _Node | None
    labels: frozenset[Label]
    depth: int
    assertions: list[str] = field(default_factory=list)
    children: list[_Node] = field(default_factory=list)


class _DominatorTree:
    """The dominator tree of the live claims, with the assertions attached to its nodes.

    The nodes are loops (a claim outside any loop is a loop of one). Above all roots is one entry node.
    """

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis
        self._graph = analysis.graph
        self._entry = _Node(None, frozenset(), 0)
        self._node_of_loop: dict[str, _Node] = {}
        self._node_of_member: dict[str, _Node] = {}
        self.members: dict[str, list[str]] = {}
        """From each assertion to its live claims."""

        self.labels = {
            key: frozenset(self._labels_of(key))
            for key in self._graph.claims
            if analysis.revisions.counts(key)
        }
        """From each live claim to the records it falls with."""

        for name, keys in analysis.assertions.members.items():
            live = [key for key in keys if key in self.labels]
            if live:
                self.members[name] = live
                self._attach(name, live)

    def _labels_of(self, key: str) -> Iterator[Label]:
        claim = self._graph.claims[key]
        yield "claim", key
        if len(claim.sources) == 1:
            yield "source", claim.sources[0]
        # A claim of several claimants falls only with a party that they all belong to.
        above = [self._graph.above(party) for party in claim.claimants]
        for party in frozenset.intersection(*above) if above else ():
            yield "party", party

    def _next_claims(self, loop: tuple[str, ...]) -> list[str]:
        """Return the live claims that are one step nearer to the roots."""
        repeated = self._analysis.dependencies.repeated_assertion(loop[0])
        return [key for key in repeated if key in self.labels]

    def _is_root(self, loop: tuple[str, ...]) -> bool:
        return not self._analysis.dependencies.repeated_assertion(loop[0])

    def _attach(self, name: str, live: list[str]) -> None:
        """Attach an assertion to the node that dominates it: the lowest node that all its paths share."""
        # An assertion survives while any member has a path to a live root. So its dominators are those that
        # the members' paths have in common, which is the meet of the members' nodes and not any single one.
        inside = set(live)
        loop_of = self._analysis.dependencies.loop
        # A member that only repeats other members adds no path of its own, because its paths lead through
        # them.
        starts = [
            key
            for key in live
            if not (above := self._next_claims(loop_of(key))) or not inside.issuperset(above)
        ]
        nodes = [node for key in starts if (node := self._node(key)) is not _UNROOTED]
        if nodes:
            self._meet(nodes).assertions.append(name)

    def _node(self, key: str) -> _Node:
        """Return the node of a claim, after building the nodes of all claims on its paths to the roots.

        A depth-first walk in post-order with an explicit stack, because chains can exceed Python's call
        stack.
        """
        loop_of = self._analysis.dependencies.loop
        stack = [loop_of(key)]
        while stack:
            loop = stack[-1]
            if loop[0] in self._node_of_loop:
                stack.pop()
                continue
            above = [loop_of(next_key) for next_key in self._next_claims(loop)]
            missing = [next_loop for next_loop in above if next_loop[0] not in self._node_of_loop]
            if missing:
                stack += missing
                continue
            stack.pop()
            self._node_of_loop[loop[0]] = self._build(loop)
        return self._node_of_claim(key)

    def _node_of_claim(self, key: str) -> _Node:
        """Return the node of a claim: that of its loop, or one below it for the claim where a path enters."""
        loop = self._analysis.dependencies.loop(key)
        node = self._node_of_loop[loop[0]]
        if len(loop) == 1 or node is _UNROOTED:
            return node
        if key not in self._node_of_member:
            self._node_of_member[key] = self._add_below([node], self.labels[key])
        return self._node_of_member[key]

    def _build(self, loop: tuple[str, ...]) -> _Node:
        """Build the node of a loop; the nodes of the next claims must exist already."""
        live = [self.labels[key] for key in loop if key in self.labels]
        # A loop is a root while one of its claims is live, so it falls only with a record that they all
        # share.
        labels = frozenset.intersection(*live) if live else frozenset()
        if self._is_root(loop):
            return self._add_below([self._entry], labels) if live else _UNROOTED
        above = [
            node
            for key in self._next_claims(loop)
            if (node := self._node_of_claim(key)) is not _UNROOTED
        ]
        # Paths only pass through a loop on the way to a root. Which of its claims must be live depends on
        # where a path enters it (see `_node_of_claim`), so the loop itself has no labels.
        return (
            self._add_below(above, labels if len(loop) == 1 else frozenset())
            if above
            else _UNROOTED
        )

    def _add_below(self, nodes: Sequence[_Node], labels: frozenset[Label]) -> _Node:
        """Add a node with some labels below the common ancestor of some nodes, and return it."""
        ancestor, shared = self._common(nodes)
        return self._add(ancestor, labels | shared)

    def _meet(self, nodes: Sequence[_Node]) -> _Node:
        """Return the node for what some nodes have in common, adding one only if none exists."""
        ancestor, shared = self._common(nodes)
        if all(node is ancestor for node in nodes):
            return ancestor
        return self._add(ancestor, shared)

    def _common(self, nodes: Sequence[_Node]) -> tuple[_Node, frozenset[Label]]:
        """Return the lowest common ancestor of some nodes, and the labels that all paths below it share.

        Different claims between the ancestor and the nodes can have the same label, for example if both cite
        only one source. Then that source dominates, although no single claim does.
        """
        ancestor = nodes[0]
        for node in nodes[1:]:
            ancestor = _lowest_common_ancestor(ancestor, node)
        if all(node is ancestor for node in nodes):
            return ancestor, frozenset()
        return ancestor, frozenset.intersection(
            *(_labels_between(node, ancestor) for node in nodes)
        )

    def _add(self, parent: _Node, labels: frozenset[Label]) -> _Node:
        node = _Node(parent, labels, parent.depth + 1)
        parent.children.append(node)
        return node

    def dominated_spans(self) -> tuple[list[str], dict[Label, list[Span]]]:
        """Return the assertions in tree order, and for each label the spans it dominates.

        In tree order (pre-order) every subtree is a contiguous span.
        """
        # A label that occurs again below a node which has it already adds no span. So the spans of a label
        # are disjoint, which the prefix sums and the binary search in ImpactIndex require.
        order: list[str] = []
        spans: dict[Label, list[Span]] = defaultdict(list)
        open_labels: set[Label] = set()
        # An entry with a start >= 0 marks the end of a node whose subtree began at that position.
        stack: list[tuple[_Node, int, frozenset[Label]]] = [(self._entry, -1, frozenset())]
        while stack:
            node, start, labels = stack.pop()
            if start >= 0:
                open_labels -= labels
                for label in labels if len(order) > start else ():
                    spans[label].append((start, len(order)))
                continue
            new_labels = node.labels - open_labels
            open_labels |= new_labels
            stack.append((node, len(order), new_labels))
            order += node.assertions
            stack += [(child, -1, frozenset()) for child in node.children]
        return order, spans


_UNROOTED = _Node(None, frozenset(), -1)
"""Represents the node of a claim from which no path leads to a live root."""


def _lowest_common_ancestor(left: _Node, right: _Node) -> _Node:
    while left is not right:
        if left.depth < right.depth:
            left, right = right, left
        assert left.parent is not None
        left = left.parent
    return left


def _labels_between(node: _Node, ancestor: _Node) -> frozenset[Label]:
    """Return all labels on the path from a node up to an ancestor, without the ancestor's own."""
    labels: set[Label] = set()
    while node is not ancestor:
        labels |= node.labels
        assert node.parent is not None
        node = node.parent
    return frozenset(labels)
