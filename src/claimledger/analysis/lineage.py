"""Lineage: the path from a claim back to its first voice, with its weakest step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.flags import Flag, flags
from claimledger.records.link import LinkType


@dataclass(frozen=True, slots=True)
class Step:
    """One claim on the way back, and the link by which the claim below rests on it."""

    claim: str
    depth: int
    below: str | None
    """The claim that rests on this one; ``None`` for the claim at which the lineage starts."""

    link: str | None
    type: str | None
    flags: tuple[Flag, ...]
    again: bool = False
    """Whether an earlier step has the same claim. What that rests on is listed there only."""

    ends: bool = False
    """Whether the claim rests on nothing recorded, so that the trail ends here."""

    def is_flagged(self, kind: str) -> bool:
        """Whether the claim has a flag of some kind."""
        return any(flag.kind == kind for flag in self.flags)


@dataclass(frozen=True, slots=True)
class Weakness:
    """The weakest step of a lineage: the claim, what is weak about it, and how to improve it."""

    claim: str
    why: str
    detail: str
    mend: str
    """The command that would improve it."""


def lineage(analysis: Analysis, key: str) -> list[Step]:
    """Return the steps from a claim up to its roots, in depth-first order, the claim itself first.

    Of the claims that one claim rests on, those known earlier come first.
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
        yield Step(claim, depth, below, link_key, link_type, claim_flags, again, ends=not links)
        if again:
            continue
        seen.add(claim)
        links.sort(key=lambda link: (graph.known_by[link.to], link.to), reverse=True)
        stack += [(link.to, depth + 1, claim, link.key, link.type) for link in links]


def weakest(analysis: Analysis, steps: list[Step]) -> Weakness | None:
    """Return the weakest step, or ``None`` where no step is weak.

    The kinds of weakness are tried from the most to the least serious, and for each the steps from the
    claim upwards: a retracted root matters more than an undated paper, wherever they are.
    """
    for find_weakness in _WEAKNESSES:
        for step in steps:
            if not step.again and (weakness := find_weakness(analysis, step)):
                return weakness
    return None


def _retracted(analysis: Analysis, step: Step) -> Weakness | None:
    if step.claim not in analysis.revisions.retracted:
        return None
    link = analysis.revisions.retracted[step.claim]
    detail = f"its claimant took it back (link {link})"
    return Weakness(step.claim, "retracted", detail, f"claimledger show {link}")


def _undercut(analysis: Analysis, step: Step) -> Weakness | None:
    attack = next(
        (a for a in analysis.attacks.on(step.claim) if a.link.type == LinkType.UNDERCUTS), None
    )
    if attack is None:
        return None
    target = f"its source {attack.source} is" if attack.source else "its grounds are"
    detail = f"{target} criticised in {attack.attacker}"
    return Weakness(step.claim, "undercut", detail, f"claimledger audit {attack.attacker}")


def _unread(analysis: Analysis, step: Step) -> Weakness | None:
    if not step.is_flagged("second-hand"):
        return None
    source = analysis.graph.claims[step.claim].sources[0]
    detail = f"nobody here has read {source}; the claim is known only through others"
    return Weakness(step.claim, "unread", detail, f"claimledger cite {step.claim} {source}")


def _without_grounds(_: Analysis, step: Step) -> Weakness | None:
    if step.is_flagged("not checked"):
        detail = "nobody has asked how the claimant knows"
    elif step.is_flagged("unstated"):
        detail = "the claimant does not say how they know"
    else:
        return None
    mend = f'claimledger amend {step.claim} --set grounds=... --reason "..."'
    return Weakness(step.claim, "without grounds", detail, mend)


def _undated(_: Analysis, step: Step) -> Weakness | None:
    for flag in step.flags:
        if flag.kind == "undated source":
            source = flag.about[0]
            mend = f'claimledger amend {source} --set published=... --reason "..."'
            return Weakness(step.claim, "undated", f"{source} has no date", mend)
    return None


def _not_captured(analysis: Analysis, step: Step) -> Weakness | None:
    if not step.is_flagged("no capture"):
        return None
    source = analysis.graph.claims[step.claim].sources[0]
    detail = f"no copy of {source} is stored"
    mend = f'a record of kind "capture" for {source}: claimledger import FILE'
    return Weakness(step.claim, "not captured", detail, mend)


_WEAKNESSES: list[Callable[[Analysis, Step], Weakness | None]] = [
    _retracted,
    _undercut,
    _unread,
    _without_grounds,
    _undated,
    _not_captured,
]
"""What can be weak about a step, the most serious first."""
