"""Everything odd in a ledger, by kind and severity, each with the command that would mend it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.flags import FLAGS, flags
from claimledger.analysis.impact import ImpactIndex
from claimledger.present.derivation_view import computed
from claimledger.records.claim import Claim
from claimledger.records.dates import Date
from claimledger.records.number_words import find_values
from claimledger.records.review import Review
from claimledger.records.source import Source
from claimledger.text.unicode import nfc

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView, StoredRecord

Severity = Literal["grave", "notable", "minor"]

MANY = 5
"""From this number of claims on, an origin is reported as carrying many."""

KINDS: dict[str, tuple[Severity, str]] = {
    "wrong clock": ("grave", "entries are dated ahead of this machine's clock"),
    "circular": ("grave", FLAGS["circular"]),
    "anachronism": ("grave", FLAGS["anachronism"]),
    "at odds": ("grave", FLAGS["at odds"]),
    "before the fact": ("grave", FLAGS["before the fact"]),
    "formula fails": ("grave", "what it is computed from does not give its figure, or fell"),
    "tally stale": ("grave", "what it counted has changed"),
    "one name, two terms": ("grave", "two terms claim the same name; the first is taken"),
    "every claim contested": ("notable", "every claim of its own in a source is contested"),
    "carries many": ("notable", f"one origin carries {MANY} other claims or more"),
    "quote without its figure": (
        "notable",
        "a quote holds numbers, and none that the claim states",
    ),
    "review of a fallen claim": (
        "notable",
        "a review rates a claim that was taken back or replaced",
    ),
    "said after publication": (
        "notable",
        "a claim is dated after a source it is seen in was published",
    ),
    "published later": ("notable", "a source is dated after the day it was recorded"),
    "attribution questioned": ("notable", FLAGS["attribution questioned"]),
    "attributed by": ("notable", FLAGS["attributed by"]),
    "removed source": ("notable", FLAGS["removed source"]),
    "second-hand": ("minor", FLAGS["second-hand"]),
    "unstated": ("minor", FLAGS["unstated"]),
    "not checked": ("minor", FLAGS["not checked"]),
    "undated source": ("minor", FLAGS["undated source"]),
    "no capture": ("minor", FLAGS["no capture"]),
}
"""Every kind of oddity with its severity and what it means, the gravest first."""


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One odd thing: its kind, the record it is about, what is odd, what would mend it."""

    kind: str
    severity: Severity
    key: str
    told: str
    mend: str

    def as_json(self) -> dict[str, Any]:
        """Return the oddity as an object."""
        return asdict(self)


