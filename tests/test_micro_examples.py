"""The micro-examples of ``docs/semantics.md``: each docstring draws a graph, and the test checks its statuses."""

from __future__ import annotations

import pytest

from builders import analysis_of, case, record_all, status_lines
from claimledger.analysis.disputes import disputes
from claimledger.ledger import Ledger

pytestmark = pytest.mark.usefixtures("store")


def test_ten_papers_on_one_report_are_one_origin() -> None:
    """paper1..paper10 ──repeats──▶ report (observed)"""
    papers = [f"paper{n}" for n in range(1, 11)]
    lines = status_lines(
        case(["report: agency obs", *(f"{paper}: press-{paper}" for paper in papers)],
             [f"{paper} repeats report" for paper in papers])
    )  # fmt: skip
    assert set(lines.values()) == {"single-origin 1..1 in"}
    assert len(lines) == 11


def test_two_agencies_that_counted_separately_corroborate() -> None:
    """a (observed) ══corroborates══ b (observed)"""
    lines = status_lines(case(["a: agency-a obs", "b: agency-b obs"], ["a corroborates b"]))
    assert set(lines.values()) == {"corroborated 2..2 in"}


def test_unstated_or_unchecked_grounds_leave_the_origin_unclear() -> None:
    """a (observed) ══corroborates══ b (unstated | not checked)"""
    for grounds in ("unstated", ""):
        lines = status_lines(case(["a: one obs", f"b: two {grounds}"], ["a corroborates b"]))
        assert set(lines.values()) == {"origin-unclear 1..2 in"}


def test_a_party_and_its_part_may_be_the_same_voice() -> None:
    """a ══ b, and b's claimant is part of a's"""
    parties = {"one": {}, "two": {"part_of": "one"}}
    lines = status_lines(case(["a: one obs", "b: two obs"], ["a corroborates b"], parties=parties))
    assert set(lines.values()) == {"origin-unclear 1..2 in"}


def test_two_voices_cited_from_one_newspaper_may_be_one() -> None:
    """a ══ b, both cited from @newspaper"""
    lines = status_lines(
        case(["a: one obs @newspaper", "b: two obs @newspaper"], ["a corroborates b"],
             sources={"newspaper": {}})
    )  # fmt: skip
    assert set(lines.values()) == {"origin-unclear 1..2 in"}


def test_undercutting_a_report_attacks_only_what_the_report_itself_says() -> None:
    """critic ──undercuts──▶ @report-page ◀─cites─ report ◀──repeats── paper ══ independent
    denial and critic cite @report-page too and are not attacked."""
    lines = status_lines(
        case(
            [
                "report: agency obs @report-page",
                "paper: press documents",
                "independent: other obs",
                "denial: ministry @report-page",
                "critic: scholar analysis @critic-page @report-page",
            ],
            [
                "critic undercuts @report-page",
                "paper repeats report",
                "independent corroborates paper",
            ],
        )
    )
    assert lines["report"].startswith("contested")
    assert lines["paper"].startswith("contested")
    assert lines["independent"] == "corroborated 2..2 in"
    assert lines["denial"] == "single-origin 1..1 in"
    assert lines["critic"] == "single-origin 1..1 in"


def test_a_contradicted_critic_leaves_every_claim_undecided() -> None:
    """reply ══contradicts══ critic ──undercuts──▶ claim"""
    lines = status_lines(
        case(
            ["claim: a", "critic: b", "reply: c"],
            ["critic undercuts claim", "reply contradicts critic"],
        )
    )
    assert {line.split()[0] for key, line in lines.items() if key != "reply"} == {"contested"}
    assert {line.split()[-1] for line in lines.values()} == {"undecided"}


def test_a_claim_is_contested_when_one_of_its_two_own_sources_is_undercut() -> None:
    """critic ──undercuts──▶ @first; claim cites @first and @second"""
    records = case(["claim: a @first @second", "critic: b"], ["critic undercuts @first"])
    assert status_lines(records)["claim"] == "contested 1..1 in"


