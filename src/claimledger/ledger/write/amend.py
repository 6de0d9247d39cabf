"""The three changes to a recorded record: amend, withdraw and redact.

Each change is an entry of its own in the log (``docs/log-format.md``) with an author and a reason. Amending
and withdrawing leave the earlier entries readable; redacting destroys their payloads. All functions run
inside the caller's transaction.
"""

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
from claimledger.log.entry import Action, Payload
from claimledger.records.check import record_of
from claimledger.records.kinds import KINDS, Field, fields_of
from claimledger.storage.base import Store
from claimledger.storage.projection import pointers
from claimledger.storage.tables import ENTRY, HISTORY, PENDING_SCRUB, VIEWS, HistoryRow
from claimledger.text.repetition import SHORTEST, Passage, texts_in


@dataclass(frozen=True, slots=True)
class Change:
    """An amendment, a withdrawal or a redaction that was written: ``entry`` is its number in the log."""

    kind: str
    key: str
    entry: int
    difference: tuple[tuple[str, Any, Any], ...] = ()
    """The amended fields, each with its old and new value."""

    also: tuple[tuple[str, str], ...] = ()
    """Kind and key of each record that was withdrawn along with this one."""

    emptied: tuple[int, ...] = ()
    """The entries whose payloads a redaction destroyed."""

    elsewhere: tuple[str, ...] = ()
    """The texts of a redacted record that other entries contain too."""

    holders: tuple[tuple[tuple[str, str], ...], ...] = ()
    """For each text in ``elsewhere``, kind and key of the first records that contain it."""

    taken_up: bool = False
    """Whether the redaction was already in the log, and only its texts remained to be scrubbed."""

    unscrubbed: str = ""
    """Why the store's files may still contain the redacted texts; empty if they do not."""


def amend(
    store: Store,
    appender: Appender,
    kind: str,
    key: str,
    changes: Mapping[str, Any],
    reason: str,
    replaces: int | None = None,
) -> Change:
    """Write a new version of a record; return the change with its difference.

    ``changes`` has the new value of each field; ``None`` empties a field. ``replaces`` is the entry that the
    caller last read. Raises :class:`ConflictError`, with the difference, if the record was amended after
    that; :class:`RuleViolationError` if nothing would change or a field cannot be amended; and
    :class:`InvalidInputError` if the new version, or a record that depends on it, breaks a rule.
    """
    stored = _require_live(store, kind, key)
    old = _fields(stored)
    if replaces is not None and replaces != stored.entry:
        last_read = records.at_entries(store, [replaces]).get(replaces)
        raise ConflictError(
            f"{kind} {key} was amended in the meantime, by {stored.recorded_by} with entry {stored.entry}",
            tuple(difference(_fields(last_read) if last_read else {}, old)),
        )
    fields = {**stored.record.as_json(), **changes}
    new_record = record_of(kind, {"key": key, **{n: v for n, v in fields.items() if v is not None}})
    new = new_record.as_json()
    new.pop("key", None)
    new |= {name: value for name, value in stored.more.items() if name not in changes}
    changed = tuple(difference(old, new))
    if not changed:
        raise RuleViolationError(f"{kind} {key} already has these values; nothing was written")
    for name, before, after in changed:
        if name in KINDS[kind].fixed:
            raise RuleViolationError(
                f"`{name}` of a {kind} cannot be amended ({before!r} to {after!r}): withdraw {key} and "
                f"record a new {kind}"
            )
    payload = Payload(
        kind=kind,
        key=key,
        action=Action.AMEND,
        recorded_by=appender.by,
        record=new,
        reason=reason,
        replaces=stored.entry,
    )
    entry = appender.append(payload)
    appender.end(kind, stored.entry, {"key": key, **old}, entry)
    appender.flush()
    _check_amended(store, kind, key, new, {name for name, _, _ in changed})
    return Change(kind=kind, key=key, entry=entry, difference=changed)


