"""Records by key and by what they point to, as they stood at an entry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select

from claimledger.errors import NotFoundError, StoreError
from claimledger.ledger.query.time_travel import Known, standing_at
from claimledger.log.entry import Payload
from claimledger.records.base import Record
from claimledger.records.check import nearest
from claimledger.records.kinds import KINDS
from claimledger.records.term import Term
from claimledger.records.unknown_fields import split
from claimledger.records.vocabulary import Vocabulary
from claimledger.storage.base import Store
from claimledger.storage.compiled import kept
from claimledger.storage.tables import ENTRY, HISTORY, MIRRORS, REFERENCE


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as the ledger holds it: with the entry its version came with."""

    record: Record
    entry: int
    recorded_at: str
    recorded_by: str
    more: Mapping[str, Any] = field(default_factory=dict)
    """Fields a newer program wrote, as they are: those this one does not know, or not wholly."""

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
    """A record that points to another, and through which field."""

    kind: str
    key: str
    field: str
    entry: int


def held(
    store: Store, kind: str, keys: Iterable[str], known_at: Known = None
) -> dict[str, StoredRecord]:
    """Return the records of a kind with these keys, those that stood then, by key."""
    rows = store.select_in(_standing(kind, known_at), HISTORY.c.key, dict.fromkeys(keys))
    return {found.key: found for found in map(_held, rows)}


@kept
def _standing(kind: str, known_at: Known) -> Select[Any]:
    return _versions().where(HISTORY.c.kind == kind, _live(known_at))


def with_key(store: Store, key: str, known_at: Known = None) -> list[StoredRecord]:
    """Return the records with this key, one a kind at most."""
    order = {kind: place for place, kind in enumerate(("claim", *KINDS))}
    rows = store.select_in(_of_any_kind(known_at), HISTORY.c.key, [key])
    found = [_held(row) for row in rows if row[1] in KINDS]
    return sorted(found, key=lambda one: order[one.kind])


@kept
def _of_any_kind(known_at: Known) -> Select[Any]:
    return _versions().where(_live(known_at))


def of_kind(store: Store, kind: str, known_at: Known = None) -> Iterator[StoredRecord]:
    """Yield every record of a kind, in the order they were first recorded."""
    # From the kind's own table: history is of all kinds, and would be read whole for a few records.
    table = MIRRORS[kind]
    query = _versions().join(table, table.c.entry == HISTORY.c.entry)
    for row in store.stream(query.where(standing_at(table, known_at)).order_by(table.c.entry)):
        yield _held(row)


def at_entries(store: Store, entries: Iterable[int]) -> dict[int, StoredRecord]:
    """Return the record versions that came with these entries."""
    rows = store.select_in(_versions(), HISTORY.c.entry, entries)
    return {found.entry: found for found in map(_held, rows)}


def versions(
    store: Store, kind: str, keys: Iterable[str], known_at: Known = None
) -> list[StoredRecord]:
    """Return every version of some records up to an entry, ended ones too."""
    rows = store.select_in(_ever(kind, known_at), HISTORY.c.key, dict.fromkeys(keys))
    return sorted(map(_held, rows), key=lambda found: found.entry)


@kept
def _ever(kind: str, known_at: Known) -> Select[Any]:
    query = _versions().where(HISTORY.c.kind == kind, HISTORY.c.action.in_(("record", "amend")))
    return query if known_at is None else query.where(HISTORY.c.entry <= known_at)


def keys_of(store: Store, kind: str, known_at: Known = None) -> list[str]:
    """Return the keys of a kind's records, in the order they were first recorded."""
    table = MIRRORS[kind]
    query = select(table.c.key).where(standing_at(table, known_at)).order_by(table.c.entry)
    return [key for (key,) in store.tuples(query)]


def replacements(
    store: Store, kind: str, keys: Iterable[str], known_at: Known = None
) -> dict[str, str]:
    """Return what withdrawn keys now resolve to, for those of the keys that were replaced."""
    found: dict[str, str] = {}
    ask = set(keys)
    query = _replacements(kind, known_at)
    while ask:
        step = dict(store.select_in(query, HISTORY.c.key, sorted(ask)))
        found |= step
        ask = {by for by in step.values() if by not in found}
    return {key: _end(key, found) for key in found}


