"""The contested-claims report: every claim under attack, with everything needed to check it.

:func:`report` builds the value; ``render`` writes it. Attacks that a source states and attacks that the
recorder inferred are distinguished and counted separately. The same ledger gives the same report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.controversies import controversies
from claimledger.analysis.dispositions import DisputeState, states
from claimledger.analysis.disputes import Dispute, attackers_origins, disputes
from claimledger.analysis.flags import FLAGS
from claimledger.analysis.standing import STANDINGS, Standing
from claimledger.present import phrases
from claimledger.present.claim_view import ClaimView, ClaimViews, Reply
from claimledger.present.comparison_view import FigureComparisons
from claimledger.records.dates import day_text
from claimledger.records.graph_data import LinkEdge
from claimledger.records.link import RELATIONS
from claimledger.services.dispositions import dispositions
from claimledger.services.record_cache import RecordCache

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackView:
    """One attack: by which claim, of which type, on what grounds, stated or judged."""

    attacker: ClaimView
    at: str
    """The claim (or source) it is aimed at."""

    type: str
    link: str
    basis: str
    reason: str
    part: str
    seen: tuple[str, ...]
    compared: str
    """The relation of the two claims' figures, if both have one."""

    past: bool

    def sentence(self, section: DisputeSection) -> str:
        """Return what the attacking claim does, as its section shows it, and who says so."""
        if section.source:
            target = "the source"
        else:
            target = "it" if self.at == section.head else phrases.named("claim", [self.at])
        formerly = "formerly: " if self.past else ""
        return f"{formerly}{phrases.attack(self.type, target)} ({phrases.basis(self.basis)})"


SOURCE_CRITICISED = (
    "The source is criticised; no record says that its critics disputed each of the claims in it."
)

CLAIM_LISTS = {
    "beside": "Also contested, as they say the same as a claim that contradicts it",
    "reached": "Also contested, as they rest on it",
    "questioned": "Attribution in question: they cite it, but it is not their claimant's own",
}
"""The lists of further claims in a section, in the order in which every format shows them."""

REPLY_LISTS = {"replies": "Answered by", "supports": "Supported by"}
"""The lists of replies in a section."""


@dataclass(frozen=True, slots=True)
class DisputeSection:
    """One dispute."""

    key: str
    head: str
    title: str
    source: bool
    url: str
    since: str
    last: str
    """The day by which its last activity was known."""

    state: str
    """``open``, ``reopened``, or the name of the ending with which it was closed."""

    state_told: str
    controversy: str
    """The key of the controversy it is part of."""

    claims: tuple[ClaimView, ...]
    against: tuple[AttackView, ...]
    stated: int
    judged: int
    origins: str
    attackers_origins: str
    beside: tuple[ClaimView, ...]
    reached: tuple[ClaimView, ...]
    questioned: tuple[ClaimView, ...]
    replies: tuple[Reply, ...]
    supports: tuple[Reply, ...]

    @property
    def attack_kinds(self) -> set[str]:
        """The types of the links by which it is attacked now."""
        return {attack.type for attack in self.against if not attack.past}

    @property
    def bases(self) -> str:
        """Who says that the claims are at odds, as a sentence; empty if no attack counts now."""
        noun = phrases.attack_noun(self.attack_kinds)
        return phrases.bases(self.stated, self.judged, noun) if self.attack_kinds else ""


