"""The claims and links of a view as a networkx graph, for analyses of your own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from claimledger.records.dates import day_text
from claimledger.records.link import RELATIONS

if TYPE_CHECKING:
    import networkx as nx

    from claimledger.ledger import LedgerView


def to_networkx(view: LedgerView, keys: Iterable[str] | None = None) -> nx.MultiDiGraph[str]:
    """Return the claims in view and the links between them.

    A node is a claim, by key, with ``kind`` (``claim``), ``claimants`` and ``sources`` (tuples of keys),
    ``known_by`` (a day, such as ``2022-10-31``), and ``standing``; or a criticised source, ``source:KEY``,
    with ``kind`` (``source``). An edge is a link, by key, with ``type``, ``family`` and ``basis``. ``keys``
    limits the graph to the claims whose links can affect these; without it the graph has every claim that
    has a link.

    >>> graph = to_networkx(ledger.at(as_of="2022"))  # doctest: +SKIP
    >>> networkx.ego_graph(graph, "rfa-54", radius=2, undirected=True)  # doctest: +SKIP
    """
    import networkx as nx

    analysis = view.linked_analysis() if keys is None else view.analysis(list(keys))
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for key, claim in analysis.graph.claims.items():
        graph.add_node(
            key,
            kind="claim",
            claimants=claim.claimants,
            sources=claim.sources,
            known_by=day_text(analysis.graph.known_by[key]),
            standing=str(analysis.standing(key)),
        )
    for link in analysis.graph.links:
        to = link.to
        if link.to_kind == "source":
            to = f"source:{link.to}"
            graph.add_node(to, kind="source")
        family = RELATIONS[link.type].family
        graph.add_edge(
            link.from_, to, key=link.key, type=link.type, family=str(family), basis=link.basis
        )
    return graph
