"""Intervals of exact decimals: whether they overlap, lie in each other, or round to each other."""

from __future__ import annotations

from decimal import Decimal

from claimledger.records.figure import Interval, interval_of

_COARSEST = Decimal("0.05")  # of the number: 100 may be a rounded 98, never a rounded 60


def overlap(one: Interval, other: Interval) -> bool:
    """Whether two intervals have a number in common."""
    return _reaches(one, other) and _reaches(other, one)


def _reaches(low: Interval, high: Interval) -> bool:
    if low.low is None or high.high is None:
        return True
    if low.low == high.high:
        return not (low.low_open or high.high_open)
    return low.low < high.high


def inside(one: Interval, other: Interval) -> bool:
    """Whether every number of one interval belongs to the other."""
    above = other.low is None or (
        one.low is not None
        and (one.low > other.low or (one.low == other.low and (one.low_open or not other.low_open)))
    )
    below = other.high is None or (
        one.high is not None
        and (
            one.high < other.high
            or (one.high == other.high and (one.high_open or not other.high_open))
        )
    )
    return above and below


def above(one: Interval, other: Interval) -> bool:
    """Whether every number of one interval is above every number of the other."""
    return one.low is not None and other.high is not None and not _reaches(one, other)


def rounds(coarse: Decimal, fine: Decimal) -> bool:
    """Whether one number is the other rounded to its last significant digit."""
    if coarse == fine:
        return False
    span = interval_of(coarse, coarse, "about")
    return overlap(span, Interval(fine, fine)) and abs(coarse - fine) <= abs(coarse) * _COARSEST


def within(one: Decimal, other: Decimal, tolerance: Decimal) -> bool:
    """Whether two numbers are apart by no more than a share of the larger."""
    return abs(one - other) <= max(abs(one), abs(other)) * tolerance
