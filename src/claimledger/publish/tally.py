"""Tallies: figures that the ledger itself can count, and the stated totals beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claimledger.disputes.comparison import compare
from claimledger.disputes.derivations import counted
from claimledger.disputes.graph import graph_of
from claimledger.disputes.standing import Answers
from claimledger.errors import Refused, Unreadable
from claimledger.publish import words
from claimledger.records.citation import Citation
from claimledger.records.claim import Claim
from claimledger.records.figure import Figure
from claimledger.records.formula import Count
from claimledger.records.link import Link, Target
from claimledger.records.text import nfc
from claimledger.records.vocabulary import Vocabulary

if TYPE_CHECKING:
    from claimledger.ledger import Held, Ledger
    from claimledger.records.base import Record

MOST_INPUTS = 5000
"""Claims that a recorded tally may derive from: each is a link."""

NONE = "(none)"

BY = ("claimant", "source", "subject", "year")
"""What a tally can be divided by, beside any ``scope.NAME``."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted, how many there are, of which claims."""

    count: Count
    number: int
    by: str
    groups: tuple[tuple[str, int], ...]
    """Each value of what it is divided by with its number, the largest first."""

    claims: tuple[str, ...]
    """The claims it counted."""

    left_out: tuple[str, ...]
    """Claims not counted because they were taken back or stated anew."""

    without: int
    """How many of the claims bear none of what is counted."""

    def as_json(self) -> dict[str, Any]:
        """Return the tally as an object."""
        return {
            "formula": str(self.count),
            "number": self.number,
            "by": self.by,
            "groups": dict(self.groups),
            "claims": list(self.claims),
            "left_out": list(self.left_out),
            "without": self.without,
        }


@dataclass(frozen=True, slots=True)
class Recount:
    """A recorded tally counted again."""

    figure: Figure
    count: Count
    number: int
    new: tuple[str, ...]
    """Claims that would be counted now and were not."""

    gone: tuple[str, ...]
    """Claims that were counted and would not be now."""

    @property
    def stale(self) -> bool:
        """Whether the figure is not what would be counted now."""
        return self.figure.low != self.number or bool(self.new or self.gone)


def tally(
    ledger: Ledger,
    count: Count,
    by: str = "",
    known_at: int | None = None,
    as_of: int | None = None,
) -> Tally:
    """Count what the claims about a subject and its narrower ones hold."""
    ledger.get("subject", count.subject, known_at)
    if by and by not in BY and not by.startswith("scope."):
        raise Unreadable(f"--by {by!r} divides nothing; one of {', '.join(BY)}, or scope.place")
    vocabulary = ledger.vocabulary(known_at)
    held = _within(ledger, count, vocabulary, known_at)
    answers = Answers(graph_of(ledger.neighbourhood([one.key for one in held], known_at), as_of))
    in_view = [one for one in held if one.key in answers.graph.claims]
    standing = [one for one in in_view if answers.revisions.counts(one.key)]
    groups: dict[str, set[str]] = defaultdict(set)
    things: set[str] = set()
    without = 0
    for one in standing:
        claim = one.record
        assert isinstance(claim, Claim)
        found = set(_things(count.what, one.key, claim, answers, vocabulary))
        without += not found
        things |= found
        for name in _groups(by, claim) if by else ():
            groups[name] |= found
    listed = sorted(((name, len(found)) for name, found in groups.items()), key=_largest_first)
    return Tally(
        count,
        len(things),
        by,
        tuple(listed),
        tuple(sorted(one.key for one in standing)),
        tuple(sorted(one.key for one in in_view if not answers.revisions.counts(one.key))),
        without,
    )


def _largest_first(group: tuple[str, int]) -> tuple[int, str]:
    return -group[1], group[0]


def _within(
    ledger: Ledger, count: Count, vocabulary: Vocabulary, known_at: int | None
) -> list[Held]:
    """Return the claims in a tally's reach; not tallies themselves."""
    subjects = ledger.narrower(count.subject, known_at)
    found = []
    for held in ledger.claims_about(subjects, known_at, most=None):
        claim = held.record
        if not isinstance(claim, Claim) or any(counted(claim)):
            continue
        if all(_limited(claim, name, text, vocabulary) for name, text in count.scope):
            found.append(held)
    return found


