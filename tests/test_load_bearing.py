"""The impact of removing a record: one pass gives what removing every record in turn gives."""

from __future__ import annotations

from collections.abc import Callable

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
from test_analysis_laws import graphs
from test_linear_time import require_linear


def lose_every_origin(analysis: Analysis, fallen: set[str]) -> list[str]:
    """Return the claims that lose every origin once the fallen claims are retracted, computed naively."""
    graph, revised = analysis.graph, analysis.revisions
    retracted = {**revised.retracted, **dict.fromkeys(fallen, "removed")}
    finder = OriginFinder(
        graph, analysis.assertions, analysis.dependencies, Revisions(retracted, revised.superseded)
    )
    return sorted(
        key
        for key in graph.claims
        if revised.counts(key) and key not in fallen
        and analysis.origins(key).at_most and not finder.of(key).at_most
    )  # fmt: skip


@pytest.mark.at_random
@trials(300)
@given(graphs())
def test_one_pass_finds_what_removing_each_record_finds(graph_data: GraphData) -> None:
    analysis = Analysis(graph_of(graph_data))
    impacts = ImpactIndex(analysis)
    graph = analysis.graph
    live = [key for key in graph.claims if analysis.revisions.counts(key)]
    falls = {("claim", key): {key} for key in live}
    for source in graph.sources:
        falls["source", source] = {
            claim for claim in live if graph.claims[claim].sources == (source,)
        }
    for party in graph.parties:
        falls["party", party] = {
            claim
            for claim in live
            if all(party in graph.above(claimant) for claimant in graph.claims[claim].claimants)
        }
    for (kind, key), fallen in falls.items():
        expected = lose_every_origin(analysis, fallen)
        assert impacts.others(kind, key) == expected, (kind, key)
        assert impacts.of(kind, key).others == len(expected)
    heaviest = {(impact.kind, impact.key) for impact in impacts.heaviest()}
    assert heaviest == {
        name for name, fallen in falls.items() if lose_every_origin(analysis, fallen)
    }


def test_a_single_report_bears_its_repeaters_and_one_of_two_reports_bears_nothing(
    ledger: Ledger,
) -> None:
    """paper ─repeats→ report; second: paper ─repeats→ report, other (one assertion)."""
    papers = [f"p{n}" for n in range(5)]
    records = case(
        ["report: agency", *(f"{key}: {key}-press" for key in papers)],
        [f"{key} repeats report" for key in papers],
    )
    record_all(ledger, records)
    impacts = ImpactIndex(analysis_of(ledger))
    (heaviest, *_) = impacts.heaviest()
    assert (heaviest.kind, heaviest.key, heaviest.others) == ("claim", "report", 5)
    assert impacts.others("party", "agency") == papers
    assert impacts.of("claim", "p0").others == 0
    second_report = case(["other: agency-two"], ["report corroborates other"])
    second_report[-1]["key"] = "second"
    record_all(ledger, second_report)
    assert ImpactIndex(analysis_of(ledger)).of("claim", "report").others == 0


@pytest.mark.no_cover
def test_a_chain_of_a_hundred_thousand_claims_is_computed_in_linear_time() -> None:
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
    impacts = ImpactIndex(Analysis(graph_of(GraphData(claims, links, sources, parties))))
    assert impacts.of("claim", "c000000").others == size - 1
    # The chain is one assertion, and its root remains.
    assert impacts.of("claim", "c050000").others == 0
    assert impacts.of("source", "s").others == 0
    assert impacts.of("source", "s").own == size
    assert impacts.of("party", "p0").others == size - size // 50


def test_a_source_bears_what_none_of_its_claims_bears_alone(ledger: Ledger) -> None:
    """a1 ─corroborates─ a2, both citing only s; a paper repeats both."""
    records = case(["a1: one @s", "a2: two @s", "paper: press"],
                 ["a1 corroborates a2", "paper repeats a1", "paper repeats a2"])  # fmt: skip
    record_all(ledger, records)
    impacts = ImpactIndex(analysis_of(ledger))
    assert impacts.of("claim", "a1").others == impacts.of("claim", "a2").others == 0
    assert impacts.others("source", "s") == ["paper"]


ADVERSARIAL_LINKS: dict[str, tuple[Callable[[int], list[tuple[str, int, int]]], str]] = {
    "a chain of derivations": (
        lambda size: [("derives_from", n, n - 1) for n in range(1, size)],
        "single-origin",
    ),
    "a ring": (
        lambda size: [("repeats", n, (n + 1) % size) for n in range(size)],
        "single-origin",
    ),
    "a ladder": (
        lambda size: [("repeats", n, n - step) for n in range(2, size) for step in (1, 2)],
        "single-origin",
    ),
    "each contradicts the one before": (
        lambda size: [("contradicts", n, n - 1) for n in range(1, size)],
        "contested",
    ),
    "all contradict the first": (
        lambda size: [("contradicts", n, 0) for n in range(1, size)],
        "contested",
    ),
    "each updates the one before": (
        lambda size: [("updates", n, n - 1) for n in range(1, size)],
        "single-origin",
    ),
    "each retracts the one before": (
        lambda size: [("retracts", n, n - 1) for n in range(1, size)],
        "single-origin",
    ),
    "all agree": (
        lambda size: [("corroborates", n, n - 1) for n in range(1, size)],
        "single-origin",
    ),
}
"""The links between claims numbered from 0, each with its type and ends, and the standing of the last claim."""


@pytest.mark.no_cover
@pytest.mark.parametrize("name", list(ADVERSARIAL_LINKS))
def test_adversarial_graphs_are_analysed_in_linear_time(name: str) -> None:
    links, standing_of_last = ADVERSARIAL_LINKS[name]

    def work(size: int) -> Callable[[], object]:
        graph_data = adversarial_graph(size, links(size))
        return lambda: analyse_everything(graph_data, standing_of_last)

    require_linear(work, (500, 8_000))


def adversarial_graph(size: int, links: list[tuple[str, int, int]]) -> GraphData:
    """Return a graph of ``size`` claims of one party, each seen in one source."""
    claims = {
        f"c{n:05}": ClaimNode(
            f"c{n:05}", n, ("p",), "observed", None, None, 700_000, sources=("s",)
        )
        for n in range(size)
    }
    edges = [
        LinkEdge(f"l{n}", n, kind, f"c{left:05}", "claim", f"c{right:05}", "judged", 700_000)
        for n, (kind, left, right) in enumerate(links)
    ]
    sources = {"s": SourceNode("s", None, (), [], False, False)}
    parties = {"p": PartyNode("p", frozenset(), None, None)}
    return GraphData(claims, edges, sources, parties)


def analyse_everything(graph_data: GraphData, standing_of_last: str) -> None:
    """Ask every question of the analysis about a graph, and check the answers."""
    claims = graph_data.claims
    last = max(claims)
    analysis = Analysis(graph_of(graph_data))
    statuses = {key: analysis.as_json(key) for key in claims}
    assert statuses[last]["standing"] == standing_of_last
    assert all(status["at_least"] <= status["at_most"] <= 1 for status in statuses.values())
    disputes(analysis)
    assert lineage(analysis, last)
    assert ImpactIndex(analysis).of("party", "p").others == 0
