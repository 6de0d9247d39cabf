"""The part of the ledger that answers about some claims depend on, cut out level by level.

An answer about a claim depends on the claims it is linked with in either direction, near and far, and
on the critics of the sources they cite; not on other claims that merely cite the same source or are
made by the same party. Everything is asked in batches with ``IN``, so that the cost is that of the
part and not of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, func, select

from claimledger.ledger.canonical import parse
from claimledger.ledger.reading import records as reading
from claimledger.ledger.reading.clocks import Known, standing_at
from claimledger.ledger.store.base import Store
from claimledger.ledger.tables import HISTORY, MIRRORS, POINTER
from claimledger.records.figure import Interval, interval_of
from claimledger.records.text import nfc
from claimledger.records.vocabulary import MEASURE

SILENT = ("answers", "supports")
"""Link types on which no answer depends."""

Bound = int | None


@dataclass(frozen=True, slots=True)
class CutFigure:
    """A figure of a claim, as far as answers need it."""

    measure: str
    """What the measure means by the ledger's terms."""

    unit: str | None
    interval: Interval


@dataclass(slots=True)
class CutClaim:
    """A claim, as far as answers need it."""

    key: str
    entry: int
    claimants: tuple[str, ...]
    grounds: str | None
    asserted: tuple[Bound, Bound] | None
    about: tuple[Bound, Bound] | None
    recorded: int
    """The day it was recorded, as an ordinal."""

    sources: tuple[str, ...] = ()
    """The sources it cites, not those it was read through."""

    second_hand: bool = False
    """Whether every citation has a ``via``."""

    figures: tuple[CutFigure, ...] = ()


@dataclass(frozen=True, slots=True)
class CutLink:
    """A link, as far as answers need it."""

    key: str
    entry: int
    type: str
    from_: str
    to_kind: str
    to: str
    basis: str
    recorded: int
    sources: tuple[str, ...] = ()
    first: int = 0
    """The entry it was first recorded with; ``entry`` is that of its newest version."""


@dataclass(slots=True)
class CutSource:
    """A source, as far as answers need it."""

    key: str
    publisher: str | None
    authors: tuple[str, ...]
    days: list[int]
    """The days by which what it says was known: publication, access, captures."""

    dated: bool
    removed: bool
    captured: bool = False


@dataclass(frozen=True, slots=True)
class CutParty:
    """A party, as far as answers need it."""

    key: str
    names: frozenset[str]
    type: str | None
    part_of: str | None


@dataclass(slots=True)
class Cut:
    """A part of the ledger, keys resolved: what the dispute graph is made from."""

    claims: dict[str, CutClaim] = field(default_factory=dict)
    links: list[CutLink] = field(default_factory=list)
    sources: dict[str, CutSource] = field(default_factory=dict)
    parties: dict[str, CutParty] = field(default_factory=dict)


def neighbourhood(store: Store, keys: Iterable[str], known_at: Known = None) -> Cut:
    """Return the part of the ledger that answers about these claims depend on."""
    cut = Cut()
    names = _Names(store, known_at)
    links: dict[int, CutLink] = {}
    ask = set(keys)
    criticised: set[str] = set()
    while ask:
        cut.claims |= _claims(store, names, ask, known_at)
        sources = {source for key in ask if key in cut.claims for source in cut.claims[key].sources}
        found = _links_at(store, names, "claim", ask, known_at, silent=False)
        found |= _links_at(store, names, "source", sources - criticised, known_at, silent=False)
        criticised |= sources
        links |= found
        ends = {link.from_ for link in found.values()}
        ends |= {link.to for link in found.values() if link.to_kind == "claim"}
        ask = ends - cut.claims.keys() - ask
    cut.links = [links[entry] for entry in sorted(links)]
    _surroundings(store, names, cut, known_at)
    return cut


def whole(store: Store, known_at: Known = None) -> Cut:
    """Return the whole ledger as one part."""
    cut = Cut()
    names = _Names(store, known_at)
    cut.claims = _claims(store, names, None, known_at)
    cut.links = list(_links(store, names, None, known_at).values())
    _surroundings(store, names, cut, known_at)
    return cut


def some_links(store: Store, entries: Iterable[int], known_at: Known = None) -> Cut:
    """Return the links that came with these entries, and the sources that state them; no claims."""
    cut = Cut()
    names = _Names(store, known_at)
    cut.links = list(_links(store, names, list(entries), known_at).values())
    _surroundings(store, names, cut, known_at)
    return cut


class _Names:
    """Resolves keys that were replaced, learning of them as they come up."""

    def __init__(self, store: Store, known_at: Known) -> None:
        self._store = store
        self._known_at = known_at
        query = select(func.count()).select_from(HISTORY).where(HISTORY.c.replaced_by.is_not(None))
        self._any = bool(store.connection.execute(query).scalar())
        self._held: dict[str, dict[str, str]] = {"claim": {}, "source": {}, "party": {}}

    def learn(self, kind: str, keys: Iterable[str]) -> None:
        """Look up which of these keys were replaced."""
        if self._any:
            wanted = set(keys) - self._held[kind].keys()
            found = reading.replacements(self._store, kind, wanted, self._known_at)
            self._held[kind] |= {key: found.get(key, key) for key in wanted}

    def of(self, kind: str, key: str) -> str:
        """Return what a key resolves to."""
        return self._held[kind].get(key, key)

    def others(self, kind: str, keys: set[str]) -> set[str]:
        """Return these keys and all that resolve to one of them."""
        if not self._any:
            return keys
        return keys | reading.replaced_by(self._store, kind, keys, self._known_at).keys()


