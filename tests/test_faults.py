"""Nothing is lost: killed, out of disk, read-only, two at once; whole or absent each time."""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders import case, record_all
from claimledger.errors import StoreError
from claimledger.ledger import Ledger
from claimledger.records.party import Party
from claimledger.storage.sqlite import fulltext, recovery, schema_check, store
from claimledger.storage.sqlite.store import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file: what is tried here is what can happen to one."""
    return tmp_path / "ledger.db"


def lines(number: int, start: int = 0) -> str:
    """A case of some size as JSON Lines."""
    base = [
        {"kind": "party", "key": "p", "name": "P"},
        {"kind": "source", "key": "s", "title": "S"},
        {"kind": "subject", "key": "t", "label": "T"},
    ]
    claims = [
        {"kind": "claim", "key": f"c-{n}", "statement": f"statement number {n} " * 5, "claimant": "p",
         "subject": "t", "citations": [{"source": "s"}]}
        for n in range(start, start + number)
    ]  # fmt: skip
    return "\n".join(json.dumps(record) for record in base + claims)


def start(path: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "claimledger", "--ledger", str(path), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_kill_at_any_moment_of_an_import_leaves_all_or_nothing(
    path: Path, tmp_path: Path
) -> None:
    Ledger.create(path).close()
    chance = random.Random(7)
    landed = 0
    for turn in range(8):
        file = tmp_path / f"{turn}.jsonl"
        file.write_text(lines(1500, start=turn * 1500))
        with Ledger.open(path) as ledger:
            before = ledger.head()
        process = start(path, "import", str(file))
        try:
            process.wait(0.7 + chance.random() * 1.2)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        with Ledger.open(path) as ledger:
            after = ledger.head()
            assert ledger.verify().faults == ()
            assert ledger.at(known_at=before.size).head().root == before.root
        grown = after.size - before.size
        assert grown in (0, 1500, 1503)
        if process.returncode == 0:
            assert grown
        landed += bool(grown)
    # The next command works without mending by hand.
    with Ledger.open(path, writable=True) as ledger:
        record_all(ledger, [{"kind": "party", "key": "after", "name": "After"}])
        assert ledger.verify().clean


def test_a_full_disk_writes_nothing_and_says_so(path: Path) -> None:
    """SQLite's own page limit stands in for the disk: it fails at the same place, with the same code."""
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
        before = ledger.head()
        driver = ledger._store.driver  # type: ignore[attr-defined]
        pages = driver.execute("PRAGMA page_count").fetchone()[0]
        driver.execute(f"PRAGMA max_page_count = {pages + 2}")
        big = {"kind": "party", "key": "big", "name": "Big", "note": "x" * 500_000}
        with pytest.raises(StoreError, match="disk is full; nothing was written"):
            record_all(ledger, [big])
        assert ledger.head() == before
        driver.execute("PRAGMA max_page_count = 1000000")
        record_all(ledger, [big])
        assert ledger.verify().faults == ()


def test_a_full_disk_under_a_backup_is_told_by_the_backup_s_name(
    path: Path, tmp_path: Path
) -> None:
    """A limit on the size of files stands in for the disk."""
    Ledger.create(path).close()
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 16; exec {sys.executable} -m claimledger --ledger {path} backup kept.db"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "kept.db: reading or writing failed" in done.stderr
    assert path.name not in done.stderr.replace("kept.db", "")
    assert sorted(file.name for file in tmp_path.glob("*kept*")) == []


