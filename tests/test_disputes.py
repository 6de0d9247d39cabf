"""Disputes keep their keys, can be closed and reopen, and form controversies; ranges of origins are explained."""

from __future__ import annotations

import pytest
from hypothesis import given

from builders import Records, analysis_of, case, record_all
from claimledger.analysis.analysis import Analysis
from claimledger.analysis.controversies import controversies
from claimledger.analysis.dispositions import states
from claimledger.analysis.disputes import Dispute, disputes
from claimledger.analysis.graph import graph_of
from claimledger.analysis.uncertainty import open_questions, origin_ranges
from claimledger.errors import AmbiguousError, ClaimledgerError, NotFoundError
from claimledger.ledger import Ledger
from claimledger.present.explanation import explain
from claimledger.records.graph_data import GraphData
from claimledger.services.dispositions import dispositions, find_dispute
from test_analysis_laws import graphs


def link(key: str, from_: str, kind: str, to: str) -> Records:
    return [{"kind": "link", "key": key, "type": kind, "from": from_, "to": to}]


def disputes_by_key(ledger: Ledger) -> dict[str, Dispute]:
    return {dispute.key: dispute for dispute in disputes(analysis_of(ledger))}


def state(ledger: Ledger, key: str) -> str:
    analysis = analysis_of(ledger)
    return states(disputes(analysis), analysis.graph, dispositions(ledger))[key].status


def close_dispute(ledger: Ledger, dispute: str, ending: str = "resolved") -> None:
    fields = {"kind": "disposition", "dispute": dispute, "ending": ending, "reason": "examined"}
    record_all(ledger, [fields])


def test_the_key_of_a_dispute_is_its_oldest_link_and_stays_as_it_grows(ledger: Ledger) -> None:
    """b ─contradicts─ a; then c ─contradicts─ b, so that b has the most attackers."""
    record_all(ledger, case(["a: one", "b: two", "c: three", "d: four"], ["b contradicts a"]))
    assert set(disputes_by_key(ledger)) == {"l1"}
    record_all(ledger, link("l2", "c", "contradicts", "b"))
    (dispute,) = disputes_by_key(ledger).values()
    assert (dispute.key, dispute.head) == ("l1", "b")
    record_all(ledger, link("l3", "d", "contradicts", "a"))
    assert set(disputes_by_key(ledger)) == {"l1", "l3"}
    ledger.amend("link", "l1", {"reason": "now with a reason"}, by="T", reason="r")
    assert set(disputes_by_key(ledger)) == {"l1", "l3"}


@given(graphs())
def test_every_dispute_has_a_unique_key_from_its_links(cut: GraphData) -> None:
    all_disputes = disputes(Analysis(graph_of(cut)))
    assert len({dispute.key for dispute in all_disputes}) == len(all_disputes)
    for dispute in all_disputes:
        assert dispute.key.partition("~")[0] in {link.key for link in dispute.all_links}


def test_a_closed_dispute_is_reopened_by_later_activity(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one", "b: two", "c: three"], ["b contradicts a"]))
    assert state(ledger, "l1") == "open"
    close_dispute(ledger, "l1", "definition")
    assert state(ledger, "l1") == "definition"
    record_all(ledger, link("l2", "c", "contradicts", "a"))
    assert state(ledger, "l1") == "reopened"
    analysis = analysis_of(ledger)
    assert states(disputes(analysis), analysis.graph, dispositions(ledger))["l1"].new == ("l2",)
    close_dispute(ledger, "l1", "dormant")
    assert state(ledger, "l1") == "dormant"
    ledger.amend("claim", "b", {"note": "checked"}, by="T", reason="r")
    assert state(ledger, "l1") == "reopened"


def test_a_disposition_of_a_later_link_closes_its_whole_dispute(ledger: Ledger) -> None:
    record_all(
        ledger, case(["a: one", "b: two", "c: three"], ["b contradicts a", "c contradicts a"])
    )
    close_dispute(ledger, "l2", "period")
    assert state(ledger, "l1") == "period"


def test_a_dispute_is_found_by_its_link_its_claim_or_its_source(ledger: Ledger) -> None:
    records = case(["a: one", "b: two", "c: three", "d: four"],
                 ["b contradicts a", "c undercuts @a-page", "d contradicts b"])  # fmt: skip
    record_all(ledger, records)
    assert find_dispute(ledger, "l1") == "l1"
    assert find_dispute(ledger, "l3") == "l1"
    assert find_dispute(ledger, "a-page") == "l2"
    assert find_dispute(ledger, "d") == "l1"
    with pytest.raises(AmbiguousError, match="several disputes"):
        find_dispute(ledger, "a")
    with pytest.raises(NotFoundError, match="no dispute with the key 'b-page'"):
        find_dispute(ledger, "b-page")
    with pytest.raises(ClaimledgerError):
        find_dispute(ledger, "ghost")


def test_a_disposition_of_an_unknown_link_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ClaimledgerError, match="no link with this key"):
        close_dispute(ledger, "ghost")


