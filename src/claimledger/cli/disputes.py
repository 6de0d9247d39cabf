"""``disputes``, ``close``, ``standings``: what is disputed, and the standing of every claim."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from claimledger.analysis.analysis import ALONE
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
from claimledger.present import phrases
from claimledger.present.phrases import ENDINGS
from claimledger.present.report import CLAIM_LISTS, REPLY_LISTS
from claimledger.present.report import report as build_report
from claimledger.records.check import record_of
from claimledger.records.disposition import Ending
from claimledger.services.dispositions import find_dispute

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView
    from claimledger.present.report import DisputeSection


@click.command(cls=Command)
@click.option(
    "--subject",
    metavar="KEY",
    shell_complete=complete_key,
    help="Only claims about this subject and narrower ones.",
)
@click.option("--open", "only_open", is_flag=True, help="Only disputes that are not closed.")
@click.pass_obj
def disputes(call: CliContext, subject: str | None, only_open: bool) -> None:
    """List what is disputed, by whom, on what basis and since when."""
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
        echo(f"{count(len(shared.disputes), 'dispute')} share claims  [{shared.key}]", hang=2)
        for claim, keys in shared.claims:
            claim_named = phrases.as_sentence(phrases.named("claim", [claim]))[:-1]
            echo(f"{claim_named} is in {phrases.named('dispute', keys)}.", indent=2, hang=2)
    totals = [(len(sections), "dispute"), (len(criticised), "criticised source")]
    parts = [count(number, noun) for number, noun in totals if number]
    echo(phrases.as_sentence(phrases.series(parts) or "nothing recorded is disputed"))


_OPEN = ("open", "reopened")


def _print_dispute(section: DisputeSection) -> None:
    what = "Source: " if section.source else ""
    echo(f"{what}{section.title}  [{section.head}]", hang=2)
    since, last = phrases.in_words(section.since), phrases.in_words(section.last)
    began = "Criticised" if section.source else "Disputed"
    activity = f"; last activity: {last}" if last != since else ""
    echo(f"{began} since {since}{activity}.  [{section.key}]", indent=2, hang=2)
    if section.source:
        reach = f"It contests {count(len(section.claims), 'claim')}. " if section.claims else ""
    else:
        reach = f"For it: {section.origins}. Against it: {section.attackers_origins}. "
    echo(f"{reach}{section.bases}", indent=2, hang=2)
    if section.state != "open":
        echo(phrases.as_sentence(section.state_told), indent=2, hang=2)
    for attack in section.against:
        who, statement = attack.attacker.who, cut(attack.attacker.statement, 160)
        echo(f"{phrases.said_by(who, statement)}  [{attack.attacker.key}]", indent=4, hang=2)
        echo(f"{attack.sentence(section)}  [{attack.link}]", indent=6, hang=2)
        if attack.compared:
            echo(attack.compared, indent=6, hang=2)
    for name, title in CLAIM_LISTS.items():
        if claims := getattr(section, name):
            echo(f"{title}: {', '.join(claim.key for claim in claims)}", indent=4, hang=2)
    for name, title in REPLY_LISTS.items():
        for reply in getattr(section, name):
            text = phrases.said_by(reply.who, cut(reply.statement, 120))
            echo(f"{title} {text}  [{reply.key}]", indent=4, hang=2)


@click.command(cls=Command, clocks=False)
@click.argument("key", shell_complete=complete_key)
@click.option(
    "--as",
    "ending",
    required=True,
    type=click.Choice([str(ending) for ending in Ending]),
    help="How the dispute ended: resolved; conceded by one side; a matter of definition, or of the period "
    "that is meant; or dormant.",
)
@reason_option
@by_option
@click.pass_obj
def close(call: CliContext, key: str, ending: str, reason: str, by: str | None) -> None:
    """Close a dispute. This does not say who was right; new activity reopens the dispute.

    KEY is the dispute's key (a link), or a claim or source that only one dispute is about.
    """
    with call.writing() as ledger:
        who = recorder(by, ledger)
        dispute = find_dispute(ledger, key)
        fields = {"dispute": dispute, "ending": ending, "reason": reason}
        keys = ledger.record(record_of("disposition", fields), by=who)
    if call.json:
        answer({"dispute": dispute, "ending": ending, "written": keys, "recorded_by": who})
    elif keys:
        echo(
            f'Closed the dispute "{dispute}" ({ENDINGS[ending]}) with disposition {keys[0]}, as {who}.'
        )
    else:
        say_known("disposition")


@click.command(cls=Command)
@click.pass_obj
def standings(call: CliContext) -> None:
    """List every claim with its standing, its origins and its acceptability."""
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
    table(["KEY", "STANDING", "ORIGINS", "ACCEPTABILITY", "STATEMENT"], rows, stretch=4)
    echo(count(len(rows), "claim") + ".")


def _every_standing(view: LedgerView) -> dict[str, dict[str, str | int]]:
    answers = view.linked_analysis()
    linked = answers.graph.claims
    keys = linked if view.as_of is not None else view.keys("claim")
    return {key: answers.as_json(key) if key in linked else ALONE for key in keys}
