"""Comparing two figures: whether they agree, or why they cannot be compared.

"Over" and "under" exclude their bound; "about" spans half its last significant digit either way.
Stocks compare at their last day, totals as a lower bound of later ones, flows over equal periods only.
What names mean one thing, and what lies in what, only the ledger's terms say. A figure that is limited
to something is a part of one that is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice, product
from typing import Literal, NamedTuple

from claimledger.analysis.intervals import above, inside, overlap, rounds, within
from claimledger.analysis.units import Conversion, additive, conversion
from claimledger.records.claim import Claim
from claimledger.records.figure import Figure, Interval
from claimledger.records.vocabulary import MEASURE, Vocabulary
from claimledger.text.unicode import same

Relation = Literal[
    "agrees",
    "near",
    "compatible",
    "conflicts",
    "part exceeds whole",
    "different measure",
    "different scope",
    "different period",
    "different definition",
    "different vintage",
    "revision",
]

RELATIONS: dict[Relation, str] = {
    "conflicts": "both cannot hold",
    "part exceeds whole": "the part is larger than what it is part of",
    "agrees": "they say the same",
    "near": "apart by no more than rounding or the tolerance",
    "compatible": "both can hold",
    "revision": "one updates the other",
    "different period": "they speak of different times",
    "different vintage": "they are of different releases",
    "different definition": "they are counted differently",
    "different scope": "they are limited to different things",
    "different measure": "they count different things",
}
"""Every relation, the most telling first."""

AT_ODDS: tuple[Relation, ...] = ("conflicts", "part exceeds whole")

Change = Literal["same", "rounded", "narrowed", "widened", "changed"]

_NOTHING = Vocabulary()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two figures of two claims, how they stand to each other, and what that rests on."""

    left: Figure
    right: Figure
    relation: Relation
    rests: tuple[str, ...] = ()


class _Outcome(NamedTuple):
    relation: Relation
    rests: tuple[str, ...] = ()


def compare(
    left: Claim,
    right: Claim,
    *,
    revision: bool = False,
    tolerance: Decimal = Decimal(0),
    vocabulary: Vocabulary = _NOTHING,
) -> Iterator[Comparison]:
    """Yield every pair of figures that two claims hold, compared: the first :data:`MOST_PAIRS` of them.

    ``revision`` says that one claim updates the other; ``tolerance`` is a share of the larger number.
    """
    for left_figure, right_figure in islice(product(left.figures, right.figures), MOST_PAIRS):
        pair = _Pair(left, left_figure, right, right_figure, vocabulary, tolerance)
        relation, rests = pair.compared(revision=revision)
        yield Comparison(left_figure, right_figure, relation, rests)


MOST_PAIRS = 250_000
"""Pairs of figures of two claims that are compared.

Two that are recorded here have no more. In a log made elsewhere they can, and would hold up every report.
"""


def most_telling(pairs: Iterable[Comparison]) -> Comparison | None:
    """Return the pair that tells most: a conflict before an agreement before what cannot be compared."""
    order = list(RELATIONS)
    return min(pairs, key=lambda pair: order.index(pair.relation), default=None)


Nesting = Literal["same", "part", "whole", "apart"]
"""How what one figure speaks of lies to what the other does."""


