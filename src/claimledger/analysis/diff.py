"""The difference between two states of a ledger: in standings, origins, acceptability and disputes."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.disputes import Dispute, disputes
from claimledger.records.graph_data import GraphData

ClaimStatus = dict[str, str | int]
"""A claim's standing, bounds of origins and acceptability, as :meth:`Analysis.as_json` returns them."""


@dataclass(frozen=True, slots=True)
class ClaimDiff:
    """A claim whose status changed; a side is ``None`` if the claim is not in view there."""

    key: str
    before: ClaimStatus | None
    after: ClaimStatus | None


@dataclass(frozen=True, slots=True)
class DisputeDiff:
    """A dispute that began, ended, or gained or lost links."""

    key: str
    how: str
    """``began``, ``ended`` or ``changed``."""

    head: str
    gained: tuple[str, ...]
    """Current links that it did not have before."""

    lost: tuple[str, ...]
    """Links that it no longer has, or that became past ones."""


@dataclass(frozen=True, slots=True)
class AnalysisDiff:
    """Everything that differs between two analyses."""

    claims: tuple[ClaimDiff, ...]
    disputes: tuple[DisputeDiff, ...]


def difference(before: Analysis, after: Analysis) -> AnalysisDiff:
    """Return the claims and disputes that differ between two analyses, in order of key."""
    claim_diffs = []
    for key in sorted(before.graph.claims.keys() | after.graph.claims.keys()):
        old, new = _status(before, key), _status(after, key)
        if old != new:
            claim_diffs.append(ClaimDiff(key, old, new))
    dispute_diffs = _dispute_diffs(disputes(before), disputes(after))
    return AnalysisDiff(tuple(claim_diffs), tuple(dispute_diffs))


def _status(analysis: Analysis, key: str) -> ClaimStatus | None:
    return analysis.as_json(key) if key in analysis.graph.claims else None


def _dispute_diffs(before: Iterable[Dispute], after: Iterable[Dispute]) -> Iterable[DisputeDiff]:
    before_by_key = {dispute.key: dispute for dispute in before}
    after_by_key = {dispute.key: dispute for dispute in after}
    for key in sorted(before_by_key.keys() | after_by_key.keys()):
        old, new = before_by_key.get(key), after_by_key.get(key)
        old_links = {link.key for link in old.links} if old else set()
        new_links = {link.key for link in new.links} if new else set()
        gained, lost = tuple(sorted(new_links - old_links)), tuple(sorted(old_links - new_links))
        if new is None and old is not None:
            yield DisputeDiff(key=key, how="ended", head=old.head, gained=(), lost=lost)
        elif old is None and new is not None:
            yield DisputeDiff(key=key, how="began", head=new.head, gained=gained, lost=())
        elif new is not None and (gained or lost):
            yield DisputeDiff(key=key, how="changed", head=new.head, gained=gained, lost=lost)


def remove_records(
    graph_data: GraphData, claims: Container[str], links: Container[str]
) -> GraphData:
    """Return a copy of some graph data without some claims and links.

    Links that start or end at a removed claim are removed too, as ``withdraw --cascade`` does.
    """
    remaining = {key: claim for key, claim in graph_data.claims.items() if key not in claims}
    remaining_links = [
        link
        for link in graph_data.links
        if link.key not in links
        and link.from_ in remaining
        and (link.to_kind != "claim" or link.to in remaining)
    ]
    return GraphData(
        claims=remaining,
        links=remaining_links,
        sources=graph_data.sources,
        parties=graph_data.parties,
    )
