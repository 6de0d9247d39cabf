"""What only the whole log tells: its order, the ends of versions, redactions, references."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Table, func, select

from claimledger.ledger.log import Payload
from claimledger.ledger.projection import Rows, project
from claimledger.ledger.store.base import Store
from claimledger.ledger.tables import ENTRY, HISTORY, POINTER, VIEWS, WORDS
from claimledger.ledger.verifying.faults import Fault, compared, row_fault
from claimledger.ledger.verifying.stretch import BATCH, Learned
from claimledger.ledger.writing.append import redacted_row


class Closing:
    """Checks what only the whole log tells: order, ends of versions, redactions, references."""

    def __init__(self, store: Store, learned: Learned, count: int) -> None:
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
                yield row_fault(table, tuple(row), "until", what)
        missing = [entry for entry in ended if entry not in actual]
        for row in self._store.tuples_by(
            select(table).where(table.c.until.is_(None), *_not_redacted(table)),
            table.c.entry,
            missing,
        ):
            what = f"is empty, the log says {ended[row[place]]}"
            yield row_fault(table, tuple(row), "until", what)

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
            yield from compared(HISTORY, [redacted_row(number, listed[number], moment)], found)

    def _references(self) -> Iterator[Fault]:
        if self._learned.held == (self._learned.sum, self._learned.references):
            return
        actual = [row[:4] for row in self._store.every(POINTER)]
        expected: set[tuple[Any, ...]] = set()
        for first in range(1, self._count + 1, BATCH):
            rows: Rows = defaultdict(list)
            for row in self._store.raw(ENTRY, first, first + BATCH - 1):
                if row[2] is not None:
                    said = Payload.decode(row[2])
                    if said.record is not None:
                        project(row[0], said.kind, said.key, said.record, rows)
            expected.update(row[:4] for row in rows["reference"])
        for extra in sorted(set(actual) - expected, key=repr)[:10]:
            yield row_fault(POINTER, (*extra, None), "key", "is in the table and not in the log")
        for lost in sorted(expected - set(actual), key=repr)[:10]:
            yield row_fault(POINTER, (*lost, None), "key", "is in the log and not in the table")


def references(store: Store, count: int) -> tuple[int, int]:
    """Return a sum over the references of a ledger's first entries, and their number."""
    entry = list(POINTER.columns).index(POINTER.c.entry)
    found = [hash(row[:4]) for row in store.every(POINTER) if row[entry] <= count]
    return sum(found), len(found)


def _not_redacted(table: Table) -> list[Any]:
    return [HISTORY.c.action != "redacted"] if table is HISTORY else []


def outside(store: Store, count: int) -> Iterator[Fault]:
    """Yield rows of views that belong to entries the log does not have."""
    for table in VIEWS.values():
        beyond = (table.c.entry > count) | (table.c.entry < 1)
        for row in store.rows(select(table).where(beyond).limit(20)):
            yield row_fault(table, tuple(row), "entry", f"is beyond the log, which ends at {count}")
    if count:
        least = store.value(select(func.min(ENTRY.c.number)))
        if least != 1:
            yield Fault("entry", f"the log begins with number {least}", least)
