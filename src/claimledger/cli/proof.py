"""``verify``, ``salvage`` and ``rebuild``: the proof of the ledger, and what is left of a damaged one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from claimledger.cli.call import Call, Command, UsageMistake
from claimledger.cli.output import Progress, answer, count, say

if TYPE_CHECKING:
    from claimledger.ledger import Survey


@click.command(cls=Command)
@click.option("--deep", is_flag=True, help="Of a damaged file: each entry alone, and what is lost.")
@click.pass_context
def verify(ctx: click.Context, deep: bool) -> None:
    """Check every digest, the tree, and every view against the log. Status 1 if anything is wrong."""
    call = ctx.obj
    assert isinstance(call, Call)
    if deep:
        ctx.exit(_deep(call))
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
            "log is, take the ledger from a backup, or see what can be saved: `verify --deep`, `salvage`."
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


def _deep(call: Call) -> int:
    from claimledger.ledger import survey

    found = survey(_file(call.path), Progress("entries"))
    _tell(call, found, "")
    return 1 if found.lost else 0


def _file(where: str) -> Path:
    from claimledger.ledger import shown

    if "://" in where:
        raise UsageMistake(
            f"{shown(where)} is no file: a damaged server is its administrator's to mend; take the ledger "
            "from a backup"
        )
    return Path(where)


def _tell(call: Call, found: Survey, rest: str) -> None:
    """Say what of a damaged log is whole, what is lost, and what is left over."""
    left = list(found.records())
    if call.json:
        answer({
            "size": found.size, "whole": found.whole, "root": found.root,
            "lost": [{"number": one.number, "why": one.why, "about": one.about} for one in found.lost],
            "behind": len(found.behind), "records": len(left), "rest": rest or None,
        })  # fmt: skip
        return
    say(f"{found.whole:,} of {count(found.size, 'entry', 'entries')} are whole, from the first on.")
    say(f"root {found.root}")
    for one in found.lost[:_MOST_LOST]:
        about = f" (was: {one.about})" if one.about else ""
        say(f"entry {one.number} {one.why}{about}", hang=2)
    if len(found.lost) > _MOST_LOST:
        say(f"and {len(found.lost) - _MOST_LOST:,} more; --json tells all")
    if found.behind:
        say(
            f"{count(len(found.behind), 'entry', 'entries')} behind the first loss prove by themselves: "
            f"{count(len(left), 'record')}" + (f" in {rest}, to be imported anew." if rest else ".")
        )


_MOST_LOST = 20


@click.command(cls=Command)
@click.argument("target", metavar="TO")
@click.option("--rest", metavar="FILE", help="Where to write what is left over.  [TO.rest.jsonl]")
@click.pass_obj
def salvage(call: Call, target: str, rest: str | None) -> None:
    """Save what can be saved of a damaged file into a new ledger at TO; say exactly what is lost.

    The log up to the first loss is kept as it is, with its root. Records that only later entries hold are
    written as JSON Lines, to be looked at and imported anew.
    """
    from claimledger.cli.files import write_lines
    from claimledger.ledger import salvage as save
    from claimledger.ledger import shown
    from claimledger.publish.files import writing_whole

    found = save(_file(call.path), target, Progress("entries"))
    left = list(found.records())
    name = rest or ("salvaged.rest.jsonl" if "://" in target else f"{target}.rest.jsonl")
    if left:
        with writing_whole(name) as stream:
            write_lines(stream, left)
    if not call.json:
        say(f"Saved into {shown(target)}:")
    _tell(call, found, name if left else "")


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
