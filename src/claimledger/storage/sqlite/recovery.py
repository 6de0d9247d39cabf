"""Opening a file for reading whose last write was interrupted or whose views are old: in place, or a copy."""

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
"""How often copying is attempted again because somebody wrote to the file meanwhile."""


def open_for_reading(path: Path) -> tuple[sqlite3.Connection, Path | None]:
    """Open a file for reading; return the connection and its path, or ``None`` instead of the path of a copy.

    If the last writer was killed, or finished while others were reading, the file has a hot journal and
    must be recovered before it can be read. A user who may write recovers it in place, as SQLite does with
    every file. A read-only user reads a recovered copy, with everything that was complete when it was
    copied.
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
    """Return a copy of a file with its journal applied; ``None`` if somebody wrote to the file meanwhile.

    Raises :class:`StoreError` if there is no space for a copy. Copying closes a second handle of the file,
    which drops any lock that SQLite has on it in this process. There is none here: a file with a lock could
    be read in place.
    """
    before = _file_states(path)
    try:
        with TemporaryDirectory(prefix="claimledger-", ignore_cleanup_errors=True) as folder:
            copy = Path(folder) / path.name
            for end in before:
                with suppress(FileNotFoundError):  # a writer came and took its journal away
                    shutil.copyfile(f"{path}{end}", f"{copy}{end}")
            # An open file outlives its name, so a process that is killed from here on leaves nothing behind.
            return _open_recovered(copy) if _file_states(path) == before else None
    except (OSError, *UNREADABLE) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise StoreError(
            f"{path} cannot be read in place, because its last writer was interrupted, or finished while "
            f"others were reading; and it cannot be copied (to TMPDIR): {what}. {RECOVERY_HINT}"
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
    """Return, for a file and its journals, what changes with every write."""
    seen = {}
    for end in ("", "-wal", "-journal"):
        with suppress(FileNotFoundError):
            file = Path(f"{path}{end}").stat()
            seen[end] = (file.st_ino, file.st_size, file.st_mtime_ns)
    return seen


def _recover(path: Path) -> None:
    """Undo an interrupted write that has a rollback journal, which a read-only connection cannot do.

    That happens while a writer switches journals, as it opens or closes the file. If this user may not write
    to the file or its folder, this fails, and the following read reports the error.
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
