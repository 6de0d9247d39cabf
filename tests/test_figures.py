"""Figures: numbers as people write them, and the intervals that they mean."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from claimledger.errors import ParseError
from claimledger.records.figure import Figure, Interval
from claimledger.records.number_words import find_values, read_value, scaled


@pytest.mark.parametrize(
    ("written", "low", "high", "qualifier"),
    [
        ("54", "54", "54", "exact"),
        ("over 1,800", "1800", None, "over"),
        ("more than 1,800", "1800", None, "over"),
        ("at least 120", "120", None, "at least"),
        ("120 or more", "120", None, "at least"),
        ("54+", "54", None, "at least"),
        ("some 230,000", "230000", "230000", "about"),
        ("5.85 million", "5850000", "5850000", "exact"),
        ("1.2–1.5 billion", "1200000000", "1500000000", "between"),
        ("between three and five", "3", "5", "between"),
        ("twenty-seven", "27", "27", "exact"),
        ("one hundred and twenty", "120", "120", "exact"),
        ("two million", "2000000", "2000000", "exact"),
        ("up to 80", None, "80", "at most"),
        ("fewer than 10", None, "10", "under"),
        ("3.2万", "32000", "32000", "exact"),
        ("1 800", "1800", "1800", "exact"),
        ("-5", "-5", "-5", "exact"),
        ("0.10", "0.10", "0.10", "exact"),
    ],
)
def test_a_written_value_is_parsed(
    written: str, low: str | None, high: str | None, qualifier: str
) -> None:
    value = read_value(written)
    texts = [None if bound is None else format(bound, "f") for bound in (value.low, value.high)]
    assert (*texts, value.qualifier) == (low, high, qualifier)


@pytest.mark.parametrize(
    "written", ["lots", "1,80", "five six", "1.2.3", "54 stations", "", "5 to 3"]
)
def test_an_unclear_value_is_refused_with_examples(written: str) -> None:
    with pytest.raises(ParseError, match="over 1,800"):
        read_value(written)


def test_values_are_found_in_a_sentence_but_not_inside_words() -> None:
    text = (
        "As of October 54 stations stood in thirty countries, over 1,800 reports; KHM02 is a row."
    )
    values = [(value.low, value.qualifier) for value in find_values(text)]
    assert values == [(54, "exact"), (30, "exact"), (1800, "over")]


def test_over_excludes_its_bound_and_at_least_includes_it() -> None:
    over = Figure.model_validate({"measure": "reports", "value": "over 1,800"})
    least = Figure.model_validate({"measure": "reports", "value": "at least 1,800"})
    assert over.interval == Interval(Decimal(1800), None, low_open=True)
    assert least.interval == Interval(Decimal(1800), None)
    assert (over.words, least.words) == ("over 1,800", "at least 1,800")


@pytest.mark.parametrize(
    ("number", "low", "high"),
    [
        ("54", "53.5", "54.5"),
        ("230,000", "225000", "235000"),
        ("1.50", "1.495", "1.505"),
        ("0", "-0.5", "0.5"),
    ],
)
def test_about_spans_half_a_unit_of_the_last_significant_digit(
    number: str, low: str, high: str
) -> None:
    figure = Figure.model_validate({"measure": "m", "value": f"about {number}"})
    assert figure.interval == Interval(Decimal(low), Decimal(high))


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"low": "5", "high": "3"}, "low 5 above high 3"),
        ({}, "has no bound"),
        ({"low": 1.5}, "binary fraction"),
        ({"low": "1e5"}, "is not a decimal number"),
        ({"low": "NaN"}, "is not a decimal number"),
        ({"high": "3", "qualifier": "over"}, "without its bound"),
        ({"value": "3", "low": "3"}, "one or the other"),
        ({"value": "many"}, "not understood"),
    ],
)
def test_an_invalid_figure_is_refused_with_the_reason(fields: dict[str, object], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        Figure.model_validate({"measure": "stations", **fields})


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=6), st.sampled_from([1, 10**6, 10**9])
)
def test_scaling_is_exact(number: Decimal, factor: int) -> None:
    numerator, denominator = number.as_integer_ratio()
    scaled_numerator, scaled_denominator = scaled(number, factor).as_integer_ratio()
    assert scaled_numerator * denominator == numerator * factor * scaled_denominator


@given(st.from_regex(r"\A-?[0-9]{1,40}(\.[0-9]{1,20})?\Z"))
def test_decimals_keep_every_digit(text: str) -> None:
    figure = Figure.model_validate({"measure": "m", "low": text, "high": text})
    assert figure.as_json()["low"] == format(Decimal(text), "f")


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    list(find_values(text))
    try:
        value = read_value(text)
    except ParseError:
        return
    assert value.low is not None or value.high is not None
