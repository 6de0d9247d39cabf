"""Flags: what a reader should know before leaning on a claim."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from claimledger.analysis.analysis import Analysis

FLAGS: dict[str, str] = {
    "circular": "it rests on itself through others",
    "anachronism": "surely asserted before what it repeats",
    "before the fact": "known by, before the time it speaks of",
    "at odds": "linked as the same with a claim it also contradicts",
    "second-hand": "read only through another source",
    "attribution questioned": "a source it is cited from, not the claimant's own, is criticised",
    "attributed by": "no source cited is the claimant's own",
    "not checked": "nobody has asked yet how the claimant knows",
    "unstated": "the claimant does not say how they know",
    "undated source": "a source cited has no date",
    "removed source": "a source cited was taken down",
    "no capture": "no copy of a source cited is kept",
}
"""Every flag, the gravest first."""


_MOST_NAMED = 12
"""Claims of a loop that a flag names: each of thousands would name all the others."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of a claim: its kind, and the records it is about."""

    kind: str
    about: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} ({', '.join(self.about)})" if self.about else self.kind


def flags(answers: Analysis, key: str) -> list[Flag]:
    """Return a claim's flags, the gravest first."""
    order = list(FLAGS)
    return sorted(_flags(answers, key), key=lambda flag: order.index(flag.kind))


def _flags(answers: Analysis, key: str) -> Iterator[Flag]:
    graph = answers.graph
    claim = graph.claims[key]
    if answers.dependencies.circular(key):
        loop = answers.dependencies.loop(key)[: _MOST_NAMED + 1]
        yield Flag("circular", tuple(k for k in loop if k != key)[:_MOST_NAMED])
    if late := _repeats_later(answers, key):
        yield Flag("anachronism", late)
    if _before_the_fact(answers, key):
        yield Flag("before the fact")
    odd = [link for link in answers.assertions.at_odds if key in (link.from_, link.to)]
    if odd:
        yield Flag("at odds", tuple(sorted({link.key for link in odd})))
    if claim.second_hand:
        yield Flag("second-hand")
    if critics := answers.attacks.questioned.get(key):
        yield Flag("attribution questioned", tuple(sorted({link.from_ for link in critics})))
    if not graph.own_sources(claim):
        yield Flag("attributed by", claim.sources)
    if claim.grounds is None:
        yield Flag("not checked")
    elif claim.grounds == "unstated":
        yield Flag("unstated")
    sources = [graph.sources[source] for source in claim.sources if source in graph.sources]
    if undated := tuple(source.key for source in sources if not source.dated):
        yield Flag("undated source", undated)
    if removed := tuple(source.key for source in sources if source.removed):
        yield Flag("removed source", removed)
    if not any(source.captured for source in sources):
        yield Flag("no capture")


def _repeats_later(answers: Analysis, key: str) -> tuple[str, ...]:
    """Return what a claim repeats although it was surely asserted later."""
    graph = answers.graph
    asserted = graph.claims[key].asserted
    if asserted is None or asserted[1] is None:
        return ()
    later = []
    for link in graph.from_("repeats", key):
        repeated = graph.claims[link.to].asserted
        if repeated is not None and repeated[0] is not None and asserted[1] < repeated[0]:
            later.append(link.to)
    return tuple(sorted(later))


def _before_the_fact(answers: Analysis, key: str) -> bool:
    about = answers.graph.claims[key].about
    # An open beginning ("up to October") speaks of its end; nothing says when that begins.
    return about is not None and about[0] is not None and answers.graph.known_by[key] < about[0]
