"""``kill -9`` at random moments of everything that writes."""

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
from faults.worker import WORK, Working

KILLS = -(-int(os.environ.get("FAULTS_KILLS", "0")) // (2 * len(WORK) - 1)) or 3
"""Kills of each work on each store: three in ``make test``."""


def killed(
    work: str, where: LedgerLocation, tag: str, folder: Path, after: float
) -> list[list[str]]:
    """Let a process work, kill it some time after it began, and return what it had said was done."""
    child = Working(work, where, tag, folder)
    first = child.stdout.readline()
    time.sleep(after)  # the moment is what is random here; nothing is waited for
    child.kill()
    rest, errors = child.communicate()
    assert "Traceback" not in errors, errors
    assert first
    *complete, _ = (first + rest).split("\n")  # the last can be cut off in the middle
    return [line.split() for line in complete]


@pytest.mark.parametrize("work", list(WORK))
def test_what_was_acknowledged_is_there_and_nothing_is_half_there(
    work: str, path: LedgerLocation, store: str, tmp_path: Path
) -> None:
    if work == "move there" and store == "file":
        return  # "move" does that
    chance = random.Random(f"{work} {store}")
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one obs", "b: two"], ["b repeats a"]))
        record_all(ledger, case([f"c{n}: one" for n in range(300)]))
        ledger.move(tmp_path / "seed.db")
        start = ledger.head()
    acknowledged: list[list[str]] = []
    for round_ in range(KILLS):
        acknowledged += killed(work, path, f"k{round_}", tmp_path, chance.uniform(0, 0.25))
        see_whole(path, start, work, acknowledged, tmp_path)
    left = {file.name for file in tmp_path.iterdir() if file.name.startswith(".")}
    # What a kill leaves beside is named so that the next of its kind takes it away.
    assert all(".arriving" in name or ".backup" in name for name in left), left


def see_whole(
    path: LedgerLocation, start: TreeHead, work: str, acknowledged: list[list[str]], folder: Path
) -> None:
    """See that the next command works without mending by hand, and that nothing is lost or half there."""
    with Ledger.open(path, writable=True) as ledger:
        after = f"after-{ledger.head().size}"
        ledger.record(record_of("party", {"key": after, "name": "After"}), by="T")
    with Ledger.open(path) as ledger, ledger.reading():
        assert after in ledger.keys("party")
        assert ledger.verify().faults == ()
        assert ledger.at(known_at=start.size).head().root == start.root
        check(work, ledger, acknowledged, folder)


def check(work: str, ledger: Ledger, acknowledged: list[list[str]], folder: Path) -> None:
    """See that what was said to be done is, and what was not is not there in part."""
    parties = set(ledger.keys("party"))
    notes = [change[2] for event in ledger.history("a") for change in event.changes]
    for what, *words in acknowledged:
        if what == "party":
            assert words[0] in parties
        elif what == "note":
            assert words[0] in notes
        elif what == "redacted":
            assert ledger.history(words[0])[-1].action == "redact"
        elif what == "all":
            assert {f"{words[0]}-{n}" for n in range(int(words[1]))} <= parties
        elif what == "moved":
            with Ledger.open(words[0] if "://" in words[0] else Path(words[0])) as target:
                assert target.verify().clean
    if work == "import":
        tags = {key.partition("-")[0] for key in parties if key.startswith("k")}
        for tag in tags:
            assert sum(key.startswith(f"{tag}-") for key in parties) == 3000
    if work == "backup" and (folder / "kept.db").exists():
        with Ledger.open(folder / "kept.db") as backup:
            assert backup.verify().clean
            size, root = [words for what, *words in acknowledged if what == "backup"][-1:][0] if any(
                what == "backup" for what, *_ in acknowledged
            ) else (str(backup.head().size), backup.head().root.hex())  # fmt: skip
            assert backup.head().size >= int(size)
            assert backup.at(known_at=int(size)).head().root.hex() == root
    if work == "move there":
        begun = {words[0] for what, *words in acknowledged if what == "begun" and words}
        for target in begun - {words[0] for what, *words in acknowledged if what == "moved"}:
            with suppress(StoreError), Ledger.open(target) as restored:
                assert restored.verify().clean  # it was killed before it could say so
