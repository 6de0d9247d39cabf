"""A newer figure of the same claimant: an update, not a rival."""

from __future__ import annotations

from claimledger.analysis.comparison import Comparison
from claimledger.analysis.proposals.rule import Proposal, Rule, RuleContext
from claimledger.records.claim import Claim

_SHARED = 0.4


def judge(matter: RuleContext, first: str, later: str) -> Proposal | None:
    """Ask whether a later claim by the same claimant renews an earlier one."""
    graph = matter.answers.graph.claims
    if set(graph[first].claimants) != set(graph[later].claimants):
        return None
    old, new = matter.claims[first], matter.claims[later]
    if not matter.one_matter(first, later) or not _surely_later(new, old):
        return None
    telling = [pair for pair in matter.compared(first, later) if _renews(pair, old, new)]
    shared = matter.shared(first, later)
    if not telling or shared < _SHARED:
        return None
    best = telling[0]
    return Proposal(
        "newer-figure",
        "link",
        "claim",
        later,
        first,
        "updates",
        "Does {one} renew {other}?",
        (
            f"{best.left.words} {best.left.measure}, then {best.right.words}, by the same claimant",
            f"asserted {old.asserted} and {new.asserted}" if old.asserted and new.asserted
            else f"speaking of {old.about} and {new.about}",
            f"{shared:.0%} of the words are shared",
        ),
        round(min(1.0, 0.5 + 0.5 * shared), 2),
        matter.evidence_digest("newer-figure", "claim", first, later),
    )  # fmt: skip


def _surely_later(new: Claim, old: Claim) -> bool:
    for name in ("asserted", "about"):
        left, right = getattr(old, name), getattr(new, name)
        if left and right and left.latest is not None and right.earliest is not None:
            if left.latest < right.earliest:
                return True
            if (
                name == "asserted"
                and right.latest is not None
                and right.latest < (left.earliest or 0)
            ):
                return False
    return False


def _renews(pair: Comparison, old: Claim, new: Claim) -> bool:
    if pair.relation in ("conflicts", "near", "compatible"):
        return True
    if pair.relation == "different vintage":
        return bool(old.about and new.about and old.about.edtf == new.about.edtf)
    # A march on another day, or a month's arrests, is a figure of its own; only of a count at a moment, or
    # of all so far, is the later one the same figure, newer.
    nature = pair.left.nature or pair.right.nature
    lasting = nature in ("stock", "total")
    return pair.relation == "different period" and lasting and _one_scope(pair, old, new)


def _one_scope(pair: Comparison, old: Claim, new: Claim) -> bool:
    return old.scope_of(pair.left) == new.scope_of(pair.right)


RULE = Rule("newer-figure", "a newer figure of the same claimant", judge)
