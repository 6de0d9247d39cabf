"""Uncertainty: which open questions would narrow a range of origins, and by how much.

The worth of a question is measured against the best case: the number of origins by which the lower bound
would fall short if every other question were settled and this one were not (section *What would settle a
range* of ``docs/semantics.md``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.origins import MergedOrigins, OriginFinder, Origins, Root


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A question to look up: the roots that it is about, and how many origins the answer could establish."""

    what: Literal["grounds", "own source", "tie"]
    roots: tuple[str, ...]
    """The root that lacks something, or the roots that a tie merges."""

    reason: str
    """For a tie, the reason for the merger."""

    shared: str
    """For a tie, what the roots share."""

    worth: int


@dataclass(frozen=True, slots=True)
class OriginRange:
    """An assertion with its range of origins."""

    head: str
    """The live claim of the assertion that was known first."""

    claims: tuple[str, ...]
    origins: Origins


def origin_ranges(analysis: Analysis, keys: Iterable[str]) -> list[OriginRange]:
    """Return the assertions of some claims with their ranges of origins, the widest ranges first.

    Ranges of the same width are in descending order of their upper bound.
    """
    names = dict.fromkeys(analysis.assertions.of[key] for key in keys)
    known_by = analysis.graph.known_by
    ranges = []
    for name in names:
        members = analysis.assertions.members[name]
        live = [key for key in members if analysis.revisions.counts(key)]
        if live:
            head = min(live, key=lambda key: (known_by[key], key))
            ranges.append(OriginRange(head, members, analysis.origins(head)))
    return sorted(
        ranges,
        key=lambda origin_range: (
            -_width(origin_range.origins),
            -origin_range.origins.at_most,
            origin_range.head,
        ),
    )


def _width(origins: Origins) -> int:
    return origins.at_most - origins.at_least


def open_questions(
    analysis: Analysis, heads: Iterable[str], most_roots: int = 200
) -> list[OpenQuestion]:
    """Return the questions that would narrow the origins of some assertions, the most valuable first.

    Assertions with more than ``most_roots`` roots are skipped: each root is a question, and valuing one
    means counting the roots again, so the time grows with the square of their number.
    """
    worth: dict[OpenQuestion, int] = defaultdict(int)
    for head in heads:
        origins = analysis.origins(head)
        if _width(origins) and len(origins.roots) <= most_roots:
            for question in _questions(analysis, origins):
                worth[replace(question, worth=0)] += question.worth
    questions = [replace(question, worth=total) for question, total in worth.items() if total]
    return sorted(
        questions,
        key=lambda question: (-question.worth, question.what, question.roots, question.shared),
    )


def _questions(analysis: Analysis, origins: Origins) -> Iterable[OpenQuestion]:
    """Yield the questions about one assertion, each with its worth.

    In the best case every root is established and no tie means anything. A question is worth the origins
    that are missing from the best case if only this question stays open.
    """
    # Compared with the current bound instead, two questions that only together establish an origin would
    # both be worth nothing, and nobody would look them up.
    ties = [(merger.reason, merger.shared) for merger in origins.perhaps]
    established = [replace(root, established=True) for root in origins.roots]
    without_ties = analysis.origin_finder(ties)
    best = without_ties.of_roots(established).at_least
    for position, root in enumerate(origins.roots):
        if not root.established:
            all_but_this = [*established[:position], root, *established[position + 1 :]]
            what: Literal["grounds", "own source"] = (
                "own source" if root.lacking == "own source" else "grounds"
            )
            worth = best - _at_least(without_ties, all_but_this)
            yield OpenQuestion(what=what, roots=(root.name,), reason="", shared="", worth=worth)
    for merger in origins.perhaps:
        with_this_tie = analysis.origin_finder(
            tie for tie in ties if tie != (merger.reason, merger.shared)
        )
        worth = best - _at_least(with_this_tie, established)
        yield OpenQuestion(
            what="tie", roots=merger.roots, reason=merger.reason, shared=merger.shared, worth=worth
        )


def _at_least(finder: OriginFinder, roots: list[Root]) -> int:
    return finder.of_roots(roots).at_least


def origins_without(analysis: Analysis, key: str, merger: MergedOrigins) -> Origins:
    """Return a claim's origins as they would be without one reason for merging."""
    return analysis.origin_finder([(merger.reason, merger.shared)]).of(key)
