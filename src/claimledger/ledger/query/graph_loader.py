"""Loads graph data, in batches or by whole tables, and resolves replaced keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Set
from datetime import date
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import Select, func, select

from claimledger.ledger.query import records
from claimledger.ledger.query.snapshot import Snapshot
from claimledger.log.canonical_json import parse
from claimledger.log.entry import WRITES_VERSION
from claimledger.records.figure import Interval, interval_of
from claimledger.records.graph_data import (
    ClaimNode,
    FigureNode,
    GraphData,
    LinkEdge,
    PartyNode,
    SourceNode,
)
from claimledger.records.link import LinkType
from claimledger.records.vocabulary import MEASURE
from claimledger.storage.base import Store
from claimledger.storage.compiled import cached_query
from claimledger.storage.tables import HISTORY, MIRRORS, REFERENCE
from claimledger.text.unicode import nfc

IGNORED_LINK_TYPES = (LinkType.ANSWERS, LinkType.SUPPORTS)
"""Link types that no answer depends on."""


class KeyResolver:
    """Resolves replaced keys, and looks up each of them only once."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.any_replaced = records.any_replaced(snapshot.store)
        self._resolved: dict[str, dict[str, str]] = {"claim": {}, "source": {}, "party": {}}

    def look_up(self, kind: str, keys: Iterable[str]) -> None:
        """Look up which of these keys were replaced."""
        if self.any_replaced:
            unknown = set(keys) - self._resolved[kind].keys()
            replaced = records.replacements(self._snapshot, kind, unknown)
            self._resolved[kind] |= {key: replaced.get(key, key) for key in unknown}

    def resolve(self, kind: str, key: str) -> str:
        """Return the key that a key resolves to; a key that was not looked up resolves to itself."""
        return self._resolved[kind].get(key, key)

    def with_replaced(self, kind: str, keys: set[str]) -> set[str]:
        """Return these keys and all that resolve to one of them."""
        if not self.any_replaced:
            return keys
        return keys | records.replaced_keys(self._snapshot, kind, keys).keys()


Values = Set[Any] | None
"""The values of a column that select rows; ``None`` selects all rows."""

_SCAN_FROM = 20_000
"""Above this many keys, scan the table and filter in Python; lookups by key are slower."""


def _rows(store: Store, query: Select[Any], column: Any, values: Values) -> list[tuple[Any, ...]]:
    """Return the rows in which ``column``, the first of the query, has one of the values."""
    if values is None:
        return store.tuples(query)
    if len(values) >= _SCAN_FROM:
        return [row for row in store.tuples(query) if row[0] in values]
    return store.select_in(query, column, sorted(values))


@lru_cache(maxsize=65536)
def _day(moment: str) -> int:
    return date.fromisoformat(moment).toordinal()


@cached_query
def _moments(kind: str) -> Select[Any]:
    query = select(HISTORY.c.key, HISTORY.c.recorded_at, HISTORY.c.entry)
    return query.where(HISTORY.c.kind == kind)


def _days_first_recorded(store: Store, kind: str, keys: Values) -> dict[str, int]:
    first: dict[str, tuple[int, str]] = {}
    for key, moment, entry in _rows(store, _moments(kind), HISTORY.c.key, keys):
        earliest = first.get(key)
        if earliest is None or entry < earliest[0]:
            first[key] = (entry, moment)
    return {key: _day(moment[:10]) for key, (_, moment) in first.items()}


@cached_query
def _live_entries(kind: str) -> Select[Any]:
    is_version = HISTORY.c.action.in_(WRITES_VERSION)
    return select(HISTORY.c.entry).where(HISTORY.c.kind == kind, is_version)


def _rows_by_key(
    snapshot: Snapshot, kind: str, query: Select[Any], keys: Values
) -> list[tuple[Any, ...]]:
    """Return the live rows of a kind's table with some keys; ``query`` selects the key first."""
    # The table of a kind has no index on keys, but history has one. So a few keys are turned into entries
    # there first; for many keys, one scan of the table is faster than both steps.
    table = MIRRORS[kind]
    query = snapshot.live(query, table)
    if keys is None or len(keys) >= _SCAN_FROM:
        return _rows(snapshot.store, query, table.c.key, keys)
    live = snapshot.live(_live_entries(kind), HISTORY)
    entries = snapshot.store.select_in(live, HISTORY.c.key, sorted(keys))
    return snapshot.store.select_in(query, table.c.entry, [entry for (entry,) in entries])


def _columns(table: str, names: str) -> Select[Any]:
    return select(*(MIRRORS[table].c[name] for name in names.split()))


_CLAIMS = _columns(
    "claim",
    "key entry claimant grounds asserted asserted_earliest asserted_latest "
    "about about_earliest about_latest",
).order_by(MIRRORS["claim"].c.entry)
_CITATIONS = _columns("claim_citation", "entry source via")
_FIGURES = _columns("claim_figure", "entry measure unit low high qualifier")