class _Pair:
    """Two figures, each with the claim that holds it."""

    def __init__(
        self, left: Claim, left_figure: Figure, right: Claim, right_figure: Figure, words: Vocabulary,
        tolerance: Decimal,
    ) -> None:  # fmt: skip
        self.left, self.left_figure = left, left_figure
        self.right, self.right_figure = right, right_figure
        self.words = words
        self.tolerance = tolerance
        self.rests: list[str] = []

    def compared(self, *, revision: bool) -> _Outcome:
        measures = self._measures()
        converted = conversion(self.right_figure.unit, self.left_figure.unit)
        if measures != "apart" and converted is None:
            units = [
                figure.unit or "a plain count" for figure in (self.left_figure, self.right_figure)
            ]
            return _Outcome("different measure", (" and ".join(units),))
        if measures == "apart" or converted is None:
            return _Outcome("different measure", tuple(self.rests))
        scopes = self._scopes()
        if scopes == "apart":
            return _Outcome("different scope", tuple(self.rests))
        if difference := self._definition():
            return _Outcome("different definition", (difference,))
        if self.left_figure.vintage != self.right_figure.vintage:
            named = " and ".join(
                f.vintage or "none named" for f in (self.left_figure, self.right_figure)
            )
            return _Outcome("different vintage", (named,))
        if revision:
            return _Outcome("revision")
        nested = _together(measures, scopes)
        if nested == "apart":
            return _Outcome("different scope", tuple(self.rests))
        return self._over_time(nested, converted)

    # What is counted, of what

    def _measures(self) -> Nesting:
        left, right = self.left_figure.measure, self.right_figure.measure
        nesting = self._nesting(MEASURE, left, right)
        if nesting == "apart":
            self.rests = [f"{left} and {right} are one measure only where a term says so"]
        return nesting

    def _nesting(self, scheme: str, left: str, right: str) -> Nesting:
        if same(left, right):
            return "same"
        words = self.words
        if words.concept(scheme, left) == words.concept(scheme, right):
            self.rests.append(f"{left} and {right} are one by the term {words.term(scheme, left)}")
            return "same"
        for part, containing, nesting in ((left, right, "part"), (right, left, "whole")):
            if words.within(scheme, part, containing):
                self.rests.append(
                    f"{part} is part of {containing} by the term {words.term(scheme, part)}"
                )
                return "part" if nesting == "part" else "whole"
        return "apart"

    def _scopes(self) -> Nesting:
        left, right = self.left.scope_of(self.left_figure), self.right.scope_of(self.right_figure)
        nesting: Nesting = "same"
        for scheme in sorted(left.keys() | right.keys()):
            a, b = left.get(scheme), right.get(scheme)
            nested: Nesting
            if a is not None and b is not None:
                nested = self._nesting(scheme, a, b)
            else:
                nested = "whole" if a is None else "part"
                self.rests.append(f"only one is limited to {scheme} {a or b}")
            if nested == "apart":
                self.rests = [f"{scheme} {a} and {scheme} {b}"]
            nesting = _together(nesting, nested)
            if nesting == "apart":
                return nesting
        return nesting

    def _definition(self) -> str:
        left, right = self.left_figure, self.right_figure
        for name in ("base", "method"):
            left_value, right_value = getattr(left, name), getattr(right, name)
            if left_value != right_value:
                return f"{name}: {left_value or 'not told'} and {right_value or 'not told'}"
        if left.nature and right.nature and left.nature != right.nature:
            return f"a {left.nature} and a {right.nature}"
        return ""

    # When

    def _over_time(self, nested: Nesting, converted: Conversion) -> _Outcome:
        nature = self.left_figure.nature or self.right_figure.nature
        first, last = _last(self.left), _last(self.right)
        apart = bool(first and last and first != last)
        if nature == "flow" and self._spans_differ():
            inner = self._period_nesting()
            nested = _together(nested, inner)
            if inner == "apart" or nested == "apart":
                return _Outcome("different period", (self._periods(),))
            self.rests.append(f"{self._periods()}, one within the other")
            return self._part(nested, converted, "different period")
        if nature == "total" and apart:
            return self._growing(nested, converted, later=first < last)
        if nature != "flow" and apart:
            return _Outcome("different period", (self._periods(),))
        if nested != "same":
            return self._part(nested, converted, "different scope")
        return self._of_intervals(converted)

    def _periods(self) -> str:
        return " and ".join(str(claim.about) for claim in (self.left, self.right))

    def _spans_differ(self) -> bool:
        left, right = self.left.about, self.right.about
        return bool(
            left and right and (left.earliest, left.latest) != (right.earliest, right.latest)
        )

    def _period_nesting(self) -> Nesting:
        left, right = _span(self.left), _span(self.right)
        if left is None or right is None:
            return "apart"
        if right[0] <= left[0] and left[1] <= right[1]:
            return "part"
        return "whole" if left[0] <= right[0] and right[1] <= left[1] else "apart"

    def _growing(self, nested: Nesting, converted: Conversion, *, later: bool) -> _Outcome:
        """Compare totals at two moments: what has been counted so far never becomes less."""
        self.rests.append(f"totals only grow: {self._periods()}")
        early, late = self.left_figure.interval, converted.interval(self.right_figure.interval)
        if not later:
            early, late = late, early
        if nested == "same":
            return self._outcome("conflicts" if above(early, late) else "compatible")
        if nested == ("part" if later else "whole"):
            return self._outcome("part exceeds whole" if above(early, late) else "different scope")
        return self._outcome("different scope")

    def _part(self, nested: Nesting, converted: Conversion, otherwise: Relation) -> _Outcome:
        """Compare a part with its whole: more than the whole it cannot be."""
        part, containing = self.left_figure.interval, converted.interval(self.right_figure.interval)
        if nested == "whole":
            part, containing = containing, part
        if (
            additive(self.left_figure.unit)
            and self.left_figure.base is None
            and above(part, containing)
        ):
            return self._outcome("part exceeds whole")
        return self._outcome(otherwise)

    # How much

    def _of_intervals(self, converted: Conversion) -> _Outcome:
        left_figure, right_figure = self.left_figure, self.right_figure
        left, right = left_figure.interval, converted.interval(right_figure.interval)
        if not same(left_figure.unit or "", right_figure.unit or "") and converted.factor != 1:
            self.rests.append(f"{right_figure.words} is {_number(right)} {left_figure.unit}")
        back = conversion(left_figure.unit, right_figure.unit)
        if left == right or (back and back.interval(left_figure.interval) == right_figure.interval):
            return self._outcome("agrees")  # in one of the two units the numbers are the same
        exact = all(f.low is not None and f.low == f.high for f in (left_figure, right_figure))
        if exact and self._near(converted):
            return self._outcome("near")
        if overlap(left, right):
            return self._outcome("compatible")
        if bool(self.left.about) != bool(self.right.about):
            # Two numbers may both be right where one does not say when it was.
            return _Outcome("different period", ("only one says which time it speaks of",))
        return self._outcome("conflicts")

    def _near(self, converted: Conversion) -> bool:
        left, right = self.left_figure.low, self.right_figure.low
        back = conversion(self.left_figure.unit, self.right_figure.unit)
        if left is None or right is None or back is None:
            return False
        if rounds(left, converted.number(right)) or rounds(right, back.number(left)):
            self.rests.append("one is the other, rounded")
            return True
        if self.tolerance and within(left, converted.number(right), self.tolerance):
            self.rests.append(f"within the tolerance of {percent(self.tolerance)}")
            return True
        return False

    def _outcome(self, relation: Relation) -> _Outcome:
        return _Outcome(relation, tuple(self.rests))


