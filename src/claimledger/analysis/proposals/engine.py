"""Asking: which pairs the rules look at, and which questions come of it.

Pairs are sought where something is shared (a measure, a claimant, a source, a number), never all with all.
A question is about assertions: eleven papers with one figure are one question.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256

from claimledger.analysis.assertions import DisjointSet
from claimledger.analysis.proposals import (
    chronology,
    duplicates,
    figures_agree,
    figures_conflict,
    near_copy,
    newer_figure,
)
from claimledger.analysis.proposals.rule import Proposal, Rule, RuleContext
from claimledger.records.vocabulary import MEASURE

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        chronology.TURNED,
        near_copy.TWICE,
        near_copy.COPY,
        newer_figure.RULE,
        figures_agree.RULE,
        figures_conflict.CONFLICT,
        figures_conflict.PART,
        chronology.RENEWED,
        chronology.STALE,
        duplicates.PARTY,
        duplicates.SUBJECT,
    )
}
"""The one list of rules; of two that judge one pair the earlier one is heard."""

_WINDOW = 60
"""How many claims of a block each is compared with: those nearest to it in time."""


def ask(matter: RuleContext, only: str | None = None) -> list[Proposal]:
    """Return the questions there are, the surest first; each assertion once."""
    rules = [rule for name, rule in RULES.items() if only in (None, name)]
    by_ends: dict[tuple[str, ...], Proposal] = {}
    for rule in rules:
        if rule.find is not None:
            for proposal in rule.find(matter):
                by_ends.setdefault(_ends(matter, proposal), proposal)
    judging = [rule for rule in rules if rule.judge is not None]
    for first, later in _pairs(matter) if judging else ():
        if (question := _judged(matter, judging, first, later)) is not None:
            _add(matter, by_ends, question)
    return sorted(
        _gathered(matter, by_ends.values()), key=lambda proposal: (-proposal.score, proposal.id)
    )


_SAYING_THE_SAME = ("figures-agree", "near-copy")
_AT_ODDS = ("figures-conflict", "part-exceeds-whole")


def _gathered(matter: RuleContext, proposals: Iterable[Proposal]) -> Iterator[Proposal]:
    """Yield the questions with those about what would be one assertion made one.

    Eleven papers with one figure, none of them linked yet, are one question and not fifty-five; and one
    who says otherwise contradicts them once.
    """
    remaining = list(proposals)
    of = matter.answers.assertions.of
    same = [proposal for proposal in remaining if proposal.rule in _SAYING_THE_SAME]
    odds = [proposal for proposal in remaining if proposal.rule in _AT_ODDS]
    union = DisjointSet(
        of[end] for proposal in (*same, *odds) for end in (proposal.one, proposal.other)
    )
    trees: dict[str, list[Proposal]] = defaultdict(list)
    # The surest questions make the tree that joins them all; the others would say nothing more.
    chosen = [
        proposal
        for proposal in sorted(same, key=lambda proposal: (-proposal.score, proposal.id))
        if union.join(of[proposal.one], of[proposal.other])
    ]
    for proposal in chosen:
        trees[union.find(of[proposal.one])].append(proposal)
    yield from (_one_question(tree) for tree in trees.values())
    sides: dict[frozenset[str], list[Proposal]] = defaultdict(list)
    for proposal in odds:
        sides[frozenset(union.find(of[end]) for end in (proposal.one, proposal.other))].append(
            proposal
        )
    for alike in sides.values():
        best = min(alike, key=lambda proposal: (-proposal.score, proposal.id))
        ends = {end for proposal in alike for end in (proposal.one, proposal.other, *proposal.also)}
        yield replace(best, also=tuple(sorted(ends - {best.one, best.other})))
    yield from (
        proposal for proposal in remaining if proposal.rule not in (*_SAYING_THE_SAME, *_AT_ODDS)
    )


def _one_question(tree: list[Proposal]) -> Proposal:
    best, *rest = tree
    if not rest:
        return best
    ends = {end for proposal in tree for end in (proposal.one, proposal.other, *proposal.also)} - {
        best.one,
        best.other,
    }
    resting = sha256(" ".join(sorted(proposal.rests for proposal in tree)).encode()).hexdigest()[
        :16
    ]
    return replace(
        best,
        asks=f"Do {{one}}, {{other}} and {len(ends):,} more say the same?",
        also=tuple(sorted(ends)),
        more=tuple((proposal.one, proposal.type, proposal.other) for proposal in rest),
        rests=resting,
    )


def _judged(matter: RuleContext, rules: Iterable[Rule], first: str, later: str) -> Proposal | None:
    if matter.linked(first, later):
        return None
    for rule in rules:
        assert rule.judge is not None
        if (proposal := rule.judge(matter, first, later)) is not None:
            return proposal
    return None


def _add(matter: RuleContext, by_ends: dict[tuple[str, ...], Proposal], new: Proposal) -> None:
    """Add a question; where one about these assertions is there, only its claims."""
    ends = _ends(matter, new)
    existing = by_ends.setdefault(ends, new)
    if existing is new or RULES[existing.rule].find is not None:
        return  # of two rules that ask about one pair, that which follows from the records is heard
    best, rest = (new, existing) if new.score > existing.score else (existing, new)
    more = {*best.also, *rest.also, rest.one, rest.other} - {best.one, best.other}
    by_ends[ends] = replace(best, also=tuple(sorted(more)))


def _ends(matter: RuleContext, proposal: Proposal) -> tuple[str, ...]:
    """Return what a question is about, so that it is asked once: of links, the two assertions."""
    if proposal.makes == "link":
        of = matter.answers.assertions.of
        return tuple(sorted((of[proposal.one], of[proposal.other])))
    return (proposal.makes, *proposal.about)


def _pairs(matter: RuleContext) -> Iterator[tuple[str, str]]:
    """Yield the pairs of claims that share something, the one known first first, each once."""
    blocks: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for key in matter.standing:
        for block in _blocks(matter, key):
            blocks[block].append(key)
    seen: set[tuple[str, str]] = set()
    for keys in blocks.values():
        for place, first in enumerate(keys):
            for later in keys[place + 1 : place + 1 + _WINDOW]:
                if (first, later) not in seen and _asked_of(matter, first, later):
                    seen.add((first, later))
                    yield first, later


def _asked_of(matter: RuleContext, *keys: str) -> bool:
    return matter.fresh is None or not matter.fresh.isdisjoint(keys)


def _blocks(matter: RuleContext, key: str) -> Iterator[tuple[str, ...]]:
    claim = matter.claims[key]
    for figure in claim.figures:
        measure = matter.vocabulary.concept(MEASURE, figure.measure)
        yield "measure", matter.root_subject(claim.subject), measure
        if figure.low is not None:
            yield "number", measure, format(figure.low.normalize(), "f")
    for source in matter.answers.graph.claims[key].sources:
        yield "source", source
    words = sorted(word for word in matter.words(key) if len(word) > 4)
    if words:
        # Near copies share their longest words.
        yield "words", *sorted(sorted(set(words), key=lambda word: (-len(word), word))[:2])
