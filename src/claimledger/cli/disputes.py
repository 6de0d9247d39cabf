"""``disputes``, ``close``, ``standings``: what is disputed, and the standing of every claim."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from claimledger.cli.context import (
    CliContext,
    Command,
    by_option,
    complete_key,
    reason_option,
    recorder,
)
from claimledger.cli.output import answer, count, cut, echo, say_known, table
from claimledger.cli.output import origins as span

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView
    from claimledger.present.report import DisputeSection


@click.command(cls=Command)
@click.option(
    "--subject", metavar="KEY", shell_complete=complete_key, help="Only this and narrower ones."
)
@click.option("--open", "only_open", is_flag=True, help="Only disputes that are not closed.")
@click.pass_obj
def disputes(call: CliContext, subject: str | None, only_open: bool) -> None:
    """What is disputed, by whom, through what, stated or judged, since when."""
    from claimledger.present.report import report as build_report

    with call.reading() as view:
        value = build_report(view, subject=subject, corrections=False)
    sections = [section for section in value.disputes if not only_open or section.state in _OPEN]
    criticised = [
        section for section in value.criticised if not only_open or section.state in _OPEN
    ]
    if call.json:
        answer(
            {
                "disputes": [asdict(section) for section in sections],
                "criticised_sources": [asdict(section) for section in criticised],
                "controversies": [asdict(shared) for shared in value.controversies],
            }
        )
        return
    for section in (*sections, *criticised):
        _print_dispute(section)
    for shared in value.controversies:
        echo(
            f"controversy {shared.key}: {count(len(shared.disputes), 'dispute')} that share claims"
        )
        for claim, keys in shared.claims:
            echo(f"{claim} takes part in {', '.join(keys)}", indent=2, hang=2)
    echo(f"{count(len(sections), 'dispute')}, {count(len(criticised), 'criticised source')}.")


_OPEN = ("open", "reopened")


def _print_dispute(section: DisputeSection) -> None:
    from claimledger.present import phrases

    what = "source criticised: " if section.source else ""
    echo(f"{what}{section.title}  [{section.head}]", hang=2)
    kinds = phrases.bases(section.stated, section.judged)
    since = f"{section.key}: since {section.since}, last activity {section.last}; {kinds}"
    if section.source:
        echo(f"{since}; contests {count(len(section.claims), 'claim')}", indent=2, hang=2)
    else:
        echo(f"{since}; behind it {section.origins}; against it {section.attackers_origins}",
            indent=2, hang=2)  # fmt: skip
    if section.state != "open":
        echo(section.state_told, indent=2, hang=2)
    for attack in section.against:
        past = " (past)" if attack.past else ""
        echo(f"{attack.type} {attack.at}{past}, {attack.basis} [{attack.link}]: {attack.attacker.who}: "
            f"{cut(attack.attacker.statement, 160)}  [{attack.attacker.key}]", indent=4, hang=2)  # fmt: skip
        if attack.compared:
            echo(attack.compared, indent=6, hang=2)
    if section.beside:
        echo("with it " + ", ".join(claim.key for claim in section.beside), indent=4, hang=2)
    if section.reached:
        echo("reaches " + ", ".join(claim.key for claim in section.reached), indent=4, hang=2)
    for reply in section.replies:
        echo(f"answered by {reply.who}: {cut(reply.statement, 120)}  [{reply.key}]",
            indent=4, hang=2)  # fmt: skip


@click.command(cls=Command, clocks=False)
@click.argument("key", shell_complete=complete_key)
@click.option(
    "--as", "ending", required=True, help="How the dispute ended.",
    type=click.Choice(["resolved", "conceded", "definition", "period", "dormant"]),
)  # fmt: skip
@reason_option
@by_option
@click.pass_obj
def close(call: CliContext, key: str, ending: str, reason: str, by: str | None) -> None:
    """Close a dispute. This does not say who was right; new activity reopens the dispute.

    KEY is the dispute's key (a link), or a claim or source that only one dispute is about.
    """
    from claimledger.records.check import record_of
    from claimledger.services.dispositions import find_dispute

    with call.writing() as ledger:
        who = recorder(by, ledger)
        dispute = find_dispute(ledger, key)
        fields = {"dispute": dispute, "ending": ending, "reason": reason}
        keys = ledger.record(record_of("disposition", fields), by=who)
    if call.json:
        answer({"dispute": dispute, "ending": ending, "written": keys, "recorded_by": who})
    elif keys:
        echo(f"Recorded disposition {keys[0]}: {dispute} is closed ({ending}), as {who}.")
    else:
        say_known("disposition")


@click.command(cls=Command)
@click.pass_obj
def standings(call: CliContext) -> None:
    """Every claim with its standing, its origins and its acceptability."""
    with call.reading() as view:
        answers = _every_standing(view)
        if call.json:
            answer(answers)
            return
        statements = {stored.key: stored.record.named for stored in view.records("claim")}
    rows = [
        [key, str(answer_["standing"]), span(int(answer_["at_least"]), int(answer_["at_most"])),
         str(answer_["acceptability"]), statements[key]]
        for key, answer_ in answers.items()
    ]  # fmt: skip
    table(["KEY", "STANDING", "ORIGINS", "FORMALLY", "STATEMENT"], rows, stretch=4)
    echo(count(len(rows), "claim") + ".")


def _every_standing(view: LedgerView) -> dict[str, dict[str, str | int]]:
    from claimledger.analysis.analysis import ALONE

    answers = view.linked_analysis()
    linked = answers.graph.claims
    keys = linked if view.as_of is not None else view.keys("claim")
    return {key: answers.as_json(key) if key in linked else ALONE for key in keys}
