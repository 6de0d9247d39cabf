"""Backups and moves: the same log elsewhere, proved, whole or absent; another ledger's is refused."""

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
from claimledger.importers.log_segments import reading_strand
from claimledger.ledger import Ledger, LedgerLocation

DRAWN = case(["a: one obs", "b: two", "c: three"], ["b repeats a", "c contradicts a"])


def more(ledger: Ledger, key: str) -> None:
    record_all(ledger, [{"kind": "party", "key": key, "name": key}])


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    """A ledger with everything a log can hold: amended, withdrawn, replaced, redacted."""
    record_all(ledger, DRAWN)
    ledger.amend("claim", "a", {"note": "n"}, by="T", reason="r")
    record_all(ledger, case(["d: one", "e: one"]))
    ledger.withdraw("claim", "d", by="T", reason="double", replaced_by="a")
    ledger.withdraw("claim", "e", by="T", reason="r")
    ledger.redact("claim", "e", by="T", reason="r")
    return ledger


def strand_file(ledger: Ledger, since: int, path: Path) -> str:
    path.write_text("".join(json.dumps(line) + "\n" for line in ledger.entries_since(since)))
    return str(path)


def receive(where: LedgerLocation, file: str) -> int:
    with Ledger.open(where, writable=True) as ledger, reading_strand(file) as strand:
        return ledger.append_entries(strand)


def test_a_move_there_and_back_keeps_log_root_and_answers(filled: Ledger, tmp_path: Path) -> None:
    path, back = new_location(tmp_path, "there.db"), tmp_path / "back.db"
    stand = filled.move(path)
    with Ledger.open(path) as moved:
        assert moved.verify().clean
        moved.move(back)
    with Ledger.open(back) as ledger:
        assert ledger.verify().clean
        assert ledger.head() == stand == filled.head()
        assert list(ledger.entries()) == list(filled.entries())
        assert analysis_of(ledger).as_json("a") == analysis_of(filled).as_json("a")
        assert ledger.get("claim", "d").key == "a"


def test_nothing_is_moved_over_what_is_there(filled: Ledger, tmp_path: Path) -> None:
    path = new_location(tmp_path, "there.db")
    Ledger.create(path).close()
    with pytest.raises(StoreError, match=r"exists|holds a ledger already"):
        filled.move(path)
    with Ledger.open(path) as ledger:
        assert ledger.head().size == 0


