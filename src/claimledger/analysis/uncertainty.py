"""What would settle a range of origins: whose grounds to ask, which lineage to look up.

Worth is counted against the best that could come out: by how many origins the lower bound would fall
short if all else were settled and this were not.
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
    """One thing to look up: about which roots, and how many origins it could establish."""

    what: Literal["grounds", "own source", "tie"]
    roots: tuple[str, ...]
    """The roots it is about: one claim, or those that a tie makes one."""

    reason: str
    """Of a tie: why they count as one."""

    shared: str
    """Of a tie: what they share."""

    worth: int


@dataclass(frozen=True, slots=True)
class OriginRange:
    """An assertion with its range of origins, by the claim in it that was known first."""

    head: str
    claims: tuple[str, ...]
    origins: Origins


def ranged(answers: Analysis, keys: Iterable[str]) -> list[OriginRange]:
    """Return the assertions of some claims, the most uncertain first, then those of most origins."""
    names = dict.fromkeys(answers.assertions.of[key] for key in keys)
    known = answers.graph.known_by
    ranges = []
    for name in names:
        members = answers.assertions.members[name]
        standing = [key for key in members if answers.revisions.counts(key)]
        if standing:
            head = min(standing, key=lambda key: (known[key], key))
            ranges.append(OriginRange(head, members, answers.origins(head)))
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


def settlings(answers: Analysis, heads: Iterable[str], most_roots: int = 200) -> list[OpenQuestion]:
    """Return what would settle the origins of some assertions, the most rewarding first."""
    worth: dict[OpenQuestion, int] = defaultdict(int)
    for head in heads:
        origins = answers.origins(head)
        if _width(origins) and len(origins.roots) <= most_roots:
            for question in _of_one(answers, origins):
                worth[replace(question, worth=0)] += question.worth
    questions = [replace(question, worth=total) for question, total in worth.items() if total]
    return sorted(
        questions,
        key=lambda question: (-question.worth, question.what, question.roots, question.shared),
    )


def _of_one(answers: Analysis, origins: Origins) -> Iterable[OpenQuestion]:
    ties = [(merged.reason, merged.shared) for merged in origins.perhaps]
    best = [replace(root, established=True) for root in origins.roots]
    freest = answers.origin_finder(ties)
    most = freest.counted(best).at_least
    for place, root in enumerate(origins.roots):
        if not root.established:
            short = _short(most, freest, [*best[:place], root, *best[place + 1 :]])
            what: Literal["grounds", "own source"] = (
                "own source" if root.lacking == "own source" else "grounds"
            )
            yield OpenQuestion(what, (root.name,), "", "", short)
    for merger in origins.perhaps:
        others = answers.origin_finder(tie for tie in ties if tie != (merger.reason, merger.shared))
        short = _short(most, others, best)
        yield OpenQuestion("tie", merger.roots, merger.reason, merger.shared, short)


def _short(most: int, finder: OriginFinder, roots: list[Root]) -> int:
    return most - finder.counted(roots).at_least


def without(answers: Analysis, key: str, merger: MergedOrigins) -> Origins:
    """Return a claim's origins with one reason for merging set aside."""
    return answers.origin_finder([(merger.reason, merger.shared)]).of(key)
