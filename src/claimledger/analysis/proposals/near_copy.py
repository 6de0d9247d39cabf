"""The rules about statements with nearly the same words, and about claims recorded twice."""

from __future__ import annotations

from claimledger.analysis.proposals.rule import Proposal, Rule, RuleContext
from claimledger.records.link import LinkType

_NEAR_COPY = 0.86
"""How similar two statements must be for one to be a copy of the other."""

_RECORDED_TWICE = 0.8
"""The same for two claims by one claimant in one source, which are more likely the same claim."""


def judge_copy(context: RuleContext, first: str, later: str) -> Proposal | None:
    """Ask whether a later claim repeats an earlier one with nearly the same words."""
    if context.share_claimant(first, later):
        return None
    similarity = context.similarity(first, later)
    if similarity < _NEAR_COPY or _numbers(context, first) != _numbers(context, later):
        return None
    if not _may_have_one_scope(context, first, later):
        return None
    return Proposal(
        rule="near-copy",
        makes="link",
        kind="claim",
        one=later,
        other=first,
        type=LinkType.REPEATS,
        asks="Does {one} repeat {other}?",
        evidence=(f"the statements are {similarity:.0%} alike", "the other claim was known first"),
        score=round(similarity, 2),
        rests=context.evidence_digest("near-copy", "claim", first, later),
    )


def judge_recorded_twice(context: RuleContext, first: str, later: str) -> Proposal | None:
    """Ask whether one claim was recorded twice: the same claimants, date and source, in similar words."""
    nodes = context.analysis.graph.claims
    left, right = nodes[first], nodes[later]
    shared_sources = sorted(set(left.sources) & set(right.sources))
    if set(left.claimants) != set(right.claimants) or left.asserted != right.asserted:
        return None
    if not shared_sources:
        return None
    similarity = context.similarity(first, later)
    if similarity < _RECORDED_TWICE or _numbers(context, first) != _numbers(context, later):
        return None
    if not _may_have_one_scope(context, first, later) or _read_elsewhere(context, first, later):
        return None
    return Proposal(
        rule="recorded-twice",
        makes="merge",
        kind="claim",
        one=later,
        other=first,
        type="",
        asks="Was one claim recorded twice, as {one} and {other}?",
        evidence=(
            f"both have the same claimant and cite {_sources_named(shared_sources)}",
            f"the statements are {similarity:.0%} alike",
        ),
        score=round(similarity, 2),
        rests=context.evidence_digest("recorded-twice", "claim", first, later),
    )


def _sources_named(keys: list[str]) -> str:
    quoted = ", ".join(f'"{key}"' for key in keys)
    return f"the source{'s' if len(keys) > 1 else ''} {quoted}"


def _may_have_one_scope(context: RuleContext, left: str, right: str) -> bool:
    """Whether two claims have the same scope and do not state different times."""
    left_claim, right_claim = context.claims[left], context.claims[right]
    if left_claim.scope != right_claim.scope:
        return False
    return not (
        left_claim.about and right_claim.about and left_claim.about.edtf != right_claim.about.edtf
    )


def _read_elsewhere(context: RuleContext, left: str, right: str) -> bool:
    """Whether two claims were read at different places in a source, such as two rows of a table."""
    left_locators, right_locators = (
        {citation.locator for citation in context.claims[key].citations} for key in (left, right)
    )
    return left_locators.isdisjoint(right_locators)


def _numbers(context: RuleContext, key: str) -> list[str]:
    """Return the words with digits in a statement: similar statements may differ only in these."""
    return sorted(
        word for word in context.words(key) if any(character.isdigit() for character in word)
    )


COPY = Rule("near-copy", "a statement has nearly the same words as an older one", judge_copy)
RECORDED_TWICE = Rule(
    "recorded-twice",
    "one claim may have been recorded twice, from the same source",
    judge_recorded_twice,
)