@kept
def _replacements(kind: str, known_at: Known) -> Select[Any]:
    query = select(HISTORY.c.key, HISTORY.c.replaced_by).where(
        HISTORY.c.kind == kind, HISTORY.c.replaced_by.is_not(None)
    )
    # Before a record was withdrawn it stood for itself. A redaction keeps the replacement but
    # not the withdrawal's own row, so its place is taken from the redaction's.
    return query if known_at is None else query.where(HISTORY.c.entry <= known_at)


def _end(key: str, found: dict[str, str]) -> str:
    while key in found:
        key = found[key]
    return key


_ANY_REPLACED = select(HISTORY.c.entry).where(HISTORY.c.replaced_by.is_not(None)).limit(1)


def any_replaced(store: Store) -> bool:
    """Whether any record was ever replaced by another."""
    return store.value(_ANY_REPLACED) is not None


def replaced_by(
    store: Store, kind: str, keys: Iterable[str], known_at: Known = None
) -> dict[str, str]:
    """Return the withdrawn keys that resolve to one of these, each with what it resolves to."""
    found: dict[str, str] = {}
    ask = {key: key for key in keys}
    query = _replacements(kind, known_at)
    while ask:
        rows = store.select_in(query, HISTORY.c.replaced_by, sorted(ask))
        step = {key: ask[by] for key, by in rows if key not in found}
        found |= step
        ask = step
    return found


def every_name(store: Store, kind: str, keys: Iterable[str], known_at: Known = None) -> list[str]:
    """Return the keys under which the records that some keys mean are named: theirs, and those replaced."""
    given = dict.fromkeys(keys)
    now = given | dict.fromkeys(replacements(store, kind, given, known_at).values())
    return list(now | dict.fromkeys(replaced_by(store, kind, now, known_at)))


def referrers(
    store: Store, kind: str, keys: Iterable[str], known_at: Known = None
) -> dict[str, list[Reference]]:
    """Return which records point to each of these, replaced keys included, in order of entry."""
    wanted = {key: key for key in keys}
    wanted |= replaced_by(store, kind, wanted, known_at)
    found: dict[str, list[Reference]] = {key: [] for key in wanted.values()}
    pointing = store.select_in(_pointing(kind, known_at), REFERENCE.c.key, sorted(wanted))
    for target, by_kind, by_key, through, entry in pointing:
        found[wanted[target]].append(Reference(by_kind, by_key, through, entry))
    for listed in found.values():
        listed.sort(key=lambda one: (one.entry, one.field))
    return found


@kept
def _pointing(kind: str, known_at: Known) -> Select[Any]:
    joined = REFERENCE.join(HISTORY, REFERENCE.c.entry == HISTORY.c.entry)
    columns = (REFERENCE.c.key, HISTORY.c.kind, HISTORY.c.key, REFERENCE.c.field, REFERENCE.c.entry)
    query = select(*columns).select_from(joined)
    return query.where(REFERENCE.c.kind == kind, standing_at(REFERENCE, known_at))


def dependents(
    store: Store, records: Iterable[tuple[str, str]], known_at: Known = None
) -> set[tuple[str, str]]:
    """Return some records, by kind and key, and all that points to them, near and far."""
    found = set(records)
    ask = found
    while ask:
        reached: set[tuple[str, str]] = set()
        for kind in {kind for kind, _ in ask}:
            pointing = referrers(store, kind, [key for one, key in ask if one == kind], known_at)
            reached |= {(one.kind, one.key) for listed in pointing.values() for one in listed}
        ask = reached - found
        found = found | ask
    return found


def one(store: Store, kind: str, key: str, known_at: Known = None) -> StoredRecord:
    """Return a record by kind and key, replaced keys resolved; raise :class:`NotFoundError`."""
    found = held(store, kind, [key], known_at).get(key)
    if found is None:
        resolved = replacements(store, kind, [key], known_at).get(key)
        found = held(store, kind, [resolved], known_at).get(resolved) if resolved else None
    if found is None:
        why = _why_missing(store, kind, key, known_at)
        raise NotFoundError(
            kind, key, () if why else near_keys(store, key, kind, known_at), why=why
        )
    return found


_LISTS_CLAIMS = {"party": "claimant", "source": "source", "subject": "subject"}
"""By kind the option of `list` that lists the claims which such a record has."""


