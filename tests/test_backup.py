"""Backup, restore and move copy the log completely or not at all, verify the copy, and refuse another ledger's log."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backends import RawDatabase, new_location, tamper
from builders import analysis_of, case, record_all
from claimledger.errors import StoreError
from claimledger.importers.log_segments import reading_segment
from claimledger.ledger import Ledger, LedgerLocation

RECORDS = case(["a: one obs", "b: two", "c: three"], ["b repeats a", "c contradicts a"])


def add_party(ledger: Ledger, key: str) -> None:
    record_all(ledger, [{"kind": "party", "key": key, "name": key}])


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    """A ledger with every kind of entry: records, amendments, withdrawals, a replacement and a redaction."""
    record_all(ledger, RECORDS)
    ledger.amend("claim", "a", {"note": "n"}, by="T", reason="r")
    record_all(ledger, case(["d: one", "e: one"]))
    ledger.withdraw("claim", "d", by="T", reason="duplicate", replaced_by="a")
    ledger.withdraw("claim", "e", by="T", reason="r")
    ledger.redact("claim", "e", by="T", reason="r")
    return ledger


def write_segment_file(ledger: Ledger, since: int, path: Path) -> str:
    path.write_text("".join(json.dumps(line) + "\n" for line in ledger.entries_since(since)))
    return str(path)


def append_segment(location: LedgerLocation, file: str) -> int:
    with Ledger.open(location, writable=True) as ledger, reading_segment(file) as segment:
        return ledger.append_entries(segment)


def test_moving_to_another_location_and_back_keeps_log_root_and_answers(
    filled: Ledger, tmp_path: Path
) -> None:
    path, back = new_location(tmp_path, "there.db"), tmp_path / "back.db"
    head = filled.move(path)
    with Ledger.open(path) as moved:
        assert moved.verify().clean
        moved.move(back)
    with Ledger.open(back) as ledger:
        assert ledger.verify().clean
        assert ledger.head() == head == filled.head()
        assert list(ledger.entries()) == list(filled.entries())
        assert analysis_of(ledger).as_json("a") == analysis_of(filled).as_json("a")
        assert ledger.get("claim", "d").key == "a"


def test_a_move_onto_an_existing_ledger_is_refused(filled: Ledger, tmp_path: Path) -> None:
    path = new_location(tmp_path, "there.db")
    Ledger.create(path).close()
    with pytest.raises(StoreError, match=r"exists|already has a ledger"):
        filled.move(path)
    with Ledger.open(path) as ledger:
        assert ledger.head().size == 0


def test_a_move_that_fails_leaves_nothing(
    filled: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    """The log is damaged, so that its copy would have another root."""
    target = new_location(tmp_path, "there.db")
    with RawDatabase(path) as raw:
        raw.tamper(
            f"UPDATE entry SET nodes = {raw.blob(bytes(64))} WHERE number = (SELECT max(number) FROM entry)"
        )
    with pytest.raises(StoreError, match="does not have the root"):
        filled.move(target)
    with pytest.raises(StoreError, match=r"does not exist|has no ledger"):
        Ledger.open(target)
    assert not list(tmp_path.glob(".there*"))
    Ledger.create(target).close()


def test_a_backup_is_a_ledger_and_can_be_updated(filled: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    for key in ("x", "y"):
        head = filled.backup(path)
        with Ledger.open(path) as ledger:
            assert ledger.verify().clean
            assert ledger.head() == head == filled.head()
        add_party(filled, key)
    assert [file.name for file in tmp_path.glob("*kept*")] == ["kept.db"]


def test_a_backup_of_another_ledger_or_a_fork_is_refused_with_the_entry(
    filled: Ledger, tmp_path: Path
) -> None:
    path, fork = tmp_path / "kept.db", tmp_path / "fork.db"
    filled.backup(path)
    filled.move(fork)
    for _ in range(5):
        add_party(filled, f"x{filled.head().size}")
    with Ledger.open(fork, writable=True) as forked:
        for _ in range(3):
            add_party(forked, f"y{forked.head().size}")
        with pytest.raises(StoreError, match=rf"differ from entry {filled.head().size - 4} on;"):
            filled.backup(fork)
        forked.backup(path)
        with pytest.raises(StoreError, match="differ from entry"):
            filled.backup(path)
    before = fork.read_bytes()
    with pytest.raises(StoreError, match="differ from entry"):
        filled.backup(fork)
    with Ledger.create(tmp_path / "other.db") as ledger:
        add_party(ledger, "z")
    with pytest.raises(StoreError, match="differ from entry 1 on;"):
        filled.backup(tmp_path / "other.db")
    (tmp_path / "text.db").write_text("no ledger at all")
    with pytest.raises(StoreError, match="is not a ledger"):
        filled.backup(tmp_path / "text.db")
    assert fork.read_bytes() == before
    assert (tmp_path / "text.db").read_text() == "no ledger at all"


def test_a_backup_newer_than_the_ledger_is_not_overwritten(
    filled: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    backup_path = tmp_path / "kept.db"
    filled.backup(backup_path)
    with Ledger.open(backup_path, writable=True) as newer:
        add_party(newer, "x")
    with pytest.raises(StoreError, match="the backup is newer"):
        filled.backup(backup_path)


def test_damaged_tables_are_not_copied_into_a_backup(
    filled: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    tamper(path, "UPDATE claim SET statement = 'forged' WHERE key = 'a'")
    # A backup of a file copies it page by page; a backup of a server rebuilds the tables from the log.
    if isinstance(path, Path):
        message = rf"^{path} is damaged, and no backup was written to .*kept.db: .*column statement.*rebuild"
        with pytest.raises(StoreError, match=message):
            filled.backup(tmp_path / "kept.db")
        assert not list(tmp_path.glob("*kept*"))
    else:
        filled.backup(tmp_path / "kept.db")
        with Ledger.open(tmp_path / "kept.db") as ledger:
            assert ledger.verify().clean


def test_new_entries_bring_a_copy_up_to_date(
    ledger: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    """Also if they redact a record whose payload the copy still has."""
    record_all(ledger, RECORDS)
    copies = [new_location(tmp_path, f"copy{n}.db") for n in range(3)]
    for copy in copies:
        ledger.move(copy)
    size = ledger.head().size
    ledger.amend("claim", "b", {"note": "n"}, by="T", reason="r")
    one_entry = write_segment_file(ledger, size, tmp_path / "one.jsonl")
    record_all(ledger, case(["d: one"], extra={"d": {"statement": "quokka"}}))
    ledger.withdraw("claim", "c", by="T", reason="r", cascade=True)
    ledger.redact("claim", "c", by="T", reason="r")
    all_entries = write_segment_file(ledger, size, tmp_path / "all.jsonl")
    later_entries = write_segment_file(ledger, size + 1, tmp_path / "later.jsonl")
    assert append_segment(copies[0], one_entry) == 1
    assert append_segment(copies[0], all_entries) == ledger.head().size - size - 1
    assert append_segment(copies[1], all_entries) == ledger.head().size - size
    with pytest.raises(StoreError, match="restore the entries between them first"):
        append_segment(copies[2], later_entries)
    assert (
        append_segment(copies[2], one_entry) + append_segment(copies[2], later_entries)
        == ledger.head().size - size
    )
    assert append_segment(copies[2], later_entries) == 0
    for copy in copies:
        with Ledger.open(copy) as reopened:
            assert reopened.verify().faults == ()
            assert reopened.head() == ledger.head()
            assert [match.stored.key for match in reopened.search("quokka")] == ["d"]
            assert not reopened.with_key("c")


def test_entries_of_another_ledger_or_a_fork_are_refused(
    filled: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    copy, unrelated = new_location(tmp_path, "copy.db"), new_location(tmp_path, "other.db")
    filled.move(copy)
    with Ledger.create(unrelated) as ledger:
        record_all(ledger, case(["a: one obs", "b: two", "c: three"]))
    size = filled.head().size
    add_party(filled, "x")
    add_party(filled, "y")
    file = write_segment_file(filled, size, tmp_path / "file.jsonl")
    with pytest.raises(StoreError, match=r"ends at entry \d+: restore the entries between"):
        append_segment(unrelated, file)
    later_entries = write_segment_file(filled, 5, tmp_path / "late.jsonl")
    with pytest.raises(StoreError, match=r"after entry 5, .* the roots differ"):
        append_segment(unrelated, later_entries)
    with Ledger.open(copy, writable=True) as ledger:
        add_party(ledger, "z")
        before = ledger.head()
    with pytest.raises(StoreError, match=f"differ from entry {size + 1} on: one of them is a fork"):
        append_segment(copy, file)
    with Ledger.open(copy) as ledger:
        assert ledger.head() == before


DAMAGE: dict[str, Callable[[list[dict[str, Any]]], object]] = {
    "is entry": lambda lines: lines.pop(1),
    "is truncated: it ends with": lambda lines: lines.pop(),
    "do not give the root": lambda lines: lines[0]["ends"].update(root="00" * 32),
    "lists it": lambda lines: lines[2].update(payload=None, salt=None),
    "its log format is 99": lambda lines: lines[0].update(format=99),
    "`format` is None": lambda lines: lines[0].pop("format"),
    "`format` is True": lambda lines: lines[0].update(format=True),
    "is not a log entry": lambda lines: lines[1].pop("salt"),
    "does not give the digest": lambda lines: lines[1].update(payload=lines[2]["payload"]),
    "does not have a header of format 1": lambda lines: lines[1].update(header="{}"),
    "earlier than the preceding entry": lambda lines: lines[2].update(
        header=lines[2]["header"].replace('recorded_at":"2', 'recorded_at":"1')
    ),
    "has format 2": lambda lines: lines[1].update(
        header=lines[1]["header"].replace('"format":1', '"format":2')
    ),
    "is not a backup": lambda lines: lines.pop(0),
    "`ends` must have": lambda lines: lines[0].pop("ends"),
}


@pytest.mark.parametrize("message", list(DAMAGE))
def test_damaged_entries_are_refused_with_file_and_line(
    message: str, filled: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    copy = new_location(tmp_path, "copy.db")
    filled.move(copy)
    size = filled.head().size
    for key in ("x", "y", "z"):
        add_party(filled, key)
    lines = list(filled.entries_since(size))
    DAMAGE[message](lines)
    file = tmp_path / "damaged.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(StoreError, match=rf"damaged\.jsonl.*{message}"):
        append_segment(copy, str(file))
    with Ledger.open(copy) as ledger:
        assert ledger.head().size == size
        assert ledger.verify().clean
    # If the ledger has these entries already, a changed header looks like a fork.
    message_or_fork = rf"damaged\.jsonl.*({message}|differ from entry)"
    with pytest.raises(StoreError, match=message_or_fork):
        append_segment(path, str(file))


def test_a_backup_and_its_new_entries_can_be_restored_by_commands(
    call: Callable[..., Any], filled: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    assert call("--ledger", path, "backup", "kept.db").returncode == 0
    size = filled.head().size
    add_party(filled, "x")
    assert call("--ledger", path, "backup", "new.jsonl", "--since", f"#{size}").returncode == 0
    restored = new_location(tmp_path, "restored.db")
    completed = call("--ledger", restored, "restore", "kept.db", "new.jsonl", "--json")
    assert json.loads(completed.stdout)["root"] == filled.head().root.hex(), completed.stderr
    for words in (["new.jsonl", "kept.db"], ["none.db"], ["kept.db"]):
        completed = call("--ledger", restored, "restore", *words)
        assert completed.returncode in (1, 2)
        assert "Traceback" not in completed.stderr
    with Ledger.open(restored) as ledger:
        assert ledger.head() == filled.head()
        assert ledger.verify().clean


def test_a_restore_with_damaged_entries_leaves_no_ledger(
    call: Callable[..., Any], filled: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    filled.backup(tmp_path / "kept.db")
    file = write_segment_file(filled, filled.head().size, tmp_path / "new.jsonl")
    with Path(file).open("a") as segment_file:
        segment_file.write("no json\n")
    restored = new_location(tmp_path, "restored.db")
    completed = call("--ledger", restored, "restore", "kept.db", file)
    assert (
        completed.returncode,
        "new.jsonl:2: the line is not valid JSON" in completed.stderr,
    ) == (1, True), completed.stderr
    with pytest.raises(StoreError, match=r"does not exist|has no ledger"):
        Ledger.open(restored)


def test_a_backup_during_writes_is_a_consistent_snapshot(
    path: LedgerLocation, tmp_path: Path
) -> None:
    finished = threading.Event()

    def write() -> None:
        with Ledger.open(path, writable=True) as writer:
            for number in itertools.count():
                add_party(writer, f"w{number}")
                if finished.is_set():
                    return

    with Ledger.create(path) as ledger:
        record_all(ledger, RECORDS)
    writers = [threading.Thread(target=write)]
    for thread in writers:
        thread.start()
    heads = []
    try:
        with Ledger.open(path) as reader:
            for number in range(5):
                with reader.reading():
                    heads.append(reader.backup(tmp_path / f"kept{number}.db"))
    finally:
        finished.set()
        for thread in writers:
            thread.join()
    with Ledger.open(path) as ledger:
        for number, head in enumerate(heads):
            with Ledger.open(tmp_path / f"kept{number}.db") as backup:
                assert backup.verify().clean
                assert backup.head() == head
                assert ledger.at(known_at=head.size).head() == backup.head()
        assert heads[0].size < heads[-1].size < ledger.head().size
