"""Figures that cannot both hold, and parts larger than their whole."""

from __future__ import annotations

from decimal import Decimal

from claimledger.analysis.comparison import Comparison
from claimledger.analysis.intervals import within
from claimledger.analysis.proposals.rule import Proposal, Rule, RuleContext

_ROUGH = Decimal("0.1")
"""Apart by so little of the larger number, what is only about right is no conflict."""

_SHARED = 0.3
_UNDATED = 0.5
"""Where neither says which time it speaks of, more of the words must be shared."""


def judge_conflict(matter: RuleContext, first: str, later: str) -> Proposal | None:
    """Ask whether two claims about one thing at one time contradict each other."""
    if matter.one_voice(first, later) or not matter.one_matter(first, later):
        return None
    pairs = matter.compared(first, later)
    conflicts = [pair for pair in pairs if pair.relation == "conflicts" and not _roughly(pair)]
    if not conflicts:
        return None
    best = conflicts[0]
    shared = matter.shared(first, later)
    dated = bool(matter.claims[first].about and matter.claims[later].about)
    if shared < (_SHARED if dated else _UNDATED):
        return None
    return Proposal(
        "figures-conflict",
        "link",
        "claim",
        later,
        first,
        "contradicts",
        "Do {one} and {other} contradict each other?",
        (
            f"{best.left.words} {best.left.measure} and {best.right.words} {best.right.measure} cannot "
            "both hold",
            *best.rests,
            f"{shared:.0%} of the words are shared",
            "both say which time they speak of"
            if dated
            else "neither says which time it speaks of",
        ),
        round(min(1.0, (0.55 if dated else 0.35) + 0.4 * shared), 2),
        matter.evidence_digest("figures-conflict", "claim", first, later),
        best.left.measure if len(pairs) > 1 else "",
    )


def judge_part(matter: RuleContext, first: str, later: str) -> Proposal | None:
    """Ask about a part that is larger than what it is part of."""
    if not matter.one_matter(first, later) or matter.shared(first, later) < _SHARED:
        return None
    # What is not limited to a place may be meant of another place than the whole.
    exceeding = [
        pair
        for pair in matter.compared(first, later)
        if pair.relation == "part exceeds whole"
        and not any(rest.startswith("only one is limited to place") for rest in pair.rests)
    ]
    if not exceeding:
        return None
    best = exceeding[0]
    return Proposal(
        "part-exceeds-whole",
        "link",
        "claim",
        later,
        first,
        "contradicts",
        "Do {one} and {other} contradict each other: the part is larger than the whole?",
        (
            f"{best.left.words} {best.left.measure} and {best.right.words} {best.right.measure}",
            *best.rests,
        ),
        0.6,
        matter.evidence_digest("part-exceeds-whole", "claim", first, later),
    )


def _roughly(pair: Comparison) -> bool:
    """Whether two figures, one of them rough, are so near that nobody would call them rivals."""
    left, right = pair.left.low, pair.right.low
    if "about" not in (pair.left.qualifier, pair.right.qualifier) or left is None or right is None:
        return False
    return pair.left.unit == pair.right.unit and within(left, right, _ROUGH)


CONFLICT = Rule("figures-conflict", "two voices whose figures cannot both hold", judge_conflict)
PART = Rule("part-exceeds-whole", "a part that is larger than its whole", judge_part)
