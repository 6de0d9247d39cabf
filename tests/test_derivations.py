"""Figures computed from others, and figures the ledger itself can count: done again, and told when stale."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import Records, analysis_of, case, record_all
from claimledger.analysis.derivations import Derivation, derived
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


def figure(value: str, formula: str = "", measure: str = "m", **more: str) -> dict[str, Any]:
    fields = {"measure": measure, "value": value, **more}
    return {"figures": [{**fields, "formula": formula} if formula else fields]}


def computed(ledger: Ledger, key: str = "sum") -> Derivation:
    claims = {stored.key: stored.record for stored in ledger.records("claim")}
    plain = {key: claim for key, claim in claims.items() if isinstance(claim, Claim)}
    (derivation,) = derived(analysis_of(ledger), key, plain)
    return derivation


def two_and_their(formula: str, value: str, a: str = "45", b: str = "54") -> Records:
    extra = {"a": figure(a), "b": figure(b), "sum": figure(value, formula)}
    return case(["a: one", "b: two", "sum: three"], ["sum derives_from a", "sum derives_from b"],
                extra=extra)  # fmt: skip


def linked(key: str, by: str, type: str, to: str) -> Records:
    """A claim and its link to one that is there already."""
    link = {"kind": "link", "key": f"{key}-link", "type": type, "from": key, "to": to}
    return [*case([f"{key}: {by}"]), link]


@pytest.mark.parametrize(
    ("formula", "value", "gives"),
    [
        ("sum(a, b)", "99", True),
        ("sum(a, b)", "100", True),  # 99 rounded to its last digit that says something
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
def test_a_formula_gives_its_figure_or_not(
    ledger: Ledger, formula: str, value: str, gives: bool
) -> None:
    record_all(ledger, two_and_their(formula, value))
    assert computed(ledger).gives is gives


def test_uncertain_inputs_make_uncertain_results(ledger: Ledger) -> None:
    record_all(ledger, two_and_their("sum(a, b)", "99", a="over 40", b="50–55"))
    assert computed(ledger).result == Interval(Decimal(90), None, low_open=True)
    assert computed(ledger).gives


def test_a_division_by_what_may_be_nothing_is_told(ledger: Ledger) -> None:
    record_all(ledger, two_and_their("ratio(a, b)", "3", b="0–5"))
    assert computed(ledger).wrong == ("it divides by what may be 0",)
    assert not computed(ledger).sound


def test_an_input_that_fell_and_one_that_is_not_linked_are_told(ledger: Ledger) -> None:
    drawn = two_and_their("sum(a, b)", "99")
    drawn = [record for record in drawn if record["key"] != "l2"]
    record_all(
        ledger,
        [*drawn, *linked("back", "one", "retracts", "a"), *linked("late", "two", "updates", "b")],
    )
    derivation = computed(ledger)
    assert derivation.gives
    assert derivation.fallen == (("a", "retracted"), ("b", "superseded"))
    assert derivation.unlinked == ("b",)
    assert not derivation.sound


def test_an_amended_input_no_longer_gives_the_figure(ledger: Ledger) -> None:
    record_all(ledger, two_and_their("sum(a, b)", "99"))
    ledger.amend("claim", "a", {"figures": [{"measure": "m", "value": "46"}]}, by="T", reason="r")
    derivation = computed(ledger)
    assert (derivation.gives, derivation.result) == (False, Interval(Decimal(100), Decimal(100)))


def test_the_measure_is_named_where_a_claim_holds_several(ledger: Ledger) -> None:
    drawn = two_and_their("share(a/met, a/sent)", "50")
    both = [{"measure": "sent", "value": "10"}, {"measure": "met", "value": "5"}]
    for fields in drawn:
        if fields["key"] == "a":
            fields["figures"] = both
    record_all(ledger, drawn)
    assert computed(ledger).gives
    ledger.amend("claim", "a", {"figures": both[:1]}, by="T", reason="r")
    assert "a holds no figure of met" in computed(ledger).wrong[0]


@pytest.mark.parametrize(
    "text", ["", "sum", "sum()", "sum(A)", "mean(a)", "share(a)", "growth(a, b, c)", "count(cats, a)",
             "count(places)", "count(places, a, b)", "sum(a, b) + 1", "sum(sum(a))"]
)  # fmt: skip
def test_what_is_no_formula_is_refused_with_what_would_be(text: str, ledger: Ledger) -> None:
    with pytest.raises(ParseError):
        read_formula(text)
    with pytest.raises(InvalidInputError, match="formula"):
        record_all(ledger, case(["a: one"], extra={"a": figure("5", text or " ")}))


bounds = st.fractions(min_value=-50, max_value=50, max_denominator=1)


@given(st.lists(st.tuples(bounds, bounds, bounds), min_size=2, max_size=2))
def test_intervals_hold_every_result_of_numbers_in_them(
    drawn: list[tuple[Fraction, Fraction, Fraction]],
) -> None:
    spans, inner = [], []
    for three in drawn:
        low, middle, high = sorted(three)
        spans.append(Interval(Decimal(int(low)), Decimal(int(high))))
        inner.append(Decimal(int(middle)))
    (interval, divisor), (a, b) = spans, inner

    def holds(span: Interval, number: Decimal) -> bool:
        assert span.low is not None
        assert span.high is not None
        return span.low <= number <= span.high

    assert holds(total([interval, divisor]), a + b)
    assert holds(total([interval, negative(divisor)]), a - b)
    assert holds(product(interval, divisor), a * b)
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


def places(**of: str) -> dict[str, dict[str, Any]]:
    return {key: {"scope": {"place": place}} for key, place in of.items()}


@pytest.fixture
def counted(ledger: Ledger) -> Ledger:
    record_all(
        ledger,
        case(["a: one", "b: two", "c: three", "d: four", "e: five"], ["b corroborates a"],
             extra=places(a="NLD", b="NLD", c="DEU", d="FRA"), parties={"us": {}},
             sources={"page": {"publisher": "us"}}),
    )  # fmt: skip
    return ledger


@pytest.mark.parametrize(
    ("what", "number"), [("claims", 5), ("assertions", 4), ("places", 3), ("sources", 5)]
)
def test_what_a_tally_counts(counted: Ledger, what: str, number: int) -> None:
    assert tally(counted, Count(what, "topic")).number == number


def test_a_tally_leaves_out_what_was_taken_back_and_obeys_terms_and_limits(counted: Ledger) -> None:
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
    record_all(counted, [*linked("back", "four", "retracts", "d"), *terms])
    counted_now = tally(counted, Count("places", "topic"), "scope.place")
    assert (counted_now.number, counted_now.left_out) == (1, ("d",))
    assert dict(counted_now.groups)["NLD"] == 1
    assert tally(counted, Count("claims", "topic", (("place", "Europe"),))).claims == (
        "a",
        "b",
        "c",
    )


def test_a_recorded_tally_goes_stale_when_what_it_counted_changes(counted: Ledger) -> None:
    recorded_tally = tally(counted, Count("places", "topic"))
    claim = as_claim(
        recorded_tally, "countries", key="t", claimant=("us",), citations=(Citation(source="page"),)
    )
    counted.record(*records_of(recorded_tally, claim), by="T")

    def again() -> Any:
        (recount,) = recounts(counted, analysis_of(counted), "t", claim)
        return recount

    assert not again().stale
    assert again().number == 3  # the tally does not count itself
    record_all(counted, case(["g: seven"], extra=places(g="ITA")))
    assert (again().stale, again().number, again().new) == (True, 4, ("g",))
    counted.withdraw("claim", "c", by="T", reason="r", cascade=True)
    assert again().number == 3
    assert again().stale


def test_the_worked_cases_table_counts_as_the_article_says() -> None:
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
def test_a_figure_gives_itself(number: Decimal) -> None:
    from claimledger.analysis.derivations import gives

    stated = Figure(measure="m", low=number, high=number, scope={})
    assert gives(stated.interval, stated)
