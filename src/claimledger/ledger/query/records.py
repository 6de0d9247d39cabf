"""Queries for the records of a snapshot: by key, by reference, by figure and by subject."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, func, select

from claimledger.errors import NotFoundError, StoreError
from claimledger.ledger.query.snapshot import Snapshot
from claimledger.log.entry import WRITES_VERSION, Action, Payload
from claimledger.records.base import Record
from claimledger.records.check import nearest
from claimledger.records.kinds import KINDS
from claimledger.records.term import Term
from claimledger.records.unknown_fields import split
from claimledger.records.vocabulary import Vocabulary
from claimledger.storage.base import Store
from claimledger.storage.compiled import cached_query
from claimledger.storage.tables import ENTRY, HISTORY, MIRRORS, REFERENCE


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A version of a record, with the entry that recorded it."""

    record: Record
    entry: int
    recorded_at: str
    recorded_by: str
    more: Mapping[str, Any] = field(default_factory=dict)
    """The fields that this program does not know completely, unchanged; a newer version wrote them."""

    @property
    def kind(self) -> str:
        """The record's kind."""
        return self.record.kind

    @property
    def key(self) -> str:
        """The record's key."""
        return self.record.key or ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to a record: kind and key of the record that refers to it, the field, and the entry."""

    kind: str
    key: str
    field: str
    entry: int


_VERSIONS = select(HISTORY.c.entry, HISTORY.c.kind, HISTORY.c.recorded_at, ENTRY.c.payload).join(
    ENTRY, ENTRY.c.number == HISTORY.c.entry
)
_IS_VERSION = HISTORY.c.action.in_(WRITES_VERSION)
"""History also has rows for withdrawals and redactions, which contain no record."""

_CURRENT = _VERSIONS.where(_IS_VERSION)


@cached_query
def _current(kind: str) -> Select[Any]:
    return _CURRENT.where(HISTORY.c.kind == kind)


def records_by_key(snapshot: Snapshot, kind: str, keys: Iterable[str]) -> dict[str, StoredRecord]:
    """Return the live records of a kind with these keys, by key. Replaced keys are not resolved."""
    query = snapshot.live(_current(kind), HISTORY)
    rows = snapshot.store.select_in(query, HISTORY.c.key, dict.fromkeys(keys))
    return {stored.key: stored for stored in map(_stored, rows)}


def with_key(snapshot: Snapshot, key: str) -> list[StoredRecord]:
    """Return the live records with this key, at most one of each kind, claims first."""
    order = {kind: position for position, kind in enumerate(("claim", *KINDS))}
    rows = snapshot.store.select_in(snapshot.live(_CURRENT, HISTORY), HISTORY.c.key, [key])
    records = [_stored(row) for row in rows if row[1] in KINDS]
    return sorted(records, key=lambda stored: order[stored.kind])


@cached_query
def _of_kind(kind: str) -> Select[Any]:
    # The join with the table of the kind avoids a scan of history, which has the records of all kinds.
    table = MIRRORS[kind]
    return _VERSIONS.join(table, table.c.entry == HISTORY.c.entry).order_by(table.c.entry)


def records_of_kind(snapshot: Snapshot, kind: str) -> Iterator[StoredRecord]:
    """Yield every live record of a kind, in order of entry."""
    for row in snapshot.store.stream(snapshot.live(_of_kind(kind), MIRRORS[kind])):
        yield _stored(row)


def at_entries(store: Store, entries: Iterable[int]) -> dict[int, StoredRecord]:
    """Return the record versions that these entries recorded, by entry."""
    rows = store.select_in(_VERSIONS, HISTORY.c.entry, entries)
    return {stored.entry: stored for stored in map(_stored, rows)}


def versions(snapshot: Snapshot, kind: str, keys: Iterable[str]) -> list[StoredRecord]:
    """Return every version of some records up to the snapshot, ended ones too, in order of entry."""
    query = snapshot.recorded(_current(kind))
    rows = snapshot.store.select_in(query, HISTORY.c.key, dict.fromkeys(keys))
    return sorted(map(_stored, rows), key=lambda stored: stored.entry)


def keys_of_kind(snapshot: Snapshot, kind: str) -> list[str]:
    """Return the keys of a kind's live records, in order of entry."""
    table = MIRRORS[kind]
    query = snapshot.live(select(table.c.key).order_by(table.c.entry), table)
    return [key for (key,) in snapshot.store.tuples(query)]


# Replaced keys


@cached_query
def _replacements(kind: str) -> Select[Any]:
    # A redaction has the `replaced_by` of the withdrawal whose row it removed, so any action counts here.
    return select(HISTORY.c.key, HISTORY.c.replaced_by).where(
        HISTORY.c.kind == kind, HISTORY.c.replaced_by.is_not(None)
    )


