"""A ledger in one SQLite file.

While nobody writes, the file has a rollback journal, so that a reader in a read-only folder needs no file
next to it. While a writer is open, the journal is a write-ahead log, so that readers continue. If a writer
left that behind, read-only users read a recovered copy.
"""

from __future__ import annotations

import os
import random
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, Table, create_engine, event, select
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import StaticPool

from claimledger.errors import StoreError
from claimledger.storage.base import Store
from claimledger.storage.compiled import IN_LIST, written
from claimledger.storage.sqlite import fulltext as search
from claimledger.storage.sqlite import schema_check as shape
from claimledger.storage.sqlite.files import (
    connect,
    holds,
    in_turn,
    is_busy,
    layout_of,
    meant,
    remove,
    rights_of,
    sqlite_errors,
    take_name,
    unfinished,
)
from claimledger.storage.sqlite.names import require_unambiguous_name
from claimledger.storage.sqlite.recovery import in_memory, to_read
from claimledger.storage.sqlite.schema import APPLICATION_ID, definitions, objects, schema
from claimledger.storage.sqlite.sql import by_entry, ending, insertion, quoted
from claimledger.storage.tables import ENTRY, LAYOUT, PENDING_SCRUB, WORDS

_WAIT_SECONDS = 60.0
_BATCH = 512
_GENTLE = (0.0001, 0.0003)  # seconds: SQLite's own waiting grows and starves writers


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
        """Where it lies; nothing where this is a copy to read."""

        self.meant = meant(path)
        """The name in messages: while the file is being created, the name that it will have."""

        self.name = str(self.meant)

        self.writable = writable
        self._engine = create_engine(
            "sqlite://",
            creator=lambda: driver,
            poolclass=StaticPool,
            isolation_level="AUTOCOMMIT",
            _initialize=False,  # the driver is known; asking it again costs a start
        )
        event.listen(self._engine, "handle_error", self._in_own_words)
        self.connection: Connection = self._engine.connect()

    def _in_own_words(self, context: ExceptionContext) -> None:
        """Report an error of a single statement as those of a transaction are reported."""
        if isinstance(context.original_exception, sqlite3.Error):
            with sqlite_errors(self.meant):
                raise context.original_exception

    @classmethod
    def new(cls, path: Path, rights: int = 0o666) -> SqliteStore:
        """Make a new file, which must not exist; it is a ledger once its transaction ends."""
        _require_no_folder(path)
        require_unambiguous_name(path, meant(path))
        try:
            # The files that SQLite keeps next to it have the permissions of the file.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, rights))
        except FileExistsError:
            raise StoreError(f"{path} exists; a new ledger needs a new file") from None
        except OSError as error:
            raise StoreError(f"{meant(path)} cannot be made: {error.strerror}") from None
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
        """Make a ledger to be filled, which has its name only when it is whole."""
        _require_no_folder(path)
        if path.exists():
            raise StoreError(f"{path} exists; a new ledger needs a new file")
        require_unambiguous_name(path, meant(path))
        beside = unfinished(path, "arriving")
        store = cls.new(beside, rights)
        try:
            with store.writing():
                yield store
            if store.unscrubbed():
                store.vacuum()
            store.close()
            take_name(beside, path)
        finally:
            store.close()
            remove(beside)

    @classmethod
    def open(cls, path: Path, *, writable: bool = False) -> SqliteStore:
        """Open a ledger; raise :class:`StoreError` if the file is not a ledger that can be used this way."""
        if not path.exists():
            raise StoreError(
                f"{path.absolute()} does not exist. Is the ledger elsewhere? --ledger or CLAIMLEDGER_DB "
                "names it; `claimledger init` makes a new one"
            )
        if not path.is_file() and not path.is_dir():
            raise StoreError(f"{path} is a device or a pipe; a ledger is one file")
        _require_no_folder(path)
        driver, readable = (connect(path, "rw"), path) if writable else to_read(path)
        try:
            with sqlite_errors(meant(path)):
                # A lower number over the tables of today is a fault, which `verify` names.
                outdated = layout_of(driver, path) < LAYOUT and definitions(driver) != objects()
                if outdated and not writable:
                    # Reading never changes a file: its views are recreated in a copy.
                    driver, readable = in_memory(driver), None
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
        self._let_readers_in()

    def _let_readers_in(self) -> bool:
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

    def create(self) -> None:
        """Make the tables of an empty ledger, in one transaction."""
        with self.writing():
            for statement in schema():
                self.driver.execute(statement)
            self.driver.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self.driver.execute(f"PRAGMA user_version = {LAYOUT}")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the write lock for one transaction."""
        if self.driver.in_transaction:
            yield
            return
        with sqlite_errors(self.meant):
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
        with in_turn(self.path):
            while True:
                try:
                    if self._let_readers_in() or time.monotonic() > end:
                        self.driver.execute("BEGIN IMMEDIATE")
                        return
                except sqlite3.OperationalError as error:
                    if not is_busy(error) or time.monotonic() > end:
                        raise
                time.sleep(random.uniform(*_GENTLE))

    def _commit(self) -> None:
        end = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                self.driver.execute("COMMIT")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_IOERR:
                    if self.meant != self.path:
                        raise  # what has no name yet is thrown away
                    raise StoreError(
                        f"{self.path}: the disk failed at the end of a write ({error}); it is whole in the "
                        "ledger or absent: look with `claimledger stats`. Importing it again writes nothing "
                        "twice"
                    ) from None
                # With a rollback journal a reader inside delays the commit; it stays whole meanwhile.
                if not is_busy(error) or time.monotonic() > end:
                    raise
                time.sleep(random.uniform(*_GENTLE))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold one consistent view of the ledger for several reads."""
        if self.driver.in_transaction:
            yield
            return
        with sqlite_errors(self.meant):
            self.driver.execute("BEGIN")
            try:
                yield
            finally:
                if self.driver.in_transaction:
                    self.driver.execute("COMMIT")

    def insert(self, table: Table, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows in the order of the table's columns."""
        if rows:
            self.driver.executemany(insertion(table), rows)

    def close_versions(self, ends: Mapping[Table, Sequence[Sequence[Any]]]) -> None:
        """Write into rows of some tables the entry they ended with."""
        for table, rows in ends.items():
            self.driver.executemany(ending(table), rows)

    def tuples(self, query: Select[Any]) -> list[tuple[Any, ...]]:
        """Return a query's rows as the driver gives them."""
        compiled = written(query, self._engine.dialect)
        with sqlite_errors(self.meant):
            return self.driver.execute(compiled.text, compiled.in_order).fetchall()

    def select_in(
        self, query: Select[Any], column: Any, values: Iterable[Any]
    ) -> list[tuple[Any, ...]]:
        """Return the rows for which a column is one of the values, as the driver gives them."""
        keys = list(values)
        compiled = written(query, self._engine.dialect, column)
        before, after = compiled.text.split(IN_LIST)
        bound = compiled.in_order
        place = before.count("?")
        rows: list[tuple[Any, ...]] = []
        with sqlite_errors(self.meant):
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
        compiled = written(query, self._engine.dialect)
        with sqlite_errors(self.meant):
            # Not `yield from`: it would close the cursor of a ledger that was closed before.
            for row in self.driver.execute(compiled.text, compiled.in_order):  # noqa: UP028
                yield row

    def index_words(self, rows: Sequence[tuple[int, str]]) -> None:
        """Add records' words to the full-text index."""
        search.index(self.driver, rows)

    def forget_words(self, rows: Sequence[tuple[int, str]]) -> None:
        """Take words out of the index, so that no trace is left."""
        search.forget(self.driver, rows)

    def matching(self, phrases: Sequence[Sequence[str]], most: int) -> Iterator[int]:
        """Yield the entries whose words hold every phrase, newest first; a last ``*`` is a prefix."""
        with sqlite_errors(self.meant):
            yield from search.matching(self.driver, phrases, most)

    def empty_views(self) -> None:
        """Remove every row of every view, and recreate the views as this program defines them."""
        shadow = re.compile(r"search_(data|idx|content|docsize|config)")
        unscrubbed = self.unscrubbed()
        objects = self.driver.execute("SELECT type, name FROM sqlite_master").fetchall()
        for kind, name in sorted(objects, key=lambda row: row[1] != "search"):
            if kind == "table" and name != "entry" and not shadow.fullmatch(name):
                self.driver.execute(f"DROP TABLE IF EXISTS {quoted(name)}")
            elif kind in ("trigger", "view"):
                self.driver.execute(f"DROP {kind} IF EXISTS {quoted(name)}")
        for statement in schema():
            if not statement.startswith("CREATE TABLE entry "):
                self.driver.execute(statement)
        self.insert(PENDING_SCRUB, [(entry,) for entry in unscrubbed])
        self.driver.execute(f"PRAGMA user_version = {LAYOUT}")
        self.outdated = False

    def unscrubbed(self) -> list[int]:
        """Return the redactions whose texts may still lie in the file or in its journal."""
        with sqlite_errors(self.meant):
            if ("table", PENDING_SCRUB.name) not in definitions(self.driver):
                return []  # an older layout
            rows = self.driver.execute(f"SELECT entry FROM {PENDING_SCRUB.name} ORDER BY entry")
            return [entry for (entry,) in rows]

    def vacuum(self) -> None:
        """Rewrite the file without its free pages, and empty the write-ahead log."""
        with sqlite_errors(self.meant):
            pending = self.unscrubbed()  # later redactions are scrubbed by their own writers
            self.driver.execute("VACUUM")
            ((busy, *_),) = self.driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            if busy:
                raise StoreError(f"{self.meant}: another program is reading the ledger")
            self.driver.executemany(
                f"DELETE FROM {PENDING_SCRUB.name} WHERE entry = ?", [(entry,) for entry in pending]
            )

    @property
    def rights(self) -> int:
        """The permission bits of its own file."""
        return rights_of(self.meant)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self.driver.in_transaction

    def find_residual_text(self, texts: Sequence[bytes]) -> list[bytes]:
        """Return those of the texts that are still anywhere in the ledger's files."""
        if self.path is None:
            return []
        files = [self.path, *(Path(f"{self.path}{end}") for end in ("-wal", "-journal"))]
        unseen = {text.decode() for text in texts if not any(holds(file, text) for file in files)}
        # SQLite spreads a long value over pages that need not follow each other: only it sees the whole.
        for column in (ENTRY.c.payload, WORDS.c.words):
            for (value,) in self.stream(select(column).where(column.is_not(None))):
                if isinstance(value, str):  # else somebody changed it
                    unseen -= {text for text in unseen if text in value}
        return [text for text in texts if text.decode() not in unseen]

    def rows_by_entry(self, table: Table, first: int, last: int) -> list[tuple[Any, ...]]:
        """Return whole rows of a table by entry, both ends included."""
        with sqlite_errors(self.meant):
            return self.driver.execute(by_entry(table), (first, last)).fetchall()

    def decode_leniently(self) -> None:
        """Read bytes that are not UTF-8 as lone surrogates from now on."""
        self.driver.text_factory = lambda text: text.decode("utf-8", "surrogateescape")

    def is_in(self, path: Path) -> bool:
        """Whether a file is the one that the ledger lies in, by whatever name."""
        return os.path.samefile(path, self.meant)

    def copy_to(self, path: Path, rights: int) -> bool:
        """Copy everything into a new file with these permissions."""
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, rights))
        copy = sqlite3.connect(path)
        try:
            self.driver.backup(copy)
        except sqlite3.OperationalError as error:
            if (error.sqlite_errorcode & 0xFF) not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
                raise
            with sqlite_errors(meant(path)):  # it is the copy's disk that failed
                raise
        finally:
            copy.close()
        return True

    def reopening(self) -> Callable[[], Store] | None:
        """Return what opens this file again for reading; nothing for a copy."""
        return None if self.path is None else partial(SqliteStore.open, self.path)

    def shape_damage(self) -> Iterator[tuple[str, str]]:
        """Yield the tables, indexes and triggers that are not as this program makes them."""
        with sqlite_errors(self.meant):
            yield from shape.damage(self.driver)

    def damage(self) -> Iterator[tuple[str, str]]:
        """Yield what SQLite's own check of pages and indexes finds."""
        with sqlite_errors(self.meant):
            lines = self.driver.execute("PRAGMA integrity_check(20)").fetchall()
        yield from (("file", str(line)) for (line,) in lines if line != "ok")

    def search_damage(self) -> Iterator[tuple[str, str]]:
        """Yield the differences between the full-text index and the words it is built from."""
        return search.damage(self.driver, writable=self.writable)

    def close(self) -> None:
        """Close the file; the last writer leaves it without a journal, unless somebody is reading."""
        self.connection.close()
        if self.writable and self.path is not None:
            with suppress(sqlite3.Error):
                if self.driver.in_transaction:
                    self.driver.execute("ROLLBACK")
                self.driver.execute("PRAGMA busy_timeout = 0")
                self.driver.execute("PRAGMA journal_mode = DELETE")
        self.driver.close()
