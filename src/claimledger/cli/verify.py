"""``verify``, ``salvage`` and ``rebuild``: check a ledger against its log, or save what is left of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claimledger.cli.context import CliContext, Command, UsageError
from claimledger.cli.import_export import write_lines
from claimledger.cli.output import Progress, answer, count, echo
from claimledger.errors import RuleViolationError

if TYPE_CHECKING:
    from claimledger.ledger import SalvageReport, TreeHead, VerificationResult


@click.command(cls=Command, clocks=False)
@click.option(
    "--deep",
    is_flag=True,
    help="Check each entry of a damaged ledger by itself, and list what is lost.",
)
@click.option("--at", "size", type=click.IntRange(min=0), metavar="SIZE",
              help="The size of an earlier state: the log must continue it.")  # fmt: skip
@click.option("--root", metavar="HEX", help="The root of that state.")
@click.pass_context
def verify(ctx: click.Context, deep: bool, size: int | None, root: str | None) -> None:
    """Check every rule of the log, the tree and every view. The status is 1 if anything is wrong.

    With --at and --root, also check that the log continues an earlier state whose size and root you kept.
    """
    call = ctx.obj
    assert isinstance(call, CliContext)
    _refuse_clocks(call, "verify")
    earlier = _earlier_head(size, root)
    if deep:
        if earlier is not None:
            raise UsageError(
                "--deep is for a damaged ledger, --at and --root are for an intact one; give one or the other"
            )
        _deep(call)
        ctx.exit(call.status)
    with call.reading() as view:
        verdict = view.verify(Progress("entries"), earlier)
    call.status = 0 if verdict.clean else 1
    if call.json:
        answer(_as_json(verdict))
    elif verdict.clean:
        _print_clean(verdict, earlier)
    else:
        for fault in verdict.faults:
            echo(str(fault), hang=2)
        _print_redactions(verdict)
        within = f" in {count(verdict.size, 'entry', 'entries')}" if verdict.size else ""
        echo(f"{count(len(verdict.faults), 'fault')}{within}.")
        only_another_log = verdict.continues is False and len(verdict.faults) == 1
        echo(_CHECK_TYPING if only_another_log and verdict.size else _REPAIR)
    ctx.exit(call.status)


_CHECK_TYPING = (
    "First check the size and the root for typing errors. If they are right, somebody rewrote this log "
    "or cut it off, or this is an older copy or another ledger. Record nothing in it, and look for the "
    "ledger from which they were taken."
)
_REPAIR = (
    "If only views are wrong, `claimledger rebuild` rebuilds them from the log. If the log is wrong, restore "
    "a backup, or see with `verify --deep` what `salvage` can save."
)


def _refuse_clocks(call: CliContext, command: str) -> None:
    """Raise :class:`UsageError` if a clock was given: the command reads the whole log."""
    if call.as_of or call.known_at:
        raise UsageError(
            f"`{command}` reads the whole log as it is now, so it takes neither --as-of nor --known-at. "
            "To compare the log with an earlier state, give the size and root of that state: "
            "`verify --at SIZE --root HEX`"
        )


def _earlier_head(size: int | None, root: str | None) -> TreeHead | None:
    """Return the tree head that the options name, if they name one."""
    from claimledger.ledger import TreeHead

    if size is None and root is None:
        return None
    if size is None or root is None:
        raise UsageError("--at and --root belong together: give the size and the root of one state")
    root = root.strip().lower()
    if not re.fullmatch("[0-9a-f]{64}", root):
        raise UsageError(
            "--root takes 64 hexadecimal digits, as `verify` and the report print them"
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


def _print_clean(verdict: VerificationResult, earlier: TreeHead | None) -> None:
    entries = count(verdict.size, "entry", "entries")
    echo(f"Clean: {entries}. Every rule of the log, the tree and every view were checked.")
    echo(f"root {verdict.root.hex()}")
    _print_redactions(verdict)
    if earlier is None:
        echo(
            "This check cannot show whether this is an older copy, whether somebody cut off entries at the "
            "end, or whether somebody replaced the whole log. To check that, give a size and a root that you "
            "kept elsewhere: `verify --at SIZE --root HEX`."
        )
    else:
        echo(
            f"The log continues from the size and root that you gave: none of its first {earlier.size:,} "
            "entries was changed or left out. Only a later size and root could show whether entries after "
            "them were cut off."
        )


def _print_redactions(verdict: VerificationResult) -> None:
    for redaction in verdict.redactions:
        numbers = ", ".join(map(str, redaction.emptied))
        entries = f"entr{'y' if len(redaction.emptied) == 1 else 'ies'} {numbers}"
        record = f'the {redaction.kind} "{redaction.key}"'
        state = "redacted" if redaction.scrubbed else "redacted, not yet scrubbed"
        echo(f"{state}: {record}; entry {redaction.entry} emptied {entries}", hang=2)
    unscrubbed = [redaction for redaction in verdict.redactions if not redaction.scrubbed]
    if unscrubbed:
        first = f"redact {unscrubbed[0].key} --reason TEXT"
        echo(
            "Not yet scrubbed: the log and the views no longer contain the texts, but the ledger's files "
            f"may. To finish, repeat `claimledger {first}`."
        )


def _deep(call: CliContext) -> None:
    from claimledger.ledger import survey

    report = survey(call.path, Progress("entries"))
    call.status = 1 if report.lost else 0
    _print_salvage(call, report, "")


def _print_salvage(call: CliContext, report: SalvageReport, rest: str) -> None:
    """Print what of a damaged log is intact, what is lost, and which records only later entries have.

    ``rest`` is the file into which those records were written; empty if they were not written.
    """
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
        f"{report.intact:,} of {count(report.size, 'entry', 'entries')} are intact, counted from the first."
    )
    echo(f"root {report.root}")
    for lost in report.lost[:_MOST_LOST]:
        about = f" (it was: {lost.about})" if lost.about else ""
        which = f"entry {lost.number}"
        if lost.last > lost.number:
            which = f"entries {lost.number:,} to {lost.last:,}"
        echo(f"{which} {lost.why}{about}", hang=2)
    if len(report.lost) > _MOST_LOST:
        echo(f"and {len(report.lost) - _MOST_LOST:,} more; --json lists them all")
    if report.behind:
        are = "is" if len(report.behind) == 1 else "are"
        echo(
            f"{count(len(report.behind), 'entry', 'entries')} after the first loss {are} intact: "
            f"{count(len(left), 'record')}"
            + (f" in {rest}, for `claimledger import`." if rest else ".")
        )
    for payload in undone[:_MOST_LOST]:
        echo(
            f'The {payload.kind} "{payload.key}" is no longer withdrawn: its withdrawal by '
            f"{payload.recorded_by} ({payload.reason}) is after the first loss.",
            hang=2,
        )
    if len(undone) > _MOST_LOST:
        echo(f"and {len(undone) - _MOST_LOST:,} more withdrawals; --json lists them all")


_MOST_LOST = 20


@click.command(cls=Command, clocks=False)
@click.argument("target", metavar="TO")
@click.option(
    "--rest",
    metavar="FILE",
    help="Where to write the records that cannot go into TO.  [TO.rest.jsonl]",
)
@click.pass_obj
def salvage(call: CliContext, target: str, rest: str | None) -> None:
    """Save what is intact of a damaged ledger into a new one at TO, and list what is lost.

    The log is copied unchanged, with its root, up to the first lost entry or the first one that breaks a
    rule of the format. Records that only later entries contain are written as JSON Lines, for you to
    examine and import.
    """
    from claimledger.ledger import salvage as save
    from claimledger.ledger import shown
    from claimledger.services.output_files import refuse_to_replace, writing_whole

    _refuse_clocks(call, "salvage")
    name = rest or ("salvaged.rest.jsonl" if "://" in target else f"{target}.rest.jsonl")
    refuse_to_replace(name, call.path)
    if rest is None and Path(name).is_file():
        raise RuleViolationError(f"{name} exists; name another file with --rest")
    report = save(call.path, target, Progress("entries"))
    call.done = True
    left = list(report.records())
    if left:
        with writing_whole(name, call.path, target, rights=report.rights) as stream:
            write_lines(stream, left)
    if not call.json:
        echo(f"Saved the intact part in {shown(target)}.")
    _print_salvage(call, report, name if left else "")


@click.command(cls=Command, clocks=False)
@click.pass_obj
def rebuild(call: CliContext) -> None:
    """Rebuild every table and the search index from the log. The log does not change."""
    with call.writing() as ledger:
        entries = ledger.rebuild(Progress("entries"))
    if call.json:
        answer({"entries": entries})
    else:
        echo(f"Rebuilt every view from {count(entries, 'entry', 'entries')} of the log.")
