"""Dates as prose has them: ``12 March 2018`` for the EDTF text ``2018-03-12``.

Tables, CSV and JSON keep EDTF, which sorts and can be parsed. Sentences are for readers.
"""

from __future__ import annotations

import re

_MONTHS = (
    "January February March April May June July August September October November December"
).split()
_SEASONS = {"21": "spring", "22": "summer", "23": "autumn", "24": "winter"}
_PLAIN = re.compile(
    r"(?P<year>[1-9]\d{3})(?:-(?P<month>0[1-9]|1[0-2]|2[1-4])(?:-(?P<day>\d\d)(?:T(?P<time>[\d:]+Z?))?)?)?(?P<doubt>[?~%]?)"
)
_DAY = r"[1-9]\d{3}(?:-\d\d(?:-\d\d)?)?[?~%]?"
_IN_TEXT = re.compile(rf"(?<![\w-])(?:\.\./{_DAY}|{_DAY}(?:/(?:\.\.|{_DAY}))?)(?![\w-])")


def in_words(edtf: str) -> str:
    """Return an EDTF text in words; a text that has no usual wording is returned as it is.

    ``2018-03`` becomes ``March 2018``, ``2016/..`` becomes ``since 2016`` and ``201X`` becomes
    ``the 2010s``. A leading ``by`` and a trailing ``(printed …)`` are kept.
    """
    if edtf.startswith("by "):
        return f"by {in_words(edtf.removeprefix('by '))}"
    date, parenthesis, printed = edtf.partition(" (printed ")
    return _interval(date) + parenthesis + printed


def at(edtf: str) -> str:
    """Return a date with its preposition: ``on 12 March 2018``, ``in 2018``, ``since 2016``."""
    words = in_words(edtf)
    if words.startswith(("by ", "since ", "up to ", "about ")):
        return words
    if " to " in words:
        return f"from {words}"
    return f"on {words}" if re.match(r"\d{1,2} [A-Z]", words) else f"in {words}"


def replace_dates(text: str) -> str:
    """Return a text that the program composed with every EDTF date in it in words."""
    return _IN_TEXT.sub(lambda match: in_words(match[0]), text)


def _interval(edtf: str) -> str:
    start, slash, end = edtf.partition("/")
    if not slash:
        return _plain(edtf)
    if start in ("", ".."):
        return f"up to {_plain(end)}"
    return f"since {_plain(start)}" if end in ("", "..") else f"{_plain(start)} to {_plain(end)}"


def _plain(edtf: str) -> str:
    if match := re.fullmatch(r"([1-9]\d\d)X", edtf):
        return f"the {match[1]}0s"
    match = _PLAIN.fullmatch(edtf)
    if match is None:
        return edtf
    year, month, day = match["year"], match["month"], match["day"]
    if month in _SEASONS:
        words = f"{_SEASONS[month]} {year}"
    elif month is not None:
        words = f"{_MONTHS[int(month) - 1]} {year}"
    else:
        words = year
    if day is not None:
        words = f"{int(day)} {words}"
    if match["time"]:
        words += f", {match['time'].replace('Z', ' UTC')}"
    about = "about " if match["doubt"] in ("~", "%") else ""
    return about + words + (" (uncertain)" if match["doubt"] in ("?", "%") else "")
