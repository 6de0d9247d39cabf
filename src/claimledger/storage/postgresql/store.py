"""A ledger in a PostgreSQL database: many write, one after another; readers wait for nobody.

A writer locks the one row of ``head`` before anything else, so that the log has one order and no gaps
without a sequence; it then sees everything written before. A reader has one snapshot. Statements are
those of the standard and of PostgreSQL's own copies; a server that refuses a transaction because of others
(SQLSTATE 40001, 40P01) is asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors
from sqlalchemy import Connection, Table, create_engine, event, select
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from claimledger.errors import StoreError
from claimledger.storage.base import Found, Preconditions, Question, Store, Tail, WriteConflictError
from claimledger.storage.postgresql.connection import (
    PROGRAM,
    connect,
    layout_of,
    make_room,
    named,
    not_empty,
    plain,
    shown,
    until_done,
)
from claimledger.storage.postgresql.fulltext import matching
from claimledger.storage.postgresql.locks import lock_exclusively
from claimledger.storage.postgresql.roles import Roles
from claimledger.storage.postgresql.rows import PostgresRows
from claimledger.storage.postgresql.schema import HEAD, making
from claimledger.storage.postgresql.schema_check import shape_damage
from claimledger.storage.postgresql.session import Session
from claimledger.storage.postgresql.triggers import CHECKED, CLOCK_IS_RIGHT, Checked
from claimledger.storage.postgresql.upgrade import find_residual_text, renew, scrub
from claimledger.storage.tables import ENTRY, LAYOUT, PENDING_SCRUB
from claimledger.storage.url import Address

_BEGIN = ("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",)
_UNSCRUBBED = select(PENDING_SCRUB.c.entry).order_by(PENDING_SCRUB.c.entry)


class PostgresStore(PostgresRows):
    """A ledger in one schema of a database."""

    def __init__(
        self,
        driver: psycopg.Connection[Any],
        address: Address,
        *,
        writable: bool,
        snapshot: str = "",
    ) -> None:
        self.driver = driver
        self.address = address
        self.writable = writable
        self._snapshot = snapshot
        self._tail: Tail | None = None
        self._foreseen: Callable[[], Sequence[Question]] = tuple
        self._assumed: Preconditions | None = None
        self._assuming = False
        self._engine = create_engine(
            "postgresql+psycopg://",
            creator=lambda: driver,
            poolclass=StaticPool,
            pool_reset_on_return=None,  # it would log a traceback of a line that was cut
            isolation_level="AUTOCOMMIT",
            _initialize=False,  # the driver is known; asking it again costs a start
        )
        event.listen(self._engine, "handle_error", self._in_own_words)
        event.listen(self._engine, "before_cursor_execute", lambda *_: self.talk.send())
        self.connection: Connection = self._engine.connect()
        self.talk = Session(driver, self._engine.dialect)

    def _in_own_words(self, context: ExceptionContext) -> None:
        """Report an error of a single statement as those of a transaction are reported."""
        if isinstance(context.original_exception, psycopg.Error):
            with named(self.address):
                raise context.original_exception

    @classmethod
    def new(cls, address: Address) -> PostgresStore:
        """Create a ledger in a schema that is empty."""
        store = cls(connect(address, writable=True), address, writable=True)
        try:
            store.create()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    @contextmanager
    def create_atomically(cls, address: Address) -> Iterator[PostgresStore]:
        """Make a ledger to be filled, which nobody sees before it is whole."""
        store = cls(connect(address, writable=True), address, writable=True)
        try:
            with store._transaction("BEGIN"):
                store.create()
                yield store
            if store.unscrubbed():
                store.vacuum()
        finally:
            store.close()

    @classmethod
    def open(cls, address: Address, *, writable: bool = False, snapshot: str = "") -> PostgresStore:
        """Open a ledger; raise :class:`StoreError` if there is none that can be used this way."""
        driver = connect(address, writable=writable)
        try:
            with named(address):
                layout = layout_of(driver, address)
            store = cls(driver, address, writable=writable, snapshot=snapshot)
            store.outdated = layout < LAYOUT
            if store.outdated and not writable:
                raise StoreError(
                    f"{address} was written by an older claimledger: who keeps it renews its views with "
                    "`claimledger rebuild`"
                )
        except BaseException:
            driver.close()
            raise
        return store

    def create(self) -> None:
        """Make the tables of an empty ledger, in one transaction."""
        if not self.talk.inside:
            with self._transaction("BEGIN"):
                self.create()
            return
        make_room(self.driver, self.address)
        try:
            self.talk.execute(";\n".join(making(self.address.place)))
        except (errors.DuplicateFunction, errors.DuplicateTable, errors.DuplicateObject) as error:
            raise not_empty(self.address, plain(error)) from None
        for name, _ in shape_damage(self.driver, self.address.schema):
            raise not_empty(self.address, name)
        Roles(self.driver, self.address).revoke_excess()  # of ALTER DEFAULT PRIVILEGES
        head = f"INSERT INTO {HEAD} VALUES (true, %s, %s)"
        self.talk.execute(head, (PROGRAM, LAYOUT))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the write lock for one transaction."""
        if self.talk.inside:
            self.hint_queries(tuple, None)
            yield
            return
        if not self.writable:
            raise StoreError(f"{self.address} was opened for reading; nothing was written")
        self._begin()
        with self._transaction():
            yield
        self.commits += 1

    def retry(self, work: Callable[[], Found]) -> Found:
        """Do one whole write; again where the server refused it because of others."""
        if self.talk.inside:
            return work()
        self._assuming = True  # once: where what is assumed is not so, the write asks
        try:
            return work()
        except WriteConflictError:
            pass
        finally:
            self._assuming = False
        return until_done(work)

    def _begin(self) -> None:
        """Begin, and wait for the lock; what others committed meanwhile is seen from then on."""
        foreseen, assumed = self._foreseen, self._assumed
        self.hint_queries(tuple, None)
        self.shift = 0
        if assumed and self._assuming and not self.outdated:
            self.talk.assume(assumed)
            self._tail = Tail(0, None, None)
            return
        layout = until_done(lambda: self._begun(foreseen()))
        try:
            self._require_layout(layout)
        except StoreError:
            self._roll_back()
            raise

    def _require_layout(self, layout: int) -> None:
        if layout != LAYOUT and not self.outdated:
            raise StoreError(
                f"{self.address} was renewed by another version of claimledger meanwhile; nothing was "
                "written: use that version"
            )

    def _begun(self, foreseen: Sequence[Question]) -> int:
        with named(self.address):
            try:
                return self._standing(_BEGIN, foreseen)
            except BaseException:
                self._roll_back()
                raise

    def _standing(self, begin: Sequence[str] = (), questions: Sequence[Question] = ()) -> int:
        """Lock the head and learn where the log ends; return the layout. ``begin`` goes before."""
        self.talk.send()
        query = f"SELECT layout, size, header, peaks FROM {self.address.place}.standing()"
        layout, count, header, joined = self.talk.begin(begin, query, questions)
        self._tail = Tail(count, header, [joined[at : at + 32] for at in range(0, len(joined), 32)])
        return int(layout)

    def tail(self) -> Tail | None:
        """Return where the log ends, as it was read with the lock."""
        if self._tail is None and self.talk.inside and self.writable:
            self._standing()
        return self._tail

    @contextmanager
    def _transaction(self, begin: str = "") -> Iterator[None]:
        with named(self.address):
            try:
                if begin:
                    self.talk.execute(begin)
                yield
                self._commit()
            except BaseException:
                self._roll_back()
                raise

    def _commit(self) -> None:
        """Commit, which lets the next writer in, and then wait for the disk together with the others."""
        self._tail = None
        try:
            self.shift = self.talk.commit()
        except psycopg.OperationalError as error:
            if not self.driver.broken:
                raise
            raise StoreError(
                f"{self.address}: the connection was cut while the end of a write was awaited "
                f"({plain(error)}); it is whole in the ledger or absent: look with `claimledger stats`. "
                "Importing it again writes nothing twice"
            ) from None

    def _roll_back(self) -> None:
        self._tail = None
        self.talk.roll_back()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold one consistent view of the ledger for several reads."""
        if self.talk.inside:
            yield
            return
        with named(self.address):
            # Rebuilt tables look empty to an older snapshot. A rebuild locks the head first.
            self.talk.execute(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
                f"LOCK TABLE {self.address.place}.{HEAD} IN ACCESS SHARE MODE"
            )
            try:
                if self._snapshot:
                    self.talk.execute(f"SET TRANSACTION SNAPSHOT '{self._snapshot}'")
                yield
            finally:
                self._roll_back()

    def trust_clock(self) -> None:
        """Accept times ahead of the server's clock, if this user keeps the ledger."""
        self.talk.execute("SELECT set_config(%s, 'on', false)", (CLOCK_IS_RIGHT,))

    def expect_log(self) -> None:
        """Accept entries of a log created elsewhere, already checked, until the transaction ends."""
        self.talk.execute("SELECT set_config(%s, %s, true)", (CHECKED, str(Checked.LOG)))

    def insert(self, table: Table, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows in the order of the table's columns."""
        self.insert_all({table: rows})

    def insert_all(self, rows_of: Mapping[Table, Sequence[Sequence[Any]]]) -> None:
        """Insert rows into several tables."""
        if ENTRY in rows_of:
            self._tail = None
        self.talk.insert(rows_of)

    def close_versions(self, ends: Mapping[Table, Sequence[Sequence[Any]]]) -> None:
        """Write into rows of some tables the entry they ended with."""
        self.talk.close_versions(ends)

    def hint_queries(
        self, questions: Callable[[], Sequence[Question]], assumed: Preconditions | None
    ) -> None:
        """Note what the next write will ask first: it is sent along with its beginning."""
        self._foreseen, self._assumed = questions, assumed

    def flush_to_disk(self) -> None:
        """Wait until what was committed so far is on the server's disk.

        A writer lets others see its entries a moment before; who tells of them waits.
        """
        if self.writable and self.talk.inside:
            return  # its own write is settled when it ends
        with named(self.address):
            self.talk.flush_to_disk()

    def index_words(self, rows: Sequence[tuple[int, str]]) -> None:
        """Do nothing: the server builds the index from the words' table by itself."""

    def forget_words(self, rows: Sequence[tuple[int, str]]) -> None:
        """Do nothing: the words leave the index with their row, and its pages with :meth:`vacuum`."""

    def matching(self, phrases: Sequence[Sequence[str]], most: int) -> Iterator[int]:
        """Yield the entries whose words hold every phrase, newest first; a last ``*`` is a prefix."""
        for (entry,) in self.talk.execute(*matching(phrases, most)).fetchall():
            yield entry

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Hold the write lock for one transaction in which all views are empty, to be filled from the log."""
        with self._writing_after(self.empty_views):
            yield

    def empty_views(self) -> None:
        """Remove the views, and create them as this program defines them."""
        renew(self.talk, self.address, self._lock_head)
        self.outdated = False

    @contextmanager
    def _writing_after(self, lock: Callable[[], None]) -> Iterator[None]:
        """Hold the write lock for one transaction, which ``lock`` begins: it locks tables before the head.

        A writer that waits for a table while holding the head would keep every other writer waiting too.
        """
        if self.talk.inside:
            lock()
            yield
            return
        if not self.writable:
            raise StoreError(f"{self.address} was opened for reading; nothing was written")
        self.hint_queries(tuple, None)
        self.shift = 0
        with self._transaction():
            lock()
            yield
        self.commits += 1

    def _lock_head(self) -> None:
        self._require_layout(self._standing())

    @cached_property
    def enforced_author(self) -> str | None:
        """The name of the server's user, unless the ledger is its own."""
        query = "SELECT session_user, pg_has_role(session_user, relowner, 'MEMBER') FROM pg_class"
        row = self.talk.execute(f"{query} WHERE oid = 'entry'::regclass").fetchone()
        return None if row is None or row[1] else str(row[0])

    def grant(self, role: str, user: str) -> None:
        """Give a user of the server a role."""
        roles = Roles(self.driver, self.address)
        tables = roles.tables_of_others() if role == "keeper" else []
        lock = partial(lock_exclusively, self.talk, self.address, tables, self._lock_head)
        with self._writing_after(lock) if tables else self.writing():
            roles.grant(role, user)

    def revoke(self, user: str) -> None:
        """Take every role from a user of the server."""
        with self.writing():
            Roles(self.driver, self.address).revoke(user)

    def grants(self) -> dict[str, list[str]]:
        """Return the users of each role, by role."""
        return Roles(self.driver, self.address).grants()

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self.talk.inside

    def unscrubbed(self) -> list[int]:
        """Return the redactions whose texts may still lie in the server's files."""
        return [entry for (entry,) in self.tuples(_UNSCRUBBED)]

    def vacuum(self) -> None:
        """Rewrite the tables and their indexes, without what was deleted."""
        with named(self.address):
            pending = self.unscrubbed()  # later redactions are scrubbed by their own writers
            scrub(self.talk, self.address)
            self.talk.execute(
                f"DELETE FROM {PENDING_SCRUB.name} WHERE entry = ANY (%s)", (pending,)
            )

    def find_residual_text(self, texts: Sequence[bytes]) -> list[bytes]:
        """Return those of the texts that are still in the log or in the search words."""
        with named(self.address):
            return find_residual_text(self.talk, texts)

    @property
    def rights(self) -> int:
        """Permission bits of a file that only its owner reads: the server decides who reads the ledger."""
        return 0o600

    def copy_to(self, path: Path, rights: int) -> bool:  # noqa: ARG002
        """Return ``False``: a file has to be built from the log."""
        return False

    def reopening(self) -> Callable[[], Store] | None:
        """Return what opens this ledger again for reading, as this reader sees it."""
        if not self.talk.inside:
            return None
        row = self.talk.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        return partial(PostgresStore.open, self.address, snapshot=row[0])

    def shape_damage(self) -> Iterator[tuple[str, str]]:
        """Yield the tables, indexes and triggers that are not as this program makes them."""
        for name, difference in shape_damage(self.driver, self.address.schema):
            yield shown(name), shown(difference)
        yield from Roles(self.driver, self.address).faults()
        layout = layout_of(self.driver, self.address)
        if layout != LAYOUT:
            yield HEAD, f"has the layout number {layout} where it should have {LAYOUT}"

    def damage(self) -> Iterator[tuple[str, str]]:
        """Yield the pages whose checksums the server found wrong."""
        invalid = self.talk.execute(
            "SELECT checksum_failures FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
        if invalid and invalid[0]:
            yield "database", f"has {invalid[0]} pages whose checksum is wrong, as the server says"

    def search_damage(self) -> Iterator[tuple[str, str]]:
        """Yield nothing: the server builds the index from the words that are compared."""
        yield from ()

    def close(self) -> None:
        """Close the connection."""
        # A line that was cut is closed too.
        with suppress(psycopg.Error, SQLAlchemyError, StoreError):
            self.connection.close()
        self.driver.close()
