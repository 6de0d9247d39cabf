"""The rule that asks whether two claimants who give the same figure for the same thing say the same."""

from __future__ import annotations

from decimal import Decimal

from claimledger.analysis.comparison import AT_ODDS, RELATIONS, Comparison
from claimledger.analysis.proposals.rule import Proposal, Rule, RuleContext
from claimledger.records.figure import Figure
from claimledger.records.link import LinkType

_OVERLAP_FOR_DISTINCTIVE = 0.15
_OVERLAP_FOR_COMMON = 0.35
"""The share of words that must agree: more for small round numbers, which agree by chance."""


def judge(context: RuleContext, first: str, later: str) -> Proposal | None:
    """Ask whether two claims by different claimants with the same figure say the same."""
    if context.share_claimant(first, later) or not context.share_subject(first, later):
        return None
    pairs = context.compare_figures(first, later)
    if any(pair.relation in AT_ODDS for pair in pairs):
        return None
    agreeing = [pair for pair in pairs if pair.relation in ("agrees", "near")]
    if not agreeing:
        return None
    best = max(agreeing, key=_distinctiveness)
    distinctiveness = _distinctiveness(best)
    overlap = context.word_overlap(first, later)
    if overlap < (_OVERLAP_FOR_COMMON if distinctiveness < 0.5 else _OVERLAP_FOR_DISTINCTIVE):
        return None
    repeats = context.cites_claimant_of(later, first)
    question = "Does {one} repeat {other}?" if repeats else "Do {one} and {other} say the same?"
    score = min(1.0, 0.4 + 0.3 * distinctiveness + 0.3 * overlap)
    return Proposal(
        rule="figures-agree",
        makes="link",
        kind="claim",
        one=later if repeats else first,
        other=first if repeats else later,
        type=LinkType.REPEATS if repeats else LinkType.CORROBORATES,
        asks=question,
        evidence=(
            f"{best.left.words} {best.left.measure} and {best.right.words} {best.right.measure}: "
            f"{RELATIONS[best.relation]}",
            *best.reasons,
            f"the statements share {overlap:.0%} of their words",
            *(("it cites a source that the other claimant published",) if repeats else ()),
        ),
        score=round(score, 2),
        rests=context.evidence_digest("figures-agree", "claim", first, later),
    )


def _distinctiveness(pair: Comparison) -> float:
    """Return how unlikely two figures agree by chance, from 0 to 1: with many digits, they rarely do."""
    digits = min(_significant_digits(pair.left), _significant_digits(pair.right))
    certainty = 1.0 if pair.relation == "agrees" else 0.7
    return certainty * min(1.0, digits / 4)


def _significant_digits(figure: Figure) -> int:
    bound = figure.low if figure.low is not None else figure.high
    plain = format(bound if bound is not None else Decimal(0), "f").replace(".", "").lstrip("-0")
    return len(plain.rstrip("0"))


RULE = Rule("figures-agree", "two claimants give the same figure for the same thing", judge)
