"""Standard output: its failures are told apart, and whoever reads it slowly keeps nobody from writing."""

from __future__ import annotations

import io
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
"""Bytes that are kept in memory; what is more goes to a temporary file."""


class AnswerLostError(Exception):
    """Standard output cannot be written to."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.errno = error.errno
        self.strerror = error.strerror


class StandardOutput(io.FileIO):
    """The bytes of standard output. While it is held it keeps what its reader does not take at once."""

    def __init__(self) -> None:
        super().__init__(1, "w", closefd=False)
        self.held = False
        """Whether no reader is waited for."""

        self._kept: IO[bytes] | None = None
        self._size = 0
        self._taken = 0

    def write(self, data: Buffer, /) -> int:
        """Write or keep some bytes; return how many. Raises :class:`AnswerLostError` if they are lost."""
        if not self.held:
            return self._write(data)
        view = memoryview(data).cast("B")
        if self._send_kept():
            while view and self._is_ready():
                view = view[self._write(view[:_AT_ONCE]) :]
        if view:
            self._keep(view)
        return len(memoryview(data).cast("B"))

    def hold(self) -> None:
        """Wait for no reader from now on."""
        self.held = True

    def release(self, *, discard: bool = False) -> None:
        """Write what was kept, waiting for the reader, unless it is to be discarded."""
        self.held = False
        if not discard:
            self._send_kept(wait=True)
        self._forget()

    def _write(self, data: Buffer) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise AnswerLostError(error) from None

    def _is_ready(self) -> bool:
        if sys.platform == "win32":  # where only sockets can be asked
            return True
        return bool(select.select([], [self], [], 0)[1])

    def _keep(self, data: memoryview) -> None:
        if self._kept is None:
            from tempfile import SpooledTemporaryFile  # costs a start; hardly any answer needs it

            self._kept = SpooledTemporaryFile(_IN_MEMORY, prefix="claimledger-")  # noqa: SIM115
        try:
            self._kept.seek(self._size)
            self._kept.write(data)
        except OSError:  # no room to keep it: then the reader is waited for after all
            self._send_kept(wait=True)
            while data:
                data = data[self._write(data) :]
        else:
            self._size += len(data)

    def _send_kept(self, *, wait: bool = False) -> bool:
        """Write of what was kept as much as the reader takes, or all; return whether nothing is left."""
        while self._kept is not None and (wait or self._is_ready()):
            self._kept.seek(self._taken)
            piece = self._kept.read(min(_AT_ONCE, self._size - self._taken))
            self._taken += self._write(piece)
            if self._taken == self._size:
                self._forget()
        return self._kept is None

    def _forget(self) -> None:
        if self._kept is not None:
            self._kept.close()
        self._kept, self._size, self._taken = None, 0, 0


@contextmanager
def waiting_for_no_reader() -> Iterator[None]:
    """Hold standard output until what is done here is done, then give its reader the rest.

    A ledger that is read must not stay locked because somebody looks at the answer page by page. Does nothing
    where standard output is not the program's own.
    """
    output = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if not isinstance(output, StandardOutput) or output.held:
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
