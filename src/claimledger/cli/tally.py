"""``tally``: count what the ledger contains, and record the count."""

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
from claimledger.present.phrases import named
from claimledger.present.tally_view import as_claim, records_of, stated_totals
from claimledger.records.citation import Citation
from claimledger.records.formula import read_formula
from claimledger.services.tally import tally as count_tally


@click.command(cls=Command)
@click.option(
    "--subject", metavar="KEY", required=True, shell_complete=complete_key,
    help="Count over the claims about this subject and narrower ones.",
)  # fmt: skip
@click.option(
    "--count", "what", required=True, help="What to count.",
    type=click.Choice(["claims", "assertions", "places", "sources"]),
)  # fmt: skip
@click.option(
    "--by", "divided", metavar="NAME", default="",
    help="Group by claimant, source, subject, year, scope.place or another scope.",
)  # fmt: skip
@click.option(
    "--where",
    multiple=True,
    metavar="NAME=TEXT",
    help="Only claims with this scope, such as place=NLD.",
)
@click.option(
    "--measure", metavar="NAME", help="What totals that others state call it, such as stations."
)
@click.option(
    "--record",
    "recording",
    is_flag=True,
    help="Record the count as a claim that derives from the claims counted.",
)
@click.option("--claimant", metavar="KEY", help="With --record: the party that counts.")
@click.option(
    "--source", metavar="KEY", help="With --record: the source in which the count is published."
)
@click.option(
    "--statement",
    metavar="TEXT",
    help="With --record: the statement of the claim.  [what was counted]",
)
@click.option(
    "--key", metavar="KEY", help="With --record: the key of the claim.  [tally-WHAT-SUBJECT]"
)
@clock_option
@click.option(
    "--recorder",
    metavar="NAME",
    help="With --record: who records it; the same as --by of other commands.",
)
@click.pass_obj
def tally(call: CliContext, /, what: str, subject: str, divided: str, **options: Any) -> None:
    """Count what the claims about a subject contain, and compare it with the totals that others state."""
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
        totals = list(stated_totals(view, tally, options["measure"] or what))
    if call.json:
        names = ("claim", "figure", "relation")
        total_rows = [dict(zip(names, total, strict=True)) for total in totals]
        answer({**tally.as_json(), "beside": total_rows})
        return
    number = count(tally.number, what.removesuffix("s"), what)
    within = "" if what == "claims" else f" in {count(len(tally.claims), 'claim')}"
    echo(f"{number}{within}: {formula}")
    if tally.left_out:
        left_out = named("claim", tally.left_out)
        echo(f"Not counted, as retracted or superseded: {left_out}.", indent=2, hang=2)
    if tally.without:
        name = "names" if tally.without == 1 else "name"
        echo(
            f"{count(tally.without, 'claim')} of these {name} no {what.removesuffix('s')}.",
            indent=2,
            hang=2,
        )
    if divided:
        rows = [[name, f"{number:,}"] for name, number in tally.groups]
        table([divided.upper(), what.upper()], rows, stretch=0)
    for key, figure, relation in totals:
        echo(f"Compared with {figure} [{key}]: {relation}", indent=2, hang=2)


def _record(call: CliContext, formula: Any, options: dict[str, Any]) -> None:
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
