"""Laws of the dispute graph, as properties over random small ledgers."""

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
def cuts(draw: st.DrawFn, types: list[str] = TYPES, most: int = 8) -> GraphData:
    """A random part of a ledger."""
    size = draw(st.integers(1, most))
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
            left, right = right, left  # newer to older: no ring
        if kind == "undercuts" and draw(st.booleans()):
            source = draw(st.sampled_from(sorted(sources)))
            links.append(LinkEdge(f"l{n}", n, kind, left, "source", source, "judged", 700_000))
        else:
            links.append(LinkEdge(f"l{n}", n, kind, left, "claim", right, "judged", 700_000))
    return GraphData(claims, links, sources, parties)


def told(cut: GraphData) -> dict[str, dict[str, Any]]:
    answers = Analysis(graph_of(cut))
    return {key: answers.as_json(key) for key in cut.claims}


def with_claim(cut: GraphData, *links: tuple[str, str, str]) -> GraphData:
    new = ClaimNode("zz", 99, ("stranger",), "observed", None, None, 700_000, sources=("own",))
    parties = {
        **cut.parties,
        "stranger": PartyNode("stranger", frozenset({"stranger"}), None, None),
    }
    sources = {**cut.sources, "own": SourceNode("own", "stranger", (), [], False, False)}
    added = [LinkEdge(f"z{n}", 100 + n, kind, left, "claim", right, "judged", 700_000)
             for n, (left, kind, right) in enumerate(links)]  # fmt: skip
    return GraphData({**cut.claims, "zz": new}, [*cut.links, *added], sources, parties)


@given(cuts())
def test_an_unrelated_claim_changes_nothing(cut: GraphData) -> None:
    before, after = told(cut), told(with_claim(cut))
    del after["zz"]
    assert before == after


@given(cuts())
def test_a_claim_that_nothing_attacks_and_that_needs_nothing_is_in(cut: GraphData) -> None:
    answers = Analysis(graph_of(cut))
    for key in cut.claims:
        if not answers.attacks.contested(key) and key not in answers.revisions.retracted:
            assert answers.acceptability[key] == "in"


@given(cuts(["contradicts", "undercuts"]))
def test_without_provenance_acceptability_is_dungs_grounded_labelling(cut: GraphData) -> None:
    """The plain fixpoint of Dung (1995), written out."""
    cut.links[:] = [link for link in cut.links if link.to_kind == "claim"]
    attackers: dict[str, set[str]] = {key: set() for key in cut.claims}
    for link in cut.links:
        attackers[link.to].add(link.from_)
        if link.type == "contradicts":
            attackers[link.from_].add(link.to)
    label = dict.fromkeys(cut.claims, "undecided")
    while True:
        after = {
            key: "in" if all(label[a] == "out" for a in attackers[key])
            else "out" if any(label[a] == "in" for a in attackers[key])
            else "undecided"
            for key in cut.claims
        }  # fmt: skip
        if after == label:
            break
        label = after
    assert Analysis(graph_of(cut)).acceptability == label


@given(cuts(), st.data())
def test_a_claim_that_only_repeats_changes_no_answer_of_the_rest(
    cut: GraphData, data: st.DataObject
) -> None:
    before = told(cut)
    fit = [key for key, record in before.items() if record["standing"] != "retracted"]
    if fit:
        target = data.draw(st.sampled_from(fit))
        after = told(with_claim(cut, ("zz", "repeats", target)))
        del after["zz"]
        assert before == after


@given(cuts())
def test_at_least_is_never_above_at_most(cut: GraphData) -> None:
    for record in told(cut).values():
        assert 0 <= record["at_least"] <= record["at_most"]
        assert (record["at_least"] == 0) == (record["at_most"] == 0)


@given(cuts(), st.randoms(use_true_random=False))
def test_the_order_of_import_changes_nothing(cut: GraphData, random: Any) -> None:
    before = told(cut)
    claims, links = list(cut.claims.items()), list(cut.links)
    random.shuffle(claims)
    random.shuffle(links)
    assert told(GraphData(dict(claims), links, cut.sources, cut.parties)) == before


@given(cuts())
def test_members_of_an_assertion_share_their_origins(cut: GraphData) -> None:
    answers = Analysis(graph_of(cut))
    plain = [k for k in cut.claims if k not in answers.revisions.retracted
             and k not in answers.revisions.superseded]  # fmt: skip
    for key in plain:
        for right in answers.assertions.members[answers.assertions.of[key]]:
            if right in plain:
                assert answers.origins(right) == answers.origins(key)
