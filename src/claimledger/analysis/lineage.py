"""Lineage: the path from a claim back to whoever said it first, with its weakest step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.flags import Flag, flags
from claimledger.records.link import LinkType


@dataclass(frozen=True, slots=True)
class Step:
    """One claim on the path back to the roots, and the link by which the claim below rests on it."""

    claim: str
    depth: int
    below: str | None
    """The claim that rests on this one; ``None`` for the claim at which the lineage starts."""

    link: str | None
    type: str | None
    flags: tuple[Flag, ...]
    again: bool = False
    """Whether an earlier step has the same claim; the steps above it are listed only there."""

    ends: bool = False
    """Whether the claim rests on no recorded claim, so that the trail ends here."""

    def is_flagged(self, kind: str) -> bool:
        """Whether the claim has a flag of some kind."""
        return any(flag.kind == kind for flag in self.flags)


@dataclass(frozen=True, slots=True)
class Weakness:
    """The weakest step of a lineage: the claim, and the reason why it is weak."""

    claim: str
    why: str
    """``retracted``, ``undercut``, ``unread``, ``without grounds``, ``undated`` or ``not captured``."""

    about: str
    """The key of the record that shows it: a link, an attacking claim or a source; may be empty."""

    through_source: str = ""
    """The criticised source, if the claim is undercut through one."""


def lineage(analysis: Analysis, key: str) -> list[Step]:
    """Return the steps from a claim up to its roots, in depth-first order, the claim itself first.

    Among the claims on which one claim rests, those known earlier come first.
    """
    return list(_steps(analysis, key))


def _steps(analysis: Analysis, key: str) -> Iterator[Step]:
    graph = analysis.graph
    seen: set[str] = set()
    stack: list[tuple[str, int, str | None, str | None, str | None]] = [(key, 0, None, None, None)]
    while stack:
        claim, depth, below, link_key, link_type = stack.pop()
        links = [*graph.from_(LinkType.REPEATS, claim), *graph.from_(LinkType.DERIVES_FROM, claim)]
        again = claim in seen
        claim_flags = tuple(flags(analysis, claim))
        yield Step(
            claim=claim,
            depth=depth,
            below=below,
            link=link_key,
            type=link_type,
            flags=claim_flags,
            again=again,
            ends=not links,
        )
        if again:
            continue
        seen.add(claim)
        links.sort(key=lambda link: (graph.known_by[link.to], link.to), reverse=True)
        stack += [(link.to, depth + 1, claim, link.key, link.type) for link in links]


def weakest(analysis: Analysis, steps: list[Step]) -> Weakness | None:
    """Return the weakest step, or ``None`` if no step is weak.

    The kinds of weakness are tried from the most to the least serious, and for each kind the steps from the
    claim upwards: a retracted root matters more than an undated paper, wherever the two occur.
    """
    for find_weakness in _WEAKNESSES:
        for step in steps:
            if not step.again and (weakness := find_weakness(analysis, step)):
                return weakness
    return None


def _retracted(analysis: Analysis, step: Step) -> Weakness | None:
    if step.claim not in analysis.revisions.retracted:
        return None
    return Weakness(step.claim, "retracted", analysis.revisions.retracted[step.claim])


def _undercut(analysis: Analysis, step: Step) -> Weakness | None:
    undercuts = (
        attack
        for attack in analysis.attacks.on(step.claim)
        if attack.link.type == LinkType.UNDERCUTS
    )
    attack = next(undercuts, None)
    if attack is None:
        return None
    return Weakness(
        claim=step.claim, why="undercut", about=attack.attacker, through_source=attack.source or ""
    )


def _unread(analysis: Analysis, step: Step) -> Weakness | None:
    if not step.is_flagged("second-hand"):
        return None
    return Weakness(step.claim, "unread", analysis.graph.claims[step.claim].sources[0])


def _without_grounds(_: Analysis, step: Step) -> Weakness | None:
    if step.is_flagged("not checked") or step.is_flagged("unstated"):
        return Weakness(step.claim, "without grounds", "")
    return None


def _undated(_: Analysis, step: Step) -> Weakness | None:
    undated = next((flag for flag in step.flags if flag.kind == "undated source"), None)
    return Weakness(step.claim, "undated", undated.about[0]) if undated else None


def _not_captured(analysis: Analysis, step: Step) -> Weakness | None:
    if not step.is_flagged("no capture"):
        return None
    return Weakness(step.claim, "not captured", analysis.graph.claims[step.claim].sources[0])


_WEAKNESSES: list[Callable[[Analysis, Step], Weakness | None]] = [
    _retracted,
    _undercut,
    _unread,
    _without_grounds,
    _undated,
    _not_captured,
]
"""The kinds of weakness, the most serious first."""
