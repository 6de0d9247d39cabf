"""Rules ask, people answer: what is asked, once for each assertion, and what an answer does."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from bench.pairs import build_context, halves, measure

from builders import Records, analysis_of, case, record_all
from claimledger.analysis.proposals.engine import RULES
from claimledger.analysis.proposals.rule import Proposal
from claimledger.errors import RuleViolationError
from claimledger.ledger import Ledger, LedgerLocation
from claimledger.records.link import Link
from claimledger.services.decide import decide
from claimledger.services.propose import propose
from test_commands import Terminal


def said(value: str, **fields: Any) -> dict[str, Any]:
    return {"statement": f"{value} stations stood open.",
            "figures": [{"measure": "stations", "value": value, "nature": "stock"}], **fields}  # fmt: skip


ASKED: dict[str, tuple[Records, str]] = {
    "figures-agree": (
        case(["a: one", "b: two"], extra={
            "a": {"statement": "Police run 54 posts abroad.", "figures": [{"measure": "posts", "value": "54"}]},
            "b": {"statement": "There are 54 police posts.", "figures": [{"measure": "posts", "value": "54"}]}}),
        "a corroborates b"),
    "figures-conflict": (
        case(["a: one", "b: two"], extra={"a": said("54", about="2022"), "b": said("30", about="2022")}),
        "b contradicts a"),
    "part-exceeds-whole": (
        case(["a: one", "b: two"], extra={"a": said("54", about="2022"),
                                          "b": said("60", about="2022", scope={"operator": "Fuzhou"})}),
        "b contradicts a"),
    "newer-figure": (
        case(["a: one", "b: one"], extra={"a": said("54", about="2022", asserted="2022"),
                                          "b": said("102", about="2023", asserted="2023")}),
        "b updates a"),
    "near-copy": (
        case(["a: one", "b: two"], extra={"a": {"statement": "The stations were shut after a raid by the police."},
                                          "b": {"statement": "The stations were shut, after a raid by police."}}),
        "b repeats a"),
    "recorded-twice": (
        case(["a: one @page", "b: one @page"], extra={
            "a": {"statement": "The stations were shut after a raid."},
            "b": {"statement": "After a raid the stations were shut."}}),
        "b  a"),
    "turned-around": (
        case(["a: one", "b: two"], ["a repeats b"], extra={"a": {"asserted": "2020"}, "b": {"asserted": "2022"}}),
        "b repeats a"),
    "attack-renewed": (
        case(["a: one", "old: two", "new: two"], ["old contradicts a", "new updates old"]),
        "new contradicts a"),
    "stale-tally": (
        case(["a: one", "t: two"], extra={"t": {"figures": [{"measure": "m", "value": "9",
                                                            "formula": "count(claims, topic)"}]}}),
        "t  t"),
    "same-party": (
        case(["a: one", "b: two"], parties={"one": {"name": "Radio Free Asia"}, "two": {"name": "RFA"}}),
        "two  one"),
    "same-subject": (
        [*case(["a: one"]), {"kind": "subject", "key": "again", "label": "The Topic"}], "again  topic"),
}  # fmt: skip


def test_every_rule_is_tried() -> None:
    assert set(ASKED) == set(RULES)


@pytest.mark.parametrize("rule", list(RULES))
def test_each_rule_asks_its_question_with_evidence_and_a_score(ledger: Ledger, rule: str) -> None:
    drawn, expected = ASKED[rule]
    record_all(ledger, drawn)
    (proposal,) = propose(ledger, rule=rule)
    assert f"{proposal.one} {proposal.type} {proposal.other}" == expected
    assert proposal.evidence
    assert 0 < proposal.score <= 1
    assert proposal.asks.endswith("?")
    assert propose(ledger, ledger.head().size, rule=rule) == []


@pytest.mark.parametrize("rule", [name for name in RULES if name != "stale-tally"])
def test_what_changed_is_asked_about_as_the_whole_would_be(ledger: Ledger, rule: str) -> None:
    drawn, _ = ASKED[rule]
    record_all(ledger, drawn)
    proposals = propose(ledger, rule=rule)
    assert propose(ledger, 0, rule=rule) == proposals
    before = ledger.head().size
    record_all(
        ledger,
        case(["stranger: nobody"], extra={"stranger": {"statement": "Quite another thing."}}),
    )
    assert propose(ledger, before, rule=rule) == []


def test_an_accepted_one_is_a_computed_link_with_its_rule_and_is_not_asked_again(
    ledger: Ledger,
) -> None:
    record_all(ledger, ASKED["figures-conflict"][0])
    (proposal,) = propose(ledger)
    key = decide(ledger, proposal, "accepted", "read both", by="T")
    link = ledger.get("link", str(key)).record
    assert isinstance(link, Link)
    assert (link.basis, link.rule, link.reason) == ("computed", "figures-conflict", "read both")
    assert analysis_of(ledger).attacks.contested("a")
    (decision,) = ledger.records("decision")
    assert decision.record.as_json()["outcome"] == "accepted"
    assert propose(ledger) == []


def test_a_declined_one_stays_away_until_what_it_rests_on_changes(ledger: Ledger) -> None:
    record_all(ledger, ASKED["figures-conflict"][0])
    (proposal,) = propose(ledger)
    assert decide(ledger, proposal, "declined", "two kinds of station", by="T") is None
    assert propose(ledger) == []
    ledger.amend("source", "a-page", {"note": "nothing to do with it"}, by="T", reason="r")
    assert propose(ledger) == []
    ledger.amend("claim", "a", {"note": "read again"}, by="T", reason="r")
    assert [proposal.id for proposal in propose(ledger)] == [proposal.id]
    assert not analysis_of(ledger).attacks.contested("a")


def test_declining_everything_leaves_nothing(ledger: Ledger) -> None:
    record_all(ledger, ASKED["figures-conflict"][0])
    record_all(ledger, [{"kind": "subject", "key": "again", "label": "The Topic"}])
    while proposals := propose(ledger):
        for proposal in proposals:
            decide(ledger, proposal, "declined", "no", by="T")
    assert propose(ledger) == []
    assert not list(ledger.records("link"))


def test_eleven_papers_with_one_figure_are_one_question(ledger: Ledger) -> None:
    """Ten papers repeat a report; a count apart says another number."""
    papers = [f"p{n}" for n in range(10)]
    extra = {key: said("54", about="2022") for key in ("report", *papers)}
    drawn = case(["report: agency", *(f"{p}: {p}-press" for p in papers), "other: rival"],
                 [f"{p} repeats report" for p in papers],
                 extra={**extra, "other": said("30", about="2022")})  # fmt: skip
    record_all(ledger, drawn)
    (proposal,) = propose(ledger)
    assert proposal.rule == "figures-conflict"
    assert {proposal.one, proposal.other, *proposal.also} == {"report", "other", *papers}


def test_eleven_papers_that_nobody_linked_are_one_question_too(ledger: Ledger) -> None:
    """Eleven papers with one figure, and one that says another number: two questions, not 66."""
    papers = [f"p{n:02}" for n in range(11)]
    extra = {key: said("5,432", about="2022") for key in papers} | {
        "other": said("30", about="2022")
    }
    record_all(ledger, case([*(f"{p}: {p}-press" for p in papers), "other: rival"], extra=extra))
    same, odd = sorted(propose(ledger), key=lambda proposal: proposal.type, reverse=True)
    assert (same.type, odd.type) == ("repeats", "contradicts")  # they have the same words too
    assert {same.one, same.other, *same.also} == set(papers)
    assert {odd.one, odd.other, *odd.also} == {"other", *papers}
    decide(ledger, same, "accepted", "one count", by="T")
    answers = analysis_of(ledger)
    assert len(answers.assertions.members[answers.assertions.of["p00"]]) == 11
    assert len(list(ledger.records("link"))) == 10
    (left,) = propose(ledger)
    assert left.type == "contradicts"


def test_declining_them_all_at_once_leaves_none_of_the_pairs(ledger: Ledger) -> None:
    papers = [f"p{n}" for n in range(4)]
    extra = {key: said("5,432", about="2022") for key in papers}
    record_all(ledger, case([f"{p}: {p}-press" for p in papers], extra=extra))
    (proposal,) = propose(ledger)
    decide(ledger, proposal, "declined", "by chance", by="T")
    assert propose(ledger) == []
    record_all(ledger, case(["p9: late-press"], extra={"p9": said("5,432", about="2022")}))
    assert len(propose(ledger)) == 1


def test_a_link_the_world_did_not_know_yet_is_not_proposed(ledger: Ledger) -> None:
    drawn = case(["a: one", "b: two"], extra={key: said("5,432", asserted="2020") for key in "ab"},
                 sources={"late": {"published": "2022"}})  # fmt: skip
    drawn.append({"kind": "link", "key": "l", "type": "corroborates", "from": "a", "to": "b",
                  "basis": "stated", "citations": [{"source": "late"}]})  # fmt: skip
    record_all(ledger, drawn)
    assert propose(ledger.at(as_of="2021")) == []


def test_two_rules_that_see_one_pair_ask_once(ledger: Ledger) -> None:
    """The attacker was stated anew, and its new figure conflicts as well."""
    extra = {
        "a": said("54", about="2022"),
        "old": said("30", about="2022"),
        "new": said("31", about="2022"),
    }
    record_all(ledger, case(["a: one", "old: two", "new: two"],
                        ["old contradicts a", "new updates old"], extra=extra))  # fmt: skip
    (proposal,) = propose(ledger)
    assert (proposal.rule, proposal.one, proposal.other) == ("attack-renewed", "new", "a")


def test_merging_makes_two_origins_one(ledger: Ledger) -> None:
    parties = {"rfa": {"name": "Radio Free Asia"}, "radio-free-asia": {"name": "Radio Free Asia"}}
    record_all(
        ledger,
        case(["a: rfa obs", "b: radio-free-asia obs"], ["a corroborates b"], parties=parties),
    )
    assert analysis_of(ledger).origins("a").at_most == 2
    (proposal,) = propose(ledger, rule="same-party")
    assert (proposal.one, proposal.other) == ("radio-free-asia", "rfa")
    decide(ledger, proposal, "accepted", "typed twice", by="T")
    assert analysis_of(ledger).origins("a").at_most == 1
    assert ledger.verify().clean


def test_turning_a_link_around_withdraws_the_old_one(ledger: Ledger) -> None:
    record_all(ledger, ASKED["turned-around"][0])
    (proposal,) = propose(ledger, rule="turned-around")
    decide(ledger, proposal, "accepted", "the dates say so", by="T")
    links = [
        (stored.record.as_json()["from"], stored.record.as_json()["to"])
        for stored in ledger.records("link")
    ]
    assert links == [("b", "a")]


def test_a_refused_answer_writes_nothing(ledger: Ledger) -> None:
    record_all(ledger, ASKED["stale-tally"][0])
    (proposal,) = propose(ledger, rule="stale-tally")
    before = ledger.head()
    with pytest.raises(RuleViolationError, match="count anew"):
        decide(ledger, proposal, "accepted", "yes", by="T")
    impossible = Proposal(
        "figures-agree", "link", "claim", "a", "ghost", "corroborates", "?", (), 1.0
    )
    with pytest.raises(Exception, match="ghost"):
        decide(ledger, impossible, "accepted", "yes", by="T")
    assert ledger.head() == before


def test_on_the_labelled_pairs_the_rules_are_as_precise_as_published() -> None:
    """The figures of docs/proposals.md, which `make bench` prints; a change of a rule shows here."""
    page = (Path(__file__).parent.parent / "docs" / "proposals.md").read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        matter = build_context(Path(folder))
    tuned, reported = halves()
    assert len(tuned.pairs) + len(reported.pairs) >= 200
    for measured in measure(matter, reported):
        precision = "–" if measured.precision is None else f"{measured.precision:.2f}"
        recall = "–" if measured.recall is None else f"{measured.recall:.2f}"
        assert f"| {measured.rule} | {measured.proposed} | {precision} | {recall} |" in page


def test_the_commands_ask_and_answer(call: Any, path: Path) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, ASKED["figures-conflict"][0])
    answer = call("propose").stdout
    assert "Do b and a contradict each other?" in answer
    assert "id figures-conflict:b:a" in answer
    wrong = call("decline", "figures-conflict:b:x", "--reason", "r")
    assert wrong.returncode == 1
    assert "did you mean figures-conflict:b:a?" in wrong.stderr
    assert call("accept", "figures-conflict:b:a").returncode == 2  # a reason is wanted
    assert call("accept").returncode == 2  # not at a terminal
    done = call("accept", "figures-conflict:b:a", "--reason", "read both")
    assert "Accepted figures-conflict:b:a: link L1" in done.stdout
    assert call("propose").stdout == "0 questions.\n"
    assert "did you mean near-copy?" in call("propose", "--rule", "nearcopy").stderr


def test_questions_are_answered_one_after_another_at_a_terminal(
    path: LedgerLocation, tmp_path: Path
) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, ASKED["figures-conflict"][0])
        record_all(ledger, [{"kind": "subject", "key": "again", "label": "The Topic"}])
        record_all(ledger, [{"kind": "subject", "key": "third", "label": "the TOPIC"}])
    screen = Terminal(tmp_path, "accept")
    screen.until("Question 1 of 3")
    screen.until("q quit")
    screen.type("x")
    screen.until("q quit")  # what is none of these is asked again
    screen.type("d")
    screen.until("Why")
    screen.type("two topics")
    screen.until("Declined")
    screen.until("Question 2 of 3")
    screen.until("q quit")
    screen.type("")
    screen.until("Question 3 of 3")
    screen.until("q quit")
    screen.type("a")
    screen.until("Why")
    screen.type("read both")
    screen.until("Accepted: link L1")
    screen.until("No more questions")
    assert screen.status() == 0
    with Ledger.open(path) as ledger:
        outcomes = [stored.record.as_json()["outcome"] for stored in ledger.records("decision")]
        assert outcomes == ["declined", "accepted"]


def test_stopping_keeps_what_was_answered(path: LedgerLocation, tmp_path: Path) -> None:
    with Ledger.create(path) as ledger:
        for key in ("again", "third"):
            record_all(
                ledger, [*case(["a: one"]), {"kind": "subject", "key": key, "label": "the topic"}]
            )
    screen = Terminal(tmp_path, "decline")
    screen.until("q quit")
    screen.type("d")
    screen.until("Why")
    screen.type("no")
    screen.until("Question 2")
    screen.until("q quit")
    screen.interrupt()
    assert "1 answer kept" in screen.shown
    with Ledger.open(path) as ledger:
        assert len(list(ledger.records("decision"))) == 1
