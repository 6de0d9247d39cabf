"""Rules about time: links that dates contradict, attacks by superseded claims, and stale tallies."""

from __future__ import annotations

from collections.abc import Iterator

from claimledger.analysis.proposals.rule import Proposal, Rule, RuleContext
from claimledger.records.link import LinkType
from claimledger.records.prose_dates import in_words


def find_reversed(context: RuleContext) -> Iterator[Proposal]:
    """Propose to reverse each ``repeats`` link of a claim certainly asserted before what it repeats."""
    graph = context.analysis.graph
    for link in graph.links:
        if link.type != LinkType.REPEATS or not context.concerns_change(link.from_, link.to):
            continue
        if link.from_ not in context.claims or link.to not in context.claims:
            continue
        repeated, repeating = graph.claims[link.to].asserted, graph.claims[link.from_].asserted
        if (
            repeated
            and repeating
            and repeating[1] is not None
            and repeated[0] is not None
            and repeating[1] < repeated[0]
        ):
            yield Proposal(
                rule="turned-around",
                makes="turn",
                kind="claim",
                one=link.to,
                other=link.from_,
                type=LinkType.REPEATS,
                asks="Is the link the wrong way round: does {one} repeat {other}?",
                evidence=(
                    f'the link "{link.key}" says the opposite, but {link.from_} was made before {link.to}: '
                    f"the dates are {_date(context, link.from_)} and {_date(context, link.to)}",
                ),
                score=0.8,
                rests=context.evidence_digest("turned-around", "claim", link.from_, link.to),
            )


def _date(context: RuleContext, key: str) -> str:
    return in_words(str(context.claims[key].asserted))


_ATTACKS: dict[str, str] = {
    LinkType.CONTRADICTS: "contradict",
    LinkType.UNDERCUTS: "criticise the grounds of",
}


def find_attacks_to_renew(context: RuleContext) -> Iterator[Proposal]:
    """Propose to link the successor of a superseded attacker to what the attacker attacked.

    A superseded claim no longer attacks. Only a person can decide whether its successor does.
    """
    analysis = context.analysis
    for link in analysis.graph.links:
        successor = analysis.revisions.superseded.get(link.from_)
        if (
            link.type not in (LinkType.CONTRADICTS, LinkType.UNDERCUTS)
            or successor is None
            or link.to_kind != "claim"
        ):
            continue
        if link.from_ in analysis.revisions.retracted or not analysis.revisions.counts(successor):
            continue
        if successor not in context.claims or link.to not in context.claims:
            continue
        if context.are_linked(successor, link.to):
            continue
        if not context.concerns_change(successor, link.to):
            continue
        relations = {pair.relation for pair in context.compare_figures(successor, link.to)}
        if relations & {"agrees", "near"}:
            continue  # the newer statement agrees with the attacked claim
        yield Proposal(
            rule="attack-renewed",
            makes="link",
            kind="claim",
            one=successor,
            other=link.to,
            type=link.type,
            asks=f"Does {{one}} {_ATTACKS[link.type]} {{other}} too?",
            evidence=(
                f'the claim "{link.from_}" did, by the link "{link.key}"; {successor} has since replaced '
                "that claim",
            ),
            score=0.7 if "conflicts" in relations else 0.5,
            rests=context.evidence_digest("attack-renewed", "claim", successor, link.to),
        )


def find_stale_tallies(context: RuleContext) -> Iterator[Proposal]:
    """Propose to amend each tally whose number is out of date."""
    for key, reason in context.stale.items():
        if key in context.claims:
            yield Proposal(
                rule="stale-tally",
                makes="amend",
                kind="claim",
                one=key,
                other=key,
                type="",
                asks="Should the count in {one} be updated?",
                evidence=(reason,),
                score=0.9,
                rests=context.evidence_digest(f"stale-tally {reason}", "claim", key),
            )


REVERSED = Rule(
    "turned-around", "a claim is dated before the claim that it repeats", find=find_reversed
)
ATTACK_RENEWED = Rule(
    "attack-renewed",
    "a claim that disputed another was replaced by a newer one",
    find=find_attacks_to_renew,
)
STALE_TALLY = Rule(
    "stale-tally", "a recorded count no longer matches the ledger", find=find_stale_tallies
)
