"""Runs the rules: chooses the pairs of claims that they judge, and combines their proposals.

Comparing all claims with all others would be quadratic, so only claims that share something (a measure,
a source, a number, rare words) are paired. Proposals are about assertions: eleven papers with the same figure
are one question, not fifty-five.
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
        chronology.REVERSED,
        near_copy.RECORDED_TWICE,
        near_copy.COPY,
        newer_figure.RULE,
        figures_agree.RULE,
        figures_conflict.CONFLICT,
        figures_conflict.PART,
        chronology.ATTACK_RENEWED,
        chronology.STALE_TALLY,
        duplicates.PARTY,
        duplicates.SUBJECT,
    )
}
"""Every rule by name. If two rules would propose something about a pair, the earlier one decides."""

_WINDOW = 60
"""How many later claims of its block each claim is compared with.

Blocks are in order of time, so these are the nearest. Comparing all pairs of a block would be quadratic.
"""

_SAYING_THE_SAME = ("figures-agree", "near-copy")
_AT_ODDS = ("figures-conflict", "part-exceeds-whole")


def find_proposals(context: RuleContext, only: str | None = None) -> list[Proposal]:
    """Return the proposals, the most certain first; ``only`` limits them to the rule of that name."""
    rules = [rule for name, rule in RULES.items() if only in (None, name)]
    by_subject_matter: dict[tuple[str, ...], Proposal] = {}
    for rule in rules:
        if rule.find is not None:
            for proposal in rule.find(context):
                by_subject_matter.setdefault(_subject_matter(context, proposal), proposal)
    judging = [rule for rule in rules if rule.judge is not None]
    for first, later in _candidate_pairs(context) if judging else ():
        if (judged := _judge(context, judging, first, later)) is not None:
            _add(context, by_subject_matter, judged)
    return sorted(
        _combine(context, by_subject_matter.values()),
        key=lambda proposal: (-proposal.score, proposal.id),
    )


def _combine(context: RuleContext, proposals: Iterable[Proposal]) -> Iterator[Proposal]:
    """Yield the proposals, after merging those that one answer covers."""
    # Proposals that claims say the same are the edges of a graph over the assertions. A maximum spanning
    # forest by score (Kruskal's algorithm) is enough to join each group, so each tree becomes one proposal.
    # The groups are needed first: then all proposals of a conflict between the same two groups become one as
    # well.
    remaining = list(proposals)
    of = context.analysis.assertions.of
    same = [proposal for proposal in remaining if proposal.rule in _SAYING_THE_SAME]
    at_odds = [proposal for proposal in remaining if proposal.rule in _AT_ODDS]
    union = DisjointSet(
        of[key] for proposal in (*same, *at_odds) for key in (proposal.one, proposal.other)
    )
    trees: dict[str, list[Proposal]] = defaultdict(list)
    spanning = [
        proposal
        for proposal in sorted(same, key=lambda proposal: (-proposal.score, proposal.id))
        if union.join(of[proposal.one], of[proposal.other])
    ]
    for proposal in spanning:
        trees[union.find(of[proposal.one])].append(proposal)
    yield from (_merge_tree(tree) for tree in trees.values())
    by_groups: dict[frozenset[str], list[Proposal]] = defaultdict(list)
    for proposal in at_odds:
        groups = frozenset(union.find(of[key]) for key in (proposal.one, proposal.other))
        by_groups[groups].append(proposal)
    for between in by_groups.values():
        best = min(between, key=lambda proposal: (-proposal.score, proposal.id))
        yield replace(best, also=_also(best, between))
    yield from (
        proposal for proposal in remaining if proposal.rule not in (*_SAYING_THE_SAME, *_AT_ODDS)
    )


def _merge_tree(tree: list[Proposal]) -> Proposal:
    """Return one proposal that makes all the links of a tree; its most certain proposal must come first."""
    best, *rest = tree
    if not rest:
        return best
    also = _also(best, tree)
    digests = " ".join(sorted(proposal.rests for proposal in tree))
    return replace(
        best,
        asks=f"Do {{one}}, {{other}} and {len(also):,} more claims say the same?",
        also=also,
        more=tuple((proposal.one, proposal.type, proposal.other) for proposal in rest),
        rests=sha256(digests.encode()).hexdigest()[:16],
    )


def _also(best: Proposal, proposals: Iterable[Proposal]) -> tuple[str, ...]:
    """Return the claims that some proposals are about and the best of them does not name."""
    keys = {key for proposal in proposals for key in (proposal.one, proposal.other, *proposal.also)}
    return tuple(sorted(keys - {best.one, best.other}))


def _judge(context: RuleContext, rules: Iterable[Rule], first: str, later: str) -> Proposal | None:
    """Return the proposal of the first rule that has one about a pair of claims not linked yet."""
    if context.are_linked(first, later):
        return None
    for rule in rules:
        assert rule.judge is not None
        if (proposal := rule.judge(context, first, later)) is not None:
            return proposal
    return None


def _add(
    context: RuleContext, by_subject_matter: dict[tuple[str, ...], Proposal], new: Proposal
) -> None:
    """Add a proposal, or merge its claims into an existing proposal about the same two assertions."""
    subject_matter = _subject_matter(context, new)
    existing = by_subject_matter.setdefault(subject_matter, new)
    # A proposal that follows from recorded links takes precedence over a comparison of two claims.
    if existing is new or RULES[existing.rule].find is not None:
        return
    best = new if new.score > existing.score else existing
    by_subject_matter[subject_matter] = replace(best, also=_also(best, (new, existing)))


def _subject_matter(context: RuleContext, proposal: Proposal) -> tuple[str, ...]:
    """Return a key that equal questions share, so that none is asked twice: for links, both assertions."""
    if proposal.makes == "link":
        of = context.analysis.assertions.of
        return tuple(sorted((of[proposal.one], of[proposal.other])))
    return (proposal.makes, *proposal.about)


def _candidate_pairs(context: RuleContext) -> Iterator[tuple[str, str]]:
    """Yield each pair of claims that share something, once, with the claim known earlier first."""
    blocks: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for key in context.live_claims:
        for block in _blocks(context, key):
            blocks[block].append(key)
    seen: set[tuple[str, str]] = set()
    for keys in blocks.values():
        for position, first in enumerate(keys):
            for later in keys[position + 1 : position + 1 + _WINDOW]:
                if (first, later) not in seen and context.concerns_change(first, later):
                    seen.add((first, later))
                    yield first, later


def _blocks(context: RuleContext, key: str) -> Iterator[tuple[str, ...]]:
    """Yield the blocks of a claim: only claims of one block are paired (*blocking* in record linkage)."""
    claim = context.claims[key]
    for figure in claim.figures:
        measure = context.vocabulary.concept(MEASURE, figure.measure)
        yield "measure", context.root_subject(claim.subject), measure
        if figure.low is not None:
            yield "number", measure, format(figure.low.normalize(), "f")
    for source in context.analysis.graph.claims[key].sources:
        yield "source", source
    words = {word for word in context.words(key) if len(word) > 4}
    if words:
        # Copies share their two longest words, which other statements rarely do.
        yield "words", *sorted(sorted(words, key=lambda word: (-len(word), word))[:2])
