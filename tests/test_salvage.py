"""``salvage`` saves every intact entry of a damaged file and reports exactly which entries are lost."""

from __future__ import annotations

import json
import random
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from backends import ONLY_FILES, new_location, tamper
from builders import case, record_all
from claimledger.errors import StoreError
from claimledger.importers.case_files import read_files
from claimledger.ledger import Ledger, salvage, survey

pytestmark = ONLY_FILES  # administrators repair a damaged server


@pytest.fixture
def filled(path: Path, ledger: Ledger) -> Path:
    """Return a ledger with every action, large enough to have many pages."""
    record_all(ledger, case(["a: one obs", "b: two"], ["b contradicts a"]))
    record_all(ledger, case(["gone: one"]))
    ledger.withdraw("claim", "gone", by="T", reason="r")
    ledger.redact("claim", "gone", by="T", reason="r")
    for number in range(40):
        record_all(
            ledger, case([f"c{number}: one"], extra={f"c{number}": {"statement": "so " * 200}})
        )
    ledger.amend("claim", "c30", {"note": "n"}, by="T", reason="r")
    ledger.withdraw("claim", "c31", by="T", reason="r")
    ledger.close()
    return path


def test_salvaging_an_intact_file_loses_nothing(filled: Path, tmp_path: Path) -> None:
    with Ledger.open(filled) as ledger:
        head = ledger.head()
    report = salvage(filled, tmp_path / "saved.db")
    assert (report.lost, report.behind) == ([], [])
    with Ledger.open(tmp_path / "saved.db") as saved:
        assert saved.verify().clean
        assert saved.head() == head
    assert (report.intact, report.root) == (head.size, head.root.hex())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            "UPDATE entry SET payload = replace(payload, 'so', 'no') WHERE number = 20",
            "does not give the digest",
        ),
        (
            "UPDATE entry SET header = replace(header, 'Z\"', 'z\"') WHERE number = 20",
            "tree was not built over",
        ),
        ("UPDATE entry SET header = 'x' WHERE number = 20", "tree was not built over"),
        ("UPDATE entry SET salt = NULL WHERE number = 20", "(rule `salt`)"),
        (
            "UPDATE entry SET payload = NULL, salt = NULL WHERE number = 20",
            "no redaction lists it (rule `emptied`)",
        ),
        ("DELETE FROM entry WHERE number = 20", "cannot be read"),
    ],
)
def test_a_lost_entry_is_reported_and_the_rest_is_saved(
    filled: Path, tmp_path: Path, change: str, why: str
) -> None:
    with Ledger.open(filled) as ledger:
        size, before = ledger.head().size, ledger.at(known_at=19).head().root.hex()
        current = {stored.key for stored in ledger.records("claim")}
        lost = next(iter(ledger.at_entries([20]).values())).key
    tamper(filled, change)
    report = salvage(filled, tmp_path / "saved.db")
    assert [(entry.number, why in entry.why) for entry in report.lost] == [(20, True)]
    assert (report.intact, report.root, report.size) == (19, before, size)
    rest = tmp_path / "rest.jsonl"
    rest.write_text("".join(json.dumps(record) + "\n" for record in report.records()))
    with Ledger.open(tmp_path / "saved.db", writable=True) as saved:
        assert saved.verify().clean
        assert saved.head().root.hex() == before
        saved.import_records(read_files([str(rest)]), by="Salvage")
        assert {stored.key for stored in saved.records("claim")} == current - {lost}
        if lost != "c30":
            assert saved.get("claim", "c30").record.note == "n"
        assert not saved.with_key("c31")
        assert saved.verify().clean


