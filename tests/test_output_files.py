"""Output files: none overwrites a ledger, a backup or an input, and devices and pipes are written to directly."""

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
"""The commands that write a file; the name of the file follows as the last argument."""


def arguments(command: str, target: Path | str) -> list[str]:
    """Return the arguments of a command that writes to a target."""
    return [*[word for word in WRITERS[command] if word], str(target)]


@pytest.fixture
def filled(path: LedgerLocation, ledger: Ledger) -> LedgerLocation:
    """Return the location of a ledger with a dispute."""
    figures = {"a": {"figures": [{"measure": "stations", "value": "54"}], "asserted": "2022"}}
    record_all(ledger, case(["a: one obs", "b: two"], ["b contradicts a"], extra=figures))
    ledger.close()
    return path


@ONLY_FILES  # the backend makes no difference here
def test_a_backup_of_entries_is_overwritten_only_by_one_that_contains_them(
    filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    path = tmp_path / "entries.jsonl"
    assert call("--ledger", filled, "backup", "--since", "2", path).returncode == 0
    before = path.read_bytes()
    for command in WRITERS:
        if command == "backup --since":
            continue
        result = call("--ledger", filled, *arguments(command, path))
        assert (result.returncode, "is a backup of" in result.stderr) == (1, True), (
            command,
            result,
        )
    later = call("--ledger", filled, "backup", "--since", "3", path)
    assert (later.returncode, "would not contain" in later.stderr) == (1, True), later
    with Ledger.create(tmp_path / "other.db") as unrelated:
        record_all(unrelated, case([f"z{number}: one" for number in range(9)]))
    result = call("--ledger", tmp_path / "other.db", "backup", "--since", "1", path)
    assert (result.returncode, "would not contain" in result.stderr) == (1, True), result
    assert path.read_bytes() == before
    with Ledger.open(filled, writable=True) as ledger:
        record_all(ledger, [{"kind": "party", "name": "New"}])
    assert call("--ledger", filled, "backup", "--since", "1", path).returncode == 0
    assert len(path.read_bytes()) > len(before)


@ONLY_FILES  # a ledger on a server is not a file
def test_a_ledger_with_a_damaged_header_is_not_overwritten(
    filled: Path, tmp_path: Path, call: Callable[..., Any]
) -> None:
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(bytes(100) + filled.read_bytes()[100:])
    before = damaged.read_bytes()
    for command in WRITERS:
        result = call("--ledger", filled, *arguments(command, damaged))
        assert (result.returncode, damaged.read_bytes() == before) == (1, True), (command, result)


@ONLY_FILES  # a ledger on a server has no companion files
def test_a_temporary_file_is_removed_only_if_its_process_has_ended(
    filled: Path, tmp_path: Path, call: Callable[..., Any]
) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    abandoned = tmp_path / f".moved.{ended.pid}-0123abcd.arriving"
    in_use = tmp_path / f".moved.{os.getpid()}-0123abcd.arriving"
    unrelated = [
        tmp_path / name for name in (".moved.arriving", ".moved.backup", ".moved.old.arriving")
    ]
    for file in (abandoned, in_use, *unrelated):
        shutil.copyfile(filled, file)
    assert call("move", filled, tmp_path / "moved").returncode == 0
    assert call("--ledger", filled, "backup", tmp_path / "moved").returncode == 0
    assert not abandoned.exists()
    for file in (in_use, *unrelated):
        assert file.read_bytes() == filled.read_bytes()


@ONLY_FILES  # a ledger on a server has no companion files
@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
def test_no_output_takes_the_name_of_a_companion_file_of_sqlite(
    end: str, filled: Path, call: Callable[..., Any]
) -> None:
    companion = Path(f"{filled}{end}")
    assert not companion.exists()
    for command in WRITERS:
        result = call("--ledger", filled, *arguments(command, companion))
        assert result.returncode == 1, (command, result)
        assert "is a ledger or another database" in result.stderr
        assert not companion.exists()


CREATORS = {
    "init": lambda ledger, new: ("--ledger", new, "init"),
    "backup": lambda ledger, new: ("--ledger", ledger, "backup", new),
    "move": lambda ledger, new: ("move", ledger, new),
    "restore": lambda ledger, new: ("--ledger", new, "restore", ledger),
    "salvage": lambda ledger, new: ("--ledger", ledger, "salvage", new),
}
"""The commands that create a ledger in a new file."""


@ONLY_FILES  # a ledger on a server has no companion files
@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("command", list(CREATORS))
def test_no_ledger_takes_the_name_of_a_companion_file_of_sqlite(
    command: str, end: str, filled: Path, tmp_path: Path, call: Callable[..., Any]
) -> None:
    companion = Path(f"{filled}{end}")
    result = call(*CREATORS[command](filled, companion))
    assert (result.returncode, f"part of {filled.name}" in result.stderr) == (1, True), result
    assert not companion.exists()
    assert call("--ledger", filled, "verify").returncode == 0
    # Nor may a ledger take a name whose companion file exists: SQLite would read the two together.
    new = tmp_path / "new.db"
    foreign = Path(f"{new}{end}")
    foreign.write_bytes(b"somebody's")
    result = call(*CREATORS[command](filled, new))
    if end == "-shm":  # SQLite reads this file only together with the write-ahead log
        assert result.returncode == 0, result
    else:
        assert (result.returncode, f"beside it lies new.db{end}" in result.stderr) == (1, True), (
            result
        )
        assert foreign.read_bytes() == b"somebody's"
        assert not new.exists()


@ONLY_FILES  # the backend makes no difference here
def test_the_format_of_an_output_follows_the_ending_of_its_name(
    filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    starts = {"g.svg": b"<svg", "g.png": b"\x89PNG", "g.html": b"<!doctype html", "g.dot": b"digraph",
              "g.graphml": b"<graphml", "g": b"<svg"}  # fmt: skip
    for name, start in starts.items():
        assert call("--ledger", filled, "graph", "-o", tmp_path / name).returncode == 0
        assert (tmp_path / name).read_bytes().lower().startswith(start.lower()), name
    words = {
        "report": ["report"],
        "audit": ["audit", "a"],
        "timeline": ["timeline"],
        "graph": ["graph"],
    }
    for name, arguments_of_command in words.items():
        result = call("--ledger", filled, *arguments_of_command, "-o", tmp_path / "x.pdf")
        assert (result.returncode, "use such an ending, or give --format" in result.stderr) == (
            2,
            True,
        ), name
        assert not (tmp_path / "x.pdf").exists()
        result = call(
            "--ledger", filled, *arguments_of_command, "--format", "html", "-o", tmp_path / "x.pdf"
        )
        assert result.returncode == 0, result.stderr
        (tmp_path / "x.pdf").unlink()


def targets(ledger: LedgerLocation, folder: Path) -> dict[str, Path]:
    """Return the files that no output may overwrite, under every name that can reach them."""
    backup, second_path = folder / "kept.db", folder / "other.db"
    with Ledger.open(ledger) as opened:
        opened.backup(backup)
    with Ledger.create(second_path) as unrelated:
        record_all(unrelated, case(["z: one"]))
    paths = {"a backup": backup, "another ledger": second_path}
    if isinstance(ledger, Path):
        paths["the ledger"] = ledger
        for name in ("-wal", "-shm", "-journal"):
            companion = Path(f"{second_path}{name}")
            companion.write_bytes(b"")
            paths[f"a companion file, {name}"] = companion
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


@ONLY_FILES  # the backend makes no difference here
@pytest.mark.parametrize("command", list(WRITERS))
def test_no_output_overwrites_a_ledger_under_any_of_its_names(
    command: str, filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    for name, target in targets(filled, tmp_path).items():
        before = target.read_bytes()
        result = call("--ledger", filled, *arguments(command, target))
        assert result.returncode == 1, (name, result)
        assert str(target) in result.stderr, name
        assert "Traceback" not in result.stderr
        assert target.read_bytes() == before, name
    assert not list(tmp_path.glob(".*"))


@ONLY_FILES  # the backend makes no difference here
@pytest.mark.parametrize("command", list(WRITERS))
def test_an_output_to_a_link_is_written_to_its_target(
    command: str, filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    real, link = tmp_path / "real.out", tmp_path / "link.out"
    real.write_text("" if command == "backup --since" else "old")
    link.symlink_to(real)
    result = call("--ledger", filled, *arguments(command, link))
    assert result.returncode == 0, result.stderr
    assert link.is_symlink()
    assert real.read_bytes() not in (b"", b"old")


@ONLY_FILES  # the backend makes no difference here
@pytest.mark.parametrize("command", list(WRITERS))
def test_an_output_to_a_device_is_written_to_it(
    command: str, filled: LedgerLocation, call: Callable[..., Any]
) -> None:
    result = call("--ledger", filled, *arguments(command, "/dev/null"))
    assert result.returncode == 0, result.stderr
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    full = call("--ledger", filled, *arguments(command, "/dev/full"))
    assert full.returncode == 1
    assert "/dev/full: No space left on device" in full.stderr
    assert "Traceback" not in full.stderr


@ONLY_FILES  # the backend makes no difference here
@pytest.mark.parametrize("command", [*WRITERS, "backup"])
def test_an_output_to_a_named_pipe_is_written_to_it(
    command: str, filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    words = ["backup", str(pipe)] if command == "backup" else arguments(command, pipe)
    result = call("--ledger", filled, *words)
    reader.join(60)
    assert result.returncode == 0, result.stderr
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert received[0]
    if command == "backup":
        (tmp_path / "received.db").write_bytes(received[0])
        with Ledger.open(tmp_path / "received.db") as ledger:
            assert ledger.verify().clean


def test_a_pipe_without_a_reader_is_an_error_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setattr(output_files, "WAIT_SECONDS", 0.2)
    with (
        pytest.raises(output_files.RuleViolationError, match="no program reads this pipe"),
        output_files.writing_whole(str(pipe)),
    ):
        pass
    assert "waiting for a program to read" in capsys.readouterr().err


@ONLY_FILES  # a ledger on a server is not a file
def test_a_backup_onto_the_ledger_itself_is_refused_while_another_process_writes(
    filled: Path, tmp_path: Path, call: Callable[..., Any]
) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(filled)
    hard = tmp_path / "hard.db"
    os.link(filled, hard)
    with Ledger.open(filled, writable=True) as writer:
        for number, target in enumerate((filled, link, hard, filled.parent / "." / filled.name)):
            record_all(writer, [{"kind": "party", "key": f"p{number}", "name": "P"}])
            result = call("--ledger", filled, "backup", target)
            assert result.returncode == 1
            assert "is the ledger itself" in result.stderr
        record_all(writer, [{"kind": "party", "key": "last", "name": "P"}])
    with Ledger.open(filled) as ledger:
        assert {"p0", "p1", "p2", "p3", "last"} <= set(ledger.keys("party"))
        assert ledger.verify().clean


def test_a_backup_that_is_open_for_writing_is_not_replaced(
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
def test_a_backup_of_entries_does_not_overwrite_another_file(
    filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    notes, empty = tmp_path / "notes.txt", tmp_path / "empty"
    notes.write_text("my notes\n", "utf-8")
    empty.touch()
    words = ("--ledger", filled, "backup", "--since", "2")
    result = call(*words, notes)
    assert (result.returncode, "is not a backup of a ledger's entries" in result.stderr) == (
        1,
        True,
    )
    assert notes.read_text("utf-8") == "my notes\n"
    assert call(*words, empty).returncode == 0
    # The entries would mix with the messages of the command.
    for stream in ("/dev/stdout", "/dev/stderr", "-"):
        assert call(*words, stream).returncode == 2


@ONLY_FILES
@pytest.mark.parametrize("name", ["-wal", "-journal", "-shm"])
def test_a_name_that_consists_only_of_a_companion_ending_is_valid(
    name: str, filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    result = call("--ledger", filled, "report", "--format", "json", "-o", f"./{name}")
    assert (result.returncode, (tmp_path / name).exists()) == (0, True), result.stderr
    (tmp_path / name).unlink()
    created = call("--ledger", f"./{name}", "init")
    assert (created.returncode, created.stderr) == (0, "")


@ONLY_FILES
def test_an_output_onto_the_ledger_itself_is_refused_with_the_reason(
    filled: LedgerLocation, call: Callable[..., Any]
) -> None:
    for command in WRITERS:
        result = call("--ledger", filled, *arguments(command, filled))
        assert (result.returncode, "is the ledger itself; name another file" in result.stderr) == (
            1,
            True,
        ), command


@ONLY_FILES
def test_an_empty_file_is_reported_as_empty(
    filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    (tmp_path / "empty.db").touch()
    for words in (["--ledger", "empty.db", "list"], ["--ledger", filled, "backup", "empty.db"]):
        result = call(*words)
        assert (result.returncode, "is an empty file, not a ledger" in result.stderr) == (
            1,
            True,
        ), result.stderr


@ONLY_FILES
def test_restoring_entries_into_a_missing_ledger_names_the_full_backup_as_required(
    filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    assert call("--ledger", filled, "backup", "--since", "2", "hour.jsonl").returncode == 0
    result = call("--ledger", "none.db", "restore", "hour.jsonl")
    assert result.returncode == 1
    assert "none.db does not exist, and hour.jsonl contains only entries" in result.stderr
    assert "name a whole backup first" in result.stderr


def test_a_backup_to_a_device_is_not_reported_as_a_stored_backup(
    filled: LedgerLocation, call: Callable[..., Any]
) -> None:
    for words in (["backup"], ["backup", "--since", "2"]):
        result = call("--ledger", filled, *words, "/dev/null")
        assert result.returncode == 0
        assert "holds" not in result.stdout
        assert "to /dev/null, which is not a file" in " ".join(result.stdout.split())


def test_salvage_does_not_overwrite_the_ledger_with_the_rest(
    filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    path = tmp_path / "kept.db"
    with Ledger.open(filled) as ledger:
        ledger.backup(path)
    before = path.read_bytes()
    result = call("--ledger", path, "salvage", tmp_path / "new.db", "--rest", path)
    assert result.returncode == 1
    assert "is the ledger itself" in result.stderr
    assert path.read_bytes() == before
    assert not (tmp_path / "new.db").exists()


def permissions(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@ONLY_FILES  # copies of a ledger on a server are private to their owner; see the next test
@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_copies_of_a_file_have_its_permissions_or_stricter(
    filled: Path, tmp_path: Path, call: Callable[..., Any], mode: int
) -> None:
    filled.chmod(mode)
    umask = os.umask(0o022)
    try:
        for run in range(2):  # the second run overwrites the first copies
            for words in (["backup", "kept.db"], ["backup", "--since", "1", "new.jsonl"],
                          ["export", "--log", "-o", "log.jsonl"]):  # fmt: skip
                assert call("--ledger", filled, *words).returncode == 0
            if run == 0:
                assert call("move", filled, "moved.db").returncode == 0
                copy = tmp_path / "copy.db"
                shutil.copyfile(filled, copy)
                copy.chmod(mode)
                assert call("--ledger", copy, "salvage", "saved.db").returncode == 0
                assert call("--ledger", "back.db", "restore", "kept.db").returncode == 0
                (tmp_path / "kept.db").chmod(0o600)
    finally:
        os.umask(umask)
    assert permissions(tmp_path / "kept.db") == 0o600
    for name in ("new.jsonl", "log.jsonl", "moved.db", "saved.db", "back.db"):
        assert permissions(tmp_path / name) == mode, name


def test_copies_of_a_ledger_on_a_server_are_private_to_their_owner(
    filled: LedgerLocation, tmp_path: Path, call: Callable[..., Any], store: str
) -> None:
    if store == "postgresql":
        umask = os.umask(0o022)
        try:
            assert call("--ledger", filled, "backup", "kept.db").returncode == 0
            assert call("move", filled, "moved.db").returncode == 0
            assert call("--ledger", filled, "export", "-o", "all.jsonl").returncode == 0
        finally:
            os.umask(umask)
        for name in ("kept.db", "moved.db", "all.jsonl"):
            assert permissions(tmp_path / name) == 0o600
    else:
        path = new_location(tmp_path, "there.db")
        assert call("move", filled, path).returncode == 0
        assert permissions(Path(path)) == permissions(Path(filled))


def test_a_draft_is_private_to_its_writer(tmp_path: Path) -> None:
    from claimledger.importers.prompt import Draft, DraftFile

    umask = os.umask(0o022)
    try:
        for _ in range(2):
            assert DraftFile(str(tmp_path / "l.db")).save(Draft({"statement": "s"}))
    finally:
        os.umask(umask)
    (draft,) = (Path(os.environ["XDG_STATE_HOME"]) / "claimledger").glob("draft-*.json")
    assert permissions(draft) == 0o600
