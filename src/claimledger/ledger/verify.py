"""Proving a ledger: every digest and the tree recomputed, the log replayed, every view compared.

One pass over the log in stretches, shared among the cores there are. What a replay can only know later
(which entry ended a version, what a redaction destroyed) is collected on the way and compared at the
end.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from claimledger.ledger import tree
from claimledger.ledger.collector import without_collecting
from claimledger.ledger.progress import Progress, unseen
from claimledger.ledger.reading.clocks import size
from claimledger.ledger.store.base import Store
from claimledger.ledger.tables import VIEWS
from claimledger.ledger.verifying.closing import Closing, outside, references
from claimledger.ledger.verifying.faults import Fault
from claimledger.ledger.verifying.stretch import MOST, Learned, Stretch

Found = TypeVar("Found")


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
    """Read the whole log and compare what it says with the views; on every core there is."""
    cores = min(os.cpu_count() or 1, _MOST_CORES)
    opened = store.reopening() if count >= _WORTH_SHARING and cores > 1 else None
    if opened is None or "fork" not in multiprocessing.get_all_start_methods():
        learned = Stretch(store, 1, count).check(progress)
        learned.held = references(store, count)
        learned.faults += [*_pages(store), *_search(store)]
        return learned
    with ProcessPoolExecutor(cores, multiprocessing.get_context("fork")) as pool:

        def share(work: Callable[[Store], Found]) -> Future[Found]:
            return pool.submit(_elsewhere, opened, work)

        # What cannot be divided goes first, so that no core is left alone with it at the end.
        whole = [share(_pages), share(_search)]
        held = share(partial(references, count=count))
        stretches = [
            share(partial(_stretch, first=first, last=min(first + _SHARE - 1, count)))
            for first in range(1, count + 1, _SHARE)
        ]
        learned = Learned()
        for place, stretch in enumerate(stretches):
            _join(learned, stretch.result(), place * _SHARE + 1)
            progress(min((place + 1) * _SHARE, count), count)
        learned.held = held.result()
        for faults in whole:
            learned.faults += faults.result()
        return learned


_WORTH_SHARING = 20_000
_SHARE = 10_000
_MOST_CORES = 16


def _pages(store: Store) -> list[Fault]:
    return [Fault(name, what) for name, what in store.damage()]


def _search(store: Store) -> list[Fault]:
    return [Fault(name, what) for name, what in store.search_damage()]


def _stretch(store: Store, first: int, last: int) -> Learned:
    return Stretch(store, first, last).check(unseen)


def _elsewhere(opened: Callable[[], Store], work: Callable[[Store], Found]) -> Found:
    """Do a share of the work in another process, on a ledger opened there."""
    store = opened()
    try:
        with store.reading(), without_collecting():
            return work(store)
    finally:
        store.close()


def _join(one: Learned, other: Learned, first: int) -> None:
    """Add what the next stretch, which begins at entry ``first``, learned."""
    if one.moments_span[1] > other.moments_span[0]:
        what = f"goes back in time, to {other.moments_span[0]} from {one.moments_span[1]}"
        one.faults.append(Fault("entry", what, first, str(first), "header"))
    one.faults += other.faults
    one.ended |= other.ended
    one.moments |= other.moments
    one.redactions += other.redactions
    one.references += other.references
    one.sum += other.sum
    one.peaks = other.peaks
    one.moments_span = other.moments_span
