"""Changing what is recorded, in the open: amend, withdraw, redact. The log keeps what was before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from claimledger.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    Problem,
    RuleViolationError,
)
from claimledger.ledger.query import records
from claimledger.ledger.query.records import StoredRecord
from claimledger.ledger.query.snapshot import Snapshot
from claimledger.ledger.record_diff import difference
from claimledger.ledger.write import constraints
from claimledger.ledger.write.appender import Appender, redacted_row, remove_version
from claimledger.log.entry import Payload
from claimledger.records.check import record_of
from claimledger.records.kinds import KINDS, Field, fields_of
from claimledger.storage.base import Store
from claimledger.storage.projection import pointers
from claimledger.storage.tables import ENTRY, HISTORY, PENDING_SCRUB, VIEWS
from claimledger.text.repetition import SHORTEST, Passage, texts_in


@dataclass(frozen=True, slots=True)
class Change:
    """An amendment, a withdrawal or a redaction that was written."""

    kind: str
    key: str
    entry: int
    difference: tuple[tuple[str, Any, Any], ...] = ()
    also: tuple[tuple[str, str], ...] = ()
    """Records withdrawn along with it."""

    emptied: tuple[int, ...] = ()
    """Entries whose payloads a redaction destroyed."""

    elsewhere: tuple[str, ...] = ()
    """Texts of a redacted record that other entries hold too."""

    holders: tuple[tuple[tuple[str, str], ...], ...] = ()
    """For each of these texts the first records that hold it, by kind and key."""

    taken_up: bool = False
    """Whether the redaction was in the log already, and only its second half was still to be done."""

    unscrubbed: str = ""
    """Why the texts of a redaction, gone from the log, may still lie in the store's files."""


def amend(
    store: Store,
    appender: Appender,
    kind: str,
    key: str,
    changes: Mapping[str, Any],
    reason: str,
    replaces: int | None = None,
) -> Change:
    """Write a new version of a record; ``None`` empties a field. Inside the caller's transaction.

    ``replaces`` is the entry the caller saw: if another came since, :class:`ConflictError` shows the
    difference. Raises :class:`RuleViolationError` for a change that changes nothing or may not be.
    """
    stored = _live(store, kind, key)
    old = _fields(stored)
    if replaces is not None and replaces != stored.entry:
        seen = records.at_entries(store, [replaces]).get(replaces)
        raise ConflictError(
            f"{kind} {key} was amended meanwhile, by {stored.recorded_by} with entry {stored.entry}",
            tuple(difference(_fields(seen) if seen else {}, old)),
        )
    fields = {**stored.record.as_json(), **changes}
    new_record = record_of(kind, {"key": key, **{n: v for n, v in fields.items() if v is not None}})
    new = new_record.as_json()
    new.pop("key", None)
    new |= {name: value for name, value in stored.more.items() if name not in changes}
    changed = tuple(difference(old, new))
    if not changed:
        raise RuleViolationError(f"{kind} {key} already reads so; nothing was written")
    for name, before, after in changed:
        if name in KINDS[kind].fixed:
            raise RuleViolationError(
                f"a {kind}'s {name} cannot be amended ({before!r} to {after!r}): withdraw {key} and "
                "record another"
            )
    payload = Payload(kind, key, "amend", appender.by, new, reason, stored.entry)
    entry = appender.append(payload)
    appender.end(kind, stored.entry, {"key": key, **old}, entry)
    appender.flush()
    _check(store, kind, key, new, {name for name, _, _ in changed})
    return Change(kind, key, entry, changed)


def _check(store: Store, kind: str, key: str, new: Mapping[str, Any], changed: set[str]) -> None:
    """Raise :class:`InvalidInputError` if an amended record, or one that depends on it, breaks a rule."""
    place = f"{kind} {key}"
    pointed = {
        (to, target): [Problem("", field, record=place)]
        for to, target, field in pointers(kind, new)
    }
    problems = [
        *constraints.missing_references(
            store, constraints.ended_references(store, pointed), pointed
        )
    ]
    if blank := constraints.blank_label(kind, new):
        problems.append(blank.at(record=place))
    if not problems and constraints.RESTED_ON.get(kind) in changed:
        problems += constraints.faults_of_changes(store, {kind: [key]})
    if problems:
        raise InvalidInputError(problems)


