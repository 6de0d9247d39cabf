"""Loading what a part of the ledger is made of, in batches or whole tables, replaced keys resolved."""

from __future__ import annotations

from collections.abc import Iterable, Set
from datetime import date
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import Select, func, select

from claimledger.ledger.canonical import parse
from claimledger.ledger.reading import records as reading
from claimledger.ledger.reading.clocks import Known, standing_at
from claimledger.ledger.reading.cut import Cut, CutClaim, CutFigure, CutLink, CutParty, CutSource
from claimledger.ledger.store.base import Store
from claimledger.ledger.tables import HISTORY, MIRRORS, POINTER
from claimledger.records.figure import Interval, interval_of
from claimledger.records.text import nfc
from claimledger.records.vocabulary import MEASURE

SILENT = ("answers", "supports")
"""Link types on which no answer depends."""


class Names:
    """Resolves keys that were replaced, learning of them as they come up."""

    def __init__(self, store: Store, known_at: Known) -> None:
        self._store = store
        self._known_at = known_at
        query = select(func.count()).select_from(HISTORY).where(HISTORY.c.replaced_by.is_not(None))
        self.any = bool(store.connection.execute(query).scalar())
        self._held: dict[str, dict[str, str]] = {"claim": {}, "source": {}, "party": {}}

    def learn(self, kind: str, keys: Iterable[str]) -> None:
        """Look up which of these keys were replaced."""
        if self.any:
            wanted = set(keys) - self._held[kind].keys()
            found = reading.replacements(self._store, kind, wanted, self._known_at)
            self._held[kind] |= {key: found.get(key, key) for key in wanted}

    def of(self, kind: str, key: str) -> str:
        """Return what a key resolves to."""
        return self._held[kind].get(key, key)

    def others(self, kind: str, keys: set[str]) -> set[str]:
        """Return these keys and all that resolve to one of them."""
        if not self.any:
            return keys
        return keys | reading.replaced_by(self._store, kind, keys, self._known_at).keys()


Only = Set[Any] | None
"""Which rows are wanted: all of them, or those of some keys or entries."""

_SCANNED = 20_000
"""From so many keys on a table is read whole and what is not wanted left out: one by one costs more."""


def _rows(store: Store, query: Select[Any], column: Any, only: Only) -> list[tuple[Any, ...]]:
    """Return a query's rows: all of them, or those for which a column is one of the values.

    The column must be the first that is asked for.
    """
    if only is None:
        return store.tuples(query)
    if len(only) >= _SCANNED:
        return [row for row in store.tuples(query) if row[0] in only]
    return store.tuples_by(query, column, sorted(only))


@lru_cache(maxsize=65536)
def _day(moment: str) -> int:
    return date.fromisoformat(moment).toordinal()


def _days_first_recorded(store: Store, kind: str, keys: Only) -> dict[str, int]:
    query = select(HISTORY.c.key, HISTORY.c.recorded_at, HISTORY.c.entry).where(
        HISTORY.c.kind == kind
    )
    first: dict[str, tuple[int, str]] = {}
    for key, moment, entry in _rows(store, query, HISTORY.c.key, keys):
        held = first.get(key)
        if held is None or entry < held[0]:
            first[key] = (entry, moment)
    return {key: _day(moment[:10]) for key, (_, moment) in first.items()}


def claims_of(store: Store, names: Names, keys: Only, known_at: Known) -> dict[str, CutClaim]:
    """Return the claims with these keys that stood then, or all, with what they cite and count."""
    table = MIRRORS["claim"]
    columns = "claimant grounds asserted asserted_earliest asserted_latest about"
    columns += " about_earliest about_latest"
    named = (table.c[name] for name in columns.split())
    query = select(table.c.key, table.c.entry, *named).where(standing_at(table, known_at))
    if keys is None or len(keys) >= _SCANNED:
        rows = _rows(store, query.order_by(table.c.entry), table.c.key, keys)
    else:
        live = select(HISTORY.c.entry).where(
            HISTORY.c.kind == "claim",
            HISTORY.c.action.in_(("record", "amend")),
            standing_at(HISTORY, known_at),
        )
        entries = [entry for (entry,) in store.tuples_by(live, HISTORY.c.key, sorted(keys))]
        rows = store.tuples_by(query, table.c.entry, entries)
    recorded = _days_first_recorded(
        store, "claim", None if keys is None else {row[0] for row in rows}
    )
    claimants = {row[1]: tuple(parse(row[2])) for row in rows}
    names.learn("party", {party for listed in claimants.values() for party in listed})
    found = {}
    for key, entry, _, grounds, said, said_first, said_last, about, first, last in rows:
        listed = claimants[entry]
        if names.any or len(listed) > 1:
            listed = tuple(dict.fromkeys(names.of("party", party) for party in listed))
        found[entry] = CutClaim(
            key,
            entry,
            listed,
            grounds,
            (said_first, said_last) if said else None,
            (first, last) if about else None,
            recorded[key],
        )
    entries_only = None if keys is None else found.keys()
    _citations_of(store, names, found, entries_only)
    _figures_of(store, found, entries_only, known_at)
    return {claim.key: claim for claim in found.values()}


