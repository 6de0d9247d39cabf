"""``verify`` and ``rebuild``: the proof of the ledger."""

from __future__ import annotations

import click

from claimledger.cli.call import Call, Command
from claimledger.cli.output import Progress, answer, count, say


@click.command(cls=Command)
@click.pass_context
def verify(ctx: click.Context) -> None:
    """Check every digest, the tree, and every view against the log. Status 1 if anything is wrong."""
    call = ctx.obj
    assert isinstance(call, Call)
    with call.reading() as ledger:
        verdict = ledger.verify(Progress("entries"))
    if call.json:
        answer(
            {
                "clean": verdict.clean,
                "size": verdict.size,
                "root": verdict.root.hex(),
                "faults": [
                    {"table": f.table, "entry": f.entry, "row": f.row, "column": f.column,
                     "what": f.what}
                    for f in verdict.faults
                ],
                "redacted": [
                    {"kind": r.kind, "key": r.key, "by_entry": r.entry, "entries": list(r.emptied)}
                    for r in verdict.redactions
                ],
            }
        )  # fmt: skip
        ctx.exit(0 if verdict.clean else 1)
    for fault in verdict.faults:
        say(str(fault), hang=2)
    if verdict.faults:
        say(f"{count(len(verdict.faults), 'fault')} in {count(verdict.size, 'entry', 'entries')}.")
        say(
            "Where only views are wrong, `claimledger rebuild` makes them anew from the log; where the "
            "log is, take the ledger from a backup."
        )
        ctx.exit(1)
    say(f"Clean: {count(verdict.size, 'entry', 'entries')}, every digest, the tree and every view.")
    say(f"root {verdict.root.hex()}")
    for redaction in verdict.redactions:
        numbers = ", ".join(map(str, redaction.emptied))
        say(f"redacted: {redaction.kind} {redaction.key}, entries {numbers}, by entry {redaction.entry}",
            hang=2)  # fmt: skip
    say(
        "What this cannot know: whether the whole file was written anew. Whoever can do that can make a "
        "new tree; only a size and root kept elsewhere would show it.",
    )


@click.command(cls=Command)
@click.pass_obj
def rebuild(call: Call) -> None:
    """Make every table and the search index anew from the log. The log is not touched."""
    with call.writing() as ledger:
        entries = ledger.rebuild(Progress("entries"))
    if call.json:
        answer({"entries": entries})
    else:
        say(f"Rebuilt every view from {count(entries, 'entry', 'entries')}.")
