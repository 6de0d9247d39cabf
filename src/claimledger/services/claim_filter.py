"""Selects claims by claimant, source, subject, standing, figure and date."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from claimledger.analysis.standing import STANDINGS
from claimledger.errors import InvalidInputError, ParseError, Problem
from claimledger.records.check import nearest
from claimledger.records.dates import Date, day_text
from claimledger.services.find_claim import figure_in_query, with_value

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView


@dataclass(frozen=True, slots=True)
class Selection:
    """The criteria that a claim must meet; one that is ``None`` is not applied."""

    claimant: str | None = None
    source: str | None = None
    subject: str | None = None
    standing: str | None = None
    figure: str | None = None
    first: str | None = None
    last: str | None = None


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A selected claim, as a row of a table."""

    key: str
    statement: str
    known_by: str
    standing: str
    at_least: int
    at_most: int

    def as_json(self) -> dict[str, Any]:
        """Return the row as an object."""
        return asdict(self)


def select_claims(view: LedgerView, selection: Selection) -> list[ClaimRow]:
    """Return the claims that meet all criteria, in the order in which they became known.

    Raises :class:`InvalidInputError` for an unknown standing and :class:`ParseError` for a malformed date
    or figure.
    """
    if selection.standing and selection.standing not in STANDINGS:
        near = nearest(selection.standing, STANDINGS)
        hint = f"; did you mean {near[0]}?" if near else ""
        right = f"one of {', '.join(STANDINGS)}{hint}"
        raise InvalidInputError(
            [
                Problem(
                    message="unknown standing",
                    field="standing",
                    value=selection.standing,
                    expected=right,
                )
            ],
            outcome="",
        )
    sets = list(_sets(view, selection))
    keys = set.intersection(*sets) if sets else None
    answers = view.analysis(keys)
    known = answers.graph.known_by
    first, last = _bound(selection.first, "earliest"), _bound(selection.last, "latest")
    chosen = [
        key
        for key in sorted(
            known, key=lambda claim: (known[claim], answers.graph.claims[claim].entry)
        )
        if (keys is None or key in keys)
        and (first is None or known[key] >= first)
        and (last is None or known[key] <= last)
        and (selection.standing is None or answers.standing(key) == selection.standing)
    ]
    records = view.get_all("claim", chosen)
    return [
        ClaimRow(
            key=key,
            statement=records[key].record.named,
            known_by=day_text(known[key]),
            standing=answers.standing(key),
            at_least=answers.origins(key).at_least,
            at_most=answers.origins(key).at_most,
        )
        for key in chosen
    ]


def _sets(view: LedgerView, selection: Selection) -> Iterator[set[str]]:
    """Yield, for each criterion that a query can answer, the keys of the claims that meet it."""
    if selection.claimant:
        key = view.get("party", selection.claimant).key
        yield _referring_claims(view, "party", key, "claimant")
    if selection.source:
        key = view.get("source", selection.source).key
        yield _referring_claims(view, "source", key, "citations.source")
    if selection.subject:
        key = view.get("subject", selection.subject).key
        narrower = view.narrower_subjects(key)
        yield view.keys_about(narrower)
    if selection.figure:
        yield {stored.key for stored in with_value(view, figure_in_query(selection.figure))}


def _referring_claims(view: LedgerView, kind: str, key: str, field: str) -> set[str]:
    references = view.references_to(kind, [key]).get(key, [])
    return {
        reference.key
        for reference in references
        if reference.kind == "claim" and reference.field == field
    }


def _bound(text: str | None, end: str) -> int | None:
    if not text:
        return None
    try:
        day: int | None = getattr(Date.of(text), end)
    except ParseError as error:
        raise ParseError(f"{text!r} {error}") from None
    return day
