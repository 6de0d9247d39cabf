"""``verify``, ``salvage`` and ``rebuild``: the proof of the ledger, and what is left of a damaged one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claimledger.cli.context import CliContext, Command, UsageError
from claimledger.cli.output import Progress, answer, count, echo

if TYPE_CHECKING:
    from claimledger.ledger import SalvageReport, TreeHead, VerificationResult


@click.command(cls=Command, clocks=False)
@click.option(
    "--deep", is_flag=True, help="Of a damaged ledger: each entry alone, and what is lost."
)
@click.option("--at", "size", type=click.IntRange(min=0), metavar="SIZE",
              help="A size that you kept: the log must continue it.")  # fmt: skip
@click.option("--root", metavar="HEX", help="The root that you kept with it.")
@click.pass_context
def verify(ctx: click.Context, deep: bool, size: int | None, root: str | None) -> None:
    """Check every rule of the log, the tree, and every view. Status 1 if anything is wrong.

    With --at and --root also that this is the log whose size and root you kept, or one that continues it.
    """
    call = ctx.obj
    assert isinstance(call, CliContext)
    _refuse_clocks(call, "verify")
    earlier = _kept(size, root)
    if deep:
        if earlier is not None:
            raise UsageError("--deep reads what is damaged; --at and --root are for a whole ledger")
        _deep(call)
        ctx.exit(call.status)
    with call.reading() as view:
        verdict = view.verify(Progress("entries"), earlier)
    call.status = 0 if verdict.clean else 1
    if call.json:
        answer(_as_json(verdict))
    elif verdict.clean:
        _say_clean(verdict, earlier)
    else:
        for fault in verdict.faults:
            echo(str(fault), hang=2)
        _say_redactions(verdict)
        within = f" in {count(verdict.size, 'entry', 'entries')}" if verdict.size else ""
        echo(f"{count(len(verdict.faults), 'fault')}{within}.")
        only_another_log = verdict.continues is False and len(verdict.faults) == 1
        echo(_CHECK_TYPING if only_another_log and verdict.size else _REPAIR)
    ctx.exit(call.status)


_CHECK_TYPING = (
    "Check the size and the root for typing errors first. If they are right, this log was rewritten or cut "
    "off, or it is an older copy or another ledger: record nothing in it, and look for the ledger that they "
    "were taken from."
)
_REPAIR = (
    "Where only views are wrong, `claimledger rebuild` makes them anew from the log; where the log is, take "
    "the ledger from a backup, or see what can be saved: `verify --deep`, `salvage`."
)


def _refuse_clocks(call: CliContext, command: str) -> None:
    """Refuse the clocks: verification is of the whole log."""
    if call.as_of or call.known_at:
        raise UsageError(
            f"`{command}` reads the whole log as it is now; --as-of and --known-at are for questions. "
            "To compare with an earlier state give the size and root that you kept: "
            "`verify --at SIZE --root HEX`"
        )


def _kept(size: int | None, root: str | None) -> TreeHead | None:
    """Return the size and root that somebody kept, from the options."""
    from claimledger.ledger import TreeHead

    if size is None and root is None:
        return None
    if size is None or root is None:
        raise UsageError("--at and --root belong together: the size and the root that you kept")
    root = root.strip().lower()
    if not re.fullmatch("[0-9a-f]{64}", root):
        raise UsageError(
            "--root is 64 hexadecimal digits, as `verify`, `stats` and reports print it"
        )
    return TreeHead(size, bytes.fromhex(root))


def _as_json(verdict: VerificationResult) -> dict[str, Any]:
    return {
        "clean": verdict.clean,
        "size": verdict.size,
        "root": verdict.root.hex(),
        "continues": verdict.continues,
        "faults": [
            {"table": fault.table, "entry": fault.entry, "row": fault.row, "column": fault.column,
             "what": fault.what}
            for fault in verdict.faults
        ],
        "redacted": [
            {"kind": redaction.kind, "key": redaction.key, "by_entry": redaction.entry,
             "entries": list(redaction.emptied), "scrubbed": redaction.scrubbed}
            for redaction in verdict.redactions
        ],
    }  # fmt: skip


def _say_clean(verdict: VerificationResult, earlier: TreeHead | None) -> None:
    entries = count(verdict.size, "entry", "entries")
    echo(f"Clean: {entries}, every rule of the log, the tree and every view.")
    echo(f"root {verdict.root.hex()}")
    _say_redactions(verdict)
    if earlier is None:
        echo(
            "What this cannot know: whether this is an older copy, whether entries are cut off at its "
            "end, or whether the whole log was replaced. Only a size and root kept elsewhere show it: "
            "`verify --at SIZE --root HEX`."
        )
    else:
        echo(
            f"The log goes on from the size and root that you kept: none of its first {earlier.size:,} "
            "entries was changed or left out. Whether entries after them are cut off, only a later size "
            "and root show."
        )


def _say_redactions(verdict: VerificationResult) -> None:
    for redaction in verdict.redactions:
        numbers = ", ".join(map(str, redaction.emptied))
        record = f"{redaction.kind} {redaction.key}"
        state = "redacted" if redaction.scrubbed else "redacted, not yet scrubbed"
        echo(f"{state}: {record}, entries {numbers}, by entry {redaction.entry}", hang=2)
    unscrubbed = [redaction for redaction in verdict.redactions if not redaction.scrubbed]
    if unscrubbed:
        first = f"redact {unscrubbed[0].key} --reason TEXT"
        echo(
            "Not yet scrubbed: the texts are gone from the log and every view, and may still lie in the "
            f"ledger's files. `claimledger {first}` again finishes it."
        )


def _deep(call: CliContext) -> None:
    from claimledger.ledger import survey

    report = survey(call.path, Progress("entries"))
    call.status = 1 if report.lost else 0
    _tell(call, report, "")


def _tell(call: CliContext, report: SalvageReport, rest: str) -> None:
    """Say what of a damaged log is whole, what is lost, and what is left over."""
    left = list(report.records())
    undone = report.undone()
    if call.json:
        answer({
            "size": report.size, "whole": report.intact, "root": report.root,
            "lost": [
                {"number": lost.number, "last": lost.last, "why": lost.why, "about": lost.about}
                for lost in report.lost
            ],
            "undone": [
                {"kind": payload.kind, "key": payload.key, "by": payload.recorded_by,
                 "reason": payload.reason}
                for payload in undone
            ],
            "behind": len(report.behind), "records": len(left), "rest": rest or None,
        })  # fmt: skip
        return
    echo(
        f"{report.intact:,} of {count(report.size, 'entry', 'entries')} are whole, from the first on."
    )
    echo(f"root {report.root}")
    for lost in report.lost[:_MOST_LOST]:
        about = f" (was: {lost.about})" if lost.about else ""
        which = f"entry {lost.number}"
        if lost.last > lost.number:
            which = f"entries {lost.number:,} to {lost.last:,}"
        echo(f"{which} {lost.why}{about}", hang=2)
    if len(report.lost) > _MOST_LOST:
        echo(f"and {len(report.lost) - _MOST_LOST:,} more; --json tells all")
    if report.behind:
        prove = "proves by itself" if len(report.behind) == 1 else "prove by themselves"
        echo(
            f"{count(len(report.behind), 'entry', 'entries')} behind the first loss {prove}: "
            f"{count(len(left), 'record')}" + (f" in {rest}, to be imported." if rest else ".")
        )
    for payload in undone[:_MOST_LOST]:
        echo(
            f"{payload.kind} {payload.key} stands again: its withdrawal by {payload.recorded_by} "
            f"({payload.reason}) is behind the first loss",
            hang=2,
        )
    if len(undone) > _MOST_LOST:
        echo(f"and {len(undone) - _MOST_LOST:,} more that stand again; --json tells all")


_MOST_LOST = 20


@click.command(cls=Command, clocks=False)
@click.argument("target", metavar="TO")
@click.option("--rest", metavar="FILE", help="Where to write what is left over.  [TO.rest.jsonl]")
@click.pass_obj
def salvage(call: CliContext, target: str, rest: str | None) -> None:
    """Save what can be saved of a damaged ledger into a new one at TO; say exactly what is lost.

    The log up to the first loss, or the first entry that breaks a rule of the format, is saved unchanged,
    with its root. Records that only later entries hold are written as JSON Lines, to be looked at and
    imported.
    """
    from claimledger.cli.import_export import write_lines
    from claimledger.errors import RuleViolationError
    from claimledger.ledger import salvage as save
    from claimledger.ledger import shown
    from claimledger.services.output_files import refuse_to_replace, writing_whole

    _refuse_clocks(call, "salvage")
    name = rest or ("salvaged.rest.jsonl" if "://" in target else f"{target}.rest.jsonl")
    refuse_to_replace(name, call.path)
    if rest is None and Path(name).is_file():
        raise RuleViolationError(
            f"{name} exists; name another file for what is left over with --rest"
        )
    report = save(call.path, target, Progress("entries"))
    call.done = True
    left = list(report.records())
    if left:
        with writing_whole(name, call.path, target, rights=report.rights) as stream:
            write_lines(stream, left)
    if not call.json:
        echo(f"Saved into {shown(target)}:")
    _tell(call, report, name if left else "")


@click.command(cls=Command, clocks=False)
@click.pass_obj
def rebuild(call: CliContext) -> None:
    """Rebuild every table and the search index from the log. The log is not touched."""
    with call.writing() as ledger:
        entries = ledger.rebuild(Progress("entries"))
    if call.json:
        answer({"entries": entries})
    else:
        echo(f"Rebuilt every view from {count(entries, 'entry', 'entries')}.")
