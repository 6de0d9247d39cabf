"""What falls when something falls: one pass, held to trying each removal in turn."""

from __future__ import annotations

import pytest
from hypothesis import given

from builders import analysis_of, case, record_all
from claimledger.analysis.analysis import Analysis
from claimledger.analysis.disputes import disputes
from claimledger.analysis.graph import graph_of
from claimledger.analysis.impact import ImpactIndex
from claimledger.analysis.lineage import lineage
from claimledger.analysis.origins import OriginFinder
from claimledger.analysis.revisions import Revisions
from claimledger.ledger import Ledger
from claimledger.records.graph_data import ClaimNode, GraphData, LinkEdge, PartyNode, SourceNode
from hypothesis_profile import trials
from test_laws import cuts


def by_removal(answers: Analysis, fallen: set[str]) -> list[str]:
    """The claims without any origin left once some are taken back, tried plainly."""
    graph, revised = answers.graph, answers.revisions
    retracted = {**revised.retracted, **dict.fromkeys(fallen, "tried")}
    finder = OriginFinder(
        graph, answers.assertions, answers.dependencies, Revisions(retracted, revised.superseded)
    )
    return sorted(
        key
        for key in graph.claims
        if revised.counts(key) and key not in fallen
        and answers.origins(key).at_most and not finder.of(key).at_most
    )  # fmt: skip


@pytest.mark.at_random
@trials(300)
@given(cuts())
def test_one_pass_finds_what_trying_each_removal_finds(cut: GraphData) -> None:
    answers = Analysis(graph_of(cut))
    loads = ImpactIndex(answers)
    graph = answers.graph
    live = [key for key in graph.claims if answers.revisions.counts(key)]
    falls = {("claim", key): {key} for key in live}
    for source in graph.sources:
        falls["source", source] = {k for k in live if graph.claims[k].sources == (source,)}
    for party in graph.parties:
        falls["party", party] = {
            k for k in live if all(party in graph.above(p) for p in graph.claims[k].claimants)
        }
    for (kind, key), fallen in falls.items():
        expected = by_removal(answers, fallen)
        assert loads.others(kind, key) == expected, (kind, key)
        assert loads.of(kind, key).others == len(expected)
    rows = {(impact.kind, impact.key) for impact in loads.heaviest()}
    assert rows == {label for label, fallen in falls.items() if by_removal(answers, fallen)}


def test_a_report_bears_all_that_repeat_it_and_two_reports_bear_nothing(ledger: Ledger) -> None:
    """paper ─repeats→ report; second: paper ─repeats→ report, other (one assertion)."""
    papers = [f"p{n}" for n in range(5)]
    drawn = case(
        ["report: agency", *(f"{key}: {key}-press" for key in papers)],
        [f"{key} repeats report" for key in papers],
    )
    record_all(ledger, drawn)
    loads = ImpactIndex(analysis_of(ledger))
    (heaviest, *_) = loads.heaviest()
    assert (heaviest.kind, heaviest.key, heaviest.others) == ("claim", "report", 5)
    assert loads.others("party", "agency") == papers
    assert loads.of("claim", "p0").others == 0
    more = case(["other: agency-two"], ["report corroborates other"])
    more[-1]["key"] = "second"
    record_all(ledger, more)
    assert ImpactIndex(analysis_of(ledger)).of("claim", "report").others == 0


@pytest.mark.no_cover
def test_a_chain_of_a_hundred_thousand_costs_its_length() -> None:
    size = 100_000
    claims = {
        f"c{n:06}": ClaimNode(
            f"c{n:06}", n, (f"p{n % 50}",), None, None, None, 700_000, sources=("s",)
        )
        for n in range(size)
    }
    links = [
        LinkEdge(f"l{n}", n, "repeats", f"c{n:06}", "claim", f"c{n - 1:06}", "judged", 700_000)
        for n in range(1, size)
    ]
    sources = {"s": SourceNode("s", None, (), [], False, False)}
    parties = {f"p{n}": PartyNode(f"p{n}", frozenset(), None, None) for n in range(50)}
    loads = ImpactIndex(Analysis(graph_of(GraphData(claims, links, sources, parties))))
    assert loads.of("claim", "c000000").others == size - 1
    assert loads.of("claim", "c050000").others == 0  # the chain is one assertion; its root stands
    assert loads.of("source", "s").others == 0
    assert loads.of("source", "s").own == size
    assert loads.of("party", "p0").others == size - size // 50


def test_a_source_bears_what_no_claim_of_it_bears_alone(ledger: Ledger) -> None:
    """a1 ─corroborates─ a2, both citing only s; a paper repeats both."""
    drawn = case(["a1: one @s", "a2: two @s", "paper: press"],
                 ["a1 corroborates a2", "paper repeats a1", "paper repeats a2"])  # fmt: skip
    record_all(ledger, drawn)
    loads = ImpactIndex(analysis_of(ledger))
    assert loads.of("claim", "a1").others == loads.of("claim", "a2").others == 0
    assert loads.others("source", "s") == ["paper"]


LONG = 20_000
HARD = {
    "a chain of derivations": (
        [("derives_from", n, n - 1) for n in range(1, LONG)],
        "single-origin",
    ),
    "a ring": ([("repeats", n, (n + 1) % LONG) for n in range(LONG)], "single-origin"),
    "a ladder": (
        [("repeats", n, n - step) for n in range(2, LONG) for step in (1, 2)],
        "single-origin",
    ),
    "all contradict the next": ([("contradicts", n, n - 1) for n in range(1, LONG)], "contested"),
    "all contradict one": ([("contradicts", n, 0) for n in range(1, LONG)], "contested"),
    "each renews the one before": (
        [("updates", n, n - 1) for n in range(1, LONG)],
        "single-origin",
    ),
    "each takes the one before back": (
        [("retracts", n, n - 1) for n in range(1, LONG)],
        "single-origin",
    ),
    "all agree": ([("corroborates", n, n - 1) for n in range(1, LONG)], "single-origin"),
}


@pytest.mark.no_cover
@pytest.mark.parametrize("name", list(HARD))
def test_graphs_built_to_break_answers_are_answered_whole(name: str) -> None:
    """Each of 20,000 claims is answered; what grew with their square would take minutes here."""
    links, last = HARD[name]
    claims = {
        f"c{n:05}": ClaimNode(
            f"c{n:05}", n, ("p",), "observed", None, None, 700_000, sources=("s",)
        )
        for n in range(LONG)
    }
    drawn_links = [
        LinkEdge(f"l{n}", n, kind, f"c{left:05}", "claim", f"c{right:05}", "judged", 700_000)
        for n, (kind, left, right) in enumerate(links)
    ]
    sources = {"s": SourceNode("s", None, (), [], False, False)}
    parties = {"p": PartyNode("p", frozenset(), None, None)}
    answers = Analysis(graph_of(GraphData(claims, drawn_links, sources, parties)))
    answer = {key: answers.as_json(key) for key in claims}
    assert answer[f"c{LONG - 1:05}"]["standing"] == last
    assert all(record["at_least"] <= record["at_most"] <= 1 for record in answer.values())
    disputes(answers)
    assert lineage(answers, f"c{LONG - 1:05}")
    assert ImpactIndex(answers).of("party", "p").others == 0
