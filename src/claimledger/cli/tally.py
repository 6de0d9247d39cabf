"""``tally``: a figure that the ledger itself can count."""

from __future__ import annotations

from typing import Any

import click

from claimledger.cli.context import (
    CliContext,
    Command,
    UsageError,
    clock_option,
    complete_key,
    recorder,
)
from claimledger.cli.output import answer, count, echo, say_known, table


@click.command(cls=Command)
@click.option(
    "--subject", metavar="KEY", required=True, shell_complete=complete_key,
    help="The claims about this and narrower subjects.",
)  # fmt: skip
@click.option(
    "--count", "what", required=True, help="What to count.",
    type=click.Choice(["claims", "assertions", "places", "sources"]),
)  # fmt: skip
@click.option(
    "--by", "divided", metavar="NAME", default="",
    help="Divide by scope.place (or another scope), claimant, source, subject or year.",
)  # fmt: skip
@click.option(
    "--where", multiple=True, metavar="NAME=TEXT", help="Only with this scope: place=NLD."
)
@click.option("--measure", metavar="NAME", help="What stated totals call it: stations.")
@click.option(
    "--record", "recording", is_flag=True, help="Record it as a claim that derives from these."
)
@click.option("--claimant", metavar="KEY", help="With --record: who counts.")
@click.option("--source", metavar="KEY", help="With --record: where the count is printed.")
@click.option("--statement", metavar="TEXT", help="With --record.  [what was counted]")
@click.option("--key", metavar="KEY", help="With --record.  [tally-WHAT-SUBJECT]")
@clock_option
@click.option(
    "--recorder", metavar="NAME", help="With --record: whose name it bears, as elsewhere --by."
)
@click.pass_obj
def tally(call: CliContext, /, what: str, subject: str, divided: str, **options: Any) -> None:
    """Count what the claims about a subject contain, next to the totals that others state."""
    from claimledger.present.tally_view import beside
    from claimledger.records.formula import read_formula
    from claimledger.services.tally import tally as count_tally

    where = [part.partition("=") for part in options["where"]]
    if any(not (name and text) for name, _, text in where):
        raise UsageError("--where takes NAME=TEXT, such as place=NLD")
    limits = "".join(f", {name}={text}" for name, _, text in where)
    formula: Any = read_formula(f"count({what}, {subject}{limits})")
    if options["recording"]:
        _record(call, formula, options)
        return
    with call.reading() as view:
        tally = count_tally(view, formula, divided)
        totals = list(beside(view, tally, options["measure"] or what))
    if call.json:
        named = ("claim", "figure", "relation")
        total_rows = [dict(zip(named, total, strict=True)) for total in totals]
        answer({**tally.as_json(), "beside": total_rows})
        return
    echo(f"{tally.number:,} {what} in {count(len(tally.claims), 'claim')}: {formula}")
    if tally.left_out:
        echo(
            f"not counted, taken back or stated anew: {', '.join(tally.left_out)}", indent=2, hang=2
        )
    if tally.without:
        echo(f"{count(tally.without, 'claim')} of these name none", indent=2, hang=2)
    if divided:
        rows = [[name, f"{number:,}"] for name, number in tally.groups]
        table([divided.upper(), what.upper()], rows, stretch=0)
    for key, figure, relation in totals:
        echo(f"beside it: {figure} [{key}]: {relation}", indent=2, hang=2)


def _record(call: CliContext, formula: Any, options: dict[str, Any]) -> None:
    from claimledger.present.tally_view import as_claim, records_of
    from claimledger.records.citation import Citation
    from claimledger.services.tally import tally as count_tally

    for name in ("claimant", "source"):
        if not options[name]:
            raise UsageError(f"--record needs --{name}")
    with call.writing() as ledger:
        who = recorder(options["recorder"], ledger)
        tally = count_tally(ledger, formula)
        fields = {
            "key": options["key"] or f"tally-{formula.what}-{formula.subject}".lower(),
            "claimant": (options["claimant"],),
            "citations": (Citation(source=options["source"]),),
            "grounds": "analysis",
        }
        if options["statement"]:
            fields["statement"] = options["statement"]
        claim = as_claim(tally, options["measure"] or formula.what, **fields)
        keys = ledger.record(*records_of(tally, claim), by=who)
    if call.json:
        answer({**tally.as_json(), "written": keys[:1], "recorded_by": who})
    elif keys:
        echo(f"Recorded claim {keys[0]} with {count(len(keys) - 1, 'link')}, as {who}.")
    else:
        say_known("tally")
