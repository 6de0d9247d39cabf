"""``backup``, ``restore`` and ``move`` copy a ledger's log; ``grant`` assigns roles in PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from claimledger.cli.context import CliContext, Command, FileName, UsageError
from claimledger.cli.import_export import write_lines
from claimledger.cli.output import Progress, answer, count, echo
from claimledger.errors import RuleViolationError

if TYPE_CHECKING:
    from claimledger.ledger import Ledger, LogSegment, TreeHead


@click.command(cls=Command, clocks=False)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.pass_obj
def move(call: CliContext, source: str, target: str) -> None:
    """Create a ledger at TO with the log of FROM: the same entries and the same root. FROM stays as it is.

    FROM and TO are files or postgresql://USER@HOST/DATABASE?schema=NAME.
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
        echo(f"Copied {count(head.size, 'entry', 'entries')} to {shown(target)}.")
        echo(f"root {head.root.hex()}")


def _is_missing(where: str) -> bool:
    """Whether a text names a file that does not exist."""
    return "://" not in where and not Path(where).exists()


@click.command(cls=Command, clocks=False)
@click.argument("path", type=FileName(), metavar="FILE")
@click.option("--since", metavar="TIME", help="Write only the entries after this entry or time.")
@click.pass_obj
def backup(call: CliContext, path: str, since: str | None) -> None:
    """Write the whole ledger to FILE, while others write. The backup is verified before it is named FILE.

    An existing backup of this ledger is updated. A backup of another ledger, or of one that forked, is
    refused; the message names the first entry that differs.
    """
    if call.as_of or call.known_at:
        raise UsageError(
            "a backup contains the whole ledger, so it takes neither --as-of nor --known-at"
        )
    from claimledger.services.output_files import given_stream

    if path == "-" or given_stream(path) in (1, 2):  # where the answer is printed, too
        raise UsageError("a backup is a file, and is verified before it gets its name: name a file")
    # Closed last: a pipe gets the backup after the ledger is closed, so that its reader blocks no writer.
    with ExitStack() as file, call.reading_ledger() as ledger:
        if since is None:
            head = _back_up(ledger, path, file)
            written = head.size
        else:
            first = ledger.entry_at(since)
            head = ledger.head()
            written = head.size - first
            _write_segment(call, ledger, path, first, file)
    call.done = True
    if call.json:
        answer({"to": path, "size": head.size, "root": head.root.hex(), "entries": written})
        return
    amount = count(written, "entry", "entries")
    if since is not None:
        amount += f", up to entry {head.size:,}"
    if not Path(path).is_file():  # a device or a pipe need not hold anything
        echo(
            f"Wrote {amount} to {path}, which is not a file: nothing shows whether they are stored."
        )
    else:
        echo(f"{path} contains {amount}{', and was verified' if since is None else ''}.")
    echo(f"root {head.root.hex()}")


def _back_up(ledger: Ledger, path: str, target: ExitStack) -> TreeHead:
    """Write the whole ledger to a file, or into a device or pipe once ``target`` is closed."""
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


def _write_segment(
    call: CliContext, ledger: Ledger, path: str, since: int, target: ExitStack
) -> None:
    from claimledger.importers.log_segments import reading_segment
    from claimledger.services.output_files import is_backup_of_entries, writing_whole

    if is_backup_of_entries(Path(path)):
        with reading_segment(path) as old:
            begins, ends = old.begins, old.ends
        known = ends.size <= ledger.head().size and ledger.at(known_at=ends.size).head() == ends
        if not known or begins.size < since:
            raise RuleViolationError(
                f"{path} is a backup of entries {begins.size + 1} to {ends.size}, which this backup would "
                "not contain; name another file"
            )
    writing = writing_whole(path, call.path, rights=ledger.permissions, over_backup=True)
    write_lines(target.enter_context(writing), ledger.entries_since(since))


@contextmanager
def _segments(paths: Sequence[str]) -> Iterator[list[LogSegment]]:
    from claimledger.importers.log_segments import reading_segment

    with ExitStack() as opened:
        yield [opened.enter_context(reading_segment(path)) for path in paths]


@click.command(cls=Command, clocks=False)
@click.argument("files", nargs=-1, required=True, type=FileName(), metavar="FILE...")
@click.pass_obj
def restore(call: CliContext, files: tuple[str, ...]) -> None:
    """Create the ledger from a backup, which is verified first, then add the entries of further backups.

    Backups made with `backup --since` alone add entries to an existing ledger. No existing entry changes.
    """
    from claimledger.importers.log_segments import is_segment
    from claimledger.ledger import Ledger, shown

    call.require_now()
    whole_backups = [path for path in files if not is_segment(path)]
    if whole_backups not in ([], [files[0]]):
        raise UsageError(
            "name one whole backup, and name it first; backups made with `backup --since` follow it"
        )
    parts = files[len(whole_backups) :]
    if whole_backups:
        with Ledger.open(files[0]) as source, source.reading(), _segments(parts) as segments:
            verdict = source.verify(Progress("entries"))
            if not verdict.clean:
                raise RuleViolationError(
                    f"{files[0]} is damaged: {verdict.faults[0]}; nothing was written"
                )
            head = source.move(call.path, further=segments)
            added = head.size
        call.done = True
    else:
        with _segments(parts):
            pass  # a file that is not a backup is reported before the ledger is opened
        if _is_missing(call.path):
            raise RuleViolationError(
                f"{Path(call.path).absolute()} does not exist, and {files[0]} contains only entries to add "
                "to a ledger: name a whole backup first, or, if it contains all entries, create an empty "
                "ledger with `claimledger init`"
            )
        with call.writing() as ledger:

            def add() -> tuple[int, TreeHead]:
                with _segments(parts) as segments:
                    return sum(
                        [ledger.append_entries(segment) for segment in segments]
                    ), ledger.head()

            added, head = ledger.transaction(add)
    where = shown(call.path)
    if call.json:
        answer({"ledger": where, "size": head.size, "root": head.root.hex(), "added": added})
        return
    new = "all" if added == head.size else f"{added:,}" if added else "none"
    echo(f"{where} contains {count(head.size, 'entry', 'entries')}, {new} of them new.")
    echo(f"root {head.root.hex()}")


@click.command(cls=Command, clocks=False)
@click.argument("role", required=False, metavar="[ROLE]")
@click.argument("users", nargs=-1, metavar="[USER]...")
@click.pass_obj
def grant(call: CliContext, role: str | None, users: tuple[str, ...]) -> None:
    """Give users of a PostgreSQL server a ROLE: reader, recorder, editor, keeper or none.

    Without ROLE, list current grants. A user has one role in a ledger, and writes under its own name.
    """
    if role is not None and not users:
        raise UsageError("name the users of the server who get the role")
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
