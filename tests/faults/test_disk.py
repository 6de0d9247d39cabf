"""The disk fails during every kind of write: the error is reported, and no entry is incomplete."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from builders import case, record_all
from claimledger.errors import StoreError
from claimledger.ledger import Ledger
from claimledger.storage.sqlite.files import rename_new, replace
from faults.injected import FAILURES, POSSIBLE
from faults.test_kills import KILLS, check_ledger
from faults.worker import WORK, Worker

ROUNDS = max(1, KILLS // 3)


@pytest.mark.skipif(not POSSIBLE, reason="needs Linux's seccomp to make system calls fail")
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("work", [work for work in WORK if work != "move to server"])
def test_a_failing_disk_is_reported_and_leaves_no_incomplete_entry(
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
        child = Worker(work, path, f"d{round_}", tmp_path, failure, chance.uniform(0, 0.1))
        output, errors = child.communicate()
        assert "Traceback" not in errors, errors
        lines = [line.split() for line in output.splitlines()]
        acknowledged += lines
        assert ".arriving" not in output  # the name of a temporary file
        assert ".backup" not in output
        refused = [words for words in lines if words[0] == "refused"]
        assert refused or lines[-1][0] == "all", (
            output
        )  # an import can be complete before the disk fails
        check_ledger(path, start, work, acknowledged, tmp_path)


@pytest.mark.parametrize("rename", [rename_new, replace])
@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_a_temporary_file_with_a_journal_is_not_renamed_to_its_final_name(
    rename: Callable[[Path, Path], None], suffix: str, tmp_path: Path
) -> None:
    temporary, path = tmp_path / ".l.db.1-0123abcd.arriving", tmp_path / "l.db"
    temporary.write_bytes(b"incomplete")
    Path(f"{temporary}{suffix}").write_bytes(b"the rest")
    with pytest.raises(StoreError, match="the disk failed; nothing was written"):
        rename(temporary, path)
    assert not path.exists()
