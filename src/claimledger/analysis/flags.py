"""Flags: weaknesses of a claim that a reader should know before relying on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from claimledger.analysis.analysis import Analysis
from claimledger.records.link import LinkType

FLAGS: dict[str, str] = {
    "circular": "the claim rests on itself, through other claims",
    "anachronism": "the claim was made before the claim that it is said to repeat",
    "before the fact": "the claim was known before the time that it is about",
    "at odds": "the ledger links the claim to another both as saying the same and as contradicting it",
    "second-hand": "nobody here has read the source; the claim is known only through another source",
    "attribution questioned": "somebody criticises a source that reports what the claimant said",
    "attributed by": "only others report the claim; no source by the claimant is cited",
    "not checked": "nobody has asked yet how the claimant knows",
    "unstated": "the claimant does not say how they know",
    "undated source": "a cited source has no date",
    "removed source": "a cited source has been taken down",
    "no capture": "no copy of any cited source is stored",
}
"""Every flag with its meaning, the most serious first."""

ABOUT: dict[str, str] = {
    "circular": "claim",
    "anachronism": "claim",
    "at odds": "link",
    "attribution questioned": "claim",
    "attributed by": "source",
    "undated source": "source",
    "removed source": "source",
}
"""The kind of the records that a flag names; the other flags name none."""

_MOST_NAMED = 12
"""The most claims of a loop that a flag names: without a limit, each of thousands would name all others."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag of a claim: its kind (see :data:`FLAGS`), and the keys of the records that it names."""

    kind: str
    about: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} ({', '.join(self.about)})" if self.about else self.kind


def flags(analysis: Analysis, key: str) -> list[Flag]:
    """Return the flags of a claim, the most serious first."""
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
    """Return the claims that a claim repeats although each was certainly asserted later than the claim.

    Dates are ranges, so the order is certain only if the ranges do not overlap.
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
