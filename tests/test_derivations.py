"""Formulas and tallies: figures computed from other claims or counted in the ledger are checked, and flagged if stale."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import Records, analysis_of, case, record_all
from claimledger.analysis.derivations import Derivation, recompute
from claimledger.analysis.intervals import negative, product, quotient, total
from claimledger.errors import InvalidInputError, ParseError
from claimledger.ledger import Ledger
from claimledger.present.tally_view import as_claim, records_of
from claimledger.records.citation import Citation
from claimledger.records.claim import Claim
from claimledger.records.figure import Figure, Interval
from claimledger.records.formula import Count, read_formula
from claimledger.services.tally import recounts, tally

ROOT = Path(__file__).parent.parent


def figure(value: str, formula: str = "", measure: str = "m", **options: str) -> dict[str, Any]:
    fields = {"measure": measure, "value": value, **options}
    return {"figures": [{**fields, "formula": formula} if formula else fields]}


def derivation_of(ledger: Ledger, key: str = "sum") -> Derivation:
    claims = {stored.key: stored.record for stored in ledger.records("claim")}
    known_claims = {key: claim for key, claim in claims.items() if isinstance(claim, Claim)}
    (derivation,) = recompute(analysis_of(ledger), key, known_claims)
    return derivation


def claim_derived_from_two(formula: str, value: str, a: str = "45", b: str = "54") -> Records:
    extra = {"a": figure(a), "b": figure(b), "sum": figure(value, formula)}
    return case(["a: one", "b: two", "sum: three"], ["sum derives_from a", "sum derives_from b"],
                extra=extra)  # fmt: skip


def claim_with_link(key: str, by: str, type: str, to: str) -> Records:
    """Return the records of a claim and of its link to a claim that is already recorded."""
    link = {"kind": "link", "key": f"{key}-link", "type": type, "from": key, "to": to}
    return [*case([f"{key}: {by}"]), link]


@pytest.mark.parametrize(
    ("formula", "value", "matches"),
    [
        ("sum(a, b)", "99", True),
        ("sum(a, b)", "100", True),  # 100 is a rounded number, and 99 rounds to it
        ("sum(a, b)", "98", False),
        ("difference(b, a)", "9", True),
        ("product(a, b)", "2,430", True),
        ("ratio(b, a)", "1.2", True),
        ("ratio(b, a)", "1.3", False),
        ("share(a, b)", "83.3", True),
        ("share(a, b)", "83.4", False),
        ("share(a, b)", "over 80", True),
        ("growth(a, b)", "20", True),
        ("growth(b, a)", "-16.7", True),
        ("sum(a, sum)", "over 1", True),
    ],
)
def test_a_formula_is_compared_with_its_stated_figure(
    ledger: Ledger, formula: str, value: str, matches: bool
) -> None:
    record_all(ledger, claim_derived_from_two(formula, value))
    assert derivation_of(ledger).reproduced is matches


def test_uncertain_inputs_give_an_uncertain_result(ledger: Ledger) -> None:
    record_all(ledger, claim_derived_from_two("sum(a, b)", "99", a="over 40", b="50–55"))
    assert derivation_of(ledger).result == Interval(Decimal(90), None, low_open=True)
    assert derivation_of(ledger).reproduced


def test_a_division_by_a_possible_zero_is_reported(ledger: Ledger) -> None:
    record_all(ledger, claim_derived_from_two("ratio(a, b)", "3", b="0–5"))
    assert derivation_of(ledger).problems == ("it divides by a number that may be 0",)
    assert not derivation_of(ledger).sound


def test_retracted_superseded_and_unlinked_inputs_are_reported(ledger: Ledger) -> None:
    records = claim_derived_from_two("sum(a, b)", "99")
    records = [record for record in records if record["key"] != "l2"]
    record_all(
        ledger,
        [
            *records,
            *claim_with_link("back", "one", "retracts", "a"),
            *claim_with_link("late", "two", "updates", "b"),
        ],
    )
    derivation = derivation_of(ledger)
    assert derivation.reproduced
    assert derivation.fallen == (("a", "retracted"), ("b", "superseded"))
    assert derivation.unlinked == ("b",)
    assert not derivation.sound


def test_an_amended_input_no_longer_gives_the_figure(ledger: Ledger) -> None:
    record_all(ledger, claim_derived_from_two("sum(a, b)", "99"))
    ledger.amend("claim", "a", {"figures": [{"measure": "m", "value": "46"}]}, by="T", reason="r")
    derivation = derivation_of(ledger)
    assert (derivation.reproduced, derivation.result) == (
        False,
        Interval(Decimal(100), Decimal(100)),
    )


def test_a_formula_names_the_measure_if_a_claim_has_several(ledger: Ledger) -> None:
    records = claim_derived_from_two("share(a/met, a/sent)", "50")
    figures = [{"measure": "sent", "value": "10"}, {"measure": "met", "value": "5"}]
    for fields in records:
        if fields["key"] == "a":
            fields["figures"] = figures
    record_all(ledger, records)
    assert derivation_of(ledger).reproduced
    ledger.amend("claim", "a", {"figures": figures[:1]}, by="T", reason="r")
    assert "a has no figure of met" in derivation_of(ledger).problems[0]


@pytest.mark.parametrize(
    "text", ["", "sum", "sum()", "sum(A)", "mean(a)", "share(a)", "growth(a, b, c)", "count(cats, a)",
             "count(places)", "count(places, a, b)", "sum(a, b) + 1", "sum(sum(a))"]
)  # fmt: skip
def test_an_invalid_formula_is_refused(text: str, ledger: Ledger) -> None:
    with pytest.raises(ParseError):
        read_formula(text)
    with pytest.raises(InvalidInputError, match="formula"):
        record_all(ledger, case(["a: one"], extra={"a": figure("5", text or " ")}))


bounds = st.fractions(min_value=-50, max_value=50, max_denominator=1)


@given(st.lists(st.tuples(bounds, bounds, bounds), min_size=2, max_size=2))
def test_interval_arithmetic_contains_the_result_for_all_members(
    triples: list[tuple[Fraction, Fraction, Fraction]],
) -> None:
    intervals, members = [], []
    for triple in triples:
        low, middle, high = sorted(triple)
        intervals.append(Interval(Decimal(int(low)), Decimal(int(high))))
        members.append(Decimal(int(middle)))
    (interval, divisor), (a, b) = intervals, members

    def contains(interval: Interval, number: Decimal) -> bool:
        assert interval.low is not None
        assert interval.high is not None
        return interval.low <= number <= interval.high

    assert contains(total([interval, divisor]), a + b)
    assert contains(total([interval, negative(divisor)]), a - b)
    assert contains(product(interval, divisor), a * b)
    try:
        result = quotient(interval, divisor)
    except ZeroDivisionError:
        assert divisor.low is not None
        assert divisor.high is not None
        assert divisor.low <= 0 <= divisor.high
    else:
        assert result.low is not None
        assert result.high is not None
        assert (
            result.low * b <= a <= result.high * b
            or result.high * b <= a <= result.low * b
            or abs(a / b - result.low) < Decimal("1e-20")
        )


# Tallies


def in_places(**place_by_claim: str) -> dict[str, dict[str, Any]]:
    return {key: {"scope": {"place": place}} for key, place in place_by_claim.items()}


@pytest.fixture
def subject_ledger(ledger: Ledger) -> Ledger:
    record_all(
        ledger,
        case(["a: one", "b: two", "c: three", "d: four", "e: five"], ["b corroborates a"],
             extra=in_places(a="NLD", b="NLD", c="DEU", d="FRA"), parties={"us": {}},
             sources={"page": {"publisher": "us"}}),
    )  # fmt: skip
    return ledger


@pytest.mark.parametrize(
    ("counted", "number"), [("claims", 5), ("assertions", 4), ("places", 3), ("sources", 5)]
)
def test_a_tally_counts_claims_assertions_places_or_sources(
    subject_ledger: Ledger, counted: str, number: int
) -> None:
    assert tally(subject_ledger, Count(counted, "topic")).number == number


def test_a_tally_leaves_out_retracted_claims_and_applies_terms_and_limits(
    subject_ledger: Ledger,
) -> None:
    terms = [
        {"kind": "term", "key": "europe", "of": "place", "label": "Europe"},
        {
            "kind": "term",
            "key": "nld",
            "of": "place",
            "label": "NLD",
            "aliases": ["DEU"],
            "broader": "europe",
        },
    ]
    record_all(subject_ledger, [*claim_with_link("back", "four", "retracts", "d"), *terms])
    result = tally(subject_ledger, Count("places", "topic"), "scope.place")
    assert (result.number, result.left_out) == (1, ("d",))
    assert dict(result.groups)["NLD"] == 1
    assert tally(subject_ledger, Count("claims", "topic", (("place", "Europe"),))).claims == (
        "a",
        "b",
        "c",
    )


def test_a_recorded_tally_becomes_stale_when_its_claims_change(subject_ledger: Ledger) -> None:
    recorded_tally = tally(subject_ledger, Count("places", "topic"))
    claim = as_claim(
        recorded_tally, "countries", key="t", claimant=("us",), citations=(Citation(source="page"),)
    )
    subject_ledger.record(*records_of(recorded_tally, claim), by="T")

    def recount_now() -> Any:
        (recount,) = recounts(subject_ledger, analysis_of(subject_ledger), "t", claim)
        return recount

    assert not recount_now().stale
    assert recount_now().number == 3  # the tally does not count itself
    record_all(subject_ledger, case(["g: seven"], extra=in_places(g="ITA")))
    assert (recount_now().stale, recount_now().number, recount_now().new) == (True, 4, ("g",))
    subject_ledger.withdraw("claim", "c", by="T", reason="r", cascade=True)
    assert recount_now().number == 3
    assert recount_now().stale


def test_the_tally_of_the_worked_case_equals_the_count_in_the_article() -> None:
    with Ledger.open(ROOT / "ledger.db") as ledger:
        claim = ledger.get("claim", "article-69").record
        assert isinstance(claim, Claim)
        stated = {figure.measure: figure.low for figure in claim.figures}
        assert tally(ledger, Count("places", "locations")).number == stated["country codes"]


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=3, min_value=-(10**6), max_value=10**6
    )
)
def test_a_formula_with_an_equal_result_matches_its_figure(number: Decimal) -> None:
    from claimledger.analysis.derivations import reproduces

    stated = Figure(measure="m", low=number, high=number, scope={})
    assert reproduces(stated.interval, stated)
