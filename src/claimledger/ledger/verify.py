"""Proving a ledger: every digest and the tree recomputed, the log replayed, every view compared.

One pass over the log in batches. What a replay can only know later (which entry ended a version, what
a redaction destroyed) is collected on the way and compared at the end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from sqlalchemy import Table, func, select

from claimledger.errors import StoreError
from claimledger.ledger import tree
from claimledger.ledger.canonical import canonical, parse
from claimledger.ledger.log import FORMAT, Payload, digest_of
from claimledger.ledger.projection import Rows, project
from claimledger.ledger.reading.clocks import size
from claimledger.ledger.store.base import Store
from claimledger.ledger.tables import ENTRY, HISTORY, POINTER, VIEWS, WORDS
from claimledger.ledger.writing.append import (
    end_version,
    history_row,
    insert_rows,
    redacted_row,
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
class _Replay:
    """What a pass over the log learns."""

    ended: dict[int, int] = field(default_factory=dict)
    """Entries of versions that ended, with the entry that ended them."""

    live: dict[tuple[str, str], int] = field(default_factory=dict)
    pointed: int = 0
    moments: dict[int, str] = field(default_factory=dict)
    """For emptied entries: their time, which only the header still has."""

    redactions: list[tuple[int, Payload]] = field(default_factory=list)


def verify(store: Store, progress: Progress = unseen) -> Verdict:
    """Check a whole ledger; return what it found, at most some two hundred faults."""
    faults: list[Fault] = [Fault(name, what) for name, what in store.damage()]
    if {fault.table for fault in faults} & {"entry", *VIEWS}:
        # A table that is missing or of another shape cannot be compared row by row.
        return Verdict(0, tree.EMPTY, tuple(faults), ())
    count = size(store)
    check = _LogCheck(store, faults)
    for first in range(1, count + 1, _BATCH):
        last = min(first + _BATCH - 1, count)
        rows: Rows = defaultdict(list)
        check.batch(first, last, rows)
        for name, table in VIEWS.items():
            if table not in (POINTER, HISTORY):
                faults += _compared(table, rows[name], store.raw(table, first, last))
        faults += _compared_history(rows["history"], store.raw(HISTORY, first, last), check.replay)
        check.pointers(rows["reference"])
        progress(last, count)
        if len(faults) > _MOST:
            break
    else:
        faults += check.end(count)
        faults += _outside(store, count)
        faults += [Fault(name, what) for name, what in store.search_damage()]
    redactions = tuple(
        Redaction(payload.kind, payload.key, entry, payload.entries)
        for entry, payload in check.replay.redactions
    )
    return Verdict(count, check.root, tuple(faults[:_MOST]), redactions)


class _LogCheck:
    """Reads the log in order: recomputes digests and tree, and projects what the views should hold."""

    def __init__(self, store: Store, faults: list[Fault]) -> None:
        self._store = store
        self._faults = faults
        self._peaks: list[bytes] = []
        self._moment = ""
        self._sum = 0
        self.replay = _Replay()
        self._number = 0

    @property
    def root(self) -> bytes:
        """The root of the tree as recomputed."""
        return tree.Frontier(self._number, self._peaks).root

    def batch(self, first: int, last: int, rows: Rows) -> None:
        """Check some entries and add to ``rows`` what they project to."""
        found = self._store.raw(ENTRY, first, last)
        for number, row in zip_longest(range(first, last + 1), found):
            if row is None or row[0] != number:
                self._fault(number, "number", "is missing from the log")
                raise StoreError(
                    f"entry {number} is missing from the log: the rest cannot be proved "
                    f"(found {row[0] if row else 'nothing'} in its place)"
                )
            self._entry(row, rows)

    def _entry(self, row: tuple[Any, ...], rows: Rows) -> None:
        number, header, payload, salt, _ = row
        moment, digest = self._header(number, header)
        self._tree(row, digest)
        if payload is None or salt is None:
            self.replay.moments[number] = moment
            if payload is not None or salt is not None:
                self._fault(number, "salt" if salt is None else "payload", "is missing")
            return
        said = self._payload(number, payload, salt, digest)
        if said is None:
            return
        rows["history"].append(history_row(number, said, moment))
        if said.record is not None:
            try:
                project(number, said.kind, {"key": said.key, **said.record}, rows)
            except Exception as error:
                self._fault(number, "payload", f"does not describe a {said.kind}: {error!r}")
        self._order(number, said)

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
        self._moment = max(self._moment, moment)
        return moment, digest

    def _tree(self, row: tuple[Any, ...], digest: str) -> None:
        number, header, payload, salt, nodes = row
        self._number = number
        expected = node = tree.leaf_hash(header.encode())
        left = number - 1
        while left & 1:
            node = tree.node_hash(self._peaks.pop(), node)
            expected += node
            left >>= 1
        if expected == nodes:
            self._peaks.append(node)
            return
        # The leaf was changed, or what is stored of the tree. A leaf that still fits its payload and
        # whose own hash is right speaks for the leaf.
        fits = (
            payload is not None and salt is not None and digest_of(salt, payload.encode()) == digest
        )
        if isinstance(nodes, bytes) and nodes[: tree.SIZE] == expected[: tree.SIZE]:
            self._fault(number, "nodes", "does not follow from the entries before it")
        elif fits and self._moment_in_history(number) == self._moment:
            self._fault(number, "nodes", "is not the hash of its header")
        else:
            self._fault(number, "header", "was changed: the tree was built over another one")
        # Go on from what is stored, so that one fault is told once.
        whole = isinstance(nodes, bytes) and len(nodes) == len(expected)
        self._peaks.append(nodes[-tree.SIZE :] if whole else node)

    def _moment_in_history(self, number: int) -> str | None:
        query = select(HISTORY.c.recorded_at).where(HISTORY.c.entry == number)
        return self._store.connection.execute(query).scalar()

    def _payload(self, number: int, payload: str, salt: bytes, digest: str) -> Payload | None:
        matches = digest_of(salt, payload.encode()) == digest
        try:
            said = Payload.decode(payload)
            whole = said.encode().decode() == payload
        except StoreError as error:
            self._fault(number, "payload", str(error))
            return None
        if not matches:
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
            project(number, said.kind, {"key": said.key, **said.record}, rows)
        del rows["reference"]
        return not any(
            fault
            for name, expected in rows.items()
            for fault in _compared(
                VIEWS[name], expected, self._store.raw(VIEWS[name], number, number)
            )
        )

    def _order(self, number: int, said: Payload) -> None:
        """Check that the entry follows from those before it."""
        what = (said.kind, said.key)
        live = self.replay.live
        if said.action == "record":
            if what in live:
                self._fault(number, "payload", f"records {said.kind} {said.key} a second time")
            live[what] = number
        elif said.action in ("amend", "withdraw"):
            if said.replaces is None or (what in live and live[what] != said.replaces):
                self._fault(
                    number, "payload", f"does not replace the entry before it ({live.get(what)})"
                )
            if said.replaces is not None:
                self.replay.ended[said.replaces] = number
            live[what] = number if said.action == "amend" else 0
        else:
            self.replay.redactions.append((number, said))

    def pointers(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Add expected references to a sum that does not depend on their order."""
        total = 0
        count = 0
        for row in rows:
            total += hash(row[:4])
            count += 1
        self._sum += total
        self.replay.pointed += count

    def end(self, count: int) -> Iterator[Fault]:
        """Yield the faults of what only the whole log tells."""
        yield from self._emptied()
        ended = self.replay.ended
        for table in VIEWS.values():
            if table is WORDS:
                continue
            number = list(table.columns).index(table.c.entry)
            query = select(table).where(table.c.until.is_not(None))
            actual: dict[int, set[int]] = defaultdict(set)
            for row in self._store.rows(query):
                actual[row[number]].add(row.until)
                if {ended.get(row[number])} != {row.until}:
                    expected = ended.get(row[number])
                    yield _row_fault(
                        table, tuple(row), "until", f"holds {row.until}, the log says {expected}"
                    )
            missing = [entry for entry in ended if entry not in actual]
            stale = select(table).where(table.c.until.is_(None))
            for row in self._store.rows_by(stale, table.c.entry, missing):
                yield _row_fault(
                    table, tuple(row), "until", f"is empty, the log says {ended[row[number]]}"
                )
        yield from self._compared_pointers(count)

    def _emptied(self) -> Iterator[Fault]:
        """Compare the rows of history that stand for redacted entries."""
        listed: dict[int, tuple[int, Payload]] = {}
        for entry, payload in self.replay.redactions:
            for number in payload.entries:
                listed[number] = (entry, payload)
                if number not in self.replay.moments:
                    yield Fault("entry", f"was redacted by entry {entry} and still reads", number)
        for number, moment in self.replay.moments.items():
            found = self._store.raw(HISTORY, number, number)
            if number not in listed:
                yield Fault("entry", "is empty and no entry redacts it", number, column="payload")
                continue
            expected = redacted_row(number, listed[number][1], moment)
            yield from _compared(HISTORY, [expected], found)

    def _compared_pointers(self, count: int) -> Iterator[Fault]:
        total = number = 0
        for row in self._store.every(POINTER):
            total += hash(row[:4])
            number += 1
        if (total, number) == (self._sum, self.replay.pointed):
            return
        expected: set[tuple[Any, ...]] = set()
        for first in range(1, count + 1, _BATCH):
            rows: Rows = defaultdict(list)
            for row in self._store.raw(ENTRY, first, first + _BATCH - 1):
                if row[2] is not None:
                    said = Payload.decode(row[2])
                    if said.record is not None:
                        project(row[0], said.kind, {"key": said.key, **said.record}, rows)
            expected.update(row[:4] for row in rows["reference"])
        actual = {row[:4] for row in self._store.every(POINTER)}
        for extra in sorted(actual - expected, key=repr)[:10]:
            yield _row_fault(POINTER, (*extra, None), "key", "is in the table and not in the log")
        for lost in sorted(expected - actual, key=repr)[:10]:
            yield _row_fault(POINTER, (*lost, None), "key", "is in the log and not in the table")

    def _fault(self, number: int, column: str, what: str) -> None:
        self._faults.append(Fault("entry", what, number, row=str(number), column=column))


def _compared(
    table: Table, expected: list[tuple[Any, ...]], actual: list[tuple[Any, ...]]
) -> Iterator[Fault]:
    """Yield where a table's rows differ from those the log gives, but for ``until``."""
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


def _compared_history(
    expected: list[tuple[Any, ...]], actual: list[tuple[Any, ...]], replay: _Replay
) -> Iterator[Fault]:
    """Compare history, leaving redacted entries for the end."""
    kept = [row for row in actual if row[0] not in replay.moments]
    return _compared(HISTORY, expected, kept)


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
                    project(number, said.kind, {"key": said.key, **said.record}, rows)
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