def _together(left: Nesting, right: Nesting) -> Nesting:
    """Return how two things nest that nest so in one way and so in another."""
    if "same" in (left, right):
        return right if left == "same" else left
    return left if left == right else "apart"


def _last(claim: Claim) -> int:
    return claim.about.latest if claim.about and claim.about.latest is not None else 0


def _span(claim: Claim) -> tuple[int, int] | None:
    about = claim.about
    if about is None or about.earliest is None or about.latest is None:
        return None
    return about.earliest, about.latest


def percent(share: Decimal) -> str:
    """Return a share as a percentage: ``2 %``, ``0.5 %``."""
    return f"{(share * 100).normalize():f} %"


def _number(interval: Interval) -> str:
    bounds = [
        f"{bound:f}" for bound in dict.fromkeys((interval.low, interval.high)) if bound is not None
    ]
    plain = [bound.rstrip("0").rstrip(".") if "." in bound else bound for bound in bounds]
    return " to ".join(plain)


def change(later: Claim, earlier: Claim) -> Change | None:
    """Return what became of a figure when it was passed on; ``None`` without a common measure."""
    order: list[Change] = ["same", "rounded", "narrowed", "widened", "changed"]
    changes: list[Change] = [
        _change(new, old)
        for new in later.figures
        for old in earlier.figures
        if same(new.measure, old.measure)
    ]
    return max(changes, key=order.index, default=None)


def _change(new: Figure, old: Figure) -> Change:
    new_interval, old_interval = new.interval, old.interval
    if new_interval == old_interval:
        return "same"
    if new.low is not None and old.low is not None and rounds(new.low, old.low):
        return "rounded"
    if inside(new_interval, old_interval):
        return "narrowed"
    return "widened" if inside(old_interval, new_interval) else "changed"
