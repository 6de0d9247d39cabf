"""What moved between two states of a ledger: standings, origins, acceptability, disputes."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.disputes import Dispute, disputes
from claimledger.records.graph_data import GraphData

ClaimStatus = dict[str, str | int]
"""A claim's standing, its origins at least and at most, its acceptability."""


@dataclass(frozen=True, slots=True)
class ClaimDiff:
    """A claim whose answers are not what they were; ``None`` where it is not there."""

    key: str
    before: ClaimStatus | None
    after: ClaimStatus | None


@dataclass(frozen=True, slots=True)
class DisputeDiff:
    """A dispute that began, ended, grew or shrank."""

    key: str
    how: str
    """``began``, ``ended`` or ``changed``."""

    head: str
    gained: tuple[str, ...]
    """Links it did not have."""

    lost: tuple[str, ...]
    """Links it has no more, or has as past ones only."""


@dataclass(frozen=True, slots=True)
class AnalysisDiff:
    """Everything that moved."""

    claims: tuple[ClaimDiff, ...]
    disputes: tuple[DisputeDiff, ...]


def difference(before: Analysis, after: Analysis) -> AnalysisDiff:
    """Return what is not the same in two states, and only that."""
    keys = sorted(before.graph.claims.keys() | after.graph.claims.keys())
    moved = []
    for key in keys:
        old, new = (_four(answers, key) for answers in (before, after))
        if old != new:
            moved.append(ClaimDiff(key, old, new))
    return AnalysisDiff(tuple(moved), tuple(_disputes(disputes(before), disputes(after))))


def _four(answers: Analysis, key: str) -> ClaimStatus | None:
    return answers.as_json(key) if key in answers.graph.claims else None


def _disputes(before: Iterable[Dispute], after: Iterable[Dispute]) -> Iterable[DisputeDiff]:
    old, new = ({dispute.key: dispute for dispute in disputes} for disputes in (before, after))
    for key in sorted(old.keys() | new.keys()):
        before_dispute, after_dispute = old.get(key), new.get(key)
        links_before = {link.key for link in before_dispute.links} if before_dispute else set()
        links_after = {link.key for link in after_dispute.links} if after_dispute else set()
        gained, lost = (
            tuple(sorted(links_after - links_before)),
            tuple(sorted(links_before - links_after)),
        )
        if after_dispute is None and before_dispute is not None:
            yield DisputeDiff(key, "ended", before_dispute.head, (), lost)
        elif before_dispute is None and after_dispute is not None:
            yield DisputeDiff(key, "began", after_dispute.head, gained, ())
        elif after_dispute is not None and (gained or lost):
            yield DisputeDiff(key, "changed", after_dispute.head, gained, lost)


def without(cut: GraphData, claims: Container[str], links: Container[str]) -> GraphData:
    """Return a part of a ledger as it would be without some claims and links."""
    remaining = {key: claim for key, claim in cut.claims.items() if key not in claims}
    left = [
        link
        for link in cut.links
        if link.key not in links
        and link.from_ in remaining
        and (link.to_kind != "claim" or link.to in remaining)
    ]
    return GraphData(remaining, left, cut.sources, cut.parties)
