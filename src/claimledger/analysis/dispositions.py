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
    found: Iterable[Dispute], graph: Graph, laid: Iterable[RecordedDisposition]
) -> dict[str, DisputeState]:
    """Return what became of each dispute, by its key."""
    newest: dict[str, RecordedDisposition] = {}
    for one in laid:
        held = newest.get(one.record.dispute)
        if held is None or held.entry < one.entry:
            newest[one.record.dispute] = one
    return {one.key: _state(one, graph, newest) for one in found}


def _state(
    dispute: Dispute, graph: Graph, newest: Mapping[str, RecordedDisposition]
) -> DisputeState:
    listed = [newest[link.key] for link in dispute.every if link.key in newest]
    # A disposition of the very link that names it comes before one that reached it by growing.
    own = newest.get(dispute.key)
    held = own or max(listed, key=lambda one: one.entry, default=None)
    if held is None:
        return OPEN
    claims = {*dispute.voices, *(link.from_ for link in dispute.every)} & graph.claims.keys()
    new = [link.key for link in dispute.every if link.entry > held.entry]
    new += sorted(key for key in claims if graph.claims[key].entry > held.entry)
    if new:
        return DisputeState("reopened", held, tuple(new))
    return DisputeState(held.record.ending, held)