def _check_amended(
    store: Store, kind: str, key: str, new: Mapping[str, Any], changed: set[str]
) -> None:
    """Raise :class:`InvalidInputError` if an amended record, or one that depends on it, breaks a rule."""
    record_name = f"{kind} {key}"
    references = {
        (to, target): [Problem("", field, record=record_name)]
        for to, target, field in pointers(kind, new)
    }
    problems = [
        *constraints.missing_references(
            store, constraints.ended_references(store, references), references
        )
    ]
    if blank := constraints.blank_label(kind, new):
        problems.append(blank.at(record=record_name))
    # No other field can break one of the rules between records.
    if not problems and constraints.RULE_FIELDS.get(kind) in changed:
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
    limit: int | None = None,
) -> Change:
    """Withdraw a record; return the change, with the records that were withdrawn along with it.

    If other records refer to it, ``replaced_by`` names the record that their references resolve to from then
    on, or ``cascade`` withdraws them too: at most ``limit`` records in all. Raises
    :class:`RuleViolationError` if other records refer to it and neither is given, or if a cascade exceeds
    ``limit``; :class:`NotFoundError` if there is no such record.
    """
    stored = _require_live(store, kind, key)
    chain = [stored]
    if replaced_by is not None:
        _check_replacement(store, kind, key, replaced_by)
    elif cascade:
        chain = _with_dependents(store, stored)
        if limit is not None and len(chain) > limit:
            raise RuleViolationError(
                f"{len(chain)} records would now be withdrawn, not {limit}: others were recorded in the "
                "meantime. Review them and withdraw again; nothing was written"
            )
    else:
        _require_no_references(store, kind, key)
    ended = [_withdraw_one(appender, record, reason, replaced_by) for record in chain]
    appender.flush()
    if replaced_by is not None:
        problems = list(constraints.faults_of_changes(store, {kind: [replaced_by]}))
        if problems:
            raise InvalidInputError(problems)
    also = tuple((change.kind, change.key) for change in ended[:-1])
    return Change(kind, key, ended[-1].entry, also=also)


def _require_no_references(store: Store, kind: str, key: str) -> None:
    """Raise :class:`RuleViolationError` if other records refer to this one."""
    references = records.references_to(Snapshot(store), kind, [key]).get(key, [])
    unique = {
        (reference.kind, reference.key): reference
        for reference in references
        if (reference.kind, reference.key) != (kind, key)
    }
    if referrers := list(unique.values()):
        names = ", ".join(
            f"{reference.kind} {reference.key} ({reference.field})" for reference in referrers[:10]
        )
        more = f" and {len(referrers) - 10} more" if len(referrers) > 10 else ""
        raise RuleViolationError(
            f"{kind} {key} is referred to by {names}{more}; name the {kind} that replaces it with "
            "--replaced-by, or withdraw all records that depend on it with --cascade"
        )


def _check_replacement(store: Store, kind: str, key: str, replaced_by: str) -> None:
    if replaced_by == key:
        raise RuleViolationError(f"{kind} {key} cannot be replaced by itself")
    _require_live(store, kind, replaced_by)


def _with_dependents(store: Store, stored: StoredRecord) -> list[StoredRecord]:
    """Return a record and all its dependents, direct and indirect; dependents come first."""
    order: list[StoredRecord] = []
    seen = {(stored.kind, stored.key)}
    level = [stored]
    # Breadth first, one query a level. Later levels are put in front, so that a record is withdrawn only
    # after the records that refer to it.
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


def _withdraw_one(
    appender: Appender, stored: StoredRecord, reason: str, replaced_by: str | None
) -> Change:
    payload = Payload(
        kind=stored.kind,
        key=stored.key,
        action=Action.WITHDRAW,
        recorded_by=appender.by,
        reason=reason,
        replaces=stored.entry,
        replaced_by=replaced_by,
    )
    entry = appender.append(payload)
    appender.end(stored.kind, stored.entry, {"key": stored.key, **_fields(stored)}, entry)
    return Change(stored.kind, stored.key, entry)


def redact(store: Store, appender: Appender, kind: str, key: str, reason: str) -> Change:
    """Destroy the payloads of all entries of a withdrawn record; its key and the entry numbers remain.

    If the record was redacted before, but its texts may still be in the store's files, nothing is written:
    the earlier redaction is returned, so that the caller scrubs the files again. Raises
    :class:`RuleViolationError` if the record is live or already redacted, or if ``reason`` repeats one of
    the texts; :class:`NotFoundError` if there is no such record.
    """
    for entry, unfinished in unscrubbed_redactions(store):
        if (unfinished.kind, unfinished.key) == (kind, key):
            return Change(kind, key, entry, emptied=unfinished.entries, taken_up=True)
    query = select(HISTORY).where(HISTORY.c.kind == kind, HISTORY.c.key == key)
    rows = [HistoryRow(*row) for row in sorted(store.tuples(query))]
    if not rows:
        raise NotFoundError(kind, key, records.near_keys(Snapshot(store), key, kind))
    if rows[-1].action == Action.REDACT:
        raise RuleViolationError(f"{kind} {key} was already redacted, by entry {rows[-1].entry}")
    if rows[-1].action != Action.WITHDRAW:
        raise RuleViolationError(f"{kind} {key} is live; withdraw it first, then redact it")
    numbers = [row.entry for row in rows]
    appender.flush()
    payloads = dict(
        store.select_in(select(ENTRY.c.number, ENTRY.c.payload), ENTRY.c.number, numbers)
    )
    payloads_before = [Payload.decode(payloads[number]) for number in numbers]
    # The reason is stored in the log in plain text, so it must not contain what is to be destroyed.
    reason_passage = Passage(reason)
    destroyed = [
        text for payload in payloads_before for text in _texts(payload._replace(reason=None))
    ]
    repeated = [text for text in destroyed if reason_passage.contains(Passage(text))]
    if repeated:
        raise RuleViolationError(
            f"the reason repeats a text that is to be destroyed ({repeated[0][:60]!r}), and the log would "
            "retain it; give a reason that does not quote the record. Nothing was written"
        )
    payload = Payload(
        kind=kind,
        key=key,
        action=Action.REDACT,
        recorded_by=appender.by,
        reason=reason,
        replaced_by=rows[-1].replaced_by,
        entries=tuple(numbers),
    )
    entry = appender.append(payload)
    appender.flush()
    for number, payload_before in zip(numbers, payloads_before, strict=True):
        if payload_before.record is not None:
            remove_version(store, kind, number, {"key": key, **payload_before.record})
    # Remembered in the same transaction, so that scrubbing the files is resumed after a crash.
    store.insert({PENDING_SCRUB: [(entry,)]})
    emptied = ENTRY.c.number.in_(numbers)
    store.change(update(ENTRY).where(emptied).values(payload=None, salt=None))
    store.change(HISTORY.delete().where(HISTORY.c.entry.in_(numbers)))
    store.insert({HISTORY: [redacted_row(row.entry, payload, row.recorded_at) for row in rows]})
    # The caller narrows these down to the texts that other records contain.
    texts = sorted({text for payload in payloads_before for text in _texts(payload)})
    return Change(kind, key, entry, emptied=tuple(numbers), elsewhere=tuple(texts))


