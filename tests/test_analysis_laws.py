"""Laws of the analysis, checked as properties of random small graphs (``docs/semantics.md``)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.graph import graph_of
from claimledger.records.graph_data import ClaimNode, GraphData, LinkEdge, PartyNode, SourceNode

pytestmark = pytest.mark.at_random

TYPES = "contradicts undercuts corroborates repeats derives_from updates retracts".split()
GROUNDS = [None, "observed", "unstated"]


@st.composite
def graphs(draw: st.DrawFn, types: list[str] = TYPES, max_claims: int = 8) -> GraphData:
    """Draw a small graph of claims, links, sources and parties."""
    size = draw(st.integers(1, max_claims))
    keys = [f"c{n}" for n in range(size)]
    parties = {
        f"p{n}": PartyNode(f"p{n}", frozenset({f"p{n}"}), draw(st.sampled_from([None, "group"])),
                          "p0" if n and draw(st.booleans()) else None)
        for n in range(4)
    }  # fmt: skip
    sources = {
        f"s{n}": SourceNode(f"s{n}", draw(st.sampled_from([None, *parties])), (), [], False, False)
        for n in range(4)
    }
    claims = {
        key: ClaimNode(
            key, n, (draw(st.sampled_from(sorted(parties))),), draw(st.sampled_from(GROUNDS)),
            None, None, 700_000,
            sources=tuple(draw(st.lists(st.sampled_from(sorted(sources)), min_size=1, max_size=2,
                                        unique=True))),
        )
        for n, key in enumerate(keys)
    }  # fmt: skip
    links = []
    for n in range(draw(st.integers(0, 2 * size)) if size > 1 else 0):
        left, right = draw(st.permutations(keys))[:2]
        kind = draw(st.sampled_from(types))
        if kind in ("updates", "retracts") and left < right:
            left, right = right, left  # always from newer to older, so that no ring forms
        if kind == "undercuts" and draw(st.booleans()):
            source = draw(st.sampled_from(sorted(sources)))
            links.append(LinkEdge(f"l{n}", n, kind, left, "source", source, "judged", 700_000))
        else:
            links.append(LinkEdge(f"l{n}", n, kind, left, "claim", right, "judged", 700_000))
    return GraphData(claims, links, sources, parties)


def statuses(graph_data: GraphData) -> dict[str, dict[str, Any]]:
    """Return the status of every claim of a graph."""
    analysis = Analysis(graph_of(graph_data))
    return {key: analysis.as_json(key) for key in graph_data.claims}


def with_claim(graph_data: GraphData, *links: tuple[str, str, str]) -> GraphData:
    """Return the graph with a claim ``zz`` by a new party, from a new source, and its links."""
    claim = ClaimNode("zz", 99, ("stranger",), "observed", None, None, 700_000, sources=("own",))
    parties = {
        **graph_data.parties,
        "stranger": PartyNode("stranger", frozenset({"stranger"}), None, None),
    }
    sources = {**graph_data.sources, "own": SourceNode("own", "stranger", (), [], False, False)}
    added = [LinkEdge(f"z{n}", 100 + n, kind, left, "claim", right, "judged", 700_000)
             for n, (left, kind, right) in enumerate(links)]  # fmt: skip
    return GraphData(
        {**graph_data.claims, "zz": claim}, [*graph_data.links, *added], sources, parties
    )


@given(graphs())
def test_an_unrelated_claim_changes_nothing(graph_data: GraphData) -> None:
    before, after = statuses(graph_data), statuses(with_claim(graph_data))
    del after["zz"]
    assert before == after


@given(graphs())
def test_an_unattacked_claim_is_in(graph_data: GraphData) -> None:
    analysis = Analysis(graph_of(graph_data))
    for key in graph_data.claims:
        if not analysis.attacks.contested(key) and key not in analysis.revisions.retracted:
            assert analysis.acceptability[key] == "in"


@given(graphs(["contradicts", "undercuts"]))
def test_without_provenance_acceptability_is_the_grounded_labelling_of_dung(
    graph_data: GraphData,
) -> None:
    """The reference is the least fixed point of Dung (1995), computed naively."""
    graph_data.links[:] = [link for link in graph_data.links if link.to_kind == "claim"]
    attackers: dict[str, set[str]] = {key: set() for key in graph_data.claims}
    for link in graph_data.links:
        attackers[link.to].add(link.from_)
        if link.type == "contradicts":
            attackers[link.from_].add(link.to)
    label = dict.fromkeys(graph_data.claims, "undecided")
    while True:
        after = {
            key: "in" if all(label[attacker] == "out" for attacker in attackers[key])
            else "out" if any(label[attacker] == "in" for attacker in attackers[key])
            else "undecided"
            for key in graph_data.claims
        }  # fmt: skip
        if after == label:
            break
        label = after
    assert Analysis(graph_of(graph_data)).acceptability == label


@given(graphs(), st.data())
def test_a_repeating_claim_changes_no_status_of_the_rest(
    graph_data: GraphData, data: st.DataObject
) -> None:
    before = statuses(graph_data)
    candidates = [key for key, status in before.items() if status["standing"] != "retracted"]
    if candidates:
        target = data.draw(st.sampled_from(candidates))
        after = statuses(with_claim(graph_data, ("zz", "repeats", target)))
        del after["zz"]
        assert before == after


@given(graphs())
def test_at_least_is_never_above_at_most(graph_data: GraphData) -> None:
    for status in statuses(graph_data).values():
        assert 0 <= status["at_least"] <= status["at_most"]
        assert (status["at_least"] == 0) == (status["at_most"] == 0)


@given(graphs(), st.randoms(use_true_random=False))
def test_the_order_of_import_changes_nothing(graph_data: GraphData, random: Any) -> None:
    before = statuses(graph_data)
    claims, links = list(graph_data.claims.items()), list(graph_data.links)
    random.shuffle(claims)
    random.shuffle(links)
    assert (
        statuses(GraphData(dict(claims), links, graph_data.sources, graph_data.parties)) == before
    )


@given(graphs())
def test_members_of_an_assertion_share_their_origins(graph_data: GraphData) -> None:
    analysis = Analysis(graph_of(graph_data))
    live = [key for key in graph_data.claims if key not in analysis.revisions.retracted
             and key not in analysis.revisions.superseded]  # fmt: skip
    for key in live:
        for member in analysis.assertions.members[analysis.assertions.of[key]]:
            if member in live:
                assert analysis.origins(member) == analysis.origins(key)
