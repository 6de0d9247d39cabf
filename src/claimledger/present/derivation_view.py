"""Recomputes the figures of a claim that have a formula, with a line about each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.derivations import formula_inputs, recompute
from claimledger.present import phrases
from claimledger.records.claim import Claim
from claimledger.services.tally import recounts

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView


@dataclass(frozen=True, slots=True)
class DerivationView:
    """A recomputed figure: a line about it, whether it still holds, and whether it is a tally."""

    told: str
    holds: bool
    tally: bool


def computed(view: LedgerView, answers: Analysis, key: str, claim: Claim) -> list[DerivationView]:
    """Return each figure of a claim that has a formula, computed again."""
    if not any(figure.formula for figure in claim.figures):
        return []
    claim = Claim.model_validate(next(view.resolve_json("claim", [claim.as_json()])))
    records = view.get_all("claim", formula_inputs(claim))
    claims = {
        claim_key: h.record for claim_key, h in records.items() if isinstance(h.record, Claim)
    }
    in_view = {
        claim_key: claims[claim_key] for claim_key in claims if claim_key in answers.graph.claims
    }
    derivations = [
        DerivationView(phrases.derivation(derivation), derivation.sound, tally=False)
        for derivation in recompute(answers, key, {**in_view, key: claim})
    ]
    derivations += [
        DerivationView(phrases.recount(recount), not recount.stale, tally=True)
        for recount in recounts(view, answers, key, claim)
    ]
    return derivations
