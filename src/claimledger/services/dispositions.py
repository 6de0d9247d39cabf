"""The dispositions a ledger holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claimledger.analysis.dispositions import RecordedDisposition
from claimledger.analysis.disputes import disputes
from claimledger.errors import NotFoundError, ParseError
from claimledger.records.disposition import Disposition
from claimledger.services.what_if import claims_affected

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView


def dispute_meant(view: LedgerView, key: str) -> str:
    """Return the key of the dispute that a link's, a claim's or a source's key means.

    Raises :class:`ParseError` where it means none or several.
    """
    held = view.with_key(key)
    if not held:
        raise NotFoundError("dispute", key, view.near_keys(key))
    claims = claims_affected(view, [(one.kind, one.key) for one in held])
    answers = view.analysis(claims)
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


def dispositions(view: LedgerView) -> list[RecordedDisposition]:
    """Return every disposition that stood then."""
    return [
        RecordedDisposition(held.record, held.entry, held.recorded_by, held.recorded_at)
        for held in view.records("disposition")
        if isinstance(held.record, Disposition)
    ]
