"""The program, run in a process forked from one that did nothing but import it.

A process that starts from nothing spends most of its time on imports. What must (signals, terminals, what is
imported at all, the installed program) starts so in tests of its own.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing.context import BaseContext
from multiprocessing.reduction import DupFd  # type: ignore[attr-defined]
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import claimledger
from claimledger.cli.main import main

# The program imports most things when they are first needed; here all of it is needed some time.
for _module in walk_packages(claimledger.__path__, "claimledger."):
    if not _module.name.endswith("__main__"):
        import_module(_module.name)
for _name in (
    "jinja2",
    "networkx",
    "pint",
    "psycopg",
    "rapidfuzz.distance",
    "yaml",
    "sqlalchemy.dialects.postgresql",
):
    import_module(_name)

SECONDS = 120


def call(
    context: BaseContext, words: list[str], text: str | None, cwd: Path
) -> subprocess.CompletedProcess[str]:
    """Run the program with some words; return its status and what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        path, out, err = (Path(folder) / name for name in ("in", "out", "err"))
        path.write_text(text or "", encoding="utf-8")
        process = context.Process(  # type: ignore[attr-defined]
            target=_run, args=(words, str(cwd), dict(os.environ), str(path), str(out), str(err))
        )
        process.start()
        process.join(SECONDS)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(words, SECONDS)
        messages = [file.read_bytes().decode("utf-8") for file in (out, err)]
    return subprocess.CompletedProcess(words, process.exitcode, *messages)


def _run(
    words: list[str], cwd: str, environment: dict[str, str], text: str, out: str, err: str
) -> None:
    """Be the program, its streams being files."""
    written = os.O_WRONLY | os.O_CREAT
    streams = ((text, os.O_RDONLY), (out, written), (err, written))
    _be(words, cwd, environment, [os.open(path, flags, 0o600) for path, flags in streams])


def _be(words: list[str], cwd: str, environment: dict[str, str], streams: Sequence[int]) -> None:
    """Be the program: its arguments, its folder, its environment, its three streams."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    redirect_streams(streams)
    sys.argv = ["claimledger", *words]
    main()


def redirect_streams(streams: Sequence[int]) -> None:
    """Have a process that was forked read and write these: its input, its output, its errors."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115


class ProgramServer:
    """Lets a shell run the program: what it starts hands its words and streams over, and ends as it ended."""

    CLIENT = """#!{python} -IS
import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({path!r})
told = [*sys.argv[1:], os.getcwd(), *(f"{{name}}={{held}}" for name, held in os.environ.items())]
head = f"{{len(sys.argv) - 1}}\\0" + "\\0".join(told)
socket.send_fds(server, [len(os.fsencode(head)).to_bytes(8, "big")], [0, 1, 2])
server.sendall(os.fsencode(head))
for stream in (0, 1, 2):
    os.close(stream)
os._exit(int(server.recv(16)))
"""

    def __init__(self, context: BaseContext, program: Path) -> None:
        self._context = context
        self._folder = tempfile.mkdtemp(prefix="cl-door-")
        path = f"{self._folder}/door"
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        self._listening.listen(64)
        program.write_text(self.CLIENT.format(python=sys.executable, path=path))
        program.chmod(0o755)
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> ProgramServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        shutil.rmtree(self._folder)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._one, args=self._listening.accept()[:1]).start()

    def _one(self, caller: socket.socket) -> None:
        size, streams, _, _ = socket.recv_fds(caller, 8, 3)
        with caller.makefile("rb") as rest:
            value = os.fsdecode(rest.read(int.from_bytes(size, "big")))
        count, *messages = value.split("\0")
        words, cwd, named = messages[: int(count)], messages[int(count)], messages[int(count) + 1 :]
        environment = dict(left.split("=", 1) for left in named)
        process = self._context.Process(  # type: ignore[attr-defined]
            target=_handed, args=(words, cwd, environment, [DupFd(stream) for stream in streams])
        )
        process.start()
        for stream in streams:
            os.close(stream)
        process.join()
        caller.sendall(str(process.exitcode).encode())
        caller.close()


def _handed(words: list[str], cwd: str, environment: dict[str, str], streams: list[Any]) -> None:
    _be(words, cwd, environment, [stream.detach() for stream in streams])
