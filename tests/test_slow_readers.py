"""Whoever takes an answer slowly, or thinks at a prompt, keeps nobody from writing; and gets the whole answer."""

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

MUCH = case(["a: one"], extra={"a": {"statement": "much " * 500_000}})
"""More than a pipe takes before somebody reads it, and more than is kept in memory."""


@contextmanager
def started(words: list[Any], **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([PROGRAM, *map(str, words)], **streams) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until_it_writes(process: subprocess.Popen[bytes]) -> None:
    """Wait until a program has begun with its answer, and read the first sign of it."""
    assert process.stdout is not None
    os.read(process.stdout.fileno(), 1)


def changes(where: LedgerLocation) -> float:
    """Return the seconds that a write and a rebuild take, which waits for all who read on a server too."""
    begun = time.monotonic()
    with Ledger.open(where, writable=True) as ledger:
        record_all(ledger, [{"kind": "party", "name": "Quick"}])
        ledger.rebuild()
    return time.monotonic() - begun


SOON = 15
"""Seconds: a rebuild that waits for a lock gives up after 30, a write after 60."""


@pytest.fixture
def at_rest(path: LedgerLocation, ledger: Ledger) -> LedgerLocation:
    """A ledger that nobody has open: a file has the journal then in which readers stop writers."""
    record_all(ledger, MUCH)
    ledger.close()
    return path


def test_an_answer_that_nobody_reads_on_keeps_no_writer_out(at_rest: LedgerLocation) -> None:
    with started(["--ledger", at_rest, "export"], stdout=subprocess.PIPE) as reading:
        wait_until_it_writes(reading)
        assert changes(at_rest) < SOON
        assert reading.poll() is None  # it has more to tell, and waits
        assert reading.stdout is not None
        rest = reading.stdout.read()
        assert reading.wait(60) == 0
    lines = [json.loads(line) for line in (b"{" + rest).splitlines()]
    assert [part["key"] for part in lines if part["kind"] == "claim"] == ["a"]


@pytest.mark.parametrize("words", [("export", "-o"), ("backup", "--since", "1"), ("backup",)])
def test_a_named_pipe_that_nobody_reads_on_keeps_no_writer_out(
    words: tuple[str, ...], at_rest: LedgerLocation, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with started(["--ledger", at_rest, *words, pipe]) as writing:
        with pipe.open("rb") as read:
            head = read.read(1)
            assert changes(at_rest) < SOON
            assert writing.poll() is None
            assert len(head + read.read()) > 100_000
        assert writing.wait(60) == 0


def test_who_thinks_at_a_prompt_keeps_no_writer_out(path: LedgerLocation, ledger: Ledger) -> None:
    figures = [{"measure": "boats", "value": 54}]
    record_all(ledger, case(["a: one", "b: two"], extra={"a": {"figures": figures}, "b": {
        "figures": [{"measure": "nets", "value": 54}]}}))  # fmt: skip
    ledger.close()
    ours, theirs = pty.openpty()
    words = ["--ledger", path, "audit", "--figure", "54"]
    with started(words, stdin=theirs, stdout=theirs, stderr=theirs) as asking:
        os.close(theirs)
        output = b""
        while b"Which" not in output:
            output += os.read(ours, 1000)
        assert changes(path) < SOON
        os.write(ours, b"2\n")
        with suppress(OSError):  # how a terminal ends on Linux
            while more := os.read(ours, 1000):
                output += more
        assert asking.wait(60) == 0
    os.close(ours)
    assert b"nets" in output


def test_what_is_kept_for_a_slow_reader_comes_whole_and_in_order() -> None:
    """Also what is too much for the memory, and what comes in between while some is read."""
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
        read = ""
        for due in ("0", "200000", "400000", "all"):
            assert process.stderr.readline().strip() == due  # it did not wait for a reader
            read += os.read(process.stdout.fileno(), 30_000).decode()
            process.stdin.write("\n")
            process.stdin.flush()
        read += process.stdout.read()
        assert process.wait(60) == 0
    assert read.split() == [str(number) for number in range(500_000)]


def test_where_there_is_no_room_to_keep_it_the_reader_is_waited_for(
    at_rest: LedgerLocation,
) -> None:
    """No byte is lost for it, and none comes twice."""
    expected = subprocess.run(
        [PROGRAM, "--ledger", str(at_rest), "export"], capture_output=True, check=True
    )

    limited = f"ulimit -f 64; exec {PROGRAM} --ledger '{at_rest}' export"
    with subprocess.Popen(["sh", "-c", limited], stdout=subprocess.PIPE) as reading:
        assert reading.stdout is not None
        first = os.read(reading.stdout.fileno(), 10)
        with pytest.raises(subprocess.TimeoutExpired):
            reading.wait(1)
        assert first + reading.stdout.read() == expected.stdout
        assert reading.wait(60) == 0


def test_a_reader_that_goes_away_ends_the_answer(at_rest: LedgerLocation) -> None:
    with started(["--ledger", at_rest, "export"], stdout=subprocess.PIPE) as reading:
        wait_until_it_writes(reading)
        assert reading.stdout is not None
        reading.stdout.close()
        assert reading.wait(60) == 0


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
def test_what_goes_to_an_open_stream_joins_what_is_there(
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


def test_no_file_of_the_program_s_own_is_taken_for_a_stream(
    ledger: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    record_all(ledger, case(["a: one"]))
    before = ledger.head()
    for number in range(3, 12):
        done = subprocess.run(
            [PROGRAM, "--ledger", str(path), "export", "-o", f"/dev/fd/{number}"],
            capture_output=True, text=True, cwd=tmp_path, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert "Wrote" not in done.stderr
    with (tmp_path / "given.jsonl").open("wb") as value:
        subprocess.run(
            [PROGRAM, "--ledger", str(path), "export", "-o", f"/dev/fd/{value.fileno()}"],
            pass_fds=[value.fileno()], check=True,
        )  # fmt: skip
    assert b'"key":"a"' in (tmp_path / "given.jsonl").read_bytes()
    assert ledger.verify().faults == ()
    assert ledger.head() == before


def test_an_audit_of_nothing_has_its_own_status_also_when_nobody_reads(
    path: LedgerLocation, ledger: Ledger
) -> None:
    figures = [{"measure": "boats", "value": 54}]
    extra = {"a": {"figures": figures}, "b": {"figures": [{"measure": "nets", "value": 54}]}}
    record_all(ledger, case(["a: one", "b: two"], extra=extra))
    for question, status in ((["--figure", "54"], 1), (["a"], 0)):
        read, write = os.pipe()
        os.close(read)
        with started(["--ledger", path, "audit", *question], stdout=write) as asking:
            os.close(write)
            assert asking.wait(60) == status
