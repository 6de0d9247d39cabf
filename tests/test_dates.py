"""Dates: EDTF (ISO 8601-2) levels 0 and 1, words that become EDTF, and texts that are refused."""

from __future__ import annotations

from datetime import date

import pytest
from edtf import parse_edtf
from hypothesis import given
from hypothesis import strategies as st

from claimledger.errors import ParseError
from claimledger.records.dates import Date, day_text, ordinal


def edtf_and_days(text: str) -> tuple[str, str, str]:
    """Return a date's EDTF text, its first day and its last day; ``..`` is an open end."""
    parsed = Date.of(text)
    days = [".." if day is None else day_text(day) for day in (parsed.earliest, parsed.latest)]
    return parsed.edtf, days[0], days[1]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2022", "2022-01-01", "2022-12-31"),
        ("2022-10", "2022-10-01", "2022-10-31"),
        ("2022-10-12", "2022-10-12", "2022-10-12"),
        ("2022-10-12T15:00:00Z", "2022-10-12", "2022-10-12"),
        ("2016/..", "2016-01-01", ".."),
        ("../2022-10", "..", "2022-10-31"),
        ("2016/", "2016-01-01", ".."),
        ("2021-04/2022-07", "2021-04-01", "2022-07-31"),
        ("2022~", "2022-01-01", "2022-12-31"),
        ("2022-11?", "2022-11-01", "2022-11-30"),
        ("2004-06%/2004-08", "2004-06-01", "2004-08-31"),
        ("201X", "2010-01-01", "2019-12-31"),
        ("20XX", "2000-01-01", "2099-12-31"),
        ("2004-XX", "2004-01-01", "2004-12-31"),
        ("1985-04-XX", "1985-04-01", "1985-04-30"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2022-22", "2022-01-01", "2022-12-31"),
        ("2023-24", "2023-01-01", "2024-02-29"),
        ("-0044", "-0044-01-01", "-0044-12-31"),
        ("Y17000", "17000-01-01", "17000-12-31"),
    ],
)
def test_edtf_is_kept_as_written_and_spans_its_days(text: str, first: str, last: str) -> None:
    assert edtf_and_days(text) == (text, first, last)


@pytest.mark.parametrize(
    ("words", "edtf"),
    [
        ("October 2022", "2022-10"),
        ("circa 2016", "2016~"),
        ("between April 2021 and July 2022", "2021-04/2022-07"),
        ("late 2022", "2022-09/2022-12"),
        ("early March 2023", "2023-03-01/2023-03-10"),
        ("late October 2022", "2022-10-21/2022-10-31"),
        ("12 Oct 2022", "2022-10-12"),
        ("Oct. 12, 2022", "2022-10-12"),
        ("12th of October 2022", "2022-10-12"),
        ("2022年10月", "2022-10"),
        ("2022年10月12日", "2022-10-12"),
        ("since 2018", "2018/.."),
        ("as of October 2022", "../2022-10"),
        ("from May 2020 to June 2021", "2020-05/2021-06"),
        ("2016–2018", "2016/2018"),
        ("2016–?", "2016/.."),
        ("summer 2022", "2022-22"),
        ("the 2010s", "201X"),
        ("possibly 2019", "2019?"),
        ("31/12/2022", "2022-12-31"),
        ("12/31/2022", "2022-12-31"),
        ("05/05/2022", "2022-05-05"),
        ("2022/10/12", "2022-10-12"),
    ],
)
def test_words_become_edtf(words: str, edtf: str) -> None:
    assert Date.of(words).edtf == edtf


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("03/04/2022", "2022-04-03 (day first) or 2022-03-04 (month first)"),
        ("2022-13", "no month 13"),
        ("2023-02-29", "2023-02 has 28"),
        ("2022-01-32", "2022-01 has 31"),
        ("2022/2021", "ends before it begins"),
        ("October", "four-digit year"),
        ("12 Oct 22", "four-digit year"),
        ("10/10/22", "four-digit year"),
        ("soon", "cannot be read"),
        ("", "is empty"),
        ("before 2016", "until"),
        ("../..", "cannot be read"),
        ("Febuary 2022", "cannot be read"),
        ("30 February 2022", "cannot be read"),
        ("12 Oct 2022 15:30", "time of day"),
        ("2004-06~-11", "cannot be read"),
        ("2022-10-12T25:00:00Z", "cannot be read"),
        ("2022-10-12T24:00:00", "cannot be read"),
        ("2022-10-12T23:60:00", "cannot be read"),
        ("2022-10-12T23:59:60", "cannot be read"),
        ("2022-10-12T23:59:59+15:00", "cannot be read"),
        ("2022-10-12T23:59:59-14:60", "cannot be read"),
        ("2022-XX-XXT77:00:00", "cannot be read"),
        ("[1667,1668]", "cannot be read"),
        ("late summer 2022", "'late' needs a year or a month"),
        ("early 2022-13", "'early' needs a year or a month"),
        ("x" * 5000, "5000 characters"),
    ],
)
def test_an_invalid_date_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(ParseError) as refused:
        Date.of(text)
    assert hint in str(refused.value)


@given(st.dates())
def test_day_numbers_are_the_ordinals_of_datetime(day: date) -> None:
    assert ordinal(day.year, day.month, day.day) == day.toordinal()
    assert day_text(day.toordinal()) == day.isoformat()


@given(st.integers(-200_000, 200_000), st.integers(1, 12), st.integers(1, 28))
def test_days_outside_the_years_of_datetime_are_ordered_and_round_trip(
    year: int, month: int, number: int
) -> None:
    day = ordinal(year, month, number)
    text = day_text(day)
    sign, unsigned = ("-", text[1:]) if text.startswith("-") else ("", text)
    parts = unsigned.split("-")
    assert (int(sign + parts[0]), int(parts[1]), int(parts[2])) == (year, month, number)
    assert ordinal(year + 1, month, number) - day in (365, 366)


_years = st.integers(1, 9999).map("{:04}".format)
_months = st.builds("{:04}-{:02}".format, st.integers(1, 9999), st.integers(1, 12))
_days = st.dates().map(str)
_ends = st.builds("{}{}".format, _years | _months | _days, st.sampled_from(["", "?", "~", "%"]))


@given(_ends)
def test_the_edtf_library_gives_the_same_days(text: str) -> None:
    reference = parse_edtf(text)
    parsed = Date.of(text)
    assert parsed.earliest is not None
    assert parsed.latest is not None
    assert day_text(parsed.earliest) == "{:04}-{:02}-{:02}".format(*reference.lower_strict()[:3])
    assert day_text(parsed.latest) == "{:04}-{:02}-{:02}".format(*reference.upper_strict()[:3])


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parsed = Date.of(text)
    except ParseError:
        return
    assert Date.of(parsed.edtf) == parsed


def test_a_misprinted_date_is_kept_next_to_the_corrected_one() -> None:
    date_ = Date.of("2023-04-17", printed="2017-04-17")
    assert str(date_) == "2023-04-17 (printed 2017-04-17)"
    assert date_.as_json() == {"edtf": "2023-04-17", "printed": "2017-04-17"}
