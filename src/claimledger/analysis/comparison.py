"""Compares two figures: whether they agree or conflict, or why they cannot be compared.

"Over" and "under" exclude their bound; "about" includes half a unit of the last significant digit either way.
Stocks are compared at their last day, totals as lower bounds of later ones, and flows only over equal
periods. Only the ledger's terms decide which names mean the same and which are part of others. A figure with
one more limitation counts a part of what a figure without it counts.
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
from claimledger.records.figure import Figure, Interval, Nature
from claimledger.records.vocabulary import MEASURE, Vocabulary
from claimledger.text.unicode import same

ONE_SIDED_PERIOD = "only one says which time it is about"
"""The reason why figures cannot be compared if one of them has no time."""

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
    "conflicts": "they cannot both be right",
    "part exceeds whole": "the part is larger than the whole",
    "agrees": "they say the same",
    "near": "they differ by no more than rounding or the tolerance",
    "compatible": "they can both be right",
    "revision": "one is a newer version of the other",
    "different period": "they are about different times",
    "different vintage": "they are from different releases",
    "different definition": "they are counted differently",
    "different scope": "they are limited to different things",
    "different measure": "they count different things",
}
"""Every relation with its meaning, the most telling first."""

AT_ODDS: tuple[Relation, ...] = ("conflicts", "part exceeds whole")
"""The relations of two figures that cannot both be right."""

Change = Literal["same", "rounded", "narrowed", "widened", "changed"]
"""How a figure changed when a claim repeated it."""

MOST_PAIRS = 250_000
"""The most pairs of figures that are compared for two claims.

