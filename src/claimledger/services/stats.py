"""Counts of a ledger by kind, standing, source, claimant and year."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.standing import STANDINGS
from claimledger.records.dates import day_text
from claimledger.records.kinds import KINDS
from claimledger.services.record_cache import RecordCache

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView


def stats(view: LedgerView, answers: Analysis) -> dict[str, Any]:
    """Return counts by name, the most frequent first. A claim counts for the year by which it was known.

    With ``as_of``, only claims and links are counted among the records: the others have no day by which
    they were known.
    """
    claims = answers.graph.claims
    if view.as_of is None:
        records = _live_records(view)
    else:
        records = {"claim": len(claims), "link": len(answers.graph.links)}
    names = RecordCache(view)
    standings = Counter(answers.standing(key) for key in claims)
    sources = Counter(source for claim in claims.values() for source in claim.sources)
    claimants = Counter(party for claim in claims.values() for party in claim.claimants)
    names.learn("party", claimants)
    years = Counter(day_text(answers.graph.known_by[key])[:-6] for key in claims)
    return {
        "entries": view.head().size,
        "records": records,
        "standings": {name: standings[name] for name in STANDINGS},
        "sources": dict(sources.most_common()),
        "claimants": {f"{names.party(key)} [{key}]": n for key, n in claimants.most_common()},
        "known_by_year": dict(sorted(years.items())),
    }


def _live_records(view: LedgerView) -> dict[str, int]:
    """Return the number of live records of each kind."""
    from claimledger import models  # loads sqlmodel

    with view.session() as session:
        return {kind: models.count_live(session, models.BY_TABLE[kind]) for kind in KINDS}
