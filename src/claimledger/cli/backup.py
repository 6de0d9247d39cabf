"""``backup``, ``restore``, ``move``: copies of a ledger's log; ``grant``: roles in PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from claimledger.cli.context import CliContext, Command, FileName, UsageError
from claimledger.cli.output import Progress, answer, count, echo
from claimledger.errors import RuleViolationError

if TYPE_CHECKING:
    from claimledger.ledger import Ledger, LogSegment, TreeHead


@click.command(cls=Command, clocks=False)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.pass_obj
def move(call: CliContext, source: str, target: str) -> None:
    """Create a ledger at TO with the log of FROM: same entries, same root. FROM does not change.

    Each is a file or postgresql://USER@HOST/DATABASE?schema=NAME.
    """
    from claimledger.ledger import Ledger, shown

    call.require_now()
    if _is_missing(source):
        raise RuleViolationError(
            f"{Path(source).absolute()} does not exist; FROM is the ledger to move"
        )
    with Ledger.open(source) as ledger, ledger.reading():
        head = ledger.move(target, Progress("entries"))
    call.done = True
    if call.json:
        answer(
            {"from": shown(source), "to": shown(target), "size": head.size, "root": head.root.hex()}
        )
    else:
        echo(f"Moved {count(head.size, 'entry', 'entries')} to {shown(target)}.")
        echo(f"root {head.root.hex()}")


def _is_missing(where: str) -> bool:
    """Whether this names a file that is not there."""
    return "://" not in where and not Path(where).exists()


@click.command(cls=Command, clocks=False)
@click.argument("path", type=FileName(), metavar="FILE")
@click.option("--since", metavar="TIME", help="Only the entries after one: its number, or a time.")
@click.pass_obj
def backup(call: CliContext, path: str, since: str | None) -> None:
    """Write the whole ledger to FILE, while others write; it is proved before it takes its name.

    A backup of this ledger that is there is brought up to date. One of another ledger, or one that forked,
    is refused with the entry where they part.
    """
    if call.as_of or call.known_at:
        raise UsageError("a backup is of the whole ledger; clocks go with questions")
    from claimledger.services.output_files import given_stream

    if path == "-" or given_stream(path) in (1, 2):  # where what this says goes too
        raise UsageError("a backup is a file, proved before it takes its name: name one")
    # Left last: a pipe gets the backup when the ledger is closed, and nobody waits for its reader.
    with ExitStack() as file, call.reading_ledger() as ledger:
        if since is None:
            head = _back_up(ledger, path, file)
            written = head.size
        else:
            first = ledger.entry_at(since)
            head = ledger.head()
            written = head.size - first
            _write_strand(call, ledger, path, first, file)
    call.done = True
    if call.json:
        answer({"to": path, "size": head.size, "root": head.root.hex(), "entries": written})
        return
    amount = count(written, "entry", "entries")
    if since is not None:
        amount += f", up to {head.size}"
    if not Path(path).is_file():  # a device or a pipe need not hold anything
        echo(
            f"Wrote {amount}, to {path}, which is not a file: nothing shows that it is kept there."
        )
    else:
        echo(f"{path} holds {amount}, proved." if since is None else f"{path} holds {amount}.")
    echo(f"root {head.root.hex()}")


def _back_up(ledger: Ledger, path: str, target: ExitStack) -> TreeHead:
    """Write the whole ledger to a file; into a device or a pipe once it is whole, and ``target`` is left."""
    from claimledger.services.output_files import given_stream, writing_whole

    is_file = not Path(path).exists() or Path(path).is_file() or Path(path).is_dir()
    if is_file and given_stream(path) is None:
        return ledger.backup(path, Progress("entries"))
    with TemporaryDirectory(prefix="claimledger-") as folder:
        copy = Path(folder) / "backup.db"
        head = ledger.backup(copy, Progress("entries"))
        stream = target.enter_context(writing_whole(path))
        with copy.open("rb") as content:
            shutil.copyfileobj(content, stream)
    return head


def _write_strand(
    call: CliContext, ledger: Ledger, path: str, since: int, target: ExitStack
) -> None:
    from claimledger.cli.import_export import write_lines
    from claimledger.importers.log_segments import reading_strand
    from claimledger.services.output_files import is_backup_of_entries, writing_whole

    if is_backup_of_entries(Path(path)):
        with reading_strand(path) as old:
            begins, ends = old.begins, old.ends
        known = ends.size <= ledger.head().size and ledger.at(known_at=ends.size).head() == ends
        if not known or begins.size < since:
            raise RuleViolationError(
                f"{path} is a backup of entries {begins.size + 1} to {ends.size}, and this one would not "
                "hold them; name another file"
            )
    writing = writing_whole(path, call.path, rights=ledger.permissions, over_backup=True)
    write_lines(target.enter_context(writing), ledger.entries_since(since))


@contextmanager
def _strands(paths: Sequence[str]) -> Iterator[list[LogSegment]]:
    from claimledger.importers.log_segments import reading_strand

    with ExitStack() as opened:
        yield [opened.enter_context(reading_strand(path)) for path in paths]


@click.command(cls=Command, clocks=False)
@click.argument("files", nargs=-1, required=True, type=FileName(), metavar="FILE...")
@click.pass_obj
def restore(call: CliContext, files: tuple[str, ...]) -> None:
    """Make the ledger from a backup, proved first; then add the entries of `backup --since` files.

    Files of entries alone take a ledger that is there further. Nothing that is there is written over.
    """
    from claimledger.importers.log_segments import is_strand
    from claimledger.ledger import Ledger, shown

    call.require_now()
    whole_backups = [path for path in files if not is_strand(path)]
    if whole_backups not in ([], [files[0]]):
        raise UsageError("a whole backup comes first, and once; files of entries follow it")
    parts = files[len(whole_backups) :]
    if whole_backups:
        with Ledger.open(files[0]) as source, source.reading(), _strands(parts) as strands:
            verdict = source.verify(Progress("entries"))
            if not verdict.clean:
                raise RuleViolationError(
                    f"{files[0]} is damaged: {verdict.faults[0]}; nothing was written"
                )
            head = source.move(call.path, further=strands)
            added = head.size
        call.done = True
    else:
        with _strands(parts):
            pass  # a file that is not a backup is reported before the ledger is opened
        if _is_missing(call.path):
            raise RuleViolationError(
                f"{Path(call.path).absolute()} does not exist, and {files[0]} holds only entries, to add "
                "to a ledger: name a whole backup first, or where it holds all entries make an empty ledger "
                "with `claimledger init`"
            )
        with call.writing() as ledger:

            def add() -> tuple[int, TreeHead]:
                with _strands(parts) as strands:
                    return sum([ledger.append_entries(strand) for strand in strands]), ledger.head()

            added, head = ledger.transaction(add)
    where = shown(call.path)
    if call.json:
        answer({"ledger": where, "size": head.size, "root": head.root.hex(), "added": added})
        return
    echo(f"{where} holds {count(head.size, 'entry', 'entries')}, {added:,} of them new.")
    echo(f"root {head.root.hex()}")


@click.command(cls=Command, clocks=False)
@click.argument("role", required=False, metavar="[ROLE]")
@click.argument("users", nargs=-1, metavar="[USER]...")
@click.pass_obj
def grant(call: CliContext, role: str | None, users: tuple[str, ...]) -> None:
    """Give users of a PostgreSQL server a ROLE: reader, recorder, editor, keeper, or none.

    Without ROLE, list current grants. A user has one role in a ledger, and writes under its own name.
    """
    if role is not None and not users:
        raise UsageError("grant ROLE to whom? name users of the server")
    opened = call.reading_ledger() if role is None else call.writing()
    with opened as ledger:
        for user in users:
            if role == "none":
                ledger.revoke(user)
            else:
                ledger.grant(str(role), user)
        roles = ledger.grants()
    if call.json:
        answer({"roles": roles})
        return
    for name, members in roles.items():
        echo(f"{name}: {', '.join(members) or 'nobody'}", hang=2)
