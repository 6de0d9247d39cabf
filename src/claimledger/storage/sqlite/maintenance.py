"""What backup, rebuild, redaction and verification need of a ledger's file."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from claimledger.errors import StoreError
from claimledger.storage.sqlite import schema_check
from claimledger.storage.sqlite.files import display_path, holds, rights_of, sqlite_errors
from claimledger.storage.sqlite.schema import definitions, schema
from claimledger.storage.sqlite.sql import quoted
from claimledger.storage.tables import ENTRY, LAYOUT, PENDING_SCRUB, WORDS

if TYPE_CHECKING:
    from claimledger.storage.base import Store
    from claimledger.storage.sqlite.store import SqliteStore

_FTS5_TABLES = re.compile(r"search_(data|idx|content|docsize|config)")
"""Tables that belong to the full-text index: SQLite drops them with it."""


class SqliteMaintenance:
    """Implements :class:`~claimledger.storage.base.Maintenance` for one file."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._driver = store.driver

    @property
    def rights(self) -> int:
        """The permission bits of the ledger's file."""
        return rights_of(self._store.display_path)

    def is_in(self, path: Path) -> bool:
        """Return whether a file is the one that contains the ledger, by whatever name."""
        return os.path.samefile(path, self._store.display_path)

    def copy_to(self, path: Path, rights: int) -> bool:
        """Copy everything into a new file with these permissions."""
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, rights))
        copy = sqlite3.connect(path)
        try:
            self._driver.backup(copy)
        except sqlite3.OperationalError as error:
            if (error.sqlite_errorcode & 0xFF) not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
                raise
            with sqlite_errors(display_path(path)):  # the disk of the copy failed
                raise
        finally:
            copy.close()
        return True

    def reopening(self) -> Callable[[], Store] | None:
        """Return what opens this file again for reading; ``None`` for a copy in memory."""
        path = self._store.path
        return None if path is None else partial(type(self._store).open, path)

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Hold the write lock for one transaction that begins with all views newly created and empty."""
        with self._store.transaction():
            self._recreate_views()
            yield

    def _recreate_views(self) -> None:
        unscrubbed = self.unscrubbed()
        objects = self._driver.execute("SELECT type, name FROM sqlite_master").fetchall()
        # The full-text index first: dropping it drops its tables.
        for kind, name in sorted(objects, key=lambda row: row[1] != "search"):
            if kind == "table" and name != "entry" and not _FTS5_TABLES.fullmatch(name):
                self._driver.execute(f"DROP TABLE IF EXISTS {quoted(name)}")
            elif kind in ("trigger", "view"):
                self._driver.execute(f"DROP {kind} IF EXISTS {quoted(name)}")
        for statement in schema():
            if not statement.startswith("CREATE TABLE entry "):
                self._driver.execute(statement)
        self._store.insert({PENDING_SCRUB: [(entry,) for entry in unscrubbed]})
        self._driver.execute(f"PRAGMA user_version = {LAYOUT}")
        self._store.outdated = False

    def flush_to_disk(self) -> None:
        """Do nothing: SQLite shows a reader only what is on the disk."""

    def vacuum(self) -> None:
        """Rewrite the file without its free pages, and empty the write-ahead log."""
        with sqlite_errors(self._store.display_path):
            pending = self.unscrubbed()  # later redactions are scrubbed by their own writers
            self._driver.execute("VACUUM")
            ((busy, *_),) = self._driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            if busy:
                raise StoreError(
                    f"{self._store.display_path}: another program is reading the ledger"
                )
            self._driver.executemany(
                f"DELETE FROM {PENDING_SCRUB.name} WHERE entry = ?", [(entry,) for entry in pending]
            )

    def unscrubbed(self) -> list[int]:
        """Return the redactions whose texts may still be in the file or in its journal."""
        with sqlite_errors(self._store.display_path):
            if ("table", PENDING_SCRUB.name) not in definitions(self._driver):
                return []  # an older layout
            rows = self._driver.execute(f"SELECT entry FROM {PENDING_SCRUB.name} ORDER BY entry")
            return [entry for (entry,) in rows]

    def find_residual_text(self, texts: Sequence[bytes]) -> list[bytes]:
        """Return those of the texts that are still anywhere in the ledger's files."""
        path = self._store.path
        if path is None:
            return []
        files = [path, *(Path(f"{path}{suffix}") for suffix in ("-wal", "-journal"))]
        unseen = {text.decode() for text in texts if not any(holds(file, text) for file in files)}
        # SQLite spreads a long value over pages that need not be adjacent: only SQLite can read it whole.
        for column in (ENTRY.c.payload, WORDS.c.words):
            for (value,) in self._store.stream(select(column).where(column.is_not(None))):
                if isinstance(value, str):  # else somebody tampered with it
                    unseen -= {text for text in unseen if text in value}
        return [text for text in texts if text.decode() not in unseen]

    def decode_leniently(self) -> None:
        """Read bytes that are not UTF-8 as lone surrogates from now on."""
        self._driver.text_factory = lambda text: text.decode("utf-8", "surrogateescape")

    def shape_damage(self) -> Iterator[tuple[str, str]]:
        """Yield the tables, indexes and triggers that differ from what this program creates."""
        with sqlite_errors(self._store.display_path):
            yield from schema_check.damage(self._driver)

    def damage(self) -> Iterator[tuple[str, str]]:
        """Yield what SQLite's own check of pages and indexes finds."""
        with sqlite_errors(self._store.display_path):
            lines = self._driver.execute("PRAGMA integrity_check(20)").fetchall()
        yield from (("file", str(line)) for (line,) in lines if line != "ok")
