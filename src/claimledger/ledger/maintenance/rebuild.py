"""Rebuilds the views from the log. The log itself is only read."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import select

from claimledger.ledger.progress import Progress, no_progress
from claimledger.ledger.query.time_travel import size
from claimledger.ledger.write.appender import (
    Ends,
    end_version,
    history_row,
    insert_rows,
    redacted_row,
)
from claimledger.log.canonical_json import parse
from claimledger.log.entry import Payload
from claimledger.storage.base import Store
from claimledger.storage.projection import Rows, project
from claimledger.storage.tables import ENTRY

_BATCH = 5000

_PAYLOADS = select(ENTRY.c.number, ENTRY.c.payload).where(ENTRY.c.payload.is_not(None))


def rebuild(store: Store, progress: Progress = no_progress) -> int:
    """Rebuild every view from the log, in one transaction; return the number of entries."""
    with store.maintenance.renewing():
        count = size(store)
        replay(store, 1, count, progress)
    return count


def replay(store: Store, first: int, last: int, progress: Progress = no_progress) -> None:
    """Add to the views the rows of the entries from ``first`` to ``last``, which must not be in them yet.

    Runs inside the caller's transaction. Versions are closed at the end, once all their rows are stored.
    """
    ended: dict[int, int] = {}  # By entry: the entry that replaced or withdrew its version.
    for start in range(first, last + 1, _BATCH):
        end = min(start + _BATCH - 1, last)
        rows: Rows = defaultdict(list)
        for number, header, payload, _, _ in store.rows_by_entry(ENTRY, start, end):
            if payload is None:
                continue
            decoded = Payload.decode(payload)
            rows["history"].append(history_row(number, decoded, parse(header)["recorded_at"]))
            if decoded.record is not None:
                project(number, decoded.kind, decoded.key, decoded.record, rows)
            if decoded.replaces is not None:
                ended[decoded.replaces] = number
            if decoded.action == "redact":
                rows["history"] += _redacted_rows(store, decoded)
        insert_rows(store, rows)
        progress(end, last)
    numbers = list(ended)
    for start in range(0, len(numbers), _BATCH):
        ends: Ends = defaultdict(list)
        for entry, payload in store.select_in(
            _PAYLOADS, ENTRY.c.number, numbers[start : start + _BATCH]
        ):
            old = Payload.decode(payload)
            if old.record is not None:
                record = {"key": old.key, **old.record}
                end_version(old.kind, entry, record, ended[entry], ends)
        store.close_versions(ends)


def _redacted_rows(store: Store, payload: Payload) -> list[tuple[Any, ...]]:
    """Return the history rows of the entries that a redaction emptied."""
    query = select(ENTRY.c.number, ENTRY.c.header)
    headers = dict(store.select_in(query, ENTRY.c.number, payload.entries))
    return [
        redacted_row(number, payload, parse(headers[number])["recorded_at"])
        for number in payload.entries
    ]
