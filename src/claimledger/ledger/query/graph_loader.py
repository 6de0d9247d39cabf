"""Loading what a part of the ledger is made of, in batches or whole tables, replaced keys resolved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Set
from datetime import date
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import Select, func, select

from claimledger.ledger.query import records as reading
from claimledger.ledger.query.time_travel import Known, standing_at
from claimledger.log.canonical_json import parse
from claimledger.records.figure import Interval, interval_of
from claimledger.records.graph_data import (
    ClaimNode,
    FigureNode,
    GraphData,
    LinkEdge,
    PartyNode,
    SourceNode,
)
from claimledger.records.vocabulary import MEASURE
from claimledger.storage.base import Store
from claimledger.storage.compiled import kept
from claimledger.storage.tables import HISTORY, MIRRORS, REFERENCE
from claimledger.text.unicode import nfc

SILENT = ("answers", "supports")
"""Link types on which no answer depends."""


class ResolvedNames:
    """Resolves keys that were replaced, learning of them as they come up."""

    def __init__(self, store: Store, known_at: Known) -> None:
        self._store = store
        self._known_at = known_at
        self.any = reading.any_replaced(store)
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
    return store.select_in(query, column, sorted(only))


@lru_cache(maxsize=65536)
def _day(moment: str) -> int:
    return date.fromisoformat(moment).toordinal()


@kept
def _moments(kind: str) -> Select[Any]:
    query = select(HISTORY.c.key, HISTORY.c.recorded_at, HISTORY.c.entry)
    return query.where(HISTORY.c.kind == kind)


def _days_first_recorded(store: Store, kind: str, keys: Only) -> dict[str, int]:
    first: dict[str, tuple[int, str]] = {}
    for key, moment, entry in _rows(store, _moments(kind), HISTORY.c.key, keys):
        held = first.get(key)
        if held is None or entry < held[0]:
            first[key] = (entry, moment)
    return {key: _day(moment[:10]) for key, (_, moment) in first.items()}


@kept
def _claims(known_at: Known) -> Select[Any]:
    columns = "key entry claimant grounds asserted asserted_earliest asserted_latest about"
    columns += " about_earliest about_latest"
    table = MIRRORS["claim"]
    return _columns("claim", columns).where(standing_at(table, known_at)).order_by(table.c.entry)


@kept
def _live(kind: str, known_at: Known) -> Select[Any]:
    here = (HISTORY.c.kind == kind, HISTORY.c.action.in_(("record", "amend")))
    return select(HISTORY.c.entry).where(*here, standing_at(HISTORY, known_at))


def _with_keys(
    store: Store, kind: str, query: Select[Any], keys: Only, known_at: Known
) -> list[tuple[Any, ...]]:
    """Return a query's rows of a kind's table: all, or those with some keys, which history has an index of.

    The key must be the first column that is asked for.
    """
    table = MIRRORS[kind]
    if keys is None or len(keys) >= _SCANNED:
        return _rows(store, query, table.c.key, keys)
    live = store.select_in(_live(kind, known_at), HISTORY.c.key, sorted(keys))
    return store.select_in(query, table.c.entry, [entry for (entry,) in live])


def _columns(table: str, names: str) -> Select[Any]:
    return select(*(MIRRORS[table].c[name] for name in names.split()))


def claims_of(
    store: Store, names: ResolvedNames, keys: Only, known_at: Known
) -> dict[str, ClaimNode]:
    """Return the claims with these keys that stood then, or all, with what they cite and count."""
    rows = _with_keys(store, "claim", _claims(known_at), keys, known_at)
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
        found[entry] = ClaimNode(
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


_CITATIONS = _columns("claim_citation", "entry source via")
_FIGURES = _columns("claim_figure", "entry measure unit low high qualifier")


def _citations_of(
    store: Store, names: ResolvedNames, claims: dict[int, ClaimNode], entries: Only
) -> None:
    column = MIRRORS["claim_citation"].c.entry
    rows = [row for row in _rows(store, _CITATIONS, column, entries) if row[0] in claims]
    names.learn("source", {source for _, source, _ in rows})
    cited: dict[int, list[tuple[str, bool]]] = {}
    for entry, source, via in rows:
        cited.setdefault(entry, []).append((names.of("source", source), bool(via)))
    for entry, listed in cited.items():
        claim = claims[entry]
        claim.sources = tuple(dict.fromkeys([source for source, _ in listed]))
        claim.second_hand = all(via for _, via in listed)


def _figures_of(store: Store, claims: dict[int, ClaimNode], entries: Only, known_at: Known) -> None:
    column = MIRRORS["claim_figure"].c.entry
    words = reading.vocabulary(store, known_at)
    concept = lru_cache(maxsize=65536)(partial(words.concept, MEASURE))
    figures: dict[int, list[FigureNode]] = defaultdict(list)
    for entry, measure, unit, low, high, qualifier in _rows(store, _FIGURES, column, entries):
        if entry in claims:
            figure = FigureNode(concept(measure), unit, _interval(low, high, qualifier))
            figures[entry].append(figure)
    for entry, found in figures.items():
        claims[entry].figures = tuple(found)


@lru_cache(maxsize=65536)
def _interval(low: str | None, high: str | None, qualifier: str) -> Interval:
    return interval_of(
        None if low is None else Decimal(low), None if high is None else Decimal(high), qualifier
    )


@kept
def _ends(kind: str, known_at: Known) -> Select[Any]:
    ends = ("from", "to") if kind == "claim" else ("to",)
    here = (REFERENCE.c.kind == kind, REFERENCE.c.field.in_(ends))
    return select(REFERENCE.c.entry).where(*here, standing_at(REFERENCE, known_at))


def links_at(
    store: Store, names: ResolvedNames, kind: str, keys: set[str], known_at: Known
) -> dict[int, LinkEdge]:
    """Return the links, not silent ones, that begin or end at these claims, or end at these sources."""
    wanted = sorted(names.others(kind, keys))
    entries = {
        entry for (entry,) in store.select_in(_ends(kind, known_at), REFERENCE.c.key, wanted)
    }
    found = links_of(store, names, entries, known_at)
    return {entry: link for entry, link in found.items() if link.type not in SILENT}


_STATED = _columns("link_citation", "entry source")


@kept
def _links(known_at: Known) -> Select[Any]:
    table = MIRRORS["link"]
    query = _columns("link", "entry key type from to_kind to_key basis")
    query = query.add_columns(HISTORY.c.recorded_at).join(HISTORY, HISTORY.c.entry == table.c.entry)
    return query.where(standing_at(table, known_at)).order_by(table.c.entry)


def links_of(
    store: Store, names: ResolvedNames, entries: Only, known_at: Known
) -> dict[int, LinkEdge]:
    """Return the links that came with these entries and stood then, or all, in order of entry."""
    table, cited = MIRRORS["link"], MIRRORS["link_citation"]
    rows = sorted(_rows(store, _links(known_at), table.c.entry, entries))
    sources: dict[int, list[str]] = {}
    for entry, source in _rows(store, _STATED, cited.c.entry, entries):
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
        found[entry] = LinkEdge(
            key, entry, kind, one, to_kind, other, basis, _day(moment[:10]), listed,
            firsts.get(key, entry),
        )  # fmt: skip
    return found


def _first_entries(store: Store, kind: str, keys: list[str], every: bool) -> dict[str, int]:
    """Return the entries with which amended records were first recorded."""
    if every:
        # Only few of all were amended: these are looked up, the others' versions are their first.
        table = MIRRORS[kind]
        ended = select(table.c.key).where(table.c.until.is_not(None))
        keys = [key for (key,) in store.tuples(ended)]
    return dict(store.select_in(_firsts(kind), HISTORY.c.key, dict.fromkeys(keys)))


@kept
def _firsts(kind: str) -> Select[Any]:
    query = select(HISTORY.c.key, func.min(HISTORY.c.entry)).where(HISTORY.c.kind == kind)
    return query.group_by(HISTORY.c.key)


def surroundings(store: Store, names: ResolvedNames, cut: GraphData, known_at: Known) -> None:
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


_ANY_CAPTURE = select(MIRRORS["capture"].c.entry).limit(1)


@kept
def _cited(known_at: Known) -> Select[Any]:
    columns = "key publisher authors published published_latest accessed_latest removed"
    return _columns("source", columns).where(standing_at(MIRRORS["source"], known_at))


@kept
def _captures(known_at: Known) -> Select[Any]:
    table = MIRRORS["capture"]
    query = select(REFERENCE.c.key, table.c.captured_at_latest)
    query = query.join(table, table.c.entry == REFERENCE.c.entry)
    here = (REFERENCE.c.kind == "source", REFERENCE.c.field == "source")
    return query.where(*here, standing_at(table, known_at))


@kept
def _named_parties(known_at: Known) -> Select[Any]:
    columns = _columns("party", "key name aliases type part_of")
    return columns.where(standing_at(MIRRORS["party"], known_at))


def _sources(
    store: Store, names: ResolvedNames, keys: set[str], known_at: Known
) -> dict[str, SourceNode]:
    rows = _with_keys(store, "source", _cited(known_at), keys, known_at)
    names.learn("party", {publisher for _, publisher, *_ in rows if publisher})
    found = {}
    for key, publisher, authors, published, published_latest, accessed_latest, removed in rows:
        found[key] = SourceNode(
            key,
            names.of("party", publisher) if publisher else None,
            tuple(nfc(author) for author in parse(authors)) if authors else (),
            [day for day in (published_latest, accessed_latest) if day is not None],
            published is not None,
            removed is not None,
        )
    if store.value(_ANY_CAPTURE) is not None:
        wanted = names.others("source", keys)
        captures = _rows(store, _captures(known_at), REFERENCE.c.key, wanted)
        names.learn("source", {source for source, _ in captures})
        for source, day in captures:
            if held := found.get(names.of("source", source)):
                held.captured = True
                if day is not None:
                    held.days.append(day)
    return found


def _parties(
    store: Store, names: ResolvedNames, keys: set[str], known_at: Known
) -> dict[str, PartyNode]:
    rows = _with_keys(store, "party", _named_parties(known_at), keys, known_at)
    names.learn("party", {above for *_, above in rows if above})
    return {
        key: PartyNode(
            key,
            frozenset(nfc(each) for each in (key, name, *(parse(aliases) if aliases else ()))),
            kind,
            names.of("party", above) if above else None,
        )
        for key, name, aliases, kind, above in rows
    }
