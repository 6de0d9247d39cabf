"""Tells whether claims and links were known by the view's day, without loading the whole graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.graph import is_link_known
from claimledger.errors import NotYetKnownError

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView


def require_known(analysis: Analysis, *keys: str) -> None:
    """Raise :class:`NotYetKnownError` if a claim was not known yet by the day of the analysis."""
    for key in keys:
        if key not in analysis.graph.claims:
            raise NotYetKnownError(f"the claim {key!r} was not known yet at that time")


def links_in_view(view: LedgerView, entries: Iterable[int]) -> set[int]:
    """Return the entries of those links that were known by the view's day, as were both their ends."""
    numbers = set(entries)
    if view.as_of is None or not numbers:
        return numbers
    cut = view.links_only(sorted(numbers))
    links = [link for link in cut.links if is_link_known(cut, link, view.as_of)]
    ends = {link.from_ for link in links}
    ends |= {link.to for link in links if link.to_kind == "claim"}
    seen = view.analysis(ends).graph.claims if ends else {}
    return {
        link.entry
        for link in links
        if link.from_ in seen and (link.to_kind == "source" or link.to in seen)
    }
