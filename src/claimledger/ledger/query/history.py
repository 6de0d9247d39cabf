"""What happened to a record: every entry about it, what it changed, when, by whom and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select

from claimledger.ledger.query.time_travel import Known
from claimledger.ledger.record_diff import difference
from claimledger.log.entry import Payload
from claimledger.storage.base import Store
from claimledger.storage.tables import ENTRY, HISTORY
from claimledger.text.repetition import Passage, texts_in


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One entry about a record."""

    entry: int
    kind: str
    key: str
    action: str
    recorded_at: str
    recorded_by: str | None
    reason: str | None
    replaced_by: str | None
    changes: tuple[tuple[str, Any, Any], ...] = ()
    """For an amendment: the fields it changed, with both values."""


def history(
    store: Store, key: str, kind: str | None = None, known_at: Known = None
) -> list[HistoryEntry]:
    """Return the entries about the records with a key, oldest first."""
    query = select(HISTORY).where(HISTORY.c.key == key)
    return _events(store, query if kind is None else query.where(HISTORY.c.kind == kind), known_at)


def changes_since(store: Store, entry: int, known_at: Known = None) -> list[HistoryEntry]:
    """Return the amendments, withdrawals and redactions after an entry, oldest first."""
    query = select(HISTORY).where(
        HISTORY.c.entry > entry, HISTORY.c.action.in_(("amend", "withdraw", "redact"))
    )
    return _events(store, query, known_at)


def _events(store: Store, query: Any, known_at: Known) -> list[HistoryEntry]:
    if known_at is not None:
        query = query.where(HISTORY.c.entry <= known_at)
    return list(_with_changes(store, store.rows(query.order_by(HISTORY.c.entry))))


def _with_changes(store: Store, rows: Any) -> Iterator[HistoryEntry]:
    for row in rows:
        changes: tuple[tuple[str, Any, Any], ...] = ()
        if row.action == "amend":
            new = _payload(store, row.entry)
            old = _payload(store, new.replaces or 0) if new else None
            if new and old:
                changes = tuple(difference(old.record or {}, new.record or {}))
        yield HistoryEntry(
            row.entry,
            row.kind,
            row.key,
            row.action,
            row.recorded_at,
            row.recorded_by,
            row.reason,
            row.replaced_by,
            changes,
        )


_PAYLOAD = select(ENTRY.c.payload)


def _payload(store: Store, number: int) -> Payload | None:
    found = store.select_in(_PAYLOAD, ENTRY.c.number, [number])
    return Payload.decode(found[0][0]) if found and found[0][0] else None


def records_changed_since(
    store: Store, since: int, known_at: Known = None
) -> list[tuple[str, str]]:
    """Return which records the entries after one are about, each once."""
    query = select(HISTORY.c.kind, HISTORY.c.key).where(HISTORY.c.entry > since)
    if known_at is not None:
        query = query.where(HISTORY.c.entry <= known_at)
    return list(dict.fromkeys(store.tuples(query.order_by(HISTORY.c.entry))))


def holders_of(store: Store, texts: Iterable[str]) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return for each text the first records of which some version holds it, by kind and key.

    Case, marks and punctuation do not count. Reads the whole log.
    """
    found: dict[Passage, dict[tuple[str, str], None]] = {Passage(text): {} for text in texts}
    if not found:
        return {}
    query = select(HISTORY.c.kind, HISTORY.c.key, ENTRY.c.payload)
    query = query.join(ENTRY, ENTRY.c.number == HISTORY.c.entry)
    query = query.where(ENTRY.c.payload.is_not(None)).order_by(HISTORY.c.entry)
    with store.reading():
        for kind, key, payload in store.stream(query):
            possible = [
                sought
                for sought, holders in found.items()
                if len(holders) < _MOST_HOLDERS and _may_hold(payload, sought)
            ]
            if possible:
                texts_there = [Passage(text) for text in texts_in(orjson.loads(payload))]
                for sought in possible:
                    if any(text.holds(sought) for text in texts_there):
                        found[sought][kind, key] = None
    return {sought.text: tuple(holders) for sought, holders in found.items()}


def _may_hold(payload: str, sought: Passage) -> bool:
    """Whether a payload can hold a passage, seen without folding it, which takes most of the time."""
    return not payload.isascii() or sought.longest_word in payload.lower()


_MOST_HOLDERS = 5