def replacements(snapshot: Snapshot, kind: str, keys: Iterable[str]) -> dict[str, str]:
    """Return, for each of these keys that was replaced, the key that it resolves to."""
    # A key that was replaced only after the snapshot still resolves to itself.
    query = snapshot.recorded(_replacements(kind))
    replaced: dict[str, str] = {}
    frontier = set(keys)
    while frontier:
        step = dict(snapshot.store.select_in(query, HISTORY.c.key, sorted(frontier)))
        replaced |= step
        frontier = {target for target in step.values() if target not in replaced}
    return {key: _last_replacement(key, replaced) for key in replaced}


def _last_replacement(key: str, replaced: Mapping[str, str]) -> str:
    while key in replaced:
        key = replaced[key]
    return key


_ANY_REPLACED = select(HISTORY.c.entry).where(HISTORY.c.replaced_by.is_not(None)).limit(1)


def any_replaced(store: Store) -> bool:
    """Whether any record was ever replaced by another."""
    return store.value(_ANY_REPLACED) is not None


def replaced_keys(snapshot: Snapshot, kind: str, keys: Iterable[str]) -> dict[str, str]:
    """Return the replaced keys that resolve to one of these, each with the key it resolves to."""
    query = snapshot.recorded(_replacements(kind))
    replaced: dict[str, str] = {}
    frontier = {key: key for key in keys}
    while frontier:
        rows = snapshot.store.select_in(query, HISTORY.c.replaced_by, sorted(frontier))
        step = {key: frontier[target] for key, target in rows if key not in replaced}
        replaced |= step
        frontier = step
    return replaced


def all_keys_of(snapshot: Snapshot, kind: str, keys: Iterable[str]) -> list[str]:
    """Return every key of some records: their own, and those that resolve to them."""
    unique_keys = dict.fromkeys(keys)
    current = unique_keys | dict.fromkeys(replacements(snapshot, kind, unique_keys).values())
    return list(current | dict.fromkeys(replaced_keys(snapshot, kind, current)))


# References


@cached_query
def _references_to(kind: str) -> Select[Any]:
    joined = REFERENCE.join(HISTORY, REFERENCE.c.entry == HISTORY.c.entry)
    columns = (REFERENCE.c.key, HISTORY.c.kind, HISTORY.c.key, REFERENCE.c.field, REFERENCE.c.entry)
    return select(*columns).select_from(joined).where(REFERENCE.c.kind == kind)


def references_to(snapshot: Snapshot, kind: str, keys: Iterable[str]) -> dict[str, list[Reference]]:
    """Return the references to each of these records, through replaced keys too, in order of entry."""
    resolves_to = {key: key for key in keys}
    resolves_to |= replaced_keys(snapshot, kind, resolves_to)
    references: dict[str, list[Reference]] = {key: [] for key in resolves_to.values()}
    query = snapshot.live(_references_to(kind), REFERENCE)
    for target, from_kind, from_key, through, entry in snapshot.store.select_in(
        query, REFERENCE.c.key, sorted(resolves_to)
    ):
        references[resolves_to[target]].append(
            Reference(kind=from_kind, key=from_key, field=through, entry=entry)
        )
    for to_record in references.values():
        to_record.sort(key=lambda reference: (reference.entry, reference.field))
    return references


