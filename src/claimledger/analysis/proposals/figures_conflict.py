"""The rules about figures that cannot both be right, and about parts that are larger than their whole."""

from __future__ import annotations

from decimal import Decimal

from claimledger.analysis.comparison import Comparison
from claimledger.analysis.intervals import within
from claimledger.analysis.proposals.rule import Proposal, Rule, RuleContext
from claimledger.records.link import LinkType

_ROUGHLY = Decimal("0.1")
"""The share of the larger number within which a figure given as "about" does not conflict with another."""

_OVERLAP_DATED = 0.3
_OVERLAP_UNDATED = 0.5
"""The share of words that must agree: more if no time is stated, because the times may differ."""


def judge_conflict(context: RuleContext, first: str, later: str) -> Proposal | None:
    """Ask whether two claims about the same thing at the same time contradict each other."""
    if context.share_claimant(first, later) or not context.share_subject(first, later):
        return None
    pairs = context.compare_figures(first, later)
    conflicts = [
        pair for pair in pairs if pair.relation == "conflicts" and not _agree_roughly(pair)
    ]
    if not conflicts:
        return None
    best = conflicts[0]
    overlap = context.word_overlap(first, later)
    dated = bool(context.claims[first].about and context.claims[later].about)
    if overlap < (_OVERLAP_DATED if dated else _OVERLAP_UNDATED):
        return None
    return Proposal(
        rule="figures-conflict",
        makes="link",
        kind="claim",
        one=later,
        other=first,
        type=LinkType.CONTRADICTS,
        asks="Do {one} and {other} contradict each other?",
        evidence=(
            f"{best.left.words} {best.left.measure} and {best.right.words} {best.right.measure} cannot "
            "both be right",
            *best.reasons,
            f"the statements share {overlap:.0%} of their words",
            "both say which time they are about"
            if dated
            else "neither says which time it is about",
        ),
        score=round(min(1.0, (0.55 if dated else 0.35) + 0.4 * overlap), 2),
        rests=context.evidence_digest("figures-conflict", "claim", first, later),
        part=best.left.measure if len(pairs) > 1 else "",
    )


def judge_part(context: RuleContext, first: str, later: str) -> Proposal | None:
    """Ask whether two claims contradict each other because a part is larger than its whole."""
    if not context.share_subject(first, later):
        return None
    if context.word_overlap(first, later) < _OVERLAP_DATED:
        return None
    # A claim that names no place may be about another place, so that is not evidence of a whole.
    exceeding = [
        pair
        for pair in context.compare_figures(first, later)
        if pair.relation == "part exceeds whole"
        and not any(reason.startswith("only one is limited to place") for reason in pair.reasons)
    ]
    if not exceeding:
        return None
    best = exceeding[0]
    return Proposal(
        rule="part-exceeds-whole",
        makes="link",
        kind="claim",
        one=later,
        other=first,
        type=LinkType.CONTRADICTS,
        asks="Do {one} and {other} contradict each other, as the part is larger than the whole?",
        evidence=(
            f"{best.left.words} {best.left.measure} and {best.right.words} {best.right.measure}",
            *best.reasons,
        ),
        score=0.6,
        rests=context.evidence_digest("part-exceeds-whole", "claim", first, later),
    )


def _agree_roughly(pair: Comparison) -> bool:
    """Whether one of two figures is given as "about" and they are too close to conflict."""
    left, right = pair.left.low, pair.right.low
    if "about" not in (pair.left.qualifier, pair.right.qualifier) or left is None or right is None:
        return False
    return pair.left.unit == pair.right.unit and within(left, right, _ROUGHLY)


CONFLICT = Rule(
    "figures-conflict", "two claimants give figures that cannot both be right", judge_conflict
)
PART = Rule("part-exceeds-whole", "a part is larger than its whole", judge_part)
