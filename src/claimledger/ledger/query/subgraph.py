"""The part of the ledger that answers about some claims depend on, cut out level by level.

An answer about a claim depends on the claims it is linked with in either direction, near and far, and
on the critics of the sources they cite; not on other claims that merely cite the same source or are
made by the same party. Everything is asked in batches with ``IN``, so that the cost is that of the
part and not of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, select

from claimledger.ledger.query.graph_loader import (
    SILENT,
    ResolvedNames,
    claims_of,
    links_at,
    links_of,
    surroundings,
)
from claimledger.ledger.query.time_travel import Known, standing_at
from claimledger.records.graph_data import GraphData, LinkEdge
from claimledger.storage.base import Store
from claimledger.storage.compiled import kept
from claimledger.storage.tables import HISTORY, REFERENCE


def neighbourhood(store: Store, keys: Iterable[str], known_at: Known = None) -> GraphData:
    """Return the part of the ledger that answers about these claims depend on."""
    cut = GraphData()
    names = ResolvedNames(store, known_at)
    links: dict[int, LinkEdge] = {}
    ask = set(keys)
    criticised: set[str] = set()
    while ask:
        cut.claims |= claims_of(store, names, ask, known_at)
        sources = {source for key in ask if key in cut.claims for source in cut.claims[key].sources}
        found = links_at(store, names, "claim", ask, known_at)
        found |= links_at(store, names, "source", sources - criticised, known_at)
        criticised |= sources
        links |= found
        ends = {link.from_ for link in found.values()}
        ends |= {link.to for link in found.values() if link.to_kind == "claim"}
        ask = ends - cut.claims.keys() - ask
    cut.links = [links[entry] for entry in sorted(links)]
    surroundings(store, names, cut, known_at)
    return cut


def whole(store: Store, known_at: Known = None) -> GraphData:
    """Return the whole ledger as one part."""
    cut = GraphData()
    names = ResolvedNames(store, known_at)
    cut.claims = claims_of(store, names, None, known_at)
    cut.links = list(links_of(store, names, None, known_at).values())
    surroundings(store, names, cut, known_at)
    return cut


def some_links(store: Store, entries: Iterable[int], known_at: Known = None) -> GraphData:
    """Return the links that came with these entries, and the sources that state them; no claims."""
    cut = GraphData()
    names = ResolvedNames(store, known_at)
    cut.links = list(links_of(store, names, set(entries), known_at).values())
    surroundings(store, names, cut, known_at)
    return cut


def linked(store: Store, known_at: Known = None) -> GraphData:
    """Return the claims that have links on which answers depend, and those that cite a criticised source.

    Every other claim stands alone: one origin at most, nothing against it.
    """
    cut = GraphData()
    names = ResolvedNames(store, known_at)
    every = links_of(store, names, None, known_at).values()
    cut.links = [link for link in every if link.type not in SILENT]
    keys = {link.from_ for link in cut.links}
    keys |= {link.to for link in cut.links if link.to_kind == "claim"}
    criticised = {link.to for link in cut.links if link.to_kind == "source"}
    keys |= _citing(store, names, criticised, known_at)
    cut.claims = claims_of(store, names, keys, known_at)
    surroundings(store, names, cut, known_at)
    return cut


def _citing(store: Store, names: ResolvedNames, sources: set[str], known_at: Known) -> set[str]:
    """Return the claims that cite these sources."""
    wanted = sorted(names.others("source", sources))
    return {key for (key,) in store.select_in(_of_sources(known_at), REFERENCE.c.key, wanted)}


@kept
def _of_sources(known_at: Known) -> Select[Any]:
    joined = REFERENCE.join(HISTORY, REFERENCE.c.entry == HISTORY.c.entry)
    cites = (REFERENCE.c.kind == "source", REFERENCE.c.field == "citations.source")
    query = select(HISTORY.c.key).select_from(joined).where(*cites, HISTORY.c.kind == "claim")
    return query.where(standing_at(REFERENCE, known_at))
