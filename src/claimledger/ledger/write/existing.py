"""Looks up what the ledger already has of incoming records.

A record with a key is looked up by its key, and compared with every version under it. A record without a
key is looked up by the digest of its content.
"""

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
from claimledger.log.entry import WRITES_VERSION, Payload
from claimledger.storage.base import Store
from claimledger.storage.projection import content_digest
from claimledger.storage.tables import ENTRY, HISTORY

Fields = dict[str, Any]
"""A record in its JSON form, without kind and key."""

_VERSIONS = select(
    HISTORY.c.entry, HISTORY.c.kind, HISTORY.c.key, HISTORY.c.action, HISTORY.c.ended_by
)
_PAYLOADS = select(ENTRY.c.number, ENTRY.c.payload)
_CONTENTS = select(
    HISTORY.c.content, HISTORY.c.kind, HISTORY.c.key, HISTORY.c.ended_by, ENTRY.c.payload
).join(ENTRY, ENTRY.c.number == HISTORY.c.entry)


@dataclass(slots=True)
class RecordVersion:
    """An entry of a record: it recorded or amended the record, withdrew it, or was redacted."""

    entry: int
    action: str
    live: bool
    record: Fields | None
    """The fields that the entry recorded; ``None`` if it is a withdrawal or was redacted."""


class SameContent(NamedTuple):
    """A stored record that has, or had in an earlier version, the content of an incoming one without a key.

    ``is_current``: its newest version has that content. ``is_live``: it was not withdrawn.
    """

    kind: str
    key: str
    is_current: bool
    is_live: bool


def versions_of(store: Store, keys: Iterable[str]) -> dict[tuple[str, str], list[RecordVersion]]:
    """Return every version of the records with these keys, by kind and key."""
    versions: dict[tuple[str, str], list[RecordVersion]] = defaultdict(list)
    # Most incoming keys are new. A join with the log takes the server longer to plan than that to answer.
    rows = store.select_in(_VERSIONS, HISTORY.c.key, keys)
    payloads = dict(store.select_in(_PAYLOADS, ENTRY.c.number, [row[0] for row in rows]))
    for entry, kind, key, action, ended_by in rows:
        if entry not in payloads:
            continue  # the view is damaged; the log decides
        payload = payloads[entry]
        record = Payload.decode(payload).record if payload else None
        live = ended_by is None and action in WRITES_VERSION
        versions[kind, key].append(
            RecordVersion(entry=entry, action=action, live=live, record=record)
        )
    return versions


def find_by_content(store: Store, contents: Iterable[bytes]) -> dict[bytes, SameContent]:
    """Return, by content digest, the record that has or had this content; live records are preferred."""
    # History is a view, which can be damaged or forged. The log is checked, as a wrong digest in history
    # would otherwise prevent a record from ever being imported.
    rows = [
        (content, kind, key, ended_by)
        for content, kind, key, ended_by, payload in store.select_in(
            _CONTENTS, HISTORY.c.content, sorted(contents)
        )
        if _has_content(payload, kind, key, content)
    ]
    ended: dict[str, list[str]] = defaultdict(list)
    for _, kind, key, ended_by in rows:
        if ended_by is not None:
            ended[kind].append(key)
    live = {
        (kind, key)
        for kind, keys in ended.items()
        for key in records_by_key(Snapshot(store), kind, keys)
    }
    same: dict[bytes, SameContent] = {}
    # Current versions first, then earlier versions of live records, then withdrawn records.
    for content, kind, key, ended_by in sorted(
        rows, key=lambda row: (row[3] is not None, (row[1], row[2]) not in live)
    ):
        is_current = ended_by is None
        is_live = is_current or (kind, key) in live
        same.setdefault(
            content, SameContent(kind=kind, key=key, is_current=is_current, is_live=is_live)
        )
    return same


def _has_content(payload: str | None, kind: str, key: str, content: bytes) -> bool:
    """Whether the payload of an entry is of this record and has this content."""
    stored = Payload.decode(payload) if payload else None
    return (
        stored is not None
        and (stored.kind, stored.key) == (kind, key)
        and content_digest(kind, stored.record or {}) == content
    )


def with_keys_resolved(
    store: Store, incoming: Sequence[tuple[str, Fields, Sequence[RecordVersion]]]
) -> list[list[Fields]]:
    """Resolve replaced keys in incoming records and their stored versions, so that they can be compared.

    An export names the record that replaced another, where the ledger's own entry names the replaced one;
    that is not a difference. ``incoming`` has the kind, fields and stored versions of each record. Returns
    for each a list of the resolved versions followed by the resolved record, or an empty list if no record
    of the ledger was ever replaced.
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


def with_live_keys(
    live: Fields, resolved_live: Fields, new: Fields, resolved_new: Fields
) -> Fields:
    """Return ``new`` with the values of ``live`` in each field that differs only by a replaced key."""
    same = {
        name: live[name]
        for name in new.keys() & live.keys()
        if equal({name: resolved_live[name]}, {name: resolved_new[name]})
    }
    return {**new, **same}
