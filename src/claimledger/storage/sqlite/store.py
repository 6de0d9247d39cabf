"""A ledger in one SQLite file.

While nobody writes, the file has a rollback journal, so that a reader in a read-only folder needs no file
next to it. While a writer is open, the journal is a write-ahead log, so that readers continue. If a writer
left that behind, read-only users read a recovered copy.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Delete, Engine, Select, Table, Update, create_engine
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.pool import StaticPool

from claimledger.errors import StoreError
from claimledger.storage.access import FileAccess
from claimledger.storage.base import Store
from claimledger.storage.compiled import IN_LIST, compile_statement
from claimledger.storage.sqlite.files import (
    connect,
    display_path,
    hidden_path_for,
    is_busy,
    layout_of,
    remove,
    rename_new,
    sqlite_errors,
    writer_queue,
)
from claimledger.storage.sqlite.fulltext import SqliteFullText
from claimledger.storage.sqlite.maintenance import SqliteMaintenance
from claimledger.storage.sqlite.names import require_unambiguous_name
from claimledger.storage.sqlite.recovery import copy_to_memory, open_for_reading
from claimledger.storage.sqlite.schema import APPLICATION_ID, definitions, objects, schema
from claimledger.storage.sqlite.sql import closing_statement, entry_range_query, insert_statement
from claimledger.storage.tables import LAYOUT

_DIALECT = dialect()
_WAIT_SECONDS = 60.0
_BATCH = 512
_RETRY_SECONDS = (0.0001, 0.0003)
"""Between two attempts to lock the file. SQLite's own pauses grow, and would starve a writer."""


def _require_no_folder(path: Path) -> None:
    if path.is_dir():
        raise StoreError(f"{path} is a folder; a ledger is one file")


