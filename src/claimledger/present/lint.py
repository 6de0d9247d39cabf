"""Everything odd in a ledger, by kind and severity, each with a command that would fix it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.flags import ABOUT, FLAGS, flags
from claimledger.analysis.impact import ImpactIndex
from claimledger.present import phrases
from claimledger.present.derivation_view import computed
from claimledger.records import prose_dates
from claimledger.records.claim import Claim
from claimledger.records.dates import Date
from claimledger.records.number_words import find_values
from claimledger.records.review import Review
from claimledger.records.source import Source
from claimledger.text.unicode import nfc

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView, StoredRecord


class Severity(StrEnum):
    """How much a finding matters."""

    GRAVE = "grave"
    NOTABLE = "notable"
    MINOR = "minor"


MANY = 5
"""An origin of this many other claims, or more, is reported as carrying many."""

KINDS: dict[str, tuple[Severity, str]] = {
    "wrong clock": (Severity.GRAVE, "entries are dated ahead of this machine's clock"),
    "circular": (Severity.GRAVE, FLAGS["circular"]),
    "anachronism": (Severity.GRAVE, FLAGS["anachronism"]),
    "at odds": (Severity.GRAVE, FLAGS["at odds"]),
    "before the fact": (Severity.GRAVE, FLAGS["before the fact"]),
    "formula fails": (
        Severity.GRAVE,
        "its formula no longer gives its figure, or a claim in the formula has fallen",
    ),
    "tally stale": (Severity.GRAVE, "the claims that it counted have changed"),
    "one name, two terms": (Severity.GRAVE, "two terms have the same name; the first one is used"),
    "every claim contested": (
        Severity.NOTABLE,
        "every claim that a source makes itself is contested",
    ),
    "carries many": (Severity.NOTABLE, f"{MANY} or more other claims have no other origin"),
    "quote without its figure": (
        Severity.NOTABLE,
        "a quote has numbers, but none that the claim states",
    ),
    "review of a fallen claim": (
        Severity.NOTABLE,
        "a review rates a claim that was taken back or replaced",
    ),
    "said after publication": (
        Severity.NOTABLE,
        "a claim is dated after a source it is seen in was published",
    ),
    "published later": (Severity.NOTABLE, "a source is dated after the day it was recorded"),
    "attribution questioned": (Severity.NOTABLE, FLAGS["attribution questioned"]),
    "attributed by": (Severity.NOTABLE, FLAGS["attributed by"]),
    "removed source": (Severity.NOTABLE, FLAGS["removed source"]),
    "second-hand": (Severity.MINOR, FLAGS["second-hand"]),
    "unstated": (Severity.MINOR, FLAGS["unstated"]),
    "not checked": (Severity.MINOR, FLAGS["not checked"]),
    "undated source": (Severity.MINOR, FLAGS["undated source"]),
    "no capture": (Severity.MINOR, FLAGS["no capture"]),
}
"""Every kind of finding with its severity and its meaning, the gravest first."""


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One odd thing: its kind, the record it is about, what is odd, and a command that would fix it."""

    kind: str
    severity: Severity
    key: str
    told: str
    mend: str

    def as_json(self) -> dict[str, Any]:
        """Return the finding as an object."""
        return asdict(self)


def oddities(view: LedgerView, answers: Analysis, keys: Iterable[str]) -> list[LintFinding]:
    """Return the findings about some claims and the records they depend on, the gravest first."""
    finder = _Finder(view, answers, list(keys))
    order = list(KINDS)
    return sorted(finder.all(), key=lambda finding: (order.index(finding.kind), finding.key))


