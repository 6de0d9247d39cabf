"""A process is killed (``kill -9``) at a random moment of every kind of write."""

from __future__ import annotations

import os
import random
import time
from contextlib import suppress
from pathlib import Path

import pytest

from builders import case, record_all
from claimledger.errors import StoreError
from claimledger.ledger import Ledger, LedgerLocation, TreeHead
from claimledger.records.check import record_of
from faults.worker import WORK, Worker

KILLS = -(-int(os.environ.get("FAULTS_KILLS", "0")) // (2 * len(WORK) - 1)) or 3
"""Number of kills for each kind of work on each store: three in ``make test``."""


def work_and_kill(
    work: str, location: LedgerLocation, tag: str, folder: Path, after: float
) -> list[list[str]]:
    """Start a worker, kill it ``after`` seconds later, and return the steps that it reported as done."""
    child = Worker(work, location, tag, folder)
    first = child.stdout.readline()
    time.sleep(after)  # the random moment of the kill
    child.kill()
    rest, errors = child.communicate()
    assert "Traceback" not in errors, errors
    assert first
    *complete_lines, _ = (first + rest).split("\n")  # the last line can be truncated
    return [line.split() for line in complete_lines]


@pytest.mark.parametrize("work", list(WORK))
def test_after_a_kill_acknowledged_entries_are_present_and_none_is_incomplete(
    work: str, path: LedgerLocation, store: str, tmp_path: Path
) -> None:
    if work == "move to server" and store == "file":
        return  # the same as "move"
    chance = random.Random(f"{work} {store}")
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one obs", "b: two"], ["b repeats a"]))
        record_all(ledger, case([f"c{n}: one" for n in range(300)]))
        ledger.move(tmp_path / "seed.db")
        start = ledger.head()
    acknowledged: list[list[str]] = []
    for round_ in range(KILLS):
        acknowledged += work_and_kill(work, path, f"k{round_}", tmp_path, chance.uniform(0, 0.25))
        check_ledger(path, start, work, acknowledged, tmp_path)
    hidden_files = {file.name for file in tmp_path.iterdir() if file.name.startswith(".")}
    # A killed process leaves temporary files with names by which the next such command deletes them.
    assert all(".arriving" in name or ".backup" in name for name in hidden_files), hidden_files


def check_ledger(
    path: LedgerLocation, start: TreeHead, work: str, acknowledged: list[list[str]], folder: Path
) -> None:
    """Check that the next command works without manual repair, and that no entry is lost or incomplete."""
    with Ledger.open(path, writable=True) as ledger:
        key = f"after-{ledger.head().size}"
        ledger.record(record_of("party", {"key": key, "name": "After"}), by="T")
    with Ledger.open(path) as ledger, ledger.reading():
        assert key in ledger.keys("party")
        assert ledger.verify().faults == ()
        assert ledger.at(known_at=start.size).head().root == start.root
        check_steps(work, ledger, acknowledged, folder)


def check_steps(work: str, ledger: Ledger, acknowledged: list[list[str]], folder: Path) -> None:
    """Check that every acknowledged step was done, and that no other step was done partly."""
    parties = set(ledger.keys("party"))
    notes = [change[2] for event in ledger.history("a") for change in event.changes]
    for step, *words in acknowledged:
        if step == "party":
            assert words[0] in parties
        elif step == "note":
            assert words[0] in notes
        elif step == "redacted":
            assert ledger.history(words[0])[-1].action == "redact"
        elif step == "all":
            assert {f"{words[0]}-{n}" for n in range(int(words[1]))} <= parties
        elif step == "moved":
            with Ledger.open(words[0] if "://" in words[0] else Path(words[0])) as target:
                assert target.verify().clean
    if work == "import":
        tags = {key.partition("-")[0] for key in parties if key.startswith("k")}
        for tag in tags:
            assert sum(key.startswith(f"{tag}-") for key in parties) == 3000
    if work == "backup" and (folder / "kept.db").exists():
        with Ledger.open(folder / "kept.db") as backup:
            assert backup.verify().clean
            size, root = [words for step, *words in acknowledged if step == "backup"][-1:][0] if any(
                step == "backup" for step, *_ in acknowledged
            ) else (str(backup.head().size), backup.head().root.hex())  # fmt: skip
            assert backup.head().size >= int(size)
            assert backup.at(known_at=int(size)).head().root.hex() == root
    if work == "move to server":
        targets = {words[0] for step, *words in acknowledged if step == "started" and words}
        for target in targets - {words[0] for step, *words in acknowledged if step == "moved"}:
            with suppress(StoreError), Ledger.open(target) as restored:
                # The move was complete, but the process was killed before it could report it.
                assert restored.verify().clean