def load_claims(snapshot: Snapshot, keys: KeyResolver, only: Values) -> dict[str, ClaimNode]:
    """Return the live claims with the ``only`` keys, by key, with their citations and figures.

    Replaced keys in them are resolved.
    """
    # A ledger can have a million claims, so this reads the columns that it needs in a few queries and builds
    # no records. ``recorded`` is the day of the first version, not of the live one: an amendment must not
    # make a claim look as if it became known later.
    rows = _rows_by_key(snapshot, "claim", _CLAIMS, only)
    first_days = _days_first_recorded(
        snapshot.store, "claim", None if only is None else {row[0] for row in rows}
    )
    claimants_at = {row[1]: tuple(parse(row[2])) for row in rows}
    keys.look_up("party", {party for parties in claimants_at.values() for party in parties})
    claims = {}
    for key, entry, _, grounds, asserted, said_first, said_last, about, first, last in rows:
        claimants = claimants_at[entry]
        if keys.any_replaced or len(claimants) > 1:
            claimants = tuple(dict.fromkeys(keys.resolve("party", party) for party in claimants))
        claims[entry] = ClaimNode(
            key=key,
            entry=entry,
            claimants=claimants,
            grounds=grounds,
            asserted=(said_first, said_last) if asserted else None,
            about=(first, last) if about else None,
            recorded=first_days[key],
        )
    entries = None if only is None else claims.keys()
    _add_citations(snapshot, keys, claims, entries)
    _add_figures(snapshot, claims, entries)
    return {claim.key: claim for claim in claims.values()}


def _add_citations(
    snapshot: Snapshot, keys: KeyResolver, claims: dict[int, ClaimNode], entries: Values
) -> None:
    column = MIRRORS["claim_citation"].c.entry
    rows = [row for row in _rows(snapshot.store, _CITATIONS, column, entries) if row[0] in claims]
    keys.look_up("source", {source for _, source, _ in rows})
    citations: dict[int, list[tuple[str, bool]]] = {}
    for entry, source, via in rows:
        citations.setdefault(entry, []).append((keys.resolve("source", source), bool(via)))
    for entry, cited in citations.items():
        claim = claims[entry]
        claim.sources = tuple(dict.fromkeys([source for source, _ in cited]))
        claim.second_hand = all(via for _, via in cited)


def _add_figures(snapshot: Snapshot, claims: dict[int, ClaimNode], entries: Values) -> None:
    column = MIRRORS["claim_figure"].c.entry
    vocabulary = records.vocabulary(snapshot)
    concept = lru_cache(maxsize=65536)(partial(vocabulary.concept, MEASURE))
    figures: dict[int, list[FigureNode]] = defaultdict(list)
    rows = _rows(snapshot.store, _FIGURES, column, entries)
    for entry, measure, unit, low, high, qualifier in rows:
        if entry in claims:
            figure = FigureNode(concept(measure), unit, _interval(low, high, qualifier))
            figures[entry].append(figure)
    for entry, of_claim in figures.items():
        claims[entry].figures = tuple(of_claim)


@lru_cache(maxsize=65536)
def _interval(low: str | None, high: str | None, qualifier: str) -> Interval:
    return interval_of(
        None if low is None else Decimal(low), None if high is None else Decimal(high), qualifier
    )


@cached_query
def _link_ends(kind: str) -> Select[Any]:
    fields = ("from", "to") if kind == "claim" else ("to",)
    is_end = REFERENCE.c.field.in_(fields)
    return select(REFERENCE.c.entry).where(REFERENCE.c.kind == kind, is_end)


def load_links_at(
    snapshot: Snapshot, keys: KeyResolver, kind: str, ends: set[str]
) -> dict[int, LinkEdge]:
    """Return the live links that start or end at these claims, or end at these sources, by entry.

    Links on which no answer depends (see ``IGNORED_LINK_TYPES``) are left out.
    """
    query = snapshot.live(_link_ends(kind), REFERENCE)
    all_ends = sorted(keys.with_replaced(kind, ends))
    rows = snapshot.store.select_in(query, REFERENCE.c.key, all_ends)
    links = load_links(snapshot, keys, {entry for (entry,) in rows})
    return {entry: link for entry, link in links.items() if link.type not in IGNORED_LINK_TYPES}


_LINK_CITATIONS = _columns("link_citation", "entry source")
_LINKS = (
    _columns("link", "entry key type from to_kind to_key basis")
    .add_columns(HISTORY.c.recorded_at)
    .join(HISTORY, HISTORY.c.entry == MIRRORS["link"].c.entry)
    .order_by(MIRRORS["link"].c.entry)
)


