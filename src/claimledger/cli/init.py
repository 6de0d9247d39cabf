"""``init``: a new ledger."""

from __future__ import annotations

import click

from claimledger.cli.output import answer, say
from claimledger.cli.session import Command, Session


@click.command(cls=Command)
@click.pass_obj
def init(session: Session) -> None:
    """Make a new, empty ledger; an existing file is refused."""
    from claimledger.ledger import Ledger

    with Ledger.create(session.path) as ledger:
        head = ledger.head()
    if session.json:
        answer({"ledger": session.path, "size": head.size, "root": head.root.hex()})
    else:
        say(
            f"Made the ledger {session.path}. Next: `claimledger record`, or `claimledger import FILE`."
        )