def _rows(store: Store, query: Select[Any], column: Any, values: Iterable[Any] | None) -> Any:
    """Return a query's rows: all of them, or those for which a column is one of the values."""
    if values is None:
        return store.connection.execute(query)
    return store.rows_by(query, column, values)


def _day(moment: str) -> int:
    return date.fromisoformat(moment[:10]).toordinal()


def _days_first_recorded(store: Store, kind: str, keys: Iterable[str] | None) -> dict[str, int]:
    query = (
        select(HISTORY.c.key, func.min(HISTORY.c.recorded_at))
        .where(HISTORY.c.kind == kind)
        .group_by(HISTORY.c.key)
    )
    return {key: _day(moment) for key, moment in _rows(store, query, HISTORY.c.key, keys)}


def _claims(
    store: Store, names: _Names, keys: set[str] | None, known_at: Known
) -> dict[str, CutClaim]:
    table = MIRRORS["claim"]
    columns = "entry key claimant grounds asserted asserted_earliest asserted_latest about"
    columns += " about_earliest about_latest"
    query = select(*(table.c[name] for name in columns.split())).where(standing_at(table, known_at))
    if keys is not None:
        entries = [
            row.entry
            for row in store.rows_by(
                select(HISTORY.c.entry).where(
                    HISTORY.c.kind == "claim",
                    HISTORY.c.action.in_(("record", "amend")),
                    standing_at(HISTORY, known_at),
                ),
                HISTORY.c.key,
                sorted(keys),
            )
        ]
        rows = list(store.rows_by(query, table.c.entry, entries))
    else:
        rows = list(store.connection.execute(query.order_by(table.c.entry)))
    recorded = _days_first_recorded(store, "claim", None if keys is None else [r.key for r in rows])
    claimants = {row.entry: tuple(parse(row.claimant)) for row in rows}
    names.learn("party", {party for listed in claimants.values() for party in listed})
    found = {
        row.entry: CutClaim(
            row.key,
            row.entry,
            tuple(dict.fromkeys(names.of("party", party) for party in claimants[row.entry])),
            row.grounds,
            (row.asserted_earliest, row.asserted_latest) if row.asserted else None,
            (row.about_earliest, row.about_latest) if row.about else None,
            recorded[row.key],
        )
        for row in rows
    }
    _citations_of(store, names, found, None if keys is None else list(found))
    _figures_of(store, found, None if keys is None else list(found), known_at)
    return {claim.key: claim for claim in found.values()}


def _citations_of(
    store: Store, names: _Names, claims: dict[int, CutClaim], entries: list[int] | None
) -> None:
    table = MIRRORS["claim_citation"]
    query = select(table.c.entry, table.c.source, table.c.via)
    rows = [row for row in _rows(store, query, table.c.entry, entries) if row.entry in claims]
    names.learn("source", {row.source for row in rows})
    cited: dict[int, list[tuple[str, bool]]] = {}
    for row in rows:
        cited.setdefault(row.entry, []).append((names.of("source", row.source), bool(row.via)))
    for entry, listed in cited.items():
        claims[entry].sources = tuple(dict.fromkeys(source for source, _ in listed))
        claims[entry].second_hand = all(via for _, via in listed)


def _figures_of(
    store: Store, claims: dict[int, CutClaim], entries: list[int] | None, known_at: Known
) -> None:
    table = MIRRORS["claim_figure"]
    words = reading.vocabulary(store, known_at)
    query = select(
        table.c.entry, table.c.measure, table.c.unit, table.c.low, table.c.high, table.c.qualifier
    )
    for row in _rows(store, query, table.c.entry, entries):
        if row.entry in claims:
            low = None if row.low is None else Decimal(row.low)
            high = None if row.high is None else Decimal(row.high)
            interval = interval_of(low, high, row.qualifier)
            figure = CutFigure(words.concept(MEASURE, row.measure), row.unit, interval)
            claims[row.entry].figures += (figure,)


def _links_at(
    store: Store, names: _Names, kind: str, keys: set[str], known_at: Known, *, silent: bool
) -> dict[int, CutLink]:
    """Return the links that begin or end at these claims, or end at these sources."""
    ends = ("from", "to") if kind == "claim" else ("to",)
    query = select(POINTER.c.entry).where(
        POINTER.c.kind == kind, POINTER.c.field.in_(ends), standing_at(POINTER, known_at)
    )
    wanted = sorted(names.others(kind, keys))
    entries = sorted({row.entry for row in store.rows_by(query, POINTER.c.key, wanted)})
    found = _links(store, names, entries, known_at)
    return {entry: link for entry, link in found.items() if silent or link.type not in SILENT}