def _why_missing(store: Store, kind: str, key: str, known_at: Known) -> str:
    """Return what the ledger knows of a key that no live record of a kind has; nothing where it never was."""
    query = select(HISTORY.c.kind, HISTORY.c.entry, HISTORY.c.action)
    rows = store.tuples(query.where(HISTORY.c.key == key).order_by(HISTORY.c.entry))
    own = [(entry, action) for of, entry, action in rows if of == kind]
    if own and known_at is not None and own[0][0] > known_at:
        return f"it came with entry {own[0][0]}, after entry {known_at}"
    for entry, action in own:
        if action in ("withdraw", "redact"):
            what = "withdrawn" if action == "withdraw" else "redacted"
            return f"it was {what} with entry {entry}; `claimledger history {key}` says why"
    for other in with_key(store, key, known_at):
        option = _LISTS_CLAIMS.get(other.kind)
        listing = f"; `claimledger list --{option} {key}` lists its claims" if option else ""
        return f"it is the key of a {other.kind}{listing}"
    return ""


def near_keys(store: Store, key: str, kind: str | None = None, known_at: Known = None) -> list[str]:
    """Return the keys most like a mistyped one: those that begin alike, then by likeness."""
    query = select(HISTORY.c.key).distinct().where(_live(known_at))
    if kind is not None:
        query = query.where(HISTORY.c.kind == kind)
    head = key[:2]
    alike = query.where(HISTORY.c.key >= head, HISTORY.c.key < head + "\U0010ffff").limit(5000)
    candidates = {found for (found,) in store.tuples(alike)}
    near = nearest(key, sorted(candidates))
    if not near:
        near = nearest(key, [found for (found,) in store.tuples(query.limit(20000))])
    return near


def with_figure(
    store: Store, low: float, high: float, known_at: Known = None, most: int = 500
) -> list[int]:
    """Return the entries of claims with a figure that has a bound in this range."""
    table = MIRRORS["claim_figure"]
    found: dict[int, None] = {}
    for column in (table.c.low_sort, table.c.high_sort):
        query = select(table.c.entry).where(column.between(low, high), standing_at(table, known_at))
        rows = store.tuples(query.order_by(column).limit(most))
        found |= dict.fromkeys(entry for (entry,) in rows)
    return list(found)


def nearest_figures(store: Store, value: float, known_at: Known = None, most: int = 5) -> list[int]:
    """Return the entries of the claims whose figures lie nearest to a value, nearest first."""
    table = MIRRORS["claim_figure"]
    found: list[tuple[float, int]] = []
    for column in (table.c.low_sort, table.c.high_sort):
        query = select(table.c.entry, column).where(standing_at(table, known_at))
        below = query.where(column <= value).order_by(column.desc()).limit(most)
        above = query.where(column > value).order_by(column).limit(most)
        rows = [*store.tuples(below), *store.tuples(above)]
        found += [(abs(other - value), entry) for entry, other in rows]
    return list(dict.fromkeys(entry for _, entry in sorted(found)))[:most]


_TOGETHER = 500
"""Subjects whose newest claims are asked for at once."""


def claims_about(
    store: Store, subjects: Iterable[str], known_at: Known = None, most: int | None = 2000
) -> list[int]:
    """Return the entries of the claims about these subjects, newest first, so many of each batch."""
    query, found = _newest_about(known_at, most), []
    wanted = every_name(store, "subject", subjects, known_at)
    for start in range(0, len(wanted), _TOGETHER):
        batch = wanted[start : start + _TOGETHER]
        found += [entry for (entry,) in store.select_in(query, REFERENCE.c.key, batch)]
    return found


@kept
def _newest_about(known_at: Known, most: int | None) -> Select[Any]:
    query = select(REFERENCE.c.entry).where(_about(known_at))
    return query.order_by(REFERENCE.c.entry.desc()).limit(most)


def _about(known_at: Known) -> ColumnElement[bool]:
    here = (REFERENCE.c.kind == "subject", REFERENCE.c.field == "subject")
    return and_(*here, standing_at(REFERENCE, known_at))


def newest_pointing(
    store: Store, kind: str, key: str, field: str, most: int, known_at: Known = None
) -> set[str]:
    """Return the keys of the newest claims that point to a record through a field."""
    wanted = every_name(store, kind, [key], known_at)
    query = (
        select(HISTORY.c.key)
        .select_from(REFERENCE.join(HISTORY, REFERENCE.c.entry == HISTORY.c.entry))
        .where(
            REFERENCE.c.kind == kind,
            REFERENCE.c.key.in_(wanted),
            REFERENCE.c.field == field,
            HISTORY.c.kind == "claim",
            standing_at(REFERENCE, known_at),
        )
        .order_by(REFERENCE.c.entry.desc())
        .limit(most)
    )
    return {found for (found,) in store.tuples(query)}


