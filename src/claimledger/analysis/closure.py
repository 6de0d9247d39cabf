"""Walks over a graph that visit each node once.

Chains of repeats can be a hundred thousand claims long, so these walks keep an explicit stack: recursion
would exceed Python's call stack. Both take time proportional to the nodes and edges they reach.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)
Label = TypeVar("Label")


def closure(start: Iterable[Node], neighbours: Callable[[Node], Iterable[Node]]) -> set[Node]:
    """Return the start nodes and every node reachable from them.

    ``neighbours`` returns the nodes one step from a node; it is called once for each node reached.

    >>> sorted(closure(["a"], {"a": "b", "b": "ac", "c": "", "d": "a"}.__getitem__))
    ['a', 'b', 'c']
    """
    reached = set(start)
    stack = list(reached)
    while stack:
        for node in neighbours(stack.pop()):
            if node not in reached:
                reached.add(node)
                stack.append(node)
    return reached


def label_reachable(
    seeds: Iterable[tuple[Node, Label]], neighbours: Callable[[Node], Iterable[Node]]
) -> dict[Node, Label]:
    """Return every node reachable from a seed, with the label of the first seed that reaches it.

    Seeds are pairs of a node and its label, the one that takes precedence first. A node that already
    has a label is not entered again, so the whole walk is linear however many seeds overlap; a
    separate :func:`closure` for each seed would be quadratic on a chain.
    """
    labels: dict[Node, Label] = {}
    for seed, label in seeds:
        stack = [seed]
        while stack:
            node = stack.pop()
            if node not in labels:
                labels[node] = label
                stack.extend(neighbours(node))
    return labels
