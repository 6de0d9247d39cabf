"""What became of each dispute: laid to rest by a disposition, reopened by what came after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from claimledger.analysis.disputes import Dispute
from claimledger.analysis.graph import Graph
from claimledger.records.disposition import Disposition


@dataclass(frozen=True, slots=True)
class RecordedDisposition:
    """A disposition as it was recorded."""

    record: Disposition
    entry: int
    by: str
    when: str


@dataclass(frozen=True, slots=True)
class DisputeState:
    """Whether a dispute is open, and why."""

    ending: str
    """``open``, ``reopened``, or how it was laid to rest."""

    laid: RecordedDisposition | None = None
    new: tuple[str, ...] = ()
    """What reopened it: links and claims that were recorded or changed since."""


OPEN = DisputeState("open")


def states(
    disputes: Iterable[Dispute], graph: Graph, laid: Iterable[RecordedDisposition]
) -> dict[str, DisputeState]:
    """Return what became of each dispute, by its key."""
    newest: dict[str, RecordedDisposition] = {}
    for recorded in laid:
        known = newest.get(recorded.record.dispute)
        if known is None or known.entry < recorded.entry:
            newest[recorded.record.dispute] = recorded
    return {dispute.key: _state(dispute, graph, newest) for dispute in disputes}


def _state(
    dispute: Dispute, graph: Graph, newest: Mapping[str, RecordedDisposition]
) -> DisputeState:
    recorded = [newest[link.key] for link in dispute.every if link.key in newest]
    # A disposition of the very link that names it comes before one that reached it by growing.
    own = newest.get(dispute.key)
    deciding = own or max(recorded, key=lambda disposition: disposition.entry, default=None)
    if deciding is None:
        return OPEN
    claims = {*dispute.voices, *(link.from_ for link in dispute.every)} & graph.claims.keys()
    new = [link.key for link in dispute.every if link.entry > deciding.entry]
    new += sorted(key for key in claims if graph.claims[key].entry > deciding.entry)
    if new:
        return DisputeState("reopened", deciding, tuple(new))
    return DisputeState(deciding.record.ending, deciding)
