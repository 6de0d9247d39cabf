"""A ledger's file: whether it can be used, the queue of its writers, and the name it gets."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from secrets import token_hex
from threading import Thread
from urllib.parse import quote

from claimledger.errors import StoreError
from claimledger.storage.base import LARGEST_VALUE, UndecodableTextError
from claimledger.storage.sqlite.names import BESIDE
from claimledger.storage.sqlite.schema import APPLICATION_ID
from claimledger.storage.tables import LAYOUT

UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""What the driver raises for a file it cannot read. If SQLite's message quotes a name that is not UTF-8, the
driver fails to decode the message."""

try:
    import fcntl
except ImportError:  # not a Unix
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger("claimledger")

QUEUE_SECONDS = 10.0
"""How long a write waits in the queue before it asks SQLite for the lock all the same."""

RECOVERY_HINT = (
    "Open it once where it may be written (`claimledger stats` in a writable folder): what was complete is "
    "kept, the rest undone"
)

NEXT_STEP = (
    "if it is damaged, take it from a backup, or see what can be saved: `verify --deep`, `salvage`"
)


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a file in a mode of SQLite's: ``ro`` or ``rw``."""
    address = f"file:{quote(str(path.absolute()))}?mode={mode}"
    try:
        driver = sqlite3.connect(
            address,
            uri=True,
            isolation_level=None,
            timeout=30.0,
            check_same_thread=False,
        )
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be opened: {error}") from None
    return limit_values(driver)


def limit_values(driver: sqlite3.Connection) -> sqlite3.Connection:
    """Make a connection refuse values longer than :data:`LARGEST_VALUE`; return the connection."""
    driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)
    return driver


def is_busy(error: Exception) -> bool:
    """Whether SQLite says that another connection has a lock."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def open_database(driver: sqlite3.Connection) -> None:
    """Make SQLite open the file, which it delays until the first query."""
    driver.execute("SELECT name FROM sqlite_master LIMIT 1").fetchall()


def read_locked_error(path: Path) -> StoreError:
    """Return the error to raise if another process has the file locked for reading."""
    return StoreError(f"{path}: another program has the ledger locked; nothing was read, try again")


def layout_of(driver: sqlite3.Connection, path: Path) -> int:
    """Return an open file's layout; raise :class:`StoreError` if it is not one this program can use."""
    try:
        (application,) = driver.execute("PRAGMA application_id").fetchone()
        (layout,) = driver.execute("PRAGMA user_version").fetchone()
        open_database(driver)
    except UNREADABLE as error:
        if display_path(path) != path:  # it was created just now, next to its final name
            raise StoreError(
                f"{display_path(path)}: reading or writing failed ({error}); nothing was written"
            ) from None
        if is_busy(error):
            raise read_locked_error(path) from None
        leftover = [end for end in ("-journal", "-wal") if Path(f"{path}{end}").exists()]
        if leftover and not isinstance(error, sqlite3.NotSupportedError):
            raise StoreError(
                f"{path} cannot be read: beside it lies {path.name}{leftover[0]}, left by a write "
                f"that was cut off ({error}). {RECOVERY_HINT}"
            ) from None
        if "not a database" in str(error):
            raise StoreError(f"{path} is not a ledger (no SQLite file)") from None
        raise StoreError(f"{path} cannot be opened: {error}; {NEXT_STEP}") from None
    if application == 0 and path.stat().st_size == 0:
        raise StoreError(
            f"{path} is an empty file, not a ledger; remove it first, or name another file"
        )
    if application != APPLICATION_ID:
        raise StoreError(f"{path} is not a ledger: a database of another program, left untouched")
    if layout > LAYOUT:
        raise StoreError(
            f"{path} was written by a newer claimledger (format {layout}, this one knows {LAYOUT}); "
            "it is left untouched: use that version"
        )
    return int(layout)


@contextmanager
def writer_queue(path: Path | None) -> Iterator[None]:
    """Wait behind the writers that came earlier, for :data:`QUEUE_SECONDS` at most.

    SQLite admits whichever writer asks at the right moment: of eight, the slowest wrote a quarter of the
    mean. The queue is a lock on the folder, held only until SQLite has admitted this writer. It is never a
    lock on the file, because closing a second handle of the file would drop SQLite's own locks. If the file
    system has no such lock, or somebody never releases it, there is no queue, and SQLite's lock alone
    decides who may write.
    """
    if path is None or fcntl is None:
        yield
        return
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError:
        yield
        return
    try:
        with suppress(OSError):
            _wait_for(folder, path)
        yield
    finally:
        os.close(folder)


