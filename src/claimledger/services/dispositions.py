"""Finds the dispute that a key means, and returns the dispositions of a ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claimledger.analysis.dispositions import RecordedDisposition
from claimledger.analysis.disputes import disputes
from claimledger.errors import AmbiguousError, NotFoundError
from claimledger.records.disposition import Disposition
from claimledger.services.what_if import claims_affected

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView


def find_dispute(view: LedgerView, key: str) -> str:
    """Return the key of the dispute that a link's, a claim's or a source's key means.

    Raises :class:`NotFoundError` if it means none, :class:`AmbiguousError` if several.
    """
    records = view.with_key(key)
    if not records:
        raise NotFoundError("dispute", key, view.near_keys(key))
    claims = claims_affected(view, [(stored.kind, stored.key) for stored in records])
    answers = view.analysis(claims)
    all_disputes = disputes(answers)
    named = [dispute.key for dispute in all_disputes if dispute.key == key]
    matching = named or [
        dispute.key
        for dispute in all_disputes
        if any(link.key == key for link in dispute.all_links)
        or key == dispute.head
        or (not dispute.source and key in dispute.claims)
    ]
    matching = matching or [dispute.key for dispute in all_disputes if key in dispute.voices]
    if not matching:
        raise NotFoundError("dispute", key, why="`claimledger disputes` lists all disputes")
    if len(matching) > 1:
        raise AmbiguousError(f"{key!r} is in several disputes; name one: {', '.join(matching)}")
    return matching[0]


def dispositions(view: LedgerView) -> list[RecordedDisposition]:
    """Return every live disposition."""
    return [
        RecordedDisposition(
            record=stored.record, entry=stored.entry, by=stored.recorded_by, when=stored.recorded_at
        )
        for stored in view.records("disposition")
        if isinstance(stored.record, Disposition)
    ]
