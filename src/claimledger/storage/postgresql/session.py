"""One connection to a server, with a ledger's statements: rows in, rows out, the end of a transaction."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import RawCursor
from psycopg.pq import TransactionStatus
from sqlalchemy import Delete, Select, Table, Update
from sqlalchemy.dialects.postgresql.psycopg import dialect

from claimledger.storage.compiled import compile_statement
from claimledger.storage.postgresql.sql import closing_statement, copy_statement, insert_statement

_DIALECT = dialect()  # type: ignore[no-untyped-call]

_FEW = 200
"""Up to this many rows, one INSERT statement is faster than COPY."""

_FETCH = 2000
"""Rows that a server-side cursor returns at a time."""

_LIST_LIMIT = 20_000
"""Values that one statement asks for at once."""

_FLUSHES = 170000
"""The server version from which a reader can have the write-ahead log flushed."""


class Session:
    """One connection. Errors of the server are psycopg's own; a store translates them."""

    def __init__(self, driver: psycopg.Connection[Any]) -> None:
        self.driver = driver
        self._streams = 0

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self.driver.info.transaction_status != TransactionStatus.IDLE

    def execute(
        self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()
    ) -> psycopg.Cursor[Any]:
        """Run one statement, or several without values."""
        return self.driver.execute(statement, values or None)

    def change(self, statement: Update | Delete) -> None:
        """Run a statement that updates or deletes a few rows."""
        compiled = compile_statement(statement, _DIALECT)
        self.driver.execute(compiled.text, compiled.by_name)

    def rows(self, query: Select[Any]) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        compiled = compile_statement(query, _DIALECT)
        return self.driver.execute(compiled.text, compiled.by_name).fetchall()

    def rows_in(
        self, query: Select[Any], column: Any, values: Iterable[Any]
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a query in which a column is one of some values."""
        every_value = list(values)
        rows: list[tuple[Any, ...]] = []
        for start in range(0, len(every_value), _LIST_LIMIT):
            compiled = compile_statement(query, _DIALECT, column)
            bound = {**compiled.by_name, "wanted": every_value[start : start + _LIST_LIMIT]}
            rows += self.driver.execute(compiled.text, bound).fetchall()
        return rows

    def stream(self, query: Select[Any]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query from a server-side cursor; inside a transaction."""
        compiled = compile_statement(query, _DIALECT)
        self._streams += 1
        with self.driver.cursor(f"stream{self._streams}", binary=True) as cursor:
            cursor.itersize = _FETCH
            yield from cursor.execute(compiled.text, compiled.by_name)

    def insert(self, rows_of: Mapping[Table, Sequence[Sequence[Any]]]) -> None:
        """Insert rows into tables: few with one statement, many with COPY."""
        rows_of = {table: rows for table, rows in rows_of.items() if rows}
        count = sum(map(len, rows_of.values()))
        if count > _FEW:
            for table, rows in rows_of.items():
                with self.driver.cursor() as cursor, cursor.copy(copy_statement(table)) as copy:
                    for row in rows:
                        copy.write_row(row)
        elif count:
            shape = tuple((table, len(rows)) for table, rows in rows_of.items())
            cells = [cell for rows in rows_of.values() for row in rows for cell in row]
            # psycopg does not cache how it parsed a statement with more than fifty placeholders of its own,
            # and parsing it takes longer than the insert. A raw cursor takes the server's placeholders.
            with RawCursor(self.driver) as cursor:
                cursor.execute(insert_statement(shape), cells, prepare=count < 20)

    def close_versions(self, ends: Mapping[Table, Sequence[Sequence[Any]]]) -> None:
        """Write into rows the entry they ended with: one statement a table."""
        for table, rows in ends.items():
            columns = list(map(list, zip(*rows, strict=True)))
            with RawCursor(self.driver) as cursor:
                cursor.execute(closing_statement(table), columns, prepare=True)

    def commit(self) -> None:
        """Commit, which releases the locks, and then wait until the transaction is on the disk.

        Writers that wait for the disk at the same time share one flush; if each waited while it still held
        the lock of the log, they would wait one after another. The second statement is a transaction of its
        own, whose synchronous commit flushes everything before it.
        """
        self.driver.execute("SET LOCAL synchronous_commit = off; COMMIT")
        self.driver.execute("SELECT pg_logical_emit_message(true, 'claimledger', '')")

    def roll_back(self) -> None:
        """Roll the transaction back, if one is open; a lost connection has rolled it back already."""
        if self.in_transaction:
            with suppress(psycopg.Error):
                self.driver.execute("ROLLBACK")

    def flush_to_disk(self) -> None:
        """Wait until everything that was committed so far is on the server's disk."""
        recovering = self.execute("SELECT pg_is_in_recovery()").fetchone()
        if recovering and recovering[0]:
            return  # a standby has what its primary flushed
        if self.driver.info.server_version >= _FLUSHES:
            self.driver.execute("SELECT pg_logical_emit_message(false, 'claimledger', '', true)")
            return
        # Before that version a reader cannot flush the log; the server does within three of these delays.
        row = self.driver.execute(
            "SELECT setting::integer FROM pg_settings WHERE name = 'wal_writer_delay'"
        ).fetchone()
        time.sleep(3 * (row[0] if row else 200) / 1000)
