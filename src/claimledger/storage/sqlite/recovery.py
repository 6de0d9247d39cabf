"""Reading a file that is not at rest, or has old views: in its place where that may be, else in a copy."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from claimledger.errors import StoreError
from claimledger.storage.sqlite.files import (
    RECOVERY_HINT,
    UNREADABLE,
    connect,
    display_path,
    limit_values,
    open_database,
    read_locked_error,
)
from claimledger.storage.sqlite.schema import APPLICATION_ID

_ATTEMPTS = 20
"""How often a file is looked at again because somebody wrote to it while it was copied."""


def open_for_reading(path: Path) -> tuple[sqlite3.Connection, Path | None]:
    """Open a file for reading; return where what was opened lies, nothing where that is a copy.

    A file whose last writer was killed, or left while others were reading, has to be brought to rest
    before it can be read. Where this may write that happens in its place, as with every SQLite file; who
    may only read recovers a copy, and sees what was complete when it was copied.
    """
    _recover(path)
    for _ in range(_ATTEMPTS):
        driver = connect(path, "ro")
        try:
            open_database(driver)
            return driver, path
        except UNREADABLE as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            left = code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
            # A file being created is not copied: if it cannot be read, its disk failed.
            if not left or display_path(path) != path or not os.access(path, os.R_OK):
                return driver, path  # the caller reports what the file is
        driver.close()
        if copy := _recovered_copy(path):
            return copy, None
    raise read_locked_error(path)


def _recovered_copy(path: Path) -> sqlite3.Connection | None:
    """Return a copy of a file with what its journal holds; nothing where somebody wrote meanwhile.

    Raises :class:`StoreError` where there is no room for a copy. To close what was copied lets go of the
    locks that SQLite has on it in this process; where it had any, the file was read as it lies.
    """
    before = _file_states(path)
    try:
        with TemporaryDirectory(prefix="claimledger-", ignore_cleanup_errors=True) as folder:
            copy = Path(folder) / path.name
            for end in before:
                with suppress(FileNotFoundError):  # a writer came and took its journal away
                    shutil.copyfile(f"{path}{end}", f"{copy}{end}")
            # A file that is open outlives its name: who is killed from here on leaves nothing behind.
            return _open_recovered(copy) if _file_states(path) == before else None
    except (OSError, *UNREADABLE) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise StoreError(
            f"{path} cannot be read as it lies: its last writer was cut off, or left while others were "
            f"reading; nor can a copy (TMPDIR says where): {what}. {RECOVERY_HINT}"
        ) from None


def _open_recovered(copy: Path) -> sqlite3.Connection:
    driver = connect(copy, "rw")
    try:
        driver.execute("PRAGMA journal_mode = DELETE").fetchall()
    finally:
        driver.close()
    driver = connect(copy, "ro")
    try:
        open_database(driver)
    except UNREADABLE:
        driver.close()
        raise
    return driver


def _file_states(path: Path) -> dict[str, tuple[int, int, int]]:
    """Return what changes of a file and its journals with every write."""
    seen = {}
    for end in ("", "-wal", "-journal"):
        with suppress(FileNotFoundError):
            file = Path(f"{path}{end}").stat()
            seen[end] = (file.st_ino, file.st_size, file.st_mtime_ns)
    return seen


def _recover(path: Path) -> None:
    """Undo a write that was cut off with a rollback journal, which a read-only connection cannot.

    It happens between two journals, while a writer opens or closes. Where the file or its folder may not
    be written this fails, and the read that follows reports the error.
    """
    journal = Path(f"{path}-journal")
    with suppress(OSError, StoreError, sqlite3.Error):
        if journal.exists() and journal.stat().st_size and _is_own_file(path):
            driver = connect(path, "rw")
            try:
                open_database(driver)
            finally:
                driver.close()


def _is_own_file(path: Path) -> bool:
    """Whether the file's header says that it is a ledger, without asking SQLite to open it."""
    with path.open("rb") as stream:
        return stream.read(72)[68:] == APPLICATION_ID.to_bytes(4, "big")


def copy_to_memory(driver: sqlite3.Connection) -> sqlite3.Connection:
    """Return a copy of an open file in memory, and close the file."""
    copy = limit_values(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False))
    driver.backup(copy)
    driver.close()
    return copy
