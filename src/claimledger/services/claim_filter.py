"""Choosing claims: by claimant, source, subject, standing, figure and date, each narrowing the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from claimledger.analysis.analysis import STANDINGS
from claimledger.errors import InvalidInputError, ParseError, Problem
from claimledger.records.check import nearest
from claimledger.records.dates import Date, day_text
from claimledger.services.find_claim import figure_asked, with_value

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked for; what is left out narrows nothing."""

    claimant: str | None = None
    source: str | None = None
    subject: str | None = None
    standing: str | None = None
    figure: str | None = None
    first: str | None = None
    last: str | None = None


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A claim that was chosen."""

    key: str
    statement: str
    known_by: str
    standing: str
    at_least: int
    at_most: int

    def as_json(self) -> dict[str, Any]:
        """Return the line as an object."""
        return asdict(self)


def select_claims(view: LedgerView, wanted: Selection) -> list[ClaimRow]:
    """Return the claims asked for, in the order in which they became known."""
    if wanted.standing and wanted.standing not in STANDINGS:
        near = nearest(wanted.standing, STANDINGS)
        hint = f"; did you mean {near[0]}?" if near else ""
        right = f"one of {', '.join(STANDINGS)}{hint}"
        raise InvalidInputError(
            [Problem("unknown standing", "standing", wanted.standing, right)], outcome=""
        )
    sets = list(_sets(view, wanted))
    keys = set.intersection(*sets) if sets else None
    answers = view.analysis(keys)
    known = answers.graph.known_by
    first, last = _bound(wanted.first, "earliest"), _bound(wanted.last, "latest")
    chosen = [
        key
        for key in sorted(known, key=lambda one: (known[one], answers.graph.claims[one].entry))
        if (keys is None or key in keys)
        and (first is None or known[key] >= first)
        and (last is None or known[key] <= last)
        and (wanted.standing is None or answers.standing(key) == wanted.standing)
    ]
    held = view.get_all("claim", chosen)
    return [
        ClaimRow(
            key,
            held[key].record.named,
            day_text(known[key]),
            answers.standing(key),
            answers.origins(key).at_least,
            answers.origins(key).at_most,
        )
        for key in chosen
    ]


def _sets(view: LedgerView, wanted: Selection) -> Iterator[set[str]]:
    """Yield the keys each filter leaves."""
    if wanted.claimant:
        key = view.get("party", wanted.claimant).key
        yield _pointing(view, "party", key, "claimant")
    if wanted.source:
        key = view.get("source", wanted.source).key
        yield _pointing(view, "source", key, "citations.source")
    if wanted.subject:
        key = view.get("subject", wanted.subject).key
        narrower = view.narrower_subjects(key)
        yield view.keys_about(narrower)
    if wanted.figure:
        yield {held.key for held in with_value(view, figure_asked(wanted.figure))}


def _pointing(view: LedgerView, kind: str, key: str, field: str) -> set[str]:
    listed = view.references_to(kind, [key]).get(key, [])
    return {one.key for one in listed if one.kind == "claim" and one.field == field}


def _bound(text: str | None, end: str) -> int | None:
    if not text:
        return None
    try:
        day: int | None = getattr(Date.of(text), end)
    except ParseError as error:
        raise ParseError(f"{text!r} {error}") from None
    return day
