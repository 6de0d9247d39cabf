"""Formula: how a figure is computed from figures of other claims, or counted in the ledger itself.

``sum(a, b)``, ``difference(a, b)``, ``product(a, b)``, ``ratio(a, b)``, ``share(a, b)`` (of a in b, in per
cent) and ``growth(a, b)`` (from a to b, in per cent) take keys of claims. A claim with figures of several
measures is followed by a slash and the measure: ``census-120/seals``. ``count(places, locations)`` is a
tally: it counts something among the claims about a subject and its narrower ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from claimledger.errors import ParseError
from claimledger.records.keys import is_key

OPERATIONS: dict[str, tuple[int, int]] = {
    "sum": (1, 1000),
    "product": (1, 1000),
    "difference": (2, 2),
    "ratio": (2, 2),
    "share": (2, 2),
    "growth": (2, 2),
}
"""Each operation, with the smallest and the largest number of its arguments."""

COUNTED = ("claims", "assertions", "places", "sources")
"""The things that a tally can count."""

EXPECTED = (
    "write sum, difference, product, ratio, share or growth with the keys of claims: sum(a, b), or with "
    "a measure after a slash if a claim has several: share(a/arrests, b); or count(places, SUBJECT)"
)

_CALL = re.compile(r"\s*([a-z]+)\s*\(([^()]*)\)\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a formula: a claim, and a measure if the claim has figures of several."""

    claim: str
    measure: str = ""

    def __str__(self) -> str:
        return f"{self.claim}/{self.measure}" if self.measure else self.claim


@dataclass(frozen=True, slots=True)
class Formula:
    """An operation over the figures of claims."""

    operation: str
    inputs: tuple[Input, ...]

    def __str__(self) -> str:
        return f"{self.operation}({', '.join(map(str, self.inputs))})"


@dataclass(frozen=True, slots=True)
class Count:
    """A tally: it counts ``what`` (see :data:`COUNTED`) among the claims about a subject, within a scope."""

    what: str
    subject: str
    scope: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        limits = [f"{name}={text}" for name, text in self.scope]
        return f"count({', '.join([self.what, self.subject, *limits])})"


def read_formula(text: str) -> Formula | Count:
    """Return the formula that a text contains; raise :class:`ParseError` if it is not one."""
    match = _CALL.fullmatch(text)
    if not match:
        raise ParseError(f"is not a valid formula; {EXPECTED}")
    operation = match.group(1)
    operands = [part.strip() for part in match.group(2).split(",")]
    if operation == "count":
        return _count(operands)
    if operation not in OPERATIONS:
        raise ParseError(f"has the unknown operation {operation}; {EXPECTED}")
    lowest, highest = OPERATIONS[operation]
    if not lowest <= len(operands) <= highest:
        expected = str(lowest) if lowest == highest else f"{lowest} to {highest:,}"
        raise ParseError(f"has {len(operands):,} claims, but {operation} takes {expected}")
    return Formula(operation, tuple(_input(part) for part in operands))


def _input(text: str) -> Input:
    claim, _, measure = text.partition("/")
    if not is_key(claim.strip()):
        raise ParseError(f"takes keys of claims, and {text!r} is not a key")
    return Input(claim.strip(), measure.strip())


def _count(operands: list[str]) -> Count:
    if len(operands) < 2 or operands[0] not in COUNTED or not is_key(operands[1]):
        raise ParseError(
            f"must count {', '.join(COUNTED[:-1])} or {COUNTED[-1]} about a subject: count(places, SUBJECT)"
        )
    limits = []
    for part in operands[2:]:
        name, equals, text = part.partition("=")
        if not equals or not name.strip() or not text.strip():
            raise ParseError(
                f"has the limit {part!r}, which is not name=text; write it like place=NLD"
            )
        limits.append((name.strip(), text.strip()))
    return Count(operands[0], operands[1], tuple(limits))
