"""Writes output files: a file appears complete or not at all, and never replaces a ledger."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from claimledger.errors import RuleViolationError
from claimledger.ledger import database_beside, is_database

_BACKUP = re.compile(rb'\s*\{\s*"claimledger"\s*:\s*"entries"')
"""How a backup of new entries begins."""

WAIT_SECONDS = 60.0
"""How long to wait for a reader of a named pipe."""


@contextmanager
def writing_whole(
    path: str, *ledgers: str, rights: int | None = None, over_backup: bool = False
) -> Iterator[BinaryIO]:
    """Yield a stream to a temporary file that replaces the target when the block ends without an error.

    A device, a named pipe or an open stream such as ``/dev/stdout`` is written into at the end of the
    block instead: replacing the file behind it would lose whatever else is written there. ``ledgers`` are
    the ledgers that the output comes from; ``rights`` is a mask for the permission bits of a file.

    Raises :class:`RuleViolationError` if the target is one of ``ledgers``, any other database, a file that
    SQLite keeps next to one, or a backup of entries; with ``over_backup``, if it is a non-empty file that
    is not a backup of entries.
    """
    target = Path(os.path.realpath(path))  # a symbolic link stays, and its target is replaced
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder; name a file in it", path)
    refuse_to_replace(path, *ledgers, over_backup=over_backup)
    if given_stream(path) is not None or (target.exists() and not target.is_file()):
        with _writing_into(path) as stream:
            yield stream
        return
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:200]}.", dir=target.parent)
    except OSError as error:
        # Messages name the file that was requested, not the temporary one next to it.
        raise OSError(error.errno, error.strerror, path) from None
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        mode = target.stat().st_mode if target.exists() else 0o666 & ~_umask()
        Path(name).chmod(mode & 0o7777 & (0o7777 if rights is None else rights))
        # Check again: somebody may have created the target while the file was written.
        refuse_to_replace(path, *ledgers, over_backup=over_backup)
        Path(name).replace(target)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, path) from None
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def refuse_to_replace(path: str, *ledgers: str, over_backup: bool = False) -> None:
    """Raise :class:`RuleViolationError` if the target is a ledger, another database or a backup of entries.

    With ``over_backup``, a backup of entries may be replaced, but no other non-empty file.
    """
    for ledger in ledgers:
        with suppress(OSError):  # one of the two does not exist
            if os.path.samefile(path, ledger):
                raise RuleViolationError(f"{path} is the ledger itself; name another file to write")
    target = Path(os.path.realpath(path))
    with suppress(OSError):
        if database_beside(target) or (target.is_file() and is_database(target)):
            raise RuleViolationError(
                f"{path} is a ledger or another database and is not overwritten; name another file to write"
            )
        is_backup = is_backup_of_entries(target)
        if is_backup and not over_backup:
            raise RuleViolationError(
                f"{path} is a backup of a ledger's entries and is not overwritten; name another file to write"
            )
        is_other_file = target.is_file() and target.stat().st_size > 0 and not is_backup
        if over_backup and is_other_file and given_stream(path) is None:
            raise RuleViolationError(
                f"{path} is not a backup of a ledger's entries and is not overwritten; name another file to "
                "write"
            )


def is_backup_of_entries(file: Path) -> bool:
    """Whether a file is what ``backup --since`` writes."""
    if not file.is_file():
        return False
    with file.open("rb") as content:
        return _BACKUP.match(content.read(1 << 16)) is not None


def given_stream(path: str) -> int | None:
    """Return the number of the open stream that a path such as ``/dev/stdout`` names, else ``None``.

    Raises :class:`OSError` if this program was started without such a stream: its own files have numbers too.
    """
    for _ in range(_MOST_LINKS):
        match = _OWN_STREAM.fullmatch(os.path.normpath(path))
        if match:
            name = match["name"] or match["number"]
            number = {"stdout": 1, "stderr": 2}.get(name) or int(name)
            with suppress(OSError):
                if os.get_inheritable(number):
                    return number
            raise OSError(errno.EBADF, "no such stream was given to this program", path)
        if not Path(path).is_symlink():
            break
        path = str(Path(path).parent / Path(path).readlink())
    return None


_OWN_STREAM = re.compile(r"/dev/(?P<name>stdout|stderr)|(?:/dev|/proc/self)/fd/(?P<number>\d{1,6})")
_MOST_LINKS = 40
"""The longest chain of symbolic links to follow, as on Linux."""


@contextmanager
def _writing_into(path: str) -> Iterator[BinaryIO]:
    """Write into a target that is not a file: a device, an open stream, or a named pipe with a reader."""
    with tempfile.TemporaryFile(prefix="claimledger-") as buffer:
        yield buffer
        buffer.seek(0)
        try:
            with os.fdopen(_opened(path), "wb") as stream:
                shutil.copyfileobj(buffer, stream)
        except BrokenPipeError:
            raise RuleViolationError(
                f"{path}: the reader closed it before everything was written"
            ) from None
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from None


def _opened(path: str) -> int:
    """Open a target that is not a file; wait for a reader of a pipe, with a note on standard error."""
    if (stream := given_stream(path)) is not None:
        return os.dup(stream)
    if not stat.S_ISFIFO(Path(path).stat().st_mode):
        return os.open(path, os.O_WRONLY)
    end = time.monotonic() + WAIT_SECONDS
    announced = False
    while True:
        try:
            pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        else:
            os.set_blocking(pipe, True)
            return pipe
        if time.monotonic() > end:
            raise RuleViolationError(f"{path}: no program reads this pipe; nothing was written")
        if not announced:
            sys.stderr.write(f"{path}: waiting for a program to read this pipe\n")
            announced = True
        time.sleep(0.05)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
