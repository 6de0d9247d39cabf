"""A slow reader of an output, or a user at a prompt, blocks no writer, and still receives the complete output."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from builders import case, record_all
from claimledger.ledger import Ledger, LedgerLocation
from test_waiting import PROGRAM

LARGE_CASE = case(["a: one"], extra={"a": {"statement": "much " * 500_000}})
"""Larger than the buffer of a pipe and than the part of an output that is kept in memory."""


@contextmanager
def started(words: list[Any], **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start the program; kill it at the end of the block."""
    with subprocess.Popen([PROGRAM, *map(str, words)], **streams) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_output(process: subprocess.Popen[bytes]) -> None:
    """Wait for the first byte of output, and read it."""
    assert process.stdout is not None
    os.read(process.stdout.fileno(), 1)


def seconds_to_write_and_rebuild(where: LedgerLocation) -> float:
    """Return how many seconds a write and a rebuild take; on a server, a rebuild waits for every reader."""
    start = time.monotonic()
    with Ledger.open(where, writable=True) as ledger:
        record_all(ledger, [{"kind": "party", "name": "Quick"}])
        ledger.rebuild()
    return time.monotonic() - start


SHORT = 15
"""Seconds. A rebuild that waits for a lock gives up after 30 seconds, a write after 60."""


@pytest.fixture
def closed_ledger(path: LedgerLocation, ledger: Ledger) -> LedgerLocation:
    """Return a ledger that nobody has open. A file then has a rollback journal, with which readers block writers."""
    record_all(ledger, LARGE_CASE)
    ledger.close()
    return path


def test_an_unread_output_does_not_block_writers(closed_ledger: LedgerLocation) -> None:
    with started(["--ledger", closed_ledger, "export"], stdout=subprocess.PIPE) as process:
        wait_for_output(process)
        assert seconds_to_write_and_rebuild(closed_ledger) < SHORT
        assert process.poll() is None  # it waits with the rest of the output
        assert process.stdout is not None
        rest = process.stdout.read()
        assert process.wait(60) == 0
    records = [json.loads(line) for line in (b"{" + rest).splitlines()]
    assert [record["key"] for record in records if record["kind"] == "claim"] == ["a"]