def unscrubbed_redactions(store: Store) -> list[tuple[int, Payload]]:
    """Return entry and payload of each redaction whose texts may still be in the store's files."""
    query = select(ENTRY.c.number, ENTRY.c.payload).where(ENTRY.c.payload.is_not(None))
    rows = store.select_in(query, ENTRY.c.number, store.maintenance.unscrubbed())
    decoded = [(number, Payload.decode(payload)) for number, payload in sorted(rows)]
    return [(number, payload) for number, payload in decoded if payload.action == Action.REDACT]


def is_redacted_in_views(store: Store, redactions: Iterable[tuple[int, Payload]]) -> bool:
    """Whether the views list these redactions, and contain nothing of the entries that they emptied.

    A redaction written with plain SQL changes the log only, and leaves the views out of date.
    """
    pending = list(redactions)
    numbers = [number for _, payload in pending for number in payload.entries]
    states = select(HISTORY.c.entry, HISTORY.c.action)
    actions = dict(
        store.select_in(states, HISTORY.c.entry, [*numbers, *(entry for entry, _ in pending)])
    )
    if any(actions.get(number) != "redacted" for number in numbers):
        return False
    if any(actions.get(entry) != Action.REDACT for entry, _ in pending):
        return False
    others = [table for table in VIEWS.values() if table is not HISTORY]
    return not any(
        store.select_in(select(table.c.entry), table.c.entry, numbers) for table in others
    )


def _texts(payload: Payload) -> Iterator[str]:
    """Yield the texts that a person wrote in an entry, except those too short to be searched for."""
    model = KINDS.get(payload.kind)
    record = payload.record or {}
    written = texts_in(record) if model is None else _free_texts(fields_of(model), record)
    for text in (*written, *texts_in(payload.reason)):
        if len(text) >= SHORTEST:
            yield text


def _free_texts(fields: Iterable[Field], record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts of a record or a part of it, except keys and values of closed vocabularies."""
    declared = {field.name: field for field in fields}
    for name, value in record.items():
        field = declared.get(name)
        if field is not None and field.part is not None:
            for part in value:
                yield from _free_texts(fields_of(field.part), part)
        elif field is None or not (field.points_to or field.choices or name in ("to", "formula")):
            yield from texts_in(value)


def _require_live(store: Store, kind: str, key: str) -> StoredRecord:
    """Return a live record; raise :class:`NotFoundError`, or :class:`RuleViolationError` if withdrawn."""
    stored = records.records_by_key(Snapshot(store), kind, [key]).get(key)
    if stored is None:
        ended = select(HISTORY.c.entry).where(
            HISTORY.c.kind == kind,
            HISTORY.c.key == key,
            HISTORY.c.action.in_((Action.WITHDRAW, Action.REDACT)),
        )
        entries = [entry for (entry,) in store.tuples(ended)]
        if entries:
            raise RuleViolationError(f"{kind} {key} was withdrawn by entry {min(entries)}")
        raise NotFoundError(kind, key, records.near_keys(Snapshot(store), key, kind))
    return stored


def _fields(stored: StoredRecord) -> dict[str, Any]:
    """Return the fields of a record without its key, with those that only a newer program knows."""
    fields = stored.record.as_json()
    fields.pop("key", None)
    return {**fields, **stored.more}
