"""What a change would do, and what changes did: the part of the ledger they reach, before and after."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.diff import AnalysisDiff, difference, without
from claimledger.analysis.graph import graph_of
from claimledger.records.link import Link

if TYPE_CHECKING:
    from claimledger.ledger import InvalidRecord, Ledger, RecordInput
    from claimledger.records.graph_data import GraphData

Named = tuple[str, str]
"""A record: kind and key."""


def touched(ledger: Ledger, records: Iterable[Named], known_at: int | None = None) -> set[str]:
    """Return the claims that some records bear on: their own, their ends, what cites or is by them."""
    found: set[str] = set()
    ask = {record for record in records if record[0] in _REACHING}
    seen: set[Named] = set()
    while ask:
        seen |= ask
        reached: set[Named] = set()
        for kind in {kind for kind, _ in ask}:
            keys = [key for one, key in ask if one == kind]
            if kind == "claim":
                found.update(keys)
            elif kind == "link":
                reached |= _ends(ledger, keys, known_at)
            else:
                for listed in ledger.referrers(kind, keys, known_at).values():
                    reached |= {(one.kind, one.key) for one in listed if one.kind in _REACHING}
        ask = reached - seen
    return found


_REACHING = ("claim", "link", "source", "party", "capture")


def _ends(ledger: Ledger, keys: list[str], known_at: int | None) -> set[Named]:
    found: set[Named] = set()
    for held in ledger.versions("link", keys, known_at):
        if isinstance(held.record, Link):
            found |= {("claim", held.record.from_), (held.record.to.kind, held.record.to.key)}
    return found


def what_if(
    ledger: Ledger,
    removed: Iterable[Named],
    incoming: Iterable[RecordInput | InvalidRecord],
    known_at: int | None = None,
    as_of: int | None = None,
) -> AnalysisDiff:
    """Return what would move if some records were not there and others were; nothing is written.

    With a record goes all that points to it, as where it is withdrawn with ``cascade``.
    """
    gone = ledger.dependents(removed, known_at)
    with _with(ledger, incoming) as (trial, written):
        keys = touched(ledger, gone, known_at) | touched(trial, written)
        # Of a trial the newest state counts; nothing but what came in is newer than the ledger.
        before, after = _both(keys, (ledger, known_at), (trial, None if written else known_at))
    claims, links = ({key for one, key in gone if one == kind} for kind in ("claim", "link"))
    left = without(after, claims, links)
    return difference(Analysis(graph_of(before, as_of)), Analysis(graph_of(left, as_of)))


@contextmanager
def _with(
    ledger: Ledger, incoming: Iterable[RecordInput | InvalidRecord]
) -> Iterator[tuple[Ledger, list[Named]]]:
    """Yield a copy of the ledger that has taken records in, and which; itself where none come."""
    given = list(incoming)
    if not given:
        yield ledger, []
        return
    with (
        tempfile.TemporaryDirectory(prefix="claimledger-") as folder,
        ledger.copy(Path(folder) / "trial.db") as trial,
    ):
        taken = trial.import_records(given, by="a trial")
        yield trial, [(kind, key) for kind, key, _ in taken.written]


def _both(
    keys: set[str], one: tuple[Ledger, int | None], other: tuple[Ledger, int | None]
) -> tuple[GraphData, GraphData]:
    """Return the part of each of two states that some claims reach in either."""
    while True:
        before, after = (ledger.neighbourhood(keys, clock) for ledger, clock in (one, other))
        reached = {*keys, *before.claims, *after.claims}
        for cut, (ledger, clock) in ((before, one), (after, other)):
            # Who criticises a source moves all that cite it, which no link joins to the critic.
            criticised = {("source", link.to) for link in cut.links if link.to_kind == "source"}
            reached |= touched(ledger, criticised, clock)
        if reached == keys:
            return before, after
        # What one state links and the other does not reaches further in one than in the other.
        keys = reached


def changes(
    ledger: Ledger, since: int, known_at: int | None = None, as_of: int | None = None
) -> AnalysisDiff:
    """Return what moved between an entry and now (or the entry of the ledger's clock)."""
    records = ledger.records_changed_since(since, known_at)
    if any(kind == "term" for kind, _ in records):
        # What a measure means may change which claims of the whole ledger say the same.
        cuts = (ledger.whole(clock) for clock in (since, known_at))
        return difference(*(Analysis(graph_of(cut, as_of)) for cut in cuts))
    keys = touched(ledger, records, known_at) | touched(ledger, records, since)
    before, after = _both(keys, (ledger, since), (ledger, known_at))
    return difference(Analysis(graph_of(before, as_of)), Analysis(graph_of(after, as_of)))
