"""The history of a record: every entry about it, with its changes, its time, its author and its reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Select, select

from claimledger.ledger.query.snapshot import Snapshot
from claimledger.ledger.record_diff import difference
from claimledger.log.entry import Action, Payload
from claimledger.storage.base import Store
from claimledger.storage.tables import ENTRY, HISTORY, HistoryRow
from claimledger.text.repetition import Passage, texts_in


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One entry about a record; ``recorded_by`` and ``reason`` are ``None`` if it was redacted."""

    entry: int
    kind: str
    key: str
    action: str
    recorded_at: str
    recorded_by: str | None
    reason: str | None
    replaced_by: str | None
    changes: tuple[tuple[str, Any, Any], ...] = ()
    """For an amendment: the fields that it changed, each with the old and the new value."""


def history(snapshot: Snapshot, key: str, kind: str | None = None) -> list[HistoryEntry]:
    """Return the entries about the records with a key, oldest first."""
    query = select(HISTORY).where(HISTORY.c.key == key)
    return _entries(snapshot, query if kind is None else query.where(HISTORY.c.kind == kind))


def changes_since(snapshot: Snapshot, entry: int) -> list[HistoryEntry]:
    """Return the amendments, withdrawals and redactions after an entry, oldest first."""
    query = select(HISTORY).where(
        HISTORY.c.entry > entry,
        HISTORY.c.action.in_((Action.AMEND, Action.WITHDRAW, Action.REDACT)),
    )
    return _entries(snapshot, query)


def _entries(snapshot: Snapshot, query: Select[Any]) -> list[HistoryEntry]:
    rows = snapshot.store.tuples(snapshot.recorded(query.order_by(HISTORY.c.entry)))
    return list(_with_changes(snapshot.store, [HistoryRow(*row) for row in rows]))


def _with_changes(store: Store, rows: Iterable[HistoryRow]) -> Iterator[HistoryEntry]:
    for row in rows:
        changes: tuple[tuple[str, Any, Any], ...] = ()
        if row.action == Action.AMEND:
            new = _payload(store, row.entry)
            old = _payload(store, new.replaces or 0) if new else None
            if new and old:
                changes = tuple(difference(old.record or {}, new.record or {}))
        yield HistoryEntry(
            entry=row.entry,
            kind=row.kind,
            key=row.key,
            action=row.action,
            recorded_at=row.recorded_at,
            recorded_by=row.recorded_by,
            reason=row.reason,
            replaced_by=row.replaced_by,
            changes=changes,
        )


_PAYLOAD = select(ENTRY.c.payload)


def _payload(store: Store, number: int) -> Payload | None:
    rows = store.select_in(_PAYLOAD, ENTRY.c.number, [number])
    return Payload.decode(rows[0][0]) if rows and rows[0][0] else None


def records_changed_since(snapshot: Snapshot, since: int) -> list[tuple[str, str]]:
    """Return the records that entries after ``since`` are about, by kind and key, each once."""
    query = select(HISTORY.c.kind, HISTORY.c.key).where(HISTORY.c.entry > since)
    rows = snapshot.store.tuples(snapshot.recorded(query.order_by(HISTORY.c.entry)))
    return list(dict.fromkeys(rows))


def holders_of(store: Store, texts: Iterable[str]) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return, for each text, kind and key of the first records that contain it in any version.

    Case, combining marks and punctuation are ignored. This reads the whole log.
    """
    holders: dict[Passage, dict[tuple[str, str], None]] = {Passage(text): {} for text in texts}
    if not holders:
        return {}
    query = select(HISTORY.c.kind, HISTORY.c.key, ENTRY.c.payload)
    query = query.join(ENTRY, ENTRY.c.number == HISTORY.c.entry)
    query = query.where(ENTRY.c.payload.is_not(None)).order_by(HISTORY.c.entry)
    with store.reading():
        for kind, key, payload in store.stream(query):
            candidates = [
                passage
                for passage, of_passage in holders.items()
                if len(of_passage) < _MOST_HOLDERS and _may_contain(payload, passage)
            ]
            if candidates:
                texts_of_record = [Passage(text) for text in texts_in(orjson.loads(payload))]
                for passage in candidates:
                    if any(text.contains(passage) for text in texts_of_record):
                        holders[passage][kind, key] = None
    return {passage.text: tuple(of_passage) for passage, of_passage in holders.items()}


def _may_contain(payload: str, passage: Passage) -> bool:
    """Whether a payload can contain a passage: a fast check, because folding a text is slow."""
    return not payload.isascii() or passage.longest_word in payload.lower()


_MOST_HOLDERS = 5