@pytest.mark.parametrize("seed", range(6))
def test_a_file_with_destroyed_pages_gives_no_error_and_no_invented_entry(
    filled: Path, tmp_path: Path, seed: int, call: Callable[..., Any]
) -> None:
    rng = random.Random(seed)
    with Ledger.open(filled) as ledger:
        originals = {entry.number: entry for entry in ledger.entries()}
    content = bytearray(filled.read_bytes())
    for _ in range(rng.randint(1, 4)):
        page = rng.randrange(1, len(content) // 4096)
        content[page * 4096 : (page + 1) * 4096] = rng.randbytes(4096) if seed % 2 else bytes(4096)
    if seed % 3 == 0:
        del content[-4096 * rng.randint(1, 5) :]
    torn = tmp_path / "torn.db"
    torn.write_bytes(content)
    for words in (
        ["verify", "--deep", "--json"],
        ["verify"],
        ["stats"],
        ["list"],
        ["salvage", "saved.db"],
    ):
        result = call("--ledger", torn, *words)
        assert "Traceback" not in result.stderr, result.stderr
    verified = call("--ledger", torn, "verify", "--deep", "--json")
    if verified.returncode and not verified.stdout:
        assert "nothing of a log can be read" in verified.stderr
        return
    report = survey(torn)
    for row in report.rows:
        assert originals[row[0]].header.decode() == row[1]
    assert report.intact + len(report.lost) + len(report.behind) >= report.size or report.size == 0
    if report.intact:
        with Ledger.open(tmp_path / "saved.db") as saved:
            assert saved.verify().clean
            assert saved.head().root.hex() == report.root


def test_salvage_refuses_existing_targets_and_sources_that_are_not_ledgers(
    filled: Path, tmp_path: Path, call: Callable[..., Any]
) -> None:
    (tmp_path / "text.db").write_text("no ledger")
    for words in (
        ["--ledger", filled, "salvage", filled],
        ["--ledger", tmp_path / "text.db", "salvage", tmp_path / "saved.db"],
        ["--ledger", tmp_path / "none.db", "salvage", tmp_path / "saved.db"],
        ["--ledger", tmp_path, "verify", "--deep"],
        ["--ledger", "postgresql://u:hunter2@h/d", "salvage", tmp_path / "saved.db"],
    ):
        result = call(*words)
        assert result.returncode in (1, 2)
        assert "Traceback" not in result.stderr
        assert "hunter2" not in result.stderr
    assert not (tmp_path / "saved.db").exists()
    assert new_location(tmp_path) == filled


@pytest.mark.parametrize("share", [0.99, 0.9, 0.8])
def test_a_truncated_file_gives_the_entries_that_are_left(
    share: float, filled: Path, tmp_path: Path
) -> None:
    """Like an interrupted copy: the header names more pages than the file has."""
    with Ledger.open(filled) as ledger:
        head = ledger.head()
    truncated = tmp_path / "truncated.db"
    truncated.write_bytes(filled.read_bytes()[: int(filled.stat().st_size * share)])
    report = salvage(truncated, tmp_path / "saved.db")
    assert report.intact + len(report.behind) > 20
    with Ledger.open(tmp_path / "saved.db") as saved, Ledger.open(filled) as ledger:
        assert saved.verify().clean
        assert saved.head() == ledger.at(known_at=saved.head().size).head()
    # The number of entries after the cut is unknown, but the report says that something is missing.
    assert report.size <= head.size
    assert report.lost[-1].number == report.size + 1
    assert re.search(r"cut off, and has \d+ of \d+ pages", report.lost[-1].why)


@pytest.mark.parametrize("scrubbed", [True, False])
def test_damage_of_the_schema_table_loses_no_entry(
    scrubbed: bool, filled: Path, tmp_path: Path
) -> None:
    """The schema table begins on the first page and continues on others."""
    if not scrubbed:
        filled = tmp_path / "plain.db"
        with Ledger.create(filled) as ledger:
            record_all(ledger, case(["a: one obs", "b: two"], ["b contradicts a"]))
    complete = survey(filled).intact
    content = filled.read_bytes()
    damaged = tmp_path / "damaged.db"
    starts = range(0, len(content), 4096)
    schema_pages = [
        0,
        *(start for start in starts if b"CREATE TRIGGER" in content[start : start + 4096]),
    ]
    for start in schema_pages:
        damaged.write_bytes(content[:start] + bytes(4096) + content[start + 4096 :])
        assert survey(damaged).intact == complete, start
    assert len(set(schema_pages)) > 1


def test_a_database_of_another_program_is_not_read_as_a_log(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as driver:
        driver.execute(
            "CREATE TABLE notes (number INTEGER PRIMARY KEY, header, payload, salt, nodes)"
        )
        driver.execute("INSERT INTO notes VALUES (1, 'a', 'b', 'c', 'd')")
        driver.commit()
    for file in (path, tmp_path / "empty.db", tmp_path / "text.db"):
        if file != path:
            file.write_text("" if file.name == "empty.db" else "no database" * 2000, "utf-8")
        with pytest.raises(StoreError, match="nothing of a log can be read"):
            survey(file)


def test_remaining_records_are_written_even_if_the_first_entry_is_lost(
    filled: Path, tmp_path: Path, call: Callable[..., Any]
) -> None:
    tamper(filled, "UPDATE entry SET header = 'x' WHERE number = 1")
    result = call("--ledger", filled, "salvage", tmp_path / "saved.db")
    assert result.returncode == 0, result.stderr
    assert "0 of" in result.stdout
    rest = tmp_path / "saved.db.rest.jsonl"
    keys = {json.loads(line)["key"] for line in rest.read_text("utf-8").splitlines()}
    assert {"a", "b", "c0", "c39"} <= keys
    with Ledger.open(tmp_path / "saved.db") as saved:
        assert saved.head().size == 0
        assert saved.verify().faults == ()
