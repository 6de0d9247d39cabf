"""Comparing two figures: which agree, which conflict, and why others cannot be compared."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claimledger.analysis import comparison
from claimledger.analysis.comparison import Comparison, compare
from claimledger.analysis.units import conversion
from claimledger.records.claim import Claim
from claimledger.records.term import Term
from claimledger.records.vocabulary import Vocabulary

TERMS = [
    Term(key="stations", of="measure", label="stations", aliases=("police stations", "Stationen")),
    Term(key="fuzhou-stations", of="measure", label="Fuzhou stations", broader="stations"),
    Term(key="europe", of="place", label="Europe"),
    Term(key="nld", of="place", label="NLD", aliases=("Netherlands",), broader="benelux"),
    Term(key="benelux", of="place", label="Benelux", broader="europe"),
]
VOCABULARY = Vocabulary.of(TERMS)


def claim_with(figure: dict[str, Any] | list[dict[str, Any]], **fields: Any) -> Claim:
    required = {"statement": "s", "claimant": "p", "subject": "t", "citations": {"source": "s"}}
    return Claim.model_validate({**required, **fields, "figures": figure})


def parse_claim(text: str) -> Claim:
    """Return a claim with one figure, written ``stations: 54 | unit=km | place=NLD | about=2022``."""
    value_part, *options = text.split(" | ")
    measure, _, value = value_part.partition(": ")
    fields = dict(option.split("=", 1) for option in options)
    claim_fields = {name: fields.pop(name) for name in ("about",) if name in fields}
    scope = {name: fields.pop(name) for name in ("place", "operator") if name in fields}
    return claim_with(
        {"measure": measure, "value": value, "scope": scope, **fields}, **claim_fields
    )


def relation(left: str, right: str, **options: Any) -> str:
    relations = {
        pair.relation
        for left, right in ((left, right), (right, left))
        for pair in compare(parse_claim(left), parse_claim(right), vocabulary=VOCABULARY, **options)
    }
    assert len(relations) == 1, f"the relation depends on the order: {relations}"
    return relations.pop()


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("stations: 54", "stations: 54", "agrees"),
        ("stations: 54", "stations: 45", "conflicts"),
        ("stations: 54", "stations: over 50", "compatible"),
        ("stations: 54", "stations: over 54", "conflicts"),
        ("stations: 54", "stations: at least 54", "compatible"),
        ("people: 230,000", "people: 229,714", "near"),
        ("people: about 230,000", "people: 229,714", "near"),
        ("people: 230,000", "people: 200,000", "conflicts"),
        ("people: 1.2–1.5 million", "people: over 1.4 million", "compatible"),
        ("people: under 100", "people: over 100", "conflicts"),
        # Two names mean the same measure only if a term says so.
        ("stations: 54", "Stationen: 54", "agrees"),
        ("stations: 54", "police stations: 45", "conflicts"),
        ("stations: 54", "offices: 54", "different measure"),
        # Units.
        ("distance: 5 | unit=mi", "distance: 8.04672 | unit=km", "agrees"),
        ("distance: 5 | unit=mi", "distance: 8 | unit=km", "near"),
        ("distance: 5 | unit=mi", "distance: 9 | unit=km", "conflicts"),
        ("warming: 100 | unit=degC", "warming: 212 | unit=degF", "agrees"),
        ("area: 1 | unit=km2", "area: 100 | unit=ha", "agrees"),
        ("share: 5 %", "share: 5 percent", "agrees"),
        ("share: 5 %", "share: 5 | unit=percentage points", "different measure"),
        ("share: 5 %", "share: 5", "different measure"),
        ("cost: 5 | unit=USD 2022", "cost: 5 | unit=USD 2021", "different measure"),
        ("cost: 5 | unit=USD", "cost: 5 | unit=EUR", "different measure"),
        ("deaths: 5 | unit=per year", "deaths: 5 | unit=per month", "different measure"),
        ("cost: 5 | unit=9**9**9**9", "cost: 5 | unit=km", "different measure"),
        # Scope: a part is never more than its whole.
        ("stations: 60 | place=NLD", "stations: 54 | place=Europe", "part exceeds whole"),
        ("stations: 4 | place=Netherlands", "stations: 54 | place=Europe", "different scope"),
        ("stations: 4 | place=Netherlands", "stations: 4 | place=NLD", "agrees"),
        ("stations: 4 | place=NLD", "stations: 4 | place=BEL", "different scope"),
        ("stations: 60 | operator=Fuzhou", "stations: 54", "part exceeds whole"),
        ("stations: over 54 | operator=Fuzhou", "stations: 54", "part exceeds whole"),
        ("stations: 54 | operator=Fuzhou", "stations: 54", "different scope"),
        ("Fuzhou stations: 60", "stations: 54", "part exceeds whole"),
        ("share: 60 % | place=NLD", "share: 54 % | place=Europe", "different scope"),
        ("warmth: 25 | unit=degC | place=NLD", "warmth: 19 | unit=degC | place=Europe", "different scope"),
        ("length: 25 | unit=km | place=NLD", "length: 19 | unit=km | place=Europe", "part exceeds whole"),
        ("stations: 60 | place=NLD", "stations: 54 | operator=Fuzhou", "different scope"),
        # Time.
        ("stations: 54 | about=2022", "stations: 54 | about=2023", "different period"),
        ("stations: 54 | about=2022", "stations: 60 | about=2023", "different period"),
        ("stations: 54 | about=2022", "stations: 60", "different period"),
        ("stations: 54 | about=2022", "stations: 54", "agrees"),
        ("cases: 54 | about=2022 | nature=total", "cases: 60 | about=2023 | nature=total", "compatible"),
        ("cases: 60 | about=2022 | nature=total", "cases: 54 | about=2023 | nature=total", "conflicts"),
        ("cases: 60 | about=2022-10 | nature=flow", "cases: 54 | about=2022 | nature=flow",
         "part exceeds whole"),
        ("cases: 6 | about=2022-10 | nature=flow", "cases: 54 | about=2022 | nature=flow",
         "different period"),
        ("cases: 60 | about=2022-10 | nature=flow", "cases: 54 | about=2023 | nature=flow",
         "different period"),
        ("cases: 60 | about=2022 | nature=total | place=NLD",
         "cases: 54 | about=2023 | nature=total | place=Europe", "part exceeds whole"),
        ("cases: 60 | about=2023 | nature=total | place=NLD",
         "cases: 54 | about=2022 | nature=total | place=Europe", "different scope"),
        ("cases: 5 | nature=stock", "cases: 5 | nature=flow", "different definition"),
        ("cases: 5 | base=per 100,000 residents", "cases: 5", "different definition"),
        ("cases: 5 | vintage=preliminary", "cases: 6 | vintage=final", "different vintage"),
    ],
)  # fmt: skip
def test_two_figures_have_the_expected_relation(left: str, right: str, expected: str) -> None:
    assert relation(left, right) == expected


def test_a_tolerance_turns_a_conflict_into_near_and_is_named() -> None:
    assert relation("people: 1,034", "people: 1,051") == "conflicts"
    assert relation("people: 1,034", "people: 1,051", tolerance=Decimal("0.02")) == "near"
    (pair,) = compare(
        parse_claim("people: 1,034"), parse_claim("people: 1,051"), tolerance=Decimal("0.02")
    )
    assert pair.reasons == ("within the tolerance of 2 %",)


def test_a_revision_does_not_conflict_and_leaves_other_measures_alone() -> None:
    assert relation("stations: 54", "stations: 102", revision=True) == "revision"
    assert relation("stations: 54", "offices: 102", revision=True) == "different measure"


def test_a_comparison_names_the_term_and_the_conversion_it_rests_on() -> None:
    def reasons(left: str, right: str) -> tuple[str, ...]:
        (pair,) = compare(parse_claim(left), parse_claim(right), vocabulary=VOCABULARY)
        assert isinstance(pair, Comparison)
        return pair.reasons

    assert reasons("stations: 54", "Stationen: 54") == (
        'stations and Stationen mean the same, by the term "stations"',
    )
    assert reasons("d: 8 | unit=km", "d: 5 | unit=mi")[0] == "5 mi is 8.04672 km"
    assert 'NLD is part of Europe, by the term "nld"' in reasons(
        "stations: 60 | place=NLD", "stations: 54 | place=Europe"
    )


numbers = st.decimals(min_value=-1000, max_value=1000, places=2)
figures = st.builds(
    lambda low, width, qualifier: {"measure": "m", "low": str(low), "qualifier": qualifier}
    if qualifier in ("over", "at least")
    else {"measure": "m", "low": str(low), "high": str(low + abs(width)), "qualifier": qualifier},
    numbers, numbers, st.sampled_from(["exact", "about", "over", "at least", "between"]),
)  # fmt: skip


@given(figures, figures)
def test_comparison_is_symmetric_and_a_figure_agrees_with_itself(
    left: dict[str, Any], right: dict[str, Any]
) -> None:
    left_claim, right_claim = claim_with(left), claim_with(right)
    assert [pair.relation for pair in compare(left_claim, right_claim)] == [
        pair.relation for pair in compare(right_claim, left_claim)
    ]
    assert [pair.relation for pair in compare(left_claim, left_claim)] == ["agrees"]


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_can_be_compared_as_a_unit(left: str, right: str) -> None:
    conversion(left, right)
    assert conversion(left, left) is not None


def test_the_number_of_compared_pairs_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comparison, "MOST_PAIRS", 12)
    for size, pairs in ((3, 9), (4, 12), (100, 12)):
        large_claim = claim_with([{"measure": "stations", "value": str(n)} for n in range(size)])
        assert len(list(compare(large_claim, large_claim))) == pairs
