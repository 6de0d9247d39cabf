"""The checks that need the whole log: order of changes, ends of versions, redactions and references.

They run after the checks of all segments, and start from the combined :class:`SegmentResult`. The rules are
those of ``docs/log-format.md``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import Any

from sqlalchemy import Select, Table, func, select

from claimledger.errors import StoreError
from claimledger.ledger.log_replay import LogReplay
from claimledger.ledger.verify.faults import Fault, row_differences, row_fault
from claimledger.ledger.verify.segment import BATCH, SegmentResult
from claimledger.ledger.write.appender import redacted_row
from claimledger.log.entry import Action, Payload
from claimledger.log.validate import (
    InvalidEntryError,
    RecordState,
    check_fixed,
    check_payload,
    follow,
)
from claimledger.records.kinds import KINDS
from claimledger.storage.base import Store, UndecodableTextError
from claimledger.storage.compiled import cached_query
from claimledger.storage.projection import Rows, project
from claimledger.storage.tables import ENTRY, HISTORY, PENDING_SCRUB, REFERENCE, VIEWS, WORDS


class GlobalChecks:
    """Checks the first ``count`` entries as a whole, and these ``views``.

    ``result`` is the combined result of checking all segments.
    """

    def __init__(
        self, store: Store, result: SegmentResult, count: int, views: Sequence[str]
    ) -> None:
        self._store = store
        self._result = result
        self._count = count
        self._views = views
        self._ended = {
            payload.replaces: entry
            for entry, payload in result.changes.items()
            if payload.replaces is not None
        }
        """By entry: the entry that replaced or withdrew its version."""

    def checks(self) -> Iterator[Callable[[], Iterator[Fault]]]:
        """Yield the checks. Each is a function that yields the faults it finds."""
        yield self._check_succession
        yield lambda: iter(self._emptied_faults)
        for name in self._views:
            if name != WORDS.name:
                yield partial(self._check_ends, VIEWS[name])
        if REFERENCE.name in self._views:
            yield self._check_references

    def _check_succession(self) -> Iterator[Fault]:
        """Check each entry against those before it."""
        # A lookup of the earlier entries in history is much faster than replaying the log. But history is a
        # view, and whoever changed an entry can have changed it too, so it is used only if it has no fault
        # itself.
        if HISTORY.name in self._views and not any(
            fault.table == HISTORY.name for fault in (*self._result.faults, *self._emptied_faults)
        ):
            yield from self._check_order()
            yield from self._check_fixed_fields()
        else:
            yield from self._check_by_replay()

    def _check_by_replay(self) -> Iterator[Fault]:
        """Check the order of the log and the fixed fields by replaying the whole log."""
        reported = {fault.entry for fault in self._result.faults if fault.table == ENTRY.name}
        replay = LogReplay()
        for number, header, payload, salt, _ in self._store.stream(
            select(ENTRY).order_by(ENTRY.c.number)
        ):
            if number > self._count:
                break
            try:
                replay.add(number, header, payload, salt)
            except InvalidEntryError as error:
                if number not in reported:
                    yield Fault(
                        table=ENTRY.name,
                        what=str(error),
                        entry=number,
                        row=str(number),
                        column=error.column,
                    )
        for number, unexplained in replay.unexplained():
            # `_check_emptied` reports entries without a payload.
            if unexplained.rule != "emptied":
                what = str(unexplained)
                yield Fault(
                    table=ENTRY.name,
                    what=what,
                    entry=number,
                    row=str(number),
                    column=unexplained.column,
                )

    def _check_order(self) -> Iterator[Fault]:
        """Check that no key is recorded twice, and that each change follows the version it replaces."""
        twice = (
            select(HISTORY.c.kind, HISTORY.c.key, func.max(HISTORY.c.entry))
            .where(HISTORY.c.action == Action.RECORD)
            .group_by(HISTORY.c.key, HISTORY.c.kind)
            .having(func.count() > 1)
        )
        for kind, key, entry in self._store.tuples(twice):
            what = f"records {kind} {key} a second time (rule `begins-once`)"
            yield Fault("entry", what, entry, row=str(entry), column="payload")
        changed: dict[tuple[str, str], list[int]] = defaultdict(list)
        for entry, payload in sorted(self._result.changes.items()):
            changed[payload.kind, payload.key].append(entry)
        began = self._first_entries({key for _, key in changed})
        for (kind, key), entries in changed.items():
            yield from self._check_order_of(kind, key, began.get((kind, key)), entries)

    def _check_order_of(
        self, kind: str, key: str, began: int | None, changes: Sequence[int]
    ) -> Iterator[Fault]:
        """Check the changes of one record, which entry ``began`` recorded; yield only the first fault."""
        # After one invalid change the state is unknown, and each further change would be reported as well. An
        # entry that was redacted has no payload, so ``began`` can be ``None`` for a record that is valid.
        state = None if began is None else RecordState((began,), Action.RECORD)
        for change in changes:
            entry, payload = change, self._result.changes[change]
            try:
                if began is not None and entry < began:
                    if payload.action == Action.REDACT:
                        what = f"records {kind} {key} again, which entry {entry} redacts"
                        entry = began
                        raise InvalidEntryError("begins-once", what)
                    what = f"says {payload.action} before {kind} {key} is recorded"
                    raise InvalidEntryError("replaces", what)
                state = follow(
                    state, entry, payload,
                    emptied=self._result.moments, is_live=partial(self._is_live, entry),
                )  # fmt: skip
            except InvalidEntryError as error:
                yield Fault("entry", str(error), entry, row=str(entry), column=error.column)
                return

    def _first_entries(self, keys: Iterable[str]) -> dict[tuple[str, str], int]:
        """Return the first entry of each record with one of these keys, unless it was redacted."""
        query = select(HISTORY.c.kind, HISTORY.c.key, HISTORY.c.entry)
        rows = self._store.select_in(
            query.where(HISTORY.c.action == Action.RECORD), HISTORY.c.key, keys
        )
        return {(kind, key): entry for kind, key, entry in sorted(rows, key=lambda row: -row[2])}

    def _is_live(self, entry: int, kind: str, key: str) -> bool:
        """Whether a record was live before an entry, as far as its unredacted entries show."""
        query = select(HISTORY.c.entry, HISTORY.c.action).where(
            HISTORY.c.kind == kind, HISTORY.c.key == key
        )
        rows = self._store.tuples(query)
        if any(action == Action.REDACT for _, action in rows):
            # Its other entries can no longer be read, so it counts as live until the redaction.
            return all(number > entry for number, action in rows if action == Action.REDACT)
        before = [action for number, action in rows if number < entry]
        return Action.RECORD in before and Action.WITHDRAW not in before

    def _check_fixed_fields(self) -> Iterator[Fault]:
        """Check that no amendment changes a field that its kind does not allow to be amended."""
        amended = {
            entry: payload.replaces or 0
            for entry, payload in self._result.changes.items()
            if payload.action == Action.AMEND
            and payload.kind in KINDS
            and KINDS[payload.kind].fixed
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

    def _check_ends(self, table: Table) -> Iterator[Fault]:
        """Check the column ``ended_by`` of a view: the entry that ended the version, if one did."""
        ended = self._ended
        place = list(table.columns).index(table.c.entry)
        place_of_end = list(table.columns).index(table.c.ended_by)
        for row in self._store.tuples(_ended_rows(table)):
            actual = row[place_of_end]
            if ended.get(row[place]) != actual:
                what = f"is {actual}, but the log has {ended.get(row[place], 'none')}"
                yield row_fault(table, row, "ended_by", what)
        # An entry can have several rows in a table, each of which must be closed.
        for row in self._store.select_in(_open_rows(table), table.c.entry, list(ended)):
            what = f"is empty, but the log has {ended[row[place]]}"
            yield row_fault(table, row, "ended_by", what)

    @cached_property
    def _emptied_faults(self) -> list[Fault]:
        return list(self._check_emptied())

    def _check_emptied(self) -> Iterator[Fault]:
        """Check that exactly one redaction lists each emptied entry, and compare its row of history."""
        redactions: dict[int, Payload] = {}
        for entry, payload in self._result.changes.items():
            for number in payload.entries:
                if number in redactions:
                    what = f"lists entry {number}, as another redaction does (rule `redacts-own`)"
                    yield Fault(
                        table="entry", what=what, entry=entry, row=str(entry), column="payload"
                    )
                redactions[number] = payload
                if number not in self._result.moments:
                    what = f"was redacted by entry {entry} but is still readable (rule `emptied`)"
                    yield Fault(
                        table="entry", what=what, entry=number, row=str(number), column="payload"
                    )
        for number, moment in self._result.moments.items():
            if number not in redactions:
                what = "is empty, but no entry redacts it (rule `emptied`)"
                yield Fault(
                    table="entry", what=what, entry=number, row=str(number), column="payload"
                )
                continue
            if HISTORY.name not in self._views:
                continue
            actual = self._store.rows_by_entry(HISTORY, number, number)
            yield from row_differences(
                HISTORY, [redacted_row(number, redactions[number], moment)], actual
            )

    def _check_references(self) -> Iterator[Fault]:
        """Compare the table of references with the log."""
        # The table is ordered by target and not by entry, so it cannot be compared segment by segment. A sum
        # of hashes does not depend on the order: only if the sums or the numbers differ are the rows
        # compared.
        if self._result.references_in_table == (self._result.sum, self._result.references):
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
                with suppress(InvalidEntryError):  # The check of its segment reported it.
                    payload = check_payload(row[0], row[2])
                    if payload.record is not None:
                        project(row[0], payload.kind, payload.key, payload.record, rows)
            expected.update(row[:4] for row in rows["reference"])
        for extra in sorted(set(actual) - expected, key=repr)[:10]:
            yield row_fault(REFERENCE, (*extra, None), "key", "is in the table but not in the log")
        for missing in sorted(expected - set(actual), key=repr)[:10]:
            yield row_fault(
                REFERENCE, (*missing, None), "key", "is in the log but not in the table"
            )


def references(store: Store, count: int) -> tuple[int, int]:
    """Return the sum of the hashes of the references of the first ``count`` entries, and their number.

    The number is -1 if they cannot be read; :class:`GlobalChecks` then reads them again and reports that.
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