@dataclass(frozen=True, slots=True)
class SharedAttack:
    """A controversy: disputes that share claims, and the claims that they share."""

    key: str
    disputes: tuple[str, ...]
    claims: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A record that was amended, withdrawn or redacted."""

    entry: int
    when: str
    action: str
    kind: str
    key: str
    reason: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEntry:
    """A source that the report cites."""

    key: str
    title: str
    authors: tuple[str, ...]
    publisher: str
    published: str
    accessed: str
    removed: str
    url: str
    note: str


@dataclass(frozen=True, slots=True)
class Report:
    """The contested-claims report."""

    subject: str
    as_of: str
    size: int
    root: str
    recorded: int
    under_attack: int
    disputes: tuple[DisputeSection, ...]
    controversies: tuple[SharedAttack, ...]
    criticised: tuple[DisputeSection, ...]
    stated: int
    judged: int
    standings: dict[str, int]
    corrections: tuple[Correction, ...]
    corrections_since: str
    sources: tuple[SourceEntry, ...]
    method: tuple[tuple[str, str], ...]
    flags: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    pictures: tuple[str, ...] = ()
    """Diagrams for a page; no other format shows them."""

    def as_json(self) -> dict[str, Any]:
        """Return the report as one object with stable names."""
        plain = asdict(self)
        del plain["pictures"]
        return plain

    @property
    def summary(self) -> list[str]:
        """The report in a few sentences; cases that do not occur are left out."""
        return [*self._summary_of_disputes(), *self._summary_of_others()]

    def _summary_of_disputes(self) -> Iterator[str]:
        about = f" about {self.subject}" if self.subject else ""
        sources = len(self.criticised)
        if not self.under_attack and not sources:
            yield f"None of {self.recorded:,} claims{about} is disputed."
            return
        number = f"{self.under_attack:,}" if self.under_attack else "None"
        are = "are" if self.under_attack > 1 else "is"
        disputed = f"{number} of {self.recorded:,} claims{about} {are} disputed"
        if self.disputes:
            disputed += f", in {phrases.count(len(self.disputes), 'dispute')}"
        if sources:
            are = "is" if sources == 1 else "are"
            disputed += f"; {phrases.count(sources, 'source')} {are} criticised"
        yield disputed + "."
        if self.stated or self.judged:
            sections = (*self.disputes, *self.criticised)
            kinds = {kind for section in sections for kind in section.attack_kinds}
            yield phrases.bases(self.stated, self.judged, phrases.attack_noun(kinds))

    def _summary_of_others(self) -> Iterator[str]:
        cases = (
            ("corroborated", "is", "are", "corroborated by independent origins"),
            ("single-origin", "rests", "rest", "on a single origin"),
            ("origin-unclear", "has", "have", "several voices that may not be independent"),
        )
        parts = [
            f"{number:,} {one_claim if number == 1 else several} {what}"
            for name, one_claim, several, what in cases
            if (number := self.standings.get(name, 0))
        ]
        if parts:
            yield f"Of the other claims, {phrases.series(parts)}."


def report(
    view: LedgerView,
    *,
    subject: str | None = None,
    since: int | None = None,
    since_said: str = "",
    corrections: bool = True,
) -> Report:
    """Return the report on a whole ledger or on a subject with its narrower ones.

    ``since`` is the entry after which corrections are listed.
    """
    alone = 0
    if subject is not None:
        key = view.get("subject", subject).key
        answers, claims = view.analysis_about(key)
        scope = sorted(claims)
    else:
        answers = view.linked_analysis()
        scope = list(answers.graph.claims)
        if view.as_of is None:
            # Claims without links or criticism stand alone: they are counted without being read.
            alone = view.counts()["claim"] - len(scope)
    reporter = _Reporter(view, answers)
    after = (since or 0) if corrections else view.head().size
    return reporter.report(subject, scope, alone, after, since_said)


class _Reporter:
    """Gathers one report."""

    def __init__(self, view: LedgerView, answers: Analysis) -> None:
        self._view = view
        self._answers = answers
        self._names = RecordCache(view)
        self._claims = ClaimViews(view, answers, self._names)
        self._comparing = FigureComparisons(view, answers.graph, self._names)
        self._states: dict[str, DisputeState] = {}
        self._controversy: dict[str, str] = {}
        self._shown: dict[str, ClaimView] = {}

    def report(
        self, subject: str | None, scope: list[str], alone: int,
        since: int, since_said: str) -> Report:  # fmt: skip
        answers = self._answers
        inside = set(scope)
        all_disputes = [dispute for dispute in disputes(answers) if self._concerns(dispute, inside)]
        laid = dispositions(self._view)
        self._states = states(all_disputes, answers.graph, laid)
        maps = controversies(all_disputes)
        self._controversy = {
            dispute.key: controversy.key for controversy in maps for dispute in controversy.disputes
        }
        self._claims.learn(key for dispute in all_disputes for key in self._all_claims(dispute))
        sections = [self._section(dispute) for dispute in all_disputes]
        attacked = [key for key in scope if answers.attacks.contested(key)]
        links = {link.key: link.basis for dispute in all_disputes for link in dispute.links}
        head = self._view.head()
        calm = Counter(answers.standing(key) for key in scope if not answers.attacks.contested(key))
        calm[Standing.SINGLE_ORIGIN] += alone
        return Report(
            as_of=day_text(self._view.as_of) if self._view.as_of is not None else "",
            subject=self._names.subject(subject) if subject else "",
            size=head.size,
            root=head.root.hex(),
            recorded=len(scope) + alone,
            under_attack=len(attacked),
            disputes=tuple(section for section in sections if not section.source),
            controversies=tuple(
                SharedAttack(
                    controversy.key, tuple(d.key for d in controversy.disputes), controversy.shared
                )
                for controversy in maps
            ),
            criticised=tuple(section for section in sections if section.source),
            stated=sum(basis == "stated" for basis in links.values()),
            judged=sum(basis != "stated" for basis in links.values()),
            standings={name: calm[name] for name in STANDINGS if calm[name]},
            corrections=tuple(self._corrections(since)),
            corrections_since=since_said,
            sources=tuple(self._sources()),
            method=tuple(STANDINGS.items()),
            flags=tuple(FLAGS.items()),
            links=tuple((name, relation.meaning) for name, relation in RELATIONS.items()),
        )

    def _concerns(self, dispute: Dispute, scope: set[str]) -> bool:
        involved = {*dispute.claims, *dispute.attackers, *dispute.reached, *dispute.questioned}
        return not involved.isdisjoint(scope)

    def _all_claims(self, dispute: Dispute) -> Iterable[str]:
        past = (link.from_ for link in dispute.past)
        other_ends = (link.to for link in dispute.past if link.to_kind == "claim")
        return (
            *dispute.claims, *dispute.attackers, *dispute.contested_allies, *dispute.reached,
            *dispute.questioned,
            *past, *other_ends,
        )  # fmt: skip

    def _view_of(self, key: str) -> ClaimView:
        if key not in self._shown:
            self._shown[key] = self._claims.view_of(key)
        return self._shown[key]

    def _section(self, dispute: Dispute) -> DisputeSection:
        answers = self._answers
        against = [self._against(link, dispute, past=False) for link in dispute.links]
        against += [self._against(link, dispute, past=True) for link in dispute.past]
        claims = dispute.claims if not dispute.source else ()
        replied = (*claims, *dispute.attackers)
        source = self._names.source(dispute.head) if dispute.source else None
        state = self._states[dispute.key]
        return DisputeSection(
            key=dispute.key,
            head=dispute.head,
            title=self._names.title(dispute.head)
            if dispute.source
            else self._names.claim(dispute.head).statement,
            source=dispute.source,
            url=(source.url or "") if source else "",
            since=day_text(dispute.since),
            last=day_text(dispute.last),
            state=state.status,
            state_told=phrases.state(state),
            controversy=self._controversy.get(dispute.key, ""),
            claims=tuple(self._view_of(key) for key in dispute.claims),
            against=tuple(against),
            stated=dispute.stated,
            judged=dispute.judged,
            origins="" if dispute.source else phrases.origins(answers.origins(dispute.head)),
            attackers_origins=phrases.origins(attackers_origins(answers, dispute)),
            beside=tuple(self._view_of(key) for key in dispute.contested_allies),
            reached=tuple(self._view_of(key) for key in dispute.reached),
            questioned=tuple(self._view_of(key) for key in dispute.questioned),
            replies=tuple(r for key in replied for r in self._claims.replies(key, "answers")),
            supports=tuple(r for key in replied for r in self._claims.replies(key, "supports")),
        )

    def _against(self, link: LinkEdge, dispute: Dispute, *, past: bool) -> AttackView:
        stored_link = self._names.link(link.key)
        # A contradiction may have been recorded from either side; the side that opposes is the attacker.
        attacker, at = link.from_, link.to
        if link.type == "contradicts" and attacker in dispute.claims and at not in dispute.claims:
            attacker, at = at, attacker
        return AttackView(
            attacker=self._view_of(attacker),
            at=at,
            type=link.type,
            link=link.key,
            basis=link.basis,
            reason=stored_link.reason or "",
            part=stored_link.part or "",
            seen=tuple(
                phrases.reading(citation, self._names) for citation in stored_link.citations
            ),
            compared="" if dispute.source else self._comparing.sentence(at, attacker),
            past=past,
        )

    def _corrections(self, since: int) -> Iterable[Correction]:
        for event in self._view.changes_since(since):
            yield Correction(
                entry=event.entry,
                when=event.recorded_at[:10],
                action={"amend": "amended", "withdraw": "withdrawn", "redact": "redacted"}[
                    event.action
                ],
                kind=event.kind,
                key=event.key,
                reason=event.reason or "",
                changes=tuple(f"{name}: {old!r} → {new!r}" for name, old, new in event.changes),
            )

    def _sources(self) -> Iterable[SourceEntry]:
        used = {
            s
            for claim in self._shown.values()
            for seen in claim.seen
            for s in (seen.source, *seen.via)
        }
        for key in sorted(used):
            source = self._names.source(key)
            if source is not None:
                yield SourceEntry(
                    key=key,
                    title=source.title,
                    authors=source.authors,
                    publisher=self._names.party(source.publisher) if source.publisher else "",
                    published=str(source.published or ""),
                    accessed=str(source.accessed or ""),
                    removed=str(source.removed or ""),
                    url=source.url or "",
                    note=source.note or "",
                )