def _limited(claim: Claim, name: str, text: str, words: Vocabulary) -> bool:
    held = claim.scope.get(name)
    return held is not None and (
        words.concept(name, held) == words.concept(name, text) or words.within(name, held, text)
    )


def _things(
    what: str, key: str, claim: Claim, answers: Answers, vocabulary: Vocabulary
) -> Iterator[str]:
    if what == "claims":
        yield key
    elif what == "assertions":
        yield answers.assertions.of[key]
    elif what == "sources":
        yield from answers.graph.claims[key].sources
    elif place := claim.scope.get("place"):
        yield vocabulary.concept("place", place)


def _groups(by: str, claim: Claim) -> Iterable[str]:
    if by == "claimant":
        return claim.claimant
    if by == "source":
        return dict.fromkeys(citation.source for citation in claim.citations)
    if by == "subject":
        return (claim.subject,)
    if by == "year":
        date = claim.about or claim.asserted
        years = str(date.edtf)[:4] if date else ""
        return (years if years.isdecimal() else NONE,)
    scheme = by.removeprefix("scope.")
    name = claim.scope.get(scheme)
    return (nfc(name) if name else NONE,)


def recounts(ledger: Ledger, answers: Answers, key: str, claim: Claim, known_at: int | None = None,
             as_of: int | None = None) -> Iterator[Recount]:  # fmt: skip
    """Yield each tally of a claim, counted again."""
    inputs = {link.to for link in answers.graph.from_("derives_from", key)}
    for figure, count in counted(claim):
        now = tally(ledger, count, "", known_at, as_of)
        claims = set(now.claims)
        yield Recount(
            figure,
            count,
            now.number,
            tuple(sorted(claims - inputs)) if inputs else (),
            tuple(sorted(inputs - claims)),
        )


def beside(
    ledger: Ledger, made: Tally, measure: str, known_at: int | None = None
) -> Iterator[tuple[str, str, str]]:
    """Yield the stated totals beside a tally: the claim, its figures, and how one compares."""
    vocabulary = ledger.vocabulary(known_at)
    own = as_claim(made, measure)
    subjects = ledger.narrower(ledger.widest(made.count.subject, known_at), known_at)
    counted_ones = set(made.claims)
    for held in ledger.claims_about(subjects, known_at):
        claim = held.record
        if not isinstance(claim, Claim) or not claim.figures or held.key in counted_ones:
            continue
        pairs = list(compare(own, claim, vocabulary=vocabulary))
        fitting = [pair for pair in pairs if pair.relation != "different measure"]
        for pair in fitting:
            yield held.key, words.figure(pair.other), words.compared(pair)


def as_claim(made: Tally, measure: str, **fields: Any) -> Claim:
    """Return a tally as a claim, not recorded: its number as a figure, its limits as its scope."""
    number = Decimal(made.number)
    figure = Figure(measure=measure, low=number, high=number, scope={}, formula=str(made.count))
    given = {
        "statement": f"The ledger holds {made.number:,} {measure}.",
        "claimant": ("ledger",),
        "subject": made.count.subject,
        "citations": (Citation(source="ledger"),),
        "scope": dict(made.count.scope),
        **fields,
    }
    return Claim(**{**given, "figures": (figure,)})


def records_of(made: Tally, claim: Claim) -> list[Record]:
    """Return what recording a tally writes: the claim, and a link to each claim it counted."""
    if len(made.claims) > MOST_INPUTS:
        raise Refused(
            f"a tally of {len(made.claims):,} claims is not recorded: each would be a link, and "
            f"{MOST_INPUTS:,} is the most; count a narrower subject, or limit it with --where"
        )
    links = [
        Link(**{
            "type": "derives_from", "from": claim.key, "to": Target("claim", key),
            "basis": "computed", "rule": "tally",
        })
        for key in made.claims
    ]  # fmt: skip
    return [claim, *links]
