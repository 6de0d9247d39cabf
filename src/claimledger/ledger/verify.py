"""Proving a ledger: every digest and the tree recomputed, the log replayed, every view compared.

One pass over the log in batches, on two cores where there are two. What a replay can only know later
(which entry ended a version, what a redaction destroyed) is collected on the way and compared at the
end.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from claimledger.ledger import tree
from claimledger.ledger.collector import without_collecting
from claimledger.ledger.progress import Progress, unseen
from claimledger.ledger.reading.clocks import size
from claimledger.ledger.store.base import Store
from claimledger.ledger.tables import VIEWS
from claimledger.ledger.verifying.closing import Closing, outside
from claimledger.ledger.verifying.faults import Fault
from claimledger.ledger.verifying.stretch import MOST, Learned, Stretch


@dataclass(frozen=True, slots=True)
class Redaction:
    """What was redacted: the record's key and the entries that were emptied."""

    kind: str
    key: str
    entry: int
    emptied: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifying found."""

    size: int
    root: bytes
    faults: tuple[Fault, ...]
    redactions: tuple[Redaction, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def verify(store: Store, progress: Progress = unseen) -> Verdict:
    """Check a whole ledger; return what it found, at most some two hundred faults."""
    with without_collecting():
        faults: list[Fault] = [Fault(name, what) for name, what in store.shape_damage()]
        if {fault.table for fault in faults} & {"entry", *VIEWS}:
            # A table that is missing or of another shape cannot be compared row by row.
            return Verdict(0, tree.EMPTY, tuple(faults), ())
        count = size(store)
        learned = _pass(store, count, progress)
        faults += learned.faults
        if len(faults) <= MOST:
            faults += Closing(store, learned, count).faults()
            faults += outside(store, count)
        top = tree.Frontier(count, learned.peaks).root
    redactions = tuple(
        Redaction(payload.kind, payload.key, entry, payload.entries)
        for entry, payload in learned.redactions
    )
    return Verdict(count, top, tuple(faults[:MOST]), redactions)


def _pass(store: Store, count: int, progress: Progress) -> Learned:
    """Read the whole log and compare what it says with the views; on two cores where there are."""
    other = store.reopening() if count >= _WORTH_TWO and (os.cpu_count() or 1) > 1 else None
    if other is None or "fork" not in multiprocessing.get_all_start_methods():
        learned = Stretch(store, 1, count).check(progress)
        learned.faults += _physical(store)
        return learned
    # The part with the physical checks takes the smaller share of the log.
    middle = int(count * _FIRST_SHARE)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as second:
        later = second.submit(_check_elsewhere, other, middle + 1, count)
        learned = Stretch(store, 1, middle).check(progress)
        learned.faults += _physical(store)
        return _joined(learned, later.result(), middle)


_WORTH_TWO = 20_000
_FIRST_SHARE = 0.42


def _physical(store: Store) -> list[Fault]:
    found = [*store.damage(), *store.search_damage()]
    return [Fault(name, what) for name, what in found]


def _check_elsewhere(opened: Callable[[], Store], first: int, last: int) -> Learned:
    store = opened()
    try:
        with store.reading(), without_collecting():
            return Stretch(store, first, last).check(unseen)
    finally:
        store.close()


def _joined(one: Learned, other: Learned, middle: int) -> Learned:
    if one.moments_span[1] > other.moments_span[0]:
        what = f"goes back in time, to {other.moments_span[0]} from {one.moments_span[1]}"
        one.faults.append(Fault("entry", what, middle + 1, str(middle + 1), "header"))
    one.faults += other.faults
    one.ended |= other.ended
    one.moments |= other.moments
    one.redactions += other.redactions
    one.references += other.references
    one.sum += other.sum
    one.peaks = other.peaks
    return one
