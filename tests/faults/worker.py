"""A process that is killed while it works, or whose disk fails: says each thing that is done, on a line of its own.

``python -m faults.worker WORK LEDGER TAG FOLDER [FAILURE SECONDS]``: the failure comes so long after the first line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from claimledger.errors import StoreError
from claimledger.intake.case_files import read_files
from claimledger.ledger import Ledger
from claimledger.records.check import record_of
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
        ledger.take(read_files([str(case)]), by="T")
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
            there = Path(folder) / f"moved-{tag}-{number}.db"
            say("begun")
            ledger.move(there)
            say("moved", there)


def move_there(where: str, tag: str, folder: str) -> None:
    """Move a file into a database."""
    with Ledger.open(Path(folder) / "seed.db") as ledger:
        for number in range(1000):
            there = f"{where}_{tag}_{number}"
            say("begun", there)
            ledger.move(there)
            say("moved", there)


WORK: dict[str, Callable[[str, str, str], None]] = {
    "record": record, "amend": amend, "import": take, "rebuild": rebuild, "redact": redact,
    "backup": backup, "move": move, "move there": move_there,
}  # fmt: skip

if __name__ == "__main__":
    if len(sys.argv) > 5:
        _failures.append((sys.argv[5], float(sys.argv[6])))
    try:
        WORK[sys.argv[1]](*sys.argv[2:5])
    except StoreError as error:
        say("refused", error)