def test_disputes_that_share_claims_are_a_controversy(ledger: Ledger) -> None:
    """e attacks a and c; f attacks g, separately."""
    record_all(
        ledger,
        case(["a: one", "c: two", "e: three", "f: four", "g: five"],
             ["e contradicts a", "e undercuts c", "f undercuts g"]),
    )  # fmt: skip
    (controversy,) = controversies(list(disputes_by_key(ledger).values()))
    assert {dispute.key for dispute in controversy.disputes} == {"l1", "l2"}
    assert dict(controversy.shared) == {"e": ("l1", "l2")}


def test_first_and_last_activity_are_dated_in_valid_time(ledger: Ledger) -> None:
    extra = {key: {"asserted": f"2022-0{n}-01"} for n, key in enumerate("abc", 1)}
    record_all(
        ledger,
        case(["a: one", "b: two", "c: three"], ["b contradicts a", "c contradicts a"], extra=extra),
    )
    (dispute,) = disputes_by_key(ledger).values()
    known = analysis_of(ledger).graph.known_by
    assert (dispute.since, dispute.last) == (known["b"], known["c"])


# What would narrow a range of origins


def test_the_grounds_of_a_claim_are_worth_the_origin_they_establish(ledger: Ledger) -> None:
    """Three counts agree; the grounds of one are recorded."""
    record_all(
        ledger, case(["a: one obs", "b: two", "c: three"], ["a corroborates b", "b corroborates c"])
    )
    analysis = analysis_of(ledger)
    (origin_range,) = origin_ranges(analysis, analysis.graph.claims)
    assert (origin_range.origins.at_least, origin_range.origins.at_most) == (1, 3)
    questions = [
        (question.what, question.roots, question.worth)
        for question in open_questions(analysis, [origin_range.head])
    ]
    assert questions == [("grounds", ("b",), 1), ("grounds", ("c",), 1)]


def test_a_merger_of_origins_is_worth_the_origins_it_merges(ledger: Ledger) -> None:
    """Four counts with grounds; three of them are cited from the same newspaper."""
    records = case(
        ["a: one obs @paper", "b: two obs @paper", "c: three obs @paper", "d: four obs"],
        ["a corroborates b", "b corroborates c", "c corroborates d"],
        sources={"paper": {}},
    )
    record_all(ledger, records)
    analysis = analysis_of(ledger)
    (question, *_) = open_questions(analysis, ["a"])
    assert (question.what, question.reason, question.shared, question.worth) == (
        "tie",
        "source",
        "paper",
        2,
    )
    origins = analysis.origin_finder([("source", "paper")]).of("a")
    assert (origins.at_least, origins.at_most) == (4, 4)


@given(graphs())
def test_setting_a_reason_aside_never_lowers_a_range(cut: GraphData) -> None:
    analysis = Analysis(graph_of(cut))
    for key in cut.claims:
        origins = analysis.origins(key)
        for merger in (*origins.same, *origins.perhaps):
            without_merger = analysis.origin_finder([(merger.reason, merger.shared)]).of(key)
            assert without_merger.at_least >= origins.at_least
            assert without_merger.at_most >= origins.at_most


# Explanations


@pytest.mark.parametrize(
    ("links", "key", "words"),
    [
        (["b contradicts a"], "a", ["contradicts it", "contested", "undecided"]),
        (["c undercuts @a-page"], "a", ["criticises the source", "Its acceptability is “out”"]),
        (["b retracts a"], "a", ["took it back", "no independent origin", "retracted"]),
        (["b updates a"], "a", ["Its claimant has replaced it", "superseded"]),
        (
            ["b repeats a", "c contradicts a"],
            "b",
            ["so this claim is contested too", "It repeats this claim"],
        ),
        (["a repeats b", "b repeats a"], "a", ["rests on itself"]),
        ([], "a", ["Its acceptability is “in”", "single-origin"]),
    ],
)
def test_every_sentence_of_an_explanation_names_existing_records(
    ledger: Ledger, links: list[str], key: str, words: list[str]
) -> None:
    record_all(ledger, case(["a: one", "b: one", "c: two"], links))
    explanation = explain(ledger, analysis_of(ledger), key)
    text = " ".join(sentence.text for sentence in explanation.sentences)
    for word in words:
        assert word in text
    for sentence in explanation.sentences:
        assert sentence.records
        assert all(ledger.with_key(record_key) for record_key in sentence.records), sentence
