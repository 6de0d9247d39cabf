"""A SQLite ledger survives kills, full disks, read-only folders and concurrent writers: each write is complete or absent."""

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
from types import SimpleNamespace
from typing import Any

import pytest

from builders import case, record_all
from claimledger.errors import StoreError
from claimledger.ledger import Ledger
from claimledger.records.party import Party
from claimledger.storage.sqlite import maintenance, recovery, schema_check, store
from claimledger.storage.sqlite.store import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a file: these faults concern SQLite only."""
    return tmp_path / "ledger.db"


def lines(number: int, start: int = 0) -> str:
    """Return a case file of ``number`` claims as JSON Lines."""
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
    for attempt in range(8):
        file = tmp_path / f"{attempt}.jsonl"
        file.write_text(lines(1500, start=attempt * 1500))
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
    # The next command works without manual repair.
    with Ledger.open(path, writable=True) as ledger:
        record_all(ledger, [{"kind": "party", "key": "after", "name": "After"}])
        assert ledger.verify().clean


def test_a_full_disk_writes_nothing_and_says_so(path: Path) -> None:
    """SQLite's page limit simulates the disk: it fails at the same point, with the same error code."""
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
        before = ledger.head()
        driver = ledger._store.driver  # type: ignore[attr-defined]
        pages = driver.execute("PRAGMA page_count").fetchone()[0]
        driver.execute(f"PRAGMA max_page_count = {pages + 2}")
        party = {"kind": "party", "key": "big", "name": "Big", "note": "x" * 500_000}
        with pytest.raises(StoreError, match="disk is full; nothing was written"):
            record_all(ledger, [party])
        assert ledger.head() == before
        driver.execute("PRAGMA max_page_count = 1000000")
        record_all(ledger, [party])
        assert ledger.verify().faults == ()


