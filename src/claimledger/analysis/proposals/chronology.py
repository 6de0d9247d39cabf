"""Links that time speaks against, and attacks whose claim was stated anew."""

from __future__ import annotations

from collections.abc import Iterator

from claimledger.analysis.proposals.rule import Proposal, Rule, RuleContext


def find_turned(matter: RuleContext) -> Iterator[Proposal]:
    """Ask about each claim that was surely asserted before what it repeats."""
    graph = matter.answers.graph
    for link in graph.links:
        if link.type != "repeats" or not _fresh(matter, link.from_, link.to):
            continue
        if link.from_ not in matter.claims or link.to not in matter.claims:
            continue
        late, early = graph.claims[link.to].asserted, graph.claims[link.from_].asserted
        if late and early and early[1] is not None and late[0] is not None and early[1] < late[0]:
            yield Proposal(
                "turned-around",
                "turn",
                "claim",
                link.to,
                link.from_,
                "repeats",
                "Is it the other way round: does {one} pass on {other}?",
                (
                    f"{link.key} says the opposite, though {link.from_} "
                    f"({matter.claims[link.from_].asserted}) was asserted before {link.to} "
                    f"({matter.claims[link.to].asserted})",
                ),
                0.8,
                matter.evidence_digest("turned-around", "claim", link.from_, link.to),
            )


def find_renewed(matter: RuleContext) -> Iterator[Proposal]:
    """Ask whether what stands in an attacker's place attacks what that attacked."""
    answers = matter.answers
    graph = answers.graph
    for link in graph.links:
        by = answers.revisions.superseded.get(link.from_)
        if link.type not in ("contradicts", "undercuts") or by is None or link.to_kind != "claim":
            continue
        if link.from_ in answers.revisions.retracted or not answers.revisions.counts(by):
            continue
        if by not in matter.claims or link.to not in matter.claims or matter.linked(by, link.to):
            continue
        if not _fresh(matter, by, link.to):
            continue
        relations = {pair.relation for pair in matter.compared(by, link.to)}
        if relations & {"agrees", "near"}:
            continue  # the newer statement gives the point up
        yield Proposal(
            "attack-renewed",
            "link",
            "claim",
            by,
            link.to,
            link.type,
            f"Does {{one}} still stand against {{other}} ({link.type})?",
            (f"{link.from_} did ({link.key}), and was stated anew as {by}",),
            0.7 if "conflicts" in relations else 0.5,
            matter.evidence_digest("attack-renewed", "claim", by, link.to),
        )


def _fresh(matter: RuleContext, *keys: str) -> bool:
    return matter.fresh is None or not matter.fresh.isdisjoint(keys)


def find_stale(matter: RuleContext) -> Iterator[Proposal]:
    """Ask about each tally that no longer counts what it says."""
    for key, reason in matter.stale.items():
        if key in matter.claims:
            yield Proposal(
                "stale-tally",
                "amend",
                "claim",
                key,
                key,
                "",
                "Is {one} to be counted anew?",
                (reason,),
                0.9,
                matter.evidence_digest(f"stale-tally {reason}", "claim", key),
            )


TURNED = Rule("turned-around", "a claim dated before what it repeats", find=find_turned)
RENEWED = Rule(
    "attack-renewed", "an attack lost because its claim was stated anew", find=find_renewed
)
STALE = Rule("stale-tally", "a tally that no longer counts what it says", find=find_stale)
