"""What a claim computes: its derivations and tallies, done again and told in a line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claimledger.disputes.derivations import derived, taken
from claimledger.disputes.standing import Answers
from claimledger.disputes.tally import recounts
from claimledger.publish import words
from claimledger.records.claim import Claim

if TYPE_CHECKING:
    from claimledger.ledger import Ledger


def computed(
    ledger: Ledger,
    answers: Answers,
    key: str,
    claim: Claim,
    known_at: int | None = None,
    as_of: int | None = None,
) -> list[tuple[str, bool]]:
    """Return a line for each computed figure of a claim, and whether it still holds."""
    if not any(figure.formula for figure in claim.figures):
        return []
    held = ledger.get_all("claim", taken(claim), known_at)
    claims = {one: h.record for one, h in held.items() if isinstance(h.record, Claim)}
    in_view = {one: claims[one] for one in claims if one in answers.graph.claims}
    found = [
        (words.derivation(one), one.sound) for one in derived(answers, key, {**in_view, key: claim})
    ]
    found += [
        (words.recount(one), not one.stale)
        for one in recounts(ledger, answers, key, claim, known_at, as_of)
    ]
    return found
