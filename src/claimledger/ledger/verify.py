"""Proving a ledger: every digest and the tree recomputed, the log replayed, every view compared.

One pass over the log in batches. What a replay can only know later (which entry ended a version, what
a redaction destroyed) is collected on the way and compared at the end.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import Table, func, select

from claimledger.errors import StoreError
from claimledger.ledger import tree
from claimledger.ledger.canonical import canonical, parse
from claimledger.ledger.log import FORMAT, Payload, digest_of, header_of
from claimledger.ledger.projection import Rows, project
from claimledger.ledger.reading.clocks import size
from claimledger.ledger.store.base import Store
from claimledger.ledger.tables import ENTRY, HISTORY, POINTER, VIEWS, WORDS
from claimledger.ledger.writing.append import (
    end_version,
    history_row,
    insert_rows,
    redacted_row,
    stored_hashes,
)

_BATCH = 5000
_MOST = 200

Progress = Callable[[int, int], None]


def unseen(_done: int, _of: int) -> None:
    """Show nobody how far long work has come."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as the log has it: the table, the row, the column, and what is wrong."""

    table: str
    what: str
    entry: int | None = None
    row: str = ""
    column: str = ""

    def __str__(self) -> str:
        place = [f"table {self.table}"]
        if self.entry is not None:
            place.insert(0, f"entry {self.entry}")
        if self.row:
            place.append(f"row {self.row}")
        if self.column:
            place.append(f"column {self.column}")
        return f"{', '.join(place)}: {self.what}"


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


@dataclass(slots=True)
class _Learned:
    """What a pass over a stretch of the log learns."""

    faults: list[Fault] = field(default_factory=list)
    ended: dict[int, int] = field(default_factory=dict)
    """Entries of versions that ended, with the entry that ended them."""

    moments: dict[int, str] = field(default_factory=dict)
    """For emptied entries: their time, which only the header still has."""

    redactions: list[tuple[int, Payload]] = field(default_factory=list)
    references: int = 0
    """How many references there should be."""

    sum: int = 0
    """A sum over the references that does not depend on their order."""

    peaks: list[bytes] = field(default_factory=list)
    """The frontier of the tree behind the last entry."""

    moments_span: tuple[str, str] = ("", "")
    """The first and the last time in the stretch."""


def verify(store: Store, progress: Progress = unseen) -> Verdict:
    """Check a whole ledger; return what it found, at most some two hundred faults."""
    with _without_collecting():
        faults: list[Fault] = [Fault(name, what) for name, what in store.shape_damage()]
        if {fault.table for fault in faults} & {"entry", *VIEWS}:
            # A table that is missing or of another shape cannot be compared row by row.
            return Verdict(0, tree.EMPTY, tuple(faults), ())
        count = size(store)
        learned = _pass(store, count, progress)
        faults += learned.faults
        if len(faults) <= _MOST:
            faults += _Closing(store, learned, count).faults()
            faults += _outside(store, count)
        top = tree.Frontier(count, learned.peaks).root
    redactions = tuple(
        Redaction(payload.kind, payload.key, entry, payload.entries)
        for entry, payload in learned.redactions
    )
    return Verdict(count, top, tuple(faults[:_MOST]), redactions)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Stop the cycle collector, which finds nothing here and takes a third of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _pass(store: Store, count: int, progress: Progress) -> _Learned:
    """Read the whole log and compare what it says with the views; on two cores where there are."""
    other = store.reopening() if count >= _WORTH_TWO and (os.cpu_count() or 1) > 1 else None
    if other is None or "fork" not in multiprocessing.get_all_start_methods():
        learned = _Stretch(store, 1, count).check(progress)
        learned.faults += _physical(store)
        return learned
    # The part with the physical checks takes the smaller share of the log.
    middle = int(count * _FIRST_SHARE)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as second:
        later = second.submit(_check_elsewhere, other, middle + 1, count)
        learned = _Stretch(store, 1, middle).check(progress)
        learned.faults += _physical(store)
        return _joined(learned, later.result(), middle)


_WORTH_TWO = 20_000
_FIRST_SHARE = 0.42


def _physical(store: Store) -> list[Fault]:
    found = [*store.damage(), *store.search_damage()]
    return [Fault(name, what) for name, what in found]


def _check_elsewhere(opened: Callable[[], Store], first: int, last: int) -> _Learned:
    gc.disable()
    store = opened()
    try:
        with store.reading():
            return _Stretch(store, first, last).check(unseen)
    finally:
        store.close()


def _joined(one: _Learned, other: _Learned, middle: int) -> _Learned:
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