def withdraw(
    store: Store,
    appender: Appender,
    kind: str,
    key: str,
    reason: str,
    *,
    replaced_by: str | None = None,
    cascade: bool = False,
    most: int | None = None,
) -> Change:
    """Withdraw a record; refused while others refer to it, unless it is replaced or they go too."""
    stored = _live(store, kind, key)
    chain = [stored]
    if replaced_by is not None:
        _check_replacement(store, kind, key, replaced_by)
    elif cascade:
        chain = _all_that_point(store, stored)
        if most is not None and len(chain) > most:
            raise RuleViolationError(
                f"{len(chain)} records would go by now, and not {most}: others were recorded meanwhile. "
                "Look again; nothing was written"
            )
    else:
        _see_unpointed(store, kind, key)
    ended = [_end(appender, record, reason, replaced_by) for record in chain]
    appender.flush()
    if replaced_by is not None:
        problems = list(constraints.faults_of_changes(store, {kind: [replaced_by]}))
        if problems:
            raise InvalidInputError(problems)
    also = tuple((change.kind, change.key) for change in ended[:-1])
    return Change(kind, key, ended[-1].entry, also=also)


def _see_unpointed(store: Store, kind: str, key: str) -> None:
    """Refuse to end a record that others point to."""
    references = records.references_to(Snapshot(store), kind, [key]).get(key, [])
    unique = {
        (reference.kind, reference.key): reference
        for reference in references
        if (reference.kind, reference.key) != (kind, key)
    }
    if pointing := list(unique.values()):
        named = ", ".join(
            f"{reference.kind} {reference.key} ({reference.field})" for reference in pointing[:10]
        )
        more = f" and {len(pointing) - 10} more" if len(pointing) > 10 else ""
        raise RuleViolationError(
            f"{kind} {key} is pointed to by {named}{more}; withdraw it with --replaced-by another "
            f"{kind}, or with --cascade together with all that points to it"
        )


def _check_replacement(store: Store, kind: str, key: str, replaced_by: str) -> None:
    if replaced_by == key:
        raise RuleViolationError(f"{kind} {key} cannot be replaced by itself")
    _live(store, kind, replaced_by)


def _all_that_point(store: Store, stored: StoredRecord) -> list[StoredRecord]:
    """Return a record and all that points to it, near and far, those that point first."""
    order: list[StoredRecord] = []
    seen = {(stored.kind, stored.key)}
    level = [stored]
    while level:
        order = [*level, *order]
        entries: list[int] = []
        for record in level:
            for reference in records.references_to(Snapshot(store), record.kind, [record.key]).get(
                record.key, []
            ):
                if (reference.kind, reference.key) not in seen:
                    seen.add((reference.kind, reference.key))
                    entries.append(reference.entry)
        level = list(records.at_entries(store, entries).values())
    return order


def _end(appender: Appender, stored: StoredRecord, reason: str, replaced_by: str | None) -> Change:
    payload = Payload(
        stored.kind,
        stored.key,
        "withdraw",
        appender.by,
        reason=reason,
        replaces=stored.entry,
        replaced_by=replaced_by,
    )
    entry = appender.append(payload)
    appender.end(stored.kind, stored.entry, {"key": stored.key, **_fields(stored)}, entry)
    return Change(stored.kind, stored.key, entry)


