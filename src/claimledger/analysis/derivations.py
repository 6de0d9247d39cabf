"""Derivations: figures computed from the figures of other claims, recomputed in exact intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.intervals import (
    inside,
    negative,
    overlap,
    product,
    quotient,
    rounds,
    total,
)
from claimledger.records.claim import Claim
from claimledger.records.figure import Figure, Interval
from claimledger.records.formula import Count, Formula, Input, read_formula
from claimledger.text.unicode import same

HUNDRED = Interval(Decimal(100), Decimal(100))


@dataclass(frozen=True, slots=True)
class Derivation:
    """A figure recomputed: what its formula gives now, and what has become of its inputs."""

    claim: str
    figure: Figure
    formula: Formula
    result: Interval | None
    """What the formula gives; ``None`` where it cannot be computed."""

    gives: bool
    """Whether that is still the figure, give or take rounding."""

    wrong: tuple[str, ...]
    """Why it cannot be computed: an input without such a figure, a division by what may be 0."""

    fallen: tuple[tuple[str, str], ...]
    """Inputs that fell, each with how: retracted, superseded or contested."""

    unlinked: tuple[str, ...]
    """Claims the formula takes that no ``derives_from`` leads to."""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.gives and not (self.fallen or self.unlinked)


def derived(answers: Analysis, key: str, claims: Mapping[str, Claim]) -> Iterator[Derivation]:
    """Yield each computed figure of a claim. ``claims`` holds the claim itself and all it takes."""
    for figure in claims[key].figures:
        formula = read_formula(figure.formula) if figure.formula else None
        if isinstance(formula, Formula):
            yield _derived(answers, key, figure, formula, claims)


def taken(claim: Claim) -> set[str]:
    """Return the keys of the claims that a claim's formulas take."""
    formulas = [read_formula(figure.formula) for figure in claim.figures if figure.formula]
    return {operand.claim for f in formulas if isinstance(f, Formula) for operand in f.inputs}


def counted(claim: Claim) -> Iterator[tuple[Figure, Count]]:
    """Yield the tallies of a claim, each with its figure."""
    for figure in claim.figures:
        formula = read_formula(figure.formula) if figure.formula else None
        if isinstance(formula, Count):
            yield figure, formula


def _derived(
    answers: Analysis, key: str, figure: Figure, formula: Formula, claims: Mapping[str, Claim]
) -> Derivation:
    wrong: list[str] = []
    values: list[Interval] = []
    for operand in formula.inputs:
        operand_figure = _input(operand, figure, claims)
        if isinstance(operand_figure, str):
            wrong.append(operand_figure)
        else:
            values.append(operand_figure.interval)
    result = None
    if not wrong:
        try:
            result = _OPERATIONS[formula.operation](values)
        except ZeroDivisionError:
            wrong.append("it divides by what may be 0")
    linked = {link.to for link in answers.graph.from_("derives_from", key)}
    inputs = dict.fromkeys(operand.claim for operand in formula.inputs)
    return Derivation(
        key,
        figure,
        formula,
        result,
        result is not None and gives(result, figure),
        tuple(wrong),
        tuple((key, how) for key in inputs if (how := _fallen(answers, key))),
        tuple(key for key in inputs if key not in linked),
    )


def gives(result: Interval, figure: Figure) -> bool:
    """Whether what was computed is what the figure says: the same, within it, or it rounded."""
    stated = figure.interval
    if result == stated or inside(result, stated):
        return True
    # Exact figures are often printed rounded; an uncertain result need only be able to give them.
    if figure.low is not None and figure.low == figure.high and figure.qualifier == "exact":
        if result.low is not None and result.low == result.high:
            return rounds(figure.low, result.low)
        return overlap(result, stated)
    return result.low != result.high and overlap(result, stated)


def _input(operand: Input, figure: Figure, claims: Mapping[str, Claim]) -> Figure | str:
    claim = claims.get(operand.claim)
    if claim is None:
        return f"{operand.claim} is not there"
    measure = operand.measure or figure.measure
    fitting = [f for f in claim.figures if same(f.measure, measure)]
    if not fitting and not operand.measure and len(claim.figures) == 1:
        fitting = list(claim.figures)
    if len(fitting) == 1:
        return fitting[0]
    measures = ", ".join(dict.fromkeys(f.measure for f in claim.figures)) or "none"
    return f"{operand.claim} holds {len(fitting) or 'no'} figure of {measure} (it has: {measures})"


def _fallen(answers: Analysis, key: str) -> str:
    if key not in answers.graph.claims:
        return "not in view"
    standing = answers.standing(key)
    return standing if standing in ("retracted", "superseded", "contested") else ""


def _difference(values: Sequence[Interval]) -> Interval:
    return total([values[0], negative(values[1])])


def _product(values: Sequence[Interval]) -> Interval:
    result = values[0]
    for value in values[1:]:
        result = product(result, value)
    return result


def _ratio(values: Sequence[Interval]) -> Interval:
    return quotient(values[0], values[1])


def _share(values: Sequence[Interval]) -> Interval:
    return product(HUNDRED, _ratio(values))


def _growth(values: Sequence[Interval]) -> Interval:
    # (b - a) / a, written so that a stands once: else its uncertainty would count twice.
    ratio = quotient(values[1], values[0])
    return product(HUNDRED, total([ratio, Interval(Decimal(-1), Decimal(-1))]))


_OPERATIONS: dict[str, Callable[[Sequence[Interval]], Interval]] = {
    "sum": total,
    "product": _product,
    "difference": _difference,
    "ratio": _ratio,
    "share": _share,
    "growth": _growth,
}
