"""The program, run in a process forked from one that did nothing but import it.

A process that starts from nothing spends most of its time on imports. What must (the commands the docs tell,
signals, terminals, what is imported at all) starts so in tests of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib import import_module
from multiprocessing.context import BaseContext
from pathlib import Path

from claimledger.cli.main import COMMANDS, main

for _place, _ in COMMANDS.values():
    import_module(f"claimledger.cli.{_place.partition(':')[0]}")

SECONDS = 120


def call(
    context: BaseContext, words: list[str], text: str | None, cwd: Path
) -> subprocess.CompletedProcess[str]:
    """Run the program with some words; return its status and what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        given, out, err = (Path(folder) / name for name in ("in", "out", "err"))
        given.write_text(text or "", encoding="utf-8")
        process = context.Process(  # type: ignore[attr-defined]
            target=_run, args=(words, str(cwd), dict(os.environ), str(given), str(out), str(err))
        )
        process.start()
        process.join(SECONDS)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(words, SECONDS)
        told = [file.read_bytes().decode("utf-8") for file in (out, err)]
    return subprocess.CompletedProcess(words, process.exitcode, *told)


def _run(
    words: list[str], cwd: str, environment: dict[str, str], given: str, out: str, err: str
) -> None:
    """Be the program: its arguments, its folder, its environment, its three streams."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for number, (path, flags) in enumerate(
        ((given, os.O_RDONLY), (out, os.O_WRONLY | os.O_CREAT), (err, os.O_WRONLY | os.O_CREAT))
    ):
        os.dup2(os.open(path, flags, 0o600), number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    sys.argv = ["claimledger", *words]
    main()