def redact(store: Store, appender: Appender, kind: str, key: str, reason: str) -> Change:
    """Destroy the payloads of all entries of a withdrawn record; its key and numbers stay.

    Where a redaction is in the log already and its texts may still lie in the store's files, nothing is
    written and that redaction is returned, for its second half to be done again.
    """
    for entry, unfinished in unscrubbed_redactions(store):
        if (unfinished.kind, unfinished.key) == (kind, key):
            return Change(kind, key, entry, emptied=unfinished.entries, taken_up=True)
    query = select(HISTORY).where(HISTORY.c.kind == kind, HISTORY.c.key == key)
    rows = sorted(store.rows(query), key=lambda row: row.entry)
    if not rows:
        raise NotFoundError(kind, key, records.near_keys(Snapshot(store), key, kind))
    if rows[-1].action == "redact":
        raise RuleViolationError(f"{kind} {key} is redacted already, by entry {rows[-1].entry}")
    if rows[-1].action != "withdraw":
        raise RuleViolationError(f"{kind} {key} stands; withdraw it first, then redact it")
    numbers = [row.entry for row in rows]
    appender.flush()
    payloads = dict(
        store.select_in(select(ENTRY.c.number, ENTRY.c.payload), ENTRY.c.number, numbers)
    )
    payloads_before = [Payload.decode(payloads[number]) for number in numbers]
    why = Passage(reason)
    destroyed = [
        text for payload in payloads_before for text in _texts(payload._replace(reason=None))
    ]
    repeated = [text for text in destroyed if why.holds(Passage(text))]
    if repeated:
        raise RuleViolationError(
            f"the reason repeats what is to be destroyed ({repeated[0][:60]!r}), and would keep it in the "
            "log; give one without it. Nothing was written"
        )
    payload = Payload(
        kind,
        key,
        "redact",
        appender.by,
        reason=reason,
        replaced_by=rows[-1].replaced_by,
        entries=tuple(numbers),
    )
    entry = appender.append(payload)
    appender.flush()
    for number, payload_before in zip(numbers, payloads_before, strict=True):
        if payload_before.record is not None:
            remove_version(store, kind, number, {"key": key, **payload_before.record})
    store.insert(PENDING_SCRUB, [(entry,)])
    emptied = ENTRY.c.number.in_(numbers)
    store.connection.execute(update(ENTRY).where(emptied).values(payload=None, salt=None))
    store.connection.execute(HISTORY.delete().where(HISTORY.c.entry.in_(numbers)))
    blanks = [redacted_row(row.entry, payload, row.recorded_at) for row in rows]
    store.insert(HISTORY, blanks)
    sought = sorted({text for payload in payloads_before for text in _texts(payload)})
    return Change(kind, key, entry, emptied=tuple(numbers), elsewhere=tuple(sought))


def unscrubbed_redactions(store: Store) -> list[tuple[int, Payload]]:
    """Return the redactions in the log, by entry, whose texts may still lie in the store's files."""
    query = select(ENTRY.c.number, ENTRY.c.payload).where(ENTRY.c.payload.is_not(None))
    rows = store.select_in(query, ENTRY.c.number, store.unscrubbed())
    decoded = [(number, Payload.decode(payload)) for number, payload in sorted(rows)]
    return [(number, payload) for number, payload in decoded if payload.action == "redact"]


def is_redacted_in_views(store: Store, redactions: Iterable[tuple[int, Payload]]) -> bool:
    """Whether the views hold nothing of what was redacted, and the redactions.

    Who redacts from psql changes the log, and not the views.
    """
    pending = list(redactions)
    numbers = [number for _, payload in pending for number in payload.entries]
    states = select(HISTORY.c.entry, HISTORY.c.action)
    actions = dict(
        store.select_in(states, HISTORY.c.entry, [*numbers, *(entry for entry, _ in pending)])
    )
    if any(actions.get(number) != "redacted" for number in numbers):
        return False
    if any(actions.get(entry) != "redact" for entry, _ in pending):
        return False
    others = [table for table in VIEWS.values() if table is not HISTORY]
    return not any(
        store.select_in(select(table.c.entry), table.c.entry, numbers) for table in others
    )


def _texts(payload: Payload) -> Iterator[str]:
    """Yield what a person wrote in an entry, where it is long enough to be looked for."""
    model = KINDS.get(payload.kind)
    record = payload.record or {}
    written = texts_in(record) if model is None else _written(fields_of(model), record)
    for text in (*written, *texts_in(payload.reason)):
        if len(text) >= SHORTEST:
            yield text


def _written(fields: Iterable[Field], record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts of a record or a part of one, without keys and words from a closed list."""
    declared = {field.name: field for field in fields}
    for name, value in record.items():
        field = declared.get(name)
        if field is not None and field.part is not None:
            for part in value:
                yield from _written(fields_of(field.part), part)
        elif field is None or not (field.points_to or field.choices or name in ("to", "formula")):
            yield from texts_in(value)


def _live(store: Store, kind: str, key: str) -> StoredRecord:
    stored = records.records_by_key(Snapshot(store), kind, [key]).get(key)
    if stored is None:
        ended = select(HISTORY.c.entry).where(
            HISTORY.c.kind == kind,
            HISTORY.c.key == key,
            HISTORY.c.action.in_(("withdraw", "redact")),
        )
        rows = store.rows(ended)
        if rows:
            raise RuleViolationError(
                f"{kind} {key} was withdrawn with entry {min(r.entry for r in rows)}"
            )
        raise NotFoundError(kind, key, records.near_keys(Snapshot(store), key, kind))
    return stored


def _fields(stored: StoredRecord) -> dict[str, Any]:
    written = stored.record.as_json()
    written.pop("key", None)
    return {**written, **stored.more}
