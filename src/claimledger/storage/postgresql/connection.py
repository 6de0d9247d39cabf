"""Connecting to a PostgreSQL server, checking what is there, and translating its errors."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors as pg

from claimledger.errors import StoreError
from claimledger.storage.base import Result, WriteConflictError
from claimledger.storage.postgresql.schema import HEAD
from claimledger.storage.postgresql.triggers import CHECKED, OF_ORDER, Checked
from claimledger.storage.tables import LAYOUT
from claimledger.storage.url import Address
from claimledger.text.unicode import visible

# What the driver logs about a lost connection is reported once, by us.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

PROGRAM = "claimledger"
WAIT_SECONDS = 60.0
_CONNECT_SECONDS = 10
_LONGEST_SHOWN = 500  # characters
_LIST_LIMIT = 20
_RETRY_SECONDS = (0.001, 0.02)  # seconds

_SETTINGS = {
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "row_security": "off",
    "standard_conforming_strings": "on",
    "gin_fuzzy_search_limit": "0",
    "quote_all_identifiers": "off",
}
"""Settings whose defaults on a server, or for a user, could cut an answer short or change it.

pg_dump sets the same. With ``row_security = off``, a policy that would hide rows is an error. Not every
server has each of these settings.
"""


def connect(address: Address, *, writable: bool) -> psycopg.Connection[Any]:
    """Connect to a ledger's server. The server's own names come first, whatever the schema contains."""
    options: dict[str, Any] = {"connect_timeout": _CONNECT_SECONDS, "application_name": PROGRAM}
    options |= dict(address.options)
    with server_errors(address):
        driver = psycopg.connect(autocommit=True, **options)
        try:
            driver.execute(
                f"SET search_path = pg_catalog, {address.place}; SET client_encoding = 'UTF8'; "
                f"SET jit = off; SET lock_timeout = {int(WAIT_SECONDS * 1000)}; "
                # After the lock, each statement has to see what was committed while the lock was awaited.
                "SET default_transaction_isolation = 'read committed'; "
                f"SET default_transaction_read_only = {'off' if writable else 'on'}; "
                # A plan cached while a ledger was small must also serve when it is large.
                f"SET {CHECKED} = '{Checked.PAYLOADS}'; "
                f"SET enable_seqscan = {'off' if writable else 'on'}; "
                # What is acknowledged is on the disk, whatever the default of the server is.
                "SELECT set_config('synchronous_commit', 'on', false) "
                "WHERE current_setting('synchronous_commit') = 'off'"
            )
            driver.execute(
                "SELECT set_config(name, value, false) FROM pg_settings "
                "JOIN unnest(%s::text[], %s::text[]) AS ours (name, value) USING (name)",
                (list(_SETTINGS), list(_SETTINGS.values())),
            )
        except BaseException:
            driver.close()
            raise
        return driver


def require_empty_schema(driver: psycopg.Connection[Any], address: Address) -> None:
    """Create the schema if it is missing; raise :class:`StoreError` if it is not empty or not UTF-8."""
    ((encoding,),) = driver.execute("SHOW server_encoding").fetchall()
    if encoding != "UTF8":
        raise StoreError(
            f"{address}: the database's encoding is {encoding}, which cannot store every text; create one "
            "with CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
        )
    blocking = driver.execute(
        "SELECT relname FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace "
        "WHERE n.nspname = %s AND relkind IN ('r', 'v', 'm', 'p', 'f') ORDER BY relname LIMIT 1",
        (address.schema,),
    ).fetchone()
    if blocking is not None:
        if driver.execute("SELECT to_regclass(%s)", (f"{address.schema}.{HEAD}",)).fetchone() != (
            None,
        ):
            raise StoreError(f"{address} already has a ledger; a new one needs a schema of its own")
        raise not_empty(address, blocking[0])
    if driver.execute("SELECT to_regnamespace(%s)", (address.schema,)).fetchone() == (None,):
        driver.execute(f"CREATE SCHEMA IF NOT EXISTS {address.place}")


def not_empty(address: Address, name: str) -> StoreError:
    """Return the error for a schema that is not empty, by its name, when a ledger is to be created there."""
    return StoreError(
        f"{address} is not empty (it contains {shown(name)}); a new ledger needs a schema of its own: "
        "?schema=NAME at the end of the address"
    )


def layout_of(driver: psycopg.Connection[Any], address: Address) -> int:
    """Return a ledger's layout; raise :class:`StoreError` if there is none this program can use."""
    try:
        row = driver.execute(f"SELECT program, layout FROM {address.place}.{HEAD}").fetchone()
    except (pg.UndefinedTable, pg.UndefinedColumn, pg.InvalidSchemaName):
        row = None
    if row is None or row[0] != PROGRAM:
        raise StoreError(f"{address} has no ledger; `claimledger init` creates one")
    layout = int(row[1])
    if layout > LAYOUT:
        raise StoreError(
            f"{address} was written by a newer claimledger (format {layout}, this one knows {LAYOUT}); "
            "it is left untouched: use that version"
        )
    return layout