ASKED: dict[str, Callable[[Ledger], object]] = {
    "unscrubbed": lambda ledger: ledger._store.unscrubbed(),
    "shape": lambda ledger: list(ledger._store.shape_damage()),
    "search": lambda ledger: ledger.search("seals"),
    "open": lambda ledger: Ledger.open(ledger._store.path, writable=True),  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("query", list(ASKED))
def test_a_disk_that_fails_at_any_question_is_a_named_error(
    query: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with Ledger.create(path) as ledger:
        monkeypatch.setattr(store, "definitions", fail)
        monkeypatch.setattr(schema_check, "definitions", fail)
        monkeypatch.setattr(fulltext, "matching", lambda *_: map(fail, [0]))
        monkeypatch.setattr(SqliteStore, "_prepare_writing", fail)
        with pytest.raises(StoreError, match=re.escape(f"{path}: ")):
            ASKED[query](ledger)


def test_a_file_that_was_cut_off_names_the_next_step(path: Path) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
    os.truncate(path, path.stat().st_size // 2)
    for writable in (False, True):
        with pytest.raises(
            StoreError, match=r"malformed; if it is damaged, .*backup.*verify --deep"
        ):
            Ledger.open(path, writable=writable)


@pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/bin/mount").exists(), reason="needs to mount a tmpfs"
)
def test_a_really_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("this machine mounts nothing")
    try:
        path = disk / "ledger.db"
        Ledger.create(path).close()
        file = tmp_path / "case.jsonl"
        file.write_text(lines(3000))
        process = start(path, "import", str(file))
        _, output = process.communicate(timeout=60)
        assert process.returncode == 1
        assert b"disk is full" in output or b"failed" in output
        assert b"Traceback" not in output
        with Ledger.open(path) as ledger:
            assert ledger.head().size == 0
            assert ledger.verify().faults == ()
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_two_processes_writing_at_once_both_land(path: Path, tmp_path: Path) -> None:
    Ledger.create(path).close()
    files = []
    for turn in range(4):
        file = tmp_path / f"{turn}.jsonl"
        file.write_text(lines(200, start=turn * 200))
        files.append(file)
    processes = [start(path, "import", str(file)) for file in files]
    messages = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, messages
    with Ledger.open(path) as ledger:
        assert ledger.head().size == 803
        assert ledger.verify().faults == ()
    assert sorted(file.name for file in tmp_path.glob("ledger.db*")) == ["ledger.db"]


def test_a_reader_reads_on_while_a_writer_is_inside(path: Path) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
        with ledger._store.writing():
            record_all(ledger, [{"kind": "party", "key": "half", "name": "Half"}])
            with Ledger.open(path) as reader:
                assert [stored.key for stored in reader.with_key("a")] == ["a"]
                assert not reader.with_key("half")


def test_reading_leaves_the_file_and_its_folder_as_they_were(
    path: Path, tmp_path: Path, call: Callable[..., Any]
) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
    before = (path.read_bytes(), path.stat().st_mtime_ns, sorted(tmp_path.iterdir()))
    for words in (
        ["show", "a"],
        ["verify"],
        ["standings"],
        ["report"],
        ["search", "says"],
        ["audit", "a"],
    ):
        done = call("--ledger", path, *words)
        assert done.returncode == 0, done.stderr
    assert (path.read_bytes(), path.stat().st_mtime_ns, sorted(tmp_path.iterdir())) == before


def as_a_plain_user(work: Callable[[], str]) -> str:
    """Do something in a process without root's rights: for it, read-only means read-only."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            output = work()
        except BaseException as error:  # the parent must hear of anything
            output = f"{type(error).__name__}: {error}"
        os.write(writing, output.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as heard:
        return heard.read().decode()


def lock_away(path: Path) -> None:
    """Make a file and its folder read-only, and readable for a plain user."""
    for above in [path.parent, *path.parents][:-2]:
        above.chmod(above.stat().st_mode | 0o055)
    path.chmod(0o444)
    path.parent.chmod(0o555)


def test_a_read_only_file_in_a_read_only_folder(path: Path) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
    lock_away(path)

    def work() -> str:
        with Ledger.open(path) as ledger:
            output = f"{ledger.verify().clean} {[stored.key for stored in ledger.with_key('a')]} "
        try:
            with Ledger.open(path, writable=True) as ledger:
                record_all(ledger, [{"kind": "party", "key": "x", "name": "X"}])
        except StoreError as error:
            output += str(error)
        return output

    try:
        output = as_a_plain_user(work)
        assert output.startswith("True ['a']"), output
        assert "read-only" in output
        assert [file.name for file in path.parent.glob("ledger.db*")] == ["ledger.db"]
    finally:
        path.parent.chmod(0o755)


def read_as_a_plain_user(path: Path) -> str:
    """Return how many entries and which parties one sees who may only read the file, or what it is told."""
    lock_away(path)
    before = {file.name: file.read_bytes() for file in path.parent.glob("ledger.db*")}

    def work() -> str:
        with Ledger.open(path) as ledger:
            clean = "clean" if ledger.verify().clean else "not clean"
            return f"{ledger.head().size} {clean} {' '.join(ledger.keys('party'))}"

    try:
        output = as_a_plain_user(work)
        assert {file.name: file.read_bytes() for file in path.parent.glob("ledger.db*")} == before
        return output
    finally:
        path.parent.chmod(0o755)


def test_what_a_writer_left_while_others_read_can_be_read_where_nothing_may_be_written(
    path: Path,
) -> None:
    """The last writer cannot take its journal away under a reader; those without rights read on."""
    with Ledger.create(path) as ledger:
        ledger.record(Party(key="kept", name="Kept"), by="T")
    writer = Ledger.open(path, writable=True)
    reader = Ledger.open(path)
    with reader.reading():
        assert reader.head().size == 1
        writer.record(Party(key="new", name="New"), by="T")
        writer.close()
    reader.close()
    assert path.read_bytes()[18:20] == b"\x02\x02"  # still with a write-ahead log
    assert read_as_a_plain_user(path) == "2 clean kept new"
    Path(f"{path}-shm").unlink(missing_ok=True)
    assert read_as_a_plain_user(path) == "2 clean kept new"


def test_a_file_that_asks_for_a_log_beside_it_can_be_read_where_nothing_may_be_written(
    path: Path,
) -> None:
    with Ledger.create(path) as ledger:
        ledger.record(Party(key="kept", name="Kept"), by="T")
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.close()
    assert [file.name for file in path.parent.glob("ledger.db*")] == ["ledger.db"]
    assert read_as_a_plain_user(path) == "1 clean kept"


def test_a_write_cut_off_is_undone_for_who_may_only_read_too(path: Path) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
        size = ledger.head().size
        parties = ledger.keys("party")
    killed_inside_a_write(path)
    output = read_as_a_plain_user(path)
    assert output == f"{size + 1} clean {' '.join([*parties, 'kept'])}"
    Path(f"{path}-shm").unlink()
    assert read_as_a_plain_user(path) == output


@pytest.mark.parametrize(
    ("writes", "output"),
    [(3, "clean"), (10_000, "another program holds the ledger; nothing was read")],
)
def test_a_file_that_changes_while_it_is_copied_is_copied_again(
    path: Path, writes: int, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
    killed_inside_a_write(path)
    Path(f"{path}-shm").unlink()
    standing, copied = recovery._standing, itertools.count(-writes)
    monkeypatch.setattr(
        recovery, "_standing", lambda path: {**standing(path), "changed": min(0, next(copied))}
    )
    monkeypatch.setattr(
        "shutil.copyfile",
        lambda source, target, copy=shutil.copyfile: (
            source.endswith("changed") or copy(source, target)
        ),
    )
    assert output in read_as_a_plain_user(path)


def test_no_room_for_a_copy_to_read_is_a_named_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
    killed_inside_a_write(path)
    Path(f"{path}-shm").unlink()
    monkeypatch.setattr("tempfile.tempdir", str(path.parent / "nowhere"))
    output = read_as_a_plain_user(path)
    assert output.startswith(f"StoreError: {path} cannot be read as it lies"), output
    assert "No such file or directory. Open it once where it may be written" in output


def test_a_file_being_made_that_its_disk_fails_is_told_by_the_name_it_was_to_have(
    path: Path,
) -> None:
    """Nobody is to mend a file that nobody named, nor is a copy of it proved in its stead."""
    beside = path.with_name(f".{path.name}.1-0123abcd.backup")
    Ledger.create(beside).close()
    killed_inside_a_write(beside)
    Path(f"{beside}-shm").unlink()
    output = read_as_a_plain_user(beside)
    assert output.startswith(f"StoreError: {path}: reading or writing failed ("), output
    assert output.endswith("; nothing was written")


def test_who_may_not_write_is_told_of_a_write_that_was_cut_off(path: Path) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
    killed_inside_a_write(path)
    Path(f"{path}-shm").unlink()
    lock_away(path)

    def work() -> str:
        with Ledger.open(path, writable=True) as ledger:
            return f"opened {ledger.head().size}"

    try:
        assert "ledger.db-wal, left by a write that was cut off" in as_a_plain_user(work)
    finally:
        path.parent.chmod(0o755)


def killed_inside_a_write(path: Path) -> None:
    """Leave a ledger as a writer leaves it that is killed inside its second transaction."""
    script = (
        "import os, signal\nfrom claimledger.ledger import Ledger\n"
        "from claimledger.records.party import Party\n"
        f"ledger = Ledger.open({str(path)!r}, writable=True)\n"
        "ledger.record(Party(key='kept', name='Kept'), by='T')\n"
        "with ledger._store.writing():\n"
        "    ledger.record(Party(key='lost', name='Lost'), by='T')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert Path(f"{path}-wal").exists()


def test_a_leftover_journal_is_recovered_where_it_may_be_and_named_where_not(path: Path) -> None:
    """A writer is killed inside its transaction: what was complete is kept, the rest undone."""
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
        size = ledger.head().size
    killed_inside_a_write(path)
    with Ledger.open(path) as ledger:
        assert ledger.head().size == size + 1
        assert [stored.key for stored in ledger.with_key("kept")] == ["kept"]
        assert not ledger.with_key("lost")
        assert ledger.verify().faults == ()


def hot_journal(path: Path) -> None:
    """Leave a ledger as a writer leaves it that is killed inside a write with a rollback journal."""
    script = (
        "import os, signal, sqlite3\n"
        f"raw = sqlite3.connect({str(path)!r}, isolation_level=None)\n"
        "raw.execute('PRAGMA journal_mode = DELETE')\n"
        "raw.execute('PRAGMA cache_size = 1')\n"
        "raw.execute('BEGIN IMMEDIATE')\n"
        "raw.execute('UPDATE claim SET statement = zeroblob(200000)')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert Path(f"{path}-journal").stat().st_size


def test_a_write_cut_off_with_a_rollback_journal_is_undone_by_the_next_reader(path: Path) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case([f"c{n}: one" for n in range(50)]))
        before = ledger.head()
    hot_journal(path)
    with Ledger.open(path) as ledger:
        assert ledger.head() == before
        assert ledger.verify().faults == ()


def test_a_rollback_journal_is_undone_for_who_may_only_read_too(path: Path) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case([f"c{n}: one" for n in range(50)]))
        size = ledger.head().size
        parties = ledger.keys("party")
    hot_journal(path)
    assert read_as_a_plain_user(path) == f"{size} clean {' '.join(parties)}"


def test_a_file_that_is_no_ledger_is_named_and_left_alone(tmp_path: Path) -> None:
    text, path, newer = tmp_path / "text.db", tmp_path / "other.db", tmp_path / "newer.db"
    text.write_text("not a database at all, but long enough to be looked at" * 20)
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE t (x)")
    raw.close()
    Ledger.create(newer).close()
    with sqlite3.connect(newer) as raw:
        raw.execute("PRAGMA user_version = 99901")
    raw.close()
    for file, hint in (
        (text, "not a ledger"),
        (path, "another program"),
        (newer, "newer claimledger"),
    ):
        before = file.read_bytes()
        for writable in (False, True):
            with pytest.raises(StoreError, match=hint):
                Ledger.open(file, writable=writable)
        assert file.read_bytes() == before
    with pytest.raises(StoreError, match="does not exist"):
        Ledger.open(tmp_path / "none.db")
    with pytest.raises(StoreError, match="is a folder"):
        Ledger.open(tmp_path)
    with pytest.raises(StoreError, match="needs a new file"):
        Ledger.create(newer)


def test_waiting_for_the_lock_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claimledger.storage.sqlite.store._WAIT_SECONDS", 0.2)
    Ledger.create(path).close()
    with Ledger.open(path, writable=True) as ledger, Ledger.open(path, writable=True) as second:
        second._store.driver.execute("PRAGMA busy_timeout = 0")  # type: ignore[attr-defined]
        with ledger._store.writing():
            begun = time.monotonic()
            with pytest.raises(StoreError, match="another program holds the ledger"):
                record_all(second, [{"kind": "party", "key": "x", "name": "X"}])
            assert time.monotonic() - begun < 30
