"""Closed or full standard streams, and readers that leave: a message and a status say what was done."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from builders import case, record_all
from claimledger.ledger import Ledger

PROGRAM = Path(sys.executable).parent / "claimledger"
OUTPUT_FAILED = 3
"""The exit status if the command succeeded but its output could not be written."""

READS = (
    "stats",
    "list --json",
    "export",
    "verify",
    "report",
    "graph a --format svg",
    "--help",
    "--version",
)
WRITES = (
    'party add "New"', "import new.json", "amend a --set note=n --reason r", "link contradicts b a", "rebuild",
    "--ledger new.db init", "backup new.db", "move ledger.db new.db", "backup --since 1 new.jsonl", "salvage new.db",
)  # fmt: skip
REFUSED = ("show nothing", "import nothing.json", "amend a --set nothing=n --reason r")

Shell = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Return a function that runs a line of Bash in a folder with a ledger."""
    with Ledger.create(tmp_path / "ledger.db") as ledger:
        record_all(ledger, case(["a: one", "b: two"]))
    (tmp_path / "new.json").write_text('[{"kind": "party", "name": "Newer"}]', "utf-8")
    environment = {**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    # With this variable a failed write is noticed earlier than users would see it.
    environment.pop("PYTHONUNBUFFERED", None)

    def run(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", line], cwd=tmp_path, env=environment, text=True,
            capture_output=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    return run


def state_of(folder: Path) -> tuple[int, list[str]]:
    """Return the size of the ledger and the names of all files, which show what a command did."""
    with Ledger.open(folder / "ledger.db") as ledger:
        return ledger.head().size, sorted(file.name for file in folder.iterdir())


def is_quiet(result: subprocess.CompletedProcess[str]) -> bool:
    """Return whether a command printed no message of the interpreter."""
    return "Traceback" not in result.stderr and "Exception ignored" not in result.stderr


@pytest.mark.parametrize("words", [*READS, *WRITES, *REFUSED, "record"])
def test_with_closed_output_nothing_is_done(words: str, shell: Shell, tmp_path: Path) -> None:
    before = state_of(tmp_path)
    result = shell(f"claimledger {words} >&-")
    assert result.returncode == 2
    assert "standard output is closed, so nothing was done" in result.stderr
    assert is_quiet(result)
    assert state_of(tmp_path) == before


@pytest.mark.parametrize("words", READS)
def test_an_output_that_cannot_be_written_is_reported(words: str, shell: Shell) -> None:
    result = shell(f"claimledger {words} >/dev/full")
    assert result.returncode == 1
    assert (
        "the answer could not be printed (No space left on device); nothing was changed"
        in result.stderr
    )
    assert is_quiet(result)
    unread = shell(f"claimledger {words} | true")
    assert (unread.returncode, unread.stderr) == (0, "")


@pytest.mark.parametrize("words", ["export", "export --log", "list", "standings --json", "report"])
def test_a_reader_that_leaves_early_does_not_change_the_status(
    words: str, shell: Shell, tmp_path: Path
) -> None:
    with Ledger.open(tmp_path / "ledger.db", writable=True) as ledger:
        record_all(ledger, case([f"c{number}: one" for number in range(400)]))
    result = shell(f"claimledger {words} | head -1; echo ${{PIPESTATUS[0]}} >&2")
    assert result.stderr == "0\n"


def test_verify_keeps_its_status_if_its_reader_leaves(shell: Shell, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db", writable=True) as ledger:
        record_all(ledger, case([f"c{number}: one" for number in range(400)]))
    assert shell("claimledger verify | grep -q Clean").returncode == 0
    with sqlite3.connect(tmp_path / "ledger.db") as driver:
        driver.execute("UPDATE claim SET statement = 'forged'")
    for words in ("verify", "verify --json"):
        result = shell(f"claimledger {words} | head -1 | grep -q .; echo ${{PIPESTATUS[0]}} >&2")
        assert result.stderr == "1\n"


def test_a_write_keeps_its_status_if_its_reader_leaves(shell: Shell, tmp_path: Path) -> None:
    before, _ = state_of(tmp_path)
    # The reader closes the pipe before the program writes to it.
    unread = "{ sleep 1; claimledger %s; echo $? >&2; } | true"
    assert shell(unread % 'party add "New"').stderr == "0\n"
    assert state_of(tmp_path)[0] == before + 1
    refused = shell(unread % "amend a --set nothing=n --reason r").stderr
    assert "has no field" in refused
    assert refused.endswith("\n1\n")


@pytest.mark.parametrize("words", WRITES)
def test_a_write_whose_output_fails_exits_with_3(words: str, shell: Shell, tmp_path: Path) -> None:
    before = state_of(tmp_path)
    result = shell(f"claimledger {words} >/dev/full")
    assert result.returncode == OUTPUT_FAILED, result.stderr
    assert "the command itself succeeded" in result.stderr
    assert is_quiet(result)
    assert words == "rebuild" or state_of(tmp_path) != before
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        assert ledger.verify().clean


@pytest.mark.parametrize("words", REFUSED)
def test_a_refused_command_exits_with_1_whatever_the_streams(
    words: str, shell: Shell, tmp_path: Path
) -> None:
    before = state_of(tmp_path)
    for stream in (">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full", "2>&-", "<&-"):
        result = shell(f"claimledger {words} {stream}")
        assert result.returncode == 1
        assert is_quiet(result)
    assert state_of(tmp_path) == before


@pytest.mark.parametrize("stream", ["2>&-", "2>/dev/full", "<&-", "2>&- <&-"])
def test_closed_input_or_error_streams_prevent_nothing(
    stream: str, shell: Shell, tmp_path: Path
) -> None:
    before, _ = state_of(tmp_path)
    for number, words in enumerate(('party add "New"', "import new.json", "report -o r.html"), 1):
        result = shell(f"claimledger {words} {stream}")
        assert result.returncode == 0, result.stderr
        assert state_of(tmp_path)[0] == before + min(number, 2)
    assert (tmp_path / "r.html").read_text("utf-8").endswith("</html>\n")
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        assert ledger.verify().clean  # no output went into the file of the ledger


@pytest.mark.parametrize("words", ["record", "import -", "accept", "link"])
def test_with_closed_input_a_command_that_reads_it_writes_nothing(
    words: str, shell: Shell, tmp_path: Path
) -> None:
    before = state_of(tmp_path)
    result = shell(f"claimledger {words} <&-")
    assert result.returncode in (1, 2)
    assert result.stderr + result.stdout != ""
    assert is_quiet(result)
    assert state_of(tmp_path) == before
