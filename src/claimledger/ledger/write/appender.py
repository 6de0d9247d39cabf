"""Appending: the only place that adds entries to the log and rows to the views.

Entries are numbered, hashed into the tree and projected as they come, and go to the store in batches;
all of it happens inside the caller's transaction.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Table, bindparam, exists, func, select

from claimledger.errors import RuleViolationError
from claimledger.ledger.query.time_travel import moment_in, size
from claimledger.log import merkle
from claimledger.log.clock import check_clock
from claimledger.log.entry import (
    LARGEST_PAYLOAD,
    SALT,
    Payload,
    digest_of,
    header_of,
    now,
    timestamp,
)
from claimledger.records.keys import HIGHEST_NUMBER
from claimledger.records.kinds import KINDS
from claimledger.storage.base import Store, Tail
from claimledger.storage.projection import (
    Json,
    ReferenceKey,
    Rows,
    content_digest,
    number_in,
    pointers,
    project,
)
from claimledger.storage.tables import ENTRY, HISTORY, MIRRORS, REFERENCE, VIEWS, WORDS, part_tables
from claimledger.text.unicode import not_unicode

Clock = Callable[[], datetime]
Salts = Callable[[int], bytes]

Ends = defaultdict[Table, list[tuple[Any, ...]]]
"""Rows that ended, by table."""

_BATCH = 2000

_ACTS = {"amend": "an amendment", "withdraw": "a withdrawal", "redact": "a redaction"}
"""What messages call a change that needs a reason."""


class Appender:
    """Adds entries within one transaction. ``flush`` before anything reads what was added."""

    def __init__(
        self,
        store: Store,
        by: str,
        clock: Clock = now,
        salts: Salts = os.urandom,
        *,
        clock_is_right: bool = False,
    ) -> None:
        _see("who records", by)
        self._store = store
        self._salts = salts
        self.by = by
        tail = store.tail() or _tail(store)
        self.number = tail.size
        self._frontier = None if tail.peaks is None else merkle.Frontier(tail.size, tail.peaks)
        last = "" if tail.header is None else moment_in(tail.size, tail.header)
        now = clock()
        if not clock_is_right:
            check_clock(now, last)
        self.recorded_at = max(timestamp(now), last)
        self._entries: list[tuple[Any, ...]] = []
        self._rows: Rows = defaultdict(list)
        self._ends: Ends = defaultdict(list)
        self._numbers: dict[str, int] = {}
        self._free: dict[str, int] = defaultdict(int)
        self.pointed: set[ReferenceKey] = set()
        """What the record appended last points to."""

    def next_key(self, kind: str, letter: str) -> str:
        """Give out the next number of a kind; where the highest is in use, the lowest that is not.

        Raises :class:`RuleViolationError` if every number of the kind is used.
        """
        number = self._last_number(kind) + 1
        if number > HIGHEST_NUMBER:
            number = self._lowest_free(kind)
        else:
            self._numbers[kind] = number
        return f"{letter}{number}"

    def _lowest_free(self, kind: str) -> int:
        self.flush()
        after = HISTORY.alias()
        in_use = (HISTORY.c.kind == kind, HISTORY.c.number >= self._free[kind])
        follows = exists().where(after.c.kind == kind, after.c.number == HISTORY.c.number + 1)
        last = select(HISTORY.c.number).where(*in_use, ~follows).order_by(HISTORY.c.number).limit(1)
        first = select(HISTORY.c.number).where(HISTORY.c.kind == kind, HISTORY.c.number == 1)
        number: int = (self._store.value(last) or 0) + 1 if self._store.value(first) else 1
        if number > HIGHEST_NUMBER:
            raise RuleViolationError(
                f"every number of a {kind} is in use; give it a key of your own"
            )
        self._free[kind] = number
        return number

    def _last_number(self, kind: str) -> int:
        if kind not in self._numbers:
            query = select(func.max(HISTORY.c.number)).where(
                HISTORY.c.kind == kind, HISTORY.c.number.is_not(None)
            )
            self._numbers[kind] = self._store.value(query) or 0
        return self._numbers[kind]

    def taken(self, kind: str, number: int) -> None:
        """Note that a number of a kind is in use, so that it is not given out."""
        self._numbers[kind] = max(self._last_number(kind), number)

    def append(self, payload: Payload, record: bytes | None = None) -> int:
        """Add one entry and its rows; return its number.

        ``record`` is the canonical JSON of the payload's record, where the caller has it already.
        """
        if payload.reason is not None:
            _see("the reason", payload.reason)
        if payload.action != "record" and not (payload.reason or "").strip():
            raise RuleViolationError(f"{_ACTS[payload.action]} needs a reason; nothing was written")
        written = payload.encode(record)
        if len(written) > LARGEST_PAYLOAD:
            raise RuleViolationError(
                f"{payload.kind} {payload.key} takes {len(written):,} bytes, and a record at most "
                f"{LARGEST_PAYLOAD:,}; nothing was written"
            )
        salt = self._salts(SALT)
        header = header_of(self.recorded_at, digest_of(salt, written))
        self.number = number = self.number + 1
        nodes = b"" if self._frontier is None else self._frontier.append(header)
        self._entries.append((number, header.decode(), written.decode(), salt, nodes))
        self._rows["history"].append(history_row(number, payload, self.recorded_at))
        if payload.record is not None:
            self.pointed = project(number, payload.kind, payload.key, payload.record, self._rows)
        if len(self._entries) >= _BATCH:
            self.flush()
        return number

    def flush(self) -> None:
        """Send everything added so far to the store."""
        insert_rows(self._store, self._rows, self._entries)
        self._entries.clear()
        self._store.close_versions(self._ends)
        self._ends.clear()

    def end(self, kind: str, entry: int, record: Json, by: int) -> None:
        """End a version with an entry: its rows have ended from then on."""
        end_version(kind, entry, record, by, self._ends)


def _see(what: str, text: str) -> None:
    """Refuse a text that no record's pattern has seen, where it could not be stored."""
    if wrong := not_unicode(text):
        raise RuleViolationError(f"{what} {wrong}; nothing was written")


