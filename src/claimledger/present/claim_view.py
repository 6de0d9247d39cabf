"""A claim as a report shows it: every field in words, its citations, and its standing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.flags import flags
from claimledger.present import phrases
from claimledger.records.link import Link
from claimledger.records.review import Review
from claimledger.services.record_cache import RecordCache
from claimledger.services.visibility import links_in_view

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView


@dataclass(frozen=True, slots=True, kw_only=True)
class CitationView:
    """One citation in words."""

    source: str
    title: str
    url: str
    dated: str
    via: tuple[str, ...]
    locator: str
    quote: str
    quoted_from: str
    """The source the quote is of: the one actually read."""


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A claim in words."""

    key: str
    statement: str
    who: str
    subject: str
    when: str
    about: str
    figures: str
    grounds: str
    scope: str
    note: str
    standing: str
    why: str
    at_least: int
    at_most: int
    origins: str
    flags: tuple[str, ...]
    seen: tuple[CitationView, ...]
    reviews: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the claim as an object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Reply:
    """A claim that answers or supports another, with the link's reason."""

    key: str
    who: str
    statement: str
    type: str
    reason: str


class ClaimViews:
    """Returns claims in words for one page, with few queries."""

    def __init__(self, view: LedgerView, answers: Analysis, names: RecordCache) -> None:
        self._view = view
        self._answers = answers
        self._names = names
        self._pointing: dict[str, list[Any]] = {}

    def learn(self, keys: Iterable[str]) -> None:
        """Look up claims, and everything they refer to, in a few queries."""
        unique = list(dict.fromkeys(keys))
        self._names.learn("claim", unique)
        claims = [self._names.claim(key) for key in unique]
        self._names.learn("party", [party for claim in claims for party in claim.claimant])
        self._names.learn("subject", [claim.subject for claim in claims])
        cited = [citation for claim in claims for citation in claim.citations]
        self._names.learn("source", [key for c in cited for key in (c.source, *c.via)])
        self._pointing |= self._view.references_to("claim", unique)
        links = [
            reference.key
            for key in unique
            for reference in self._pointing[key]
            if reference.kind == "link"
        ]
        self._names.learn("link", links)
        replies = [link.from_ for key in links if (link := self._link(key))]
        self._names.learn("claim", replies)

    def _link(self, key: str) -> Link | None:
        stored = self._names.find("link", key)
        return stored.record if stored and isinstance(stored.record, Link) else None

    def view_of(self, key: str) -> ClaimView:
        """Return a claim in words."""
        claim, answers = self._names.claim(key), self._answers
        origins = answers.origins(key)
        return ClaimView(
            key=key,
            statement=claim.statement,
            who=self._names.claimants(claim),
            subject=self._names.subject(claim.subject),
            when=phrases.when(claim, answers.graph.known_by[key]),
            about=str(claim.about) if claim.about else "",
            figures=phrases.figures(claim),
            grounds=phrases.GROUNDS[claim.grounds],
            scope=", ".join(f"{name}: {text}" for name, text in claim.scope.items()),
            note=claim.note or "",
            standing=answers.standing(key),
            why=phrases.standing(answers, key, self._names),
            at_least=origins.at_least,
            at_most=origins.at_most,
            origins=phrases.origins(origins),
            flags=tuple(str(flag) for flag in flags(answers, key)),
            seen=tuple(self._seen(key)),
            reviews=tuple(self._reviews(key)),
        )

    def _seen(self, key: str) -> Iterator[CitationView]:
        for citation in self._names.claim(key).citations:
            source = self._names.source(citation.source)
            yield CitationView(
                source=citation.source,
                title=self._names.title(citation.source),
                url=(source.url or "") if source else "",
                dated=str(source.published) if source and source.published else "",
                via=citation.via,
                locator=citation.locator or "",
                quote=citation.quote or "",
                quoted_from=citation.read,
            )

    def _pointing_at(self, key: str) -> list[Any]:
        if key not in self._pointing:
            self.learn([key])
        return self._pointing[key]

    def _reviews(self, key: str) -> Iterator[str]:
        entries = [
            reference.entry for reference in self._pointing_at(key) if reference.kind == "review"
        ]
        for stored in self._view.at_entries(entries).values() if entries else ():
            if isinstance(stored.record, Review) and phrases.out_by(
                stored.record.reviewed, self._view.as_of
            ):
                review = stored.record
                summary = f": {review.summary}" if review.summary else ""
                yield phrases.review(review, self._names) + summary

    def replies(self, key: str, kind: str) -> list[Reply]:
        """Return the claims that answer or support a claim."""
        replies = []
        pointing = [
            reference
            for reference in self._pointing_at(key)
            if reference.kind == "link" and reference.field == "to"
        ]
        links = {
            reference.entry: link for reference in pointing if (link := self._link(reference.key))
        }
        matching = [entry for entry, link in links.items() if link.type == kind]
        seen = links_in_view(self._view, matching)
        for entry in matching:
            link = links[entry]
            if entry in seen and self._names.find("claim", link.from_) is not None:
                claim = self._names.claim(link.from_)
                who = self._names.claimants(claim)
                replies.append(
                    Reply(
                        key=link.from_,
                        who=who,
                        statement=claim.statement,
                        type=kind,
                        reason=link.reason or "",
                    )
                )
        return replies
