"""Gathering what the rules look at: the whole ledger, or what changed with all that may bear on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.derivations import tallied_figures
from claimledger.analysis.proposals.engine import find_proposals
from claimledger.analysis.proposals.rule import Proposal, RuleContext
from claimledger.records.claim import Claim
from claimledger.records.decision import Decision
from claimledger.records.party import Party
from claimledger.records.subject import Subject
from claimledger.services.tally import recounts

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView, StoredRecord

NEAREST = 60
"""How many claims of a subject, claimant or source are compared with a changed one: the newest."""

MOST_LINKED = 2000
"""Claims linked with these, near and far, up to which all of them are looked at."""


def propose(
    view: LedgerView, since: int | None = None, *, rule: str | None = None
) -> list[Proposal]:
    """Return the questions about a ledger, or about what entries after one changed.

    What was declined stays away until what it rests on changes.
    """
    matter = whole(view) if since is None else changed(view, since)
    declined = _decided(view)
    proposals = find_proposals(matter, rule)
    if view.as_of is not None:
        # A link that the world did not know yet is in the ledger all the same.
        proposals = [proposal for proposal in proposals if not _linked_since(view, proposal)]
    return [
        proposal
        for proposal in proposals
        if declined.get((proposal.rule, frozenset(proposal.about))) != proposal.rests
    ]


def _linked_since(view: LedgerView, proposal: Proposal) -> bool:
    if proposal.kind != "claim" or proposal.makes != "link":
        return False
    pointing = view.references_to("claim", [proposal.one]).get(proposal.one, [])
    links = view.links_only([reference.entry for reference in pointing if reference.kind == "link"])
    return any({proposal.one, proposal.other} == {link.from_, link.to} for link in links.links)


def whole(view: LedgerView) -> RuleContext:
    """Return a whole ledger to be looked at."""
    answers = view.analysis()
    records = {stored.key: stored for stored in view.records("claim")}
    matter = _matter(view, answers, records.values())
    stale = _stale(view, answers, matter.claims)
    return RuleContext(
        answers, matter.claims, matter.vocabulary, _subjects(view),
        _parties(view), stale=stale,
    )  # fmt: skip


def changed(view: LedgerView, since: int) -> RuleContext:
    """Return what entries after one changed, with the claims nearest to it; whatever the size of the rest."""
    records = view.records_changed_since(since)
    fresh = {key for kind, key in records if kind == "claim"}
    links = [key for kind, key in records if kind == "link"]
    fresh |= {end for stored in view.versions("link", links) for end in _claims_of(stored)}
    others = {key for kind, key in records if kind in ("party", "subject")}
    own = view.get_all("claim", fresh)
    near = {key for stored in own.values() for key in _near(view, stored)}
    answers = view.analysis({*own, *near})
    # What a changed claim is linked with matters too: an updated attacker, a tally's inputs.
    linked = answers.graph.claims.keys() if len(answers.graph.claims) < MOST_LINKED else set()
    stored_claims = view.get_all("claim", {*own, *near, *linked})
    matter = _matter(view, answers, stored_claims.values())
    tallies = view.tallies() if records else []
    stale_claims = {key: stored.record for key, stored in view.get_all("claim", tallies).items()}
    plain = {key: claim for key, claim in stale_claims.items() if isinstance(claim, Claim)}
    return RuleContext(
        answers, matter.claims, matter.vocabulary,
        _subjects(view) if others else matter.subjects,
        _parties(view) if others else {}, frozenset(fresh), frozenset(others),
        _stale(view, answers, plain),
    )  # fmt: skip


def _claims_of(stored: StoredRecord) -> Iterable[str]:
    link = stored.record.as_json()
    yield link["from"]
    if isinstance(link["to"], str):
        yield link["to"]


def _near(view: LedgerView, stored: StoredRecord) -> set[str]:
    """Return the claims that share something with one: the newest of each kind of sharing."""
    claim = stored.record
    assert isinstance(claim, Claim)
    near_keys: set[str] = set()
    sharing = [("subject", claim.subject, "subject")]
    sharing += [("party", party, "claimant") for party in claim.claimant]
    sharing += [("source", citation.source, "citations.source") for citation in claim.citations]
    for kind, key, field in sharing:
        near_keys |= view.newest_claims_with(kind, key, field, NEAREST)
    for figure in claim.figures:
        for bound in {figure.low, figure.high} - {None}:
            assert bound is not None
            near = abs(float(bound)) * 0.05
            matching = view.claims_with_figure(float(bound) - near, float(bound) + near, NEAREST)
            near_keys |= {stored.key for stored in matching}
    near_keys |= set(view.similar_claims(claim.statement, NEAREST))
    return near_keys - {stored.key}


def _matter(view: LedgerView, answers: Analysis, records: Iterable[StoredRecord]) -> RuleContext:
    claims = {
        stored.key: stored.record
        for stored in view.resolve_records(records)
        if isinstance(stored.record, Claim) and stored.key in answers.graph.claims
    }
    subjects = _upwards(view, {claim.subject for claim in claims.values()})
    return RuleContext(answers, claims, view.vocabulary(), subjects)


def _upwards(view: LedgerView, keys: set[str]) -> dict[str, Subject]:
    """Return some subjects and all above them."""
    subjects: dict[str, Subject] = {}
    while keys:
        records = view.resolve_records(view.get_all("subject", keys).values())
        subjects |= {
            stored.key: stored.record for stored in records if isinstance(stored.record, Subject)
        }
        keys = {
            subject.broader for subject in subjects.values() if subject.broader
        } - subjects.keys()
    return subjects


def _subjects(view: LedgerView) -> dict[str, Subject]:
    records = view.resolve_records(view.records("subject"))
    return {stored.key: stored.record for stored in records if isinstance(stored.record, Subject)}


def _parties(view: LedgerView) -> dict[str, Party]:
    records = view.resolve_records(view.records("party"))
    return {stored.key: stored.record for stored in records if isinstance(stored.record, Party)}


def _stale(view: LedgerView, answers: Analysis, claims: Mapping[str, Claim]) -> dict[str, str]:
    stale: dict[str, str] = {}
    for key, claim in claims.items():
        if any(tallied_figures(claim)):
            own = answers
            if key not in answers.graph.claims:
                own = view.analysis([key])
            for recount in recounts(view, own, key, claim):
                if recount.stale:
                    stale[key] = (
                        f"{recount.count} now counts {recount.number:,}, it says {recount.figure.words}"
                    )
    return stale


def _decided(view: LedgerView) -> dict[tuple[str, frozenset[str]], str]:
    """Return what was declined: by rule and records, the digest of what it rested on then."""
    return {
        (stored.record.rule, frozenset(stored.record.about)): stored.record.evidence or ""
        for stored in view.records("decision")
        if isinstance(stored.record, Decision) and stored.record.outcome == "declined"
    }
