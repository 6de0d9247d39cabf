"""Controversies: disputes that share claims. A map of who speaks where, never two camps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from claimledger.analysis.assertions import DisjointSet
from claimledger.analysis.disputes import Dispute


@dataclass(frozen=True, slots=True)
class Controversy:
    """Disputes that hang together, and the claims through which they do."""

    key: str
    """The key of its oldest dispute."""

    disputes: tuple[Dispute, ...]
    shared: tuple[tuple[str, tuple[str, ...]], ...]
    """Each claim that takes part in several of them, with their keys."""


def controversies(disputes: Sequence[Dispute]) -> list[Controversy]:
    """Return the disputes that share claims, grouped; those that share none are left out."""
    by_key = {dispute.key: dispute for dispute in disputes}
    holders: dict[str, list[str]] = defaultdict(list)
    for dispute in disputes:
        for claim in dispute.voices:
            holders[claim].append(dispute.key)
    union = DisjointSet(by_key)
    for keys in holders.values():
        for key in keys[1:]:
            union.join(keys[0], key)
    groups: dict[str, list[Dispute]] = defaultdict(list)
    for dispute in disputes:
        groups[union.find(dispute.key)].append(dispute)
    result = []
    for members in groups.values():
        if len(members) < 2:
            continue
        inside = {dispute.key for dispute in members}
        shared = sorted(
            (claim, tuple(sorted(keys)))
            for claim, keys in holders.items()
            if len(keys) > 1 and inside.issuperset(keys)
        )
        oldest = min(
            members, key=lambda dispute: [(link.first, link.key) for link in dispute.every]
        )
        result.append(Controversy(oldest.key, tuple(members), tuple(shared)))
    return result
