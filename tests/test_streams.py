"""Standard streams that are closed, full or left by who read them: words, and a status that says what was done."""

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
NOT_TOLD = 3

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
    """Run a line of a shell in a folder with a ledger."""
    with Ledger.create(tmp_path / "ledger.db") as ledger:
        record_all(ledger, case(["a: one", "b: two"]))
    (tmp_path / "new.json").write_text('[{"kind": "party", "name": "Newer"}]', "utf-8")
    environment = {**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    environment.pop(
        "PYTHONUNBUFFERED", None
    )  # with it, a failed write shows earlier than users see it

    def run(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", line], cwd=tmp_path, env=environment, text=True,
            capture_output=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    return run


def stands(folder: Path) -> tuple[int, list[str]]:
    """Return how far the ledger goes and which files there are, to see what a command did."""
    with Ledger.open(folder / "ledger.db") as ledger:
        return ledger.head().size, sorted(file.name for file in folder.iterdir())


def quiet(done: subprocess.CompletedProcess[str]) -> bool:
    return "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


@pytest.mark.parametrize("words", [*READS, *WRITES, *REFUSED, "record"])
def test_closed_output_is_told_before_anything_is_done(
    words: str, shell: Shell, tmp_path: Path
) -> None:
    before = stands(tmp_path)
    done = shell(f"claimledger {words} >&-")
    assert done.returncode == 2
    assert "standard output is closed, and nothing was done" in done.stderr
    assert quiet(done)
    assert stands(tmp_path) == before


@pytest.mark.parametrize("words", READS)
def test_an_answer_that_cannot_be_written_is_told(words: str, shell: Shell) -> None:
    done = shell(f"claimledger {words} >/dev/full")
    assert done.returncode == 1
    assert (
        "the answer cannot be written (No space left on device); nothing was changed" in done.stderr
    )
    assert quiet(done)
    left = shell(f"claimledger {words} | true")
    assert (left.returncode, left.stderr) == (0, "")


@pytest.mark.parametrize("words", ["export", "export --log", "list", "standings --json", "report"])
def test_a_reader_that_leaves_early_changes_no_status(
    words: str, shell: Shell, tmp_path: Path
) -> None:
    with Ledger.open(tmp_path / "ledger.db", writable=True) as ledger:
        record_all(ledger, case([f"c{number}: one" for number in range(400)]))
    done = shell(f"claimledger {words} | head -1; echo ${{PIPESTATUS[0]}} >&2")
    assert done.stderr == "0\n"


def test_a_verdict_keeps_its_status_where_its_reader_leaves(shell: Shell, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db", writable=True) as ledger:
        record_all(ledger, case([f"c{number}: one" for number in range(400)]))
    assert shell("claimledger verify | grep -q Clean").returncode == 0
    with sqlite3.connect(tmp_path / "ledger.db") as driver:
        driver.execute("UPDATE claim SET statement = 'forged'")
    for words in ("verify", "verify --json"):
        done = shell(f"claimledger {words} | head -1 | grep -q .; echo ${{PIPESTATUS[0]}} >&2")
        assert done.stderr == "1\n"


def test_a_write_tells_its_own_status_where_its_reader_leaves(shell: Shell, tmp_path: Path) -> None:
    before, _ = stands(tmp_path)
    # The other side of the pipe is closed before anything is written into it.
    left = "{ sleep 1; claimledger %s; echo $? >&2; } | true"
    assert shell(left % 'party add "New"').stderr == "0\n"
    assert stands(tmp_path)[0] == before + 1
    refused = shell(left % "amend a --set nothing=n --reason r").stderr
    assert "has no field" in refused
    assert refused.endswith("\n1\n")


@pytest.mark.parametrize("words", WRITES)
def test_what_was_done_is_told_apart_from_its_answer(
    words: str, shell: Shell, tmp_path: Path
) -> None:
    before = stands(tmp_path)
    done = shell(f"claimledger {words} >/dev/full")
    assert done.returncode == NOT_TOLD, done.stderr
    assert "what was asked for is done, and stays" in done.stderr
    assert quiet(done)
    assert words == "rebuild" or stands(tmp_path) != before
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        assert ledger.verify().clean


@pytest.mark.parametrize("words", REFUSED)
def test_what_was_refused_has_its_own_status(words: str, shell: Shell, tmp_path: Path) -> None:
    before = stands(tmp_path)
    for stream in (">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full", "2>&-", "<&-"):
        done = shell(f"claimledger {words} {stream}")
        assert done.returncode == 1
        assert quiet(done)
    assert stands(tmp_path) == before


@pytest.mark.parametrize("stream", ["2>&-", "2>/dev/full", "<&-", "2>&- <&-"])
def test_other_streams_keep_nothing_from_being_done(
    stream: str, shell: Shell, tmp_path: Path
) -> None:
    before, _ = stands(tmp_path)
    for number, words in enumerate(('party add "New"', "import new.json", "report -o r.html"), 1):
        done = shell(f"claimledger {words} {stream}")
        assert done.returncode == 0, done.stderr
        assert stands(tmp_path)[0] == before + min(number, 2)
    assert (tmp_path / "r.html").read_text("utf-8").endswith("</html>\n")
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        assert ledger.verify().clean  # nothing was written into it that was meant for a stream


@pytest.mark.parametrize("words", ["record", "import -", "accept", "link"])
def test_without_input_nothing_is_written(words: str, shell: Shell, tmp_path: Path) -> None:
    before = stands(tmp_path)
    done = shell(f"claimledger {words} <&-")
    assert done.returncode in (1, 2)
    assert done.stderr + done.stdout != ""
    assert quiet(done)
    assert stands(tmp_path) == before
