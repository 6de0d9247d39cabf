"""What happened to a record: every entry about it, what it changed, when, by whom and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from claimledger.ledger.canonical import canonical
from claimledger.ledger.difference import difference
from claimledger.ledger.log import Payload
from claimledger.ledger.reading.clocks import Known
from claimledger.ledger.store.base import Store
from claimledger.ledger.tables import ENTRY, HISTORY


@dataclass(frozen=True, slots=True)
class Event:
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


def history(store: Store, key: str, kind: str | None = None, known_at: Known = None) -> list[Event]:
    """Return the entries about the records with a key, oldest first."""
    query = select(HISTORY).where(HISTORY.c.key == key)
    return _events(store, query if kind is None else query.where(HISTORY.c.kind == kind), known_at)


def changes_since(store: Store, entry: int, known_at: Known = None) -> list[Event]:
    """Return the amendments, withdrawals and redactions after an entry, oldest first."""
    query = select(HISTORY).where(
        HISTORY.c.entry > entry, HISTORY.c.action.in_(("amend", "withdraw", "redact"))
    )
    return _events(store, query, known_at)


def _events(store: Store, query: Any, known_at: Known) -> list[Event]:
    if known_at is not None:
        query = query.where(HISTORY.c.entry <= known_at)
    return list(_with_changes(store, store.rows(query.order_by(HISTORY.c.entry))))


def _with_changes(store: Store, rows: Any) -> Iterator[Event]:
    for row in rows:
        changes: tuple[tuple[str, Any, Any], ...] = ()
        if row.action == "amend":
            new = _payload(store, row.entry)
            old = _payload(store, new.replaces or 0) if new else None
            if new and old:
                changes = tuple(difference(old.record or {}, new.record or {}))
        yield Event(
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
    found = store.tuples_by(_PAYLOAD, ENTRY.c.number, [number])
    return Payload.decode(found[0][0]) if found and found[0][0] else None


def changed(store: Store, since: int, known_at: Known = None) -> list[tuple[str, str]]:
    """Return which records the entries after one are about, each once."""
    query = select(HISTORY.c.kind, HISTORY.c.key).where(HISTORY.c.entry > since)
    if known_at is not None:
        query = query.where(HISTORY.c.entry <= known_at)
    return list(dict.fromkeys(store.tuples(query.order_by(HISTORY.c.entry))))


def holders_of(store: Store, text: str) -> tuple[tuple[str, str], ...]:
    """Return the first records of which some version holds a text, by kind and key. Reads the whole log."""
    written = canonical(text)[1:-1].decode()
    # LIKE would take no pattern of more than 50,000 bytes in SQLite.
    holding = func.replace(ENTRY.c.payload, written, "") != ENTRY.c.payload
    query = select(HISTORY.c.kind, HISTORY.c.key).join(ENTRY, ENTRY.c.number == HISTORY.c.entry)
    rows = store.tuples(query.where(holding).order_by(HISTORY.c.entry).limit(_MOST_HOLDERS))
    return tuple(dict.fromkeys((kind, key) for kind, key in rows))


_MOST_HOLDERS = 5