def tallies(store: Store, known_at: Known = None) -> list[str]:
    """Return the keys of the claims with a figure that the ledger itself counted."""
    table = MIRRORS["claim_figure"]
    query = (
        select(HISTORY.c.key)
        .select_from(table.join(HISTORY, table.c.entry == HISTORY.c.entry))
        .where(table.c.formula.is_not(None), standing_at(table, known_at))
        .where(table.c.formula.like("count(%"))
    )
    return list(dict.fromkeys(key for (key,) in store.tuples(query)))


def keys_about(store: Store, subjects: Iterable[str], known_at: Known = None) -> set[str]:
    """Return the keys of all claims about these subjects."""
    named = every_name(store, "subject", subjects, known_at)
    rows = store.select_in(_keys_about(known_at), REFERENCE.c.key, named)
    return {key for (key,) in rows}


@kept
def _keys_about(known_at: Known) -> Select[Any]:
    joined = REFERENCE.join(HISTORY, REFERENCE.c.entry == HISTORY.c.entry)
    return select(HISTORY.c.key).select_from(joined).where(_about(known_at))


def critics_among(store: Store, entries: Iterable[int], known_at: Known = None) -> list[int]:
    """Return the entries of the links by which these claims undercut a source."""
    named = store.select_in(_KEYS, HISTORY.c.entry, entries)
    wanted = sorted({key for (key,) in named})
    links = store.select_in(_beginning(known_at), REFERENCE.c.key, wanted)
    found = store.select_in(
        _OF_SOURCES, MIRRORS["link"].c.entry, sorted({entry for (entry,) in links})
    )
    return [entry for (entry,) in found]


_KEYS = select(HISTORY.c.key)
_OF_SOURCES = select(MIRRORS["link"].c.entry).where(
    MIRRORS["link"].c.type == "undercuts", MIRRORS["link"].c.to_kind == "source"
)


@kept
def _beginning(known_at: Known) -> Select[Any]:
    here = (REFERENCE.c.kind == "claim", REFERENCE.c.field == "from")
    return select(REFERENCE.c.entry).where(*here, standing_at(REFERENCE, known_at))


_ANY_TERM = select(MIRRORS["term"].c.entry).limit(1)


def vocabulary(store: Store, known_at: Known = None) -> Vocabulary:
    """Return what the ledger's terms say."""
    if store.value(_ANY_TERM) is None:
        return Vocabulary()
    terms = [held.record for held in of_kind(store, "term", known_at)]
    wider = {one.broader for one in terms if isinstance(one, Term) and one.broader}
    return Vocabulary.of(
        (one for one in terms if isinstance(one, Term)),
        replacements(store, "term", wider, known_at),
    )


def counts(store: Store, known_at: Known = None) -> dict[str, int]:
    """Return how many records of each kind stood."""
    query = select(HISTORY.c.kind, func.count()).where(_live(known_at)).group_by(HISTORY.c.kind)
    found = dict(store.tuples(query))
    return {kind: found.get(kind, 0) for kind in KINDS}


def _live(known_at: Known) -> Any:
    return and_(HISTORY.c.action.in_(("record", "amend")), standing_at(HISTORY, known_at))


@kept
def _versions() -> Select[Any]:
    columns = (HISTORY.c.entry, HISTORY.c.kind, HISTORY.c.recorded_at, ENTRY.c.payload)
    return select(*columns).join(ENTRY, ENTRY.c.number == HISTORY.c.entry)


def _held(row: tuple[Any, ...]) -> StoredRecord:
    entry, kind, recorded_at, written = row
    try:
        payload = Payload.decode(written)
        known, more = split(payload.kind, payload.record or {})
        record = KINDS[payload.kind].model_validate({"key": payload.key, **known})
    except (StoreError, ValueError, LookupError, TypeError, AttributeError):
        raise StoreError(
            f"entry {entry} holds no {kind} that the log's format knows; `claimledger verify` says what is "
            "wrong with it, `claimledger salvage` makes a ledger without it"
        ) from None
    return StoredRecord(record, entry, recorded_at, payload.recorded_by, more)


def foreign(store: Store, known_at: Known = None) -> Iterator[dict[str, Any]]:
    """Yield the records of kinds that only a newer program knows, as they were written."""
    query = _versions().where(HISTORY.c.kind.not_in(KINDS), _live(known_at))
    for *_, written in store.tuples(query.order_by(HISTORY.c.entry)):
        payload = Payload.decode(written)
        yield {"kind": payload.kind, "key": payload.key, **(payload.record or {})}
