"""``schema`` and ``stats``: what a record may contain, and what the ledger contains."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from claimledger.cli.context import CliContext, Command, UsageError
from claimledger.cli.output import answer, echo, table
from claimledger.records.check import nearest
from claimledger.records.kinds import KINDS
from claimledger.records.schema import schema_of
from claimledger.services.stats import stats as counted

_MOST = 10


@click.command(cls=Command, clocks=False)
@click.argument("kind", required=False)
@click.pass_obj
def schema(_call: CliContext, kind: str | None) -> None:
    """Print the JSON Schema of a kind of record, or of all kinds."""
    if kind is not None and kind not in KINDS:
        near = nearest(kind, KINDS)
        hint = f"did you mean {near[0]}?" if near else f"the kinds are {', '.join(KINDS)}"
        raise UsageError(f"there is no kind of record {kind!r}; {hint}")
    answer(schema_of(kind) if kind else {name: schema_of(name) for name in KINDS})


@click.command(cls=Command)
@click.pass_obj
def stats(call: CliContext) -> None:
    """Count records by kind, standing, source, claimant and year."""
    with call.reading() as view:
        statistics = counted(view, view.analysis())
    if call.json:
        answer(statistics)
        return
    for title, counts in statistics.items():
        if isinstance(counts, dict):
            rows = [[str(name), f"{number:,}"] for name, number in _first(counts) if number]
            if not rows:
                continue
            table([title.upper().replace("_", " "), "NUMBER"], rows, stretch=0)
            if len(counts) > _MOST:
                echo(f"and {len(counts) - _MOST:,} more; --json lists them all")
            echo()
        else:
            echo(f"{title}: {counts:,}")


def _first(counts: dict[str, int]) -> list[Any]:
    return Counter(counts).most_common(_MOST)