class _Stretch:
    """Reads a stretch of the log in order: recomputes digests and tree, projects, and compares."""

    def __init__(self, store: Store, first: int, last: int) -> None:
        self._store = store
        self._first = first
        self._last = last
        self._moment = ""
        self._learned = _Learned()
        # What was stored of the tree before this stretch is proved by whoever checks that.
        before = tree.Frontier.read(first - 1, stored_hashes(store))
        self._peaks = before.peaks

    def check(self, progress: Progress) -> _Learned:
        """Check the stretch and return what was learned."""
        learned = self._learned
        for first in range(self._first, self._last + 1, _BATCH):
            last = min(first + _BATCH - 1, self._last)
            rows: Rows = defaultdict(list)
            self._entries(first, last, rows)
            for name, table in VIEWS.items():
                if table is HISTORY:
                    found = self._store.raw(table, first, last)
                    if learned.moments:
                        found = [row for row in found if row[0] not in learned.moments]
                    learned.faults += _compared(table, rows[name], found)
                elif table is not POINTER:
                    held = self._store.raw(table, first, last)
                    learned.faults += _compared(table, rows[name], held)
            learned.references += len(rows["reference"])
            learned.sum += sum([hash(row[:4]) for row in rows["reference"]])
            progress(last, self._last)
            if len(learned.faults) > _MOST:
                break
        learned.peaks = self._peaks
        learned.moments_span = (learned.moments_span[0], self._moment)
        return learned

    def _entries(self, first: int, last: int, rows: Rows) -> None:
        """Check some entries and add to ``rows`` what they project to."""
        found = self._store.raw(ENTRY, first, last)
        if len(found) != last - first + 1:
            held = {row[0] for row in found}
            missing = next(number for number in range(first, last + 1) if number not in held)
            raise StoreError(
                f"entry {missing} is missing from the log (table entry, row {missing}, column "
                "number): the rest cannot be proved"
            )
        for row in found:
            self._entry(row, rows)

    def _entry(self, row: tuple[Any, ...], rows: Rows) -> None:
        number, header, payload, salt, nodes = row
        # As this program writes it, header and payload are proved by writing the header again.
        try:
            digest = sha256(salt + payload.encode()).hexdigest()
            moment = header[-29:-2]
            plain = header == header_of(moment, digest).decode() and moment >= self._moment
        except (TypeError, AttributeError):
            digest = moment = ""
            plain = False
        if not plain:
            moment, digest = self._header(number, header)
        self._moment = max(self._moment, moment)
        if number == self._first:
            self._learned.moments_span = (moment, "")
        self._tree(number, header, nodes, plain=plain, row=row)
        if payload is None or salt is None:
            self._learned.moments[number] = moment
            if payload is not None or salt is not None:
                self._fault(number, "salt" if salt is None else "payload", "is missing")
            return
        said = self._payload(number, payload, salt, digest, plain=plain)
        if said is None:
            return
        rows["history"].append(history_row(number, said, moment))
        if said.record is not None:
            try:
                project(number, said.kind, said.key, said.record, rows)
            except Exception as error:
                self._fault(number, "payload", f"does not describe a {said.kind}: {error!r}")
        if said.replaces is not None:
            self._learned.ended[said.replaces] = number
        if said.action == "redact":
            self._learned.redactions.append((number, said))

    def _header(self, number: int, header: str) -> tuple[str, str]:
        try:
            held = parse(header)
            moment, digest = str(held["recorded_at"]), str(held["digest"])
            if held["format"] > FORMAT or canonical(held).decode() != header:
                raise ValueError
        except (ValueError, KeyError, TypeError):
            self._fault(number, "header", f"is not a header of format {FORMAT}")
            return "", ""
        if moment < self._moment:
            self._fault(number, "header", f"goes back in time, to {moment} from {self._moment}")
        return moment, digest

    def _tree(
        self, number: int, header: str, nodes: bytes, *, plain: bool, row: tuple[Any, ...]
    ) -> None:
        expected = node = sha256(b"\x00" + header.encode()).digest()
        left = number - 1
        while left & 1:
            node = sha256(b"\x01" + self._peaks.pop() + node).digest()
            expected += node
            left >>= 1
        if expected == nodes:
            self._peaks.append(node)
            return
        # The leaf was changed, or what is stored of the tree. A leaf that still fits its payload, and
        # whose time is the one in history, speaks for the leaf.
        if isinstance(nodes, bytes) and nodes[: tree.SIZE] == expected[: tree.SIZE]:
            self._fault(number, "nodes", "does not follow from the entries before it")
        elif (plain or row[2] is None) and self._moment_in_history(number) == self._moment:
            self._fault(number, "nodes", "is not the hash of its header")
        else:
            self._fault(number, "header", "was changed: the tree was built over another one")
        # Go on from what is stored, so that one fault is told once.
        whole = isinstance(nodes, bytes) and len(nodes) == len(expected)
        self._peaks.append(nodes[-tree.SIZE :] if whole else node)

    def _moment_in_history(self, number: int) -> str | None:
        query = select(HISTORY.c.recorded_at).where(HISTORY.c.entry == number)
        return self._store.connection.execute(query).scalar()

    def _payload(
        self, number: int, payload: str, salt: bytes, digest: str, *, plain: bool
    ) -> Payload | None:
        try:
            said = Payload.decode(payload)
            if plain:
                return said
            whole = said.encode().decode() == payload
        except (StoreError, AttributeError) as error:
            self._fault(number, "payload", str(error))
            return None
        if digest_of(salt, payload.encode()) != digest:
            as_it_was = whole and self._agrees_with_views(number, said)
            column = "salt" if as_it_was else "payload"
            self._fault(number, column, "was changed: it does not give the digest in the header")
        elif not whole:
            self._fault(number, "payload", "is not canonical")
        return said

    def _agrees_with_views(self, number: int, said: Payload) -> bool:
        rows: Rows = defaultdict(list)
        rows["history"].append(history_row(number, said, self._moment))
        if said.record is not None:
            project(number, said.kind, said.key, said.record, rows)
        del rows["reference"]
        return not any(
            fault
            for name, expected in rows.items()
            for fault in _compared(
                VIEWS[name], expected, self._store.raw(VIEWS[name], number, number)
            )
        )

    def _fault(self, number: int, column: str, what: str) -> None:
        self._learned.faults.append(Fault("entry", what, number, row=str(number), column=column))