def test_an_attack_on_a_source_counts_the_claims_own_sources(ledger: Ledger) -> None:
    record_all(ledger, case(["claim: a @first @second", "critic: b"], ["critic undercuts @first"]))
    (attack,) = analysis_of(ledger).attacks.on("claim")
    assert (attack.source, attack.own_sources) == ("first", 2)


def test_a_superseded_claim_under_attack_stays_superseded_and_disputed(ledger: Ledger) -> None:
    """new ──updates──▶ old ◀──repeats── paper;  critic ──undercuts──▶ old"""
    records = case(
        ["old: agency", "new: agency @new-page", "paper: press", "critic: scholar"],
        ["new updates old", "paper repeats old", "critic undercuts old"],
    )
    lines = status_lines(records)
    assert lines["old"].startswith("superseded")
    assert lines["paper"].startswith("superseded")
    assert lines["new"].startswith("single-origin")
    record_all(ledger, records)
    (dispute,) = disputes(analysis_of(ledger))
    assert dispute.head == "old"
    assert dispute.attackers == ("critic",)


def test_an_undercut_attacker_still_contests() -> None:
    """r ──undercuts──▶ p ══contradicts══ q"""
    lines = status_lines(case(["p: a", "q: b", "r: c"], ["p contradicts q", "r undercuts p"]))
    assert lines == {
        "p": "contested 1..1 out",
        "q": "contested 1..1 in",
        "r": "single-origin 1..1 in",
    }


def test_circular_reporting_is_one_root() -> None:
    """a ⇄ b (each repeats the other)"""
    records = case(["a: one", "b: two"], ["a repeats b", "b repeats a"])
    assert set(status_lines(records).values()) == {"single-origin 1..1 in"}


def test_a_loop_is_contested_when_what_it_repeats_outside_is() -> None:
    """a ⇄ b ──repeats──▶ o ◀──undercuts── u"""
    lines = status_lines(
        case(["a: one", "b: two", "o: three", "u: four"],
             ["a repeats b", "b repeats a", "b repeats o", "u undercuts o"])
    )  # fmt: skip
    for key in ("a", "b", "o"):
        assert lines[key].startswith("contested")
        assert lines[key].endswith("out")


def test_contradicting_one_paper_contradicts_its_whole_assertion() -> None:
    """ministry ══contradicts══ paper1 ──repeats──▶ report ◀──repeats── paper2"""
    lines = status_lines(
        case(["report: agency obs", "paper1: x", "paper2: y", "denial: ministry"],
             ["paper1 repeats report", "paper2 repeats report", "denial contradicts paper1"])
    )  # fmt: skip
    assert all(line.startswith("contested") for line in lines.values())


def test_retracting_a_study_contests_the_claims_that_rest_on_it() -> None:
    """retraction ──retracts──▶ study ◀──repeats── paper;  study ◀──derives_from── sum"""
    lines = status_lines(
        case(["study: lab obs", "retraction: lab", "paper: press", "sum: other"],
             ["retraction retracts study", "paper repeats study", "sum derives_from study"])
    )  # fmt: skip
    assert lines["study"] == "retracted 0..0 out"
    assert lines["paper"] == "contested 0..0 out"
    assert lines["sum"].startswith("contested")


def test_a_sum_of_two_claims_has_one_joint_origin() -> None:
    """45 and 54 ◀──derives_from── 99"""
    lines = status_lines(
        case(["p45: a obs", "p54: b obs", "p99: c analysis"],
             ["p99 derives_from p45", "p99 derives_from p54"])
    )  # fmt: skip
    assert lines["p99"] == "single-origin 1..1 in"


def test_a_claim_needs_every_claim_it_repeats_unless_they_are_one_assertion() -> None:
    """c ──repeats──▶ a, b;  u ──undercuts──▶ a"""
    claims = ["a: one", "b: two", "c: three", "u: four"]
    links = ["c repeats a", "c repeats b", "u undercuts a"]
    assert status_lines(case(claims, links))["c"].startswith("contested")
    joined = status_lines(case(claims, [*links, "a corroborates b"]))["c"]
    assert not joined.startswith("contested")


