"""``move``: a ledger's log somewhere else, unchanged."""

from __future__ import annotations

import click

from claimledger.cli.call import Call, Command
from claimledger.cli.output import Progress, answer, count, say


@click.command(cls=Command)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.pass_obj
def move(call: Call, source: str, target: str) -> None:
    """Make a ledger at TO with the log of FROM: same entries, same root. FROM stays as it is.

    Each is a file or postgresql://USER@HOST/DATABASE?schema=NAME.
    """
    from claimledger.ledger import Ledger, shown

    with Ledger.open(source) as ledger, ledger.reading():
        entries = ledger.move(target, Progress("entries"))
        root = ledger.head().root.hex()
    if call.json:
        answer({"from": shown(source), "to": shown(target), "size": entries, "root": root})
    else:
        say(f"Moved {count(entries, 'entry', 'entries')} to {shown(target)}.")
        say(f"root {root}")
