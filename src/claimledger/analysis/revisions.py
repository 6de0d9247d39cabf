"""Revisions: the claims that their claimants took back (retracted) or replaced (superseded)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from claimledger.analysis.closure import label_reachable
from claimledger.analysis.graph import Graph
from claimledger.records.link import LinkType


@dataclass(frozen=True)
class Revisions:
    """The retracted and the superseded claims, each with the reason."""

    retracted: Mapping[str, str]
    """From each retracted claim to the link of a retraction that counts."""

    superseded: Mapping[str, str]
    """From each superseded claim to the claim that replaced it."""

    def counts(self, key: str) -> bool:
        """Whether a claim is live: neither retracted nor superseded."""
        return key not in self.retracted and key not in self.superseded


def revisions(graph: Graph) -> Revisions:
    """Return which claims of a graph were retracted or superseded.

    A retraction that was itself retracted does not count. A claim is superseded when a later claim in
    its chain of updates is not retracted. A claim that repeats others is superseded when all of those
    are, because what it repeats is no longer current.
    """
    retracted = _retracted(graph)
    superseded = _updated(graph, retracted)
    # Supersession spreads along ``repeats``. Each claim waits for the targets that are not superseded yet,
    # and is superseded when none is left, so every link is examined once.
    waiting_for: dict[str, set[str]] = {}
    for key in graph.claims:
        targets = {link.to for link in graph.from_(LinkType.REPEATS, key)}
        if targets:
            waiting_for[key] = targets - superseded.keys()
    queue = deque(superseded)
    queue.extend(
        key for key, targets in waiting_for.items() if not targets and key not in superseded
    )
    while queue:
        key = queue.popleft()
        if key not in superseded:
            superseded[key] = graph.from_(LinkType.REPEATS, key)[0].to
        for link in graph.to(LinkType.REPEATS, key):
            targets = waiting_for[link.from_]
            targets.discard(key)
            if not targets and link.from_ not in superseded:
                queue.append(link.from_)
    return Revisions(retracted, superseded)


def _retracted(graph: Graph) -> dict[str, str]:
    """Return the retracted claims, each with the link of a retraction that counts.

    A retraction counts only if no other retraction that counts retracts it.
    """
    # Claims are settled in topological order: first those that nothing retracts, then those whose
    # retractions are all settled. One retraction that counts settles its target at once. The ledger refuses
    # cycles of retractions, but a log from elsewhere can have one: its claims are never settled, so they are
    # not retracted.
    unsettled = {
        key: len(graph.to(LinkType.RETRACTS, key))
        for key in graph.claims
        if graph.to(LinkType.RETRACTS, key)
    }
    retracted: dict[str, str] = {}
    settled: set[str] = set()
    queue = deque(
        key for key in graph.claims if key not in unsettled and graph.from_(LinkType.RETRACTS, key)
    )
    while queue:
        key = queue.popleft()
        if key in settled:
            continue
        settled.add(key)
        counts = key not in retracted
        for link in graph.from_(LinkType.RETRACTS, key):
            if link.to in settled:
                continue
            unsettled[link.to] -= 1
            if counts:
                retracted.setdefault(link.to, link.key)
            if link.to in retracted or unsettled[link.to] == 0:
                queue.append(link.to)
    return retracted


def _updated(graph: Graph, retracted: Mapping[str, str]) -> dict[str, str]:
    """Return the claims that some unretracted claim updates, directly or through other updates."""
    updates = (
        (link.to, key)
        for key in graph.claims
        if key not in retracted
        for link in graph.from_(LinkType.UPDATES, key)
    )
    return label_reachable(
        updates, lambda key: (link.to for link in graph.from_(LinkType.UPDATES, key))
    )
