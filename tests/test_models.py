"""``claimledger.models`` and ``to_networkx``: a ledger's tables as SQLModel classes, its claims as a graph."""

from __future__ import annotations

import networkx as nx
import pytest
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from builders import case, record_all
from claimledger import models, to_networkx
from claimledger.errors import StoreError
from claimledger.ledger import Ledger, LedgerLocation
from claimledger.records.kinds import KINDS
from claimledger.storage.tables import VIEWS


@pytest.fixture
def disputed(ledger: Ledger) -> Ledger:
    """``a`` and ``b`` contradict each other, ``c`` criticises the source of all, ``d`` has no link."""
    record_all(ledger, case(["a: one", "b: two", "c: three", "d: four"],
                            ["a contradicts b", "c undercuts @a-page"]))  # fmt: skip
    return ledger


def test_every_view_has_a_class_with_its_columns() -> None:
    assert models.BY_TABLE.keys() == VIEWS.keys()
    for name, table in VIEWS.items():
        columns = [column.name for column in models.BY_TABLE[name].__table__.columns]
        assert columns == [column.name for column in table.columns]


def test_a_session_reads_what_the_ledger_reads(disputed: Ledger) -> None:
    size = disputed.head().size
    disputed.amend("claim", "d", {"note": "n"}, by="T", reason="r")
    disputed.withdraw("claim", "d", by="T", reason="r")
    for known_at in (None, size):
        view = disputed.at(known_at=known_at)
        with view.session() as session:
            for kind in KINDS:
                rows = session.exec(models.live(session, models.BY_TABLE[kind])).all()
                assert sorted(row.key for row in rows) == sorted(view.keys(kind))
                assert models.count_live(session, models.BY_TABLE[kind]) == len(rows)
    with disputed.session() as session:
        link = session.exec(select(models.Link).where(models.Link.to_kind == "source")).one()
        assert (link.from_, link.to_key) == ("c", "a-page")


def test_a_session_writes_nothing(ledger: Ledger, path: LedgerLocation) -> None:
    record_all(ledger, case(["a: one"]))
    before = ledger.head()
    with ledger.session() as session:
        session.add(models.Review(entry=1, key="r", claim="a", ended_by=None))
        with pytest.raises(DBAPIError, match=r"readonly|read-only"):
            session.commit()
    with pytest.raises(StoreError, match="inside a transaction"):
        ledger.transaction(lambda: ledger.session().__enter__())
    with pytest.raises(StoreError, match="as_of"):
        ledger.at(as_of="2022").session().__enter__()
    # The ledger itself can still write.
    record_all(ledger, case(["b: two"]))
    assert ledger.head().size > before.size
    with Ledger.open(path) as reader:
        assert reader.verify().clean


def test_the_graph_has_the_claims_and_the_links(disputed: Ledger) -> None:
    """a -contradicts- b;  c -undercuts-> source a-page;  nothing links d."""
    graph = to_networkx(disputed)
    assert {key: graph.nodes[key]["kind"] for key in graph} == {
        "a": "claim", "b": "claim", "c": "claim", "source:a-page": "source",
    }  # fmt: skip
    edges = {(from_, to): attributes["type"] for from_, to, attributes in graph.edges(data=True)}
    assert edges == {("a", "b"): "contradicts", ("c", "source:a-page"): "undercuts"}
    assert graph.nodes["a"]["standing"] == "contested"
    assert set(nx.ego_graph(graph, "a", undirected=True)) == {"a", "b"}
    only = to_networkx(disputed, ["a"])
    assert only.nodes["a"] == graph.nodes["a"]