class SqliteStore(Store):
    """A ledger in one file, or in a copy of it."""

    def __init__(
        self, driver: sqlite3.Connection, path: Path, *, writable: bool, copied: bool = False
    ) -> None:
        self.driver = driver
        self.path = None if copied else path
        """The path of the file; ``None`` if this is a copy in memory."""

        self.display_path = display_path(path)
        """The name in messages: while the file is being created, the name that it will have."""

        self.name = str(self.display_path)

        self.writable = writable
        self.fulltext = SqliteFullText(driver, self.display_path, writable=writable)
        self.maintenance = SqliteMaintenance(self)
        self.access = FileAccess()

    @classmethod
    def new(cls, path: Path, rights: int = 0o666) -> SqliteStore:
        """Create a ledger in a new file; raise :class:`StoreError` if the file exists."""
        _require_no_folder(path)
        require_unambiguous_name(path, display_path(path))
        try:
            # The files that SQLite keeps next to it have the permissions of the file.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, rights))
        except FileExistsError:
            raise StoreError(f"{path} exists; a new ledger needs a new file") from None
        except OSError as error:
            raise StoreError(f"{display_path(path)} cannot be created: {error.strerror}") from None
        store = cls(connect(path, "rw"), path, writable=True)
        try:
            store._prepare_writing()
            store.create()
        except BaseException:
            store.close()
            path.unlink(missing_ok=True)
            raise
        return store

    @classmethod
    @contextmanager
    def create_atomically(cls, path: Path, rights: int = 0o666) -> Iterator[SqliteStore]:
        """Create a ledger to be filled, which gets its name only when it is complete."""
        _require_no_folder(path)
        if path.exists():
            raise StoreError(f"{path} exists; a new ledger needs a new file")
        require_unambiguous_name(path, display_path(path))
        beside = hidden_path_for(path, "arriving")
        store = cls.new(beside, rights)
        try:
            with store.transaction():
                yield store
            if store.maintenance.unscrubbed():
                store.maintenance.vacuum()
            store.close()
            rename_new(beside, path)
        finally:
            store.close()
            remove(beside)

    @classmethod
    def open(cls, path: Path, *, writable: bool = False) -> SqliteStore:
        """Open a ledger; raise :class:`StoreError` if the file is not a ledger that can be used this way."""
        if not path.exists():
            raise StoreError(
                f"{path.absolute()} does not exist. Is the ledger elsewhere? --ledger or CLAIMLEDGER_DB "
                "names it; `claimledger init` creates a new one"
            )
        if not path.is_file() and not path.is_dir():
            raise StoreError(f"{path} is a device or a pipe; a ledger is one file")
        _require_no_folder(path)
        driver, readable = (connect(path, "rw"), path) if writable else open_for_reading(path)
        try:
            with sqlite_errors(display_path(path)):
                # A lower number over the tables of today is a fault, which `verify` names.
                outdated = layout_of(driver, path) < LAYOUT and definitions(driver) != objects()
                if outdated and not writable:
                    # Reading never changes a file: its views are recreated in a copy.
                    driver, readable = copy_to_memory(driver), None
                store = cls(driver, path, writable=writable, copied=readable is None)
                store.outdated = outdated
                if writable:
                    store._prepare_writing()
        except BaseException:
            driver.close()
            raise
        return store

    def _prepare_writing(self) -> None:
        run = self.driver.execute
        run("PRAGMA secure_delete = ON")
        run("PRAGMA synchronous = FULL")
        run("PRAGMA cache_size = -65536")
        self._use_write_ahead_log()

    def _use_write_ahead_log(self) -> bool:
        """Switch to the journal with which readers continue during a write; return whether that worked.

        It cannot while one is reading. With the other journal each would wait for the other: the end of a
        write until all readers have left, and new readers until it has ended.
        """
        # SQLite's own way of waiting would keep new readers out meanwhile.
        (patience,) = self.driver.execute("PRAGMA busy_timeout").fetchone()
        self.driver.execute("PRAGMA busy_timeout = 0")
        try:
            # Where a file system has no such journal it stays the other one, without an error.
            self.driver.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError as error:
            return not is_busy(
                error
            )  # anything else that is wrong fails the write itself, which reports it
        finally:
            self.driver.execute(f"PRAGMA busy_timeout = {patience}")
        return True

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self.driver.in_transaction

    def create(self) -> None:
        """Create the tables of an empty ledger, in one transaction."""
        with self.transaction():
            for statement in schema():
                self.driver.execute(statement)
            self.driver.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self.driver.execute(f"PRAGMA user_version = {LAYOUT}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the write lock for one transaction."""
        if self.driver.in_transaction:
            yield
            return
        with sqlite_errors(self.display_path):
            self._begin()
            try:
                yield
                self._commit()
                self.commits += 1
            except BaseException:
                with suppress(sqlite3.Error):
                    self.driver.execute("ROLLBACK")
                raise

    def _begin(self) -> None:
        end = time.monotonic() + _WAIT_SECONDS
        with writer_queue(self.path):
            while True:
                try:
                    if self._use_write_ahead_log() or time.monotonic() > end:
                        self.driver.execute("BEGIN IMMEDIATE")
                        return
                except sqlite3.OperationalError as error:
                    if not is_busy(error) or time.monotonic() > end:
                        raise
                time.sleep(random.uniform(*_RETRY_SECONDS))

    def _commit(self) -> None:
        end = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                self.driver.execute("COMMIT")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_IOERR:
                    if self.display_path != self.path:
                        raise  # an incomplete file is discarded
                    raise StoreError(
                        f"{self.path}: the disk failed at the end of a write ({error}); it is whole in the "
                        "ledger or absent: look with `claimledger stats`. Importing it again writes nothing "
                        "twice"
                    ) from None
                # With a rollback journal a reader inside delays the commit; it stays whole meanwhile.
                if not is_busy(error) or time.monotonic() > end:
                    raise
                time.sleep(random.uniform(*_RETRY_SECONDS))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold one consistent view of the ledger for several reads."""
        if self.driver.in_transaction:
            yield
            return
        with sqlite_errors(self.display_path):
            self.driver.execute("BEGIN")
            try:
                yield
            finally:
                if self.driver.in_transaction:
                    self.driver.execute("COMMIT")

    def insert(self, rows_of: Mapping[Table, Sequence[Sequence[Any]]]) -> None:
        """Insert rows into tables, each in the order of its table's columns."""
        for table, rows in rows_of.items():
            if rows:
                self.driver.executemany(insert_statement(table), rows)

    def close_versions(self, ends: Mapping[Table, Sequence[Sequence[Any]]]) -> None:
        """Write into rows the entry they ended with."""
        for table, rows in ends.items():
            self.driver.executemany(closing_statement(table), rows)

    def change(self, statement: Update | Delete) -> None:
        """Update or delete a few rows."""
        compiled = compile_statement(statement, _DIALECT)
        with sqlite_errors(self.display_path):
            self.driver.execute(compiled.text, compiled.by_position)

    def tuples(self, query: Select[Any]) -> list[tuple[Any, ...]]:
        """Return a query's rows as the driver gives them."""
        compiled = compile_statement(query, _DIALECT)
        with sqlite_errors(self.display_path):
            return self.driver.execute(compiled.text, compiled.by_position).fetchall()

    def select_in(
        self, query: Select[Any], column: Any, values: Iterable[Any]
    ) -> list[tuple[Any, ...]]:
        """Return the rows for which a column is one of the values, as the driver gives them."""
        keys = list(values)
        compiled = compile_statement(query, _DIALECT, column)
        before, after = compiled.text.split(IN_LIST)
        bound = compiled.by_position
        place = before.count("?")
        rows: list[tuple[Any, ...]] = []
        with sqlite_errors(self.display_path):
            for start in range(0, len(keys), _BATCH):
                batch = keys[start : start + _BATCH]
                # A few lengths only, so that the driver knows the statement already.
                batch += batch[-1:] * ((1 << (len(batch) - 1).bit_length()) - len(batch))
                text = f"{before}({', '.join('?' * len(batch))}){after}"
                rows += self.driver.execute(
                    text, (*bound[:place], *batch, *bound[place:])
                ).fetchall()
        return rows

    def stream(self, query: Select[Any]) -> Iterator[tuple[Any, ...]]:
        """Yield a query's rows as the driver gives them."""
        compiled = compile_statement(query, _DIALECT)
        with sqlite_errors(self.display_path):
            # Not `yield from`: it would close the cursor of a ledger that was closed before.
            for row in self.driver.execute(compiled.text, compiled.by_position):  # noqa: UP028
                yield row

    def rows_by_entry(self, table: Table, first: int, last: int) -> list[tuple[Any, ...]]:
        """Return whole rows of a table by entry, both ends included."""
        with sqlite_errors(self.display_path):
            return self.driver.execute(entry_range_query(table), (first, last)).fetchall()

    @contextmanager
    def querying(self) -> Iterator[Engine]:
        """Hold one consistent view, and return a read-only engine on the store's own connection."""
        engine = create_engine(
            "sqlite://",
            creator=lambda: self.driver,
            poolclass=StaticPool,
            pool_reset_on_return=None,  # a reset would end the transaction of the reader
            _initialize=False,  # so would the dialect's first queries, which are rolled back
        )
        with self.reading():
            self.driver.execute("PRAGMA query_only = ON")
            try:
                yield engine
            finally:
                self.driver.execute("PRAGMA query_only = OFF")

    def close(self) -> None:
        """Close the file; the last writer leaves it without a journal, unless somebody is reading."""
        if self.writable and self.path is not None:
            with suppress(sqlite3.Error):
                if self.driver.in_transaction:
                    self.driver.execute("ROLLBACK")
                self.driver.execute("PRAGMA busy_timeout = 0")
                self.driver.execute("PRAGMA journal_mode = DELETE")
        self.driver.close()