class _Closing:
    """Checks what only the whole log tells: order, ends of versions, redactions, references."""

    def __init__(self, store: Store, learned: _Learned, count: int) -> None:
        self._store = store
        self._learned = learned
        self._count = count

    def faults(self) -> Iterator[Fault]:
        """Yield what is wrong."""
        yield from self._order()
        yield from self._emptied()
        for table in VIEWS.values():
            if table is not WORDS:
                yield from self._ends(table)
        yield from self._references()

    def _order(self) -> Iterator[Fault]:
        """Check that no record is begun twice, and each change replaces the version before it."""
        twice = (
            select(HISTORY.c.kind, HISTORY.c.key, func.max(HISTORY.c.entry).label("entry"))
            .where(HISTORY.c.action == "record")
            .group_by(HISTORY.c.key, HISTORY.c.kind)
            .having(func.count() > 1)
        )
        for row in self._store.rows(twice):
            what = f"records {row.kind} {row.key} a second time"
            yield Fault("entry", what, row.entry, row=str(row.entry), column="payload")
        by = {by: replaced for replaced, by in self._learned.ended.items()}
        changes = select(HISTORY.c.entry).where(HISTORY.c.action.in_(("amend", "withdraw")))
        for (entry,) in self._store.rows(changes):
            if entry not in by:
                what = "does not say which version it replaces, or another replaces it too"
                yield Fault("entry", what, entry, row=str(entry), column="payload")

    def _ends(self, table: Table) -> Iterator[Fault]:
        ended = self._learned.ended
        place = list(table.columns).index(table.c.entry)
        actual: set[int] = set()
        for row in self._store.rows(select(table).where(table.c.until.is_not(None))):
            actual.add(row[place])
            if ended.get(row[place]) != row.until:
                what = f"holds {row.until}, the log says {ended.get(row[place])}"
                yield _row_fault(table, tuple(row), "until", what)
        missing = [entry for entry in ended if entry not in actual]
        for row in self._store.rows_by(
            select(table).where(table.c.until.is_(None), *_not_redacted(table)),
            table.c.entry,
            missing,
        ):
            what = f"is empty, the log says {ended[row[place]]}"
            yield _row_fault(table, tuple(row), "until", what)

    def _emptied(self) -> Iterator[Fault]:
        """Compare the rows of history that stand for redacted entries."""
        listed: dict[int, Payload] = {}
        for entry, payload in self._learned.redactions:
            for number in payload.entries:
                listed[number] = payload
                if number not in self._learned.moments:
                    what = f"was redacted by entry {entry} and still reads"
                    yield Fault("entry", what, number, str(number), "payload")
        for number, moment in self._learned.moments.items():
            found = self._store.raw(HISTORY, number, number)
            if number not in listed:
                yield Fault(
                    "entry", "is empty and no entry redacts it", number, str(number), "payload"
                )
                continue
            yield from _compared(HISTORY, [redacted_row(number, listed[number], moment)], found)

    def _references(self) -> Iterator[Fault]:
        actual = [row[:4] for row in self._store.every(POINTER)]
        if (sum(map(hash, actual)), len(actual)) == (self._learned.sum, self._learned.references):
            return
        expected: set[tuple[Any, ...]] = set()
        for first in range(1, self._count + 1, _BATCH):
            rows: Rows = defaultdict(list)
            for row in self._store.raw(ENTRY, first, first + _BATCH - 1):
                if row[2] is not None:
                    said = Payload.decode(row[2])
                    if said.record is not None:
                        project(row[0], said.kind, said.key, said.record, rows)
            expected.update(row[:4] for row in rows["reference"])
        for extra in sorted(set(actual) - expected, key=repr)[:10]:
            yield _row_fault(POINTER, (*extra, None), "key", "is in the table and not in the log")
        for lost in sorted(expected - set(actual), key=repr)[:10]:
            yield _row_fault(POINTER, (*lost, None), "key", "is in the log and not in the table")


