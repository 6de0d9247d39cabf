"""Formula: how a figure is computed from what its claim derives from, or counted in the ledger itself.

``sum(a, b)``, ``difference(a, b)``, ``product(a, b)``, ``ratio(a, b)``, ``share(a, b)`` (of a in b, in
per cent), ``growth(a, b)`` (from a to b, in per cent): a and b are claims, each with the measure meant
behind a slash where it holds several (``census-120/seals``). ``count(places, locations)`` is a tally:
what is counted among the claims about a subject and its narrower ones.
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
"""Each operation with how many arguments it takes, at least and at most."""

COUNTED = ("claims", "assertions", "places", "sources")
"""What a tally can count."""

RIGHT = (
    "write sum, difference, product, ratio, share or growth of claims' keys: sum(a, b), with the measure "
    "behind a slash where a claim holds several: share(a/arrests, b); or count(places, SUBJECT)"
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
    """A tally: what is counted among the claims about a subject, within a scope."""

    what: str
    subject: str
    scope: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        limits = [f"{name}={text}" for name, text in self.scope]
        return f"count({', '.join([self.what, self.subject, *limits])})"


def read_formula(text: str) -> Formula | Count:
    """Parse a formula; raise :class:`ParseError` if it is not one."""
    match = _CALL.fullmatch(text)
    if not match:
        raise ParseError(f"is not a valid formula; {RIGHT}")
    operation = match.group(1)
    operands = [part.strip() for part in match.group(2).split(",")]
    if operation == "count":
        return _count(operands)
    if operation not in OPERATIONS:
        raise ParseError(f"names no operation known ({operation}); {RIGHT}")
    least, most = OPERATIONS[operation]
    if not least <= len(operands) <= most:
        raise ParseError(
            f"takes {least if least == most else 'one or more'} claims, not {len(operands)}"
        )
    return Formula(operation, tuple(_input(part) for part in operands))


def _input(text: str) -> Input:
    claim, _, measure = text.partition("/")
    if not is_key(claim.strip()):
        raise ParseError(f"takes claims' keys, and {text!r} is none")
    return Input(claim.strip(), measure.strip())


def _count(operands: list[str]) -> Count:
    if len(operands) < 2 or operands[0] not in COUNTED or not is_key(operands[1]):
        raise ParseError(
            f"counts one of {', '.join(COUNTED)} about a subject: count(places, SUBJECT)"
        )
    limits = []
    for part in operands[2:]:
        name, equals, text = part.partition("=")
        if not equals or not name.strip() or not text.strip():
            raise ParseError(f"has a limit {part!r}; write place=NLD")
        limits.append((name.strip(), text.strip()))
    return Count(operands[0], operands[1], tuple(limits))