@pytest.mark.parametrize("words", [("export", "-o"), ("backup", "--since", "1"), ("backup",)])
def test_an_unread_named_pipe_does_not_block_writers(
    words: tuple[str, ...], closed_ledger: LedgerLocation, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with started(["--ledger", closed_ledger, *words, pipe]) as process:
        with pipe.open("rb") as stream:
            head = stream.read(1)
            assert seconds_to_write_and_rebuild(closed_ledger) < SHORT
            assert process.poll() is None
            assert len(head + stream.read()) > 100_000
        assert process.wait(60) == 0


def test_a_waiting_prompt_does_not_block_writers(path: LedgerLocation, ledger: Ledger) -> None:
    figures = [{"measure": "boats", "value": 54}]
    record_all(ledger, case(["a: one", "b: two"], extra={"a": {"figures": figures}, "b": {
        "figures": [{"measure": "nets", "value": 54}]}}))  # fmt: skip
    ledger.close()
    controller, terminal = pty.openpty()
    words = ["--ledger", path, "audit", "--figure", "54"]
    with started(words, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        output = b""
        while b"Which" not in output:
            output += os.read(controller, 1000)
        assert seconds_to_write_and_rebuild(path) < SHORT
        os.write(controller, b"2\n")
        with suppress(OSError):  # Linux reports the end of a terminal as an error
            while more := os.read(controller, 1000):
                output += more
        assert process.wait(60) == 0
    os.close(controller)
    assert b"nets" in output


def test_buffered_output_arrives_complete_and_in_order() -> None:
    """The output exceeds the buffer in memory, and grows while parts of it are read."""
    script = """
import sys
from claimledger.cli.streams import StandardOutput
output = StandardOutput()
output.hold()
for number in range(500_000):
    output.write(b"%d\\n" % number)
    if number % 200_000 == 0:
        sys.stderr.write(f"{number}\\n")
        sys.stdin.readline()
sys.stderr.write("all\\n")
sys.stdin.readline()
output.release()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        received = ""
        for progress in ("0", "200000", "400000", "all"):
            assert process.stderr.readline().strip() == progress  # it does not wait for a reader
            received += os.read(process.stdout.fileno(), 30_000).decode()
            process.stdin.write("\n")
            process.stdin.flush()
        received += process.stdout.read()
        assert process.wait(60) == 0
    assert received.split() == [str(number) for number in range(500_000)]


def test_without_space_for_a_buffer_the_program_waits_for_the_reader(
    closed_ledger: LedgerLocation,
) -> None:
    """No byte is lost or repeated."""
    expected = subprocess.run(
        [PROGRAM, "--ledger", str(closed_ledger), "export"], capture_output=True, check=True
    )
    limited = f"ulimit -f 64; exec {PROGRAM} --ledger '{closed_ledger}' export"
    with subprocess.Popen(["sh", "-c", limited], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = os.read(process.stdout.fileno(), 10)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        assert first + process.stdout.read() == expected.stdout
        assert process.wait(60) == 0


def test_a_reader_that_closes_the_pipe_ends_the_output(closed_ledger: LedgerLocation) -> None:
    with started(["--ledger", closed_ledger, "export"], stdout=subprocess.PIPE) as process:
        wait_for_output(process)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(60) == 0


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
def test_an_output_to_an_open_stream_is_appended_to_it(
    name: str, ledger: Ledger, path: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    record_all(ledger, case(["a: one"]))
    lines = call("--ledger", path, "export").stdout
    (tmp_path / "link").symlink_to("/dev/stdout")
    log = tmp_path / "log.txt"
    log.write_text("before\n", "utf-8")
    with log.open("a") as stream:
        for _ in range(2):
            subprocess.run(
                [PROGRAM, "--ledger", str(path), "export", "-o", name],
                stdout=stream, check=True, cwd=tmp_path,
            )  # fmt: skip
        stream.write("after\n")
    assert log.read_text("utf-8") == f"before\n{lines}{lines}after\n"
    piped = subprocess.run(
        [PROGRAM, "--ledger", str(path), "export", "-o", name],
        capture_output=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert piped.stdout.decode() == lines


def test_a_file_descriptor_of_the_program_itself_is_not_a_valid_output(
    ledger: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    record_all(ledger, case(["a: one"]))
    before = ledger.head()
    for number in range(3, 12):
        result = subprocess.run(
            [PROGRAM, "--ledger", str(path), "export", "-o", f"/dev/fd/{number}"],
            capture_output=True, text=True, cwd=tmp_path, check=False,
        )  # fmt: skip
        assert result.returncode == 1
        assert "Wrote" not in result.stderr
    with (tmp_path / "inherited.jsonl").open("wb") as stream:
        subprocess.run(
            [PROGRAM, "--ledger", str(path), "export", "-o", f"/dev/fd/{stream.fileno()}"],
            pass_fds=[stream.fileno()], check=True,
        )  # fmt: skip
    assert b'"key":"a"' in (tmp_path / "inherited.jsonl").read_bytes()
    assert ledger.verify().faults == ()
    assert ledger.head() == before


def test_an_audit_without_a_match_exits_with_1_even_if_nobody_reads_it(
    path: LedgerLocation, ledger: Ledger
) -> None:
    figures = [{"measure": "boats", "value": 54}]
    extra = {"a": {"figures": figures}, "b": {"figures": [{"measure": "nets", "value": 54}]}}
    record_all(ledger, case(["a: one", "b: two"], extra=extra))
    for arguments, status in ((["--figure", "54"], 1), (["a"], 0)):
        read, write = os.pipe()
        os.close(read)
        with started(["--ledger", path, "audit", *arguments], stdout=write) as process:
            os.close(write)
            assert process.wait(60) == status