def test_a_move_that_fails_leaves_nothing(
    filled: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    """Here the log is damaged: its copy would have another root."""
    target = new_location(tmp_path, "there.db")
    with RawDatabase(path) as raw:
        raw.tamper(
            f"UPDATE entry SET nodes = {raw.blob(bytes(64))} WHERE number = (SELECT max(number) FROM entry)"
        )
    with pytest.raises(StoreError, match="does not give the root"):
        filled.move(target)
    with pytest.raises(StoreError, match=r"does not exist|holds no ledger"):
        Ledger.open(target)
    assert not list(tmp_path.glob(".there*"))
    Ledger.create(target).close()


def test_a_backup_is_a_ledger_and_is_brought_up_to_date(filled: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    for key in ("x", "y"):
        stand = filled.backup(path)
        with Ledger.open(path) as ledger:
            assert ledger.verify().clean
            assert ledger.head() == stand == filled.head()
        more(filled, key)
    assert [file.name for file in tmp_path.glob("*kept*")] == ["kept.db"]


def test_a_backup_of_another_ledger_or_a_fork_is_refused_with_the_entry(
    filled: Ledger, tmp_path: Path
) -> None:
    path, fork = tmp_path / "kept.db", tmp_path / "fork.db"
    filled.backup(path)
    filled.move(fork)
    for _ in range(5):
        more(filled, f"x{filled.head().size}")
    with Ledger.open(fork, writable=True) as forked:
        for _ in range(3):
            more(forked, f"y{forked.head().size}")
        with pytest.raises(StoreError, match=rf"part at entry {filled.head().size - 4};"):
            filled.backup(fork)
        forked.backup(path)
        with pytest.raises(StoreError, match="part at entry"):
            filled.backup(path)
    before = fork.read_bytes()
    with pytest.raises(StoreError, match="part at entry"):
        filled.backup(fork)
    with Ledger.create(tmp_path / "other.db") as ledger:
        more(ledger, "z")
    with pytest.raises(StoreError, match="part at entry 1;"):
        filled.backup(tmp_path / "other.db")
    (tmp_path / "text.db").write_text("no ledger at all")
    with pytest.raises(StoreError, match="is not a ledger"):
        filled.backup(tmp_path / "text.db")
    assert fork.read_bytes() == before
    assert (tmp_path / "text.db").read_text() == "no ledger at all"


def test_a_newer_backup_is_not_written_over_by_an_older_ledger(
    filled: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    backup_path = tmp_path / "kept.db"
    filled.backup(backup_path)
    with Ledger.open(backup_path, writable=True) as newer:
        more(newer, "x")
    with pytest.raises(StoreError, match="the newer of the two"):
        filled.backup(backup_path)


def test_a_damaged_ledger_gives_no_backup(
    filled: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    tamper(path, "UPDATE claim SET statement = 'forged' WHERE key = 'a'")
    if isinstance(path, Path):  # a file is copied as it is; from a server the views are made anew
        output = rf"^{path} is damaged, and no backup was written to .*kept.db: .*column statement.*rebuild"
        with pytest.raises(StoreError, match=output):
            filled.backup(tmp_path / "kept.db")
        assert not list(tmp_path.glob("*kept*"))
    else:
        filled.backup(tmp_path / "kept.db")
        with Ledger.open(tmp_path / "kept.db") as ledger:
            assert ledger.verify().clean


def test_entries_take_a_copy_further_with_all_they_did(
    ledger: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    """Also a redaction of what the copy still reads."""
    record_all(ledger, DRAWN)
    copies = [new_location(tmp_path, f"copy{n}.db") for n in range(3)]
    for copy in copies:
        ledger.move(copy)
    size = ledger.head().size
    ledger.amend("claim", "b", {"note": "n"}, by="T", reason="r")
    plain = strand_file(ledger, size, tmp_path / "plain.jsonl")
    record_all(ledger, case(["d: one"], extra={"d": {"statement": "quokka"}}))
    ledger.withdraw("claim", "c", by="T", reason="r", cascade=True)
    ledger.redact("claim", "c", by="T", reason="r")
    complete = strand_file(ledger, size, tmp_path / "whole.jsonl")
    rest = strand_file(ledger, size + 1, tmp_path / "rest.jsonl")
    assert receive(copies[0], plain) == 1
    assert receive(copies[0], complete) == ledger.head().size - size - 1
    assert receive(copies[1], complete) == ledger.head().size - size
    with pytest.raises(StoreError, match="what comes between first"):
        receive(copies[2], rest)
    assert receive(copies[2], plain) + receive(copies[2], rest) == ledger.head().size - size
    assert receive(copies[2], rest) == 0
    for copy in copies:
        with Ledger.open(copy) as copied:
            assert copied.verify().faults == ()
            assert copied.head() == ledger.head()
            assert [match.stored.key for match in copied.search("quokka")] == ["d"]
            assert not copied.with_key("c")


def test_entries_of_another_ledger_or_a_fork_are_refused(
    filled: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    copy, unrelated = new_location(tmp_path, "copy.db"), new_location(tmp_path, "other.db")
    filled.move(copy)
    with Ledger.create(unrelated) as ledger:
        record_all(ledger, case(["a: one obs", "b: two", "c: three"]))
    size = filled.head().size
    more(filled, "x")
    more(filled, "y")
    file = strand_file(filled, size, tmp_path / "file.jsonl")
    with pytest.raises(StoreError, match=r"ends at \d+: take what comes between"):
        receive(unrelated, file)
    late = strand_file(filled, 5, tmp_path / "late.jsonl")
    with pytest.raises(StoreError, match=r"up to entry 5, .* different roots"):
        receive(unrelated, late)
    with Ledger.open(copy, writable=True) as ledger:
        more(ledger, "z")
        before = ledger.head()
    with pytest.raises(StoreError, match=f"part at entry {size + 1}: one of them forked"):
        receive(copy, file)
    with Ledger.open(copy) as ledger:
        assert ledger.head() == before


SPOILT: dict[str, Callable[[list[dict[str, Any]]], object]] = {
    "is entry": lambda lines: lines.pop(1),
    "is not whole: it ends with": lambda lines: lines.pop(),
    "do not give the root": lambda lines: lines[0]["ends"].update(root="00" * 32),
    "lists it": lambda lines: lines[2].update(payload=None, salt=None),
    "by a newer claimledger .log format 99": lambda lines: lines[0].update(format=99),
    "`format` is None": lambda lines: lines[0].pop("format"),
    "`format` is True": lambda lines: lines[0].update(format=True),
    "no entry of a log": lambda lines: lines[1].pop("salt"),
    "does not give the digest": lambda lines: lines[1].update(payload=lines[2]["payload"]),
    "does not have a header of format 1": lambda lines: lines[1].update(header="{}"),
    "goes back in time": lambda lines: lines[2].update(
        header=lines[2]["header"].replace('recorded_at":"2', 'recorded_at":"1')
    ),
    "is of format 2": lambda lines: lines[1].update(
        header=lines[1]["header"].replace('"format":1', '"format":2')
    ),
    "is no backup": lambda lines: lines.pop(0),
    "where it ends": lambda lines: lines[0].pop("ends"),
}


@pytest.mark.parametrize("what", list(SPOILT))
def test_spoilt_entries_are_refused_naming_file_and_line(
    what: str, filled: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    copy = new_location(tmp_path, "copy.db")
    filled.move(copy)
    size = filled.head().size
    for key in ("x", "y", "z"):
        more(filled, key)
    lines = list(filled.entries_since(size))
    SPOILT[what](lines)
    file = tmp_path / "spoilt.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(StoreError, match=rf"spoilt\.jsonl.*{what}"):
        receive(copy, str(file))
    with Ledger.open(copy) as ledger:
        assert ledger.head().size == size
        assert ledger.verify().clean
    # Where the ledger holds these entries already, a changed header is the sign of a fork.
    known = rf"spoilt\.jsonl.*({what}|part at entry)"
    with pytest.raises(StoreError, match=known):
        receive(path, str(file))


def test_backup_and_restore_as_a_keeper_uses_them(
    call: Callable[..., Any], filled: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    assert call("--ledger", path, "backup", "kept.db").returncode == 0
    size = filled.head().size
    more(filled, "x")
    assert call("--ledger", path, "backup", "new.jsonl", "--since", f"#{size}").returncode == 0
    again = new_location(tmp_path, "again.db")
    done = call("--ledger", again, "restore", "kept.db", "new.jsonl", "--json")
    assert json.loads(done.stdout)["root"] == filled.head().root.hex(), done.stderr
    for words in (["new.jsonl", "kept.db"], ["none.db"], ["kept.db"]):
        done = call("--ledger", again, "restore", *words)
        assert done.returncode in (1, 2)
        assert "Traceback" not in done.stderr
    with Ledger.open(again) as ledger:
        assert ledger.head() == filled.head()
        assert ledger.verify().clean


def test_what_is_restored_with_spoilt_entries_is_not_there(
    call: Callable[..., Any], filled: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    filled.backup(tmp_path / "kept.db")
    file = strand_file(filled, filled.head().size, tmp_path / "new.jsonl")
    with Path(file).open("a") as end:
        end.write("no json\n")
    again = new_location(tmp_path, "again.db")
    done = call("--ledger", again, "restore", "kept.db", file)
    assert (done.returncode, "new.jsonl:2: is not JSON" in done.stderr) == (1, True), done.stderr
    with pytest.raises(StoreError, match=r"does not exist|holds no ledger"):
        Ledger.open(again)


def test_a_backup_taken_while_others_write_is_of_one_moment(
    path: LedgerLocation, tmp_path: Path
) -> None:
    done = threading.Event()

    def write() -> None:
        with Ledger.open(path, writable=True) as writer:
            for number in itertools.count():
                more(writer, f"w{number}")
                if done.is_set():
                    return

    with Ledger.create(path) as ledger:
        record_all(ledger, DRAWN)
    others = [threading.Thread(target=write)]
    for thread in others:
        thread.start()
    stands = []
    try:
        with Ledger.open(path) as reader:
            for number in range(5):
                with reader.reading():
                    stands.append(reader.backup(tmp_path / f"kept{number}.db"))
    finally:
        done.set()
        for thread in others:
            thread.join()
    with Ledger.open(path) as ledger:
        for number, stand in enumerate(stands):
            with Ledger.open(tmp_path / f"kept{number}.db") as backup:
                assert backup.verify().clean
                assert backup.head() == stand
                assert ledger.at(known_at=stand.size).head() == backup.head()
        assert stands[0].size < stands[-1].size < ledger.head().size
