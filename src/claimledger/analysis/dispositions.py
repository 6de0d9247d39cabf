"""The state of each dispute: open, closed by a disposition, or reopened by later records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from claimledger.analysis.disputes import Dispute
from claimledger.analysis.graph import Graph
from claimledger.records.disposition import Disposition


@dataclass(frozen=True, slots=True)
class RecordedDisposition:
    """A disposition with the log entry that recorded it."""

    record: Disposition
    entry: int
    by: str
    when: str


@dataclass(frozen=True, slots=True)
class DisputeState:
    """Whether a dispute is open, and why."""

    status: str
    """``open``, ``reopened``, or the ending that the disposition records."""

    disposition: RecordedDisposition | None = None
    new: tuple[str, ...] = ()
    """The links and claims that were recorded or amended after the disposition, and so reopened it."""


OPEN = DisputeState("open")


def states(
    disputes: Iterable[Dispute], graph: Graph, dispositions: Iterable[RecordedDisposition]
) -> dict[str, DisputeState]:
    """Return the state of each dispute, by key."""
    newest: dict[str, RecordedDisposition] = {}
    for recorded in dispositions:
        known = newest.get(recorded.record.dispute)
        if known is None or known.entry < recorded.entry:
            newest[recorded.record.dispute] = recorded
    return {dispute.key: _state(dispute, graph, newest) for dispute in disputes}


def _state(
    dispute: Dispute, graph: Graph, newest: Mapping[str, RecordedDisposition]
) -> DisputeState:
    """Return the state of one dispute; ``newest`` has the latest disposition for each link."""
    # A disposition names a link, and applies to the dispute that contains the link. A dispute that others
    # have merged into can have several: that of the link which names the dispute decides, or else the
    # latest.
    applicable = [newest[link.key] for link in dispute.all_links if link.key in newest]
    deciding = newest.get(dispute.key) or max(
        applicable, key=lambda recorded: recorded.entry, default=None
    )
    if deciding is None:
        return OPEN
    attackers = (link.from_ for link in dispute.all_links)
    claims = {*dispute.voices, *attackers} & graph.claims.keys()
    new = [link.key for link in dispute.all_links if link.entry > deciding.entry]
    new += sorted(key for key in claims if graph.claims[key].entry > deciding.entry)
    if new:
        return DisputeState("reopened", deciding, tuple(new))
    return DisputeState(deciding.record.ending, deciding)
