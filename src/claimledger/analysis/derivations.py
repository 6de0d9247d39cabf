"""Derivations: figures computed from figures of other claims, recomputed in exact interval arithmetic."""

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
from claimledger.analysis.standing import Standing
from claimledger.records.claim import Claim
from claimledger.records.figure import Figure, Interval
from claimledger.records.formula import Count, Formula, Input, read_formula
from claimledger.records.link import LinkType
from claimledger.text.unicode import same

HUNDRED = Interval(Decimal(100), Decimal(100))


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """A recomputed figure: the current result of its formula, and the state of its inputs."""

    claim: str
    figure: Figure
    formula: Formula
    result: Interval | None
    """The result of the formula; ``None`` if it cannot be computed."""

    reproduced: bool
    """Whether the result is still the figure, up to rounding."""

    problems: tuple[str, ...]
    """Why it cannot be computed: an input has no such figure, or a divisor may be 0."""

    fallen: tuple[tuple[str, str], ...]
    """The inputs that no longer count, each with the reason: its standing, or ``not in view``."""

    unlinked: tuple[str, ...]
    """The claims that the formula uses but to which no ``derives_from`` link leads."""

    @property
    def sound(self) -> bool:
        """Whether the figure is reproduced, from inputs that all count and are linked."""
        return self.reproduced and not (self.fallen or self.unlinked)


def recompute(analysis: Analysis, key: str, claims: Mapping[str, Claim]) -> Iterator[Derivation]:
    """Yield a derivation for each figure of a claim that has a formula.

    ``claims`` must have the claim itself and the claims that its formulas use (see :func:`formula_inputs`).
    """
    for figure in claims[key].figures:
        formula = read_formula(figure.formula) if figure.formula else None
        if isinstance(formula, Formula):
            yield _recompute_figure(analysis, key, figure, formula, claims)


def formula_inputs(claim: Claim) -> set[str]:
    """Return the keys of the claims that a claim's formulas use."""
    formulas = [read_formula(figure.formula) for figure in claim.figures if figure.formula]
    return {
        operand.claim
        for formula in formulas
        if isinstance(formula, Formula)
        for operand in formula.inputs
    }


def tallied_figures(claim: Claim) -> Iterator[tuple[Figure, Count]]:
    """Yield the figures of a claim that count records of the ledger, each with what it counts."""
    for figure in claim.figures:
        formula = read_formula(figure.formula) if figure.formula else None
        if isinstance(formula, Count):
            yield figure, formula


def _recompute_figure(
    analysis: Analysis, key: str, figure: Figure, formula: Formula, claims: Mapping[str, Claim]
) -> Derivation:
    problems: list[str] = []
    values: list[Interval] = []
    for operand in formula.inputs:
        operand_figure = _figure_of_input(operand, figure, claims)
        if isinstance(operand_figure, str):
            problems.append(operand_figure)
        else:
            values.append(operand_figure.interval)
    result = None
    if not problems:
        try:
            result = _OPERATIONS[formula.operation](values)
        except ZeroDivisionError:
            problems.append("it divides by a number that may be 0")
    linked = {link.to for link in analysis.graph.from_(LinkType.DERIVES_FROM, key)}
    inputs = dict.fromkeys(operand.claim for operand in formula.inputs)
    return Derivation(
        claim=key,
        figure=figure,
        formula=formula,
        result=result,
        reproduced=result is not None and reproduces(result, figure),
        problems=tuple(problems),
        fallen=tuple(
            (input_key, reason)
            for input_key in inputs
            if (reason := _reason_fallen(analysis, input_key))
        ),
        unlinked=tuple(input_key for input_key in inputs if input_key not in linked),
    )


def reproduces(result: Interval, figure: Figure) -> bool:
    """Whether the result of a formula is the stated figure.

    It is if it equals the figure, lies within it, or rounds to it. An exact figure is often a rounded result,
    and a result from uncertain inputs only has to be consistent with the figure.
    """
    stated = figure.interval
    if result == stated or inside(result, stated):
        return True
    if figure.low is not None and figure.low == figure.high and figure.qualifier == "exact":
        if result.low is not None and result.low == result.high:
            return rounds(figure.low, result.low)
        return overlap(result, stated)
    return result.low != result.high and overlap(result, stated)


def _figure_of_input(operand: Input, figure: Figure, claims: Mapping[str, Claim]) -> Figure | str:
    """Return the figure that an operand of a formula means, or the reason why there is none.

    An operand without a measure means the figure with the measure of the computed figure, or else the only
    figure of its claim.
    """
    claim = claims.get(operand.claim)
    if claim is None:
        return f"{operand.claim} is not in view"
    measure = operand.measure or figure.measure
    matching = [candidate for candidate in claim.figures if same(candidate.measure, measure)]
    if not matching and not operand.measure and len(claim.figures) == 1:
        matching = list(claim.figures)
    if len(matching) == 1:
        return matching[0]
    measures = ", ".join(dict.fromkeys(candidate.measure for candidate in claim.figures)) or "none"
    number = f"{len(matching)} figures" if matching else "no figure"
    return f"{operand.claim} has {number} of {measure} (its measures: {measures})"


def _reason_fallen(analysis: Analysis, key: str) -> str:
    """Return why an input no longer counts; empty if it does."""
    if key not in analysis.graph.claims:
        return "not in view"
    standing = analysis.standing(key)
    fallen = (Standing.RETRACTED, Standing.SUPERSEDED, Standing.CONTESTED)
    return standing if standing in fallen else ""


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
    # (b - a) / a, written as b / a - 1 so that a occurs once. In interval arithmetic an operand that
    # occurs twice counts its uncertainty twice (the dependency problem).
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
