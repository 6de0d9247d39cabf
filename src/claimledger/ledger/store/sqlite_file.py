"""Opening a ledger's file: what it is, whether it can be used, and a write that was cut off in it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from claimledger.errors import StoreError
from claimledger.ledger.log import FORMAT
from claimledger.ledger.store.sqlite_schema import APPLICATION_ID
from claimledger.ledger.tables import LAYOUT

try:
    import fcntl
except ImportError:  # not a Unix
    fcntl = None  # type: ignore[assignment]

_TRIES = 20
"""How often a file is looked at again because somebody wrote to it while it was copied."""


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a file in a mode of SQLite's: ``ro`` or ``rw``."""
    address = f"file:{quote(str(path.absolute()))}?mode={mode}"
    try:
        return sqlite3.connect(
            address,
            uri=True,
            isolation_level=None,
            timeout=30.0,
            check_same_thread=False,
        )
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be opened: {error}") from None


def to_read(path: Path) -> tuple[sqlite3.Connection, bool]:
    """Open a file for reading as it lies, or a copy of it; return whether it is a copy.

    A file whose last writer was killed, or left while others were reading, has to be brought to rest
    before it can be read. Where this may write that happens in its place, as with every SQLite file; who
    may only read brings a copy to rest, and sees what was complete when it was made.
    """
    for _ in range(_TRIES):
        driver = connect(path, "ro")
        try:
            driver.execute("SELECT name FROM sqlite_master LIMIT 1").fetchall()
            return driver, False
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            left = code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
            if not left or not os.access(path, os.R_OK):
                return driver, False  # told by the one who asks what the file is
        driver.close()
        if copy := _at_rest(path):
            return copy, True
    raise StoreError(f"{path}: another program holds the ledger; nothing was read, try again")


def _at_rest(path: Path) -> sqlite3.Connection | None:
    """Return a copy of a file with what its journal holds; nothing where somebody wrote meanwhile.

    Raises :class:`StoreError` where there is no room for a copy.
    """
    before = _standing(path)
    try:
        with TemporaryDirectory(prefix="claimledger-", ignore_cleanup_errors=True) as folder:
            copy = Path(folder) / path.name
            for end in before:
                with suppress(FileNotFoundError):  # a writer came and took its journal away
                    shutil.copyfile(f"{path}{end}", f"{copy}{end}")
            # A file that is open outlives its name: nothing is left behind, by who is killed neither.
            return _recovered(copy) if _standing(path) == before else None
    except (OSError, sqlite3.Error) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise StoreError(
            f"{path} cannot be read as it lies: its last writer was cut off, or left while others were "
            f"reading; nor can a copy (TMPDIR says where): {what}. Open it once where it may be written "
            "(`claimledger stats` in a writable folder): what was complete is kept, the rest undone"
        ) from None


def _recovered(copy: Path) -> sqlite3.Connection:
    driver = connect(copy, "rw")
    try:
        driver.execute("PRAGMA journal_mode = DELETE").fetchall()
    finally:
        driver.close()
    driver = connect(copy, "ro")
    try:
        driver.execute("SELECT name FROM sqlite_master LIMIT 1").fetchall()
    except sqlite3.Error:
        driver.close()
        raise
    return driver


def _standing(path: Path) -> dict[str, tuple[int, int, int]]:
    """Return what changes of a file and its journals with every write."""
    seen = {}
    for end in ("", "-wal", "-journal"):
        with suppress(FileNotFoundError):
            file = Path(f"{path}{end}").stat()
            seen[end] = (file.st_ino, file.st_size, file.st_mtime_ns)
    return seen


def is_busy(error: sqlite3.Error) -> bool:
    """Whether SQLite says that others are in the way."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def recover(path: Path) -> None:
    """Undo a write that was cut off with a rollback journal, which a read-only connection cannot.

    It happens between two journals, while a writer opens or closes. Where the file or its folder may not
    be written this fails, and the error is told by the one who then cannot read.
    """
    journal = Path(f"{path}-journal")
    with suppress(OSError, StoreError, sqlite3.Error):
        if journal.exists() and journal.stat().st_size and _is_ours(path):
            driver = connect(path, "rw")
            try:
                driver.execute("SELECT name FROM sqlite_master LIMIT 1").fetchall()
            finally:
                driver.close()


def _is_ours(path: Path) -> bool:
    """Whether the file's header says that it is a ledger, without asking SQLite to open it."""
    with path.open("rb") as held:
        return held.read(72)[68:] == APPLICATION_ID.to_bytes(4, "big")


