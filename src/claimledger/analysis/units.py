"""Units: what can be converted into what, exactly, and what is kept apart.

Counts, percentages, percentage points, rates and money are kinds of their own and never converted
(money's currency and year are part of its unit). Physical quantities convert through pint.
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
# pint evaluates what it parses: only plain names, small powers and one fraction may reach it.
_PLAIN_UNIT = re.compile(r"[^\W\d_]{1,30}(?:\^?[23])?(?: ?/ ?[^\W\d_]{1,30}(?:\^?[23])?)?")

_POWER = re.compile(r"(?<=[^\W\d_])\^?([23])")


@dataclass(frozen=True, slots=True)
class Conversion:
    """How numbers in one unit become numbers in another."""

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


def kind_of(unit: str | None) -> Kind:
    """Return what kind of number a unit makes."""
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
    """Return how numbers in one unit become numbers in another; ``None`` where they cannot."""
    if from_ == to:
        return SAME
    kinds = kind_of(from_), kind_of(to)
    if kinds[0] != kinds[1]:
        return None
    if kinds[0] in ("percent", "points"):
        return SAME
    if from_ is None or to is None or nfc(from_) == nfc(to):
        return SAME
    return _physical(from_, to) if kinds[0] == "quantity" else None


def additive(unit: str | None) -> bool:
    """Whether a part's number can never exceed that of its whole: so for counts and amounts."""
    kind = kind_of(unit)
    if kind == "quantity":
        dimension = _physical(str(unit), str(unit))
        return dimension is None or not dimension.offset
    return kind in ("count", "money")


@lru_cache
def _registry() -> UnitRegistry[Any]:
    import pint  # costs more than the rest of a command; most figures have no unit

    # In binary fractions 5 miles would be 8.046720000000001 kilometres.
    return pint.UnitRegistry(non_int_type=Decimal, autoconvert_offset_to_baseunit=True)


@lru_cache(maxsize=1024)
def _physical(from_: str, to: str) -> Conversion | None:
    if not (_PLAIN_UNIT.fullmatch(from_) and _PLAIN_UNIT.fullmatch(to)):
        return None
    registry = _registry()
    try:
        left, right = (registry.Unit(_POWER.sub(r"**\1", unit)) for unit in (from_, to))
        if left.dimensionality != right.dimensionality:
            return None
        zero = registry.Quantity(Decimal(0), left).to(right).magnitude
        hundred = registry.Quantity(Decimal(100), left).to(right).magnitude
    except Exception:  # pint raises a dozen kinds, its parser more: none of them is a conversion
        return None
    rounded = Context(prec=20).create_decimal  # 1 degC gives 1.8000000000000000000000004 degF
    factor = rounded((Decimal(hundred) - Decimal(zero)) / 100)
    return Conversion(factor, rounded(round(Decimal(zero), 15)))
