"""Lineage: the way from a claim back to whoever first said it, a step a claim."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.flags import Flag, flags


@dataclass(frozen=True, slots=True)
class Step:
    """One claim on the way back, and how the one below it rests on it."""

    claim: str
    depth: int
    below: str | None
    """The claim that rests on this one; ``None`` for the claim asked about."""

    link: str | None
    type: str | None
    flags: tuple[Flag, ...]
    again: bool = False
    """Whether the claim was met before: the way goes on there."""

    ends: bool = False
    """Whether it rests on nothing recorded: a trail ends here."""

    def flagged(self, kind: str) -> bool:
        """Whether the step bears a flag of this kind."""
        return any(flag.kind == kind for flag in self.flags)


@dataclass(frozen=True, slots=True)
class Weakness:
    """The weakest step of a lineage: which claim, why, and the command that would mend it."""

    claim: str
    why: str
    detail: str
    mend: str


def lineage(answers: Analysis, key: str) -> list[Step]:
    """Return the steps from a claim up to its roots, the claim itself first, nearer steps first."""
    return list(_walk(answers, key))


def _walk(answers: Analysis, key: str) -> Iterator[Step]:
    graph = answers.graph
    seen: set[str] = set()
    stack: list[tuple[str, int, str | None, str | None, str | None]] = [(key, 0, None, None, None)]
    while stack:
        at, depth, below, link, kind = stack.pop()
        links = [*graph.from_("repeats", at), *graph.from_("derives_from", at)]
        again = at in seen
        step_flags = tuple(flags(answers, at))
        yield Step(at, depth, below, link, kind, step_flags, again, ends=not links)
        if again:
            continue
        seen.add(at)
        links.sort(key=lambda link: (graph.known_by[link.to], link.to), reverse=True)
        stack += [(link.to, depth + 1, at, link.key, link.type) for link in links]


def weakest(answers: Analysis, steps: list[Step]) -> Weakness | None:
    """Return the first step that is retracted, undercut, unread, without grounds, undated, uncaptured."""
    for find in _WEAKNESSES:
        for step in steps:
            if not step.again and (weakness := find(answers, step)):
                return weakness
    return None


def _retracted(answers: Analysis, step: Step) -> Weakness | None:
    if step.claim not in answers.revisions.retracted:
        return None
    link = answers.revisions.retracted[step.claim]
    return Weakness(step.claim, "retracted", f"taken back, see {link}", f"claimledger show {link}")


def _undercut(answers: Analysis, step: Step) -> Weakness | None:
    cutting = [a for a in answers.attacks.on(step.claim) if a.link.type == "undercuts"]
    if not cutting:
        return None
    first = cutting[0]
    what = f"its source {first.source}" if first.source else "its grounds"
    detail = (
        f"{what} is criticised in {first.attacker}"
        if first.source
        else (f"{what} are criticised in {first.attacker}")
    )
    return Weakness(step.claim, "undercut", detail, f"claimledger audit {first.attacker}")


def _unread(answers: Analysis, step: Step) -> Weakness | None:
    if not step.flagged("second-hand"):
        return None
    source = answers.graph.claims[step.claim].sources[0]
    detail = f"{source} is unread, known only through others"
    return Weakness(step.claim, "unread", detail, f"claimledger cite {step.claim} {source}")


def _groundless(_: Analysis, step: Step) -> Weakness | None:
    if step.flagged("not checked"):
        detail = "nobody has asked how the claimant knows"
    elif step.flagged("unstated"):
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


def _uncaptured(answers: Analysis, step: Step) -> Weakness | None:
    if not step.flagged("no capture"):
        return None
    source = answers.graph.claims[step.claim].sources[0]
    detail = f"no copy of {source} is kept"
    mend = f'a record of kind "capture" for {source}: claimledger import FILE'
    return Weakness(step.claim, "not captured", detail, mend)


_WEAKNESSES: list[Callable[[Analysis, Step], Weakness | None]] = [
    _retracted,
    _undercut,
    _unread,
    _groundless,
    _undated,
    _uncaptured,
]
