"""Finds the claims that a query may mean: by a figure, or by a few words such as ``54 stations``."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from claimledger.errors import ParseError
from claimledger.records.claim import Claim
from claimledger.records.number_words import Value, find_values, read_value

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView, StoredRecord


def candidates(view: LedgerView, query: str) -> list[StoredRecord]:
    """Return the claims that a query such as ``54 stations`` may mean, the best match first."""
    values = list(find_values(query))
    words = _without(query, values)
    matching: dict[str, StoredRecord] = {}
    for value in values:
        for stored in with_value(view, value):
            matching.setdefault(stored.key, stored)
    if words:
        hits = view.search(words, kinds=("claim",), limit=200)
        by_words = {match.stored.key: match.stored for match in hits}
        in_measure = {
            key: stored for key, stored in matching.items() if _mentions(stored.record, words)
        }
        if values:
            return list(
                {**in_measure, **{k: matching[k] for k in by_words if k in matching}}.values()
            )
        return list(by_words.values())
    return list(matching.values())


def _without(query: str, values: list[Value]) -> str:
    for value in reversed(values):
        query = query[: value.start] + " " + query[value.end :]
    return query.strip()


def _mentions(record: object, words: str) -> bool:
    expected = words.casefold().split()
    if not isinstance(record, Claim):
        return False
    text = " ".join((record.statement, *(figure.measure for figure in record.figures))).casefold()
    return all(word in text for word in expected)


def figure_in_query(text: str) -> Value:
    """Parse the figure of a query; raise :class:`ParseError` if it is not one."""
    try:
        return read_value(text)
    except ParseError as error:
        raise ParseError(f"--figure {text!r} {error}") from None


def with_value(view: LedgerView, value: Value) -> list[StoredRecord]:
    """Return the claims in which a figure has exactly this number as one of its bounds."""
    bounds = [bound for bound in (value.low, value.high) if bound is not None]
    records: dict[str, StoredRecord] = {}
    for bound in bounds:
        near = abs(float(bound)) * 1e-12
        for stored in view.claims_with_figure(float(bound) - near, float(bound) + near):
            if isinstance(stored.record, Claim) and _has_bound(stored.record, bound):
                records.setdefault(stored.key, stored)
    return list(records.values())


def _has_bound(claim: Claim, bound: Decimal) -> bool:
    return any(bound in (figure.low, figure.high) for figure in claim.figures)
