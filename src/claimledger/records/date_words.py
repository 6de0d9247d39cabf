"""Turns dates in words into EDTF: "October 2022", "circa 2016", "between April 2021 and July 2022".

python-dateutil parses single dates. It fills in missing parts from a default date, so each text is parsed
with two defaults that differ in every part: a part that differs in the two results was not in the text. A
text without a four-digit year, or with numbers that can be read in two ways, is refused.
"""

from __future__ import annotations

import re
from datetime import datetime

from claimledger.errors import ParseError

_DASH = r"\s*[–—-]\s*"
_QUALIFIED = [
    (re.compile(r"(?:circa|c\.|ca\.?|around|about|approximately|approx\.?)\s*(.+)"), "~"),
    (re.compile(r"(?:possibly|perhaps|probably|maybe)\s+(.+)"), "?"),
]
_INTERVALS = [
    re.compile(r"between\s+(.+?)\s+and\s+(.+)"),
    re.compile(r"from\s+(.+?)\s+(?:to|until|till|through)\s+(.+)"),
    re.compile(r"(.+?)\s+(?:to|until|till|through)\s+(.+)"),
    re.compile(r"(\d{4})" + _DASH + r"(\d{4})"),
    re.compile(r"(.*[a-z].*?\d{4})\s*[–—]\s*(.*[a-z].*)"),
]
_SINCE = re.compile(r"(?:since|from)\s+(.+)|(\d{4})\s*[–—-]\s*\??")
_UNTIL = re.compile(r"(?:until|till|up to|by|as of|as at)\s+(.+)")
_STRICT = re.compile(r"(before|after)\s+(.+)")
_PART = re.compile(r"(early|mid|late)(?:[\s-]+)(?:in\s+)?(.+)")
_SEASON = re.compile(r"(?:the\s+)?(spring|summer|autumn|fall|winter)(?:\s+of)?,?\s+(\d{4})")
_DECADE = re.compile(r"(?:the\s+)?(\d{3})0s")
_CHINESE = re.compile(r"(\d{4})\s*年(?:\s*(\d{1,2})\s*月(?:\s*(\d{1,2})\s*[日号號])?)?")
_NUMBERS = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})")
_SEASONS = {"spring": 21, "summer": 22, "autumn": 23, "fall": 23, "winter": 24}
_YEAR_PARTS = {"early": ("01", "04"), "mid": ("05", "08"), "late": ("09", "12")}
_MONTH_PARTS = {"early": ("01", "10"), "mid": ("11", "20"), "late": ("21", None)}


def edtf_of_words(text: str) -> str:
    """Return a date in words as EDTF; raise :class:`ParseError`, which says what to write instead.

    "early", "mid" and "late" mean thirds: months 1-4, 5-8 and 9-12 of a year; days 1-10, 11-20 and 21 to the
    end of a month.
    """
    words = re.sub(r"\s+", " ", text.strip().lower())
    if not words:
        raise ParseError("is empty; leave the field out if the date is not known")
    for pattern, sign in _QUALIFIED:
        if match := pattern.fullmatch(words):
            return _qualified(match[1], sign)
    if match := _STRICT.fullmatch(words):
        open_end = "until" if match[1] == "before" else "since"
        raise ParseError(
            f"{match[1]!r} does not say whether {match[2]} itself is included; "
            f"write '{open_end} ...' with the first or last day that is included"
        )
    for pattern in _INTERVALS:
        if match := pattern.fullmatch(words):
            return f"{_single(match[1])}/{_single(match[2])}"
    if match := _SINCE.fullmatch(words):
        return f"{_single(match[1] or match[2])}/.."
    if match := _UNTIL.fullmatch(words):
        return f"../{_single(match[1])}"
    return _part(words)


def _qualified(words: str, sign: str) -> str:
    inner = _part(words)
    if "/" in inner or inner[-1] in "?~%":
        raise ParseError("qualifies a period; qualify each end instead: 2016~/2018~")
    return inner + sign


def _part(words: str) -> str:
    if match := _PART.fullmatch(words):
        inner = _single(match[2])
        if re.fullmatch(r"\d{4}", inner):
            first, last = _YEAR_PARTS[match[1]]
            return f"{inner}-{first}/{inner}-{last}"
        if re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", inner):
            first, end = _MONTH_PARTS[match[1]]
            return f"{inner}-{first}/{inner}-{end or _last_day(inner)}"
        raise ParseError(f"{match[1]!r} needs a year or a month: late 2022, early October 2022")
    return _single(words)


def _last_day(month: str) -> str:
    from calendar import monthrange

    return f"{monthrange(int(month[:4]) or 4, int(month[5:]))[1]:02}"


def _single(words: str) -> str:
    words = words.strip(" ,")
    if re.fullmatch(r"-?\d{4}(-\d\d){0,2}[?~%]?|\d{3}x|\d\dxx", words):
        return words.upper()
    if match := _SEASON.fullmatch(words):
        return f"{match[2]}-{_SEASONS[match[1]]}"
    if match := _DECADE.fullmatch(words):
        return f"{match[1]}X"
    if match := _CHINESE.fullmatch(words):
        return "-".join(part.zfill(2) for part in match.groups() if part)
    if match := _NUMBERS.fullmatch(words):
        return _numbers(match)
    return _with_dateutil(words)


def _numbers(match: re.Match[str]) -> str:
    first, second, last = match[1], match[3], match[4]
    if len(first) == 4 and len(last) <= 2:
        return f"{first}-{int(second):02}-{int(last):02}"
    if len(last) != 4 or len(first) > 2:
        raise ParseError("has no four-digit year; write 2022-10-12 or 12 October 2022")
    day_first = f"{last}-{int(second):02}-{int(first):02}"
    month_first = f"{last}-{int(first):02}-{int(second):02}"
    if int(first) > 12:
        return day_first
    if int(second) > 12:
        return month_first
    if first == second:
        return day_first
    raise ParseError(
        f"can be read in two ways: {day_first} (day first) or {month_first} (month first); write one of these"
    )


def _with_dateutil(words: str) -> str:
    if not re.search(r"(?<!\d)\d{4}(?!\d)", words) or not re.search(r"[^\W\d_]{3}", words):
        raise ParseError(
            "cannot be read as a date; name the month and a four-digit year "
            "(12 October 2022) or write EDTF (2022-10-12, 2022-10, 2016/.., 2022~)"
        )
    from dateutil import parser

    try:
        first = parser.parse(words, default=datetime(2001, 1, 1))
        second = parser.parse(words, default=datetime(2004, 2, 2, 1, 1, 1, 1))
    except (ValueError, OverflowError, TypeError) as error:
        if re.search(r"\bday\b.*\brange\b", str(error)):
            raise ParseError("cannot be read as a date: the month does not have this day") from None
        raise ParseError(
            "cannot be read as a date; write it as 12 October 2022 or 2022-10-12"
        ) from None
    if first.year != second.year or f"{first.year:04}" not in words:
        raise ParseError("has no year, which a date needs")
    if first.hour == second.hour:
        raise ParseError("has a time of day; write only the day (2022-10-12)")
    if first.month != second.month:
        return f"{first.year:04}"
    if first.day != second.day:
        return f"{first.year:04}-{first.month:02}"
    return f"{first.year:04}-{first.month:02}-{first.day:02}"
