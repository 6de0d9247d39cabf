"""A process that is killed while it works, or whose disk fails: says each thing that is done, on a line of its own."""

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


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201
    while _failures:
        fail_after(*_failures.pop())


def record(where: str, tag: str, _folder: str) -> None:
    with Ledger.open(where, writable=True) as ledger:
        for number in range(100_000):
            keys = ledger.record(
                record_of("party", {"key": f"{tag}-{number}", "name": "x" * 500}), by="T"
            )
            say("party", *keys)


def amend(where: str, tag: str, _folder: str) -> None:
    with Ledger.open(where, writable=True) as ledger:
        for number in range(100_000):
            ledger.amend("claim", "a", {"note": f"{tag}-{number}"}, by="T", reason="r")
            say("note", f"{tag}-{number}")


def take(where: str, tag: str, folder: str) -> None:
    case = Path(folder) / f"{tag}.jsonl"
    case.write_text(
        "".join(f'{{"kind": "party", "key": "{tag}-{n}", "name": "N {n}"}}\n' for n in range(3000))
    )
    with Ledger.open(where, writable=True) as ledger:
        say("begun")
        ledger.import_records(read_files([str(case)]), by="T")
        say("all", tag, 3000)


def rebuild(where: str, _tag: str, _folder: str) -> None:
    with Ledger.open(where, writable=True) as ledger:
        for _ in range(1000):
            say("begun")
            ledger.rebuild()


def redact(where: str, tag: str, _folder: str) -> None:
    with Ledger.open(where, writable=True) as ledger:
        for number in range(1000):
            key = f"{tag}-{number}"
            ledger.record(record_of("party", {"key": key, "name": f"secret {key}"}), by="T")
            ledger.withdraw("party", key, by="T", reason="r")
            say("begun")
            ledger.redact("party", key, by="T", reason="r")
            say("redacted", key)


def backup(where: str, _tag: str, folder: str) -> None:
    with Ledger.open(where) as ledger:
        for _ in range(1000):
            say("begun")
            stand = ledger.backup(Path(folder) / "kept.db")
            say("backup", stand.size, stand.root.hex())


def move(where: str, tag: str, folder: str) -> None:
    with Ledger.open(where) as ledger:
        for number in range(1000):
            path = Path(folder) / f"moved-{tag}-{number}.db"
            say("begun")
            ledger.move(path)
            say("moved", path)


def move_there(where: str, tag: str, folder: str) -> None:
    """Move a file into a database."""
    with Ledger.open(Path(folder) / "seed.db") as ledger:
        for number in range(1000):
            right = f"{where}_{tag}_{number}"
            say("begun", right)
            ledger.move(right)
            say("moved", right)


WORK: dict[str, Callable[[str, str, str], None]] = {
    "record": record, "amend": amend, "import": take, "rebuild": rebuild, "redact": redact,
    "backup": backup, "move": move, "move there": move_there,
}  # fmt: skip


class Working:
    """Some work in a process of its own, forked from one that has the program's imports behind it."""

    PATIENCE = 60.0

    def __init__(
        self, work: str, where: LedgerLocation, tag: str, folder: Path, *failing: str | float
    ) -> None:
        """Begin; where a failure and seconds are given the disk fails so, so long after the first line."""
        (heard, out), (wrong, err) = os.pipe(), os.pipe()
        words = (work, str(where), tag, str(folder))
        self._process = get_context("forkserver").Process(
            target=_work, args=(words, failing, DupFd(out), DupFd(err))
        )
        self._process.start()
        os.close(out)
        os.close(err)
        self.stdout = os.fdopen(heard, encoding="utf-8", errors="replace")
        self._stderr = os.fdopen(wrong, encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """End it in the middle of whatever it does (SIGKILL)."""
        self._process.kill()

    def communicate(self) -> tuple[str, str]:
        """Wait for its end; return what is left of what it said, and its errors."""
        late = threading.Timer(self.PATIENCE, self._process.kill)
        late.start()
        with self.stdout, self._stderr:
            messages = (self.stdout.read(), self._stderr.read())
        self._process.join()
        assert late.is_alive(), f"still working after {self.PATIENCE} s"
        late.cancel()
        return messages


def _work(words: tuple[str, str, str, str], failing: Any, out: Any, err: Any) -> None:
    with open(os.devnull, "rb") as nothing:
        redirect_streams([nothing.fileno(), out.detach(), err.detach()])
    if failing:
        _failures.append(failing)
    work, *values = words
    try:
        WORK[work](*values)
    except StoreError as error:
        say("refused", error)
