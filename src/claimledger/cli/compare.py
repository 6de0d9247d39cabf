"""``compare``: how the figures of two claims stand to each other."""

from __future__ import annotations

from decimal import Decimal

import click

from claimledger.cli.context import CliContext, Command, complete_key
from claimledger.cli.output import answer, echo
from claimledger.errors import RuleViolationError


def share(_: click.Context, __: click.Parameter, value: str) -> Decimal:
    """Return a share of a number, written ``2%`` or ``0.02``."""
    plain = value.strip()
    number = plain.removesuffix("%").strip()
    if len(number) <= 20 and number.isascii() and number.replace(".", "", 1).isdecimal():
        found = Decimal(number) / (100 if plain.endswith("%") else 1)
        if found < 1:
            return found
    raise click.BadParameter(f"{value!r} is no share; write 2% or 0.02")


@click.command(cls=Command)
@click.argument("one", metavar="CLAIM", shell_complete=complete_key)
@click.argument("other", metavar="CLAIM", shell_complete=complete_key)
@click.option(
    "--tolerance", callback=share, default="0", metavar="SHARE",
    help="How far apart may still be near: 2%.  [only rounding]",
)  # fmt: skip
@click.pass_obj
def compare(call: CliContext, one: str, other: str, tolerance: Decimal) -> None:
    """Compare every figure of one claim with every figure of another."""
    from claimledger.analysis.comparison import MOST_PAIRS, percent
    from claimledger.present.comparison_view import FigureComparisons
    from claimledger.services.record_cache import RecordCache
    from claimledger.services.visibility import require_known

    with call.reading() as view:
        one, other = (view.get("claim", key).key for key in (one, other))
        answers = view.analysis([one, other])
        graph = answers.graph
        require_known(answers, one, other)
        here, there = (len(graph.claims[key].figures) for key in (one, other))
        if here * there > MOST_PAIRS:
            raise RuleViolationError(
                f"{one} has {here:,} figures and {other} {there:,}: that makes {here * there:,} pairs, and "
                f"{MOST_PAIRS:,} at most are compared"
            )
        pairs = FigureComparisons(view, graph, RecordCache(view)).told(one, other, tolerance)
    if call.json:
        answer(
            {
                "one": one,
                "other": other,
                "tolerance": str(tolerance),
                "pairs": [pair.as_json() for pair in pairs],
            }
        )
        return
    for pair in pairs:
        echo(pair.sentence, hang=2)
    if not pairs:
        echo("One of the two holds no figure: there is nothing to compare.")
    elif tolerance:
        echo(f"Tolerance: {percent(tolerance)} of the larger number.")