def test_a_full_disk_during_a_backup_is_reported_with_the_name_of_the_backup(
    path: Path, tmp_path: Path
) -> None:
    """A limit on the size of files (``ulimit``) simulates the full disk."""
    Ledger.create(path).close()
    completed = subprocess.run(
        ["bash", "-c", f"ulimit -f 16; exec {sys.executable} -m claimledger --ledger {path} backup kept.db"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert completed.returncode == 1
    assert "kept.db: reading or writing failed" in completed.stderr
    assert path.name not in completed.stderr.replace("kept.db", "")
    assert sorted(file.name for file in tmp_path.glob("*kept*")) == []


OPERATIONS: dict[str, Callable[[Ledger], object]] = {
    "unscrubbed": lambda ledger: ledger._store.maintenance.unscrubbed(),
    "shape": lambda ledger: list(ledger._store.maintenance.shape_damage()),
    "search": lambda ledger: ledger.search("seals"),
    "open": lambda ledger: Ledger.open(ledger._store.path, writable=True),  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_a_disk_that_fails_in_any_operation_raises_an_error_that_names_the_file(
    operation: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with Ledger.create(path) as ledger:
        monkeypatch.setattr(store, "definitions", fail)
        monkeypatch.setattr(maintenance, "definitions", fail)
        monkeypatch.setattr(schema_check, "definitions", fail)
        monkeypatch.setattr(ledger._store.fulltext, "_driver", SimpleNamespace(execute=fail))
        monkeypatch.setattr(SqliteStore, "_prepare_writing", fail)
        with pytest.raises(StoreError, match=re.escape(f"{path}: ")):
            OPERATIONS[operation](ledger)


def test_a_truncated_file_is_refused_with_the_next_step(path: Path) -> None:
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
def test_an_import_on_a_full_file_system_writes_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mount.returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        path = disk / "ledger.db"
        Ledger.create(path).close()
        file = tmp_path / "case.jsonl"
        file.write_text(lines(3000))
        process = start(path, "import", str(file))
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert b"disk is full" in errors or b"failed" in errors
        assert b"Traceback" not in errors
        with Ledger.open(path) as ledger:
            assert ledger.head().size == 0
            assert ledger.verify().faults == ()
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_concurrent_imports_are_all_written(path: Path, tmp_path: Path) -> None:
    Ledger.create(path).close()
    files = []
    for number in range(4):
        file = tmp_path / f"{number}.jsonl"
        file.write_text(lines(200, start=number * 200))
        files.append(file)
    processes = [start(path, "import", str(file)) for file in files]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outputs
    with Ledger.open(path) as ledger:
        assert ledger.head().size == 803
        assert ledger.verify().faults == ()
    assert sorted(file.name for file in tmp_path.glob("ledger.db*")) == ["ledger.db"]


def test_a_reader_sees_the_state_before_an_unfinished_write(path: Path) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
        with ledger._store.transaction():
            record_all(ledger, [{"kind": "party", "key": "half", "name": "Half"}])
            with Ledger.open(path) as reader:
                assert [stored.key for stored in reader.with_key("a")] == ["a"]
                assert not reader.with_key("half")


def test_reading_changes_neither_the_file_nor_its_folder(
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
        completed = call("--ledger", path, *words)
        assert completed.returncode == 0, completed.stderr
    assert (path.read_bytes(), path.stat().st_mtime_ns, sorted(tmp_path.iterdir())) == before


def run_as_plain_user(work: Callable[[], str]) -> str:
    """Run ``work`` in a process without root's rights, which would ignore read-only permissions; return its output."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            output = work()
        except BaseException as error:  # report any failure to the parent
            output = f"{type(error).__name__}: {error}"
        os.write(write_end, output.encode())
        os._exit(0)
    os.close(write_end)
    os.waitpid(child, 0)
    with os.fdopen(read_end, "rb") as pipe:
        return pipe.read().decode()


def make_read_only(path: Path) -> None:
    """Make a file and its folder read-only, but readable for a plain user."""
    for folder in [path.parent, *path.parents][:-2]:
        folder.chmod(folder.stat().st_mode | 0o055)
    path.chmod(0o444)
    path.parent.chmod(0o555)


def test_a_read_only_file_in_a_read_only_folder_can_be_read_but_not_written(path: Path) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
    make_read_only(path)

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
        output = run_as_plain_user(work)
        assert output.startswith("True ['a']"), output
        assert "read-only" in output
        assert [file.name for file in path.parent.glob("ledger.db*")] == ["ledger.db"]
    finally:
        path.parent.chmod(0o755)


def read_as_plain_user(path: Path) -> str:
    """Return the size, the state and the parties that a read-only user sees, or the error; require that no file changed."""
    make_read_only(path)
    before = {file.name: file.read_bytes() for file in path.parent.glob("ledger.db*")}

    def work() -> str:
        with Ledger.open(path) as ledger:
            clean = "clean" if ledger.verify().clean else "not clean"
            return f"{ledger.head().size} {clean} {' '.join(ledger.keys('party'))}"

    try:
        output = run_as_plain_user(work)
        assert {file.name: file.read_bytes() for file in path.parent.glob("ledger.db*")} == before
        return output
    finally:
        path.parent.chmod(0o755)


def test_a_write_ahead_log_left_by_the_last_writer_is_read_by_a_read_only_user(
    path: Path,
) -> None:
    """The last writer cannot delete the write-ahead log while another connection reads."""
    with Ledger.create(path) as ledger:
        ledger.record(Party(key="committed", name="Committed"), by="T")
    writer = Ledger.open(path, writable=True)
    reader = Ledger.open(path)
    with reader.reading():
        assert reader.head().size == 1
        writer.record(Party(key="new", name="New"), by="T")
        writer.close()
    reader.close()
    assert path.read_bytes()[18:20] == b"\x02\x02"  # the file is still in WAL mode
    assert read_as_plain_user(path) == "2 clean committed new"
    Path(f"{path}-shm").unlink(missing_ok=True)
    assert read_as_plain_user(path) == "2 clean committed new"


def test_a_file_in_wal_mode_without_its_log_is_read_by_a_read_only_user(
    path: Path,
) -> None:
    with Ledger.create(path) as ledger:
        ledger.record(Party(key="committed", name="Committed"), by="T")
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.close()
    assert [file.name for file in path.parent.glob("ledger.db*")] == ["ledger.db"]
    assert read_as_plain_user(path) == "1 clean committed"


def test_a_read_only_user_does_not_see_an_unfinished_write(path: Path) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
        size = ledger.head().size
        parties = ledger.keys("party")
    kill_inside_a_write(path)
    output = read_as_plain_user(path)
    assert output == f"{size + 1} clean {' '.join([*parties, 'committed'])}"
    Path(f"{path}-shm").unlink()
    assert read_as_plain_user(path) == output


@pytest.mark.parametrize(
    ("writes", "output"),
    [(3, "clean"), (10_000, "another program has the ledger locked; nothing was read")],
)
def test_a_file_that_changes_while_it_is_copied_is_copied_again(
    path: Path, writes: int, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
    kill_inside_a_write(path)
    Path(f"{path}-shm").unlink()
    file_state, copies = recovery._file_states, itertools.count(-writes)
    monkeypatch.setattr(
        recovery, "_file_states", lambda path: {**file_state(path), "changed": min(0, next(copies))}
    )
    monkeypatch.setattr(
        "shutil.copyfile",
        lambda source, target, copy=shutil.copyfile: (
            source.endswith("changed") or copy(source, target)
        ),
    )
    assert output in read_as_plain_user(path)


def test_a_read_only_user_without_space_for_a_copy_gets_a_clear_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
    kill_inside_a_write(path)
    Path(f"{path}-shm").unlink()
    monkeypatch.setattr("tempfile.tempdir", str(path.parent / "nowhere"))
    output = read_as_plain_user(path)
    assert output.startswith(f"StoreError: {path} cannot be read in place"), output
    assert "No such file or directory. Open it once where it may be written" in output


def test_an_error_in_a_temporary_file_names_the_file_that_it_was_to_become(
    path: Path,
) -> None:
    """The user never named the temporary file, and a recovered copy of it would prove nothing."""
    temporary = path.with_name(f".{path.name}.1-0123abcd.backup")
    Ledger.create(temporary).close()
    kill_inside_a_write(temporary)
    Path(f"{temporary}-shm").unlink()
    output = read_as_plain_user(temporary)
    assert output.startswith(f"StoreError: {path}: reading or writing failed ("), output
    assert output.endswith("; nothing was written")


def test_opening_a_read_only_file_for_writing_names_the_unfinished_write(path: Path) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
    kill_inside_a_write(path)
    Path(f"{path}-shm").unlink()
    make_read_only(path)

    def work() -> str:
        with Ledger.open(path, writable=True) as ledger:
            return f"opened {ledger.head().size}"

    try:
        assert "ledger.db-wal, left by a write that was cut off" in run_as_plain_user(work)
    finally:
        path.parent.chmod(0o755)


def kill_inside_a_write(path: Path) -> None:
    """Record a party, then start a second transaction and kill the writer inside it."""
    script = (
        "import os, signal\nfrom claimledger.ledger import Ledger\n"
        "from claimledger.records.party import Party\n"
        f"ledger = Ledger.open({str(path)!r}, writable=True)\n"
        "ledger.record(Party(key='committed', name='Committed'), by='T')\n"
        "with ledger._store.transaction():\n"
        "    ledger.record(Party(key='lost', name='Lost'), by='T')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert Path(f"{path}-wal").exists()


def test_an_unfinished_write_is_rolled_back_by_the_next_reader(path: Path) -> None:
    """A killed writer leaves its completed transaction recorded and its unfinished one undone."""
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
        size = ledger.head().size
    kill_inside_a_write(path)
    with Ledger.open(path) as ledger:
        assert ledger.head().size == size + 1
        assert [stored.key for stored in ledger.with_key("committed")] == ["committed"]
        assert not ledger.with_key("lost")
        assert ledger.verify().faults == ()


def leave_hot_journal(path: Path) -> None:
    """Kill a writer inside a transaction with a rollback journal, which leaves a hot journal."""
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


def test_a_hot_journal_is_rolled_back_by_the_next_reader(path: Path) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case([f"c{n}: one" for n in range(50)]))
        before = ledger.head()
    leave_hot_journal(path)
    with Ledger.open(path) as ledger:
        assert ledger.head() == before
        assert ledger.verify().faults == ()


def test_a_hot_journal_is_rolled_back_in_the_copy_of_a_read_only_user(path: Path) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case([f"c{n}: one" for n in range(50)]))
        size = ledger.head().size
        parties = ledger.keys("party")
    leave_hot_journal(path)
    assert read_as_plain_user(path) == f"{size} clean {' '.join(parties)}"


def test_a_file_that_is_not_a_ledger_is_refused_and_left_unchanged(tmp_path: Path) -> None:
    text, foreign, newer = tmp_path / "text.db", tmp_path / "other.db", tmp_path / "newer.db"
    text.write_text("not a database at all, but long enough to be looked at" * 20)
    with sqlite3.connect(foreign) as raw:
        raw.execute("CREATE TABLE t (x)")
    raw.close()
    Ledger.create(newer).close()
    with sqlite3.connect(newer) as raw:
        raw.execute("PRAGMA user_version = 99901")
    raw.close()
    for file, hint in (
        (text, "not a ledger"),
        (foreign, "another program"),
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
    with (
        Ledger.open(path, writable=True) as ledger,
        Ledger.open(path, writable=True) as second_ledger,
    ):
        second_ledger._store.driver.execute("PRAGMA busy_timeout = 0")  # type: ignore[attr-defined]
        with ledger._store.transaction():
            start_time = time.monotonic()
            with pytest.raises(StoreError, match="another program has the ledger locked"):
                record_all(second_ledger, [{"kind": "party", "key": "x", "name": "X"}])
            assert time.monotonic() - start_time < 30
