"""``init``: create a ledger."""

from __future__ import annotations

import click

from claimledger.cli.context import CliContext, Command
from claimledger.cli.output import answer, echo


@click.command(cls=Command, clocks=False)
@click.pass_obj
def init(call: CliContext) -> None:
    """Create a new, empty ledger in a file or in a PostgreSQL database. An existing ledger is refused."""
    from claimledger.ledger import Ledger, shown

    call.require_now()
    with Ledger.create(call.path) as ledger:
        head = ledger.head()
    call.done = True
    if call.json:
        answer({"ledger": shown(call.path), "size": head.size, "root": head.root.hex()})
    else:
        echo(
            f"Created the ledger {shown(call.path)}. Next: `claimledger record` or `claimledger import FILE`."
        )
