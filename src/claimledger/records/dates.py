"""Dates in the Extended Date/Time Format, levels 0 and 1 (ISO 8601-2:2019, annex A).

A :class:`Date` has its EDTF text, and the earliest and the latest day that it can mean. Days are proleptic
Gregorian ordinals (day 1 is 0001-01-01, as in :mod:`datetime`), so that years before 1 and after 9999
compare like all others; ``None`` means that there is no bound. The qualifiers ``?``, ``~`` and ``%`` do not
widen the bounds. A season does not say for which hemisphere, so its bounds are those of its year (winter
lasts until the end of the next February).
"""

from __future__ import annotations

import re
from calendar import isleap, monthrange
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from claimledger.errors import ParseError

FORMS = "write EDTF (2022-10-12, 2022-10, 2016/.., 2022~, 201X) or words (October 2022, circa 2016)"
_LONGEST = 200

_PLAIN = re.compile(
    r"(?P<year>-?\d{4}|\d{3}X|\d{2}XX|Y-?[1-9]\d{4,8})"
    r"(?:-(?P<month>\d\d|XX)(?:-(?P<day>\d\d|XX)"
    r"(?P<time>T(?:[01]\d|2[0-3])(?::[0-5]\d){2}(?:Z|[+-](?:0\d|1[0-4])(?::[0-5]\d)?)?)?)?)?"
    r"(?P<qualifier>[?~%])?",
    re.ASCII,
)

Bound = int | None
"""A day as an ordinal, or ``None`` if there is no bound."""


@dataclass(frozen=True, slots=True)
class Date:
    """A date as EDTF text, with the earliest and the latest day that it can mean.

    ``printed`` is the date as printed, if the recorder reads it as another one (``2023-04-17``, printed
    ``2017-04-17``).
    """

    edtf: str
    earliest: Bound
    latest: Bound
    printed: str | None = None

    def __str__(self) -> str:
        return f"{self.edtf} (printed {self.printed})" if self.printed else self.edtf

    @classmethod
    def of(cls, text: str, printed: str | None = None) -> Date:
        """Return the date of a text in EDTF or words; raise :class:`ParseError` if it is not a date."""
        return _read(text) if printed is None else cls(*_bounds_of(text), printed)

    def as_json(self) -> str | dict[str, str]:
        """Return the date as files have it: its EDTF text, or an object with ``edtf`` and ``printed``."""
        return {"edtf": self.edtf, "printed": self.printed} if self.printed else self.edtf

    @classmethod
    def _validate(cls, value: object) -> Date:
        try:
            if isinstance(value, str):
                return _read(value)
            if isinstance(value, Date):
                return value
            if isinstance(value, dict) and set(value) <= {"edtf", "printed"}:
                text, printed = value.get("edtf"), value.get("printed")
                if isinstance(text, str) and isinstance(printed, str) and 0 < len(printed) < 200:
                    return cls.of(text, printed.replace("\x00", ""))
            raise ParseError(f"is not a valid date; {FORMS}, or an object of edtf and printed")
        except ParseError as error:
            # The message may quote the input, so it is passed as a value and not as a template.
            raise PydanticCustomError("date", "{reason}", {"reason": str(error)}) from None

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(Date.as_json),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, object]:
        text = {"type": "string", "description": "EDTF level 0 or 1, or words that become it"}
        printed = {
            "type": "object",
            "properties": {"edtf": text, "printed": {"type": "string"}},
            "required": ["edtf", "printed"],
            "additionalProperties": False,
        }
        return {"anyOf": [text, printed]}


@lru_cache(maxsize=65536)
def _read(text: str) -> Date:
    return Date(*_bounds_of(text))


