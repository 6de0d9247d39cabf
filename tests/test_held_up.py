"""Nobody is held up by a pipe, a lock or an enormous record of somebody else's: a word comes, and an end."""

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
def test_a_pipe_is_no_ledger_and_no_backup(
    words: tuple[str, ...], pipe: Path, call: Callable[..., CompletedCommand]
) -> None:
    done = call(*(word.format(pipe) for word in words))
    assert done.returncode == 1
    assert "is a device or a pipe" in done.stderr or "is no file" in done.stderr


def test_who_reads_a_slow_pipe_keeps_nobody_from_writing(
    path: LedgerLocation, ledger: Ledger, pipe: Path
) -> None:
    environment = {**os.environ, "CLAIMLEDGER_DB": str(path), "CLAIMLEDGER_BY": "Ann"}
    reading = subprocess.Popen([PROGRAM, "import", pipe], env=environment, stdout=subprocess.PIPE)
    with pipe.open("w", encoding="utf-8") as slow:  # which opens once the other reads
        slow.write('{"kind": "party", "key": "slow", "name": "Slow"}\n')
        slow.flush()
        begun = time.monotonic()
        record_all(ledger, [{"kind": "party", "key": "quick", "name": "Quick"}])
        assert time.monotonic() - begun < 30  # a write that waits for a lock gives up after 60
        slow.write('{"kind": "party", "key": "slower", "name": "Slower"}\n')
    assert reading.wait(60) == 0
    assert [ledger.get("party", key).entry for key in ("quick", "slow", "slower")] == [1, 2, 3]


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_a_file_is_parsed_before_the_lock_is_taken(
    form: str, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from claimledger.importers import case_files

    files = [tmp_path / f"{name}.{form}" for name in ("one", "two")]
    for file in files:
        file.write_text(f'[{{"kind": "party", "key": "{file.stem}", "name": "x"}}]', "utf-8")
    parse = getattr(case_files, f"parse_{form}")
    inside: list[bool] = []

    def seen(text: str, name: str) -> object:
        inside.append(ledger._store.in_transaction)
        return parse(text, name)

    monkeypatch.setattr(case_files, f"parse_{form}", seen)
    ledger.import_records(case_files.read_files([str(file) for file in files]), by="Ann")
    assert inside == [False, False]
    assert ledger.head().size == 2


@ONLY_FILES
def test_a_lock_on_the_folder_holds_no_write_for_long(
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
def test_a_lock_that_is_let_go_of_lets_the_next_in(path: Path, ledger: Ledger) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    free = threading.Timer(0.3, os.close, [folder])
    free.start()
    begun = time.monotonic()
    record_all(ledger, [{"kind": "party", "key": "a", "name": "A"}])
    assert 0.2 < time.monotonic() - begun < files.QUEUE_SECONDS
    free.join()


def figures(number: int) -> list[dict[str, str]]:
    return [{"measure": f"m{place}", "value": "1"} for place in range(number)]


def test_a_claim_has_a_bounded_number_of_figures(ledger: Ledger) -> None:
    before = ledger.head()
    with pytest.raises(InvalidInputError, match="figures: has 501 where there may be 500"):
        record_all(ledger, case(["a: one"], extra={"a": {"figures": figures(501)}}))
    assert ledger.head() == before
    record_all(ledger, case(["a: one"], extra={"a": {"figures": figures(500)}}))
    with pytest.raises(InvalidInputError, match="has 501 where there may be 500"):
        ledger.amend("claim", "a", {"figures": figures(501)}, by="Ann", reason="r")


def test_a_pair_of_large_claims_is_compared(
    ledger: Ledger, call: Callable[..., CompletedCommand]
) -> None:
    records = {"figures": figures(500)}
    record_all(ledger, case(["a: one", "b: two"], extra={"a": records, "b": records}))
    assert call("compare", "a", "b", "--json").returncode == 0


def test_a_folder_that_is_a_ledger_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder"):
        Ledger.open(tmp_path)