def insert_rows(store: Store, rows: Rows, entries: Sequence[tuple[Any, ...]] = ()) -> None:
    """Insert entries and projected rows, index their words, and empty ``rows``."""
    log_first = {ENTRY: entries} if entries else {}
    store.insert_all(log_first | {VIEWS[name]: table_rows for name, table_rows in rows.items()})
    if rows.get("search_words"):
        store.index_words(rows["search_words"])
    rows.clear()


def end_version(kind: str, entry: int, record: Json, by: int, ends: Ends) -> None:
    """Note for the rows of a version the entry it ended with; see :meth:`Store.end`."""
    for table in (HISTORY, *_mirrors(kind)):
        ends[table].append((by, entry))
    for to, key, field in pointers(kind, record):
        ends[REFERENCE].append((by, to, key, entry, field))


def remove_version(store: Store, kind: str, entry: int, record: Json) -> None:
    """Take a version's rows out of every view but history."""
    words = store.rows(select(WORDS.c.entry, WORDS.c.words).where(WORDS.c.entry == entry))
    store.forget_words([(row.entry, row.words) for row in words])
    for table in (*_mirrors(kind), WORDS):
        store.connection.execute(table.delete().where(table.c.entry == entry))
    for to, key, field in pointers(kind, record):
        is_target = (REFERENCE.c.kind == to, REFERENCE.c.key == key)
        is_field = (REFERENCE.c.entry == entry, REFERENCE.c.field == field)
        store.connection.execute(REFERENCE.delete().where(*is_target, *is_field))


def _mirrors(kind: str) -> list[Table]:
    """Return the tables that records of a kind are in; none for a kind this program does not know."""
    if kind not in KINDS:
        return []
    return [MIRRORS[kind], *(MIRRORS[name] for name in part_tables(kind).values())]


def history_row(number: int, payload: Payload, recorded_at: str) -> tuple[Any, ...]:
    """Return the row of history that an entry with a payload makes."""
    numbered = number_in(payload.kind, payload.key)
    content = None
    if numbered is not None and payload.record is not None:
        content = content_digest(payload.kind, payload.record)
    stated = (payload.recorded_by, payload.reason, payload.replaced_by)
    what = (number, payload.kind, payload.key, payload.action)
    return (*what, None, recorded_at, *stated, numbered, content)


def redacted_row(number: int, payload: Payload, recorded_at: str) -> tuple[Any, ...]:
    """Return the row of history of an entry whose payload a redaction (``payload``) destroyed."""
    numbered = number_in(payload.kind, payload.key)
    # The last of them is the withdrawal: what references resolve to must outlive it.
    replaced_by = payload.replaced_by if number == payload.entries[-1] else None
    what = (number, payload.kind, payload.key, "redacted")
    return (*what, None, recorded_at, None, None, replaced_by, numbered, None)


def stored_hashes(store: Store) -> merkle.Lookup:
    """Return a look-up of the hashes of complete subtrees, from the entries that complete them."""
    query = select(ENTRY.c.nodes).where(ENTRY.c.number == bindparam("number"))

    def lookup(level: int, index: int) -> bytes:
        number = (index + 1) << level
        nodes: bytes = store.connection.execute(query, {"number": number}).scalar_one()
        return nodes[level * merkle.SIZE : (level + 1) * merkle.SIZE]

    return lookup


def _tail(store: Store) -> Tail:
    number = size(store)
    query = select(ENTRY.c.header).where(ENTRY.c.number == number)
    header = store.value(query) if number else None
    return Tail(number, header, merkle.Frontier.read(number, stored_hashes(store)).peaks)