def test_an_attack_lapses_when_the_attacker_is_updated(ledger: Ledger) -> None:
    """q54 ──updates──▶ q60 ══contradicts══ a54"""
    records = case(
        ["a54: agency", "q60: press", "q54: press @later"],
        ["q60 contradicts a54", "q54 updates q60"],
    )
    assert status_lines(records)["a54"].startswith("single-origin")
    record_all(ledger, records)
    analysis = analysis_of(ledger)
    assert not analysis.attacks.on("a54")
    assert [attack.attacker for attack in analysis.attacks.past["a54"]] == ["q60"]


def test_two_keys_for_one_party_become_one_voice(ledger: Ledger) -> None:
    """a: rfa ══ b: radio-free-asia; then rfa is withdrawn, replaced by radio-free-asia"""
    record_all(ledger, case(["a: rfa obs", "b: radio-free-asia obs"], ["a corroborates b"]))
    assert analysis_of(ledger).origins("a").at_most == 2
    ledger.withdraw("party", "rfa", by="Tester", reason="the same", replaced_by="radio-free-asia")
    assert analysis_of(ledger).origins("a").at_most == 1


def test_joint_claimants_speak_with_one_voice() -> None:
    """a: one+two ══ b: two"""
    lines = status_lines(case(["a: one+two obs", "b: two obs"], ["a corroborates b"]))
    assert set(lines.values()) == {"single-origin 1..1 in"}


def test_a_repeat_with_another_figure_is_another_assertion_with_the_same_origin() -> None:
    """paper (60) ──repeats──▶ report (54)"""
    figures = {
        "report": {"figures": [{"measure": "stations", "value": "54"}]},
        "paper": {"figures": [{"measure": "stations", "value": "60"}]},
    }
    claims, links = ["report: a obs", "paper: b", "denial: c"], ["paper repeats report"]
    lines = status_lines(case(claims, [*links, "denial contradicts paper"], extra=figures))
    assert lines["report"].startswith("single-origin")
    assert lines["paper"] == "contested 1..1 undecided"


def test_a_pair_at_odds_is_flagged_and_not_joined(ledger: Ledger) -> None:
    """a ══corroborates══ b and a ══contradicts══ b"""
    record_all(ledger, case(["a: one obs", "b: two obs"], ["a corroborates b", "a contradicts b"]))
    analysis = analysis_of(ledger)
    assert not analysis.assertions.same("a", "b")
    assert [link.key for link in analysis.assertions.at_odds] == ["l1"]


def test_a_retracted_retraction_does_not_count() -> None:
    """second ──retracts──▶ first ──retracts──▶ claim"""
    lines = status_lines(
        case(["claim: a", "first: a @p1", "second: a @p2"],
             ["first retracts claim", "second retracts first"])
    )  # fmt: skip
    assert lines["claim"].startswith("single-origin")
    assert lines["first"].startswith("retracted")


def test_a_loop_that_repeats_two_claims_of_one_assertion_needs_only_one_of_them() -> None:
    """a ⇄ b; a ──repeats──▶ o1, b ──repeats──▶ o2, o1 ══ o2; u ──undercuts──▶ o1"""
    lines = status_lines(
        case(["a: p1", "b: p2", "o1: p3", "o2: p4", "u: p5"],
             ["a repeats b", "b repeats a", "a repeats o1", "b repeats o2", "o1 corroborates o2",
              "u undercuts o1"])
    )  # fmt: skip
    assert not lines["a"].startswith("contested")
    assert not lines["b"].startswith("contested")


def test_undercutting_a_source_of_another_publisher_only_questions_the_attribution(
    ledger: Ledger,
) -> None:
    """claim of a person, cited from @daily (published by daily) ◀──undercuts── critic"""
    sources = {"daily": {"publisher": "daily-press"}}
    parties = {"daily-press": {}}
    records = case(
        ["claim: person obs @daily", "critic: b"], ["critic undercuts @daily"],
        sources=sources, parties=parties,
    )  # fmt: skip
    assert status_lines(records)["claim"] == "single-origin 1..1 in"
    record_all(ledger, records)
    assert set(analysis_of(ledger).attacks.questioned) == {"claim"}