The limits on recording keep two claims below it. A log made elsewhere can exceed it, and comparing all
pairs would then delay every report.
"""

_NO_TERMS = Vocabulary()


@dataclass(frozen=True, slots=True)
class Comparison:
    """A figure of one claim and a figure of another, how they relate, and why."""

    left: Figure
    right: Figure
    relation: Relation
    reasons: tuple[str, ...] = ()
    """The reasons for the relation, such as the terms that were applied; each is a phrase."""


class _Outcome(NamedTuple):
    relation: Relation
    reasons: tuple[str, ...] = ()


def compare(
    left: Claim,
    right: Claim,
    *,
    revision: bool = False,
    tolerance: Decimal = Decimal(0),
    vocabulary: Vocabulary = _NO_TERMS,
) -> Iterator[Comparison]:
    """Yield a comparison for every pair of figures of two claims, up to :data:`MOST_PAIRS`.

    ``revision`` says that one claim updates the other. ``tolerance`` is the share of the larger number by
    which two numbers may differ and still be ``near``. ``vocabulary`` has the ledger's terms.
    """
    for left_figure, right_figure in islice(product(left.figures, right.figures), MOST_PAIRS):
        pair = _Pair(
            left=left,
            left_figure=left_figure,
            right=right,
            right_figure=right_figure,
            vocabulary=vocabulary,
            tolerance=tolerance,
        )
        relation, reasons = pair.compare(revision=revision)
        yield Comparison(left=left_figure, right=right_figure, relation=relation, reasons=reasons)


def most_telling(pairs: Iterable[Comparison]) -> Comparison | None:
    """Return the pair whose relation comes first in :data:`RELATIONS`; ``None`` without pairs.

    A conflict says more than an agreement, and both say more than a pair that cannot be compared.
    """
    order = list(RELATIONS)
    return min(pairs, key=lambda pair: order.index(pair.relation), default=None)


_NATURES = {
    Nature.STOCK: "a count at a moment",
    Nature.TOTAL: "a count of all so far",
    Nature.FLOW: "a count within a period",
}

Nesting = Literal["same", "part", "whole", "apart"]
"""How the things that the left figure counts relate to those that the right one counts."""


class _Pair:
    """Two figures, each with its claim, and the reasons collected while they are compared."""

    def __init__(
        self, left: Claim, left_figure: Figure, right: Claim, right_figure: Figure,
        vocabulary: Vocabulary, tolerance: Decimal,
    ) -> None:  # fmt: skip
        self.left, self.left_figure = left, left_figure
        self.right, self.right_figure = right, right_figure
        self.vocabulary = vocabulary
        self.tolerance = tolerance
        self.reasons: list[str] = []

    def compare(self, *, revision: bool) -> _Outcome:
        """Return how the figures relate, and why."""
        # The order is that of section *Comparison* of ``docs/semantics.md``: the measure, the scope, the
        # definition, the time, and only then the numbers. It is an invariant, not a convenience: numbers that
        # answer different questions must never be called a conflict, however far apart they are.
        measures = self._measure_nesting()
        converted = conversion(self.right_figure.unit, self.left_figure.unit)
        if measures != "apart" and converted is None:
            units = [
                figure.unit or "a plain count" for figure in (self.left_figure, self.right_figure)
            ]
            return _Outcome("different measure", (" and ".join(units),))
        if measures == "apart" or converted is None:
            return self._outcome("different measure")
        scopes = self._scope_nesting()
        if scopes == "apart":
            return self._outcome("different scope")
        if difference := self._definition_difference():
            return _Outcome("different definition", (difference,))
        if self.left_figure.vintage != self.right_figure.vintage:
            vintages = _both_or_one(self.left_figure.vintage, self.right_figure.vintage)
            return _Outcome("different vintage", (vintages,))
        if revision:
            return _Outcome("revision")
        nesting = _combine(measures, scopes)
        if nesting == "apart":
            return self._outcome("different scope")
        return self._compare_over_time(nesting, converted)

    # What is counted, and of what

    def _measure_nesting(self) -> Nesting:
        left, right = self.left_figure.measure, self.right_figure.measure
        nesting = self._nesting(MEASURE, left, right)
        if nesting == "apart":
            self.reasons = [
                f"no term in the ledger says that {left} and {right} are the same measure"
            ]
        return nesting

    def _nesting(self, scheme: str, left: str, right: str) -> Nesting:
        """Return how two names of a scheme nest: a measure, or a scope such as ``place``."""
        if same(left, right):
            return "same"
        vocabulary = self.vocabulary
        if vocabulary.concept(scheme, left) == vocabulary.concept(scheme, right):
            term = vocabulary.term(scheme, left)
            self.reasons.append(f'{left} and {right} mean the same, by the term "{term}"')
            return "same"
        nestings: tuple[tuple[str, str, Nesting], ...] = (
            (left, right, "part"),
            (right, left, "whole"),
        )
        for part, whole_name, nesting in nestings:
            if vocabulary.within(scheme, part, whole_name):
                term = vocabulary.term(scheme, part)
                self.reasons.append(f'{part} is part of {whole_name}, by the term "{term}"')
                return nesting
        return "apart"

    def _scope_nesting(self) -> Nesting:
        """Return how the scopes nest, over all their names together.

        A figure that is limited in one more way counts a part of what the other counts.
        """
        left, right = self.left.scope_of(self.left_figure), self.right.scope_of(self.right_figure)
        nesting: Nesting = "same"
        for scheme in sorted(left.keys() | right.keys()):
            left_name, right_name = left.get(scheme), right.get(scheme)
            in_scheme: Nesting
            if left_name is not None and right_name is not None:
                in_scheme = self._nesting(scheme, left_name, right_name)
            else:
                in_scheme = "whole" if left_name is None else "part"
                self.reasons.append(f"only one is limited to {scheme} {left_name or right_name}")
            if in_scheme == "apart":
                self.reasons = [f"{scheme} {left_name} and {scheme} {right_name}"]
            nesting = _combine(nesting, in_scheme)
            if nesting == "apart":
                return nesting
        return nesting

    def _definition_difference(self) -> str:
        """Return how the definitions differ (base, method or nature); empty if they do not."""
        left, right = self.left_figure, self.right_figure
        for name in ("base", "method"):
            left_value, right_value = getattr(left, name), getattr(right, name)
            if left_value != right_value:
                return f"{name}: {_both_or_one(left_value, right_value)}"
        if left.nature and right.nature and left.nature != right.nature:
            return f"{_NATURES[left.nature]} and {_NATURES[right.nature]}"
        return ""

    # When

    def _compare_over_time(self, nesting: Nesting, converted: Conversion) -> _Outcome:
        """Compare figures that count the same thing, or a part and its whole, by their times.

        A stock is a count at a moment, a total counts all so far, and a flow belongs to a period. If neither
        figure has a nature, both are treated as stocks.
        """
        # Only a flow compares with the flow of a longer period as a part with its whole. The stock of a month
        # is not a part of the stock of its year, so stocks and totals never use the nesting of periods.
        nature = self.left_figure.nature or self.right_figure.nature
        left_day, right_day = _last_day(self.left), _last_day(self.right)
        at_different_days = bool(left_day and right_day and left_day != right_day)
        if nature == "flow" and self._periods_differ():
            of_periods = self._period_nesting()
            nesting = _combine(nesting, of_periods)
            if of_periods == "apart" or nesting == "apart":
                return _Outcome("different period", (self._periods(),))
            self.reasons.append(f"{self._periods()}, one within the other")
            return self._compare_part(nesting, converted, otherwise="different period")
        if nature == "total" and at_different_days:
            return self._compare_totals(nesting, converted, right_is_later=left_day < right_day)
        if nature != "flow" and at_different_days:
            return _Outcome("different period", (self._periods(),))
        if nesting != "same":
            return self._compare_part(nesting, converted, otherwise="different scope")
        return self._compare_intervals(converted)

    def _periods(self) -> str:
        return " and ".join(str(claim.about) for claim in (self.left, self.right))

    def _periods_differ(self) -> bool:
        left, right = self.left.about, self.right.about
        return bool(
            left and right and (left.earliest, left.latest) != (right.earliest, right.latest)
        )

    def _period_nesting(self) -> Nesting:
        left, right = _period(self.left), _period(self.right)
        if left is None or right is None:
            return "apart"
        if right[0] <= left[0] and left[1] <= right[1]:
            return "part"
        return "whole" if left[0] <= right[0] and right[1] <= left[1] else "apart"

    def _compare_totals(
        self, nesting: Nesting, converted: Conversion, *, right_is_later: bool
    ) -> _Outcome:
        """Compare totals at two moments: a count of all so far never decreases.

        So they conflict only if the earlier total is above the later one. The same is true if the earlier
        total counts a part of what the later one counts.
        """
        self.reasons.append(f"totals only grow: {self._periods()}")
        earlier, later = self.left_figure.interval, converted.interval(self.right_figure.interval)
        if not right_is_later:
            earlier, later = later, earlier
        if nesting == "same":
            return self._outcome("conflicts" if above(earlier, later) else "compatible")
        earlier_is_part = nesting == ("part" if right_is_later else "whole")
        if earlier_is_part and above(earlier, later):
            return self._outcome("part exceeds whole")
        return self._outcome("different scope")

    def _compare_part(
        self, nesting: Nesting, converted: Conversion, *, otherwise: Relation
    ) -> _Outcome:
        """Compare a part with its whole, which it cannot exceed if numbers in the unit add up."""
        part, containing = self.left_figure.interval, converted.interval(self.right_figure.interval)
        if nesting == "whole":
            part, containing = containing, part
        adds_up = additive(self.left_figure.unit) and self.left_figure.base is None
        if adds_up and above(part, containing):
            return self._outcome("part exceeds whole")
        return self._outcome(otherwise)

    # How much

    def _compare_intervals(self, converted: Conversion) -> _Outcome:
        """Compare the numbers of figures that count the same thing at the same time."""
        left_figure, right_figure = self.left_figure, self.right_figure
        left, right = left_figure.interval, converted.interval(right_figure.interval)
        if not same(left_figure.unit or "", right_figure.unit or "") and converted.factor != 1:
            self.reasons.append(f"{right_figure.words} is {_number(right)} {left_figure.unit}")
        # A number with few digits in one unit can have many in the other (5 mi is 8.04672 km), and rounding
        # looks at digits. So equality and rounding are tried in both units.
        back = conversion(left_figure.unit, right_figure.unit)
        if left == right or (back and back.interval(left_figure.interval) == right_figure.interval):
            return self._outcome("agrees")
        both_exact = all(
            figure.low is not None and figure.low == figure.high
            for figure in (left_figure, right_figure)
        )
        if both_exact and self._is_near(converted):
            return self._outcome("near")
        if overlap(left, right):
            return self._outcome("compatible")
        if bool(self.left.about) != bool(self.right.about):
            # A claim that states no time can be about any time, so different numbers may both be right.
            return _Outcome("different period", (ONE_SIDED_PERIOD,))
        return self._outcome("conflicts")

    def _is_near(self, converted: Conversion) -> bool:
        """Whether two single numbers differ by rounding, in either unit, or within the tolerance."""
        left, right = self.left_figure.low, self.right_figure.low
        back = conversion(self.left_figure.unit, self.right_figure.unit)
        if left is None or right is None or back is None:
            return False
        if rounds(left, converted.number(right)) or rounds(right, back.number(left)):
            self.reasons.append("one is the other, rounded")
            return True
        if self.tolerance and within(left, converted.number(right), self.tolerance):
            self.reasons.append(f"within the tolerance of {percent(self.tolerance)}")
            return True
        return False

    def _outcome(self, relation: Relation) -> _Outcome:
        return _Outcome(relation, tuple(self.reasons))


def _both_or_one(left: str | None, right: str | None) -> str:
    """Return two stated values in a phrase, or the only one that is stated."""
    if left and right:
        return f"{left} and {right}"
    return f"{left or right}; the other does not state one"


def _combine(left: Nesting, right: Nesting) -> Nesting:
    """Return the nesting of two figures from their nestings in two respects, such as measure and scope.

    If one is the part in one respect and the whole in the other, they only overlap, so they are ``apart``.
    """
    if "same" in (left, right):
        return right if left == "same" else left
    return left if left == right else "apart"


def _last_day(claim: Claim) -> int:
    """Return the last day that a claim is about; 0 if it states none."""
    return claim.about.latest if claim.about and claim.about.latest is not None else 0


def _period(claim: Claim) -> tuple[int, int] | None:
    """Return the first and the last day of the period that a claim is about, if it states both."""
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
    """Return how the figures of a claim changed when a later claim repeated it.

    With several figures, return the greatest change; ``None`` if the claims share no measure.
    """
    order: list[Change] = ["same", "rounded", "narrowed", "widened", "changed"]
    changes: list[Change] = [
        _change(new, old)
        for new in later.figures
        for old in earlier.figures
        if same(new.measure, old.measure)
    ]
    return max(changes, key=order.index, default=None)


def _change(new: Figure, old: Figure) -> Change:
    if new.interval == old.interval:
        return "same"
    if new.low is not None and old.low is not None and rounds(new.low, old.low):
        return "rounded"
    if inside(new.interval, old.interval):
        return "narrowed"
    return "widened" if inside(old.interval, new.interval) else "changed"
