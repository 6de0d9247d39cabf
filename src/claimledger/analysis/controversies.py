"""Controversies: disputes that share claims.

A controversy is a map of which claims take part in which dispute. It never divides them into two camps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from claimledger.analysis.assertions import DisjointSet
from claimledger.analysis.disputes import Dispute


@dataclass(frozen=True, slots=True)
class Controversy:
    """Disputes that are connected by claims they share."""

    key: str
    """The key of its oldest dispute."""

    disputes: tuple[Dispute, ...]
    shared: tuple[tuple[str, tuple[str, ...]], ...]
    """Each claim that takes part in several of the disputes, with their keys."""


def controversies(disputes: Sequence[Dispute]) -> list[Controversy]:
    """Return the disputes that share claims, grouped. A dispute that shares none is left out.

    The groups are the connected components of the graph whose edges are shared claims.
    """
    disputes_of_claim: dict[str, list[str]] = defaultdict(list)
    for dispute in disputes:
        for claim in dispute.voices:
            disputes_of_claim[claim].append(dispute.key)
    union = DisjointSet(dispute.key for dispute in disputes)
    for keys in disputes_of_claim.values():
        for key in keys[1:]:
            union.join(keys[0], key)
    groups: dict[str, list[Dispute]] = defaultdict(list)
    for dispute in disputes:
        groups[union.find(dispute.key)].append(dispute)
    return [_controversy(group, disputes_of_claim) for group in groups.values() if len(group) > 1]


def _controversy(group: list[Dispute], disputes_of_claim: dict[str, list[str]]) -> Controversy:
    inside = {dispute.key for dispute in group}
    shared = sorted(
        (claim, tuple(sorted(keys)))
        for claim, keys in disputes_of_claim.items()
        if len(keys) > 1 and inside.issuperset(keys)
    )
    oldest = min(group, key=lambda dispute: [(link.first, link.key) for link in dispute.all_links])
    return Controversy(oldest.key, tuple(group), tuple(shared))
