"""The dispositions a ledger holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.dispositions import RecordedDisposition
from claimledger.analysis.disputes import disputes
from claimledger.analysis.graph import graph_of
from claimledger.errors import NotFoundError, ParseError
from claimledger.records.disposition import Disposition
from claimledger.services.what_if import touched

if TYPE_CHECKING:
    from claimledger.ledger import Ledger


def dispute_meant(ledger: Ledger, key: str) -> str:
    """Return the key of the dispute that a link's, a claim's or a source's key means.

    Raises :class:`ParseError` where it means none or several.
    """
    held = ledger.with_key(key)
    if not held:
        raise NotFoundError("dispute", key, ledger.near_keys(key))
    claims = touched(ledger, [(one.kind, one.key) for one in held])
    answers = Analysis(graph_of(ledger.neighbourhood(claims)))
    found = disputes(answers)
    named = [one.key for one in found if one.key == key]
    holding = named or [
        one.key
        for one in found
        if any(link.key == key for link in one.every)
        or key == one.head
        or (not one.source and key in one.claims)
    ]
    holding = holding or [one.key for one in found if key in one.voices]
    if not holding:
        raise ParseError(f"{key} is in no dispute; `claimledger disputes` lists them")
    if len(holding) > 1:
        raise ParseError(f"{key} is in several disputes, name one: {', '.join(holding)}")
    return holding[0]


def dispositions(ledger: Ledger, known_at: int | None = None) -> list[RecordedDisposition]:
    """Return every disposition that stood then."""
    return [
        RecordedDisposition(held.record, held.entry, held.recorded_by, held.recorded_at)
        for held in ledger.records("disposition", known_at)
        if isinstance(held.record, Disposition)
    ]
