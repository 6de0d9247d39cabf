"""Units: the exact conversion of numbers between units of the same kind.

Counts, percentages, percentage points, rates and money are separate kinds and are never converted (the
currency and year of money are part of its unit). Physical quantities are converted with pint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from claimledger.records.figure import Interval
from claimledger.text.unicode import nfc

if TYPE_CHECKING:
    from pint import UnitRegistry

Kind = Literal["count", "percent", "points", "rate", "money", "quantity"]

_PERCENT = {"%", "percent", "per cent", "pct"}
_POINTS = {"percentage points", "percentage point", "pp", "%-points"}
_MONEY = re.compile(r"[A-Z]{3}(?: (?:1[0-9]|20)[0-9]{2})?|[€$£¥]|(?:US|CA|AU|NZ|HK)\$", re.ASCII)

# pint evaluates the text that it parses, so it gets only plain names, small powers and one fraction.
_PLAIN_UNIT = re.compile(r"[^\W\d_]{1,30}(?:\^?[23])?(?: ?/ ?[^\W\d_]{1,30}(?:\^?[23])?)?")
_POWER = re.compile(r"(?<=[^\W\d_])\^?([23])")


@dataclass(frozen=True, slots=True)
class Conversion:
    """A linear conversion of numbers from one unit to another."""

    factor: Decimal
    offset: Decimal = Decimal(0)

    def number(self, number: Decimal) -> Decimal:
        """Return a number in the other unit."""
        return number * self.factor + self.offset

    def interval(self, interval: Interval) -> Interval:
        """Return an interval in the other unit."""
        return replace(
            interval,
            low=None if interval.low is None else self.number(interval.low),
            high=None if interval.high is None else self.number(interval.high),
        )


SAME = Conversion(Decimal(1))
"""The conversion that changes nothing."""


def kind_of(unit: str | None) -> Kind:
    """Return the kind of the numbers in a unit; numbers without a unit are counts."""
    if unit is None:
        return "count"
    plain = nfc(unit).strip()
    lower = plain.casefold()
    if lower in _PERCENT:
        return "percent"
    if lower in _POINTS:
        return "points"
    if _MONEY.fullmatch(plain):
        return "money"
    if " per " in f" {lower} ":
        return "rate"
    return "quantity"


def conversion(from_: str | None, to: str | None) -> Conversion | None:
    """Return the conversion from one unit to another, or ``None`` if there is none.

    >>> conversion("percent", "%")
    Conversion(factor=Decimal('1'), offset=Decimal('0'))
    >>> conversion("USD 2020", "USD 2021") is None
    True
    """
    if from_ == to:
        return SAME
    from_kind, to_kind = kind_of(from_), kind_of(to)
    if from_kind != to_kind:
        return None
    if from_kind in ("percent", "points"):
        return SAME  # different spellings of the same unit
    if from_ is None or to is None or nfc(from_) == nfc(to):
        return SAME
    return _physical(from_, to) if from_kind == "quantity" else None


def additive(unit: str | None) -> bool:
    """Whether numbers in a unit add up, so that a part can never exceed its whole.

    Counts, money and physical quantities count as additive; temperatures, percentages, points and rates do
    not.
    """
    kind = kind_of(unit)
    if kind == "quantity":
        return _physical(str(unit), "kelvin") is None
    return kind in ("count", "money")


@lru_cache
def _registry() -> UnitRegistry[Any]:
    # Imported late: the import takes longer than the rest of a command, and most figures have no unit.
    import pint

    # With binary fractions, 5 miles would be 8.046720000000001 kilometres.
    return pint.UnitRegistry(non_int_type=Decimal, autoconvert_offset_to_baseunit=True)


@lru_cache(maxsize=1024)
def _physical(from_: str, to: str) -> Conversion | None:
    """Return the conversion between two physical units, found by converting 0 and 100."""
    if not (_PLAIN_UNIT.fullmatch(from_) and _PLAIN_UNIT.fullmatch(to)):
        return None
    registry = _registry()
    try:
        left, right = (registry.Unit(_POWER.sub(r"**\1", unit)) for unit in (from_, to))
        if left.dimensionality != right.dimensionality:
            return None
        zero = registry.Quantity(Decimal(0), left).to(right).magnitude
        hundred = registry.Quantity(Decimal(100), left).to(right).magnitude
    except Exception:  # pint and its parser raise a dozen types of exception for unknown units
        return None
    # Without rounding, the factor from degC to degF would be 1.8000000000000000000000004.
    rounded = Context(prec=20).create_decimal
    factor = rounded((Decimal(hundred) - Decimal(zero)) / 100)
    return Conversion(factor, rounded(round(Decimal(zero), 15)))
