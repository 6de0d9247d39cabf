"""What every command shares: which ledger, which clocks, whose name, and how to answer.

The shared options may come before the command or after it; those after it win.
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
    """A command called in a way that cannot mean anything; ends with status 2."""

    code = "usage"


def SHARED() -> list[click.Parameter]:  # new ones for each command
    """Return the options that every command takes."""
    return [
        click.Option(
            ["--ledger"],
            metavar="WHERE",
            help="The ledger: a file, or postgresql://USER@HOST/DATABASE.  [./ledger.db]",
        ),
        click.Option(["--json"], is_flag=True, default=None, help="Answer with one JSON object."),
        click.Option(
            ["--as-of"],
            metavar="DATE",
            help="Only what had been asserted by then (the world's clock).",
        ),
        click.Option(
            ["--known-at"],
            metavar="TIME",
            help="Only what the ledger held then: an entry (#1234), a timestamp, a day.",
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
        """Take what was given; what was not leaves things as they are."""
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
            raise UsageError("--as-of and --known-at are for questions; a write is made now")

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
    """Return whose name a write bears: the server's user where it decides, else the first of
    --by, CLAIMLEDGER_BY, git's user, the login name.

    A write that its clock would have refused is refused here, before anything is asked.
    """
    ledger.check_clock()
    if user := ledger.enforced_author:
        if by and by != user:
            raise UsageError(
                f"this server's user {user} writes under no other name; leave out --by"
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
        raise UsageError("whose name should this bear? give --by or set CLAIMLEDGER_BY") from None


def by_option(command: Options) -> Options:
    """Add what every command that records takes: whose name it bears, and that its clock is right."""
    named = click.option(
        "--by", metavar="NAME", help="Who records it.  [CLAIMLEDGER_BY, git, login]"
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
    help="Write although the last entry's date and this clock are far apart.",
)
reason_option = click.option(
    "--reason", metavar="TEXT", required=True, help="Why; kept in the log."
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
        raise UsageError(f"{output}: this writes {possible}; end the name so, or say --format")
    return default


output_option = click.option(
    "-o",
    "--output",
    type=FileName(),
    metavar="FILE",
    help="Where to write.  [standard output]",
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