def _links(
    store: Store, names: _Names, entries: list[int] | None, known_at: Known
) -> dict[int, CutLink]:
    table, cited = MIRRORS["link"], MIRRORS["link_citation"]
    columns = "entry key type from to_kind to_key basis"
    query = select(*(table.c[name] for name in columns.split()), HISTORY.c.recorded_at).join(
        HISTORY, HISTORY.c.entry == table.c.entry
    )
    query = query.where(standing_at(table, known_at)).order_by(table.c.entry)
    rows = list(_rows(store, query, table.c.entry, entries))
    sources: dict[int, list[str]] = {}
    for row in _rows(store, select(cited.c.entry, cited.c.source), cited.c.entry, entries):
        sources.setdefault(row.entry, []).append(row.source)
    names.learn(
        "claim", {row[3] for row in rows} | {r.to_key for r in rows if r.to_kind == "claim"}
    )
    cited_sources = {source for listed in sources.values() for source in listed}
    names.learn("source", cited_sources | {r.to_key for r in rows if r.to_kind == "source"})
    firsts = _first_entries(store, "link", [row.key for row in rows], entries is None)
    found = {}
    for row in rows:
        from_, to = names.of("claim", row[3]), names.of(row.to_kind, row.to_key)
        if row.to_kind == "claim" and from_ == to:
            continue  # both ends were merged into one claim
        listed = tuple(names.of("source", source) for source in sources.get(row.entry, ()))
        found[row.entry] = CutLink(
            row.key, row.entry, row.type, from_, row.to_kind, to, row.basis,
            _day(row.recorded_at), listed, firsts.get(row.key, row.entry),
        )  # fmt: skip
    return found


def _first_entries(store: Store, kind: str, keys: list[str], every: bool) -> dict[str, int]:
    """Return the entries with which amended records were first recorded."""
    if every:
        # Only few of all were amended: these are looked up, the others' versions are their first.
        table = MIRRORS[kind]
        keys = [
            row.key for row in store.rows(select(table.c.key).where(table.c.until.is_not(None)))
        ]
    query = (
        select(HISTORY.c.key, func.min(HISTORY.c.entry))
        .where(HISTORY.c.kind == kind)
        .group_by(HISTORY.c.key)
    )
    return {row[0]: row[1] for row in store.rows_by(query, HISTORY.c.key, dict.fromkeys(keys))}


def _surroundings(store: Store, names: _Names, cut: Cut, known_at: Known) -> None:
    """Add the sources that are cited or criticised, and the parties with all above them."""
    wanted = {source for claim in cut.claims.values() for source in claim.sources}
    wanted |= {source for link in cut.links for source in link.sources}
    wanted |= {link.to for link in cut.links if link.to_kind == "source"}
    cut.sources = _sources(store, names, wanted, known_at)
    parties = {party for claim in cut.claims.values() for party in claim.claimants}
    parties |= {source.publisher for source in cut.sources.values() if source.publisher}
    while parties:
        found = _parties(store, names, parties, known_at)
        cut.parties |= found
        above = {party.part_of for party in found.values() if party.part_of}
        parties = above - cut.parties.keys()


def _sources(store: Store, names: _Names, keys: set[str], known_at: Known) -> dict[str, CutSource]:
    table = MIRRORS["source"]
    columns = "key publisher authors published published_latest accessed_latest removed"
    query = select(*(table.c[name] for name in columns.split())).where(standing_at(table, known_at))
    rows = list(store.rows_by(query, table.c.key, sorted(keys)))
    names.learn("party", {row.publisher for row in rows if row.publisher})
    found = {
        row.key: CutSource(
            row.key,
            names.of("party", row.publisher) if row.publisher else None,
            tuple(nfc(author) for author in parse(row.authors)) if row.authors else (),
            [day for day in (row.published_latest, row.accessed_latest) if day is not None],
            row.published is not None,
            row.removed is not None,
        )
        for row in rows
    }
    captures = MIRRORS["capture"]
    query = select(captures.c.source, captures.c.captured_at_latest)
    if store.connection.execute(select(captures.c.entry).limit(1)).first() is not None:
        query = query.where(standing_at(captures, known_at))
        for source, day in store.connection.execute(query):
            if held := found.get(names.of("source", source)):
                held.captured = True
                if day is not None:
                    held.days.append(day)
    return found


def _parties(store: Store, names: _Names, keys: set[str], known_at: Known) -> dict[str, CutParty]:
    table = MIRRORS["party"]
    query = select(table.c.key, table.c.name, table.c.aliases, table.c.type, table.c.part_of)
    query = query.where(standing_at(table, known_at))
    rows = list(store.rows_by(query, table.c.key, sorted(keys)))
    names.learn("party", {row.part_of for row in rows if row.part_of})
    return {
        row.key: CutParty(
            row.key,
            frozenset(
                nfc(name)
                for name in (row.key, row.name, *(parse(row.aliases) if row.aliases else ()))
            ),
            row.type,
            names.of("party", row.part_of) if row.part_of else None,
        )
        for row in rows
    }
