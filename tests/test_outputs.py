"""No output is written over a ledger, a backup or an input; devices and pipes are written into."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backends import ONLY_FILES, new_location
from builders import case, record_all
from claimledger.errors import StoreError
from claimledger.ledger import Ledger, LedgerLocation
from claimledger.services import output_files

WRITERS = {
    "export": ["export", "-o"],
    "export --log": ["export", "--log", "-o"],
    "report": ["report", "-o"],
    "report html": ["report", "--format", "html", "-o"],
    "audit": ["audit", "a", "-o"],
    "graph": ["graph", "-o"],
    "graph png": ["graph", "--format", "png", "-o"],
    "timeline": ["timeline", "--subject", "topic", "-o"],
    "backup --since": ["backup", "--since", "2", ""],
}
"""Each command that writes a file, with the file's name behind it."""


def words_for(what: str, target: Path | str) -> list[str]:
    return [*[word for word in WRITERS[what] if word], str(target)]


@pytest.fixture
def filled(path: LedgerLocation, ledger: Ledger) -> LedgerLocation:
    figures = {"a": {"figures": [{"measure": "stations", "value": "54"}], "asserted": "2022"}}
    record_all(ledger, case(["a: one obs", "b: two"], ["b contradicts a"], extra=figures))
    ledger.close()
    return path


