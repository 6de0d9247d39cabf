"""Disputes have keys that stay, are laid to rest, reopen, and hang together."""

from __future__ import annotations

import pytest
from hypothesis import given

from builders import Records, analysis_of, case, record_all
from claimledger.analysis.analysis import Analysis
from claimledger.analysis.controversies import controversies
from claimledger.analysis.dispositions import states
from claimledger.analysis.disputes import Dispute, disputes
from claimledger.analysis.graph import graph_of
from claimledger.analysis.uncertainty import ranged, settlings
from claimledger.errors import ClaimledgerError, ParseError
from claimledger.ledger import Ledger
from claimledger.present.explanation import explain
from claimledger.records.graph_data import GraphData
from claimledger.services.dispositions import dispositions, dispute_meant
from test_laws import cuts


def link(key: str, left: str, kind: str, to: str) -> Records:
    return [{"kind": "link", "key": key, "type": kind, "from": left, "to": to}]


def found(ledger: Ledger) -> dict[str, Dispute]:
    return {dispute.key: dispute for dispute in disputes(analysis_of(ledger))}


def state(ledger: Ledger, key: str) -> str:
    answers = analysis_of(ledger)
    return states(disputes(answers), answers.graph, dispositions(ledger))[key].ending


def dispose(ledger: Ledger, dispute: str, ending: str = "resolved") -> None:
    fields = {"kind": "disposition", "dispute": dispute, "ending": ending, "reason": "looked into"}
    record_all(ledger, [fields])


def test_a_dispute_is_named_by_its_oldest_link_and_keeps_that_when_it_grows(ledger: Ledger) -> None:
    """b ─contradicts─ a; then c ─contradicts─ b, which makes b the one with most attackers."""
    record_all(ledger, case(["a: one", "b: two", "c: three", "d: four"], ["b contradicts a"]))
    assert set(found(ledger)) == {"l1"}
    record_all(ledger, link("l2", "c", "contradicts", "b"))
    (dispute,) = found(ledger).values()
    assert (dispute.key, dispute.head) == ("l1", "b")
    record_all(ledger, link("l3", "d", "contradicts", "a"))
    assert set(found(ledger)) == {"l1", "l3"}
    ledger.amend("link", "l1", {"reason": "now with a reason"}, by="T", reason="r")
    assert set(found(ledger)) == {"l1", "l3"}


@given(cuts())
def test_every_dispute_has_a_key_of_its_own_which_is_one_of_its_links(cut: GraphData) -> None:
    all_disputes = disputes(Analysis(graph_of(cut)))
    assert len({dispute.key for dispute in all_disputes}) == len(all_disputes)
    for dispute in all_disputes:
        assert dispute.key.partition("~")[0] in {link.key for link in dispute.every}


