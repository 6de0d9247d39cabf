"""The rule about a claimant's newer figure, which updates the older one and does not conflict with it."""

from __future__ import annotations

from claimledger.analysis.comparison import Comparison
from claimledger.analysis.proposals.rule import Proposal, Rule, RuleContext
from claimledger.records.claim import Claim
from claimledger.records.link import LinkType
from claimledger.records.prose_dates import in_words

_OVERLAP = 0.4
"""The share of words that the two statements must share."""


def judge(context: RuleContext, first: str, later: str) -> Proposal | None:
    """Ask whether a later claim updates an earlier one by the same claimants."""
    nodes = context.analysis.graph.claims
    if set(nodes[first].claimants) != set(nodes[later].claimants):
        return None
    old, new = context.claims[first], context.claims[later]
    if not context.share_subject(first, later) or not _is_certainly_later(new, old):
        return None
    updated = [pair for pair in context.compare_figures(first, later) if _updates(pair, old, new)]
    overlap = context.word_overlap(first, later)
    if not updated or overlap < _OVERLAP:
        return None
    best = updated[0]
    return Proposal(
        rule="newer-figure",
        makes="link",
        kind="claim",
        one=later,
        other=first,
        type=LinkType.UPDATES,
        asks="Does {one} update {other}?",
        evidence=(
            f"{best.left.words} {best.left.measure}, then {best.right.words}, by the same claimant",
            f"the dates are {in_words(str(old.asserted))} and {in_words(str(new.asserted))}"
            if old.asserted and new.asserted
            else f"they are about {in_words(str(old.about))} and {in_words(str(new.about))}",
            f"the statements share {overlap:.0%} of their words",
        ),
        score=round(min(1.0, 0.5 + 0.5 * overlap), 2),
        rests=context.evidence_digest("newer-figure", "claim", first, later),
    )  # fmt: skip


def _is_certainly_later(new: Claim, old: Claim) -> bool:
    """Whether one claim was asserted after another or, if that is not certain, is about a later time.

    Dates are ranges, so their order is certain only if they do not overlap.
    """
    for name in ("asserted", "about"):
        old_date, new_date = getattr(old, name), getattr(new, name)
        if old_date and new_date and old_date.latest is not None and new_date.earliest is not None:
            if old_date.latest < new_date.earliest:
                return True
            if (
                name == "asserted"
                and new_date.latest is not None
                and new_date.latest < (old_date.earliest or 0)
            ):
                return False
    return False


def _updates(pair: Comparison, old: Claim, new: Claim) -> bool:
    """Whether the second figure of a pair is a newer state of the first."""
    if pair.relation in ("conflicts", "near", "compatible"):
        return True
    if pair.relation == "different vintage":
        return bool(old.about and new.about and old.about.edtf == new.about.edtf)
    # Another day's march or another month's arrests is a different figure. Only a count at a moment, or a
    # count of all so far, is the same figure at a later time.
    nature = pair.left.nature or pair.right.nature
    return (
        pair.relation == "different period"
        and nature in ("stock", "total")
        and _have_one_scope(pair, old, new)
    )


def _have_one_scope(pair: Comparison, old: Claim, new: Claim) -> bool:
    return old.scope_of(pair.left) == new.scope_of(pair.right)


RULE = Rule("newer-figure", "a claimant has given a newer figure", judge)
