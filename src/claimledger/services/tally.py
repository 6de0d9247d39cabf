"""Tallies: figures that the ledger can count itself, and count again later."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.derivations import tallied_figures
from claimledger.errors import ParseError
from claimledger.records.claim import Claim
from claimledger.records.figure import Figure
from claimledger.records.formula import Count
from claimledger.records.link import LinkType
from claimledger.records.vocabulary import Vocabulary
from claimledger.text.unicode import nfc

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView, StoredRecord

NONE = "(none)"

BY = ("claimant", "source", "subject", "year")
"""What a tally can be grouped by, in addition to any ``scope.NAME``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A count: what was counted, the number, and the claims it comes from."""

    count: Count
    number: int
    by: str
    groups: tuple[tuple[str, int], ...]
    """Each group with its number, the largest first."""

    claims: tuple[str, ...]
    """The claims it counted."""

    left_out: tuple[str, ...]
    """Claims not counted because they were retracted or superseded."""

    without: int
    """How many of the claims have nothing that is counted."""

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
    """Claims that are counted now, but were not when the tally was recorded."""

    gone: tuple[str, ...]
    """Claims that were counted when the tally was recorded, but are not now."""

    @property
    def stale(self) -> bool:
        """Whether a count now gives another figure, or the same from other claims."""
        return self.figure.low != self.number or bool(self.new or self.gone)


def tally(view: LedgerView, count: Count, by: str = "") -> Tally:
    """Count what the claims about a subject and narrower ones contain, grouped by ``by`` if it is given.

    Raises :class:`ParseError` if ``by`` is not in :data:`BY` and not a scope.
    """
    view.get("subject", count.subject)
    if by and by not in BY and not by.startswith("scope."):
        raise ParseError(f"--by takes {', '.join(BY)} or a scope such as scope.place, not {by!r}")
    vocabulary = view.vocabulary()
    records = _within(view, count, vocabulary)
    answers = view.analysis([stored.key for stored in records])
    in_view = [stored for stored in records if stored.key in answers.graph.claims]
    standing = [stored for stored in in_view if answers.revisions.counts(stored.key)]
    groups: dict[str, set[str]] = defaultdict(set)
    keys: set[str] = set()
    without = 0
    for stored in standing:
        claim = stored.record
        assert isinstance(claim, Claim)
        own_keys = set(_counted_keys(count.what, stored.key, claim, answers, vocabulary))
        without += not own_keys
        keys |= own_keys
        for name in _groups(by, claim) if by else ():
            groups[name] |= own_keys
    ordered = sorted(
        ((name, len(counted_keys)) for name, counted_keys in groups.items()), key=_largest_first
    )
    return Tally(
        count=count,
        number=len(keys),
        by=by,
        groups=tuple(ordered),
        claims=tuple(sorted(stored.key for stored in standing)),
        left_out=tuple(
            sorted(stored.key for stored in in_view if not answers.revisions.counts(stored.key))
        ),
        without=without,
    )


def _largest_first(group: tuple[str, int]) -> tuple[int, str]:
    return -group[1], group[0]


def _within(view: LedgerView, count: Count, vocabulary: Vocabulary) -> list[StoredRecord]:
    """Return the claims that a tally is about; other tallies are not counted."""
    subjects = view.narrower_subjects(count.subject)
    records = []
    for stored in view.claims_about(subjects, limit=None):
        claim = stored.record
        if not isinstance(claim, Claim) or any(tallied_figures(claim)):
            continue
        if all(_is_in_scope(claim, name, text, vocabulary) for name, text in count.scope):
            records.append(stored)
    return records


def _is_in_scope(claim: Claim, name: str, text: str, words: Vocabulary) -> bool:
    scope_value = claim.scope.get(name)
    return scope_value is not None and (
        words.concept(name, scope_value) == words.concept(name, text)
        or words.within(name, scope_value, text)
    )


def _counted_keys(
    what: str, key: str, claim: Claim, answers: Analysis, vocabulary: Vocabulary
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


def recounts(view: LedgerView, answers: Analysis, key: str, claim: Claim) -> Iterator[Recount]:  # fmt: skip
    """Yield each tally among a claim's figures, counted again."""
    inputs = {link.to for link in answers.graph.from_(LinkType.DERIVES_FROM, key)}
    for figure, count in tallied_figures(claim):
        now = tally(view, count, "")
        claims = set(now.claims)
        yield Recount(
            figure=figure,
            count=count,
            number=now.number,
            new=tuple(sorted(claims - inputs)) if inputs else (),
            gone=tuple(sorted(inputs - claims)),
        )
