"""What every command shares: the ledger, the two clocks, the author of a write, and the form of the answer.

The shared options may come before or after the command; those after it take precedence.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from claimledger.cli.streams import waiting_for_no_reader
from claimledger.errors import ClaimledgerError

if TYPE_CHECKING:
    from claimledger.ledger import Ledger, LedgerView


Options = TypeVar("Options", bound=Callable[..., Any])
"""A function that becomes a command, with its options."""


class UsageError(ClaimledgerError):
    """A command with options or arguments that make no sense; the exit status is 2."""

    code = "usage"


def SHARED() -> list[click.Parameter]:  # new ones for each command
    """Return the options that every command takes."""
    return [
        click.Option(
            ["--ledger"],
            metavar="WHERE",
            help="The ledger: a file, or postgresql://USER@HOST/DATABASE.  "
            "[CLAIMLEDGER_DB, else ./ledger.db]",
        ),
        click.Option(
            ["--json"], is_flag=True, default=None, help="Print the answer as one JSON object."
        ),
        click.Option(
            ["--as-of"],
            metavar="DATE",
            help="Answer from what had been asserted by this day.",
        ),
        click.Option(
            ["--known-at"],
            metavar="TIME",
            help="Answer from what the ledger contained at this entry (#1234), timestamp or day.",
        ),
    ]


class Command(click.Command):
    """A command that takes the shared options too.

    One without ``clocks`` works on the newest state: it refuses the clocks, and its help leaves them out.
    """

    def __init__(self, *args: Any, clocks: bool = True, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params += SHARED()
        for option in self.params:
            if isinstance(option, click.Option) and option.name in ("as_of", "known_at"):
                option.hidden = not clocks

    def invoke(self, ctx: click.Context) -> Any:
        """Pass the shared options to the context, then run."""
        call = ctx.find_object(CliContext)
        assert call is not None
        names = ("ledger", "json", "as_of", "known_at")
        call.update({name: ctx.params.pop(name) for name in names})
        return super().invoke(ctx)


class CliContext:
    """One call of the program."""

    def __init__(self) -> None:
        self.json = False
        self.as_of: str | None = None
        self.known_at: str | None = None
        self.clock_is_right = False
        """Whether ``--clock-is-right`` was given: a write with a doubtful clock is allowed."""

        self.done = False
        """Whether something was recorded, or a ledger or file created: it stays, whatever happens next."""

        self.status = 0
        """The exit status if the reader of the answer leaves now."""

        self._ledger: str | None = None

    def update(self, options: dict[str, Any]) -> None:
        """Set what the options name; what they do not name stays as it is."""
        for name in ("as_of", "known_at"):
            if options.get(name) is not None and not options[name].strip():
                option = name.replace("_", "-")
                raise UsageError(f"--{option} is empty; give it a day, or leave it out")
        self._ledger = options.get("ledger") or self._ledger
        self.json = bool(options.get("json")) or self.json
        self.as_of = options.get("as_of") or self.as_of
        self.known_at = options.get("known_at") or self.known_at

    @property
    def path(self) -> str:
        """Where the ledger is: ``--ledger``, else ``CLAIMLEDGER_DB``, else ``./ledger.db``."""
        return self._ledger or os.environ.get("CLAIMLEDGER_DB") or "ledger.db"

    @contextmanager
    def reading(self) -> Iterator[LedgerView]:
        """Open the ledger for reading, as it was at one moment of both clocks."""
        with self.reading_ledger() as ledger:
            yield ledger.at(as_of=self._last_day(), known_at=self.known_at)

    @contextmanager
    def reading_ledger(self) -> Iterator[Ledger]:
        """Open the whole ledger for reading, whatever the clocks."""
        from claimledger.ledger import Ledger

        with waiting_for_no_reader(), Ledger.open(self.path) as ledger, ledger.reading():
            yield ledger

    @contextmanager
    def writing(self) -> Iterator[Ledger]:
        """Open the ledger for writing."""
        from claimledger.ledger import Ledger

        self.require_now()
        trusted = self.clock_is_right
        self.status = 1
        with Ledger.open(self.path, writable=True, clock_is_right=trusted) as ledger:
            try:
                yield ledger
                self.status = 0
            finally:
                self.done |= ledger.written

    def require_now(self) -> None:
        """Raise :class:`UsageError` if a clock was given to a command that writes."""
        if self.as_of or self.known_at:
            raise UsageError(
                "a command that writes works on the ledger as it is now; leave out --as-of and --known-at"
            )

    def _last_day(self) -> int | None:
        if not self.as_of:
            return None
        from claimledger.errors import ParseError
        from claimledger.ledger import last_day

        try:
            return last_day(self.as_of)
        except ParseError as error:
            raise ParseError(f"--as-of {self.as_of!r} {error}") from None


def recorder(by: str | None, ledger: Ledger) -> str:
    """Return the author of a write: the user that a server enforces, else the first of --by,
    CLAIMLEDGER_BY, git's user and the login name.

    A write that would be refused for its clock is refused here, before the user is asked anything.
    """
    ledger.check_clock()
    if user := ledger.enforced_author:
        if by and by != user:
            raise UsageError(
                f"on this server the user {user} can only write as {user}; leave out --by"
            )
        return user
    return by or os.environ.get("CLAIMLEDGER_BY", "").strip() or _git_user() or _login()


def _git_user() -> str:
    try:
        completed = subprocess.run(
            ["git", "config", "user.name"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return completed.stdout.strip()


def _login() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise UsageError(
            "the author of this write is not known; give --by NAME or set CLAIMLEDGER_BY"
        ) from None


def by_option(command: Options) -> Options:
    """Add the options of every command that records: --by and --clock-is-right."""
    named = click.option(
        "--by",
        metavar="NAME",
        help="Who records this.  [CLAIMLEDGER_BY, else git's user, else the login]",
    )
    return named(clock_option(command))


def _set_clock_is_right(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    call = ctx.find_object(CliContext)
    if call is not None:
        call.clock_is_right = value


clock_option = click.option(
    "--clock-is-right",
    is_flag=True,
    envvar="CLAIMLEDGER_CLOCK_IS_RIGHT",
    show_envvar=True,
    expose_value=False,
    callback=_set_clock_is_right,
    help="Write although this machine's clock is far from the date of the last entry.",
)
reason_option = click.option(
    "--reason", metavar="TEXT", required=True, help="Why; stays in the log."
)


class FileName(click.ParamType):  # type: ignore[type-arg]
    """The name of a file that is read or written; an address of a database is refused."""

    name = "file"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        """Return the name; raise :class:`StoreError` if it is an address."""
        from claimledger.ledger import file_of

        file_of(value)
        return value


def form_of(output: str | None, endings: Mapping[str, str]) -> str:
    """Return the format that the extension of a file's name means, or the first of ``endings``.

    ``endings`` maps endings to formats. Raises :class:`UsageError` for the ending of another file type.
    """
    from mimetypes import guess_type

    default = next(iter(endings.values()))
    if output is None:
        return default
    ending = os.path.splitext(output)[1].lower()
    if ending in endings:
        return endings[ending]
    if guess_type(output)[0] is not None:
        possible = ", ".join(endings)
        raise UsageError(
            f"{output}: this command writes {possible}; use such an ending, or give --format"
        )
    return default


output_option = click.option(
    "-o",
    "--output",
    type=FileName(),
    metavar="FILE",
    help="Write to this file.  [standard output]",
)


def complete_key(ctx: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Complete a key from the ledger."""
    from claimledger.ledger import Ledger

    call = ctx.find_object(CliContext) or CliContext()
    try:
        with Ledger.open(call.path) as ledger:
            kinds = ("claim", "source", "party", "subject", "link")
            return [key for kind in kinds for key in ledger.keys(kind) if key.startswith(begun)][
                :200
            ]
    except ClaimledgerError:
        return []
