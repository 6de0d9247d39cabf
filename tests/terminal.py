"""The program on a real pseudo-terminal: a test reads what the program shows, and types."""

from __future__ import annotations

import os
import pty
import select
import signal
import termios
import time
from collections.abc import Callable
from multiprocessing.context import BaseContext
from multiprocessing.reduction import DupFd  # type: ignore[attr-defined]
from pathlib import Path
from types import TracebackType
from typing import Any

import cli_runner

SECONDS = 20
"""How long a test waits for a text before it fails."""


class Terminal:
    """A terminal in which the program runs, in a process forked from one that has imported it.

    The terminal does not echo what a test types: all that is shown comes from the program.
    """

    def __init__(self, launcher: BaseContext, folder: Path, words: list[str]) -> None:
        self.shown = ""
        self._read = 0
        self._screen, inner = pty.openpty()
        attributes = termios.tcgetattr(inner)
        attributes[3] &= ~termios.ECHO
        attributes[3] |= termios.NOFLSH  # Ctrl-C would discard output that the test has not read
        termios.tcsetattr(inner, termios.TCSANOW, attributes)
        environment = {**os.environ, "TERM": "dumb"}
        self._process = launcher.Process(  # type: ignore[attr-defined]
            target=_run_at_terminal, args=(words, str(folder), environment, DupFd(inner))
        )
        self._process.start()
        os.close(inner)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self.hang_up()
        if kind is not None:
            self._process.kill()
        self._process.join()

    def until(self, expected: str) -> str:
        """Read until a text is shown; return what was shown before it. Fail if it does not appear."""
        end = time.monotonic() + SECONDS
        while expected not in self.shown[self._read :]:
            assert time.monotonic() < end, f"{expected!r} is not shown:\n{self.shown}"
            if self._is_closed(end):
                break
        position = self.shown.find(expected, self._read)
        assert position >= 0, f"{expected!r} is not shown:\n{self.shown}"
        output = self.shown[self._read : position]
        self._read = position + len(expected)
        return output

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._screen, f"{text}\n".encode())

    def answer(self, question: str, text: str) -> str:
        """Wait for a question and type its answer; return what was shown before the question."""
        before = self.until(question)
        self.until(": ")
        self.type(text)
        return before

    def interrupt(self) -> None:
        """Press Ctrl-C until the program has stopped: Python loses a press just before it reads a line."""
        end = time.monotonic() + SECONDS
        while "Stopped" not in self.shown[self._read :]:
            assert time.monotonic() < end, f"the program does not stop:\n{self.shown}"
            os.write(self._screen, b"\x03")
            patience = time.monotonic() + 3
            while "Stopped" not in self.shown[self._read :] and time.monotonic() < patience:
                if self._is_closed(patience):
                    return

    def end_input(self) -> None:
        """Press Ctrl-D."""
        os.write(self._screen, b"\x04")

    def hang_up(self) -> None:
        """Close the terminal, as when its window is closed or the connection to it is lost."""
        if self._screen >= 0:
            os.close(self._screen)
            self._screen = -1

    def status(self) -> int:
        """Read the rest, wait for the program and return its exit status; a signal's number is negative."""
        end = time.monotonic() + SECONDS
        while self._screen >= 0 and not self._is_closed(end):
            assert time.monotonic() < end, f"the program does not end:\n{self.shown}"
        self._process.join(SECONDS)
        status: Any = self._process.exitcode
        assert isinstance(status, int), f"the program does not end:\n{self.shown}"
        return status

    def _is_closed(self, end: float) -> bool:
        """Read what is shown next, until a time at most; return whether nothing more can come."""
        if not select.select([self._screen], [], [], max(0.0, end - time.monotonic()))[0]:
            return False
        try:
            content = os.read(self._screen, 4096)
        except OSError:  # Linux reports the end of the program as an error of the terminal
            return True
        self.shown += content.decode("utf-8", "replace").replace("\r\n", "\n")
        return not content


OpenTerminal = Callable[..., Terminal]
"""Open a terminal in which the program runs with some arguments."""


def _run_at_terminal(words: list[str], cwd: str, environment: dict[str, str], inner: Any) -> None:
    os.login_tty(inner.detach())
    # A background job of a shell ignores Ctrl-C, and one of nohup the end of the terminal; children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    cli_runner.run_program(words, cwd, environment, ())
