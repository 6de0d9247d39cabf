"""Verifies a whole ledger: recomputes digests and Merkle tree, replays the log, compares every view.

The log is read once, in segments that the available cores share. Facts that depend on later entries (which
entry ended a version, which entries a redaction emptied) are collected on the way, and checked at the end.
The rules are those of ``docs/log-format.md``.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice, starmap
from typing import Any, TypeVar

from sqlalchemy import func, select

from claimledger.errors import StoreError
from claimledger.ledger.forking import may_fork
from claimledger.ledger.gc_pause import paused_gc
from claimledger.ledger.progress import Progress, no_progress
from claimledger.ledger.tree_head import TreeHead
from claimledger.ledger.verify.faults import Fault
from claimledger.ledger.verify.global_checks import (
    GlobalChecks,
    references,
    rows_beyond_log,
    unfounded_scrubs,
)
from claimledger.ledger.verify.result import Redaction, VerificationResult
from claimledger.ledger.verify.segment import MOST, SegmentChecker, SegmentResult
from claimledger.log import merkle
from claimledger.log.entry import Action
from claimledger.storage.base import Store, UndecodableTextError
from claimledger.storage.tables import ENTRY, PENDING_SCRUB, REFERENCE, VIEWS, WORDS

Result = TypeVar("Result")


def verify(
    store: Store, progress: Progress = no_progress, earlier: TreeHead | None = None
) -> VerificationResult:
    """Verify a whole ledger; return the faults (at most :data:`MOST`), the root, and the redactions.

    ``earlier`` is a tree head that was stored elsewhere, which the log must continue. A damaged store raises
    no error: the damage is among the faults.
    """
    with paused_gc(), store.reading():
        try:
            return _verify(store, progress, earlier, share=True)
        except UndecodableTextError:
            # Start again in this process alone, because lenient decoding applies to this connection only.
            store.maintenance.decode_leniently()
            return _verify(store, progress, earlier, share=False)


def _verify(
    store: Store, progress: Progress, earlier: TreeHead | None, *, share: bool
) -> VerificationResult:
    faults = _run_check("file", lambda: starmap(Fault, store.maintenance.shape_damage()))
    # A table that is missing or has other columns cannot be compared row by row; the others can.
    misshapen = {fault.table for fault in faults}
    if ENTRY.name in misshapen:
        return VerificationResult(
            size=0,
            root=merkle.EMPTY,
            faults=tuple(faults),
            redactions=(),
            continues=None if earlier is None else False,
        )
    views = [name for name in VIEWS if name not in misshapen]
    count = 0
    result = SegmentResult()
    try:
        count, gaps = _contiguous_entries(store)
        faults += gaps
        result = _check_segments(store, count, views, progress, share=share)
    except UndecodableTextError:
        raise
    except StoreError as error:
        faults.append(Fault("file", f"cannot be read: {error}"))
    faults += result.faults
    if len(faults) <= MOST:
        for check in GlobalChecks(store=store, result=result, count=count, views=views).checks():
            faults += _run_check("file", check)
        faults += _run_check("file", partial(rows_beyond_log, store, count, views))
        if PENDING_SCRUB.name not in misshapen:
            faults += _run_check("file", partial(unfounded_scrubs, store, result))
    discontinuity = []
    if earlier is not None:
        discontinuity = _run_check("entry", partial(_check_continuity, store, count, earlier))
    root = merkle.Frontier(count, result.peaks).root
    faults = [*faults[: MOST - len(discontinuity)], *discontinuity]
    continues = None if earlier is None else not discontinuity
    return VerificationResult(
        size=count,
        root=root,
        faults=tuple(faults),
        redactions=_redactions(store, result),
        continues=continues,
    )


def _run_check(table: str, check: Callable[[], Iterable[Fault]]) -> list[Fault]:
    """Return the faults that a check yields; if it fails, with a fault of ``table`` that says why."""
    faults: list[Fault] = []
    try:
        faults.extend(islice(check(), MOST))
    except UndecodableTextError:
        raise
    except StoreError as error:
        faults.append(Fault(table, f"cannot be read: {error}"))
    except MemoryError:
        faults.append(Fault(table, "cannot be read: there is not enough memory"))
    return faults


def _redactions(store: Store, result: SegmentResult) -> tuple[Redaction, ...]:
    try:
        unscrubbed = set(store.maintenance.unscrubbed())
    except StoreError:
        unscrubbed = set()
    return tuple(
        Redaction(
            kind=payload.kind,
            key=payload.key,
            entry=entry,
            emptied=payload.entries,
            scrubbed=entry not in unscrubbed,
        )
        for entry, payload in result.changes.items()
        if payload.action == Action.REDACT
    )


def _check_continuity(store: Store, count: int, earlier: TreeHead) -> Iterator[Fault]:
    """Yield a fault if the log does not continue an earlier tree head."""
    if earlier.size > count:
        message = (
            f"the log ends at entry {count}, but the root to check against is of {earlier.size} entries: "
            "the log was truncated, or this is an older copy"
        )
        yield Fault("entry", message)
        return
    root = merkle.root(earlier.size, store.tree_node)
    if root != earlier.root:
        message = (
            f"the first {earlier.size} entries give the root {root.hex()}, not the one to check against: "
            "this is another log, or it was rewritten"
        )
        yield Fault("entry", message)


def _contiguous_entries(store: Store) -> tuple[int, list[Fault]]:
    """Return the number of entries before the first gap, and a fault for each of the first ones after it."""
    number = ENTRY.c.number
    ends: list[Any] = [func.min(number), func.max(number), func.count(number)]
    ((least, most, total),) = store.tuples(select(*ends))
    if total == 0 or (least, most) == (1, total):
        return total, []
    faults: list[Fault] = []
    count = 0
    for (number,) in store.stream(select(ENTRY.c.number).order_by(ENTRY.c.number)):
        if number == count + 1:
            count = number
        elif len(faults) < _MOST_AFTER_GAP:
            message = f"comes after entry {count}, in the place of {count + 1} (rule `number`)"
            faults.append(Fault("entry", message, number, row=str(number), column="number"))
        else:
            break
    missing = f"is missing from the log: {total - count} entries after it cannot be verified"
    return count, [
        Fault(table="entry", what=missing, entry=count + 1, row=str(count + 1), column="number"),
        *faults,
    ]


_MOST_AFTER_GAP = 20


def _check_segments(
    store: Store, count: int, views: Sequence[str], progress: Progress, *, share: bool
) -> SegmentResult:
    """Check all entries and compare these views with them; if ``share``, on all cores."""
    cores = min(os.cpu_count() or 1, _MOST_CORES)
    sharing = share and count >= _LEAST_SHARED_ENTRIES and cores > 1
    reopen = store.maintenance.reopening() if sharing else None
    if reopen is None or not may_fork():
        result = SegmentChecker(store=store, first=1, last=count, views=views).check(progress)
        result.references_in_table = references(store, count) if REFERENCE.name in views else (0, 0)
        result.faults += [*_file_damage(store), *_search_damage(store, views)]
        return result
    with ProcessPoolExecutor(cores, multiprocessing.get_context("fork")) as pool:

        def submit(work: Callable[[Store], Result]) -> Callable[[], Result]:
            """Start work in another process; return a function that waits for its result."""
            future = pool.submit(_run_in_worker, reopen, count, work)
            # A worker that sees another state of the ledger returns None: do its work in this process.
            return lambda: work(store) if (outcome := future.result()) is None else outcome

        # Start the work that cannot be divided first, so that the other cores do not wait for it at the end.
        undivided = [submit(_file_damage), submit(partial(_search_damage, views=views))]
        table_references = (
            submit(partial(references, count=count)) if REFERENCE.name in views else None
        )
        segments = [
            submit(
                partial(
                    _check_segment,
                    first=first,
                    last=min(first + _SEGMENT_ENTRIES - 1, count),
                    views=views,
                )
            )
            for first in range(1, count + 1, _SEGMENT_ENTRIES)
        ]
        result = SegmentResult()
        for place, segment in enumerate(segments):
            _join(result, segment(), place * _SEGMENT_ENTRIES + 1)
            progress(min((place + 1) * _SEGMENT_ENTRIES, count), count)
        if table_references is not None:
            result.references_in_table = table_references()
        for faults in undivided:
            result.faults += faults()
        return result


_LEAST_SHARED_ENTRIES = 20_000
"""The number of entries from which starting worker processes pays off."""

_SEGMENT_ENTRIES = 10_000
_MOST_CORES = 16


def _file_damage(store: Store) -> list[Fault]:
    return [Fault(name, what) for name, what in store.maintenance.damage()]


def _search_damage(store: Store, views: Sequence[str]) -> list[Fault]:
    if WORDS.name not in views:
        return []
    return [Fault(name, what) for name, what in store.fulltext.damage()]


def _check_segment(store: Store, first: int, last: int, views: Sequence[str]) -> SegmentResult:
    return SegmentChecker(store=store, first=first, last=last, views=views).check(no_progress)


def _run_in_worker(
    reopen: Callable[[], Store], count: int, work: Callable[[Store], Result]
) -> Result | None:
    """Run ``work`` in a worker process, on the ledger opened there; ``None`` if it must be done elsewhere.

    A file is opened in the state that it has by then. Entries added in the meantime are ignored. A redaction
    in the meantime has deleted rows that the caller's transaction still sees: then the result is ``None``.
    """
    store = reopen()
    try:
        with store.reading(), paused_gc():
            redacted = select(ENTRY.c.number).where(
                ENTRY.c.number > count, ENTRY.c.payload.startswith(_REDACTION, autoescape=True)
            )
            return None if store.value(redacted.limit(1)) is not None else work(store)
    finally:
        store.close()


_REDACTION = '{"action":"redact"'
"""The beginning of the canonical JSON (RFC 8785) of a redaction."""


def _join(total: SegmentResult, part: SegmentResult, first: int) -> None:
    """Add the result of the next segment, which begins at entry ``first``, to that of the ones before."""
    if total.moments_span[1] > part.moments_span[0]:
        message = f"is dated {part.moments_span[0]}, before the entry preceding it (rule `time`)"
        total.faults.append(
            Fault(table="entry", what=message, entry=first, row=str(first), column="header")
        )
    total.faults += part.faults
    total.changes |= part.changes
    total.moments |= part.moments
    total.references += part.references
    total.sum += part.sum
    total.peaks = part.peaks
    total.moments_span = part.moments_span
