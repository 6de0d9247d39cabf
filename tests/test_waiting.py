"""A slow pipe, a foreign lock or a huge record does not block other users, or only for a bounded time."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from backends import ONLY_FILES
from builders import case, record_all
from claimledger.errors import InvalidInputError, StoreError
from claimledger.ledger import Ledger, LedgerLocation
from claimledger.storage.sqlite import files
from conftest import CompletedCommand

PROGRAM = Path(sys.executable).parent / "claimledger"


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe.jsonl"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    "words",
    [
        ("--ledger", "{}", "stats"), ("--ledger", "{}", "verify"), ("--ledger", "{}", "record"),
        ("--ledger", "{}", "salvage", "x.db"), ("move", "{}", "x.db"), ("restore", "{}"),
    ],
)  # fmt: skip
def test_a_pipe_is_refused_as_a_ledger_or_a_backup(
    words: tuple[str, ...], pipe: Path, call: Callable[..., CompletedCommand]
) -> None:
    completed = call(*(word.format(pipe) for word in words))
    assert completed.returncode == 1
    assert "is a device or a pipe" in completed.stderr or "is not a file" in completed.stderr


def test_an_import_from_a_slow_pipe_does_not_block_other_writers(
    path: LedgerLocation, ledger: Ledger, pipe: Path
) -> None:
    environment = {**os.environ, "CLAIMLEDGER_DB": str(path), "CLAIMLEDGER_BY": "Ann"}
    importer = subprocess.Popen([PROGRAM, "import", pipe], env=environment, stdout=subprocess.PIPE)
    with pipe.open("w", encoding="utf-8") as slow_file:  # opening blocks until the importer reads
        slow_file.write('{"kind": "party", "key": "slow", "name": "Slow"}\n')
        slow_file.flush()
        start = time.monotonic()
        record_all(ledger, [{"kind": "party", "key": "quick", "name": "Quick"}])
        assert time.monotonic() - start < 30  # a write that waits for a lock gives up after 60
        slow_file.write('{"kind": "party", "key": "slower", "name": "Slower"}\n')
    assert importer.wait(60) == 0
    assert [ledger.get("party", key).entry for key in ("quick", "slow", "slower")] == [1, 2, 3]


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_a_case_file_is_parsed_before_the_write_lock_is_taken(
    form: str, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from claimledger.importers import case_files, yaml

    module = {"yaml": yaml, "json": case_files}[form]
    files = [tmp_path / f"{name}.{form}" for name in ("one", "two")]
    for file in files:
        file.write_text(f'[{{"kind": "party", "key": "{file.stem}", "name": "x"}}]', "utf-8")
    parse = getattr(module, f"parse_{form}")
    in_transaction: list[bool] = []

    def record_and_parse(text: str, name: str) -> object:
        in_transaction.append(ledger._store.in_transaction)
        return parse(text, name)

    monkeypatch.setattr(module, f"parse_{form}", record_and_parse)
    ledger.import_records(case_files.read_files([str(file) for file in files]), by="Ann")
    assert in_transaction == [False, False]
    assert ledger.head().size == 2


@ONLY_FILES
def test_a_write_waits_only_briefly_for_a_locked_folder(
    path: Path,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(files, "QUEUE_SECONDS", 0.2)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        record_all(ledger, [{"kind": "party", "key": "a", "name": "A"}])
        assert "another program keeps a lock on the folder" in caplog.text
    finally:
        os.close(folder)
    caplog.clear()
    record_all(ledger, [{"kind": "party", "key": "b", "name": "B"}])
    assert caplog.text == ""
    assert ledger.head().size == 2


@ONLY_FILES
def test_a_write_continues_as_soon_as_the_folder_is_unlocked(path: Path, ledger: Ledger) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    unlock = threading.Timer(0.3, os.close, [folder])
    unlock.start()
    start = time.monotonic()
    record_all(ledger, [{"kind": "party", "key": "a", "name": "A"}])
    assert 0.2 < time.monotonic() - start < files.QUEUE_SECONDS
    unlock.join()


def figures(number: int) -> list[dict[str, str]]:
    return [{"measure": f"m{index}", "value": "1"} for index in range(number)]


def test_a_claim_with_more_than_500_figures_is_refused(ledger: Ledger) -> None:
    before = ledger.head()
    with pytest.raises(InvalidInputError, match="figures: has 501 values, and at most 500"):
        record_all(ledger, case(["a: one"], extra={"a": {"figures": figures(501)}}))
    assert ledger.head() == before
    record_all(ledger, case(["a: one"], extra={"a": {"figures": figures(500)}}))
    with pytest.raises(InvalidInputError, match="has 501 values, and at most 500"):
        ledger.amend("claim", "a", {"figures": figures(501)}, by="Ann", reason="r")


def test_two_claims_of_500_figures_can_be_compared(
    ledger: Ledger, call: Callable[..., CompletedCommand]
) -> None:
    fields = {"figures": figures(500)}
    record_all(ledger, case(["a: one", "b: two"], extra={"a": fields, "b": fields}))
    assert call("compare", "a", "b", "--json").returncode == 0


def test_a_folder_is_refused_as_a_ledger(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder"):
        Ledger.open(tmp_path)
