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


def controversies(found: Sequence[Dispute]) -> list[Controversy]:
    """Return the disputes that share claims, grouped; those that share none are left out."""
    by_key = {one.key: one for one in found}
    holders: dict[str, list[str]] = defaultdict(list)
    for one in found:
        for claim in one.voices:
            holders[claim].append(one.key)
    union = DisjointSet(by_key)
    for keys in holders.values():
        for other in keys[1:]:
            union.join(keys[0], other)
    groups: dict[str, list[Dispute]] = defaultdict(list)
    for one in found:
        groups[union.find(one.key)].append(one)
    made = []
    for listed in groups.values():
        if len(listed) < 2:
            continue
        inside = {one.key for one in listed}
        shared = sorted(
            (claim, tuple(sorted(keys)))
            for claim, keys in holders.items()
            if len(keys) > 1 and inside.issuperset(keys)
        )
        oldest = min(listed, key=lambda one: [(link.first, link.key) for link in one.every])
        made.append(Controversy(oldest.key, tuple(listed), tuple(shared)))
    return made
