"""Long work shows a bar on a terminal, and nothing anywhere else."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from builders import case
from claimledger.ledger import Ledger, RecordInput
from claimledger.records.check import record_from

SHOW_CURSOR, HIDE_CURSOR = "\033[?25h", "\033[?25l"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "l.db"
    with Ledger.create(path) as ledger:
        records = [RecordInput.of(record_from(record)) for record in case(["a: one", "b: two"], [])]
        ledger.import_records(records, by="T")
    return path


def on_terminal(*words: str, term: str = "xterm") -> tuple[str, str]:
    """Run the program with standard error on a terminal; return what it wrote there and to a pipe."""
    screen, stderr = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "claimledger", *words],
        stdout=subprocess.PIPE, stderr=stderr, text=True, env={**os.environ, "TERM": term},
    )  # fmt: skip
    os.close(stderr)
    output, _ = process.communicate(timeout=60)
    shown = b""
    while True:
        try:
            shown += os.read(screen, 4096)
        except OSError:  # Linux says that the other end is closed by an error
            break
    os.close(screen)
    return shown.decode().replace("\r\n", "\n"), output


def test_a_terminal_shows_a_bar_and_json_stays_whole(ledger: Path) -> None:
    shown, output = on_terminal("--ledger", str(ledger), "verify", "--json")
    size = json.loads(output)["size"]
    assert f"entries  [{'#' * 36}]  {size}/{size}" in shown
    assert shown.count(HIDE_CURSOR) == shown.count("\r")
    assert shown.endswith(f"{SHOW_CURSOR}\n")


def test_nothing_is_shown_in_a_pipe_or_on_a_terminal_that_cannot_move_its_cursor(
    ledger: Path,
) -> None:
    command = [sys.executable, "-m", "claimledger", "--ledger", str(ledger), "verify"]
    completed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert completed.stderr == ""
    assert on_terminal("--ledger", str(ledger), "verify", term="dumb")[0] == ""


@pytest.mark.parametrize("ending", ["raise ValueError", "raise KeyboardInterrupt", "pass"])
def test_the_cursor_is_back_whatever_ends_the_command(ending: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import click\n"
        "from claimledger.cli.output import Progress\n"
        "@click.command()\n"
        "def work():\n"
        "    Progress('entries')(1, 3)\n"
        f"    {ending}\n"
        "work()\n"
    )
    screen, stderr = pty.openpty()
    subprocess.run(
        [sys.executable, str(script)],
        stderr=stderr,
        check=False,
        env={**os.environ, "TERM": "xterm"},
    )
    shown = os.read(screen, 4096).decode()
    os.close(stderr)
    os.close(screen)
    assert "1/3" in shown
    assert SHOW_CURSOR in shown


def test_a_bar_without_a_known_end_counts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from claimledger.cli.output import Progress

    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    progress = Progress("records read")
    progress.finish()
    assert capsys.readouterr().err == ""
    progress(5000, None)
    progress(10_000, None)
    progress.finish()
    lines = capsys.readouterr().err.split(HIDE_CURSOR)
    assert "  5000" in lines[1]
    assert "  10000" in lines[2]