class _Finder:
    def __init__(self, view: LedgerView, answers: Analysis, keys: list[str]) -> None:
        self._view = view
        self._answers = answers
        self._keys = keys

    @cached_property
    def _claims(self) -> dict[str, StoredRecord]:
        return self._view.get_all("claim", self._keys)

    def all(self) -> Iterator[LintFinding]:
        yield from self._of_clock()
        yield from self._of_claims()
        yield from self._of_records()
        yield from self._of_publication()
        yield from self._of_sources()
        yield from self._of_impact()
        yield from self._of_reviews()
        yield from self._of_terms()

    def _of_clock(self) -> Iterator[LintFinding]:
        """Yield the entries at the end of the log that a clock dated ahead of time; they can never change."""
        ahead = self._view.dated_ahead()
        if ahead is None:
            return
        after = ahead.last - ahead.first
        following = f" and the {after:,} after it are" if after else " is"
        date = phrases.in_words(ahead.moment[:10])
        message = (
            f"entry {ahead.first}{following} dated {date} or later: the clock that wrote it, or this one, is "
            "wrong; a claim there without a date of its own counts as known only from that day on"
        )
        remedy = f'claimledger changes --since "#{ahead.first - 1}"'
        yield self._finding("wrong clock", f"#{ahead.first}", message, remedy)

    def _finding(self, kind: str, key: str, message: str, remedy: str) -> LintFinding:
        return LintFinding(kind=kind, severity=KINDS[kind][0], key=key, told=message, mend=remedy)

    def _of_claims(self) -> Iterator[LintFinding]:
        """Yield a finding for each flag; flags about a source are combined to one finding for the source."""
        by_source: dict[tuple[str, str], list[str]] = defaultdict(list)
        loops: set[str] = set()
        for key in self._keys:
            claim = self._answers.graph.claims[key]
            for flag in flags(self._answers, key):
                if flag.kind in ("undated source", "removed source"):
                    for source in flag.about:
                        by_source[flag.kind, source].append(key)
                elif flag.kind == "no capture":
                    for source in claim.sources:
                        by_source[flag.kind, source].append(key)
                elif flag.kind == "circular":
                    loop = self._answers.dependencies.loop(key)
                    if loop[0] not in loops:
                        loops.add(loop[0])
                        message = f"{phrases.named('claim', loop)} rest on each other"
                        yield self._finding("circular", key, message, f"claimledger show {key}")
                else:
                    about = (
                        f" ({phrases.named(ABOUT[flag.kind], flag.about)})" if flag.about else ""
                    )
                    yield self._finding(
                        flag.kind, key, FLAGS[flag.kind] + about, self._remedy(flag.kind, key)
                    )
        for (kind, source), claims in by_source.items():
            message = f"cited for {phrases.named('claim', claims, 3)}"
            yield self._finding(kind, source, message, phrases.remedy(kind, source=source))

    def _remedy(self, kind: str, key: str) -> str:
        claim = self._answers.graph.claims[key]
        if kind in ("not checked", "unstated") and not claim.second_hand:
            kind = "grounds"
        elif kind == "not checked":
            kind = "second-hand"
        return phrases.remedy(kind, key, claim.sources[0])

    def _of_records(self) -> Iterator[LintFinding]:
        """Yield the findings that need the whole record: formulas, tallies and quotes."""
        for key, stored in self._claims.items():
            claim = stored.record
            assert isinstance(claim, Claim)
            for derivation in computed(self._view, self._answers, key, claim):
                if not derivation.holds:
                    kind = "tally stale" if derivation.tally else "formula fails"
                    yield self._finding(kind, key, derivation.told, phrases.remedy("figures", key))
            if quote := _quote_elsewhere(claim):
                kind = "quote without its figure"
                yield self._finding(kind, key, f"“{quote}”", phrases.remedy(kind, key))

    def _of_publication(self) -> Iterator[LintFinding]:
        """Yield impossible dates; most of them are mistyped years."""
        claims = self._view.resolve_records(self._claims.values())
        cited = {
            citation.source: None
            for stored in claims
            for citation in getattr(stored.record, "citations", ())
        }
        sources = self._view.get_all("source", cited)
        published = {
            key: stored.record.published
            for key, stored in sources.items()
            if isinstance(stored.record, Source) and stored.record.published
        }
        for stored in claims:
            key, claim = stored.key, stored.record
            assert isinstance(claim, Claim)
            for citation in claim.citations:
                date = published.get(citation.source)
                if _is_after(claim.asserted, date):
                    message = (
                        f"asserted {prose_dates.at(str(claim.asserted))}, but seen in the source "
                        f'"{citation.source}", which was published {prose_dates.at(str(date))}'
                    )
                    kind = "said after publication"
                    yield self._finding(kind, key, message, phrases.remedy(kind, key))
        for key, date in published.items():
            recorded = sources[key].recorded_at[:10]
            # One day of tolerance: it may already have been tomorrow where the source was published.
            if date.earliest is not None and date.earliest > _day(recorded) + 1:
                message = f"published {prose_dates.at(str(date))}, but recorded {prose_dates.at(recorded)}"
                remedy = phrases.remedy("undated source", source=key)
                yield self._finding("published later", key, message, remedy)

    def _of_sources(self) -> Iterator[LintFinding]:
        """Yield the sources that make several claims themselves, all of them contested."""
        by_source: dict[str, list[str]] = defaultdict(list)
        for key in self._keys:
            if self._answers.revisions.counts(key):
                for source in self._answers.graph.own_sources(self._answers.graph.claims[key]):
                    by_source[source].append(key)
        for source, claims in by_source.items():
            if len(claims) > 1 and all(map(self._answers.attacks.contested, claims)):
                message = f"all {len(claims):,} claims that it makes itself are contested"
                remedy = f"claimledger list --source {source}"
                yield self._finding("every claim contested", source, message, remedy)

    def _of_impact(self) -> Iterator[LintFinding]:
        keys = set(self._keys)
        for impact in ImpactIndex(self._answers).heaviest():
            if impact.others < MANY:
                break
            if impact.kind == "claim" and impact.key in keys:
                message = f"{impact.others:,} other claims have no other origin"
                remedy = f"claimledger load-bearing {impact.key}"
                yield self._finding("carries many", impact.key, message, remedy)

    def _of_reviews(self) -> Iterator[LintFinding]:
        keys = set(self._keys)
        reviews = [
            (stored.key, stored.record.claim)
            for stored in self._view.records("review")
            if isinstance(stored.record, Review)
        ]
        replaced = self._view.resolve("claim", [claim for _, claim in reviews])
        for key, claim in reviews:
            now = replaced.get(claim, claim)
            kind = "review of a fallen claim"
            if now not in keys:
                continue
            if claim in replaced:
                message = f'it rates the claim "{claim}", which was replaced by the claim "{now}"'
                remedy = f'claimledger withdraw {key} --reason "..."'
                yield self._finding(kind, key, message, remedy)
            elif not self._answers.revisions.counts(now):
                message = f'it rates the claim "{now}", which is {self._answers.standing(now)}'
                yield self._finding(kind, key, message, phrases.remedy(kind, now))

    def _of_terms(self) -> Iterator[LintFinding]:
        holders: dict[tuple[str, str], list[str]] = defaultdict(list)
        for stored in self._view.records("term"):
            term = stored.record.as_json()
            for name in dict.fromkeys((term["label"], *term.get("aliases", ()))):
                holders[term["of"], nfc(name)].append(stored.key)
        for (scheme, name), keys in holders.items():
            if len(keys) > 1:
                message = f"the {scheme} “{name}” is a name of {phrases.named('term', keys)}"
                remedy = f'claimledger withdraw {keys[1]} --replaced-by {keys[0]} --reason "..."'
                yield self._finding("one name, two terms", keys[1], message, remedy)


def _is_after(date: Date | None, later_than: Date | None) -> bool:
    """Whether every day that a date can mean comes after every day that another can."""
    if date is None or later_than is None or date.earliest is None or later_than.latest is None:
        return False
    return date.earliest > later_than.latest


def _day(text: str) -> int:
    return Date.of(text).earliest or 0


def _quote_elsewhere(claim: Claim) -> str:
    """Return a quote with numbers, none of which the claim states; empty if there is no such quote."""
    bounds = {bound for figure in claim.figures for bound in (figure.low, figure.high)} - {None}
    quotes = [citation.quote for citation in claim.citations if citation.quote]
    numbers = [(quote, list(find_values(quote))) for quote in quotes]
    with_numbers = [(quote, values) for quote, values in numbers if values]
    if not bounds or not with_numbers:
        return ""
    if any(
        bound in bounds
        for _, values in with_numbers
        for value in values
        for bound in (value.low, value.high)
    ):
        return ""
    return with_numbers[0][0]