def _citations_of(store: Store, names: Names, claims: dict[int, CutClaim], entries: Only) -> None:
    table = MIRRORS["claim_citation"]
    query = select(table.c.entry, table.c.source, table.c.via)
    rows = [row for row in _rows(store, query, table.c.entry, entries) if row[0] in claims]
    names.learn("source", {source for _, source, _ in rows})
    cited: dict[int, list[tuple[str, bool]]] = {}
    for entry, source, via in rows:
        cited.setdefault(entry, []).append((names.of("source", source), bool(via)))
    for entry, listed in cited.items():
        claim = claims[entry]
        claim.sources = tuple(dict.fromkeys([source for source, _ in listed]))
        claim.second_hand = all(via for _, via in listed)


def _figures_of(store: Store, claims: dict[int, CutClaim], entries: Only, known_at: Known) -> None:
    table = MIRRORS["claim_figure"]
    words = reading.vocabulary(store, known_at)
    concept = lru_cache(maxsize=65536)(partial(words.concept, MEASURE))
    query = select(
        table.c.entry, table.c.measure, table.c.unit, table.c.low, table.c.high, table.c.qualifier
    )
    for entry, measure, unit, low, high, qualifier in _rows(store, query, table.c.entry, entries):
        if entry in claims:
            figure = CutFigure(concept(measure), unit, _interval(low, high, qualifier))
            claims[entry].figures += (figure,)


@lru_cache(maxsize=65536)
def _interval(low: str | None, high: str | None, qualifier: str) -> Interval:
    return interval_of(
        None if low is None else Decimal(low), None if high is None else Decimal(high), qualifier
    )


def links_at(
    store: Store, names: Names, kind: str, keys: set[str], known_at: Known
) -> dict[int, CutLink]:
    """Return the links, not silent ones, that begin or end at these claims, or end at these sources."""
    ends = ("from", "to") if kind == "claim" else ("to",)
    query = select(POINTER.c.entry).where(
        POINTER.c.kind == kind, POINTER.c.field.in_(ends), standing_at(POINTER, known_at)
    )
    wanted = sorted(names.others(kind, keys))
    entries = {entry for (entry,) in store.tuples_by(query, POINTER.c.key, wanted)}
    found = links_of(store, names, entries, known_at)
    return {entry: link for entry, link in found.items() if link.type not in SILENT}


def links_of(store: Store, names: Names, entries: Only, known_at: Known) -> dict[int, CutLink]:
    """Return the links that came with these entries and stood then, or all, in order of entry."""
    table, cited = MIRRORS["link"], MIRRORS["link_citation"]
    columns = "entry key type from to_kind to_key basis"
    query = select(*(table.c[name] for name in columns.split()), HISTORY.c.recorded_at).join(
        HISTORY, HISTORY.c.entry == table.c.entry
    )
    query = query.where(standing_at(table, known_at)).order_by(table.c.entry)
    rows = sorted(_rows(store, query, table.c.entry, entries))
    sources: dict[int, list[str]] = {}
    stated = select(cited.c.entry, cited.c.source)
    for entry, source in _rows(store, stated, cited.c.entry, entries):
        sources.setdefault(entry, []).append(source)
    names.learn("claim", {row[3] for row in rows} | {row[5] for row in rows if row[4] == "claim"})
    cited_sources = {source for listed in sources.values() for source in listed}
    names.learn("source", cited_sources | {row[5] for row in rows if row[4] == "source"})
    firsts = _first_entries(store, "link", [row[1] for row in rows], entries is None)
    found = {}
    for entry, key, kind, from_, to_kind, to, basis, moment in rows:
        one, other = names.of("claim", from_), names.of(to_kind, to)
        if to_kind == "claim" and one == other:
            continue  # both ends were merged into one claim
        listed = tuple(names.of("source", source) for source in sources.get(entry, ()))
        found[entry] = CutLink(
            key, entry, kind, one, to_kind, other, basis, _day(moment[:10]), listed,
            firsts.get(key, entry),
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


def surroundings(store: Store, names: Names, cut: Cut, known_at: Known) -> None:
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


def _sources(store: Store, names: Names, keys: set[str], known_at: Known) -> dict[str, CutSource]:
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


def _parties(store: Store, names: Names, keys: set[str], known_at: Known) -> dict[str, CutParty]:
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
