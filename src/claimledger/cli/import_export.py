"""``import`` and ``export``: read records from files, and write them."""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from claimledger.cli.context import (
    CliContext,
    Command,
    FileName,
    UsageError,
    by_option,
    output_option,
    recorder,
)
from claimledger.cli.output import Progress, answer, count, echo, print_stderr
from claimledger.present.phrases import as_sentence, out_by, series
from claimledger.records.disposition import Disposition
from claimledger.records.kinds import KINDS
from claimledger.records.review import Review
from claimledger.text.unicode import json_text

if TYPE_CHECKING:
    from claimledger.importers.case_files import Incoming
    from claimledger.ledger import LedgerView, StoredRecord


@click.command("import", cls=Command, clocks=False)
@click.argument("files", nargs=-1, required=True, type=FileName(), metavar="FILE...")
@click.option("--check", is_flag=True, help="Only check the files; write nothing.")
@click.option("--amend", is_flag=True, help="Amend the records that differ from the ledger.")
@click.option("--reason", metavar="TEXT", help="Why the records change; stays in the log.")
@by_option
@click.pass_obj
def import_(
    call: CliContext,
    files: tuple[str, ...],
    check: bool,
    amend: bool,
    reason: str | None,
    by: str | None,
) -> None:
    """Import case files, all or nothing. A FILE is YAML, JSON or JSON Lines; - is standard input."""
    from claimledger.importers.case_files import read_files

    if amend and not reason:
        raise UsageError("--amend needs --reason TEXT: why the records change")
    with call.writing() as ledger:
        who = recorder(by, ledger)
        # A server may ask to repeat a write. Files can be read again, standard input cannot.
        incoming = _counted(read_files(files)) if "-" in files else _Files(files)
        taken = ledger.import_records(incoming, by=who, amend=amend, reason=reason, check=check)
    new = len(taken.written) - taken.amended
    if call.json:
        answer({"checked": check, "recorded": new, "amended": taken.amended,
                "unchanged": taken.unchanged, "withdrawn": len(taken.withdrawn), "older": len(taken.older),
                "recorded_by": who})  # fmt: skip
        return
    done = [
        f"{verb} {count(number, 'record')}"
        for verb, number in (("record", new), ("amend", taken.amended))
        if number
    ]
    _print_import(check, done, taken.unchanged, who)
    if taken.withdrawn:
        echo(
            f"{_number_of(taken.withdrawn)} withdrawn and not recorded again: {_named(taken.withdrawn)}.",
            hang=2,
        )
    if taken.older:
        echo(
            f"{_number_of(taken.older)} older than in the ledger and not recorded: {_named(taken.older)}. "
            "To record the file's version, add `--amend --reason TEXT`.",
            hang=2,
        )


def _print_import(check: bool, done: list[str], unchanged: int, who: str) -> None:
    """Print what an import did, or would do; ``done`` are its verbs in the infinitive, with numbers."""
    if check:
        line = f"No problem found; the import would {series(done) or 'record nothing new'}"
    else:
        past = [
            part.replace("record ", "recorded ", 1).replace("amend ", "amended ", 1)
            for part in done
        ]
        line = series(past) or "recorded nothing new"
    line = as_sentence(f"{line}, as {who}" if done else line)
    if unchanged:
        are = "is" if unchanged == 1 else "are"
        line += f" {count(unchanged, 'record')} {are} already in the ledger."
    echo(line)


def _number_of(records: list[tuple[str, str]]) -> str:
    return "1 record is" if len(records) == 1 else f"{len(records):,} records are"


def _named(records: list[tuple[str, str]]) -> str:
    """Return the first five records by kind and key, and how many more there are."""
    named = [f'the {kind} "{key}"' for kind, key in records[:5]]
    return series(named if len(records) <= 5 else [*named, f"{len(records) - 5:,} more"])


class _Files:
    """Case files that are read again for each iteration."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._paths = paths

    def __iter__(self) -> Iterator[Incoming]:
        from claimledger.importers.case_files import read_files

        return _counted(read_files(self._paths))


def _counted(incoming: Iterator[Incoming]) -> Iterator[Incoming]:
    progress = Progress("records read")
    for number, record in enumerate(incoming, 1):
        if number % 5000 == 0:
            progress(number, None)
        yield record
    progress.finish()


@click.command(cls=Command)
@click.option("--log", is_flag=True, help="Write the log's entries instead of the current records.")
@output_option
@click.pass_obj
def export(call: CliContext, log: bool, output: str | None) -> None:
    """Write the records as JSON Lines, in an order in which they can be imported again.

    A record that refers to a replaced record refers to its replacement in the file.
    """
    from claimledger.services.output_files import writing_whole

    if log and (call.known_at or call.as_of):
        raise UsageError("--log writes the whole log, so it takes neither --as-of nor --known-at")
    with ExitStack() as file, call.reading() as view:
        lines = _log(view) if log else _records(view)
        if output in (None, "-"):
            write_lines(sys.stdout.buffer, lines)
        else:
            # Closed last: a pipe gets its lines after the ledger is closed, so its reader blocks nobody.
            target = writing_whole(str(output), call.path, rights=view.permissions)
            write_lines(file.enter_context(target), lines)
    if output not in (None, "-"):
        print_stderr(f"Wrote {output}")


def write_lines(stream: BinaryIO, lines: Iterable[Any]) -> None:
    """Write values as JSON Lines."""
    for line in lines:
        stream.write(json_text(line, None).encode() + b"\n")


def _records(view: LedgerView) -> Iterator[Any]:
    graph = None if view.as_of is None else view.analysis().graph
    links = set() if graph is None else {link.key for link in graph.links}

    def is_there(kind: str, key: str, keys: Container[str]) -> bool:
        """Whether some keys include a key or that of its replacement."""
        return key in keys or view.resolve(kind, [key]).get(key) in keys

    def is_known(stored: StoredRecord) -> bool:
        """Whether a record was known by the view's day."""
        if graph is None:
            return True
        if stored.kind == "claim":
            return stored.key in graph.claims
        if isinstance(stored.record, Review):
            rated = is_there("claim", stored.record.claim, graph.claims)
            return rated and out_by(stored.record.reviewed, view.as_of)
        if isinstance(stored.record, Disposition):
            return is_there("link", stored.record.dispute, links)
        return stored.kind != "link" or stored.key in links

    for kind in KINDS:
        known = filter(is_known, view.records(kind))
        plain = ({**stored.record.as_json(), **stored.more} for stored in known)
        for record in view.resolve_json(kind, plain):
            yield {"kind": kind, **record}
    yield from view.unknown_records()


def _log(view: LedgerView) -> Iterator[Any]:
    from claimledger.ledger import line_of

    return map(line_of, view.entries())
