"""A ledger in a PostgreSQL database: writers take turns, and readers wait for nobody.

A writer locks the one row of ``head`` before anything else, so that the log has one order and no gaps
without a sequence; from then on it sees everything written before. A reader has one snapshot. A transaction
that the server refuses because of others (SQLSTATE 40001, 40P01) is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import errors
from sqlalchemy import Delete, Engine, Select, Table, Update, create_engine
from sqlalchemy.pool import StaticPool

from claimledger.errors import StoreError
from claimledger.storage.base import LogTail, Result, Store
from claimledger.storage.postgresql.access import PostgresAccess
from claimledger.storage.postgresql.connection import (
    PROGRAM,
    connect,
    layout_of,
    not_empty,
    plain,
    require_empty_schema,
    retry_conflicts,
    server_errors,
)
from claimledger.storage.postgresql.fulltext import PostgresFullText
from claimledger.storage.postgresql.maintenance import PostgresMaintenance
from claimledger.storage.postgresql.roles import Roles
from claimledger.storage.postgresql.schema import HEAD, creation_statements
from claimledger.storage.postgresql.schema_check import shape_damage
from claimledger.storage.postgresql.session import Session
from claimledger.storage.postgresql.sql import entry_range_query, oversized_entry, oversized_row
from claimledger.storage.tables import ENTRY, LAYOUT
from claimledger.storage.url import Address

_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"


class PostgresStore(Store):
    """A ledger in one schema of a database."""

    def __init__(
        self,
        driver: psycopg.Connection[Any],
        address: Address,
        *,
        writable: bool,
        snapshot: str = "",
    ) -> None:
        self.session = Session(driver)
        self.address = address
        self.name = "the ledger"
        self.writable = writable
        self._snapshot = snapshot
        self._tail: LogTail | None = None
        self.fulltext = PostgresFullText(self.session, address)
        self.maintenance = PostgresMaintenance(self)
        self.access = PostgresAccess(self)

    @classmethod
    def new(cls, address: Address) -> PostgresStore:
        """Create a ledger in a schema that is empty or does not exist."""
        store = cls(connect(address, writable=True), address, writable=True)
        try:
            with store._committing(_BEGIN):
                store._create()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    @contextmanager
    def create_atomically(cls, address: Address) -> Iterator[PostgresStore]:
        """Create a ledger to be filled, which nobody sees before it is complete."""
        store = cls(connect(address, writable=True), address, writable=True)
        try:
            with store._committing(_BEGIN):
                store._create()
                yield store
            if store.maintenance.unscrubbed():
                store.maintenance.vacuum()
        finally:
            store.close()

    @classmethod
    def open(cls, address: Address, *, writable: bool = False, snapshot: str = "") -> PostgresStore:
        """Open a ledger; raise :class:`StoreError` if there is none that can be used this way."""
        driver = connect(address, writable=writable)
        try:
            with server_errors(address):
                layout = layout_of(driver, address)
            store = cls(driver, address, writable=writable, snapshot=snapshot)
            store.outdated = layout < LAYOUT
            if store.outdated and not writable:
                raise StoreError(
                    f"{address} was written by an older claimledger: its owner renews its views with "
                    "`claimledger rebuild`"
                )
        except BaseException:
            driver.close()
            raise
        return store

    def _create(self) -> None:
        """Create the tables of an empty ledger; inside a transaction."""
        require_empty_schema(self.session.driver, self.address)
        try:
            self.session.execute(";\n".join(creation_statements(self.address.place)))
        except (errors.DuplicateFunction, errors.DuplicateTable, errors.DuplicateObject) as error:
            raise not_empty(self.address, plain(error)) from None
        for name, _ in shape_damage(self.session.driver, self.address.schema):
            raise not_empty(self.address, name)
        Roles(self.session.driver, self.address).revoke_excess()  # of ALTER DEFAULT PRIVILEGES
        self.session.execute(f"INSERT INTO {HEAD} VALUES (true, %s, %s)", (PROGRAM, LAYOUT))

    # Transactions

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self.session.in_transaction

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the write lock for one transaction."""
        if self.in_transaction:
            yield
            return
        self._require_writable()
        retry_conflicts(self._begin)
        with self._committing():
            yield
        self.commits += 1

    @contextmanager
    def transaction_after(self, lock: Callable[[], None]) -> Iterator[None]:
        """Hold the write lock for one transaction, which ``lock`` begins: it locks tables before the head.

        A writer that waits for a table while it holds the head would make every other writer wait too.
        """
        if self.in_transaction:
            lock()
            yield
            return
        self._require_writable()
        with self._committing():
            lock()
            yield
        self.commits += 1

    def retry(self, write: Callable[[], Result]) -> Result:
        """Call ``write`` again while the server refuses it because of others, for up to a minute."""
        return write() if self.in_transaction else retry_conflicts(write)

    def tail(self) -> LogTail:
        """Return where the log ends, as it was read with the lock."""
        if self._tail is None:
            self._lock_log()
            assert self._tail is not None
        return self._tail

    def lock_head(self) -> None:
        """Lock the head alone, which a ledger of any layout has; raises as :meth:`_require_layout` does."""
        query = f"SELECT layout FROM {self.address.place}.{HEAD} FOR NO KEY UPDATE"
        ((layout,),) = self.session.execute(query).fetchall()
        self._require_layout(layout)

    def _require_layout(self, layout: int) -> None:
        """Raise :class:`StoreError` if another version of the program has rebuilt the ledger."""
        if layout != LAYOUT and not self.outdated:
            raise StoreError(
                f"{self.address} was renewed by another version of claimledger meanwhile; nothing was "
                "written: use that version"
            )

    def _require_writable(self) -> None:
        if not self.writable:
            raise StoreError(f"{self.address} was opened for reading; nothing was written")

    def _begin(self) -> None:
        """Begin and wait for the lock; from then on the transaction sees what others committed meanwhile."""
        with server_errors(self.address):
            try:
                self.session.execute(_BEGIN)
                self._require_layout(self._lock_log())
            except BaseException:
                self.session.roll_back()
                raise

    def _lock_log(self) -> int:
        """Lock the log and note where it ends; return the ledger's layout."""
        query = f"SELECT layout, size, header, peaks FROM {self.address.place}.lock_log()"
        row = self.session.execute(query).fetchone()
        assert row is not None
        layout, size, header, peaks = row
        self._tail = LogTail(size, header, [peaks[at : at + 32] for at in range(0, len(peaks), 32)])
        return int(layout)

    @contextmanager
    def _committing(self, begin: str = "") -> Iterator[None]:
        """Commit at the end, or roll back after any error; ``begin`` is run first, if it is given."""
        with server_errors(self.address):
            try:
                if begin:
                    self.session.execute(begin)
                yield
                self._commit()
            except BaseException:
                self.session.roll_back()
                raise
            finally:
                self._tail = None

    def _commit(self) -> None:
        try:
            self.session.commit()
        except psycopg.OperationalError as error:
            if not self.session.driver.broken:
                raise
            raise StoreError(
                f"{self.address}: the connection was lost while the end of a write was awaited "
                f"({plain(error)}); it is whole in the ledger or absent: look with `claimledger stats`. "
                "Importing it again writes nothing twice"
            ) from None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold one consistent view of the ledger for several reads."""
        if self.in_transaction:
            yield
            return
        with server_errors(self.address):
            # Rebuilt tables look empty to an older snapshot. A rebuild locks the head first.
            self.session.execute(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
                f"LOCK TABLE {self.address.place}.{HEAD} IN ACCESS SHARE MODE"
            )
            try:
                if self._snapshot:
                    self.session.execute(f"SET TRANSACTION SNAPSHOT '{self._snapshot}'")
                yield
            finally:
                self.session.roll_back()

    # Rows

    def insert(self, rows_of: Mapping[Table, Sequence[Sequence[Any]]]) -> None:
        """Insert rows into tables, each in the order of its table's columns."""
        if rows_of.get(ENTRY):
            self._tail = None
        with server_errors(self.address):
            self.session.insert(rows_of)

    def close_versions(self, ends: Mapping[Table, Sequence[Sequence[Any]]]) -> None:
        """Write into rows the entry they ended with."""
        with server_errors(self.address):
            self.session.close_versions(ends)

    def change(self, statement: Update | Delete) -> None:
        """Update or delete a few rows."""
        with server_errors(self.address):
            self.session.change(statement)

    def tuples(self, query: Select[Any]) -> list[tuple[Any, ...]]:
        """Return a query's rows as the driver gives them."""
        with server_errors(self.address):
            return self.session.rows(query)

    def select_in(
        self, query: Select[Any], column: Any, values: Iterable[Any]
    ) -> list[tuple[Any, ...]]:
        """Return the rows in which a column is one of the values, as the driver gives them."""
        with server_errors(self.address):
            return self.session.rows_in(query, column, values)

    def stream(self, query: Select[Any]) -> Iterator[tuple[Any, ...]]:
        """Yield a query's rows as the driver gives them, never all of them at once."""
        with server_errors(self.address), self.reading():
            yield from self.session.stream(query)

    def rows_by_entry(self, table: Table, first: int, last: int) -> list[tuple[Any, ...]]:
        """Return whole rows of a table by entry, both ends included."""
        with server_errors(self.address), self.session.driver.cursor(binary=True) as cursor:
            self._require_readable(table, oversized_entry(table), first, last)
            return cursor.execute(entry_range_query(table), (first, last)).fetchall()

    def all_rows(self, table: Table) -> Iterator[tuple[Any, ...]]:
        """Yield whole rows of a table in any order, as the driver gives them."""
        with server_errors(self.address):
            self._require_readable(table, oversized_row(table))
        yield from super().all_rows(table)

    def _require_readable(self, table: Table, query: str, *span: int) -> None:
        """Raise :class:`StoreError` if a query finds an entry with a value too long to be read."""
        row = self.session.execute(query, span).fetchone()
        if row is not None:
            raise StoreError(
                f"{self.address}: entry {row[0]} has a value in {table.name} that is longer than any that "
                "claimledger writes"
            )

    @contextmanager
    def querying(self) -> Iterator[Engine]:
        """Hold one consistent view, and return a read-only engine on the store's own connection."""
        engine = create_engine(
            "postgresql+psycopg://",
            creator=lambda: self.session.driver,
            poolclass=StaticPool,
            pool_reset_on_return=None,  # a reset would end the transaction of the reader
            _initialize=False,  # so would the dialect's queries about the server, which are rolled back
        )
        with self.reading():  # a READ ONLY transaction
            yield engine

    def close(self) -> None:
        """Close the connection."""
        with suppress(psycopg.Error):  # a lost connection is closed too
            self.session.driver.close()
