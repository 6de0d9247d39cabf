"""Intervals of exact decimals: whether they overlap, lie in each other, or round to each other."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, localcontext

from claimledger.records.figure import Interval, interval_of

_COARSEST = Decimal("0.05")  # of the number: 100 may be a rounded 98, never a rounded 60


def overlap(left: Interval, right: Interval) -> bool:
    """Whether two intervals have a number in common."""
    return _reaches(left, right) and _reaches(right, left)


def _reaches(low: Interval, high: Interval) -> bool:
    if low.low is None or high.high is None:
        return True
    if low.low == high.high:
        return not (low.low_open or high.high_open)
    return low.low < high.high


def inside(left: Interval, right: Interval) -> bool:
    """Whether every number of one interval belongs to the other."""
    above = right.low is None or (
        left.low is not None
        and (
            left.low > right.low
            or (left.low == right.low and (left.low_open or not right.low_open))
        )
    )
    below = right.high is None or (
        left.high is not None
        and (
            left.high < right.high
            or (left.high == right.high and (left.high_open or not right.high_open))
        )
    )
    return above and below


def above(left: Interval, right: Interval) -> bool:
    """Whether every number of one interval is above every number of the other."""
    return left.low is not None and right.high is not None and not _reaches(left, right)


def rounds(coarse: Decimal, fine: Decimal) -> bool:
    """Whether one number is the other rounded to its last significant digit."""
    if coarse == fine:
        return False
    span = interval_of(coarse, coarse, "about")
    return overlap(span, Interval(fine, fine)) and abs(coarse - fine) <= abs(coarse) * _COARSEST


def within(left: Decimal, right: Decimal, tolerance: Decimal) -> bool:
    """Whether two numbers are apart by no more than a share of the larger."""
    return abs(left - right) <= max(abs(left), abs(right)) * tolerance


def total(parts: Sequence[Interval]) -> Interval:
    """Return the sum of numbers each somewhere in its interval."""
    return Interval(
        _added([part.low for part in parts]),
        _added([part.high for part in parts]),
        any(part.low_open for part in parts),
        any(part.high_open for part in parts),
    )


def _added(bounds: Sequence[Decimal | None]) -> Decimal | None:
    known = [bound for bound in bounds if bound is not None]
    if len(known) < len(bounds):
        return None
    with localcontext(_WIDE):
        return sum(known, Decimal(0))


def negative(interval: Interval) -> Interval:
    """Return the interval of the negated numbers."""
    low = None if interval.high is None else interval.high.copy_negate()
    high = None if interval.low is None else interval.low.copy_negate()
    return Interval(low, high, interval.high_open, interval.low_open)


def product(left: Interval, right: Interval) -> Interval:
    """Return the product of two numbers each somewhere in its interval."""
    corners = [
        (_times(a, b), open_a or open_b) for a, open_a in _ends(left) for b, open_b in _ends(right)
    ]
    return _hull(corners)


def quotient(left: Interval, right: Interval) -> Interval:
    """Return the quotient of two numbers; raise :class:`ZeroDivisionError` where the divisor may be 0."""
    if overlap(right, Interval(Decimal(0), Decimal(0))):
        raise ZeroDivisionError
    with localcontext(_WIDE):
        corners = [
            (Decimal(0) if b.is_infinite() else a / b, open_a or open_b)
            for a, open_a in _ends(left)
            for b, open_b in _ends(right)
        ]
    return _hull(corners)


_WIDE = Context(prec=60)
_ENDLESS = Decimal("Infinity")


def _ends(interval: Interval) -> tuple[tuple[Decimal, bool], tuple[Decimal, bool]]:
    low = (-_ENDLESS, True) if interval.low is None else (interval.low, interval.low_open)
    high = (_ENDLESS, True) if interval.high is None else (interval.high, interval.high_open)
    return low, high


def _times(left: Decimal, right: Decimal) -> Decimal:
    if not left or not right:
        return Decimal(0)
    with localcontext(_WIDE):
        return left * right


def _hull(corners: list[tuple[Decimal, bool]]) -> Interval:
    # Of two corners at one place, the one that belongs to the interval decides.
    low, low_open = min(corners, key=lambda corner: (corner[0], corner[1]))
    high, high_open = max(corners, key=lambda corner: (corner[0], not corner[1]))
    return Interval(
        None if low.is_infinite() else low,
        None if high.is_infinite() else high,
        low_open and not low.is_infinite(),
        high_open and not high.is_infinite(),
    )