@contextmanager
def server_errors(address: Address) -> Iterator[None]:
    """Turn the server's errors into a :class:`StoreError` that says what happened and what was written."""
    try:
        yield
    except psycopg.Error as error:
        raise _translated(address, error) from None
    except MemoryError:
        raise StoreError(f"{address}: there is not enough memory to read it") from None


def _translated(address: Address, error: psycopg.Error) -> StoreError:
    message = plain(error)
    if isinstance(error, pg.SerializationFailure | pg.DeadlockDetected):
        return WriteConflictError(
            f"{address}: other writers conflicted with this write ({message}); nothing was written, try again"
        )
    if isinstance(error, psycopg.OperationalError) and _ends_connection(error):
        words = "the server cannot be reached or ended the connection ({said}); nothing was written"
    else:
        words = next(
            (words for kinds, words in _WORDS.items() if isinstance(error, kinds)),
            "the server failed ({said}); nothing was written",
        )
    words = words.format(said=message)
    if any(f"(rule `{rule}`)" in message for rule in OF_ORDER):
        # The program queries the views, which others can write; the server queries the log.
        words += ". If `claimledger verify` finds damaged views, `rebuild` repairs them"
    if "ahead of this server's" in message:
        words += ". If that clock is wrong, the owner of the ledger can use --clock-is-right"
    return StoreError(f"{address}: {words}")


_WORDS: dict[tuple[type[psycopg.Error], ...], str] = {
    (
        pg.InsufficientPrivilege,
    ): "{said}; nothing was written. The ledger's owner gives rights with `claimledger grant`",
    (pg.CheckViolation,): "the server refuses it: {said}; nothing was written",
    (
        pg.DiskFull,
        pg.OutOfMemory,
        pg.ConfigurationLimitExceeded,
    ): "the server has no space ({said}); nothing was written",
    (
        pg.LockNotAvailable,
    ): "another program has the ledger locked ({said}); nothing was written, try again",
    (pg.QueryCanceled,): "the statement was cancelled ({said}); nothing was written",
    (
        pg.ReadOnlySqlTransaction,
    ): "it was opened for reading, or the server takes no writes; nothing was written",
    (
        pg.UndefinedTable,
        pg.UndefinedColumn,
        pg.UndefinedFunction,
    ): "a part of the ledger is missing ({said}); `claimledger verify` says what",
    (psycopg.DataError,): "was given a value that it cannot store ({said})",
}
"""What an error means to the user."""


def _ends_connection(error: psycopg.OperationalError) -> bool:
    """Whether an error ended the connection: psycopg's own errors have no SQLSTATE."""
    return error.sqlstate is None or error.sqlstate.startswith(("08", "28", "57P"))


def plain(error: psycopg.Error) -> str:
    """Return the server's message in one line, without the statement."""
    return shown(error.diag.message_primary or str(error))


def shown(text: str) -> str:
    """Return a text of the server's as a message may contain it: one line, nothing hidden, not too long.

    Other users choose the names of objects and roles, and a name can contain control sequences for a
    terminal.
    """
    line = visible(" ".join(text.split()))
    return line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}…"


def listed(texts: Sequence[str]) -> str:
    """Return texts of the server's as a list in a message: the first of them, and how many more there are."""
    more = len(texts) - _LIST_LIMIT
    names = "; ".join(shown(text) for text in texts[:_LIST_LIMIT])
    return f"{names}; and {more} more" if more > 0 else names


def retry_conflicts(work: Callable[[], Result]) -> Result:
    """Repeat ``work`` while other writers conflict; raise :class:`WriteConflictError` after a minute."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return work()
        except WriteConflictError:
            if time.monotonic() > end:
                raise
            time.sleep(random.uniform(*_RETRY_SECONDS))