def oddities(view: LedgerView, answers: Analysis, keys: Iterable[str]) -> list[LintFinding]:
    """Return what is odd about some claims and what they depend on, the gravest first."""
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
        yield from self._of_loads()
        yield from self._of_reviews()
        yield from self._of_terms()

    def _of_clock(self) -> Iterator[LintFinding]:
        """Yield the end of the log, where a clock that was ahead dated it: it stays so for good."""
        ahead = self._view.dated_ahead()
        if ahead is None:
            return
        after = ahead.last - ahead.first
        more = f" and the {after:,} after it are" if after else " is"
        message = (
            f"entry {ahead.first}{more} dated {ahead.moment[:10]} or later: the clock that wrote it, or "
            "this one, is wrong; a claim there without a date of its own counts as known only from then"
        )
        mend = f'claimledger changes --since "#{ahead.first - 1}"'
        yield self._made("wrong clock", f"#{ahead.first}", message, mend)

    def _made(self, kind: str, key: str, message: str, mend: str) -> LintFinding:
        return LintFinding(kind, KINDS[kind][0], key, message, mend)

    def _of_claims(self) -> Iterator[LintFinding]:
        """Yield what the flags say; what is about a source once for the source."""
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
                        message = f"{', '.join(loop)} rest on each other"
                        yield self._made("circular", key, message, f"claimledger show {key}")
                else:
                    about = f" ({', '.join(flag.about)})" if flag.about else ""
                    yield self._made(
                        flag.kind, key, FLAGS[flag.kind] + about, self._mend(flag.kind, key)
                    )
        for (kind, source), claims in by_source.items():
            more = f" and {len(claims) - 3:,} more" if len(claims) > 3 else ""
            message = f"cited for {', '.join(claims[:3])}{more}"
            yield self._made(kind, source, message, _SOURCE_MENDS[kind].format(key=source))

    def _mend(self, kind: str, key: str) -> str:
        source = self._answers.graph.claims[key].sources[0]
        return {
            "second-hand": f"claimledger cite {key} {source} --grounds ...",
            "not checked": f'claimledger amend {key} --set grounds=... --reason "..."'
            if not self._answers.graph.claims[key].second_hand
            else f"claimledger cite {key} {source} --grounds ...",
            "unstated": f'claimledger amend {key} --set grounds=... --reason "..."',
            "attributed by": f"claimledger cite {key} SOURCE",
            "anachronism": f'claimledger amend {key} --set asserted=... --reason "..."',
            "before the fact": f'claimledger amend {key} --set about=... --reason "..."',
        }.get(kind, f"claimledger show {key}")

    def _of_records(self) -> Iterator[LintFinding]:
        """Yield what only the whole record shows: formulas, tallies, quotes."""
        for key, stored in self._claims.items():
            claim = stored.record
            assert isinstance(claim, Claim)
            for derivation in computed(self._view, self._answers, key, claim):
                if not derivation.holds:
                    kind = "tally stale" if derivation.tally else "formula fails"
                    mend = f'claimledger amend {key} --set figures=... --reason "..."'
                    yield self._made(kind, key, derivation.told, mend)
            if quote := _quote_elsewhere(claim):
                mend = f'claimledger amend {key} --set citations=... --reason "..."'
                yield self._made("quote without its figure", key, f"“{quote}”", mend)

    def _of_publication(self) -> Iterator[LintFinding]:
        """Yield the dates that cannot be: a year that was mistyped, mostly."""
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
                told_by = published.get(citation.source)
                if _is_after(claim.asserted, told_by):
                    message = (
                        f"said {claim.asserted}, and seen in {citation.source}, published {told_by}"
                    )
                    mend = f'claimledger amend {key} --set asserted=... --reason "..."'
                    yield self._made("said after publication", key, message, mend)
        for key, date in published.items():
            recorded = sources[key].recorded_at[:10]
            # A day more: where the source was published, it may have been tomorrow.
            if date.earliest is not None and date.earliest > _day(recorded) + 1:
                message = f"published {date}, and recorded {recorded}"
                mend = f'claimledger amend {key} --set published=... --reason "..."'
                yield self._made("published later", key, message, mend)

    def _of_sources(self) -> Iterator[LintFinding]:
        """Yield the sources every one of whose own claims is contested."""
        by_source: dict[str, list[str]] = defaultdict(list)
        for key in self._keys:
            if self._answers.revisions.counts(key):
                for source in self._answers.graph.own_sources(self._answers.graph.claims[key]):
                    by_source[source].append(key)
        for source, claims in by_source.items():
            if len(claims) > 1 and all(map(self._answers.attacks.contested, claims)):
                message = f"all {len(claims):,} of its own claims are contested"
                mend = f"claimledger list --source {source}"
                yield self._made("every claim contested", source, message, mend)

    def _of_loads(self) -> Iterator[LintFinding]:
        keys = set(self._keys)
        for load in ImpactIndex(self._answers).heaviest():
            if load.others < MANY:
                break
            if load.kind == "claim" and load.key in keys:
                message = f"{load.others:,} other claims have no other origin"
                mend = f"claimledger load-bearing {load.key}"
                yield self._made("carries many", load.key, message, mend)

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
            mend = f'claimledger withdraw {key} --reason "..."'
            if now not in keys:
                continue
            if claim in replaced:
                message = f"it rates {claim}, which was replaced by {now}"
                yield self._made("review of a fallen claim", key, message, mend)
            elif not self._answers.revisions.counts(now):
                message = f"it rates {now}, which is {self._answers.standing(now)}"
                yield self._made(
                    "review of a fallen claim", key, message, f"claimledger show {now}"
                )

    def _of_terms(self) -> Iterator[LintFinding]:
        holders: dict[tuple[str, str], list[str]] = defaultdict(list)
        for stored in self._view.records("term"):
            term = stored.record.as_json()
            for name in dict.fromkeys((term["label"], *term.get("aliases", ()))):
                holders[term["of"], nfc(name)].append(stored.key)
        for (scheme, name), keys in holders.items():
            if len(keys) > 1:
                message = f"{scheme} {name} is a name of {', '.join(keys)}"
                mend = f'claimledger withdraw {keys[1]} --replaced-by {keys[0]} --reason "..."'
                yield self._made("one name, two terms", keys[1], message, mend)


_SOURCE_MENDS = {
    "undated source": 'claimledger amend {key} --set published=... --reason "..."',
    "removed source": 'claimledger amend {key} --set archive_url=... --reason "..."',
    "no capture": "claimledger import FILE, with a record of kind capture for {key}",
}


def _is_after(date: Date | None, later_than: Date | None) -> bool:
    """Whether every day that a date can mean comes after every day that another can."""
    if date is None or later_than is None or date.earliest is None or later_than.latest is None:
        return False
    return date.earliest > later_than.latest


def _day(text: str) -> int:
    return Date.of(text).earliest or 0


def _quote_elsewhere(claim: Claim) -> str:
    """Return a quote with numbers, none of which the claim states; empty if there is none."""
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
