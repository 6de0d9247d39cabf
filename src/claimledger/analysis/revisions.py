"""What a claimant did to their own claim: took it back, or renewed it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from claimledger.analysis.graph import Graph


@dataclass(frozen=True)
class Revisions:
    """The claims taken back and the claims renewed, each with what made it so."""

    retracted: Mapping[str, str]
    """Retracted claims, with the link of a retraction that counts."""

    superseded: Mapping[str, str]
    """Superseded claims, with the claim that stands in their place."""

    def counts(self, key: str) -> bool:
        """Whether a claim counts as an attacker: neither retracted nor superseded."""
        return key not in self.retracted and key not in self.superseded


def revisions(graph: Graph) -> Revisions:
    """Return what was retracted and superseded.

    A retraction that is itself retracted does not count. A claim is superseded when somewhere along
    the chain of updates after it one stands unretracted; so is a claim that repeats, when all that it
    repeats are.
    """
    retracted = _retracted(graph)
    superseded = _updated(graph, retracted)
    waiting: dict[str, set[str]] = {}
    for key in graph.claims:
        targets = {link.to for link in graph.from_("repeats", key)}
        if targets:
            waiting[key] = targets - superseded.keys()
    queue = deque(superseded)
    queue.extend(key for key, left in waiting.items() if not left and key not in superseded)
    while queue:
        key = queue.popleft()
        if key not in superseded:
            superseded[key] = graph.from_("repeats", key)[0].to
        for link in graph.to("repeats", key):
            left = waiting[link.from_]
            if key in left:
                left.discard(key)
            if not left and link.from_ not in superseded:
                queue.append(link.from_)
    return Revisions(retracted, superseded)


def _retracted(graph: Graph) -> dict[str, str]:
    """Settle retractions from the last ones back: what nobody takes back stands, and takes back."""
    left = {
        key: len(graph.to("retracts", key)) for key in graph.claims if graph.to("retracts", key)
    }
    retracted: dict[str, str] = {}
    settled: set[str] = set()
    queue = deque(key for key in graph.claims if key not in left and graph.from_("retracts", key))
    while queue:
        key = queue.popleft()
        if key in settled:
            continue
        settled.add(key)
        stands = key not in retracted
        for link in graph.from_("retracts", key):
            if link.to in settled:
                continue
            left[link.to] -= 1
            if stands:
                retracted.setdefault(link.to, link.key)
            if link.to in retracted or left[link.to] == 0:
                queue.append(link.to)
    return retracted


def _updated(graph: Graph, retracted: Mapping[str, str]) -> dict[str, str]:
    superseded: dict[str, str] = {}
    for key in graph.claims:
        if key in retracted or not graph.from_("updates", key):
            continue
        stack = [link.to for link in graph.from_("updates", key)]
        while stack:
            older = stack.pop()
            if older not in superseded:
                superseded[older] = key
                stack.extend(link.to for link in graph.from_("updates", older))
    return superseded
