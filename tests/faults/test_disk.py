"""The disk fails in the middle of everything that writes: refused in plain words, and nothing is half there."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from builders import case, record_all
from claimledger.errors import StoreError
from claimledger.ledger import Ledger
from claimledger.storage.sqlite.files import replace, take_name
from faults.injected import FAILURES, POSSIBLE
from faults.test_kills import KILLS, see_whole
from faults.worker import WORK, Working

ROUNDS = max(1, KILLS // 3)


@pytest.mark.skipif(not POSSIBLE, reason="system calls are made to fail with Linux's seccomp")
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("work", [work for work in WORK if work != "move there"])
def test_a_disk_that_fails_is_told_and_leaves_nothing_half_there(
    work: str, failure: str, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.db"
    chance = random.Random(f"{work} {failure}")
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one obs", "b: two"], ["b repeats a"]))
        record_all(ledger, case([f"c{n}: one" for n in range(300)]))
        start = ledger.head()
    acknowledged: list[list[str]] = []
    for round_ in range(ROUNDS):
        child = Working(work, path, f"d{round_}", tmp_path, failure, chance.uniform(0, 0.1))
        output, errors = child.communicate()
        assert "Traceback" not in errors, errors
        lines = [line.split() for line in output.splitlines()]
        acknowledged += lines
        assert ".arriving" not in output  # a name that nobody gave
        assert ".backup" not in output
        refused = [words for words in lines if words[0] == "refused"]
        assert refused or lines[-1][0] == "all", output  # an import can be done before
        see_whole(path, start, work, acknowledged, tmp_path)


@pytest.mark.parametrize("give", [take_name, replace])
@pytest.mark.parametrize("end", ["-wal", "-journal"])
def test_a_file_of_which_a_part_stands_in_a_journal_is_given_no_name(
    give: Callable[[Path, Path], None], end: str, tmp_path: Path
) -> None:
    beside, path = tmp_path / ".l.db.1-0123abcd.arriving", tmp_path / "l.db"
    beside.write_bytes(b"begun")
    Path(f"{beside}{end}").write_bytes(b"the rest")
    with pytest.raises(StoreError, match="the disk failed; nothing was written"):
        give(beside, path)
    assert not path.exists()
