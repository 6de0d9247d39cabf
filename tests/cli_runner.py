"""Run the program in a process forked from one that has only imported it.

A new process spends most of its time on imports. Tests of signals, of what is imported and of the installed
program start a new process themselves.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from multiprocessing.context import BaseContext
from multiprocessing.reduction import DupFd  # type: ignore[attr-defined]
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import claimledger
from claimledger.cli.main import main

# The program imports most modules on first use; the fork server imports all of them, once.
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

WARM_UP = (
    ("init",),
    ("import", "case.json"),
    ("show", "a"),
    ("show", "a", "--json"),
    ("audit", "a"),
    ("list",),
    ("disputes",),
    ("flags",),
    ("standings",),
    ("history", "a"),
    ("search", "boats"),
    ("propose",),
    ("verify",),
    ("report", "-o", "report.html"),
    ("report", "-o", "report.md"),
    ("graph", "-o", "graph.svg"),
    ("timeline", "--measure", "boats", "-o", "timeline.svg"),
    ("export", "-o", "records.jsonl"),
    ("backup", "backup.jsonl"),
    ("show", "--help"),
)
"""Commands that fill the caches of the program and its libraries: a first use takes up to ten times longer."""

WARM_UP_CASE = [
    {"kind": "party", "key": "mayor", "name": "The Mayor"},
    {"kind": "subject", "key": "boats", "label": "Boats"},
    {"kind": "source", "key": "speech", "title": "A speech", "published": "2022-10"},
    *(
        {
            "kind": "claim",
            "key": key,
            "statement": f"There are {number} boats.",
            "claimant": "mayor",
            "subject": "boats",
            "citations": [{"source": "speech", "locator": "p. 4"}],
            "figures": [{"measure": "boats", "value": number}],
            "about": "2022",
        }
        for key, number in (("a", "54"), ("b", "over 60"))
    ),
    {"kind": "link", "key": "l1", "type": "contradicts", "from": "b", "to": "a"},
]


def warm_up() -> None:
    """Run some commands in this process, on a ledger of its own and without output."""
    working_folder, environment, arguments = Path.cwd(), dict(os.environ), sys.argv
    streams = (sys.stdin, sys.stdout, sys.stderr)
    descriptors = [os.dup(number) for number in range(3)]
    null = os.open(os.devnull, os.O_RDWR)
    redirect_streams([null] * 3)
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            os.environ.update(CLAIMLEDGER_BY="Tester", XDG_STATE_HOME=folder)
            os.environ.pop("CLAIMLEDGER_DB", None)
            Path("case.json").write_text(json.dumps(WARM_UP_CASE), "utf-8")
            for words in WARM_UP:
                sys.argv = ["claimledger", *words]
                with suppress(SystemExit):
                    main()
    finally:
        os.chdir(working_folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = arguments
        sys.stdin, sys.stdout, sys.stderr = streams
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.close(null)
        gc.enable()  # the program disables it
    gc.collect()
    gc.freeze()  # a forked process would copy every page whose objects the collector visits


TIMEOUT = 120
"""Seconds after which a command is killed."""


def call(
    context: BaseContext, words: list[str], text: str | None, cwd: Path
) -> subprocess.CompletedProcess[str]:
    """Run the program with some arguments in the folder ``cwd``; return its exit status and its output.

    ``text`` is its standard input. Raises ``subprocess.TimeoutExpired`` if it runs too long.
    """
    with tempfile.TemporaryDirectory() as folder:
        path, out, err = (Path(folder) / name for name in ("in", "out", "err"))
        path.write_text(text or "", encoding="utf-8")
        process = context.Process(  # type: ignore[attr-defined]
            target=_run, args=(words, str(cwd), dict(os.environ), str(path), str(out), str(err))
        )
        process.start()
        process.join(TIMEOUT)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(words, TIMEOUT)
        outputs = [file.read_bytes().decode("utf-8") for file in (out, err)]
    return subprocess.CompletedProcess(words, process.exitcode, *outputs)


def _run(
    words: list[str], cwd: str, environment: dict[str, str], text: str, out: str, err: str
) -> None:
    """Run the program in this process, with files as its streams."""
    write_flags = os.O_WRONLY | os.O_CREAT
    streams = ((text, os.O_RDONLY), (out, write_flags), (err, write_flags))
    run_program(words, cwd, environment, [os.open(path, flags, 0o600) for path, flags in streams])


def run_program(
    words: list[str], cwd: str, environment: dict[str, str], streams: Sequence[int]
) -> None:
    """Run the program in this process, with the given arguments, folder, environment and three streams.

    Without streams it keeps those that this process has.
    """
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    redirect_streams(streams)
    sys.argv = ["claimledger", *words]
    with measured_coverage() if TRACED in environment else nullcontext():
        main()


TRACED = "CLAIMLEDGER_TESTS_TRACED"
"""The environment variable of commands whose coverage is measured."""


@contextmanager
def measured_coverage() -> Iterator[None]:
    """Measure the coverage of the block, in a data file of its own that is combined after all tests."""
    from coverage import Coverage

    root = Path(__file__).parent.parent
    coverage = Coverage(root / ".coverage", data_suffix=True, config_file=root / "pyproject.toml")
    coverage.start()
    try:
        yield
    finally:
        coverage.stop()
        coverage.save()


def redirect_streams(streams: Sequence[int]) -> None:
    """Replace standard input, output and error of this forked process by file descriptors."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115


class ProgramServer:
    """Lets shell scripts run the program without importing it each time.

    It writes a small client script as ``program``. The client sends its arguments, environment and open
    streams over a Unix socket; the server runs the program with them in a forked process, and the client
    exits with its status.
    """

    CLIENT = """#!{python} -IS
import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({path!r})
variables = (f"{{name}}={{value}}" for name, value in os.environ.items())
parts = [str(len(sys.argv) - 1), *sys.argv[1:], os.getcwd(), *variables]
request = os.fsencode("\\0".join(parts))
socket.send_fds(server, [len(request).to_bytes(8, "big")], [0, 1, 2])
server.sendall(request)
for stream in (0, 1, 2):
    os.close(stream)
os._exit(int(server.recv(16)))
"""

    def __init__(self, context: BaseContext, program: Path) -> None:
        self._context = context
        self._folder = tempfile.mkdtemp(prefix="cl-server-")
        path = f"{self._folder}/socket"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(64)
        program.write_text(self.CLIENT.format(python=sys.executable, path=path))
        program.chmod(0o755)
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> ProgramServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        shutil.rmtree(self._folder)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._answer, args=self._listener.accept()[:1]).start()

    def _answer(self, client: socket.socket) -> None:
        size, streams, _, _ = socket.recv_fds(client, 8, 3)
        with client.makefile("rb") as file:
            request = os.fsdecode(file.read(int.from_bytes(size, "big")))
        count, *parts = request.split("\0")
        words, cwd, variables = parts[: int(count)], parts[int(count)], parts[int(count) + 1 :]
        environment = dict(variable.split("=", 1) for variable in variables)
        process = self._context.Process(  # type: ignore[attr-defined]
            target=_run_with_streams,
            args=(words, cwd, environment, [DupFd(stream) for stream in streams]),
        )
        process.start()
        for stream in streams:
            os.close(stream)
        process.join()
        client.sendall(str(process.exitcode).encode())
        client.close()


def _run_with_streams(
    words: list[str], cwd: str, environment: dict[str, str], streams: list[Any]
) -> None:
    run_program(words, cwd, environment, [stream.detach() for stream in streams])
