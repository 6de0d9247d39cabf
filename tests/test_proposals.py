"""Proposals: what each rule proposes, once per assertion, and what accepting or declining does."""

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
from terminal import OpenTerminal


def counted(value: str, **fields: Any) -> dict[str, Any]:
    """Return fields of a claim that counts stations."""
    return {"statement": f"{value} stations stood open.",
            "figures": [{"measure": "stations", "value": value, "nature": "stock"}], **fields}  # fmt: skip


EXAMPLES: dict[str, tuple[Records, str]] = {
    "figures-agree": (
        case(["a: one", "b: two"], extra={
            "a": {"statement": "Police run 54 posts abroad.", "figures": [{"measure": "posts", "value": "54"}]},
            "b": {"statement": "There are 54 police posts.", "figures": [{"measure": "posts", "value": "54"}]}}),
        "a corroborates b"),
    "figures-conflict": (
        case(["a: one", "b: two"], extra={"a": counted("54", about="2022"), "b": counted("30", about="2022")}),
        "b contradicts a"),
    "part-exceeds-whole": (
        case(["a: one", "b: two"], extra={"a": counted("54", about="2022"),
                                          "b": counted("60", about="2022", scope={"operator": "Fuzhou"})}),
        "b contradicts a"),
    "newer-figure": (
        case(["a: one", "b: one"], extra={"a": counted("54", about="2022", asserted="2022"),
                                          "b": counted("102", about="2023", asserted="2023")}),
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


def test_every_rule_has_an_example() -> None:
    assert set(EXAMPLES) == set(RULES)


@pytest.mark.parametrize("rule", list(RULES))
def test_each_rule_proposes_with_evidence_a_score_and_a_question(ledger: Ledger, rule: str) -> None:
    records, expected = EXAMPLES[rule]
    record_all(ledger, records)
    (proposal,) = propose(ledger, rule=rule)
    assert f"{proposal.one} {proposal.type} {proposal.other}" == expected
    assert proposal.evidence
    assert 0 < proposal.score <= 1
    assert proposal.asks.endswith("?")
    assert propose(ledger, ledger.head().size, rule=rule) == []


@pytest.mark.parametrize("rule", [name for name in RULES if name != "stale-tally"])
def test_proposals_about_changed_records_equal_those_about_all(ledger: Ledger, rule: str) -> None:
    records, _ = EXAMPLES[rule]
    record_all(ledger, records)
    proposals = propose(ledger, rule=rule)
    assert propose(ledger, 0, rule=rule) == proposals
    before = ledger.head().size
    record_all(
        ledger,
        case(["stranger: nobody"], extra={"stranger": {"statement": "Quite another thing."}}),
    )
    assert propose(ledger, before, rule=rule) == []


def test_accepting_a_proposal_records_a_computed_link_and_a_decision(
    ledger: Ledger,
) -> None:
    record_all(ledger, EXAMPLES["figures-conflict"][0])
    (proposal,) = propose(ledger)
    key = decide(ledger, proposal, "accepted", "read both", by="T")
    link = ledger.get("link", str(key)).record
    assert isinstance(link, Link)
    assert (link.basis, link.rule, link.reason) == ("computed", "figures-conflict", "read both")
    assert analysis_of(ledger).attacks.contested("a")
    (decision,) = ledger.records("decision")
    assert decision.record.as_json()["outcome"] == "accepted"
    assert propose(ledger) == []


def test_a_declined_proposal_returns_only_when_its_claims_change(ledger: Ledger) -> None:
    record_all(ledger, EXAMPLES["figures-conflict"][0])
    (proposal,) = propose(ledger)
    assert decide(ledger, proposal, "declined", "two kinds of station", by="T") is None
    assert propose(ledger) == []
    ledger.amend("source", "a-page", {"note": "nothing to do with it"}, by="T", reason="r")
    assert propose(ledger) == []
    ledger.amend("claim", "a", {"note": "read again"}, by="T", reason="r")
    assert [proposal.id for proposal in propose(ledger)] == [proposal.id]
    assert not analysis_of(ledger).attacks.contested("a")


def test_after_declining_everything_nothing_is_proposed(ledger: Ledger) -> None:
    record_all(ledger, EXAMPLES["figures-conflict"][0])
    record_all(ledger, [{"kind": "subject", "key": "again", "label": "The Topic"}])
    while proposals := propose(ledger):
        for proposal in proposals:
            decide(ledger, proposal, "declined", "no", by="T")
    assert propose(ledger) == []
    assert not list(ledger.records("link"))


def test_a_conflict_with_a_repeated_report_is_proposed_once(ledger: Ledger) -> None:
    """Ten papers repeat a report; another claim counts another number."""
    papers = [f"p{n}" for n in range(10)]
    extra = {key: counted("54", about="2022") for key in ("report", *papers)}
    records = case(["report: agency", *(f"{paper}: {paper}-press" for paper in papers), "other: rival"],
                 [f"{paper} repeats report" for paper in papers],
                 extra={**extra, "other": counted("30", about="2022")})  # fmt: skip
    record_all(ledger, records)
    (proposal,) = propose(ledger)
    assert proposal.rule == "figures-conflict"
    assert {proposal.one, proposal.other, *proposal.also} == {"report", "other", *papers}


def test_unlinked_papers_with_one_figure_are_proposed_together(ledger: Ledger) -> None:
    """Eleven papers have one figure and a twelfth claim another: two proposals, not 66."""
    papers = [f"p{n:02}" for n in range(11)]
    extra = {key: counted("5,432", about="2022") for key in papers} | {
        "other": counted("30", about="2022")
    }
    record_all(
        ledger,
        case([*(f"{paper}: {paper}-press" for paper in papers), "other: rival"], extra=extra),
    )
    equal, different = sorted(propose(ledger), key=lambda proposal: proposal.type, reverse=True)
    assert (equal.type, different.type) == ("repeats", "contradicts")  # the words are equal too
    assert {equal.one, equal.other, *equal.also} == set(papers)
    assert {different.one, different.other, *different.also} == {"other", *papers}
    decide(ledger, equal, "accepted", "one count", by="T")
    analysis = analysis_of(ledger)
    assert len(analysis.assertions.members[analysis.assertions.of["p00"]]) == 11
    assert len(list(ledger.records("link"))) == 10
    (remaining,) = propose(ledger)
    assert remaining.type == "contradicts"


def test_declining_a_joint_proposal_declines_every_pair(ledger: Ledger) -> None:
    papers = [f"p{n}" for n in range(4)]
    extra = {key: counted("5,432", about="2022") for key in papers}
    record_all(ledger, case([f"{paper}: {paper}-press" for paper in papers], extra=extra))
    (proposal,) = propose(ledger)
    decide(ledger, proposal, "declined", "by chance", by="T")
    assert propose(ledger) == []
    record_all(ledger, case(["p9: late-press"], extra={"p9": counted("5,432", about="2022")}))
    assert len(propose(ledger)) == 1


def test_a_pair_that_was_linked_later_is_not_proposed_for_an_earlier_day(ledger: Ledger) -> None:
    records = case(["a: one", "b: two"], extra={key: counted("5,432", asserted="2020") for key in "ab"},
                 sources={"late": {"published": "2022"}})  # fmt: skip
    records.append({"kind": "link", "key": "l", "type": "corroborates", "from": "a", "to": "b",
                  "basis": "stated", "citations": [{"source": "late"}]})  # fmt: skip
    record_all(ledger, records)
    assert propose(ledger.at(as_of="2021")) == []


def test_a_pair_that_matches_two_rules_is_proposed_once(ledger: Ledger) -> None:
    """The attacker was updated, and its new figure conflicts as well."""
    extra = {
        "a": counted("54", about="2022"),
        "old": counted("30", about="2022"),
        "new": counted("31", about="2022"),
    }
    record_all(ledger, case(["a: one", "old: two", "new: two"],
                        ["old contradicts a", "new updates old"], extra=extra))  # fmt: skip
    (proposal,) = propose(ledger)
    assert (proposal.rule, proposal.one, proposal.other) == ("attack-renewed", "new", "a")


def test_accepting_a_merge_of_parties_makes_their_origins_one(ledger: Ledger) -> None:
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


def test_accepting_a_reversed_link_withdraws_the_old_link(ledger: Ledger) -> None:
    record_all(ledger, EXAMPLES["turned-around"][0])
    (proposal,) = propose(ledger, rule="turned-around")
    decide(ledger, proposal, "accepted", "the dates say so", by="T")
    links = [
        (stored.record.as_json()["from"], stored.record.as_json()["to"])
        for stored in ledger.records("link")
    ]
    assert links == [("b", "a")]


def test_a_decision_that_is_refused_writes_nothing(ledger: Ledger) -> None:
    record_all(ledger, EXAMPLES["stale-tally"][0])
    (proposal,) = propose(ledger, rule="stale-tally")
    before = ledger.head()
    with pytest.raises(RuleViolationError, match="count again"):
        decide(ledger, proposal, "accepted", "yes", by="T")
    impossible = Proposal(
        rule="figures-agree",
        makes="link",
        kind="claim",
        one="a",
        other="ghost",
        type="corroborates",
        asks="?",
        evidence=(),
        score=1.0,
    )
    with pytest.raises(Exception, match="ghost"):
        decide(ledger, impossible, "accepted", "yes", by="T")
    assert ledger.head() == before


def test_precision_and_recall_on_the_labelled_pairs_are_as_documented() -> None:
    """``make bench`` prints the figures of docs/proposals.md; this test fails when a rule changes them."""
    page = (Path(__file__).parent.parent / "docs" / "proposals.md").read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        context = build_context(Path(folder))
    tuned, reported = halves()
    assert len(tuned.pairs) + len(reported.pairs) >= 200
    for measured in measure(context, reported):
        precision = "–" if measured.precision is None else f"{measured.precision:.2f}"
        recall = "–" if measured.recall is None else f"{measured.recall:.2f}"
        assert f"| {measured.rule} | {measured.proposed} | {precision} | {recall} |" in page


def test_the_commands_propose_accept_and_decline(call: Any, path: Path) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, EXAMPLES["figures-conflict"][0])
    output = call("propose").stdout
    assert "Do b and a contradict each other?" in output
    assert "ID: figures-conflict:b:a" in output
    wrong = call("decline", "figures-conflict:b:x", "--reason", "r")
    assert wrong.returncode == 1
    assert "nearest: figures-conflict:b:a" in wrong.stderr
    assert call("accept", "figures-conflict:b:a").returncode == 2  # a reason is required
    assert call("accept").returncode == 2  # not at a terminal
    result = call("accept", "figures-conflict:b:a", "--reason", "read both")
    assert "Accepted figures-conflict:b:a: link L1" in result.stdout
    assert call("propose").stdout == "There is nothing to propose.\n"
    assert "did you mean near-copy?" in call("propose", "--rule", "nearcopy").stderr


def test_a_terminal_asks_one_proposal_after_another(
    path: LedgerLocation, terminal: OpenTerminal
) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, EXAMPLES["figures-conflict"][0])
        record_all(ledger, [{"kind": "subject", "key": "again", "label": "The Topic"}])
        record_all(ledger, [{"kind": "subject", "key": "third", "label": "the TOPIC"}])
    screen = terminal("accept")
    screen.until("Question 1 of 3")
    screen.until("q: quit")
    screen.type("x")
    screen.until("q: quit")  # an unknown key repeats the prompt
    screen.type("d")
    screen.until("Why")
    screen.type("two topics")
    screen.until("Declined")
    screen.until("Question 2 of 3")
    screen.until("q: quit")
    screen.type("")
    screen.until("Question 3 of 3")
    screen.until("q: quit")
    screen.type("a")
    screen.until("Why")
    screen.type("read both")
    screen.until("Accepted: link L1")
    screen.until("No more questions")
    assert screen.status() == 0
    with Ledger.open(path) as ledger:
        outcomes = [stored.record.as_json()["outcome"] for stored in ledger.records("decision")]
        assert outcomes == ["declined", "accepted"]


def test_an_interrupt_keeps_the_decisions_made_so_far(
    path: LedgerLocation, terminal: OpenTerminal
) -> None:
    with Ledger.create(path) as ledger:
        for key in ("again", "third"):
            record_all(
                ledger, [*case(["a: one"]), {"kind": "subject", "key": key, "label": "the topic"}]
            )
    screen = terminal("decline")
    screen.until("q: quit")
    screen.type("d")
    screen.until("Why")
    screen.type("no")
    screen.until("Question 2")
    screen.until("q: quit")
    screen.interrupt()
    assert "1 answer was recorded" in screen.shown
    with Ledger.open(path) as ledger:
        assert len(list(ledger.records("decision"))) == 1
