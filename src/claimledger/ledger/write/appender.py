"""Appends entries to the log and their rows to the views. No other code does this.

Each entry is numbered, added to the Merkle tree (RFC 9162) and projected into rows; the store receives
them in batches. All of it happens inside the caller's transaction.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Table, exists, func, select

from claimledger.errors import RuleViolationError
from claimledger.ledger.query.time_travel import moment_in
from claimledger.log import merkle
from claimledger.log.clock import check_clock
from claimledger.log.entry import (
    LARGEST_PAYLOAD,
    SALT,
    Action,
    Payload,
    digest_of,
    header_of,
    now,
    timestamp,
)
from claimledger.records.keys import HIGHEST_NUMBER
from claimledger.records.kinds import KINDS
from claimledger.storage.base import Store
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
"""By table, the parameters that close its rows; see :func:`end_version`."""

_BATCH = 2000

_CHANGE_NOUNS: dict[str, str] = {
    Action.AMEND: "an amendment",
    Action.WITHDRAW: "a withdrawal",
    Action.REDACT: "a redaction",
}
"""How messages name the changes that need a reason."""


class Appender:
    """Appends entries within one transaction. Call :meth:`flush` before reading what was added.

    ``by`` is recorded as the author of each entry. ``clock`` and ``salts`` are replaced in tests. Raises
    :class:`ClockError` if the clock cannot be right, unless ``clock_is_right`` says that it is.
    """

    def __init__(
        self,
        store: Store,
        by: str,
        clock: Clock = now,
        salts: Salts = os.urandom,
        *,
        clock_is_right: bool = False,
    ) -> None:
        _require_storable("the name of the person who records", by)
        self._store = store
        self._salts = salts
        self.by = by
        tail = store.tail()
        self.number = tail.size
        self._frontier = merkle.Frontier(tail.size, tail.peaks)
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
        """The references of the record that was appended last."""

    def next_key(self, kind: str, letter: str) -> str:
        """Return a new numbered key: the number after the kind's highest, such as ``C12``.

        Once the highest number that is allowed is in use, the lowest unused one is returned. Raises
        :class:`RuleViolationError` if every number of the kind is in use.
        """
        number = self._last_number(kind) + 1
        if number > HIGHEST_NUMBER:
            number = self._lowest_free(kind)
        else:
            self._numbers[kind] = number
        return f"{letter}{number}"

    def _lowest_free(self, kind: str) -> int:
        # The lowest unused number follows the first number in use whose successor is not in use, unless
        # number 1 itself is unused. The search starts at the last number returned, as numbers are not freed.
        self.flush()
        after = HISTORY.alias()
        in_use = (HISTORY.c.kind == kind, HISTORY.c.number >= self._free[kind])
        follows = exists().where(after.c.kind == kind, after.c.number == HISTORY.c.number + 1)
        last = select(HISTORY.c.number).where(*in_use, ~follows).order_by(HISTORY.c.number).limit(1)
        first = select(HISTORY.c.number).where(HISTORY.c.kind == kind, HISTORY.c.number == 1)
        number: int = (self._store.value(last) or 0) + 1 if self._store.value(first) else 1
        if number > HIGHEST_NUMBER:
            raise RuleViolationError(
                f"every number of a {kind} is in use; choose a key for the new one yourself"
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

    def reserve_number(self, kind: str, number: int) -> None:
        """Mark a number of a kind as in use, so that :meth:`next_key` does not return it."""
        self._numbers[kind] = max(self._last_number(kind), number)

    def append(self, payload: Payload, record: bytes | None = None) -> int:
        """Append one entry and its rows; return the entry's number.

        ``record`` is the canonical JSON of the payload's record, if the caller has it already. Raises
        :class:`RuleViolationError` if a change has no reason, or the payload is too large.
        """
        if payload.reason is not None:
            _require_storable("the reason", payload.reason)
        if payload.action != Action.RECORD and not (payload.reason or "").strip():
            raise RuleViolationError(
                f"{_CHANGE_NOUNS[payload.action]} needs a reason; nothing was written"
            )
        written = payload.encode(record)
        if len(written) > LARGEST_PAYLOAD:
            raise RuleViolationError(
                f"{payload.kind} {payload.key} is too large: {len(written):,} bytes, and a record has at "
                f"most {LARGEST_PAYLOAD:,}; nothing was written"
            )
        salt = self._salts(SALT)
        header = header_of(self.recorded_at, digest_of(salt, written))
        self.number = number = self.number + 1
        nodes = self._frontier.append(header)
        self._entries.append((number, header.decode(), written.decode(), salt, nodes))
        self._rows["history"].append(history_row(number, payload, self.recorded_at))
        if payload.record is not None:
            self.pointed = project(number, payload.kind, payload.key, payload.record, self._rows)
        if len(self._entries) >= _BATCH:
            self.flush()
        return number

    def flush(self) -> None:
        """Send all entries and rows added so far to the store."""
        insert_rows(self._store, self._rows, self._entries)
        self._entries.clear()
        self._store.close_versions(self._ends)
        self._ends.clear()

    def end(self, kind: str, entry: int, record: Json, by: int) -> None:
        """Close the version of a record that ``entry`` recorded; ``by`` is the entry that replaces it."""
        end_version(kind, entry, record, by, self._ends)


def _require_storable(label: str, text: str) -> None:
    """Raise :class:`RuleViolationError` if a text outside a record is not valid Unicode."""
    # Texts in a record were checked against the pattern of their field.
    if fault := not_unicode(text):
        raise RuleViolationError(f"{label} {fault}; nothing was written")


def insert_rows(store: Store, rows: Rows, entries: Sequence[tuple[Any, ...]] = ()) -> None:
    """Insert entries and projected rows, index the words of the rows, and clear ``rows``."""
    log_first = {ENTRY: entries} if entries else {}
    store.insert(log_first | {VIEWS[name]: table_rows for name, table_rows in rows.items()})
    if rows.get("search_words"):
        store.fulltext.add(rows["search_words"])
    rows.clear()


def end_version(kind: str, entry: int, record: Json, by: int, ends: Ends) -> None:
    """Add to ``ends`` the rows of a version that entry ``by`` ended; see :meth:`Store.close_versions`."""
    for table in (HISTORY, *_mirrors(kind)):
        ends[table].append((by, entry))
    for to, key, field in pointers(kind, record):
        ends[REFERENCE].append((by, to, key, entry, field))


def remove_version(store: Store, kind: str, entry: int, record: Json) -> None:
    """Delete the rows of a version from every view except the history."""
    words = store.tuples(select(WORDS.c.entry, WORDS.c.words).where(WORDS.c.entry == entry))
    store.fulltext.remove([(of_entry, text) for of_entry, text in words])
    for table in (*_mirrors(kind), WORDS):
        store.change(table.delete().where(table.c.entry == entry))
    for to, key, field in pointers(kind, record):
        is_target = (REFERENCE.c.kind == to, REFERENCE.c.key == key)
        is_field = (REFERENCE.c.entry == entry, REFERENCE.c.field == field)
        store.change(REFERENCE.delete().where(*is_target, *is_field))


def _mirrors(kind: str) -> list[Table]:
    """Return the tables that contain records of a kind; none if this program does not know the kind."""
    if kind not in KINDS:
        return []
    return [MIRRORS[kind], *(MIRRORS[name] for name in part_tables(kind).values())]


def history_row(number: int, payload: Payload, recorded_at: str) -> tuple[Any, ...]:
    """Return the history row of an entry that has a payload."""
    numbered = number_in(payload.kind, payload.key)
    content = None
    if numbered is not None and payload.record is not None:
        content = content_digest(payload.kind, payload.record)
    stated = (payload.recorded_by, payload.reason, payload.replaced_by)
    what = (number, payload.kind, payload.key, payload.action)
    return (*what, None, recorded_at, *stated, numbered, content)


def redacted_row(number: int, payload: Payload, recorded_at: str) -> tuple[Any, ...]:
    """Return the history row of an entry that was redacted; ``payload`` is that of the redaction."""
    numbered = number_in(payload.kind, payload.key)
    # The last redacted entry is the withdrawal. References to the record must still resolve to the
    # replacement that it named.
    replaced_by = payload.replaced_by if number == payload.entries[-1] else None
    what = (number, payload.kind, payload.key, "redacted")
    return (*what, None, recorded_at, None, None, replaced_by, numbered, None)