@cached_query
def _ended_rows(table: Table) -> Select[Any]:
    return select(table).where(table.c.ended_by.is_not(None))


@cached_query
def _open_rows(table: Table) -> Select[Any]:
    query = select(table).where(table.c.ended_by.is_(None))
    return query.where(HISTORY.c.action != "redacted") if table is HISTORY else query


@cached_query
def _rows_beyond(table: Table, count: int) -> Select[Any]:
    return select(table).where((table.c.entry > count) | (table.c.entry < 1)).limit(20)


def rows_beyond_log(store: Store, count: int, views: Sequence[str]) -> Iterator[Fault]:
    """Yield a fault for each row of a view that belongs to an entry which the log does not have."""
    for table in map(VIEWS.__getitem__, views):
        for row in store.tuples(_rows_beyond(table, count)):
            yield row_fault(table, row, "entry", f"is beyond the log, which ends at {count}")


def unfounded_scrubs(store: Store, result: SegmentResult) -> Iterator[Fault]:
    """Yield a fault for each row that schedules a scrub for an entry which is not a redaction."""
    for entry in store.maintenance.unscrubbed():
        payload = result.changes.get(entry)
        if payload is None or payload.action != Action.REDACT:
            what = "is in the table, but the entry is not a redaction"
            yield Fault(PENDING_SCRUB.name, what, entry, row=str(entry), column="entry")