@ONLY_FILES  # where the ledger is kept makes no difference to it
def test_a_backup_of_entries_is_written_over_only_by_one_that_holds_them(
    filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    path = tmp_path / "entries.jsonl"
    assert call("--ledger", filled, "backup", "--since", "2", path).returncode == 0
    before = path.read_bytes()
    for what in WRITERS:
        if what == "backup --since":
            continue
        done = call("--ledger", filled, *words_for(what, path))
        assert (done.returncode, "is a backup of" in done.stderr) == (1, True), (what, done)
    later = call("--ledger", filled, "backup", "--since", "3", path)
    assert (later.returncode, "would not hold them" in later.stderr) == (1, True), later
    with Ledger.create(tmp_path / "other.db") as unrelated:
        record_all(unrelated, case([f"z{number}: one" for number in range(9)]))
    done = call("--ledger", tmp_path / "other.db", "backup", "--since", "1", path)
    assert (done.returncode, "would not hold them" in done.stderr) == (1, True), done
    assert path.read_bytes() == before
    with Ledger.open(filled, writable=True) as ledger:
        record_all(ledger, [{"kind": "party", "name": "New"}])
    assert call("--ledger", filled, "backup", "--since", "1", path).returncode == 0
    assert len(path.read_bytes()) > len(before)


@ONLY_FILES  # a server is no file
def test_a_ledger_with_a_damaged_beginning_is_not_written_over(
    filled: Path, tmp_path: Path, call: Callable[..., Any]
) -> None:
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(bytes(100) + filled.read_bytes()[100:])
    before = damaged.read_bytes()
    for what in WRITERS:
        done = call("--ledger", filled, *words_for(what, damaged))
        assert (done.returncode, damaged.read_bytes() == before) == (1, True), (what, done)


@ONLY_FILES  # a server has no files beside it
def test_no_file_is_removed_for_its_name(
    filled: Path, tmp_path: Path, call: Callable[..., Any]
) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = tmp_path / f".moved.{ended.pid}-0123abcd.arriving"
    in_use = tmp_path / f".moved.{os.getpid()}-0123abcd.arriving"
    theirs = [
        tmp_path / name for name in (".moved.arriving", ".moved.backup", ".moved.old.arriving")
    ]
    for file in (left, in_use, *theirs):
        shutil.copyfile(filled, file)
    assert call("move", filled, tmp_path / "moved").returncode == 0
    assert call("--ledger", filled, "backup", tmp_path / "moved").returncode == 0
    assert not left.exists()  # of a program that was killed
    for file in (in_use, *theirs):
        assert file.read_bytes() == filled.read_bytes()


@ONLY_FILES  # a server has no files beside it
@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
def test_no_output_takes_a_name_that_sqlite_would_read(
    end: str, filled: Path, call: Callable[..., Any]
) -> None:
    beside = Path(f"{filled}{end}")
    assert not beside.exists()
    for what in WRITERS:
        done = call("--ledger", filled, *words_for(what, beside))
        assert done.returncode == 1, (what, done)
        assert "is a ledger or another database" in done.stderr
        assert not beside.exists()


LEDGERS = {
    "init": lambda ledger, new: ("--ledger", new, "init"),
    "backup": lambda ledger, new: ("--ledger", ledger, "backup", new),
    "move": lambda ledger, new: ("move", ledger, new),
    "restore": lambda ledger, new: ("--ledger", new, "restore", ledger),
    "salvage": lambda ledger, new: ("--ledger", ledger, "salvage", new),
}
"""What makes a ledger in a new file."""


@ONLY_FILES  # a server has no files beside it
@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("what", list(LEDGERS))
def test_no_ledger_takes_a_name_that_sqlite_would_read(
    what: str, end: str, filled: Path, tmp_path: Path, call: Callable[..., Any]
) -> None:
    beside = Path(f"{filled}{end}")
    done = call(*LEDGERS[what](filled, beside))
    assert (done.returncode, f"part of {filled.name}" in done.stderr) == (1, True), done
    assert not beside.exists()
    assert call("--ledger", filled, "verify").returncode == 0
    # Nor a name beside which lies what SQLite would read with it.
    new = tmp_path / "new.db"
    left = Path(f"{new}{end}")
    left.write_bytes(b"somebody's")
    done = call(*LEDGERS[what](filled, new))
    if end == "-shm":  # which SQLite reads only beside the write-ahead log
        assert done.returncode == 0, done
    else:
        assert (done.returncode, f"beside it lies new.db{end}" in done.stderr) == (1, True), done
        assert left.read_bytes() == b"somebody's"
        assert not new.exists()


@ONLY_FILES  # where the ledger is kept makes no difference to it
def test_a_file_is_of_the_kind_that_its_name_says(
    filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    begins = {"g.svg": b"<svg", "g.png": b"\x89PNG", "g.html": b"<!doctype html", "g.dot": b"digraph",
              "g.graphml": b"<graphml", "g": b"<svg"}  # fmt: skip
    for name, start in begins.items():
        assert call("--ledger", filled, "graph", "-o", tmp_path / name).returncode == 0
        assert (tmp_path / name).read_bytes().lower().startswith(start.lower()), name
    words = {
        "report": ["report"],
        "audit": ["audit", "a"],
        "timeline": ["timeline"],
        "graph": ["graph"],
    }
    for what, command in words.items():
        done = call("--ledger", filled, *command, "-o", tmp_path / "x.pdf")
        assert (done.returncode, "end the name so, or say --format" in done.stderr) == (2, True), (
            what
        )
        assert not (tmp_path / "x.pdf").exists()
        done = call("--ledger", filled, *command, "--format", "html", "-o", tmp_path / "x.pdf")
        assert done.returncode == 0, done.stderr
        (tmp_path / "x.pdf").unlink()


def targets(ledger: LedgerLocation, folder: Path) -> dict[str, Path]:
    """Return files that must stay as they are, under all the names they can have."""
    path, second_path = folder / "kept.db", folder / "other.db"
    with Ledger.open(ledger) as opened:
        opened.backup(path)
    with Ledger.create(second_path) as second:
        record_all(second, case(["z: one"]))
    paths = {"a backup": path, "another ledger": second_path}
    if isinstance(ledger, Path):
        paths["the ledger"] = ledger
        for name in ("-wal", "-shm", "-journal"):
            beside = Path(f"{second_path}{name}")
            beside.write_bytes(b"")
            paths[f"what lies beside it, {name}"] = beside
    foreign = folder / "foreign.db"
    driver = sqlite3.connect(foreign)
    driver.execute("CREATE TABLE t (x)")
    driver.close()
    paths["another program's database"] = foreign
    for name, file in list(paths.items()):
        link = folder / f"link-{len(paths)}"
        link.symlink_to(file)
        paths[f"a link to {name}"] = link
        if file.stat().st_size:
            hard = folder / f"hard-{len(paths)}"
            os.link(file, hard)
            paths[f"another name of {name}"] = hard
    return paths


@ONLY_FILES  # where the ledger is kept makes no difference to it
@pytest.mark.parametrize("what", list(WRITERS))
def test_no_output_replaces_a_ledger_by_any_name(
    what: str, filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    for name, target in targets(filled, tmp_path).items():
        before = target.read_bytes()
        done = call("--ledger", filled, *words_for(what, target))
        assert done.returncode == 1, (name, done)
        assert str(target) in done.stderr, name
        assert "Traceback" not in done.stderr
        assert target.read_bytes() == before, name
    assert not list(tmp_path.glob(".*"))


@ONLY_FILES  # where the ledger is kept makes no difference to it
@pytest.mark.parametrize("what", list(WRITERS))
def test_an_output_goes_through_a_link_and_keeps_it(
    what: str, filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    real, link = tmp_path / "real.out", tmp_path / "link.out"
    real.write_text("" if what == "backup --since" else "old")
    link.symlink_to(real)
    done = call("--ledger", filled, *words_for(what, link))
    assert done.returncode == 0, done.stderr
    assert link.is_symlink()
    assert real.read_bytes() not in (b"", b"old")


@ONLY_FILES  # as above
@pytest.mark.parametrize("what", list(WRITERS))
def test_devices_are_written_into(
    what: str, filled: LedgerLocation, call: Callable[..., Any]
) -> None:
    done = call("--ledger", filled, *words_for(what, "/dev/null"))
    assert done.returncode == 0, done.stderr
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    full = call("--ledger", filled, *words_for(what, "/dev/full"))
    assert full.returncode == 1
    assert "/dev/full: No space left on device" in full.stderr
    assert "Traceback" not in full.stderr


@ONLY_FILES  # as above
@pytest.mark.parametrize("what", [*WRITERS, "backup"])
def test_a_named_pipe_is_written_into(
    what: str, filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    words = ["backup", str(pipe)] if what == "backup" else words_for(what, pipe)
    done = call("--ledger", filled, *words)
    reader.join(60)
    assert done.returncode == 0, done.stderr
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert got[0]
    if what == "backup":
        (tmp_path / "got.db").write_bytes(got[0])
        with Ledger.open(tmp_path / "got.db") as ledger:
            assert ledger.verify().clean


def test_a_pipe_that_nobody_reads_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setattr(output_files, "WAIT_SECONDS", 0.2)
    with (
        pytest.raises(output_files.RuleViolationError, match="nobody reads this pipe"),
        output_files.writing_whole(str(pipe)),
    ):
        pass
    assert "waiting for somebody to read" in capsys.readouterr().err


@ONLY_FILES  # a server is no file
def test_a_backup_onto_the_ledger_itself_is_refused_beside_a_writer(
    filled: Path, tmp_path: Path, call: Callable[..., Any]
) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(filled)
    hard = tmp_path / "hard.db"
    os.link(filled, hard)
    with Ledger.open(filled, writable=True) as writer:
        for number, target in enumerate((filled, link, hard, filled.parent / "." / filled.name)):
            record_all(writer, [{"kind": "party", "key": f"p{number}", "name": "P"}])
            done = call("--ledger", filled, "backup", target)
            assert done.returncode == 1
            assert "is the ledger itself" in done.stderr
        record_all(writer, [{"kind": "party", "key": "last", "name": "P"}])
    with Ledger.open(filled) as ledger:
        assert {"p0", "p1", "p2", "p3", "last"} <= set(ledger.keys("party"))
        assert ledger.verify().clean


def test_a_backup_that_somebody_works_with_is_not_replaced(
    filled: LedgerLocation, tmp_path: Path
) -> None:
    path = tmp_path / "kept.db"
    with Ledger.open(filled) as ledger:
        ledger.backup(path)
        with Ledger.open(path, writable=True) as used:
            record_all(used, [{"kind": "party", "key": "mine", "name": "P"}])
            with pytest.raises(StoreError):
                ledger.backup(path)
        with Ledger.open(path) as backup:
            assert "mine" in backup.keys("party")


@ONLY_FILES
def test_a_backup_of_entries_is_not_written_over_another_file(
    filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    notes, empty = tmp_path / "notes.txt", tmp_path / "empty"
    notes.write_text("my notes\n", "utf-8")
    empty.touch()
    words = ("--ledger", filled, "backup", "--since", "2")
    done = call(*words, notes)
    assert (done.returncode, "is not a backup of a ledger's entries" in done.stderr) == (1, True)
    assert notes.read_text("utf-8") == "my notes\n"
    assert call(*words, empty).returncode == 0
    # It would stand among what the command says.
    for stream in ("/dev/stdout", "/dev/stderr", "-"):
        assert call(*words, stream).returncode == 2


@ONLY_FILES
@pytest.mark.parametrize("name", ["-wal", "-journal", "-shm"])
def test_a_name_that_is_only_an_ending_is_a_name(
    name: str, filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    done = call("--ledger", filled, "report", "--format", "json", "-o", f"./{name}")
    assert (done.returncode, (tmp_path / name).exists()) == (0, True), done.stderr
    (tmp_path / name).unlink()
    created = call("--ledger", f"./{name}", "init")
    assert (created.returncode, created.stderr) == (0, "")


@ONLY_FILES
def test_the_ledger_is_named_as_what_is_not_written_over(
    filled: LedgerLocation, call: Callable[..., Any]
) -> None:
    for what in WRITERS:
        done = call("--ledger", filled, *words_for(what, filled))
        assert (done.returncode, "is the ledger itself; name another file" in done.stderr) == (
            1,
            True,
        ), what


@ONLY_FILES
def test_an_empty_file_is_told_as_one(
    filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    (tmp_path / "empty.db").touch()
    for words in (["--ledger", "empty.db", "list"], ["--ledger", filled, "backup", "empty.db"]):
        done = call(*words)
        assert (done.returncode, "is an empty file, not a ledger" in done.stderr) == (1, True), (
            done.stderr
        )


@ONLY_FILES
def test_entries_alone_ask_for_the_whole_backup_where_no_ledger_is(
    filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    assert call("--ledger", filled, "backup", "--since", "2", "hour.jsonl").returncode == 0
    done = call("--ledger", "none.db", "restore", "hour.jsonl")
    assert done.returncode == 1
    assert "none.db does not exist, and hour.jsonl holds only entries" in done.stderr
    assert "name a whole backup first" in done.stderr


def test_a_backup_into_a_device_is_not_told_as_kept(
    filled: LedgerLocation, call: Callable[..., Any]
) -> None:
    for words in (["backup"], ["backup", "--since", "2"]):
        done = call("--ledger", filled, *words, "/dev/null")
        assert done.returncode == 0
        assert "holds" not in done.stdout
        assert "to /dev/null, which is no file" in " ".join(done.stdout.split())


def test_salvage_does_not_write_the_rest_over_the_ledger(
    filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    path = tmp_path / "kept.db"
    with Ledger.open(filled) as ledger:
        ledger.backup(path)
    before = path.read_bytes()
    done = call("--ledger", path, "salvage", tmp_path / "new.db", "--rest", path)
    assert done.returncode == 1
    assert "is the ledger itself" in done.stderr
    assert path.read_bytes() == before
    assert not (tmp_path / "new.db").exists()


def bits(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@ONLY_FILES  # a server's ledger has no rights of a file: its copies are the owner's alone, below
@pytest.mark.parametrize("rights", [0o600, 0o640])
def test_what_is_made_of_a_ledger_has_its_rights_or_stricter(
    filled: Path, tmp_path: Path, call: Callable[..., Any], rights: int
) -> None:
    filled.chmod(rights)
    before = os.umask(0o022)
    try:
        for again in range(2):  # also when it is written once more
            for words in (["backup", "kept.db"], ["backup", "--since", "1", "new.jsonl"],
                          ["export", "--log", "-o", "log.jsonl"]):  # fmt: skip
                assert call("--ledger", filled, *words).returncode == 0
            if not again:
                assert call("move", filled, "moved.db").returncode == 0
                torn = tmp_path / "torn.db"
                shutil.copyfile(filled, torn)
                torn.chmod(rights)
                assert call("--ledger", torn, "salvage", "saved.db").returncode == 0
                assert call("--ledger", "back.db", "restore", "kept.db").returncode == 0
                (tmp_path / "kept.db").chmod(0o600)
    finally:
        os.umask(before)
    assert bits(tmp_path / "kept.db") == 0o600
    for name in ("new.jsonl", "log.jsonl", "moved.db", "saved.db", "back.db"):
        assert bits(tmp_path / name) == rights, name


def test_copies_of_a_server_s_ledger_are_their_owner_s_alone(
    filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any], store: str
) -> None:
    if store == "postgresql":
        before = os.umask(0o022)
        try:
            assert call("--ledger", filled, "backup", "kept.db").returncode == 0
            assert call("move", filled, "moved.db").returncode == 0
            assert call("--ledger", filled, "export", "-o", "all.jsonl").returncode == 0
        finally:
            os.umask(before)
        for name in ("kept.db", "moved.db", "all.jsonl"):
            assert bits(tmp_path / name) == 0o600
    else:
        path = new_location(tmp_path, "there.db")
        assert call("move", filled, path).returncode == 0
        assert bits(Path(path)) == bits(Path(filled))


def test_a_draft_is_its_writer_s_alone(tmp_path: Path) -> None:
    from claimledger.importers.prompt import Draft, DraftFile

    before = os.umask(0o022)
    try:
        for _ in range(2):
            assert DraftFile(str(tmp_path / "l.db")).save(Draft({"statement": "s"}))
    finally:
        os.umask(before)
    (draft,) = (Path(os.environ["XDG_STATE_HOME"]) / "claimledger").glob("draft-*.json")
    assert bits(draft) == 0o600
