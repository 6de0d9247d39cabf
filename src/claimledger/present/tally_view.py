"""A tally compared with the totals that others state, and as a claim to be recorded."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claimledger.analysis.comparison import compare
from claimledger.errors import RuleViolationError
from claimledger.present import phrases
from claimledger.records.citation import Citation
from claimledger.records.claim import Claim
from claimledger.records.figure import Figure
from claimledger.records.link import Link, Target
from claimledger.services.tally import Tally

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView
    from claimledger.records.base import Record

MOST_INPUTS = 5000
"""The most claims that a recorded tally may derive from, each by a link."""


def stated_totals(view: LedgerView, tally: Tally, measure: str) -> Iterator[tuple[str, str, str]]:
    """Yield each stated total that can be compared with a tally: claim, figure and relation."""
    vocabulary = view.vocabulary()
    own = as_claim(tally, measure)
    subjects = view.narrower_subjects(view.root_subject(tally.count.subject))
    counted_ones = set(tally.claims)
    for stored in view.claims_about(subjects):
        claim = stored.record
        if not isinstance(claim, Claim) or not claim.figures or stored.key in counted_ones:
            continue
        pairs = list(compare(own, claim, vocabulary=vocabulary))
        fitting = [pair for pair in pairs if pair.relation != "different measure"]
        for pair in fitting:
            yield stored.key, phrases.figure(pair.right), phrases.compared(pair)


def as_claim(tally: Tally, measure: str, **fields: Any) -> Claim:
    """Return a tally as a claim, not recorded: its number as a figure, its limits as its scope."""
    number = Decimal(tally.number)
    figure = Figure(measure=measure, low=number, high=number, scope={}, formula=str(tally.count))
    record_fields = {
        "statement": f"The ledger holds {tally.number:,} {measure}.",
        "claimant": ("ledger",),
        "subject": tally.count.subject,
        "citations": (Citation(source="ledger"),),
        "scope": dict(tally.count.scope),
        **fields,
    }
    return Claim(**{**record_fields, "figures": (figure,)})


def records_of(tally: Tally, claim: Claim) -> list[Record]:
    """Return what recording a tally writes: the claim, and a link to each claim it counted."""
    if len(tally.claims) > MOST_INPUTS:
        raise RuleViolationError(
            f"this tally would need a link to each of {len(tally.claims):,} claims, and {MOST_INPUTS:,} is "
            "the most; count a narrower subject, or limit the tally with --where"
        )
    links = [
        Link(**{
            "type": "derives_from", "from": claim.key, "to": Target("claim", key),
            "basis": "computed", "rule": "tally",
        })
        for key in tally.claims
    ]  # fmt: skip
    return [claim, *links]
