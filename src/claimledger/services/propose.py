"""Collects the claims that the rules compare: all of them, or those that changed and those near them."""

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
"""The most claims of one subject, claimant or source that are compared with a changed claim: the newest."""

MOST_LINKED = 2000
"""The most claims in a neighbourhood that are all compared; of a larger one only the nearest are."""


def propose(
    view: LedgerView, since: int | None = None, *, rule: str | None = None
) -> list[Proposal]:
    """Return the open proposals, or only those about what changed after entry ``since``.

    A declined proposal is left out until the records that it rests on change.
    """
    context = whole_context(view) if since is None else changed_context(view, since)
    declined = _decided(view)
    proposals = find_proposals(context, rule)
    if view.as_of is not None:
        # A link that came after the view's day is hidden, but it is in the ledger: do not propose it again.
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


def whole_context(view: LedgerView) -> RuleContext:
    """Return the context of a whole ledger."""
    answers = view.analysis()
    records = {stored.key: stored for stored in view.records("claim")}
    context = _context(view, answers, records.values())
    stale = _stale(view, answers, context.claims)
    return RuleContext(
        analysis=answers,
        claims=context.claims,
        vocabulary=context.vocabulary,
        subjects=_subjects(view),
        parties=_parties(view),
        stale=stale,
    )


def changed_context(view: LedgerView, since: int) -> RuleContext:
    """Return the context of what changed after entry ``since``.

    It contains the changed claims and those near them, so its size does not depend on that of the ledger.
    """
    records = view.records_changed_since(since)
    fresh = {key for kind, key in records if kind == "claim"}
    links = [key for kind, key in records if kind == "link"]
    fresh |= {end for stored in view.versions("link", links) for end in _claims_of(stored)}
    others = {key for kind, key in records if kind in ("party", "subject")}
    own = view.get_all("claim", fresh)
    near = {key for stored in own.values() for key in _near(view, stored)}
    answers = view.analysis({*own, *near})
    # Claims linked with a changed one matter too: an attacker that was updated, the inputs of a tally.
    linked = answers.graph.claims.keys() if len(answers.graph.claims) < MOST_LINKED else set()
    stored_claims = view.get_all("claim", {*own, *near, *linked})
    context = _context(view, answers, stored_claims.values())
    tallies = view.tallies() if records else []
    stale_claims = {key: stored.record for key, stored in view.get_all("claim", tallies).items()}
    plain = {key: claim for key, claim in stale_claims.items() if isinstance(claim, Claim)}
    return RuleContext(
        analysis=answers,
        claims=context.claims,
        vocabulary=context.vocabulary,
        subjects=_subjects(view) if others else context.subjects,
        parties=_parties(view) if others else {},
        changed_claims=frozenset(fresh),
        changed_entities=frozenset(others),
        stale=_stale(view, answers, plain),
    )


def _claims_of(stored: StoredRecord) -> Iterable[str]:
    link = stored.record.as_json()
    yield link["from"]
    if isinstance(link["to"], str):
        yield link["to"]


def _near(view: LedgerView, stored: StoredRecord) -> set[str]:
    """Return the newest claims that share a subject, claimant, source, figure or rare words with a claim."""
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


def _context(view: LedgerView, answers: Analysis, records: Iterable[StoredRecord]) -> RuleContext:
    claims = {
        stored.key: stored.record
        for stored in view.resolve_records(records)
        if isinstance(stored.record, Claim) and stored.key in answers.graph.claims
    }
    subjects = _with_broader(view, {claim.subject for claim in claims.values()})
    return RuleContext(
        analysis=answers, claims=claims, vocabulary=view.vocabulary(), subjects=subjects
    )


def _with_broader(view: LedgerView, keys: set[str]) -> dict[str, Subject]:
    """Return some subjects with all broader ones."""
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
                        f"{recount.count} now gives {recount.number:,}, but the claim states "
                        f"{recount.figure.words}"
                    )
    return stale


def _decided(view: LedgerView) -> dict[tuple[str, frozenset[str]], str]:
    """Return, from the rule and records of each declined proposal, the digest of what it rested on."""
    return {
        (stored.record.rule, frozenset(stored.record.about)): stored.record.evidence or ""
        for stored in view.records("decision")
        if isinstance(stored.record, Decision) and stored.record.outcome == "declined"
    }
