"""What a claim computes: its derivations and tallies, done again and told in a line each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.derivations import derived, taken
from claimledger.present import phrases
from claimledger.records.claim import Claim
from claimledger.services.tally import recounts

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView


@dataclass(frozen=True, slots=True)
class DerivationView:
    """A computed figure done again: told in a line, whether it holds, and whether it is a tally."""

    told: str
    holds: bool
    tally: bool


def computed(view: LedgerView, answers: Analysis, key: str, claim: Claim) -> list[DerivationView]:
    """Return each computed figure of a claim, done again."""
    if not any(figure.formula for figure in claim.figures):
        return []
    claim = Claim.model_validate(next(view.resolve_json("claim", [claim.as_json()])))
    held = view.get_all("claim", taken(claim))
    claims = {one: h.record for one, h in held.items() if isinstance(h.record, Claim)}
    in_view = {one: claims[one] for one in claims if one in answers.graph.claims}
    found = [
        DerivationView(phrases.derivation(one), one.sound, tally=False)
        for one in derived(answers, key, {**in_view, key: claim})
    ]
    found += [
        DerivationView(phrases.recount(one), not one.stale, tally=True)
        for one in recounts(view, answers, key, claim)
    ]
    return found
