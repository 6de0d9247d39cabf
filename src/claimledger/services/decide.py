"""Records the answer to a proposal: a decision with its reason, and what accepting the proposal makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claimledger.analysis.proposals.rule import Proposal
from claimledger.errors import RuleViolationError
from claimledger.records.decision import Decision, Outcome
from claimledger.records.link import Link, LinkType, Target

if TYPE_CHECKING:
    from claimledger.ledger import Ledger
    from claimledger.records.base import Record


def decide(
    ledger: Ledger, proposal: Proposal, outcome: Outcome, reason: str, *, by: str
) -> str | None:
    """Record the answer to a proposal in one transaction; return the key of the new link, if there is one.

    Raises :class:`RuleViolationError` for an accepted proposal that only a person can carry out.
    """
    if outcome == "declined":
        ledger.record(_decision(proposal, outcome, reason), by=by)
        return None
    if proposal.makes == "amend":
        raise RuleViolationError(
            f'no link can correct the claim "{proposal.one}": count again with `claimledger tally`, then '
            f'`claimledger amend {proposal.one} --set figures=... --reason "..."`'
        )

    def write() -> str | None:
        new_record = _carry_out(ledger, proposal, reason, by)
        ledger.record(_decision(proposal, outcome, reason, new_record), by=by)
        return new_record

    return ledger.transaction(write)


def _carry_out(ledger: Ledger, proposal: Proposal, reason: str, by: str) -> str | None:
    if proposal.makes == "merge":
        ledger.withdraw(
            proposal.kind, proposal.one, by=by, reason=reason, replaced_by=proposal.other
        )
        return None
    if proposal.makes == "turn":
        for key in _repeats_links(ledger, proposal.other, proposal.one):
            ledger.withdraw("link", key, by=by, reason=reason)
    pairs = [(proposal.one, proposal.type, proposal.other), *proposal.more]
    links = [
        Link(**{
            "type": kind,
            "from": from_,
            "to": Target("claim", to),
            "reason": reason,
            "basis": "computed",
            "rule": proposal.rule,
            "part": proposal.part or None,
        })
        for from_, kind, to in pairs
    ]  # fmt: skip
    return ledger.record(*links, by=by)[0]


def _repeats_links(ledger: Ledger, from_: str, to: str) -> list[str]:
    """Return the keys of the links by which one claim repeats another."""
    pointing = ledger.references_to("claim", [from_])[from_]
    entries = [
        reference.entry
        for reference in pointing
        if reference.kind == "link" and reference.field == "from"
    ]
    records: list[Record] = [stored.record for stored in ledger.at_entries(entries).values()]
    return [
        str(link.key)
        for link in records
        if isinstance(link, Link) and link.type == LinkType.REPEATS and link.to.key == to
    ]


def _decision(
    proposal: Proposal, outcome: Outcome, reason: str, link: str | None = None
) -> Decision:
    return Decision(
        rule=proposal.rule,
        outcome=outcome,
        about=proposal.about,
        evidence=proposal.rests,
        link=link,
        reason=reason,
    )
