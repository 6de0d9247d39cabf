"""Statements that are nearly another's words, and claims that seem recorded twice."""

from __future__ import annotations

from claimledger.analysis.proposals.rule import Proposal, Rule, RuleContext

_NEAR = 0.86
"""How alike two statements are from which on one is nearly the other's words."""

_TWICE = 0.8


def judge_copy(matter: RuleContext, first: str, later: str) -> Proposal | None:
    """Ask whether a later claim passes on an earlier one, whose words it nearly has."""
    if matter.one_voice(first, later):
        return None
    alike = matter.alike(first, later)
    if alike < _NEAR or _numbers(matter, first) != _numbers(matter, later):
        return None
    if not _one_scope(matter, first, later):
        return None
    return Proposal(
        "near-copy",
        "link",
        "claim",
        later,
        first,
        "repeats",
        "Does {one} pass on {other}?",
        (f"the statements are alike by {alike:.0%}", "the other was known first"),
        round(alike, 2),
        matter.evidence_digest("near-copy", "claim", first, later),
    )


def judge_twice(matter: RuleContext, first: str, later: str) -> Proposal | None:
    """Ask whether one claim was recorded twice: one claimant, one source, nearly the same words."""
    graph = matter.answers.graph.claims
    left, right = graph[first], graph[later]
    shared = sorted(set(left.sources) & set(right.sources))
    if set(left.claimants) != set(right.claimants) or not shared or left.asserted != right.asserted:
        return None
    alike = matter.alike(first, later)
    if alike < _TWICE or _numbers(matter, first) != _numbers(matter, later):
        return None
    if not _one_scope(matter, first, later) or _elsewhere(matter, first, later):
        return None
    return Proposal(
        "recorded-twice",
        "merge",
        "claim",
        later,
        first,
        "",
        "Is {one} recorded twice, as {other} too?",
        (f"one claimant, and one source: {', '.join(shared)}", f"alike by {alike:.0%}"),
        round(alike, 2),
        matter.evidence_digest("recorded-twice", "claim", first, later),
    )


def _one_scope(matter: RuleContext, left: str, right: str) -> bool:
    """Whether two claims are not limited to different things, nor speak of different times."""
    left_claim, right_claim = matter.claims[left], matter.claims[right]
    if left_claim.scope != right_claim.scope:
        return False
    return not (
        left_claim.about and right_claim.about and left_claim.about.edtf != right_claim.about.edtf
    )


def _elsewhere(matter: RuleContext, left: str, right: str) -> bool:
    """Whether two claims were read at different places: two rows of a table are two."""
    places = [
        {citation.locator for citation in matter.claims[key].citations} for key in (left, right)
    ]
    return places[0].isdisjoint(places[1])


def _numbers(matter: RuleContext, key: str) -> list[str]:
    return sorted(word for word in matter.words(key) if any(sign.isdigit() for sign in word))


COPY = Rule("near-copy", "a statement that is nearly an older one's words", judge_copy)
TWICE = Rule("recorded-twice", "two claims that cite one source for the same thing", judge_twice)
