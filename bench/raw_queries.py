"""Records the SQL statements that a read sends, and sends them again with the database driver alone.

The time of the second run is the baseline of the first: what the database itself costs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, Self
from unittest import mock

import psycopg

from bench.backends import Backend
from claimledger.ledger import Ledger

Queries = list[tuple[Any, Any]]
"""SQL statements with their parameters, in the order in which they were sent."""

_recorded: Queries = []


class _Connection(sqlite3.Connection):
    """A connection that records the statements it is sent."""

    def execute(self, query: str, params: Any = ()) -> sqlite3.Cursor:
        _recorded.append((query, params))
        return super().execute(query, params)


class _Cursor(psycopg.Cursor[Any]):
    """A cursor that records the statements it is sent."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        _recorded.append((query, params))
        return super().execute(query, params, **options)


def _connect_recording(*arguments: Any, **options: Any) -> psycopg.Connection[Any]:
    connection: psycopg.Connection[Any] = psycopg.Connection.connect(*arguments, **options)
    connection.cursor_factory = _Cursor
    return connection


class QueryRecorder:
    """Records what a ledger asks its store, and replays it on a connection of the driver."""

    def __init__(self, backend: Backend, name: str) -> None:
        self._address = backend.address(name)
        self._connection = backend.connect(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def record(self, work: Callable[[Ledger], object]) -> Queries:
        """Return the statements that some work sends inside a transaction."""
        with (
            mock.patch("sqlite3.connect", partial(sqlite3.connect, factory=_Connection)),
            mock.patch("psycopg.connect", _connect_recording),
            Ledger.open(self._address) as ledger,
            ledger.reading(),
        ):
            _recorded.clear()  # opening the ledger is not part of the work
            work(ledger)
            return list(_recorded)

    def replay(self, queries: Queries) -> None:
        """Send some statements again, and fetch their results."""
        for statement, parameters in queries:
            self._connection.execute(statement, parameters or ()).fetchall()
