"""Making every view anew from the log, in one transaction. The log itself is not touched."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import select

from claimledger.ledger.canonical import parse
from claimledger.ledger.log import Payload
from claimledger.ledger.progress import Progress, unseen
from claimledger.ledger.projection import Rows, project
from claimledger.ledger.reading.clocks import size
from claimledger.ledger.store.base import Store
from claimledger.ledger.tables import ENTRY
from claimledger.ledger.writing.append import end_version, history_row, insert_rows, redacted_row

_BATCH = 5000


def rebuild(store: Store, progress: Progress = unseen) -> int:
    """Make every view anew from the log, in one transaction; return the number of entries."""
    with store.writing():
        store.empty_views()
        count = size(store)
        replay(store, 1, count, progress)
    return count


def replay(store: Store, first: int, last: int, progress: Progress = unseen) -> None:
    """Add to the views what some entries say, which they do not hold yet. Within a transaction."""
    ended: list[tuple[Payload, int]] = []
    for start in range(first, last + 1, _BATCH):
        end = min(start + _BATCH - 1, last)
        rows: Rows = defaultdict(list)
        for number, header, payload, _, _ in store.raw(ENTRY, start, end):
            if payload is None:
                continue
            said = Payload.decode(payload)
            rows["history"].append(history_row(number, said, parse(header)["recorded_at"]))
            if said.record is not None:
                project(number, said.kind, said.key, said.record, rows)
            if said.replaces is not None:
                ended.append((said, number))
            if said.action == "redact":
                rows["history"] += _blank_rows(store, said)
        insert_rows(store, rows)
        progress(end, last)
    for said, number in ended:
        old = _payload_of(store, said.replaces or 0)
        if old is not None and old.record is not None:
            record = {"key": said.key, **old.record}
            end_version(store, said.kind, said.replaces or 0, record, number)


def _blank_rows(store: Store, said: Payload) -> list[tuple[Any, ...]]:
    query = select(ENTRY.c.number, ENTRY.c.header)
    headers = dict(store.tuples_by(query, ENTRY.c.number, said.entries))
    return [
        redacted_row(number, said, parse(headers[number])["recorded_at"]) for number in said.entries
    ]


def _payload_of(store: Store, number: int) -> Payload | None:
    found = store.value(select(ENTRY.c.payload).where(ENTRY.c.number == number))
    return Payload.decode(found) if found else None
