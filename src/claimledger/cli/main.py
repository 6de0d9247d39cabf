"""The entry point: runs a command, and is the one place that prints an error and sets the exit status."""

from __future__ import annotations

import errno
import gc
import io
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from claimledger import __version__
from claimledger.cli.commands import Commands
from claimledger.cli.context import SHARED, CliContext, UsageError
from claimledger.cli.streams import AnswerLostError, StandardOutput
from claimledger.errors import ClaimledgerError, UnexpectedError


def _version(ctx: click.Context, _param: click.Parameter, requested: bool) -> None:
    """Print the version, and the formats that it writes."""
    if not requested or ctx.resilient_parsing:
        return
    from claimledger.ledger import FORMAT, LAYOUT

    click.echo(
        f"claimledger {__version__} (log format {FORMAT}, layout {LAYOUT}; it also reads all earlier ones)"
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

    claimledger keeps every assertion as a dated claim with a source, a claimant and a subject, and never
    changes any of them silently. It does not say what is true.
    """
    ctx.ensure_object(CliContext).update(shared)


ANSWER_LOST = 3
"""The status if a write was done and stays, and only the answer could not be printed."""


def main() -> None:
    """Run the command line, and exit with its status.

    0: done. 1: refused, or something is wrong; nothing was written. 2: wrong usage. 3: the write was done and
    stays, but the rest of the answer was lost to a full disk or Ctrl-C. A reader that stops early
    (``| head``) has seen what it wanted: the status is what it would have been.
    """
    # A command is short and creates hardly any cycles; looking for them costs a third of a large answer.
    gc.disable()
    call = CliContext()
    status: int | None = None
    try:
        status = _run(call)
        sys.stdout.flush()
    except AnswerLostError as error:
        _discard(1)
        if error.errno == errno.EPIPE:
            unfinished = ANSWER_LOST if call.done else 1
            status = (unfinished if call.status else 0) if status is None else status
        else:
            status = ANSWER_LOST if call.done else 1
            stays = "the command itself succeeded" if call.done else "nothing was changed"
            _print_error(
                f"claimledger: the answer could not be printed ({error.strerror}); {stays}"
            )
    try:
        sys.stderr.flush()
    except OSError:
        _discard(2)  # the status says what an error message cannot
    sys.exit(status)


def _discard(number: int) -> None:
    """Redirect a stream to nowhere: Python would fail to flush its buffer on exit, with status 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _run(call: CliContext) -> int:
    """Run the command and return its status, after printing what went wrong."""
    try:
        _require_streams()
        _require_unicode_arguments()
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
        _print_failure(error)
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
        # Values in damaged views can be of any type, and fail wherever they are used.
        if os.environ.get("CLAIMLEDGER_TRACEBACK"):
            raise
        _print_failure(UnexpectedError(error, _outcome(call)))
        return _status_after_failure(call)
    return status if isinstance(status, int) else 0


def _outcome(call: CliContext) -> str:
    """Return what a failed command had written."""
    return "what was written before stays" if call.done else "nothing was written"


def _status_after_failure(call: CliContext) -> int:
    """Return the exit status of a failed command: its own status if its work was already done."""
    return ANSWER_LOST if call.done else 1


def _require_streams() -> None:
    """Make sure that the three standard streams are open, and that any character can be printed.

    A file opened while a standard stream is closed would get its number, and receive its output.
    """
    closed = []
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))
            closed.append(name)
    if "stdout" in closed:
        raise UsageError(
            "standard output is closed, so nothing was done; if nobody needs the output, send it to /dev/null"
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


def _require_unicode_arguments() -> None:
    """Refuse arguments that are not Unicode, which no command could store, search or print."""
    arguments = {f"argument {place}": text for place, text in enumerate(sys.argv[1:], 1)}
    arguments |= {name: os.environ.get(name, "") for name in ("CLAIMLEDGER_BY", "CLAIMLEDGER_DB")}
    odd = {name: text for name, text in arguments.items() if not text.isascii()}
    if not odd:
        return
    from claimledger.text.unicode import not_unicode  # too slow to import for --help

    for name, text in odd.items():
        if what := not_unicode(text):
            raise UsageError(f"{name} {what}: {text!a}; write it in UTF-8")


def _without_passwords(message: str) -> str:
    """Return a message without any password that an argument contained."""
    texts = [*sys.argv[1:], os.environ.get("CLAIMLEDGER_DB", "")]
    texts += [value for word in texts if (value := word.partition("=")[2])]
    if not any(":" in word or "=" in word for word in texts):
        return message
    from claimledger.ledger import without_passwords  # too slow to import for --help

    return without_passwords(message, texts)


def _map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Return a JSON value with ``change`` applied to every text in it."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _map_texts(inner, change) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_map_texts(inner, change) for inner in value]
    return value


def _print_failure(error: ClaimledgerError) -> None:
    from claimledger.cli.output import print_stderr, printable, width
    from claimledger.text.width import wrapped

    if "--json" in sys.argv[1:]:
        from claimledger.text.unicode import json_text

        print_stderr(json_text(_map_texts(error.as_json(), _without_passwords)))
        return
    for number, line in enumerate(
        _without_passwords(str(error)).splitlines() or [type(error).__name__]
    ):
        shown = printable(line if number else "claimledger: " + line)
        # In a pipe a problem stays on one line, so that it can be searched for.
        for part in wrapped(shown, width(), 0, 2) if sys.stderr.isatty() else [shown]:
            print_stderr(part)
