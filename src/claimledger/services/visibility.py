"""Which links the world knew by a day, where the links are asked for one by one and not as a graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from claimledger.analysis.graph import entered, graph_of

if TYPE_CHECKING:
    from claimledger.ledger import Ledger


def links_in_view(
    ledger: Ledger, entries: Iterable[int], known_at: int | None, as_of: int | None
) -> set[int]:
    """Return those of some links, by entry, that were there by a day; both their claims were too."""
    wanted = set(entries)
    if as_of is None or not wanted:
        return wanted
    cut = ledger.some_links(sorted(wanted), known_at)
    links = [link for link in cut.links if entered(cut, link, as_of)]
    ends = {link.from_ for link in links}
    ends |= {link.to for link in links if link.to_kind == "claim"}
    seen = graph_of(ledger.neighbourhood(ends, known_at), as_of).claims if ends else {}
    return {
        link.entry
        for link in links
        if link.from_ in seen and (link.to_kind == "source" or link.to in seen)
    }
