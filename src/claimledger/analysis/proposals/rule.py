"""What a proposal is, what a rule may look at, and the one list of rules."""

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
"""What accepting does: record a link, merge two records, ask for an amendment, turn a link around."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A question a rule asks, with its evidence; a person accepts or declines it."""

    rule: str
    makes: ProposalAction
    kind: str
    """The kind of record asked about: claim, party or subject."""

    one: str
    """Where the link would begin; of a merge the record that would go."""

    other: str
    type: str
    """The link's type; empty where none would be made."""

    asks: str
    evidence: tuple[str, ...]
    score: float
    """How sure the rule is, from 0 to 1. It says nothing of what is true."""

    rests: str = ""
    """A digest of what it rests on; when that changes a declined one is asked again."""

    part: str = ""
    """The measure the link would be about, where a claim holds several."""

    also: tuple[str, ...] = ()
    """More claims that say the same as one of the two, and are meant with them."""

    more: tuple[tuple[str, str, str], ...] = ()
    """Further links that accepting makes, so that all of these say the same: from, type, to."""

    @property
    def id(self) -> str:
        """What people type: the rule and the two keys."""
        return f"{self.rule}:{self.one}:{self.other}"

    @property
    def about(self) -> tuple[str, str]:
        """The two records, in order of key: either way round it is one question."""
        low, high = sorted((self.one, self.other))
        return f"{self.kind} {low}", f"{self.kind} {high}"


MOST_COMPARED = 10_000
"""Signs of a statement that are compared with another's: that takes a time that grows with both lengths."""


@dataclass(frozen=True)
class RuleContext:
    """What rules look at: some claims of a ledger with all that is known of them."""

    answers: Analysis
    claims: Mapping[str, Claim]
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    subjects: Mapping[str, Subject] = field(default_factory=dict)
    parties: Mapping[str, Party] = field(default_factory=dict)
    fresh: frozenset[str] | None = None
    """The claims that are new or changed, one of which every question is about; ``None`` for all."""

    fresh_others: frozenset[str] | None = None
    """The parties and subjects that are new or changed; ``None`` for all."""

    stale: Mapping[str, str] = field(default_factory=dict)
    """Tallies that no longer count what they say, with what they would count now."""

    @cached_property
    def standing(self) -> list[str]:
        """The claims neither retracted nor superseded, in the order they became known."""
        known = self.answers.graph.known_by
        keys = (key for key in self.claims if key in known and self.answers.revisions.counts(key))
        return sorted(keys, key=lambda key: (known[key], key))

    def known(self, key: str) -> int:
        """Return the day by which a claim was known."""
        return self.answers.graph.known_by[key]

    def compared(self, left: str, right: str) -> list[Comparison]:
        """Return every pair of figures that two claims hold, compared."""
        return list(compare(self.claims[left], self.claims[right], vocabulary=self.vocabulary))

    @cached_property
    def _words(self) -> dict[str, list[str]]:
        return {}

    def words(self, key: str) -> list[str]:
        """Return the folded words of a claim's statement, of a very long one those at its beginning."""
        if key not in self._words:
            self._words[key] = words_of(self.claims[key].statement[:MOST_COMPARED])
        return self._words[key]

    def alike(self, left: str, right: str) -> float:
        """Return how alike two statements are, whatever the order of their words, from 0 to 1."""
        left_words, right_words = self.words(left), self.words(right)
        return float(fuzz.token_sort_ratio(" ".join(left_words), " ".join(right_words))) / 100

    def shared(self, left: str, right: str) -> float:
        """Return what share of the shorter statement's words that tell something the other has."""
        left_words, right_words = (telling(self.words(key)) for key in (left, right))
        shorter = min(len(left_words), len(right_words))
        return len(left_words & right_words) / shorter if shorter else 0.0

    def one_matter(self, left: str, right: str) -> bool:
        """Whether two claims are about one subject, or one's subject lies under the other's."""
        left_subject, right_subject = self.claims[left].subject, self.claims[right].subject
        return left_subject in self._up(right_subject) or right_subject in self._up(left_subject)

    def root_subject(self, subject: str) -> str:
        """Return the widest subject that a subject lies under."""
        return self._up(subject)[-1]

    def _up(self, subject: str) -> list[str]:
        above: list[str] = []
        at: str | None = subject
        while at is not None and at not in above:
            above.append(at)
            narrower = self.subjects.get(at)
            at = narrower.broader if narrower else None
        return above

    def one_voice(self, left: str, right: str) -> bool:
        """Whether two claims share a claimant."""
        graph = self.answers.graph.claims
        return not set(graph[left].claimants).isdisjoint(graph[right].claimants)

    def draws_on(self, left: str, right: str) -> bool:
        """Whether a claim cites a source that speaks for who makes the other, and not for itself."""
        graph = self.answers.graph
        claim, first = graph.claims[left], graph.claims[right]
        published = {
            s for s in claim.sources if graph.sources.get(s) and graph.sources[s].publisher
        }
        return any(
            graph.speaks_for(source, first) and not graph.speaks_for(source, claim)
            for source in published
        )

    def linked(self, left: str, right: str) -> bool:
        """Whether two claims say the same already, or any link joins their assertions."""
        asserted = self.answers.assertions
        left_assertion, right_assertion = asserted.of[left], asserted.of[right]
        return (
            left_assertion == right_assertion or (left_assertion, right_assertion) in self._joined
        )

    @cached_property
    def _joined(self) -> set[tuple[str, str]]:
        of = self.answers.assertions.of
        ends = [
            (of[link.from_], of[link.to])
            for link in self.answers.graph.links
            if link.to_kind == "claim" and link.to in of
        ]
        return {*ends, *((to, from_) for from_, to in ends)}

    def evidence_digest(self, rule: str, kind: str, *keys: str) -> str:
        """Return a digest of what a question about some records rests on."""
        parts: Mapping[str, object] = {
            "claim": self.claims, "party": self.parties, "subject": self.subjects
        }[kind]  # fmt: skip
        lines = [rule, *(f"{key} {parts[key]!r}" for key in sorted(keys))]
        return sha256("\n".join(lines).encode()).hexdigest()[:16]


_COMMON = frozenset(
    "a an and are as at be been by for from had has have in into is it its of on or than that the their "
    "there these they this to was were which who will with de la le les der die das und von im".split()
)


_STEM = 5


def telling(words: Iterable[str]) -> set[str]:
    """Return the words of a statement that say something, cut short: marched and marchers are one."""
    return {word[:_STEM] for word in words if word not in _COMMON}


Judge = Callable[[RuleContext, str, str], "Proposal | None"]
"""Looks at two claims, the first known first, and asks or does not."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its name, what it asks in general, and how it finds what to ask."""

    name: str
    meaning: str
    judge: Judge | None = None
    """How it looks at a pair of claims; a rule that looks at other things finds them itself."""

    find: Callable[[RuleContext], Iterator[Proposal]] | None = None
