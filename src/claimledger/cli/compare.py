"""``compare``: the relation of the figures of two claims."""

from __future__ import annotations

from decimal import Decimal

import click

from claimledger.analysis.comparison import MOST_PAIRS, percent
from claimledger.cli.context import CliContext, Command, complete_key
from claimledger.cli.output import answer, echo
from claimledger.errors import RuleViolationError
from claimledger.present.comparison_view import FigureComparisons
from claimledger.services.record_cache import RecordCache
from claimledger.services.visibility import require_known


def share(_: click.Context, __: click.Parameter, value: str) -> Decimal:
    """Return a share of a number from an option: ``2%`` or ``0.02``."""
    plain = value.strip()
    number = plain.removesuffix("%").strip()
    if len(number) <= 20 and number.isascii() and number.replace(".", "", 1).isdecimal():
        fraction = Decimal(number) / (100 if plain.endswith("%") else 1)
        if fraction < 1:
            return fraction
    raise click.BadParameter(f"{value!r} is not a share; write 2% or 0.02")


@click.command(cls=Command)
@click.argument("left", metavar="CLAIM", shell_complete=complete_key)
@click.argument("right", metavar="CLAIM", shell_complete=complete_key)
@click.option(
    "--tolerance", callback=share, default="0", metavar="SHARE",
    help="Figures that differ by this share of the larger one are nearly the same.  [only rounding]",
)  # fmt: skip
@click.pass_obj
def compare(call: CliContext, left: str, right: str, tolerance: Decimal) -> None:
    """Compare every figure of one claim with every figure of another."""
    with call.reading() as view:
        left, right = (view.get("claim", key).key for key in (left, right))
        answers = view.analysis([left, right])
        graph = answers.graph
        require_known(answers, left, right)
        left_count, right_count = (len(graph.claims[key].figures) for key in (left, right))
        if left_count * right_count > MOST_PAIRS:
            raise RuleViolationError(
                f"the claims have {left_count:,} and {right_count:,} figures, which makes "
                f"{left_count * right_count:,} pairs; at most {MOST_PAIRS:,} are compared"
            )
        pairs = FigureComparisons(view, graph, RecordCache(view)).compared(left, right, tolerance)
    if call.json:
        answer(
            {
                "one": left,
                "other": right,
                "tolerance": str(tolerance),
                "pairs": [pair.as_json() for pair in pairs],
            }
        )
        return
    for pair in pairs:
        echo(pair.sentence, hang=2)
    if not pairs:
        echo("One of the claims has no figure, so there is nothing to compare.")
    elif tolerance:
        echo(f"Tolerance: {percent(tolerance)} of the larger number.")
