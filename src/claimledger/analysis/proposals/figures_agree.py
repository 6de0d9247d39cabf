"""Figures that agree: two voices with one number for one thing."""

from __future__ import annotations

from decimal import Decimal

from claimledger.analysis.comparison import AT_ODDS, Comparison
from claimledger.analysis.proposals.rule import Proposal, Rule, RuleContext
from claimledger.records.figure import Figure

_TELLING = 0.35
"""Of the shorter statement's words, so many must be shared where the number alone says little."""


def judge(matter: RuleContext, first: str, later: str) -> Proposal | None:
    """Ask whether two claims by different voices, with one figure for one thing, say the same."""
    if matter.one_voice(first, later) or not matter.one_matter(first, later):
        return None
    pairs = matter.compared(first, later)
    if any(pair.relation in AT_ODDS for pair in pairs):
        return None
    agreeing = [pair for pair in pairs if pair.relation in ("agrees", "near")]
    if not agreeing:
        return None
    best = max(agreeing, key=_weight)
    weight = _weight(best)
    shared = matter.shared(first, later)
    # A small round number is found everywhere; then the words must say that one thing is meant.
    if shared < (_TELLING if weight < 0.5 else 0.15):
        return None
    repeats = matter.draws_on(later, first)
    asks = "Does {one} pass on {other}?" if repeats else "Do {one} and {other} say the same?"
    score = min(1.0, 0.4 + 0.3 * weight + 0.3 * shared)
    return Proposal(
        "figures-agree",
        "link",
        "claim",
        later if repeats else first,
        first if repeats else later,
        "repeats" if repeats else "corroborates",
        asks,
        (
            f"{best.left.words} {best.left.measure} and {best.right.words} {best.right.measure}: "
            f"{best.relation}",
            *best.rests,
            f"{shared:.0%} of the words are shared",
            *(("it cites what the other published",) if repeats else ()),
        ),
        round(score, 2),
        matter.evidence_digest("figures-agree", "claim", first, later),
    )


def _weight(pair: Comparison) -> float:
    """Return how telling a number is: the more digits that are not fill, the less by chance."""
    digits = min(_digits(pair.left), _digits(pair.right))
    same = 1.0 if pair.relation == "agrees" else 0.7
    return same * min(1.0, digits / 4)


def _digits(figure: Figure) -> int:
    bound = figure.low if figure.low is not None else figure.high
    plain = format(bound if bound is not None else Decimal(0), "f").replace(".", "").lstrip("-0")
    return len(plain.rstrip("0"))


RULE = Rule("figures-agree", "two voices with one figure for one thing", judge)