def _not_redacted(table: Table) -> list[Any]:
    return [HISTORY.c.action != "redacted"] if table is HISTORY else []


def _compared(
    table: Table, expected: list[tuple[Any, ...]], actual: list[tuple[Any, ...]]
) -> Iterator[Fault]:
    """Yield where a table's rows differ from those the log gives, but for ``until``."""
    if expected == actual:
        return
    if table is not WORDS:
        until = _until(table)
        expected, actual = _but(until, expected), _but(until, actual)
    if expected == actual:
        return
    width = len(table.primary_key.columns)
    wanted = {row[:width]: row for row in expected}
    found = {row[:width]: row for row in actual}
    names = [column.name for column in table.columns]
    names = [name for name in names if name != "until"]
    for key in sorted(wanted.keys() | found.keys(), key=repr):
        row, log_row = found.get(key), wanted.get(key)
        if row is None:
            yield _row_fault(table, key, "", "is missing")
        elif log_row is None:
            yield _row_fault(table, key, "", "is in the table and not in the log")
        else:
            for name, here, there in zip(names, row, log_row, strict=True):
                if here != there or type(here) is not type(there):
                    yield _row_fault(
                        table, key, name, f"holds {here!r:.80}, the log says {there!r:.80}"
                    )


def _until(table: Table) -> int:
    return [column.name for column in table.columns].index("until")


def _but(place: int, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [row[:place] + row[place + 1 :] for row in rows]


def _row_fault(table: Table, row: tuple[Any, ...], column: str, what: str) -> Fault:
    names = [held.name for held in table.columns]
    entry = row[names.index("entry")] if names.index("entry") < len(row) else None
    keys = [str(row[names.index(held.name)]) for held in table.primary_key.columns]
    return Fault(table.name, what, entry, row=" ".join(keys), column=column)


def _outside(store: Store, count: int) -> Iterator[Fault]:
    """Yield rows of views that belong to entries the log does not have."""
    for table in VIEWS.values():
        beyond = (table.c.entry > count) | (table.c.entry < 1)
        for row in store.rows(select(table).where(beyond).limit(20)):
            yield _row_fault(
                table, tuple(row), "entry", f"is beyond the log, which ends at {count}"
            )
    if count:
        least = store.connection.execute(select(func.min(ENTRY.c.number))).scalar()
        if least != 1:
            yield Fault("entry", f"the log begins with number {least}", least)


def rebuild(store: Store, progress: Progress = unseen) -> int:
    """Make every view anew from the log, in one transaction; return the number of entries."""
    with store.writing():
        store.empty_views()
        count = size(store)
        ended: list[tuple[Payload, int]] = []
        for first in range(1, count + 1, _BATCH):
            last = min(first + _BATCH - 1, count)
            rows: Rows = defaultdict(list)
            for number, header, payload, _, _ in store.raw(ENTRY, first, last):
                if payload is None:
                    continue
                said = Payload.decode(payload)
                rows["history"].append(history_row(number, said, parse(header)["recorded_at"]))
                if said.record is not None:
                    project(number, said.kind, said.key, said.record, rows)
                if said.replaces is not None:
                    ended.append((said, number))
                if said.action == "redact":
                    rows["history"] += _blank_rows(store, said)
            insert_rows(store, rows)
            progress(last, count)
        for said, number in ended:
            old = _payload_of(store, said.replaces or 0)
            if old is not None and old.record is not None:
                end_version(
                    store, said.kind, said.replaces or 0, {"key": said.key, **old.record}, number
                )
    return count


def _blank_rows(store: Store, said: Payload) -> list[tuple[Any, ...]]:
    query = select(ENTRY.c.number, ENTRY.c.header)
    headers = dict(store.rows_by(query, ENTRY.c.number, said.entries))
    return [
        redacted_row(number, said, parse(headers[number])["recorded_at"]) for number in said.entries
    ]


def _payload_of(store: Store, number: int) -> Payload | None:
    found = store.connection.execute(
        select(ENTRY.c.payload).where(ENTRY.c.number == number)
    ).scalar()
    return Payload.decode(found) if found else None
