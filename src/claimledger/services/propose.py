"""Gathering what the rules look at: the whole ledger, or what changed with all that may bear on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.derivations import counted
from claimledger.analysis.graph import graph_of
from claimledger.analysis.proposals.engine import ask
from claimledger.analysis.proposals.rule import Proposal, RuleContext
from claimledger.records.claim import Claim
from claimledger.records.decision import Decision
from claimledger.records.party import Party
from claimledger.records.subject import Subject
from claimledger.services.tally import recounts

if TYPE_CHECKING:
    from claimledger.ledger import Ledger, StoredRecord

NEAREST = 60
"""How many claims of a subject, a claimant, a source are looked at beside a changed one: the newest."""

MOST_LINKED = 2000
"""Claims linked with these, near and far, up to which all of them are looked at."""


def propose(
    ledger: Ledger,
    since: int | None = None,
    *,
    rule: str | None = None,
    known_at: int | None = None,
    as_of: int | None = None,
) -> list[Proposal]:
    """Return the questions about a ledger, or about what entries after one changed.

    What was declined stays away until what it rests on changes.
    """
    matter = (
        whole(ledger, known_at, as_of) if since is None else changed(ledger, since, known_at, as_of)
    )
    declined = _decided(ledger, known_at)
    asked = ask(matter, rule)
    if as_of is not None:
        # A link that the world did not know yet is in the ledger all the same.
        asked = [one for one in asked if not _linked_since(ledger, one, known_at)]
    return [one for one in asked if declined.get((one.rule, frozenset(one.about))) != one.rests]


def _linked_since(ledger: Ledger, one: Proposal, known_at: int | None) -> bool:
    if one.kind != "claim" or one.makes != "link":
        return False
    pointing = ledger.referrers("claim", [one.one], known_at).get(one.one, [])
    links = ledger.some_links([held.entry for held in pointing if held.kind == "link"], known_at)
    return any({one.one, one.other} == {link.from_, link.to} for link in links.links)


def whole(ledger: Ledger, known_at: int | None = None, as_of: int | None = None) -> RuleContext:
    """Return a whole ledger to be looked at."""
    answers = Analysis(graph_of(ledger.whole(known_at), as_of))
    held = {one.key: one for one in ledger.records("claim", known_at)}
    matter = _matter(ledger, answers, held.values(), known_at)
    stale = _stale(ledger, answers, matter.claims, known_at, as_of)
    return RuleContext(
        answers, matter.claims, matter.vocabulary, _subjects(ledger, known_at),
        _parties(ledger, known_at), stale=stale,
    )  # fmt: skip


def changed(
    ledger: Ledger, since: int, known_at: int | None = None, as_of: int | None = None
) -> RuleContext:
    """Return what entries after one changed, with the claims nearest to it; whatever the size of the rest."""
    records = ledger.records_changed_since(since, known_at)
    fresh = {key for kind, key in records if kind == "claim"}
    links = [key for kind, key in records if kind == "link"]
    fresh |= {end for held in ledger.versions("link", links, known_at) for end in _claims_of(held)}
    others = {key for kind, key in records if kind in ("party", "subject")}
    own = ledger.get_all("claim", fresh, known_at)
    near = {key for held in own.values() for key in _near(ledger, held, known_at)}
    answers = Analysis(graph_of(ledger.neighbourhood({*own, *near}, known_at), as_of))
    # What a changed claim is linked with matters too: an attacker stated anew, a tally's inputs.
    linked = answers.graph.claims.keys() if len(answers.graph.claims) < MOST_LINKED else set()
    held = ledger.get_all("claim", {*own, *near, *linked}, known_at)
    matter = _matter(ledger, answers, held.values(), known_at)
    tallies = ledger.tallies(known_at) if records else []
    stale_claims = {
        key: one.record for key, one in ledger.get_all("claim", tallies, known_at).items()
    }
    plain = {key: one for key, one in stale_claims.items() if isinstance(one, Claim)}
    return RuleContext(
        answers, matter.claims, matter.vocabulary,
        _subjects(ledger, known_at) if others else matter.subjects,
        _parties(ledger, known_at) if others else {}, frozenset(fresh), frozenset(others),
        _stale(ledger, answers, plain, known_at, as_of),
    )  # fmt: skip


def _claims_of(held: StoredRecord) -> Iterable[str]:
    link = held.record.as_json()
    yield link["from"]
    if isinstance(link["to"], str):
        yield link["to"]


def _near(ledger: Ledger, held: StoredRecord, known_at: int | None) -> set[str]:
    """Return the claims that share something with one: the newest of each kind of sharing."""
    claim = held.record
    assert isinstance(claim, Claim)
    found: set[str] = set()
    sharing = [("subject", claim.subject, "subject")]
    sharing += [("party", party, "claimant") for party in claim.claimant]
    sharing += [("source", citation.source, "citations.source") for citation in claim.citations]
    for kind, key, field in sharing:
        found |= ledger.newest_pointing(kind, key, field, NEAREST, known_at)
    for figure in claim.figures:
        for bound in {figure.low, figure.high} - {None}:
            assert bound is not None
            near = abs(float(bound)) * 0.05
            matching = ledger.with_figure(
                float(bound) - near, float(bound) + near, known_at, NEAREST
            )
            found |= {one.key for one in matching}
    found |= set(ledger.similar_claims(claim.statement, NEAREST, known_at))
    return found - {held.key}


def _matter(
    ledger: Ledger, answers: Analysis, held: Iterable[StoredRecord], known_at: int | None
) -> RuleContext:
    claims = {
        one.key: one.record
        for one in ledger.resolved_records(held, known_at)
        if isinstance(one.record, Claim) and one.key in answers.graph.claims
    }
    subjects = _upwards(ledger, {claim.subject for claim in claims.values()}, known_at)
    return RuleContext(answers, claims, ledger.vocabulary(known_at), subjects)


def _upwards(ledger: Ledger, keys: set[str], known_at: int | None) -> dict[str, Subject]:
    """Return some subjects and all above them."""
    found: dict[str, Subject] = {}
    while keys:
        held = ledger.resolved_records(ledger.get_all("subject", keys, known_at).values(), known_at)
        found |= {one.key: one.record for one in held if isinstance(one.record, Subject)}
        keys = {one.broader for one in found.values() if one.broader} - found.keys()
    return found


def _subjects(ledger: Ledger, known_at: int | None) -> dict[str, Subject]:
    held = ledger.resolved_records(ledger.records("subject", known_at), known_at)
    return {one.key: one.record for one in held if isinstance(one.record, Subject)}


def _parties(ledger: Ledger, known_at: int | None) -> dict[str, Party]:
    held = ledger.resolved_records(ledger.records("party", known_at), known_at)
    return {one.key: one.record for one in held if isinstance(one.record, Party)}


def _stale(
    ledger: Ledger,
    answers: Analysis,
    claims: Mapping[str, Claim],
    known_at: int | None,
    as_of: int | None,
) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, claim in claims.items():
        if any(counted(claim)):
            own = answers
            if key not in answers.graph.claims:
                own = Analysis(graph_of(ledger.neighbourhood([key], known_at), as_of))
            for one in recounts(ledger, own, key, claim, known_at, as_of):
                if one.stale:
                    found[key] = (
                        f"{one.count} now counts {one.number:,}, it says {one.figure.words}"
                    )
    return found


def _decided(ledger: Ledger, known_at: int | None) -> dict[tuple[str, frozenset[str]], str]:
    """Return what was declined: by rule and records, the digest of what it rested on then."""
    return {
        (one.record.rule, frozenset(one.record.about)): one.record.evidence or ""
        for one in ledger.records("decision", known_at)
        if isinstance(one.record, Decision) and one.record.outcome == "declined"
    }
