"""Checks that need the whole log: its order, the ends of versions, redactions, references."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import Any

from sqlalchemy import Table, func, select

from claimledger.errors import StoreError
from claimledger.ledger.log_replay import LogReplay
from claimledger.ledger.verify.faults import Fault, compared, row_fault
from claimledger.ledger.verify.segment import BATCH, SegmentResult
from claimledger.ledger.write.appender import redacted_row
from claimledger.log.entry import Payload
from claimledger.log.validate import (
    InvalidEntryError,
    RecordState,
    check_fixed,
    check_payload,
    follow,
)
from claimledger.records.kinds import KINDS
from claimledger.storage.base import Store, UndecodableTextError
from claimledger.storage.projection import Rows, project
from claimledger.storage.tables import ENTRY, HISTORY, PENDING_SCRUB, REFERENCE, VIEWS, WORDS


class GlobalChecks:
    """Checks that need the whole log: order, ends of versions, redactions, references."""

    def __init__(
        self, store: Store, learned: SegmentResult, count: int, views: Sequence[str]
    ) -> None:
        self._store = store
        self._learned = learned
        self._count = count
        self._views = views
        self._ended = {
            payload.replaces: entry
            for entry, payload in learned.changes.items()
            if payload.replaces is not None
        }

    def checks(self) -> Iterator[Callable[[], Iterator[Fault]]]:
        """Yield the checks, each of which yields what is wrong."""
        yield self._rules_that_look_back
        yield lambda: iter(self._emptied_faults)
        for name in self._views:
            if name != WORDS.name:
                yield partial(self._ends, VIEWS[name])
        if REFERENCE.name in self._views:
            yield self._references

    def _rules_that_look_back(self) -> Iterator[Fault]:
        """Check each entry against those before it: by history if it is sound, else by replaying the log."""
        if HISTORY.name in self._views and not any(
            fault.table == HISTORY.name for fault in (*self._learned.faults, *self._emptied_faults)
        ):
            yield from self._order()
            yield from self._fixed()
        else:
            yield from self._replayed()

    def _replayed(self) -> Iterator[Fault]:
        named = {fault.entry for fault in self._learned.faults if fault.table == ENTRY.name}
        replay = LogReplay()
        for number, header, payload, salt, _ in self._store.stream(
            select(ENTRY).order_by(ENTRY.c.number)
        ):
            if number > self._count:
                break
            try:
                replay.add(number, header, payload, salt)
            except InvalidEntryError as error:
                if number not in named:
                    yield Fault(ENTRY.name, str(error), number, str(number), error.column)
        for number, unexplained in replay.unexplained():
            if (
                unexplained.rule != "emptied"
            ):  # these are found below, and named with what redacts them
                what = str(unexplained)
                yield Fault(ENTRY.name, what, number, str(number), unexplained.column)

    def _order(self) -> Iterator[Fault]:
        """Check that no record is begun twice, and that each change follows what was before it."""
        twice = (
            select(HISTORY.c.kind, HISTORY.c.key, func.max(HISTORY.c.entry).label("entry"))
            .where(HISTORY.c.action == "record")
            .group_by(HISTORY.c.key, HISTORY.c.kind)
            .having(func.count() > 1)
        )
        for row in self._store.rows(twice):
            what = f"records {row.kind} {row.key} a second time (rule `begins-once`)"
            yield Fault("entry", what, row.entry, row=str(row.entry), column="payload")
        changed: dict[tuple[str, str], list[int]] = defaultdict(list)
        for entry, payload in sorted(self._learned.changes.items()):
            changed[payload.kind, payload.key].append(entry)
        began = self._began({key for _, key in changed})
        for (kind, key), entries in changed.items():
            yield from self._order_of(kind, key, began.get((kind, key)), entries)

    def _order_of(
        self, kind: str, key: str, began: int | None, changes: Sequence[int]
    ) -> Iterator[Fault]:
        state = None if began is None else RecordState((began,), "record")
        for change in changes:
            entry, payload = change, self._learned.changes[change]
            try:
                if began is not None and entry < began:
                    if payload.action == "redact":
                        what = f"records {kind} {key} again, which entry {entry} redacts"
                        entry = began
                        raise InvalidEntryError("begins-once", what)
                    what = f"says {payload.action} before {kind} {key} is recorded"
                    raise InvalidEntryError("replaces", what)
                state = follow(
                    state, entry, payload,
                    emptied=self._learned.moments, stands=partial(self._stands, entry),
                )  # fmt: skip
            except InvalidEntryError as error:
                yield Fault("entry", str(error), entry, row=str(entry), column=error.column)
                return

    def _began(self, keys: Iterable[str]) -> dict[tuple[str, str], int]:
        """Return the entry that each record of some keys begins with, where it can be read."""
        query = select(HISTORY.c.kind, HISTORY.c.key, HISTORY.c.entry)
        rows = self._store.select_in(query.where(HISTORY.c.action == "record"), HISTORY.c.key, keys)
        return {(kind, key): entry for kind, key, entry in sorted(rows, key=lambda row: -row[2])}

    def _stands(self, entry: int, kind: str, key: str) -> bool:
        """Whether a record is live at an entry, as far as the entries that are not redacted show."""
        query = select(HISTORY.c.entry, HISTORY.c.action).where(
            HISTORY.c.kind == kind, HISTORY.c.key == key
        )
        rows = self._store.tuples(query)
        if any(action == "redact" for _, action in rows):
            # What its other entries said cannot be seen any more.
            return all(number > entry for number, action in rows if action == "redact")
        before = [action for number, action in rows if number < entry]
        return "record" in before and "withdraw" not in before

    def _fixed(self) -> Iterator[Fault]:
        """Check that amendments leave the fixed fields of their kinds as they were."""
        amended = {
            entry: payload.replaces or 0
            for entry, payload in self._learned.changes.items()
            if payload.action == "amend" and payload.kind in KINDS and KINDS[payload.kind].fixed
        }
        query = select(ENTRY.c.number, ENTRY.c.payload).where(ENTRY.c.payload.is_not(None))
        numbers = {*amended, *amended.values()}
        texts = dict(self._store.select_in(query, ENTRY.c.number, sorted(numbers)))
        for entry, before in amended.items():
            try:
                if entry in texts and before in texts:
                    check_fixed(
                        check_payload(entry, texts[entry]),
                        check_payload(before, texts[before]).record,
                    )
            except InvalidEntryError as error:
                yield Fault("entry", str(error), entry, row=str(entry), column=error.column)

    def _ends(self, table: Table) -> Iterator[Fault]:
        ended = self._ended
        place = list(table.columns).index(table.c.entry)
        for row in self._store.rows(select(table).where(table.c.until.is_not(None))):
            if ended.get(row[place]) != row.until:
                what = f"holds {row.until}, the log says {ended.get(row[place])}"
                yield row_fault(table, tuple(row), "until", what)
        # Each row of an entry, as one entry can have several in a table.
        for row in self._store.select_in(
            select(table).where(table.c.until.is_(None), *_not_redacted(table)),
            table.c.entry,
            list(ended),
        ):
            what = f"is empty, the log says {ended[row[place]]}"
            yield row_fault(table, tuple(row), "until", what)

    @cached_property
    def _emptied_faults(self) -> list[Fault]:
        return list(self._emptied())

    def _emptied(self) -> Iterator[Fault]:
        """Check that each emptied entry is listed by one redaction, and compare its row of history."""
        redactions: dict[int, Payload] = {}
        for entry, payload in self._learned.changes.items():
            for number in payload.entries:
                if number in redactions:
                    what = (
                        f"lists entry {number}, which another redaction lists (rule `redacts-own`)"
                    )
                    yield Fault("entry", what, entry, str(entry), "payload")
                redactions[number] = payload
                if number not in self._learned.moments:
                    what = f"was redacted by entry {entry} and still reads (rule `emptied`)"
                    yield Fault("entry", what, number, str(number), "payload")
        for number, moment in self._learned.moments.items():
            if number not in redactions:
                what = "is empty and no entry redacts it (rule `emptied`)"
                yield Fault("entry", what, number, str(number), "payload")
                continue
            if HISTORY.name not in self._views:
                continue
            actual = self._store.rows_by_entry(HISTORY, number, number)
            yield from compared(HISTORY, [redacted_row(number, redactions[number], moment)], actual)

    def _references(self) -> Iterator[Fault]:
        if self._learned.references_in_table == (self._learned.sum, self._learned.references):
            return
        try:
            actual = [row[:4] for row in self._store.all_rows(REFERENCE)]
        except UndecodableTextError:
            raise
        except StoreError as error:
            yield Fault(REFERENCE.name, f"cannot be read: {error}")
            return
        expected: set[tuple[Any, ...]] = set()
        for first in range(1, self._count + 1, BATCH):
            rows: Rows = defaultdict(list)
            for row in self._store.rows_by_entry(ENTRY, first, first + BATCH - 1):
                with suppress(InvalidEntryError):  # named where the entry was checked
                    payload = check_payload(row[0], row[2])
                    if payload.record is not None:
                        project(row[0], payload.kind, payload.key, payload.record, rows)
            expected.update(row[:4] for row in rows["reference"])
        for extra in sorted(set(actual) - expected, key=repr)[:10]:
            yield row_fault(REFERENCE, (*extra, None), "key", "is in the table and not in the log")
        for lost in sorted(expected - set(actual), key=repr)[:10]:
            yield row_fault(REFERENCE, (*lost, None), "key", "is in the log and not in the table")


def references(store: Store, count: int) -> tuple[int, int]:
    """Return a sum over the references of a ledger's first entries, and their number.

    The number is -1 where they cannot be read, which :class:`GlobalChecks` then names.
    """
    entry = list(REFERENCE.columns).index(REFERENCE.c.entry)
    try:
        hashes = [
            hash(row[:4])
            for row in store.all_rows(REFERENCE)
            if not isinstance(row[entry], int) or row[entry] <= count
        ]
    except UndecodableTextError:
        raise
    except StoreError:
        return 0, -1
    return sum(hashes), len(hashes)


def _not_redacted(table: Table) -> list[Any]:
    return [HISTORY.c.action != "redacted"] if table is HISTORY else []


def outside(store: Store, count: int, views: Sequence[str]) -> Iterator[Fault]:
    """Yield rows of views that belong to entries the log does not have."""
    for table in map(VIEWS.__getitem__, views):
        beyond = (table.c.entry > count) | (table.c.entry < 1)
        for row in store.rows(select(table).where(beyond).limit(20)):
            yield row_fault(table, tuple(row), "entry", f"is beyond the log, which ends at {count}")


def planted_scrubs(store: Store, learned: SegmentResult) -> Iterator[Fault]:
    """Yield rows that say of an entry that its texts must be scrubbed, and it is not a redaction."""
    for entry in store.unscrubbed():
        payload = learned.changes.get(entry)
        if payload is None or payload.action != "redact":
            what = "is in the table, and the entry is not a redaction"
            yield Fault(PENDING_SCRUB.name, what, entry, row=str(entry), column="entry")
