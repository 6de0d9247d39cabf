"""What the ledger has of incoming records: versions under their keys, and records with the same content."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import select

from claimledger.ledger.query.key_resolution import resolve_json
from claimledger.ledger.query.records import any_replaced, records_by_key
from claimledger.ledger.query.snapshot import Snapshot
from claimledger.ledger.record_diff import equal
from claimledger.log.entry import Payload
from claimledger.storage.base import Store
from claimledger.storage.projection import content_digest
from claimledger.storage.tables import ENTRY, HISTORY

Fields = dict[str, Any]
"""A record in its JSON form, without its kind and key."""

VERSIONS = select(
    HISTORY.c.entry,
    HISTORY.c.kind,
    HISTORY.c.key,
    HISTORY.c.action,
    HISTORY.c.until,
    ENTRY.c.payload,
).join(ENTRY, ENTRY.c.number == HISTORY.c.entry)
CONTENTS = select(
    HISTORY.c.content, HISTORY.c.kind, HISTORY.c.key, HISTORY.c.until, ENTRY.c.payload
).join(ENTRY, ENTRY.c.number == HISTORY.c.entry)


@dataclass(slots=True)
class RecordVersion:
    """A version of a record, current or not."""

    entry: int
    action: str
    live: bool
    record: Fields | None
    """``None`` for a withdrawal and for a version that was redacted."""


class SameContent(NamedTuple):
    """The record whose content, now or in an earlier version, is that of a record without a key."""

    kind: str
    key: str
    is_current: bool
    is_live: bool


def versions_of(store: Store, keys: Iterable[str]) -> dict[tuple[str, str], list[RecordVersion]]:
    """Return every version of the records with these keys, by kind and key."""
    versions: dict[tuple[str, str], list[RecordVersion]] = defaultdict(list)
    for row in store.select_in(VERSIONS, HISTORY.c.key, list(keys)):
        entry, kind, key, action, until, payload = row
        record = Payload.decode(payload).record if payload else None
        live = until is None and action in ("record", "amend")
        versions[kind, key].append(RecordVersion(entry, action, live, record))
    return versions


def namesakes_of(store: Store, contents: Iterable[bytes]) -> dict[bytes, SameContent]:
    """Return the record that has, or first had, each of these contents, by the content's digest."""
    # A digest that somebody wrote into history would otherwise keep a record out for ever.
    rows = [
        (content, kind, key, until)
        for content, kind, key, until, payload in store.select_in(
            CONTENTS, HISTORY.c.content, sorted(contents)
        )
        if _has_content(payload, kind, key, content)
    ]
    ended: dict[str, list[str]] = defaultdict(list)
    for _, kind, key, until in rows:
        if until is not None:
            ended[kind].append(key)
    live = {
        (kind, key)
        for kind, keys in ended.items()
        for key in records_by_key(Snapshot(store), kind, keys)
    }
    namesakes: dict[bytes, SameContent] = {}
    # Current versions first, then earlier ones of live records, then what was withdrawn.
    for content, kind, key, until in sorted(
        rows, key=lambda row: (row[3] is not None, (row[1], row[2]) not in live)
    ):
        is_current = until is None
        is_live = is_current or (kind, key) in live
        namesakes.setdefault(content, SameContent(kind, key, is_current, is_live))
    return namesakes


def _has_content(payload: str | None, kind: str, key: str, content: bytes) -> bool:
    """Whether an entry is of this record and has this content, as history says."""
    stored = Payload.decode(payload) if payload else None
    return (
        stored is not None
        and (stored.kind, stored.key) == (kind, key)
        and content_digest(kind, stored.record or {}) == content
    )


def with_keys_resolved(
    store: Store, incoming: Sequence[tuple[str, Fields, Sequence[RecordVersion]]]
) -> list[list[Fields]]:
    """Return, for each record with its kind and versions, the versions and the record, keys resolved.

    An export names the record that replaced another; that alone is not a difference. Returns an empty list
    where no record was ever replaced.
    """
    if not incoming or not any_replaced(store):
        return []
    forms: list[list[Fields]] = [[] for _ in incoming]
    for kind in {kind for kind, _, _ in incoming}:
        places = [place for place, (of_kind, _, _) in enumerate(incoming) if of_kind == kind]
        records = [
            record
            for place in places
            for record in (
                *(version.record or {} for version in incoming[place][2]),
                incoming[place][1],
            )
        ]
        in_order = map(dict, resolve_json(Snapshot(store), kind, records))
        for place in places:
            forms[place] = list(islice(in_order, len(incoming[place][2]) + 1))
    return forms


def with_keys_kept(
    live: Fields, resolved_live: Fields, new: Fields, resolved_new: Fields
) -> Fields:
    """Return a record with the keys that its live version names, where a field differs in nothing else."""
    same = {
        name: live[name]
        for name in new.keys() & live.keys()
        if equal({name: resolved_live[name]}, {name: resolved_new[name]})
    }
    return {**new, **same}
