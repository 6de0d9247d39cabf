"""Standard output: its failures are distinguished, and a slow reader does not block writers."""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

_AT_ONCE = 4096
"""Bytes that a pipe or a terminal takes without waiting when it says that it is ready (POSIX: PIPE_BUF)."""

_IN_MEMORY = 1 << 20
"""Bytes that are buffered in memory; more goes to a temporary file."""


class AnswerLostError(Exception):
    """Standard output cannot be written to."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.errno = error.errno
        self.strerror = error.strerror


class StandardOutput(io.FileIO):
    """The bytes of standard output. While held back, it buffers what its reader does not take at once."""

    def __init__(self) -> None:
        super().__init__(1, "w", closefd=False)
        self.is_held = False
        """Whether no reader is waited for."""

        self._backlog = _Backlog()

    def write(self, data: Buffer, /) -> int:
        """Write or keep some bytes; return how many. Raises :class:`AnswerLostError` if they are lost."""
        if not self.is_held:
            return self._write(data)
        rest = memoryview(data).cast("B")
        size = len(rest)
        while self._backlog and self._is_ready():
            self._send_first()
        while rest and not self._backlog and self._is_ready():
            rest = rest[self._write(rest[:_AT_ONCE]) :]
        if rest:
            self._keep(rest)
        return size

    def hold(self) -> None:
        """Wait for no reader from now on."""
        self.is_held = True

    def release(self, *, discard: bool = False) -> None:
        """Write what was buffered, waiting for the reader, unless it is to be discarded."""
        self.is_held = False
        while self._backlog and not discard:
            self._send_first()
        self._backlog.clear()

    def _write(self, data: Buffer) -> int:
        try:
            while (count := super().write(data)) is None:  # somebody made the stream non-blocking
                select.select([], [self], [])
            return count
        except OSError as error:
            raise AnswerLostError(error) from None

    def _is_ready(self) -> bool:
        if sys.platform == "win32":  # where only sockets can be asked
            return True
        return bool(select.select([], [self], [], 0)[1])

    def _keep(self, data: memoryview) -> None:
        try:
            self._backlog.add(data)
        except OSError:  # no space for a buffer: then wait for the reader after all
            while self._backlog:
                self._send_first()
            while data:
                data = data[self._write(data) :]

    def _send_first(self) -> None:
        self._backlog.drop(self._write(self._backlog.first(_AT_ONCE)))


class _Backlog:
    """Bytes in the order they came: the first in memory, what comes behind them in a temporary file."""

    def __init__(self) -> None:
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._end = 0
        self._dropped = 0

    def __bool__(self) -> bool:
        return bool(self._memory) or self._dropped < self._end

    def add(self, data: memoryview) -> None:
        """Buffer some bytes; raise :class:`OSError`, and buffer none of them, if there is no space."""
        if self._dropped == self._end and len(self._memory) + len(data) <= _IN_MEMORY:
            self._memory += data
            return
        if self._file is None:
            from tempfile import TemporaryFile  # costs a start; hardly any answer needs it

            self._file = TemporaryFile(buffering=0, prefix="claimledger-")  # noqa: SIM115
        end = self._end
        while data:
            count = os.pwrite(self._file.fileno(), data, end)
            data, end = data[count:], end + count
        self._end = end

    def first(self, most: int) -> bytes:
        """Return at most ``most`` of the first bytes."""
        if self._memory:
            return bytes(self._memory[:most])
        assert self._file is not None
        return os.pread(self._file.fileno(), min(most, self._end - self._dropped), self._dropped)

    def drop(self, count: int) -> None:
        """Drop the first ``count`` bytes."""
        if self._memory:
            del self._memory[:count]
            return
        self._dropped += count
        if self._dropped == self._end:
            self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._memory.clear()
        if self._file is not None:
            self._file.close()
        self._file, self._end, self._dropped = None, 0, 0


@contextmanager
def waiting_for_no_reader() -> Iterator[None]:
    """Hold standard output until what is done here is done, then give its reader the rest.

    A ledger that is read must not stay locked because somebody looks at the answer page by page. Does nothing
    where standard output is not the program's own.
    """
    output = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if not isinstance(output, StandardOutput) or output.is_held:
        yield
        return
    output.hold()
    try:
        yield
    except BaseException as error:
        # Who pressed Ctrl-C does not want to wait, and who lost the answer has nobody to give the rest to.
        output.release(
            discard=not isinstance(error, Exception) or isinstance(error, AnswerLostError)
        )
        raise
    sys.stdout.flush()
    output.release()
