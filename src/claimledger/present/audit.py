"""The audit: who said a claim first, how it reached us, and what was said against it.

:func:`audit` builds the value; ``render`` writes it. No part of it loads the whole ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.comparison import RELATIONS, change, most_telling
from claimledger.analysis.lineage import Step, lineage, weakest
from claimledger.present import phrases
from claimledger.present.comparison_view import FigureComparisons
from claimledger.present.derivation_view import computed
from claimledger.records.claim import Claim
from claimledger.records.link import Link
from claimledger.records.review import Review
from claimledger.services.record_cache import RecordCache
from claimledger.services.visibility import links_in_view, require_known

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView

_MOST_OTHERS = 12
_MOST_SUBJECTS = 40
"""The most related subjects that are searched for critics of other sources."""

_MOST_COMPARED = 500
"""The most claims about one subject that are compared: the newest."""


@dataclass(frozen=True, slots=True)
class AuditItem:
    """A line of an audit: the claim or record it is about, and what it says."""

    key: str
    text: str
    detail: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the line as an object."""
        return {
            "key": self.key,
            "text": self.text,
            **({"detail": self.detail} if self.detail else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageStep:
    """One step of the way back."""

    key: str
    depth: int
    when: str
    who: str
    said: str
    rests: str
    """How the claim below rests on this one, and what became of the figure."""

    grounds: str
    seen: tuple[str, ...]
    flags: tuple[str, ...]
    again: bool
    ends: bool

    def as_json(self) -> dict[str, Any]:
        """Return the step as an object."""
        return {name: getattr(self, name) for name in LineageStep.__slots__}


@dataclass(frozen=True, slots=True)
class WeakStep:
    """The weakest step of the way back."""

    claim: str
    why: str
    detail: str
    """What is weak about it, as a sentence."""

    mend: str
    """The command that would improve it."""


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything an audit says about one claim."""

    key: str
    statement: str
    figures: str
    note: str
    standing: str
    answers: dict[str, str | int]
    origins: str
    roots: tuple[str, ...]
    mergers: tuple[str, ...]
    computed: tuple[str, ...]
    """What the claim's formulas and tallies give now."""

    way: tuple[LineageStep, ...]
    trail_ends: tuple[AuditItem, ...]
    same: tuple[AuditItem, ...]
    repeated_by: tuple[AuditItem, ...]
    otherwise: tuple[AuditItem, ...]
    past: tuple[AuditItem, ...]
    replies: tuple[AuditItem, ...]
    supports: tuple[AuditItem, ...]
    critics: tuple[AuditItem, ...]
    other_counts: tuple[AuditItem, ...]
    nearby: tuple[AuditItem, ...]
    reviews: tuple[AuditItem, ...]
    weakest: WeakStep | None
    pictures: tuple[str, ...] = ()
    """Diagrams for a page; no other format shows them."""

    def as_json(self) -> dict[str, Any]:
        """Return the audit as one object with stable names."""
        plain = {name: getattr(self, name) for name in Audit.__slots__ if name not in _STRUCTURED}
        lists = {name: [line.as_json() for line in getattr(self, name)] for name in _LISTS}
        weak = self.weakest
        step = None
        if weak:
            step = {"key": weak.claim, "why": weak.why, "detail": weak.detail, "mend": weak.mend}
        return {
            **{name: value for name, value in plain.items() if name != "answers"},
            **self.answers,
            "way": [step.as_json() for step in self.way],
            **lists,
            "weakest": step,
        }


_LISTS = (
    "trail_ends same repeated_by otherwise past replies supports critics other_counts nearby reviews"
).split()
_STRUCTURED = {*_LISTS, "way", "weakest", "pictures"}


SECTIONS: dict[str, str] = {
    "same": "Also said by",
    "repeated_by": "Repeated by",
    "otherwise": "Disputed by",
    "past": "Disputed in the past by",
    "replies": "Answered by",
    "supports": "Supported by",
    "critics": "Critics of its sources",
    "other_counts": "Other counts, which no link ties to this one",
    "nearby": "Criticism of other sources about this subject",
    "reviews": "Reviews",
}
"""The lists of an audit, in the order in which every format shows them, with their titles."""

NONE_RECORDED: dict[str, str] = {
    "repeated_by": "No recorded claim repeats it.",
    "otherwise": "No recorded claim disputes it.",
}
"""What an audit says in the place of two of its lists if they are empty."""


def audit(view: LedgerView, key: str) -> Audit:
    """Return the audit of a claim: where its figure came from, and what was said against it.

    Raises :class:`NotYetKnownError` if the claim was not known yet by the view's ``as_of``.
    """
    answers = view.analysis([key])
    require_known(answers, key)
    return _Auditor(view, answers, RecordCache(view)).audit(key)


class _Auditor:
    """Gathers one audit."""

    def __init__(self, view: LedgerView, answers: Analysis, names: RecordCache) -> None:
        self.view = view
        self.answers = answers
        self.names = names
        self.comparing = FigureComparisons(view, answers.graph, names)

    def _in_view(self, keys: Iterable[str]) -> set[str]:
        """Return those of some claims that were known by the view's day."""
        claims = set(keys)
        if self.view.as_of is None or not claims:
            return claims
        return claims & self.view.analysis(claims).graph.claims.keys()

    def audit(self, key: str) -> Audit:
        answers, names = self.answers, self.names
        steps = lineage(answers, key)
        names.learn("claim", [step.claim for step in steps])
        claim = names.claim(key)
        origins = answers.origins(key)
        return Audit(
            key=key,
            statement=claim.statement,
            figures=phrases.figures(claim),
            note=claim.note or "",
            standing=phrases.standing(answers, key, names),
            answers=answers.as_json(key),
            origins=phrases.origins(origins),
            roots=tuple(phrases.root(root, names) for root in origins.roots),
            mergers=tuple(
                phrases.merger(merged, names) for merged in (*origins.same, *origins.perhaps)
            ),
            computed=tuple(
                derivation.told for derivation in computed(self.view, answers, key, claim)
            ),
            way=tuple(self._way(step) for step in steps),
            trail_ends=tuple(self._end(step) for step in steps if step.ends and not step.again),
            same=tuple(self._same(key)),
            repeated_by=tuple(self._repeaters(key)),
            otherwise=tuple(self._otherwise(key)),
            past=tuple(self._past(key)),
            replies=tuple(self._linked(key, "answers")),
            supports=tuple(self._linked(key, "supports")),
            critics=tuple(self._critics(steps)),
            other_counts=tuple(self._other_counts(key, claim)),
            nearby=tuple(self._nearby(steps, claim)),
            reviews=tuple(self._reviews(key)),
            weakest=self._weakest(steps),
        )

    def _weakest(self, steps: list[Step]) -> WeakStep | None:
        weak = weakest(self.answers, steps)
        if weak is None:
            return None
        detail = phrases.weakness(weak, self.names.claim(weak.claim), self.names)
        return WeakStep(
            claim=weak.claim, why=weak.why, detail=detail, mend=phrases.weakness_remedy(weak)
        )

    def _way(self, step: Step) -> LineageStep:
        names, claim = self.names, self.names.claim(step.claim)
        rests = ""
        if step.below is not None:
            verb = "repeats" if step.type == "repeats" else "derives from"
            became = change(names.claim(step.below), claim)
            figure = f", {phrases.figure_change(became)}" if became else ""
            rests = f'the claim "{step.below}" {verb} this one{figure} (link "{step.link}")'
        return LineageStep(
            key=step.claim,
            depth=step.depth,
            when=phrases.when(claim, self.answers.graph.known_by[step.claim]),
            who=names.claimants(claim),
            said=phrases.figures(claim) or claim.statement,
            rests=rests,
            grounds=phrases.GROUNDS[claim.grounds],
            seen=tuple(phrases.reading(citation, names) for citation in claim.citations),
            flags=tuple(str(flag) for flag in step.flags),
            again=step.again,
            ends=step.ends,
        )

    def _end(self, step: Step) -> AuditItem:
        return AuditItem(step.claim, phrases.trail_end(self.names.claim(step.claim), self.names))

    def _line(self, key: str, detail: str = "") -> AuditItem:
        claim = self.names.claim(key)
        date = phrases.in_words(phrases.when(claim, self.answers.graph.known_by[key]))
        what = phrases.figures(claim) or claim.statement
        return AuditItem(key, f"{self.names.claimants(claim)}, {date}: {what}", detail)

    def _same(self, key: str) -> Iterator[AuditItem]:
        members = self.answers.assertions.members[self.answers.assertions.of[key]]
        repeating = self._all_repeaters(key)
        above = {step.claim for step in lineage(self.answers, key)}
        for member in members:
            if member != key and member not in repeating and member not in above:
                yield self._line(member)

    def _all_repeaters(self, key: str) -> set[str]:
        repeaters: set[str] = set()
        stack = [key]
        while stack:
            for link in self.answers.graph.to("repeats", stack.pop()):
                if link.from_ not in repeaters and link.from_ != key:
                    repeaters.add(link.from_)
                    stack.append(link.from_)
        return repeaters

    def _repeaters(self, key: str) -> Iterator[AuditItem]:
        known = self.answers.graph.known_by
        for repeater in sorted(
            self._all_repeaters(key), key=lambda repeater: (known[repeater], repeater)
        ):
            became = change(self.names.claim(repeater), self.names.claim(key))
            yield self._line(repeater, phrases.figure_change(became) if became else "")

    def _otherwise(self, key: str) -> Iterator[AuditItem]:
        for attack in self.answers.attacks.on(key):
            if attack.source is None:
                what = phrases.attack_on_claim(attack, self.answers, key)
                detail = f'{what} ({phrases.basis(attack.link.basis)}; link "{attack.link.key}")'
                compared = self.comparing.sentence(attack.at, attack.attacker)
                yield self._line(attack.attacker, f"{detail}. {compared}" if compared else detail)
        for need in self.answers.attacks.through.get(key, ()):
            for alternative in need.alternatives:
                yield self._line(
                    alternative, "the claim rests on this, which is contested or retracted"
                )

    def _past(self, key: str) -> Iterator[AuditItem]:
        for attack in self.answers.attacks.past.get(key, ()):
            what = phrases.attack_on_claim(attack, self.answers, key)
            why = self.answers.standing(attack.attacker)
            yield self._line(attack.attacker, f"{what}, but no longer counts: it is {why}")

    def _linked(self, key: str, kind: str) -> Iterator[AuditItem]:
        """Yield the claims that answer or support this one; the graph leaves these links out."""
        pointing = self.view.references_to("claim", [key]).get(key, [])
        entries = [
            reference.entry
            for reference in pointing
            if reference.kind == "link" and reference.field == "to"
        ]
        records = self.view.at_entries(entries)
        links = {
            entry: stored.record
            for entry, stored in records.items()
            if isinstance(stored.record, Link) and stored.record.type == kind
        }
        seen = links_in_view(self.view, links)
        for entry, link in links.items():
            stored = self.names.find("claim", link.from_) if entry in seen else None
            if stored and isinstance(stored.record, Claim):
                who = self.names.claimants(stored.record)
                text = phrases.said_by(who, stored.record.statement)
                yield AuditItem(link.from_, text, link.reason or "")

    def _critics(self, steps: list[Step]) -> Iterator[AuditItem]:
        seen: set[tuple[str, str]] = set()
        for step in steps:
            claim = self.answers.graph.claims[step.claim]
            for source in claim.sources:
                for link in self.answers.graph.critics(source):
                    if (link.from_, source) in seen or link.from_ == step.claim:
                        continue
                    seen.add((link.from_, source))
                    hits = any(a.link.key == link.key for a in self.answers.attacks.on(step.claim))
                    cited = phrases.source_named(source, self.names)
                    detail = f'criticises {cited}; the claim "{step.claim}" '
                    detail += (
                        "rests on it" if hits else "cites it, but it is not its claimant's own"
                    )
                    yield self._line(link.from_, detail)

    def _other_counts(self, key: str, claim: Claim) -> Iterator[AuditItem]:
        """Yield figures of other claims about the same subject, the most telling comparison first."""
        # Claims that repeat this one, are repeated by it or attack it are shown elsewhere, and are not
        # independent counts. ``claims_about`` knows only the ledger's clock, so ``_in_view`` removes claims
        # that were not known by the day of the view: once for all candidates, because it loads the graph
        # around them.
        if not claim.figures:
            return
        apart = {key, *self._all_repeaters(key), *(s.claim for s in lineage(self.answers, key))}
        apart |= {attack.attacker for attack in self.answers.attacks.on(key)}
        order = list(RELATIONS)
        candidates = []
        for stored in self.view.claims_about([claim.subject], _MOST_COMPARED):
            record = stored.record
            if stored.key in apart or not isinstance(record, Claim) or not record.figures:
                continue
            pair = most_telling(self.comparing.of(key, claim, stored.key, record))
            if pair is not None:
                detail = phrases.relation_of_count(pair)
                candidates.append((order.index(pair.relation), stored.key, record, detail))
        seen = self._in_view(other_key for _, other_key, _, _ in candidates)
        candidates = [candidate for candidate in candidates if candidate[1] in seen]
        self.names.learn(
            "party", [party for _, _, claim, _ in candidates for party in claim.claimant]
        )
        for _, other_key, record, relation in sorted(
            candidates, key=lambda candidate: candidate[:2]
        )[:_MOST_OTHERS]:
            who = self.names.claimants(record)
            date = phrases.in_words(str(record.asserted)) if record.asserted else ""
            attribution = f"{who}, {date}" if date else who
            yield AuditItem(other_key, f"{phrases.figures(record)} ({attribution})", relation)

    def _nearby(self, steps: list[Step], claim: Claim) -> Iterator[AuditItem]:
        """Yield criticisms of other sources about the same subject, which no link ties to this claim."""
        own = {s for step in steps for s in self.answers.graph.claims[step.claim].sources}
        root_subject = self.view.root_subject(claim.subject)
        subjects = self.view.narrower_subjects(root_subject, _MOST_SUBJECTS)
        already: set[tuple[str, str]] = set()
        records = [stored.record for stored in self.view.critics_about(subjects)]
        links = [link for link in records if isinstance(link, Link) and link.to.key not in own]
        seen = self._in_view(link.from_ for link in links)
        for link in links:
            critic = self.names.find("claim", link.from_) if link.from_ in seen else None
            if critic is None or not isinstance(critic.record, Claim):
                continue
            who = self.names.claimants(critic.record)
            if (who, link.to.key) not in already:
                already.add((who, link.to.key))
                asserted = critic.record.asserted
                date = f", {phrases.in_words(str(asserted))}" if asserted else ""
                text = f"{who}{date}: criticises {phrases.source_named(link.to.key, self.names)}"
                yield AuditItem(link.from_, text, "no link ties this criticism to the claim")

    def _reviews(self, key: str) -> Iterator[AuditItem]:
        pointing = self.view.references_to("claim", [key]).get(key, [])
        entries = [reference.entry for reference in pointing if reference.kind == "review"]
        for stored in self.view.at_entries(entries).values():
            if isinstance(stored.record, Review) and phrases.out_by(
                stored.record.reviewed, self.view.as_of
            ):
                text = phrases.review(stored.record, self.names)
                yield AuditItem(stored.key, text, stored.record.summary or "")
