"""Comparing two figures: whether they agree, or why they cannot be compared.

"Over" and "under" exclude their bound; "about" spans half its last significant digit either way.
Stocks compare at their last day, totals as a lower bound of later ones, flows over equal periods only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from claimledger.records.claim import Claim
from claimledger.records.figure import Figure, Interval, interval_of
from claimledger.records.text import same

Relation = Literal[
    "agrees",
    "near",
    "compatible",
    "conflicts",
    "different measure",
    "different scope",
    "different period",
    "different definition",
    "different vintage",
    "revision",
]

Change = Literal["same", "rounded", "narrowed", "widened", "changed"]

_COARSEST = Decimal("0.05")  # of the number: 100 may be a rounded 98, never a rounded 60


@dataclass(frozen=True, slots=True)
class Compared:
    """Two figures of two claims, and how they stand to each other."""

    one: Figure
    other: Figure
    relation: Relation


def compare(
    one: Claim, other: Claim, *, revision: bool = False, tolerance: Decimal = Decimal(0)
) -> Iterator[Compared]:
    """Yield every pair of figures that two claims hold, compared.

    ``revision`` says that one claim updates the other; ``tolerance`` is a share of the larger number.
    """
    for here in one.figures:
        for there in other.figures:
            yield Compared(here, there, _relation(one, here, other, there, revision, tolerance))


def _relation(
    one: Claim, here: Figure, other: Claim, there: Figure, revision: bool, tolerance: Decimal
) -> Relation:
    if not same(here.measure, there.measure) or here.unit != there.unit:
        return "different measure"
    if one.scope_of(here) != other.scope_of(there):
        return "different scope"
    if (here.base, here.method) != (there.base, there.method) or (
        here.nature and there.nature and here.nature != there.nature
    ):
        return "different definition"
    if here.vintage != there.vintage:
        return "different vintage"
    if revision:
        return "revision"
    nature = here.nature or there.nature
    if nature == "total" and _apart(one, other):
        early, late = (here, there) if _last(one) < _last(other) else (there, here)
        low, high = early.interval, late.interval
        fell = low.low is not None and high.high is not None and high.high < low.low
        return "conflicts" if fell else "compatible"
    if _apart(one, other) if nature != "flow" else _spans_differ(one, other):
        return "different period"
    return _of_intervals(here, there, tolerance)


def _last(claim: Claim) -> int:
    return claim.about.latest if claim.about and claim.about.latest is not None else 0


def _apart(one: Claim, other: Claim) -> bool:
    return bool(_last(one) and _last(other) and _last(one) != _last(other))


def _spans_differ(one: Claim, other: Claim) -> bool:
    return bool(one.about and other.about) and (
        one.about.earliest if one.about else None,
        one.about.latest if one.about else None,
    ) != (
        other.about.earliest if other.about else None,
        other.about.latest if other.about else None,
    )


def _of_intervals(here: Figure, there: Figure, tolerance: Decimal) -> Relation:
    one, other = here.interval, there.interval
    if one == other:
        return "agrees"
    exact = all(f.low is not None and f.low == f.high for f in (here, there))
    if exact and (_rounds_to(here, there) or _within(here, there, tolerance)):
        return "near"
    return "compatible" if overlap(one, other) else "conflicts"


def _rounds_to(here: Figure, there: Figure) -> bool:
    """Whether one number is the other's, rounded."""
    return _is_rounding(here, there) or _is_rounding(there, here)


def _is_rounding(coarse: Figure, fine: Figure) -> bool:
    if coarse.low is None or fine.low is None or coarse.low == fine.low:
        return False
    span = interval_of(coarse.low, coarse.high, "about")
    inside = overlap(span, Interval(fine.low, fine.low))
    return inside and abs(coarse.low - fine.low) <= abs(coarse.low) * _COARSEST


def _within(here: Figure, there: Figure, tolerance: Decimal) -> bool:
    if here.low is None or there.low is None:
        return False
    return abs(here.low - there.low) <= max(abs(here.low), abs(there.low)) * tolerance


def overlap(one: Interval, other: Interval) -> bool:
    """Whether two intervals have a number in common."""
    return _reaches(one, other) and _reaches(other, one)


def _reaches(low: Interval, high: Interval) -> bool:
    if low.low is None or high.high is None:
        return True
    if low.low == high.high:
        return not (low.low_open or high.high_open)
    return low.low < high.high


def _inside(one: Interval, other: Interval) -> bool:
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


def change(later: Claim, earlier: Claim) -> Change | None:
    """Return what became of a figure when it was passed on; ``None`` without a common measure."""
    order: list[Change] = ["same", "rounded", "narrowed", "widened", "changed"]
    found: list[Change] = [
        _change(here, there)
        for here in later.figures
        for there in earlier.figures
        if same(here.measure, there.measure)
    ]
    return max(found, key=order.index, default=None)


def _change(here: Figure, there: Figure) -> Change:
    one, other = here.interval, there.interval
    if one == other:
        return "same"
    if _is_rounding(here, there):
        return "rounded"
    if _inside(one, other):
        return "narrowed"
    return "widened" if _inside(other, one) else "changed"