def _wait_for(folder: int, path: Path) -> None:
    """Lock a folder, for as long as its descriptor is open; continue without the lock after a while."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # The system serves waiting threads in order, but a wait for this lock cannot have a time limit.
        waiting = Thread(target=_take_lock, args=(folder,), daemon=True)
        waiting.start()
        waiting.join(QUEUE_SECONDS)
        if waiting.is_alive():
            logger.warning(
                "%s: another program keeps a lock on the folder; this write continues without a queue",
                path,
            )


def _take_lock(folder: int) -> None:
    with suppress(OSError):
        fcntl.flock(folder, fcntl.LOCK_EX)


_TEMPORARY_NAME = re.compile(
    r"\.(?P<name>.+)\.(?P<process>[1-9][0-9]*)-[0-9a-f]{8}\.(?:arriving|backup)"
)
"""The hidden names of files that get their final name when they are complete."""


def hidden_path_for(path: Path, end: str) -> Path:
    """Return a hidden path next to a file for its incomplete content, which no other process uses.

    Files that killed processes left under such names of the file are removed.
    """
    if fcntl is not None:  # on Windows, asking whether a process runs would end it
        for left in path.parent.glob(f".{escape(path.name)}.*.{end}"):
            match = _TEMPORARY_NAME.fullmatch(left.name)
            if match and match["name"] == path.name and not _is_running(int(match["process"])):
                remove(left)
    return path.with_name(f".{path.name}.{os.getpid()}-{token_hex(4)}.{end}")


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def display_path(path: Path) -> Path:
    """Return the name under which a person knows a file: the final one while it is being created."""
    match = _TEMPORARY_NAME.fullmatch(path.name)
    return display_path(path.with_name(match["name"])) if match else path


def remove(path: Path) -> None:
    """Remove a file and the files that SQLite keeps next to it."""
    for end in ("", *BESIDE):
        Path(f"{path}{end}").unlink(missing_ok=True)


def _require_no_journal(beside: Path) -> None:
    """Raise :class:`StoreError` if a part of a new file is still in a journal next to it.

    SQLite closes a file without an error if the disk fails while it merges the two.
    """
    for end in ("-wal", "-journal"):
        journal = Path(f"{beside}{end}")
        if journal.exists() and journal.stat().st_size:
            raise StoreError(f"{beside.parent}: the disk failed; nothing was written")


def rename_new(beside: Path, path: Path) -> None:
    """Give a complete file its final name, durably; raise :class:`StoreError` if the name is taken."""
    _require_no_journal(beside)
    try:
        os.link(beside, path)
    except FileExistsError:
        raise StoreError(f"{path} exists by now; nothing was overwritten") from None
    except OSError:  # a file system without links
        if path.exists():
            raise StoreError(f"{path} exists by now; nothing was overwritten") from None
        beside.rename(path)
    _sync_folder(path.parent)


def replace(beside: Path, path: Path) -> None:
    """Replace a file by a complete one, atomically and durably."""
    _require_no_journal(beside)
    beside.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the names of a folder's files durable."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def rights_of(path: Path) -> int:
    """Return the permission bits of a file, which limit those of files created from it."""
    return stat.S_IMODE(path.stat().st_mode) & 0o666


def holds(file: Path, text: bytes) -> bool:
    """Return whether some bytes occur anywhere in a file."""
    if not file.exists():
        return False
    size, carried = 1 << 20, b""
    with file.open("rb") as stream:
        while block := stream.read(size):
            if text in carried + block:
                return True
            carried = (carried + block)[-len(text) :]
    return False


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into a :class:`StoreError` that says what happened and what was written."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "decode to UTF-8" in str(error):
            raise UndecodableTextError(
                f"{path} is damaged: a text in it is not UTF-8; `claimledger verify` says where"
            ) from None
        # The driver's own errors have no code of SQLite's.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        what = {
            sqlite3.SQLITE_FULL: "the disk is full; nothing was written",
            sqlite3.SQLITE_READONLY: "the file or its folder is read-only; nothing was written",
            sqlite3.SQLITE_BUSY: "another program has the ledger locked; nothing was written, try again",
            sqlite3.SQLITE_IOERR: f"reading or writing failed ({error}); nothing was written",
            sqlite3.SQLITE_CANTOPEN: f"a file beside it cannot be opened ({error})",
        }.get(code)
        raise StoreError(f"{path}: {what or error}") from None
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} is damaged: {error}; `claimledger verify` says where") from None
    except MemoryError:
        raise StoreError(f"{path}: there is not enough memory to read it") from None
