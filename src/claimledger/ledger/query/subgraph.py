"""Loads the part of the ledger on which answers about some claims depend, level by level.

An answer about a claim depends on the claims with which it is linked in either direction, directly or
through others, and on the critics of the sources that they cite; not on claims that only cite the same
source or have the same claimant. Each level takes a few batched queries, so the cost depends on the size of
the part and not on that of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from claimledger.ledger.query.graph_loader import (
    IGNORED_LINK_TYPES,
    KeyResolver,
    add_sources_and_parties,
    load_claims,
    load_links,
    load_links_at,
)
from claimledger.ledger.query.snapshot import Snapshot
from claimledger.records.graph_data import GraphData, LinkEdge
from claimledger.storage.tables import HISTORY, REFERENCE


def neighbourhood(snapshot: Snapshot, keys: Iterable[str]) -> GraphData:
    """Return the graph data on which answers about these claims depend."""
    graph = GraphData()
    resolver = KeyResolver(snapshot)
    links: dict[int, LinkEdge] = {}
    frontier = set(keys)
    criticised: set[str] = set()
    while frontier:
        graph.claims |= load_claims(snapshot, resolver, frontier)
        sources = {
            source
            for key in frontier
            if key in graph.claims
            for source in graph.claims[key].sources
        }
        step = load_links_at(snapshot, resolver, "claim", frontier)
        # A source leads to its critics, but not to the other claims that cite it: a much cited source would
        # otherwise pull in half of the ledger, and no answer about these claims depends on those.
        step |= load_links_at(snapshot, resolver, "source", sources - criticised)
        criticised |= sources
        links |= step
        ends = {link.from_ for link in step.values()}
        ends |= {link.to for link in step.values() if link.to_kind == "claim"}
        # A key of the last level that was not found is not asked for again: the links of a withdrawn claim
        # would otherwise keep the loop running forever.
        frontier = ends - graph.claims.keys() - frontier
    graph.links = [links[entry] for entry in sorted(links)]
    add_sources_and_parties(snapshot, resolver, graph)
    return graph


def whole_graph(snapshot: Snapshot) -> GraphData:
    """Return the graph data of the whole ledger."""
    graph = GraphData()
    resolver = KeyResolver(snapshot)
    graph.claims = load_claims(snapshot, resolver, None)
    graph.links = list(load_links(snapshot, resolver, None).values())
    add_sources_and_parties(snapshot, resolver, graph)
    return graph


def links_only(snapshot: Snapshot, entries: Iterable[int]) -> GraphData:
    """Return the links that these entries recorded and the sources that state them; no claims."""
    graph = GraphData()
    resolver = KeyResolver(snapshot)
    graph.links = list(load_links(snapshot, resolver, set(entries)).values())
    add_sources_and_parties(snapshot, resolver, graph)
    return graph


def linked_graph(snapshot: Snapshot) -> GraphData:
    """Return the graph data of the claims with links that matter, and of those that cite a criticised source.

    Every other claim has at most one origin, and no claim disputes it.
    """
    graph = GraphData()
    resolver = KeyResolver(snapshot)
    links = load_links(snapshot, resolver, None).values()
    graph.links = [link for link in links if link.type not in IGNORED_LINK_TYPES]
    keys = {link.from_ for link in graph.links}
    keys |= {link.to for link in graph.links if link.to_kind == "claim"}
    criticised = {link.to for link in graph.links if link.to_kind == "source"}
    keys |= _claims_citing(snapshot, resolver, criticised)
    graph.claims = load_claims(snapshot, resolver, keys)
    add_sources_and_parties(snapshot, resolver, graph)
    return graph


_CLAIMS_CITING = (
    select(HISTORY.c.key)
    .select_from(REFERENCE.join(HISTORY, REFERENCE.c.entry == HISTORY.c.entry))
    .where(
        REFERENCE.c.kind == "source",
        REFERENCE.c.field == "citations.source",
        HISTORY.c.kind == "claim",
    )
)


def _claims_citing(snapshot: Snapshot, resolver: KeyResolver, sources: set[str]) -> set[str]:
    query = snapshot.live(_CLAIMS_CITING, REFERENCE)
    cited = sorted(resolver.with_replaced("source", sources))
    return {key for (key,) in snapshot.store.select_in(query, REFERENCE.c.key, cited)}
