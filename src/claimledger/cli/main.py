"""The entry point: commands by name, loaded when called, and the one place that tells an error."""

from __future__ import annotations

import errno
import gc
import io
import os
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from claimledger import __version__
from claimledger.cli.context import SHARED, CliContext, UsageError
from claimledger.cli.streams import AnswerLostError, StandardOutput
from claimledger.errors import ClaimledgerError, UnexpectedError

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("init:init", "Make a new, empty ledger."),
    "record": ("record:record", "Record a claim, at a prompt or wholly by options."),
    "party": ("entities:party", "Add, list or show parties: who can assert."),
    "source": ("entities:source", "Add, list or show sources: works in which claims are seen."),
    "subject": ("entities:subject", "Add, list or show subjects: what claims are about."),
    "term": ("entities:term", "Add, list or show terms: names that mean one measure or place."),
    "link": ("link:link", "Say how one claim stands to another, or to a source."),
    "cite": ("link:cite", "Add a citation to a claim: it has now been read there."),
    "review": ("link:review", "Record a published rating of a claim."),
    "list": ("search:list_", "List claims by claimant, source, subject, standing, figure, date."),
    "search": ("search:search", "Find records by their words, in any script."),
    "show": ("search:show", "Show everything about one record, with its standing and why."),
    "amend": ("amend:amend", "Correct a record; the log keeps what was before."),
    "withdraw": ("amend:withdraw", "Withdraw a record that should not have been made."),
    "redact": ("amend:redact", "Destroy the texts of a withdrawn record, for good."),
    "history": ("amend:history", "Show every entry about a record: what, when, who, why."),
    "import": ("import_export:import_", "Take in case files: YAML, JSON or JSON Lines."),
    "export": ("import_export:export", "Write records (or the log) as JSON Lines."),
    "disputes": ("disputes:disputes", "What is disputed, by whom, through what, since when."),
    "dispose": ("disputes:dispose", "Lay a dispute to rest; new activity reopens it."),
    "compare": ("compare:compare", "How the figures of two claims stand to each other."),
    "tally": ("tally:tally", "What the ledger itself can count, beside stated totals."),
    "origins": ("origins:origins", "How many independent voices there are behind a claim."),
    "load-bearing": ("origins:load_bearing", "What most others rest on, and what falls with it."),
    "standings": ("disputes:standings", "Every claim with its standing, origins, acceptability."),
    "explain": ("explain:explain", "A claim's answers in sentences, each naming its record."),
    "flags": ("explain:flags", "Everything odd, by severity, with what would mend it."),
    "what-if": ("what_if:what_if", "What would move without some records, or with others."),
    "changes": ("what_if:changes", "What moved since an entry or a day."),
    "propose": ("propose:propose", "What nobody has linked yet, as questions with evidence."),
    "accept": ("propose:accept", "Accept proposals: a link is made, its rule named."),
    "decline": ("propose:decline", "Decline proposals: they stay away until things change."),
    "report": ("report:report", "Export the contested-claims report."),
    "graph": ("graph:graph", "Draw claims and how they stand to each other."),
    "timeline": ("graph:timeline", "Draw figures over time."),
    "audit": ("audit:audit", "Where a figure came from, back to whoever first said it."),
    "verify": ("verify:verify", "Prove the ledger: every digest, the tree, every view."),
    "backup": ("backup:backup", "Write the whole ledger, or what is new, to a file."),
    "restore": ("backup:restore", "Make a ledger from a backup, or take it further."),
    "grant": ("backup:grant", "Who may what in a ledger in PostgreSQL."),
    "move": ("backup:move", "Take a ledger to another file or database."),
    "salvage": ("verify:salvage", "Save what can be saved of a damaged file."),
    "rebuild": ("verify:rebuild", "Make the views anew from the log."),
    "schema": ("info:schema", "Print the JSON Schema of a kind of record."),
    "stats": ("info:stats", "Count records by kind, standing, source, claimant, year."),
}
"""Every command: the module and name of its function, and its line in the help."""


class Commands(click.Group):
    """The commands by name, each imported when it is called."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the commands in the order of a day's work."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(f"claimledger.cli.{module}"), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a command, naming the nearest ones for a mistyped one."""
        name = args[0] if args else ""
        if name not in COMMANDS and not name.startswith("-"):
            near = get_close_matches(name, COMMANDS, n=3, cutoff=0.5)
            hint = f" Did you mean {' or '.join(near)}?" if near else " `--help` lists them."
            ctx.fail(f"There is no command {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _version(ctx: click.Context, _param: click.Parameter, requested: bool) -> None:
    """Tell the version, and what a ledger of it is written in."""
    if not requested or ctx.resilient_parsing:
        return
    from claimledger.ledger import FORMAT, LAYOUT

    click.echo(
        f"claimledger {__version__} (log format {FORMAT}, layout {LAYOUT}; reads all before)"
    )
    ctx.exit()


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    params=SHARED(),
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version,
    help="Show the version and the formats it writes, and exit.",
)  # fmt: skip
@click.pass_context
def cli(ctx: click.Context, /, **shared: object) -> None:
    """Who says so, since when, who says otherwise, and is it one voice or many?

    claimledger keeps every assertion as a dated claim tied to a source, a claimant and a subject, and
    never changes any of it silently. It does not say what is true.
    """
    ctx.ensure_object(CliContext).update(shared)


