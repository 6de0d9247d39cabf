"""Flags: what a reader should know about a claim before relying on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from claimledger.analysis.analysis import Analysis
from claimledger.records.link import LinkType

FLAGS: dict[str, str] = {
    "circular": "it rests on itself through others",
    "anachronism": "certainly asserted before what it repeats",
    "before the fact": "known before the time it is about",
    "at odds": "linked as saying the same as a claim that it also contradicts",
    "second-hand": "read only through another source",
    "attribution questioned": "a cited source that is not the claimant's own is criticised",
    "attributed by": "no cited source is the claimant's own",
    "not checked": "nobody has asked yet how the claimant knows",
    "unstated": "the claimant does not say how they know",
    "undated source": "a cited source has no date",
    "removed source": "a cited source was taken down",
    "no capture": "no copy of a cited source is stored",
}
"""Every flag with its meaning, the most serious first."""

_MOST_NAMED = 12
"""How many claims of a loop a flag names. Without a limit, each of thousands would name all the others."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag of a claim: its kind, and the keys of the records it is about."""

    kind: str
    about: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} ({', '.join(self.about)})" if self.about else self.kind


def flags(analysis: Analysis, key: str) -> list[Flag]:
    """Return a claim's flags, the most serious first."""
    order = list(FLAGS)
    return sorted(_flags(analysis, key), key=lambda flag: order.index(flag.kind))


def _flags(analysis: Analysis, key: str) -> Iterator[Flag]:
    graph = analysis.graph
    claim = graph.claims[key]
    if analysis.dependencies.circular(key):
        loop = analysis.dependencies.loop(key)[: _MOST_NAMED + 1]
        yield Flag("circular", tuple(member for member in loop if member != key)[:_MOST_NAMED])
    if later := _repeated_but_later(analysis, key):
        yield Flag("anachronism", later)
    if _is_known_before_its_time(analysis, key):
        yield Flag("before the fact")
    at_odds = [link for link in analysis.assertions.at_odds if key in (link.from_, link.to)]
    if at_odds:
        yield Flag("at odds", tuple(sorted({link.key for link in at_odds})))
    if claim.second_hand:
        yield Flag("second-hand")
    if critics := analysis.attacks.questioned.get(key):
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


def _repeated_but_later(analysis: Analysis, key: str) -> tuple[str, ...]:
    """Return the claims that a claim repeats although each was certainly asserted later than it.

    Certainly means that the whole ranges of the two dates are in the wrong order.
    """
    graph = analysis.graph
    asserted = graph.claims[key].asserted
    if asserted is None or asserted[1] is None:
        return ()
    later = []
    for link in graph.from_(LinkType.REPEATS, key):
        repeated = graph.claims[link.to].asserted
        if repeated is not None and repeated[0] is not None and asserted[1] < repeated[0]:
            later.append(link.to)
    return tuple(sorted(later))


def _is_known_before_its_time(analysis: Analysis, key: str) -> bool:
    about = analysis.graph.claims[key].about
    # A time with an open start ("up to October") has no first day that could be compared.
    return about is not None and about[0] is not None and analysis.graph.known_by[key] < about[0]