def _bounds_of(text: str) -> tuple[str, Bound, Bound]:
    """Return the EDTF text of a date and its bounds. Words are turned into EDTF first."""
    stripped = text.strip()
    if len(stripped) > _LONGEST:
        raise ParseError(f"is not a valid date ({len(stripped)} characters); {FORMS}")
    earliest_latest = _edtf(stripped)
    if earliest_latest is None:
        from claimledger.records.date_words import edtf_of_words

        stripped = edtf_of_words(stripped)
        earliest_latest = _edtf(stripped)
    if earliest_latest is None:
        raise ParseError(f"cannot be read as a date; {FORMS}")
    return stripped, *earliest_latest


def _edtf(text: str) -> tuple[Bound, Bound] | None:
    """Return the bounds of an EDTF text; ``None`` if it is not EDTF of level 0 or 1."""
    start, slash, end = text.partition("/")
    if not slash:
        return _plain(text)
    if start in ("", "..") and end in ("", ".."):
        return None
    low, high = _end(start), _end(end)
    if low is None or high is None:
        return None
    if low[0] is not None and high[1] is not None and low[0] > high[1]:
        raise ParseError(f"ends before it begins; did you mean {end}/{start}?")
    return low[0], high[1]


def _end(text: str) -> tuple[Bound, Bound] | None:
    return (None, None) if text in ("", "..") else _plain(text)


def _plain(text: str) -> tuple[int, int] | None:
    match = _PLAIN.fullmatch(text)
    if not match:
        return None
    year, month, day = match["year"], match["month"], match["day"]
    if "X" in year:
        return _unspecified_year(year, month, day)
    number = int(year.removeprefix("Y"))
    if year.startswith("Y") and month:
        return None  # in level 1, a long year has no month
    if month in (None, "XX"):
        if day not in (None, "XX"):
            return None
        return ordinal(number, 1, 1), ordinal(number, 12, 31)
    if 21 <= int(month) <= 24:
        return _season(number, int(month)) if day is None else None
    return _days(number, int(month), day)


def _unspecified_year(year: str, month: str | None, day: str | None) -> tuple[int, int] | None:
    # In level 1, only the rightmost digits can be unspecified: 201X-XX-XX, but not 201X-05.
    if month not in (None, "XX") or day not in (None, "XX"):
        return None
    return (
        ordinal(int(year.replace("X", "0")), 1, 1),
        ordinal(int(year.replace("X", "9")), 12, 31),
    )


def _season(year: int, season: int) -> tuple[int, int]:
    if season == 24:
        return ordinal(year, 1, 1), ordinal(year + 1, 2, 29 if isleap(year + 1) else 28)
    return ordinal(year, 1, 1), ordinal(year, 12, 31)


def _days(year: int, month: int, day: str | None) -> tuple[int, int]:
    if not 1 <= month <= 12:
        raise ParseError(f"has no month {month:02}; months are 01 to 12 (21 to 24 are seasons)")
    last = 29 if month == 2 and isleap(year) else monthrange(2001, month)[1]
    if day in (None, "XX"):
        return ordinal(year, month, 1), ordinal(year, month, last)
    if not 1 <= int(day) <= last:
        raise ParseError(f"has no day {day}: {year:04}-{month:02} has {last}")
    day_number = ordinal(year, month, int(day))
    return day_number, day_number


def ordinal(year: int, month: int, day: int) -> int:
    """Return the proleptic Gregorian ordinal of a day, in any year (0 is 1 BCE)."""
    if 1 <= year <= 9999:
        return date(year, month, day).toordinal()
    # The calendar repeats every 400 years, so the year is shifted by whole cycles into datetime's range.
    cycles = (year - 2000) // 400
    return date(year - cycles * 400, month, day).toordinal() + cycles * 146097


def day_text(day: int) -> str:
    """Return the ISO 8601 text of a day: ``2022-10-31``."""
    if 1 <= day <= date.max.toordinal():
        return date.fromordinal(day).isoformat()
    cycles = (day - 730120) // 146097
    inner = date.fromordinal(day - cycles * 146097)
    year = inner.year + cycles * 400
    sign = "-" if year < 0 else ""
    return f"{sign}{abs(year):04}-{inner.month:02}-{inner.day:02}"
