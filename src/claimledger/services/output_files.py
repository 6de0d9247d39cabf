"""Writing a file whole: it appears complete or not at all, and never in the place of a ledger."""

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
"""How long the other end of a named pipe is waited for."""


@contextmanager
def writing_whole(
    path: str, *ledgers: str, rights: int | None = None, over_backup: bool = False
) -> Iterator[BinaryIO]:
    """Write to a file next to the target, which takes the target's place when all is written.

    A device or a named pipe is written into once all is there, and so is a stream that this program was
    given, such as ``/dev/stdout``: to replace the file behind it would lose what else goes there.
    ``ledgers`` are the ledgers that the output is made from; ``rights`` are permission bits that
    the file may have at most. Raises :class:`RuleViolationError` if the target is one of them, a ledger or
    another database, a file that SQLite keeps next to one, or a backup of entries; with ``over_backup`` if it
    is any file but that.
    """
    target = Path(os.path.realpath(path))  # a link keeps pointing to its target
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
        # Once more: it was not there when the writing began.
        refuse_to_replace(path, *ledgers, over_backup=over_backup)
        Path(name).replace(target)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, path) from None
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def refuse_to_replace(path: str, *ledgers: str, over_backup: bool = False) -> None:
    """Raise :class:`RuleViolationError` for what may not be written over: a ledger, a database, a backup.

    With ``over_backup`` a backup of entries may be, and no other file that holds anything.
    """
    for ledger in ledgers:
        with suppress(OSError):  # one of the two is not there
            if os.path.samefile(path, ledger):
                raise RuleViolationError(f"{path} is the ledger itself; name another file to write")
    target = Path(os.path.realpath(path))
    with suppress(OSError):
        if database_beside(target) or (target.is_file() and is_database(target)):
            raise RuleViolationError(
                f"{path} is a ledger or another database, and is not written over; name another file "
                "to write"
            )
        is_backup = is_backup_of_entries(target)
        if is_backup and not over_backup:
            raise RuleViolationError(
                f"{path} is a backup of a ledger's entries, and is not written over; name another file to "
                "write"
            )
        is_other_file = target.is_file() and target.stat().st_size > 0 and not is_backup
        if over_backup and is_other_file and given_stream(path) is None:
            raise RuleViolationError(
                f"{path} is not a backup of a ledger's entries, and is not overwritten; name another file "
                "to write"
            )


def is_backup_of_entries(file: Path) -> bool:
    """Whether a file is what ``backup --since`` writes."""
    if not file.is_file():
        return False
    with file.open("rb") as content:
        return _BACKUP.match(content.read(1 << 16)) is not None


def given_stream(path: str) -> int | None:
    """Return the number of the open stream that a path means, as ``/dev/stdout`` does.

    Raises :class:`OSError` if this program has no such open stream: its own files have numbers too.
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
"""Symbolic links that lead to each other at most, as on Linux."""


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
                f"{path}: nobody reads it any more; not all was written"
            ) from None
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from None


def _opened(path: str) -> int:
    """Open a target that is not a file; for a pipe without a reader, wait a while and say so."""
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
            raise RuleViolationError(f"{path}: nobody reads this pipe; nothing was written")
        if not announced:
            sys.stderr.write(f"{path}: waiting for somebody to read this pipe\n")
            announced = True
        time.sleep(0.05)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
