"""Worker processes that write to a ledger until they are killed or their disk fails.

A worker prints a line for each step that is done; a test compares these lines with the ledger afterwards.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.reduction import DupFd  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

from claimledger.errors import StoreError
from claimledger.importers.case_files import read_files
from claimledger.ledger import Ledger, LedgerLocation
from claimledger.records.check import record_of
from cli_runner import redirect_streams
from faults.injected import fail_after

_failures: list[tuple[str, float]] = []
"""The failure of the disk that ``report`` is to start, and its delay in seconds."""


def report(*words: object) -> None:
    """Print a line; start the failure of the disk, if one is planned, after the first line."""
    print(*words, flush=True)  # noqa: T201
    while _failures:
        fail_after(*_failures.pop())


def record(location: str, tag: str, _folder: str) -> None:
    with Ledger.open(location, writable=True) as ledger:
        for number in range(100_000):
            keys = ledger.record(
                record_of("party", {"key": f"{tag}-{number}", "name": "x" * 500}), by="T"
            )
            report("party", *keys)


def amend(location: str, tag: str, _folder: str) -> None:
    with Ledger.open(location, writable=True) as ledger:
        for number in range(100_000):
            ledger.amend("claim", "a", {"note": f"{tag}-{number}"}, by="T", reason="r")
            report("note", f"{tag}-{number}")


def import_file(location: str, tag: str, folder: str) -> None:
    case = Path(folder) / f"{tag}.jsonl"
    case.write_text(
        "".join(f'{{"kind": "party", "key": "{tag}-{n}", "name": "N {n}"}}\n' for n in range(3000))
    )
    with Ledger.open(location, writable=True) as ledger:
        report("started")
        ledger.import_records(read_files([str(case)]), by="T")
        report("all", tag, 3000)


def rebuild(location: str, _tag: str, _folder: str) -> None:
    with Ledger.open(location, writable=True) as ledger:
        for _ in range(1000):
            report("started")
            ledger.rebuild()


def redact(location: str, tag: str, _folder: str) -> None:
    with Ledger.open(location, writable=True) as ledger:
        for number in range(1000):
            key = f"{tag}-{number}"
            ledger.record(record_of("party", {"key": key, "name": f"secret {key}"}), by="T")
            ledger.withdraw("party", key, by="T", reason="r")
            report("started")
            ledger.redact("party", key, by="T", reason="r")
            report("redacted", key)


def backup(location: str, _tag: str, folder: str) -> None:
    with Ledger.open(location) as ledger:
        for _ in range(1000):
            report("started")
            head = ledger.backup(Path(folder) / "kept.db")
            report("backup", head.size, head.root.hex())


def move(location: str, tag: str, folder: str) -> None:
    with Ledger.open(location) as ledger:
        for number in range(1000):
            path = Path(folder) / f"moved-{tag}-{number}.db"
            report("started")
            ledger.move(path)
            report("moved", path)


def move_to_server(location: str, tag: str, folder: str) -> None:
    """Move a file to new schemas on the server."""
    with Ledger.open(Path(folder) / "seed.db") as ledger:
        for number in range(1000):
            target = f"{location}_{tag}_{number}"
            report("started", target)
            ledger.move(target)
            report("moved", target)


WORK: dict[str, Callable[[str, str, str], None]] = {
    "record": record, "amend": amend, "import": import_file, "rebuild": rebuild, "redact": redact,
    "backup": backup, "move": move, "move to server": move_to_server,
}  # fmt: skip


class Worker:
    """Some work in a process of its own, forked from the server process that has imported the program."""

    TIMEOUT = 60.0

    def __init__(
        self, work: str, location: LedgerLocation, tag: str, folder: Path, *failure: str | float
    ) -> None:
        """Start the work; with a failure and seconds, the disk fails that long after the first line."""
        (out_read, out), (err_read, err) = os.pipe(), os.pipe()
        words = (work, str(location), tag, str(folder))
        self._process = get_context("forkserver").Process(
            target=_work, args=(words, failure, DupFd(out), DupFd(err))
        )
        self._process.start()
        os.close(out)
        os.close(err)
        self.stdout = os.fdopen(out_read, encoding="utf-8", errors="replace")
        self._stderr = os.fdopen(err_read, encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """Kill the process at once (SIGKILL)."""
        self._process.kill()

    def communicate(self) -> tuple[str, str]:
        """Wait for the process; return the rest of its output, and its errors."""
        timer = threading.Timer(self.TIMEOUT, self._process.kill)
        timer.start()
        with self.stdout, self._stderr:
            outputs = (self.stdout.read(), self._stderr.read())
        self._process.join()
        assert timer.is_alive(), f"still working after {self.TIMEOUT} s"
        timer.cancel()
        return outputs


def _work(words: tuple[str, str, str, str], failure: Any, out: Any, err: Any) -> None:
    with open(os.devnull, "rb") as null:
        redirect_streams([null.fileno(), out.detach(), err.detach()])
    if failure:
        _failures.append(failure)
    work, *values = words
    try:
        WORK[work](*values)
    except StoreError as error:
        report("refused", error)