NOT_TOLD = 3
"""The status where something was done and stays, and only the answer could not be written."""


def main() -> None:
    """Run the command line; end with its status.

    0: done. 1: refused or found wrong, nothing was written. 2: wrong usage. 3: done, and it stays; only the
    rest of the answer was lost, to a full disk or Ctrl-C. A reader that leaves early (``| head``) has seen
    what it wanted: the status is what it would have been.
    """
    # A command is short and makes next to no rings; looking for them costs a third of a large answer.
    gc.disable()
    call = CliContext()
    status: int | None = None
    try:
        status = _run(call)
        sys.stdout.flush()
    except AnswerLostError as error:
        _discard(1)
        if error.errno == errno.EPIPE:
            unfinished = NOT_TOLD if call.done else 1
            status = (unfinished if call.status else 0) if status is None else status
        else:
            status = NOT_TOLD if call.done else 1
            stays = "what was asked for is done, and stays" if call.done else "nothing was changed"
            _print_error(f"claimledger: the answer cannot be written ({error.strerror}); {stays}")
    try:
        sys.stderr.flush()
    except OSError:
        _discard(2)  # the status says what an error message cannot
    sys.exit(status)


def _discard(number: int) -> None:
    """Send a stream nowhere: else Python fails to write what it holds when it ends, with status 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _run(call: CliContext) -> int:
    """Run the command; return its status, once what went wrong was told."""
    try:
        _see_streams()
        _see_arguments()
        status = cli.main(prog_name="claimledger", standalone_mode=False, obj=call)
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt, EOFError):
        _print_error(f"\nStopped; {_outcome(call)}.")
        return _status_after_failure(call)
    except UsageError as error:
        _print_error(f"claimledger: {error}")
        return 2
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        _print_error(shown.getvalue().removesuffix("\n"))
        return error.exit_code
    except ClaimledgerError as error:
        _tell(error)
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _print_error(f"claimledger: {where}{error.strerror or error}")
        return 1
    except MemoryError:
        _print_error(f"claimledger: out of memory; {_outcome(call)}")
        return _status_after_failure(call)
    except AnswerLostError:
        raise
    except Exception as error:
        # Values in damaged views can be of any type, and fail in any place that uses them.
        if os.environ.get("CLAIMLEDGER_TRACEBACK"):
            raise
        _tell(UnexpectedError(error, _outcome(call)))
        return _status_after_failure(call)
    return status if isinstance(status, int) else 0


def _outcome(call: CliContext) -> str:
    """Return what a command that failed has written."""
    return "what was done until then stays" if call.done else "nothing was written"


def _status_after_failure(call: CliContext) -> int:
    """Return the exit status of a command that failed: its own where its work was already done."""
    return NOT_TOLD if call.done else 1


def _see_streams() -> None:
    """See to it that there are the three standard streams, and that no odd character ends the program.

    A file that is opened while one is closed would take its number, and be written to in its place.
    """
    closed = []
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))
            closed.append(name)
    if "stdout" in closed:
        raise UsageError(
            "standard output is closed, and nothing was done; send it to /dev/null where nobody is to read it"
        )
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(StandardOutput()),
        encoding=sys.stdout.encoding,
        errors="backslashreplace",
        line_buffering=sys.stdout.isatty(),
    )
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")


def _print_error(line: str) -> None:
    from claimledger.cli.output import print_stderr

    print_stderr(_without_passwords(line))


def _see_arguments() -> None:
    """Refuse what cannot be stored, searched or shown, before any command meets it."""
    arguments = {f"argument {place}": text for place, text in enumerate(sys.argv[1:], 1)}
    arguments |= {name: os.environ.get(name, "") for name in ("CLAIMLEDGER_BY", "CLAIMLEDGER_DB")}
    odd = {name: text for name, text in arguments.items() if not text.isascii()}
    if not odd:
        return
    from claimledger.text.unicode import not_unicode  # costs what --help must not

    for name, text in odd.items():
        if what := not_unicode(text):
            raise UsageError(f"{name} {what}: {text!a}; write it in UTF-8")


def _without_passwords(message: str) -> str:
    """Return a message without a password that an argument held."""
    texts = [*sys.argv[1:], os.environ.get("CLAIMLEDGER_DB", "")]
    texts += [value for word in texts if (value := word.partition("=")[2])]
    if not any(":" in word or "=" in word for word in texts):
        return message
    from claimledger.ledger import without_passwords  # costs what --help must not

    return without_passwords(message, texts)


def _in_every_text(value: Any, change: Callable[[str], str]) -> Any:
    """Return a value as JSON has it, with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _in_every_text(inner, change) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_in_every_text(inner, change) for inner in value]
    return value


def _tell(error: ClaimledgerError) -> None:
    from claimledger.cli.output import print_stderr, printable, width
    from claimledger.text.width import wrapped

    if "--json" in sys.argv[1:]:
        from claimledger.text.unicode import json_text

        print_stderr(json_text(_in_every_text(error.as_json(), _without_passwords)))
        return
    for number, line in enumerate(
        _without_passwords(str(error)).splitlines() or [type(error).__name__]
    ):
        shown = printable(line if number else "claimledger: " + line)
        # In a pipe a problem stays on one line, for those who search it.
        for part in wrapped(shown, width(), 0, 2) if sys.stderr.isatty() else [shown]:
            print_stderr(part)
