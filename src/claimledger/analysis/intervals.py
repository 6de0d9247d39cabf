"""Interval arithmetic over exact decimals, with open and closed bounds.

A missing bound means that the interval is unbounded on that side. Sums, products and quotients follow the
rules of interval arithmetic (Moore 1966): the result contains every value that is possible for operands
within their intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, localcontext

from claimledger.records.figure import Interval, interval_of

_COARSEST = Decimal("0.05")
"""The largest rounding error, as a share of the number: 100 may be 98 rounded, but not 60 rounded."""


def overlap(left: Interval, right: Interval) -> bool:
    """Whether two intervals have a number in common."""
    return _reaches(left, right) and _reaches(right, left)


def _reaches(lower: Interval, upper: Interval) -> bool:
    """Whether the low end of one interval is at or below the high end of another."""
    if lower.low is None or upper.high is None:
        return True
    if lower.low == upper.high:
        return not (lower.low_open or upper.high_open)
    return lower.low < upper.high


def inside(left: Interval, right: Interval) -> bool:
    """Whether every number of the left interval belongs to the right one."""
    within_low = right.low is None or (
        left.low is not None
        and (
            left.low > right.low
            or (left.low == right.low and (left.low_open or not right.low_open))
        )
    )
    within_high = right.high is None or (
        left.high is not None
        and (
            left.high < right.high
            or (left.high == right.high and (left.high_open or not right.high_open))
        )
    )
    return within_low and within_high


def above(left: Interval, right: Interval) -> bool:
    """Whether every number of the left interval is greater than every number of the right one."""
    return left.low is not None and right.high is not None and not _reaches(left, right)


def rounds(coarse: Decimal, fine: Decimal) -> bool:
    """Whether ``coarse`` is ``fine`` rounded to its last significant digit.

    >>> rounds(Decimal(230000), Decimal(229714))
    True
    """
    if coarse == fine:
        return False
    span = interval_of(coarse, coarse, "about")
    return overlap(span, Interval(fine, fine)) and abs(coarse - fine) <= abs(coarse) * _COARSEST


def within(left: Decimal, right: Decimal, tolerance: Decimal) -> bool:
    """Whether two numbers differ by no more than ``tolerance``, a share of the larger one."""
    return abs(left - right) <= max(abs(left), abs(right)) * tolerance


def total(parts: Sequence[Interval]) -> Interval:
    """Return the interval of all sums of one number from each interval."""
    return Interval(
        low=_sum_of_bounds([part.low for part in parts]),
        high=_sum_of_bounds([part.high for part in parts]),
        low_open=any(part.low_open for part in parts),
        high_open=any(part.high_open for part in parts),
    )


def _sum_of_bounds(bounds: Sequence[Decimal | None]) -> Decimal | None:
    known = [bound for bound in bounds if bound is not None]
    if len(known) < len(bounds):
        return None
    with localcontext(_PRECISE):
        return sum(known, Decimal(0))


def negative(interval: Interval) -> Interval:
    """Return the interval of the negated numbers."""
    low = None if interval.high is None else interval.high.copy_negate()
    high = None if interval.low is None else interval.low.copy_negate()
    return Interval(low=low, high=high, low_open=interval.high_open, high_open=interval.low_open)


def product(left: Interval, right: Interval) -> Interval:
    """Return the interval of all products of one number from each interval.

    A product is monotone in each factor while the other is fixed, so its extremes are at the corners.
    """
    corners = [
        (_times(left_bound, right_bound), left_open or right_open)
        for left_bound, left_open in _bounds(left)
        for right_bound, right_open in _bounds(right)
    ]
    return _hull(corners)


def quotient(left: Interval, right: Interval) -> Interval:
    """Return the interval of all quotients of one number from each interval.

    Raises :class:`ZeroDivisionError` if the divisor can be 0.
    """
    if overlap(right, Interval(Decimal(0), Decimal(0))):
        raise ZeroDivisionError
    with localcontext(_PRECISE):
        corners = [
            (
                Decimal(0) if right_bound.is_infinite() else left_bound / right_bound,
                left_open or right_open,
            )
            for left_bound, left_open in _bounds(left)
            for right_bound, right_open in _bounds(right)
        ]
    return _hull(corners)


_PRECISE = Context(prec=60)
"""Precise enough that sums and products of recorded bounds, which have far fewer digits, are exact."""

_INFINITY = Decimal("Infinity")


def _bounds(interval: Interval) -> tuple[tuple[Decimal, bool], tuple[Decimal, bool]]:
    """Return both bounds, each with whether it is open; a missing bound is an open infinity."""
    low = (-_INFINITY, True) if interval.low is None else (interval.low, interval.low_open)
    high = (_INFINITY, True) if interval.high is None else (interval.high, interval.high_open)
    return low, high


def _times(left: Decimal, right: Decimal) -> Decimal:
    # Decimal raises an error for 0 times infinity, but here an infinity only represents a missing bound.
    if not left or not right:
        return Decimal(0)
    with localcontext(_PRECISE):
        return left * right


def _hull(corners: list[tuple[Decimal, bool]]) -> Interval:
    """Return the smallest interval that contains some corners, each with whether it is open."""
    # If two corners have the same value and one is closed, the value belongs to the interval.
    low, low_open = min(corners, key=lambda corner: (corner[0], corner[1]))
    high, high_open = max(corners, key=lambda corner: (corner[0], not corner[1]))
    return Interval(
        low=None if low.is_infinite() else low,
        high=None if high.is_infinite() else high,
        low_open=low_open and not low.is_infinite(),
        high_open=high_open and not high.is_infinite(),
    )