def test_what_is_laid_to_rest_is_reopened_by_what_comes_after(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one", "b: two", "c: three"], ["b contradicts a"]))
    assert state(ledger, "l1") == "open"
    dispose(ledger, "l1", "definition")
    assert state(ledger, "l1") == "definition"
    record_all(ledger, link("l2", "c", "contradicts", "a"))
    assert state(ledger, "l1") == "reopened"
    answers = analysis_of(ledger)
    assert states(disputes(answers), answers.graph, dispositions(ledger))["l1"].new == ("l2",)
    dispose(ledger, "l1", "dormant")
    assert state(ledger, "l1") == "dormant"
    ledger.amend("claim", "b", {"note": "read again"}, by="T", reason="r")
    assert state(ledger, "l1") == "reopened"


def test_a_disposition_of_a_later_link_holds_for_the_dispute_it_is_in(ledger: Ledger) -> None:
    record_all(
        ledger, case(["a: one", "b: two", "c: three"], ["b contradicts a", "c contradicts a"])
    )
    dispose(ledger, "l2", "period")
    assert state(ledger, "l1") == "period"


def test_a_dispute_is_meant_by_its_link_its_claim_or_its_source(ledger: Ledger) -> None:
    drawn = case(["a: one", "b: two", "c: three", "d: four"],
                 ["b contradicts a", "c undercuts @a-page", "d contradicts b"])  # fmt: skip
    record_all(ledger, drawn)
    assert dispute_meant(ledger, "l1") == "l1"
    assert dispute_meant(ledger, "l3") == "l1"
    assert dispute_meant(ledger, "a-page") == "l2"
    assert dispute_meant(ledger, "d") == "l1"
    with pytest.raises(ParseError, match="several disputes"):
        dispute_meant(ledger, "a")
    with pytest.raises(ParseError, match="in no dispute"):
        dispute_meant(ledger, "b-page")
    with pytest.raises(ClaimledgerError):
        dispute_meant(ledger, "ghost")


def test_a_disputes_links_must_stand(ledger: Ledger) -> None:
    with pytest.raises(ClaimledgerError, match="no link with this key"):
        dispose(ledger, "ghost")


def test_disputes_that_share_claims_are_a_controversy(ledger: Ledger) -> None:
    """e speaks against a and against c; f against g, apart."""
    record_all(
        ledger,
        case(["a: one", "c: two", "e: three", "f: four", "g: five"],
             ["e contradicts a", "e undercuts c", "f undercuts g"]),
    )  # fmt: skip
    (controversy,) = controversies(list(found(ledger).values()))
    assert {dispute.key for dispute in controversy.disputes} == {"l1", "l2"}
    assert dict(controversy.shared) == {"e": ("l1", "l2")}


def test_first_and_last_move_are_told_by_the_worlds_clock(ledger: Ledger) -> None:
    extra = {key: {"asserted": f"2022-0{n}-01"} for n, key in enumerate("abc", 1)}
    record_all(
        ledger,
        case(["a: one", "b: two", "c: three"], ["b contradicts a", "c contradicts a"], extra=extra),
    )
    (dispute,) = found(ledger).values()
    known = analysis_of(ledger).graph.known_by
    assert (dispute.since, dispute.last) == (known["b"], known["c"])


# What would settle a range


def test_asking_for_grounds_is_worth_the_origin_it_establishes(ledger: Ledger) -> None:
    """Three counts that agree; of one somebody asked how they know."""
    record_all(
        ledger, case(["a: one obs", "b: two", "c: three"], ["a corroborates b", "b corroborates c"])
    )
    answers = analysis_of(ledger)
    (only,) = ranged(answers, answers.graph.claims)
    assert (only.origins.at_least, only.origins.at_most) == (1, 3)
    messages = [
        (question.what, question.roots, question.worth)
        for question in settlings(answers, [only.head])
    ]
    assert messages == [("grounds", ("b",), 1), ("grounds", ("c",), 1)]


def test_a_tie_is_worth_what_it_merges(ledger: Ledger) -> None:
    """Four counts with grounds, three of them read in one newspaper."""
    drawn = case(
        ["a: one obs @paper", "b: two obs @paper", "c: three obs @paper", "d: four obs"],
        ["a corroborates b", "b corroborates c", "c corroborates d"],
        sources={"paper": {}},
    )
    record_all(ledger, drawn)
    answers = analysis_of(ledger)
    (first, *_) = settlings(answers, ["a"])
    assert (first.what, first.reason, first.shared, first.worth) == ("tie", "source", "paper", 2)
    freed = answers.origin_finder([("source", "paper")]).of("a")
    assert (freed.at_least, freed.at_most) == (4, 4)


@given(cuts())
def test_setting_a_reason_aside_never_lowers_a_range(cut: GraphData) -> None:
    answers = Analysis(graph_of(cut))
    for key in cut.claims:
        plain = answers.origins(key)
        for merger in (*plain.same, *plain.perhaps):
            freed = answers.origin_finder([(merger.reason, merger.shared)]).of(key)
            assert freed.at_least >= plain.at_least
            assert freed.at_most >= plain.at_most


# Explained


@pytest.mark.parametrize(
    ("links", "key", "words"),
    [
        (["b contradicts a"], "a", ["contradicts it", "contested", "undecided"]),
        (["c undercuts @a-page"], "a", ["criticises the source", "Formally it is out"]),
        (["b retracts a"], "a", ["took it back", "no origin stands", "retracted"]),
        (["b updates a"], "a", ["stated it anew", "superseded"]),
        (["b repeats a", "c contradicts a"], "b", ["contested through it", "passes on"]),
        (["a repeats b", "b repeats a"], "a", ["rests on itself"]),
        ([], "a", ["Formally it is in", "single-origin"]),
    ],
)
def test_every_sentence_of_an_explanation_names_records_that_exist(
    ledger: Ledger, links: list[str], key: str, words: list[str]
) -> None:
    record_all(ledger, case(["a: one", "b: one", "c: two"], links))
    value = explain(ledger, analysis_of(ledger), key)
    text = " ".join(sentence.text for sentence in value.sentences)
    for word in words:
        assert word in text
    for sentence in value.sentences:
        assert sentence.records
        assert all(ledger.with_key(record_key) for record_key in sentence.records), sentence