def layout_of(driver: sqlite3.Connection, path: Path) -> int:
    """Return an open file's layout; raise :class:`StoreError` where it is none this program can use."""
    try:
        (application,) = driver.execute("PRAGMA application_id").fetchone()
        (layout,) = driver.execute("PRAGMA user_version").fetchone()
        driver.execute("SELECT name FROM sqlite_master LIMIT 1").fetchall()
    except sqlite3.Error as error:
        if meant(path) != path:  # it was only just made, beside what it is to be
            raise StoreError(
                f"{meant(path)}: reading or writing failed ({error}); nothing was written"
            ) from None
        if is_busy(error):
            raise StoreError(
                f"{path}: another program holds the ledger; nothing was read, try again"
            ) from None
        leftover = [end for end in ("-journal", "-wal") if Path(f"{path}{end}").exists()]
        if leftover and not isinstance(error, sqlite3.NotSupportedError):
            raise StoreError(
                f"{path} cannot be read: beside it lies {path.name}{leftover[0]}, left by a write "
                f"that was cut off ({error}). Open it once where it may be written "
                "(`claimledger stats` in a writable folder): what was complete is kept, the rest undone"
            ) from None
        if "not a database" in str(error):
            raise StoreError(f"{path} is not a ledger (no SQLite file)") from None
        raise StoreError(f"{path} cannot be opened: {error}") from None
    if application != APPLICATION_ID:
        raise StoreError(f"{path} is not a ledger: a database of another program, left untouched")
    if layout // 100 > FORMAT or layout > LAYOUT:
        raise StoreError(
            f"{path} was written by a newer claimledger (format {layout}, this one knows {LAYOUT}); "
            "it is left untouched: use that version"
        )
    return int(layout)


def in_memory(driver: sqlite3.Connection) -> sqlite3.Connection:
    """Return a copy of an open file in memory, and close the file."""
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    driver.backup(copy)
    driver.close()
    return copy


@contextmanager
def in_turn(path: Path | None) -> Iterator[None]:
    """Wait behind whoever wants to write already, so that nobody is passed over.

    SQLite lets in whoever asks at the right moment: of eight writers the slowest got a quarter of the mean.
    The queue is a lock on the folder (never on the file: to close a second handle of it would drop SQLite's
    own locks), held only until SQLite has let this one in. Where a file system has no such lock there is no
    queue.
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
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


UNFINISHED = (".arriving", ".backup")
"""Ends of the hidden names of files that get their own when they are whole."""


def meant(path: Path) -> Path:
    """Return the name that a person knows a file by."""
    for end in UNFINISHED:
        if path.name.startswith(".") and path.name.endswith(end):
            return meant(path.with_name(path.name[1:].removesuffix(end)))
    return path


def remove(path: Path) -> None:
    """Remove a file and what SQLite keeps beside it."""
    for end in ("", "-wal", "-shm", "-journal"):
        Path(f"{path}{end}").unlink(missing_ok=True)


def _see_at_rest(beside: Path) -> None:
    """Refuse to give a name to a file of which a part still stands in a journal beside it.

    SQLite closes a file without a word when the disk fails while it brings the two together.
    """
    for end in ("-wal", "-journal"):
        journal = Path(f"{beside}{end}")
        if journal.exists() and journal.stat().st_size:
            raise StoreError(f"{beside.parent}: the disk failed; nothing was written")


def take_name(beside: Path, path: Path) -> None:
    """Give a finished file its name, which nothing may have meanwhile, and keep it on the disk."""
    _see_at_rest(beside)
    try:
        os.link(beside, path)
    except FileExistsError:
        raise StoreError(f"{path} exists by now; nothing was written over") from None
    except OSError:  # a file system without links
        if path.exists():
            raise StoreError(f"{path} exists by now; nothing was written over") from None
        beside.rename(path)
    _settle(path.parent)


def replace(beside: Path, path: Path) -> None:
    """Put a finished file in the place of another, which is there whole until then."""
    _see_at_rest(beside)
    beside.replace(path)
    _settle(path.parent)


def _settle(folder: Path) -> None:
    """Have the disk keep what a folder's files are called."""
    with suppress(OSError):
        held = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(held)
        finally:
            os.close(held)