def load_links(snapshot: Snapshot, keys: KeyResolver, entries: Values) -> dict[int, LinkEdge]:
    """Return the live links that these entries recorded, by entry and in order of entry."""
    table, citations = MIRRORS["link"], MIRRORS["link_citation"]
    store = snapshot.store
    rows = sorted(_rows(store, snapshot.live(_LINKS, table), table.c.entry, entries))
    sources_at: dict[int, list[str]] = {}
    for entry, source in _rows(store, _LINK_CITATIONS, citations.c.entry, entries):
        sources_at.setdefault(entry, []).append(source)
    keys.look_up("claim", {row[3] for row in rows} | {row[5] for row in rows if row[4] == "claim"})
    cited = {source for sources in sources_at.values() for source in sources}
    keys.look_up("source", cited | {row[5] for row in rows if row[4] == "source"})
    firsts = _first_entries(store, "link", [row[1] for row in rows], entries is None)
    links = {}
    for entry, key, link_type, from_key, to_kind, to_key, basis, moment in rows:
        from_, to = keys.resolve("claim", from_key), keys.resolve(to_kind, to_key)
        if to_kind == "claim" and from_ == to:
            continue  # both ends were merged into one claim
        sources = tuple(keys.resolve("source", source) for source in sources_at.get(entry, ()))
        links[entry] = LinkEdge(
            key=key,
            entry=entry,
            type=link_type,
            from_=from_,
            to_kind=to_kind,
            to=to,
            basis=basis,
            recorded=_day(moment[:10]),
            sources=sources,
            first=firsts.get(key, entry),
        )
    return links


def _first_entries(store: Store, kind: str, keys: list[str], all_keys: bool) -> dict[str, int]:
    """Return the entries that first recorded these records; with ``all_keys``, only for amended records."""
    if all_keys:
        # Few records are amended, so only these are looked up; the entry of any other record is its first.
        table = MIRRORS[kind]
        ended = select(table.c.key).where(table.c.ended_by.is_not(None))
        keys = [key for (key,) in store.tuples(ended)]
    return dict(store.select_in(_firsts(kind), HISTORY.c.key, dict.fromkeys(keys)))


@cached_query
def _firsts(kind: str) -> Select[Any]:
    query = select(HISTORY.c.key, func.min(HISTORY.c.entry)).where(HISTORY.c.kind == kind)
    return query.group_by(HISTORY.c.key)


def add_sources_and_parties(snapshot: Snapshot, keys: KeyResolver, graph: GraphData) -> None:
    """Add the sources that claims and links cite or criticise, and all parties with those above them."""
    sources = {source for claim in graph.claims.values() for source in claim.sources}
    sources |= {source for link in graph.links for source in link.sources}
    sources |= {link.to for link in graph.links if link.to_kind == "source"}
    graph.sources = _load_sources(snapshot, keys, sources)
    parties = {party for claim in graph.claims.values() for party in claim.claimants}
    parties |= {source.publisher for source in graph.sources.values() if source.publisher}
    while parties:
        loaded = _load_parties(snapshot, keys, parties)
        graph.parties |= loaded
        parties = {party.part_of for party in loaded.values() if party.part_of}
        parties -= graph.parties.keys()


_ANY_CAPTURE = select(MIRRORS["capture"].c.entry).limit(1)
_SOURCES = _columns(
    "source", "key publisher authors published published_latest accessed_latest removed"
)
_CAPTURES = (
    select(REFERENCE.c.key, MIRRORS["capture"].c.captured_at_latest)
    .join(MIRRORS["capture"], MIRRORS["capture"].c.entry == REFERENCE.c.entry)
    .where(REFERENCE.c.kind == "source", REFERENCE.c.field == "source")
)
_PARTIES = _columns("party", "key name aliases type part_of")


def _load_sources(snapshot: Snapshot, keys: KeyResolver, only: set[str]) -> dict[str, SourceNode]:
    rows = _rows_by_key(snapshot, "source", _SOURCES, only)
    keys.look_up("party", {publisher for _, publisher, *_ in rows if publisher})
    sources = {}
    for key, publisher, authors, published, published_latest, accessed_latest, removed in rows:
        sources[key] = SourceNode(
            key=key,
            publisher=keys.resolve("party", publisher) if publisher else None,
            authors=tuple(nfc(author) for author in parse(authors)) if authors else (),
            days=[day for day in (published_latest, accessed_latest) if day is not None],
            dated=published is not None,
            removed=removed is not None,
        )
    if snapshot.store.value(_ANY_CAPTURE) is not None:
        query = snapshot.live(_CAPTURES, MIRRORS["capture"])
        captured = keys.with_replaced("source", only)
        captures = _rows(snapshot.store, query, REFERENCE.c.key, captured)
        keys.look_up("source", {source for source, _ in captures})
        for source_key, day in captures:
            if source := sources.get(keys.resolve("source", source_key)):
                source.captured = True
                if day is not None:
                    source.days.append(day)
    return sources


def _load_parties(snapshot: Snapshot, keys: KeyResolver, only: set[str]) -> dict[str, PartyNode]:
    rows = _rows_by_key(snapshot, "party", _PARTIES, only)
    keys.look_up("party", {part_of for *_, part_of in rows if part_of})
    return {
        key: PartyNode(
            key=key,
            names=frozenset(
                nfc(name) for name in (key, name, *(parse(aliases) if aliases else ()))
            ),
            type=kind,
            part_of=keys.resolve("party", part_of) if part_of else None,
        )
        for key, name, aliases, kind, part_of in rows
    }
