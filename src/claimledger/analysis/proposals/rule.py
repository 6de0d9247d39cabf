"""Proposals, the rules that make them, and the context that rules work on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Literal

from rapidfuzz import fuzz

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.comparison import Comparison, compare
from claimledger.records.claim import Claim
from claimledger.records.party import Party
from claimledger.records.subject import Subject
from claimledger.records.vocabulary import Vocabulary
from claimledger.text.fold import words_of

ProposalAction = Literal["link", "merge", "amend", "turn"]
"""The effect of accepting a proposal: a new link, a merger, a request for an amendment, a reversed link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A question that a rule asks about two records, with its evidence.

    The field names are those of the JSON that ``propose --json`` prints.
    """

    rule: str
    makes: ProposalAction
    kind: str
    """The kind of the records: claim, party or subject."""

    one: str
    """The record at which the link would start; for a merger, the record that would be withdrawn."""

    other: str
    """The record at which the link would end; for a merger, the record that would remain."""

    type: str
    """The type of the link; empty if accepting records no link."""

    asks: str
    """The question, with the placeholders ``{one}`` and ``{other}`` for the records."""

    evidence: tuple[str, ...]
    score: float
    """How certain the rule is, from 0 to 1. It does not say what is true."""

    rests: str = ""
    """A digest of the records on which it rests. If it changes, a declined proposal is made again."""

    part: str = ""
    """The measure that the link would be about, if a claim has several."""

    also: tuple[str, ...] = ()
    """Further claims that say the same as one of the two; the answer applies to them too."""

    more: tuple[tuple[str, str, str], ...] = ()
    """Further links that accepting records, each as start, type and end."""

    @property
    def id(self) -> str:
        """The ID by which people answer it: the rule and the two keys."""
        return f"{self.rule}:{self.one}:{self.other}"

    @property
    def about(self) -> tuple[str, str]:
        """The two records, in order of key, so that the question is the same in both directions."""
        low, high = sorted((self.one, self.other))
        return f"{self.kind} {low}", f"{self.kind} {high}"


MOST_COMPARED = 10_000
"""The most characters of a statement that are compared: the time grows with the product of both lengths."""


@dataclass(frozen=True)
class RuleContext:
    """The input of the rules: some claims of a ledger, their analysis, and the records that they refer to."""

    analysis: Analysis
    claims: Mapping[str, Claim]
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    subjects: Mapping[str, Subject] = field(default_factory=dict)
    parties: Mapping[str, Party] = field(default_factory=dict)
    changed_claims: frozenset[str] | None = None
    """The new or amended claims; every proposal must be about at least one of them. ``None`` means all."""

    changed_entities: frozenset[str] | None = None
    """The new or amended parties and subjects; ``None`` means all."""

    stale: Mapping[str, str] = field(default_factory=dict)
    """From each tally whose number is out of date to a sentence that says so."""

    @cached_property
    def live_claims(self) -> list[str]:
        """The claims that are neither retracted nor superseded, in the order they became known."""
        known_by = self.analysis.graph.known_by
        keys = (
            key for key in self.claims if key in known_by and self.analysis.revisions.counts(key)
        )
        return sorted(keys, key=lambda key: (known_by[key], key))

    def concerns_change(self, *keys: str) -> bool:
        """Whether one of some claims is new or amended, so that a proposal about them is of interest."""
        return self.changed_claims is None or not self.changed_claims.isdisjoint(keys)

    def compare_figures(self, left: str, right: str) -> list[Comparison]:
        """Return a comparison for every pair of figures of two claims."""
        return list(compare(self.claims[left], self.claims[right], vocabulary=self.vocabulary))

    @cached_property
    def _words_cache(self) -> dict[str, list[str]]:
        return {}

    def words(self, key: str) -> list[str]:
        """Return the folded words of a claim's statement, or of the start of a very long one."""
        if key not in self._words_cache:
            self._words_cache[key] = words_of(self.claims[key].statement[:MOST_COMPARED])
        return self._words_cache[key]

    def similarity(self, left: str, right: str) -> float:
        """Return how similar two statements are, from 0 to 1, regardless of the order of their words."""
        left_words, right_words = self.words(left), self.words(right)
        return float(fuzz.token_sort_ratio(" ".join(left_words), " ".join(right_words))) / 100

    def word_overlap(self, left: str, right: str) -> float:
        """Return the share of the shorter statement's significant words that the other one also has."""
        left_words, right_words = (significant_words(self.words(key)) for key in (left, right))
        shorter = min(len(left_words), len(right_words))
        return len(left_words & right_words) / shorter if shorter else 0.0

    def share_subject(self, left: str, right: str) -> bool:
        """Whether two claims are about the same subject, or one subject is broader than the other."""
        left_subject, right_subject = self.claims[left].subject, self.claims[right].subject
        return left_subject in self._subject_path(
            right_subject
        ) or right_subject in self._subject_path(left_subject)

    def root_subject(self, subject: str) -> str:
        """Return the broadest subject above a subject, or the subject itself."""
        return self._subject_path(subject)[-1]

    def _subject_path(self, subject: str) -> list[str]:
        """Return a subject and those above it, the broadest last."""
        path: list[str] = []
        current: str | None = subject
        while current is not None and current not in path:
            path.append(current)
            record = self.subjects.get(current)
            current = record.broader if record else None
        return path

    def share_claimant(self, left: str, right: str) -> bool:
        """Whether two claims have a claimant in common."""
        nodes = self.analysis.graph.claims
        return not set(nodes[left].claimants).isdisjoint(nodes[right].claimants)

    def cites_claimant_of(self, citing: str, cited: str) -> bool:
        """Whether a claim cites a source that speaks for the other claim's claimant and not for its own."""
        graph = self.analysis.graph
        citing_claim, cited_claim = graph.claims[citing], graph.claims[cited]
        published = {
            source
            for source in citing_claim.sources
            if source in graph.sources and graph.sources[source].publisher
        }
        return any(
            graph.speaks_for(source, cited_claim) and not graph.speaks_for(source, citing_claim)
            for source in published
        )

    def are_linked(self, left: str, right: str) -> bool:
        """Whether two claims are already one assertion, or any link joins their assertions."""
        of = self.analysis.assertions.of
        return of[left] == of[right] or (of[left], of[right]) in self._linked_assertions

    @cached_property
    def _linked_assertions(self) -> set[tuple[str, str]]:
        """The pairs of assertions that a link joins, in both orders."""
        of = self.analysis.assertions.of
        pairs = [
            (of[link.from_], of[link.to])
            for link in self.analysis.graph.links
            if link.to_kind == "claim" and link.to in of
        ]
        return {*pairs, *((to, from_) for from_, to in pairs)}

    def evidence_digest(self, rule: str, kind: str, *keys: str) -> str:
        """Return a digest of the records that a proposal rests on.

        A decision to decline stores it, so its input must not change between releases: otherwise every
        declined question would be asked again.
        """
        records: Mapping[str, object] = {
            "claim": self.claims, "party": self.parties, "subject": self.subjects
        }[kind]  # fmt: skip
        lines = [rule, *(f"{key} {records[key]!r}" for key in sorted(keys))]
        return sha256("\n".join(lines).encode()).hexdigest()[:16]


_STOP_WORDS = frozenset(
    "a an and are as at be been by for from had has have in into is it its of on or than that the their "
    "there these they this to was were which who will with de la le les der die das und von im".split()
)

_STEM_LENGTH = 5
"""The number of letters that are compared, so that "marched" and "marchers" count as the same word."""


def significant_words(words: Iterable[str]) -> set[str]:
    """Return the stems of some words, without those that any statement may have."""
    return {word[:_STEM_LENGTH] for word in words if word not in _STOP_WORDS}


Judge = Callable[[RuleContext, str, str], "Proposal | None"]
"""A function that judges two claims, the one known earlier first, and returns a proposal or ``None``."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with its name and meaning. It has either a ``judge`` or a ``find`` function."""

    name: str
    meaning: str
    judge: Judge | None = None
    """Judges one pair of claims. The engine chooses the pairs."""

    find: Callable[[RuleContext], Iterator[Proposal]] | None = None
    """Finds proposals about anything other than pairs of claims."""