def dependents(snapshot: Snapshot, records: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return some records, by kind and key, and all that refer to them, directly or through others."""
    reached = set(records)
    frontier = reached
    while frontier:
        step: set[tuple[str, str]] = set()
        for kind in {kind for kind, _ in frontier}:
            keys = [key for of_kind, key in frontier if of_kind == kind]
            for references in references_to(snapshot, kind, keys).values():
                step |= {(reference.kind, reference.key) for reference in references}
        frontier = step - reached
        reached = reached | frontier
    return reached


# One record, or the reason why it is missing


def get_record(snapshot: Snapshot, kind: str, key: str) -> StoredRecord:
    """Return the live record with a kind and a key, or the record that replaced it.

    Raises :class:`NotFoundError`, which says why it is missing or names the nearest keys.
    """
    stored = records_by_key(snapshot, kind, [key]).get(key)
    if stored is None:
        resolved = replacements(snapshot, kind, [key]).get(key)
        if resolved:
            stored = records_by_key(snapshot, kind, [resolved]).get(resolved)
    if stored is None:
        why = _why_missing(snapshot, kind, key)
        raise NotFoundError(kind, key, () if why else near_keys(snapshot, key, kind), why=why)
    return stored


_LISTS_CLAIMS = {"party": "claimant", "source": "source", "subject": "subject"}
"""For each kind: the option of `list` for the claims of such a record."""


def _why_missing(snapshot: Snapshot, kind: str, key: str) -> str:
    """Return why a key has no live record of a kind; empty if the ledger never had the key."""
    known_at = snapshot.known_at
    query = select(HISTORY.c.kind, HISTORY.c.entry, HISTORY.c.action)
    rows = snapshot.store.tuples(query.where(HISTORY.c.key == key).order_by(HISTORY.c.entry))
    own = [(entry, action) for of_kind, entry, action in rows if of_kind == kind]
    if own and known_at is not None and own[0][0] > known_at:
        return f"entry {own[0][0]} recorded it, after entry {known_at}"
    for entry, action in own:
        if action in (Action.WITHDRAW, Action.REDACT):
            what = "withdrew" if action == Action.WITHDRAW else "redacted"
            return f"entry {entry} {what} it; `claimledger history {key}` shows why"
    for stored in with_key(snapshot, key):
        option = _LISTS_CLAIMS.get(stored.kind)
        listing = f"; `claimledger list --{option} {key}` lists its claims" if option else ""
        return f"it is the key of a {stored.kind}{listing}"
    return ""


def near_keys(snapshot: Snapshot, key: str, kind: str | None = None) -> list[str]:
    """Return the live keys most similar to a mistyped one, if possible with the same first two characters."""
    store = snapshot.store
    query = snapshot.live(select(HISTORY.c.key).distinct().where(_IS_VERSION), HISTORY)
    if kind is not None:
        query = query.where(HISTORY.c.kind == kind)
    prefix = key[:2]
    same_prefix = query.where(HISTORY.c.key >= prefix, HISTORY.c.key < prefix + "\U0010ffff")
    candidates = {candidate for (candidate,) in store.tuples(same_prefix.limit(5000))}
    near = nearest(key, sorted(candidates))
    if not near:
        near = nearest(key, [candidate for (candidate,) in store.tuples(query.limit(20000))])
    return near


# Claims by figure and by subject


def with_figure(snapshot: Snapshot, low: float, high: float, limit: int = 500) -> list[int]:
    """Return the entries of live claims with a figure that has a bound in this range."""
    table = MIRRORS["claim_figure"]
    entries: dict[int, None] = {}
    for column in (table.c.low_sort, table.c.high_sort):
        query = snapshot.live(select(table.c.entry).where(column.between(low, high)), table)
        rows = snapshot.store.tuples(query.order_by(column).limit(limit))
        entries |= dict.fromkeys(entry for (entry,) in rows)
    return list(entries)


def nearest_figures(snapshot: Snapshot, value: float, limit: int = 5) -> list[int]:
    """Return the entries of the live claims whose figures lie nearest to a value, nearest first."""
    table = MIRRORS["claim_figure"]
    distances: list[tuple[float, int]] = []
    for column in (table.c.low_sort, table.c.high_sort):
        query = snapshot.live(select(table.c.entry, column), table)
        below = query.where(column <= value).order_by(column.desc()).limit(limit)
        above = query.where(column > value).order_by(column).limit(limit)
        rows = [*snapshot.store.tuples(below), *snapshot.store.tuples(above)]
        distances += [(abs(bound - value), entry) for entry, bound in rows]
    return list(dict.fromkeys(entry for _, entry in sorted(distances)))[:limit]


_SUBJECTS_A_QUERY = 500
"""The number of subjects in one query for the newest claims."""

_IS_SUBJECT = (REFERENCE.c.kind == "subject", REFERENCE.c.field == "subject")


@cached_query
def _newest_about(limit: int | None) -> Select[Any]:
    query = select(REFERENCE.c.entry).where(*_IS_SUBJECT)
    return query.order_by(REFERENCE.c.entry.desc()).limit(limit)


def claims_about(
    snapshot: Snapshot, subjects: Iterable[str], limit: int | None = 2000
) -> list[int]:
    """Return the entries of the live claims about these subjects, newest first within each batch.

    ``limit`` is the most entries for each batch of subjects; ``None`` returns all of them.
    """
    query = snapshot.live(_newest_about(limit), REFERENCE)
    keys = all_keys_of(snapshot, "subject", subjects)
    entries: list[int] = []
    for start in range(0, len(keys), _SUBJECTS_A_QUERY):
        batch = keys[start : start + _SUBJECTS_A_QUERY]
        entries += [entry for (entry,) in snapshot.store.select_in(query, REFERENCE.c.key, batch)]
    return entries


_CLAIMS_BY_REFERENCE = select(HISTORY.c.key).select_from(
    REFERENCE.join(HISTORY, REFERENCE.c.entry == HISTORY.c.entry)
)


def newest_claims_with(snapshot: Snapshot, kind: str, key: str, field: str, limit: int) -> set[str]:
    """Return the keys of the newest live claims that refer to a record through a field."""
    query = _CLAIMS_BY_REFERENCE.where(
        REFERENCE.c.kind == kind,
        REFERENCE.c.key.in_(all_keys_of(snapshot, kind, [key])),
        REFERENCE.c.field == field,
        HISTORY.c.kind == "claim",
    )
    query = snapshot.live(query, REFERENCE).order_by(REFERENCE.c.entry.desc()).limit(limit)
    return {claim for (claim,) in snapshot.store.tuples(query)}


def tallies(snapshot: Snapshot) -> list[str]:
    """Return the keys of the live claims with a figure that counts records of the ledger."""
    table = MIRRORS["claim_figure"]
    query = (
        select(HISTORY.c.key)
        .select_from(table.join(HISTORY, table.c.entry == HISTORY.c.entry))
        .where(table.c.formula.is_not(None), table.c.formula.like("count(%"))
    )
    rows = snapshot.store.tuples(snapshot.live(query, table))
    return list(dict.fromkeys(key for (key,) in rows))


_KEYS_ABOUT = _CLAIMS_BY_REFERENCE.where(*_IS_SUBJECT)


def keys_about(snapshot: Snapshot, subjects: Iterable[str]) -> set[str]:
    """Return the keys of all live claims about these subjects."""
    keys = all_keys_of(snapshot, "subject", subjects)
    query = snapshot.live(_KEYS_ABOUT, REFERENCE)
    return {claim for (claim,) in snapshot.store.select_in(query, REFERENCE.c.key, keys)}


_KEYS = select(HISTORY.c.key)
_LINKS_FROM_CLAIM = select(REFERENCE.c.entry).where(
    REFERENCE.c.kind == "claim", REFERENCE.c.field == "from"
)
_UNDERCUTS_SOURCE = select(MIRRORS["link"].c.entry).where(
    MIRRORS["link"].c.type == "undercuts", MIRRORS["link"].c.to_kind == "source"
)


def critics_among(snapshot: Snapshot, entries: Iterable[int]) -> list[int]:
    """Return the entries of the live links by which the claims of these entries undercut a source."""
    store = snapshot.store
    claims = sorted({key for (key,) in store.select_in(_KEYS, HISTORY.c.entry, entries)})
    query = snapshot.live(_LINKS_FROM_CLAIM, REFERENCE)
    links = sorted({entry for (entry,) in store.select_in(query, REFERENCE.c.key, claims)})
    critics = store.select_in(_UNDERCUTS_SOURCE, MIRRORS["link"].c.entry, links)
    return [entry for (entry,) in critics]


# The whole ledger

_ANY_TERM = select(MIRRORS["term"].c.entry).limit(1)


def vocabulary(snapshot: Snapshot) -> Vocabulary:
    """Return the vocabulary of the ledger's terms: synonyms, and which names are part of others."""
    if snapshot.store.value(_ANY_TERM) is None:
        return Vocabulary()
    terms = [
        stored.record
        for stored in records_of_kind(snapshot, "term")
        if isinstance(stored.record, Term)
    ]
    broader = {term.broader for term in terms if term.broader}
    return Vocabulary.of(terms, replacements(snapshot, "term", broader))


def counts(snapshot: Snapshot) -> dict[str, int]:
    """Return the number of live records of each kind."""
    query = select(HISTORY.c.kind, func.count()).where(_IS_VERSION).group_by(HISTORY.c.kind)
    numbers = dict(snapshot.store.tuples(snapshot.live(query, HISTORY)))
    return {kind: numbers.get(kind, 0) for kind in KINDS}


def _stored(row: tuple[Any, ...]) -> StoredRecord:
    entry, kind, recorded_at, written = row
    try:
        payload = Payload.decode(written)
        known, more = split(payload.kind, payload.record or {})
        record = KINDS[payload.kind].model_validate({"key": payload.key, **known})
    except (StoreError, ValueError, LookupError, TypeError, AttributeError):
        raise StoreError(
            f"entry {entry} does not contain a valid {kind}; `claimledger verify` reports what is wrong with "
            "it, and `claimledger salvage` writes a new ledger without it"
        ) from None
    return StoredRecord(
        record=record,
        entry=entry,
        recorded_at=recorded_at,
        recorded_by=payload.recorded_by,
        more=more,
    )


def unknown_records(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    """Yield the live records of kinds that only a newer version knows, as they were written."""
    query = _CURRENT.where(HISTORY.c.kind.not_in(KINDS)).order_by(HISTORY.c.entry)
    for *_, written in snapshot.store.tuples(snapshot.live(query, HISTORY)):
        payload = Payload.decode(written)
        yield {"kind": payload.kind, "key": payload.key, **(payload.record or {})}
