"""``verify`` finds every change that bypasses the program, and names its entry, table, row and column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backends import ONLY_FILES, ONLY_SERVERS, LedgerTemplate, RawDatabase, tamper
from builders import case, record_all
from claimledger.errors import ClaimledgerError
from claimledger.ledger import Ledger, LedgerLocation, TreeHead
from claimledger.storage.tables import ENTRY, VIEWS

EVERY_FIELD: dict[str, dict[str, Any]] = {
    "a": {
        "asserted": {"edtf": "2022-10-12", "printed": "12/10/2012"}, "about": "2022", "note": "n",
        "scope": {"place": "NLD"}, "language": "nl",
        "figures": [{"measure": "stations", "value": "54", "unit": "x", "nature": "total", "scope": {"p": "q"},
                     "base": "b", "method": "m", "vintage": "v", "formula": "sum(b)"}],
        "citations": [{"source": "a-page", "via": ["b-page"], "locator": "p. 1", "quote": "q",
                       "capture": "copy"}, {"source": "a-page"}],
    }
}  # fmt: skip


def record_everything(ledger: Ledger) -> None:
    """Record a row in every table and a value in every column; amend, withdraw, replace and redact."""
    parties = {
        "one": {
            "type": "person",
            "aliases": ["uno"],
            "part_of": "two",
            "wikidata": "Q1",
            "note": "n",
        }
    }
    sources = {
        "a-page": {
            "publisher": "one", "type": "report", "authors": ["X"], "published": "2022", "accessed": "2022",
            "removed": "2023", "language": "en", "url": "https://example.org/", "note": "n",
            "archive_url": "https://example.org/a", "identifiers": {"doi": "10.1"},
        }
    }  # fmt: skip
    records = case(
        ["a: one obs", "b: two", "c: three", "d: four"],
        ["a contradicts b", "b repeats c"],
        parties=parties, sources=sources, extra=EVERY_FIELD,
    )  # fmt: skip
    records += [
        {"kind": "capture", "key": "copy", "source": "b-page", "sha256": "ab" * 32, "captured_at": "2022",
         "media_type": "text/html", "path": "copies/1", "note": "n"},
        {"kind": "review", "key": "rev", "claim": "a", "reviewer": "two", "reviewed": "2023", "rating": "false",
         "scale": "1-5", "summary": "s", "url": "https://example.org/r", "note": "n"},
        {"kind": "claim", "statement": "without a key", "claimant": "two", "subject": "topic",
         "citations": [{"source": "b-page"}]},
        {"kind": "subject", "key": "narrow", "label": "narrow", "broader": "topic", "aliases": ["n"],
         "wikidata": "Q2", "note": "n"},
        {"kind": "link", "key": "full", "type": "undercuts", "from": "b", "to": {"source": "a-page"},
         "part": "stations", "reason": "r", "basis": "stated", "rule": "conflict", "note": "n",
         "citations": [{"source": "b-page", "via": ["a-page"], "locator": "l", "quote": "q", "capture": "copy"}]},
        {"kind": "term", "key": "whole", "of": "measure", "label": "whole"},
        {"kind": "term", "key": "term", "of": "measure", "label": "stations", "aliases": ["s"],
         "broader": "whole", "reason": "r", "note": "n"},
        {"kind": "decision", "key": "said", "rule": "conflict", "outcome": "declined", "about": ["claim a"],
         "evidence": "e", "link": "full", "reason": "r", "note": "n"},
        {"kind": "disposition", "key": "rest", "dispute": "full", "ending": "period", "reason": "r", "note": "n"},
    ]  # fmt: skip
    record_all(ledger, records)
    ledger.amend("claim", "b", {"note": "amended"}, by="T", reason="why")
    ledger.withdraw("claim", "d", by="T", reason="double", replaced_by="c")
    ledger.redact("claim", "d", by="T", reason="requested")
    assert ledger.verify().clean


FULL = LedgerTemplate.filled(record_everything)


@pytest.fixture
def damaged(store: str, tmp_path: Path) -> LedgerLocation:
    """Return a copy of a ledger with rows in every table, which a test may damage."""
    return FULL.copy(tmp_path)


TABLES = {ENTRY.name: ENTRY, **VIEWS}
COLUMNS = [(name, column.name) for name, table in TABLES.items() for column in table.columns]


def faults(path: LedgerLocation) -> list[str]:
    """Return the faults that verify reports, or the error with which it refuses the ledger."""
    try:
        with Ledger.open(path) as ledger:
            verification = ledger.verify()
    except ClaimledgerError as error:
        return [str(error)]
    assert verification.clean == (not verification.faults)
    return [str(fault) for fault in verification.faults]


@pytest.mark.parametrize(
    ("table", "column"), COLUMNS, ids=[f"{table}.{column}" for table, column in COLUMNS]
)
def test_a_changed_value_in_any_column_is_named(
    damaged: LedgerLocation, table: str, column: str
) -> None:
    key = "number" if table == "entry" else "entry"
    with RawDatabase(damaged) as raw:
        ((entry, value),) = raw.rows(
            f'SELECT {key}, "{column}" FROM {table} ORDER BY "{column}" IS NULL, {key} LIMIT 1'
        )
    changed: Any
    if value is None:
        changed = "'x'" if column not in ("ended_by", "number") else "3"
    elif isinstance(value, int | float):
        changed = str(value + 1000)
    elif isinstance(value, bytes):
        changed = raw.blob(value[::-1] + b"\0")
    else:
        changed = "'" + str(value).replace("'", "''") + "x'"
    at_position = f" AND position = {value}" if column == "position" else ""
    tamper(damaged, f'UPDATE {table} SET "{column}" = {changed} WHERE {key} = {entry}{at_position}')
    messages = faults(damaged)
    assert messages
    assert any(table in fault or "is missing from the log" in fault for fault in messages), messages
    if column not in ("entry", "number", "position", "kind", "key", "field"):
        assert any(
            f"column {column}" in fault and f"entry {entry}" in fault for fault in messages
        ), messages


@pytest.mark.parametrize("table", list(TABLES))
def test_a_missing_row_is_named(damaged: LedgerLocation, table: str) -> None:
    key = "number" if table == "entry" else "entry"
    tamper(damaged, f"DELETE FROM {table} WHERE {key} = (SELECT min({key}) FROM {table})")
    assert any(table in fault or "missing" in fault for fault in faults(damaged))


@pytest.mark.parametrize("table", [name for name in TABLES if name != "entry"])
def test_an_extra_row_is_named(damaged: LedgerLocation, table: str) -> None:
    with RawDatabase(damaged) as raw:
        names = raw.columns(table)
    columns = ", ".join("9999" if name == "entry" else f'"{name}"' for name in names)
    tamper(damaged, f"INSERT INTO {table} SELECT {columns} FROM {table} LIMIT 1")
    assert any(f"table {table}" in fault and "9999" in fault for fault in faults(damaged))


def test_a_truncated_log_is_named(damaged: LedgerLocation) -> None:
    tamper(damaged, "DELETE FROM entry WHERE number = (SELECT max(number) FROM entry)")
    assert any("beyond the log" in fault for fault in faults(damaged))


def test_a_reordered_log_is_named(damaged: LedgerLocation) -> None:
    tamper(
        damaged,
        "UPDATE entry SET number = 1000 WHERE number = 2",
        "UPDATE entry SET number = 2 WHERE number = 3",
        "UPDATE entry SET number = 3 WHERE number = 1000",
    )
    assert any("entry 2" in fault or "entry 3" in fault for fault in faults(damaged))


@ONLY_FILES  # SQLite's syntax; the next test has PostgreSQL's
@pytest.mark.parametrize(
    "sql",
    [
        "DROP TRIGGER entry_stays",
        "DROP TRIGGER entry_is_next",
        "DROP TRIGGER entry_is_only_redacted",
        "DROP INDEX history_key",
        "CREATE TABLE more (x TEXT)",
        "CREATE TRIGGER more AFTER INSERT ON claim BEGIN SELECT 1; END",
        "CREATE TRIGGER claim AFTER INSERT ON claim BEGIN SELECT 1; END",  # has the name of a table
        "CREATE TRIGGER history_key AFTER INSERT ON history BEGIN SELECT 1; END",
        "CREATE TRIGGER search AFTER INSERT ON search_words BEGIN SELECT 1; END",
        "CREATE TABLE entry_stays (x TEXT)",
        'CREATE TABLE "more\'; --" (x TEXT)',
        "CREATE INDEX more ON claim (statement)",
        "CREATE VIEW more AS SELECT 1",
        "CREATE VIRTUAL TABLE more USING fts5 (x)",
        "CREATE TABLE more (x INTEGER PRIMARY KEY AUTOINCREMENT)",
        "ANALYZE",
        "ALTER TABLE claim ADD COLUMN more TEXT",
        "DROP TABLE review",
        "PRAGMA user_version = 100",
    ],
)
def test_a_changed_table_index_or_trigger_in_a_file_is_found(
    damaged: LedgerLocation, sql: str
) -> None:
    with RawDatabase(damaged) as raw:
        raw.run(sql)
    assert faults(damaged)


@ONLY_SERVERS  # PostgreSQL's syntax
@pytest.mark.parametrize(
    "sql",
    [
        "DROP TRIGGER entry_stays ON entry",
        "ALTER TABLE entry DISABLE TRIGGER entry_is_next",
        "ALTER TABLE entry ENABLE REPLICA TRIGGER entry_is_only_redacted",
        "CREATE OR REPLACE FUNCTION entry_stays() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
        "CREATE OR REPLACE FUNCTION standing(OUT layout bigint, OUT size bigint, OUT header text, "
        "OUT peaks bytea) LANGUAGE plpgsql AS 'BEGIN END'",
        "CREATE FUNCTION more() RETURNS bigint LANGUAGE sql AS 'SELECT 1'",
        "DROP INDEX history_key",
        "DROP INDEX search",
        "CREATE INDEX more ON claim (statement)",
        "CREATE TABLE more (x text)",
        "CREATE VIEW more AS SELECT 1",
        "CREATE TRIGGER more BEFORE INSERT ON claim FOR EACH ROW EXECUTE FUNCTION entry_stays()",
        "ALTER TABLE claim ADD COLUMN more text",
        "ALTER TABLE claim ALTER COLUMN statement TYPE varchar",
        'ALTER TABLE claim ALTER COLUMN statement TYPE text COLLATE "ucs_basic"',
        "DROP TABLE review",
        "UPDATE head SET layout = 100",
    ],
)
def test_a_changed_table_index_or_trigger_on_a_server_is_found(
    damaged: LedgerLocation, sql: str
) -> None:
    with RawDatabase(damaged) as raw:
        raw.run(sql)
    assert faults(damaged)


@ONLY_FILES  # on a server, verify compares the indexed words instead
@pytest.mark.parametrize("table", ["search_data", "search_idx", "search_docsize", "search_config"])
def test_a_changed_search_index_is_found(damaged: LedgerLocation, table: str) -> None:
    with RawDatabase(damaged) as raw:
        column = raw.columns(table)[-1]
        condition = "" if table in ("search_idx", "search_config") else (
            f" WHERE rowid = (SELECT max(rowid) FROM {table})")  # fmt: skip
        raw.run("PRAGMA writable_schema = ON", f"UPDATE {table} SET {column} = 17{condition}")
    assert faults(damaged)


@ONLY_FILES  # only SQLite has these tables
@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM search_idx",
        "DELETE FROM search_idx WHERE term = (SELECT max(term) FROM search_idx)",
        "INSERT INTO search_idx VALUES (99, 'x', 4)",
        "INSERT INTO search_data VALUES (7, x'00')",
        "INSERT INTO search_data VALUES (999999999999, x'00')",
        "INSERT INTO search_data SELECT max(id) + 5, x'00' FROM search_data",
        "UPDATE search_data SET block = CAST(block AS TEXT) WHERE id = 1",
        "UPDATE search_docsize SET sz = CAST(sz AS TEXT) WHERE id = 1",
        "DELETE FROM search_data WHERE id = 10",
        "UPDATE search_data SET block = x'00000000ffffffffffffffffffffffffff' WHERE id = 10",
    ],
)
def test_damage_that_the_check_of_the_index_itself_misses_is_named(
    damaged: Path, change: str
) -> None:
    with Ledger.open(damaged, writable=True) as ledger:  # an index of several pages
        record_all(ledger, [{"kind": "party", "name": f"p{n} q{n} r{n} s{n}"} for n in range(400)])
        assert ledger.verify().faults == ()
    with RawDatabase(damaged) as raw:
        raw.run(change)
    assert any("search" in fault for fault in faults(damaged))


def test_every_row_of_an_old_version_is_compared_with_the_log(damaged: LedgerLocation) -> None:
    with Ledger.open(damaged, writable=True) as ledger:
        record_all(ledger, case(["several: another @s1 @s2"]))
        ledger.amend("claim", "several", {"note": "n"}, by="T", reason="r")
    query = "SELECT max(entry) FROM claim_citation WHERE ended_by IS NOT NULL"
    with RawDatabase(damaged) as raw:
        assert raw.rows(f"SELECT count(*) FROM claim_citation WHERE entry = ({query})") == [(2,)]
    change = f"UPDATE claim_citation SET ended_by = NULL WHERE position = 1 AND entry = ({query})"
    tamper(damaged, change)
    assert any("claim_citation" in fault and "ended_by" in fault for fault in faults(damaged))


@ONLY_FILES  # only SQLite has these tables
def test_a_missing_posting_in_the_search_index_is_named(damaged: LedgerLocation) -> None:
    with RawDatabase(damaged) as raw:
        raw.run(
            "INSERT INTO search (search, rowid, words) "
            "SELECT 'delete', entry, words FROM search_words ORDER BY entry DESC LIMIT 1"
        )
    assert any("search" in fault for fault in faults(damaged))


def test_verify_lists_redactions(damaged: LedgerLocation) -> None:
    with Ledger.open(damaged) as ledger:
        verification = ledger.verify()
    (redaction,) = verification.redactions
    assert (redaction.kind, redaction.key) == ("claim", "d")


def test_rebuild_repairs_every_view(damaged: LedgerLocation) -> None:
    tamper(
        damaged, "UPDATE claim SET statement = 'forged'", "DELETE FROM history", "DELETE FROM reference",
        "UPDATE search_words SET words = 'none'", "DROP INDEX history_key", "CREATE TABLE more (x TEXT)",
    )  # fmt: skip
    assert faults(damaged)
    with Ledger.open(damaged, writable=True) as ledger:
        root = ledger.head().root
        ledger.rebuild()
        assert ledger.verify().faults == ()
        assert ledger.head().root == root


def test_verify_compares_the_log_with_an_earlier_size_and_root(
    path: LedgerLocation, ledger: Ledger, call: Callable[..., Any]
) -> None:
    record_all(ledger, case(["a: one", "b: two"]))
    head = ledger.head()
    record_all(ledger, case(["c: one"]))
    size, root = str(head.size), head.root.hex()

    def verify(size: str, root: str) -> tuple[int, str]:
        result = call("verify", "--at", size, "--root", root)
        return result.returncode, " ".join(result.stdout.split())

    status, text = verify(size, root)
    assert (status, "continues from the size and root that you gave" in " ".join(text.split())) == (
        0,
        True,
    )
    status, text = verify(size, root[::-1])
    assert (status, "this is another log, or it was rewritten" in text) == (1, True)
    assert "typing errors" in text
    assert "salvage" not in text  # nothing here is damaged
    status, text = verify("999", root)
    assert (status, "the log ends at entry" in text, "typing errors" in text) == (1, True, True)
    tamper(path, "UPDATE claim SET statement = 'forged'")
    status, text = verify(size, root[::-1])
    assert (status, "another log" in text, "salvage" in text) == (1, True, True)
    with Ledger.open(path) as opened:
        assert not opened.verify(earlier=TreeHead(head.size, bytes(32))).continues
        assert opened.verify(earlier=head).continues


VIEW_DAMAGE = {
    "UPDATE source SET authors = '-1'": [
        "report",
        "audit a",
        "disputes",
        "show a",
        "graph",
        "flags",
    ],
    "UPDATE claim_figure SET low = 'x'": ["audit a", "compare a b", "show a"],
    "UPDATE claim SET claimant = '-1'": ["audit a", "flags", "show a"],
}
"""Statements that damage views, with commands that read them."""


@pytest.mark.parametrize("damage", list(VIEW_DAMAGE))
def test_a_command_that_fails_on_damaged_views_prints_a_message(
    damage: str, damaged: LedgerLocation, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAIMLEDGER_TRACEBACK", "")
    tamper(damaged, damage)
    failed = 0
    for words in VIEW_DAMAGE[damage]:
        result = call("--ledger", damaged, *words.split())
        assert "Traceback" not in result.stderr, (words, result.stderr)
        assert result.returncode in (0, 1)
        failed += result.returncode
        assert ("claimledger verify" in result.stderr) == (result.returncode == 1), (
            words,
            result.stderr,
        )
    assert failed


@pytest.mark.parametrize("share", [1, 5, 10_000])
def test_several_processes_find_the_same_faults_as_one(
    damaged: LedgerLocation, monkeypatch: pytest.MonkeyPatch, share: int
) -> None:
    """A small ledger is normally checked in one process; here it is checked in several."""
    with RawDatabase(damaged) as raw:
        zero = raw.blob(b"\0")
    tamper(
        damaged,
        "UPDATE claim SET statement = 'forged'",
        f"UPDATE entry SET salt = {zero} WHERE number = 3",
        "UPDATE link SET ended_by = 7 WHERE entry = (SELECT max(entry) FROM link)",
        "UPDATE reference SET key = 'other' WHERE key = 'topic'",
    )
    expected = sorted(faults(damaged))
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    monkeypatch.setattr("claimledger.ledger.verify.verification._LEAST_SHARED_ENTRIES", 1)
    monkeypatch.setattr("claimledger.ledger.verify.verification.may_fork", lambda: True)
    monkeypatch.setattr("claimledger.ledger.verify.verification._SEGMENT_ENTRIES", share)
    assert sorted(faults(damaged)) == expected
    assert any("column salt" in fault for fault in expected)


@pytest.mark.parametrize("share", [1, 5, 10_000])
def test_several_processes_find_no_fault_in_a_clean_ledger(
    damaged: LedgerLocation, monkeypatch: pytest.MonkeyPatch, share: int
) -> None:
    with Ledger.open(damaged) as ledger:
        expected = ledger.verify()
        monkeypatch.setattr("os.cpu_count", lambda: 3)
        monkeypatch.setattr("claimledger.ledger.verify.verification._LEAST_SHARED_ENTRIES", 1)
        monkeypatch.setattr("claimledger.ledger.verify.verification.may_fork", lambda: True)
        monkeypatch.setattr("claimledger.ledger.verify.verification._SEGMENT_ENTRIES", share)
        assert ledger.verify() == expected


EXTRA_COLUMNS = {
    name: f"ALTER TABLE {name} ADD COLUMN planted TEXT" for name in (*VIEWS, "pending_scrub")
}


@pytest.mark.parametrize("name", list(EXTRA_COLUMNS))
def test_a_table_with_an_extra_column_hides_no_other_fault(
    name: str, damaged: LedgerLocation
) -> None:
    """The log, the earlier root and all other tables are still checked."""
    with Ledger.open(damaged) as ledger:
        head = ledger.head()
        number = ledger.get("claim", "a").entry
        review = ledger.get("review", "rev").entry
    tamper(
        damaged, EXTRA_COLUMNS[name], f"UPDATE review SET rating = 'true' WHERE entry = {review}"
    )
    with Ledger.open(damaged) as ledger:
        verification = ledger.verify(earlier=head)
    assert verification.size == head.size
    assert verification.root == head.root
    assert verification.continues
    assert {fault.table for fault in verification.faults} == {name, "review"}
    tamper(
        damaged,
        f"UPDATE entry SET payload = replace(payload, 'a says so', 'forged') WHERE number = {number}",
    )
    with Ledger.open(damaged) as ledger:
        verification = ledger.verify(earlier=TreeHead(head.size, bytes(32)))
    assert verification.continues is False
    assert (number, "payload") in {(fault.entry, fault.column) for fault in verification.faults}


def test_the_rules_of_the_log_are_checked_against_the_log_alone(damaged: LedgerLocation) -> None:
    """A changed table ``history`` makes no valid entry invalid and hides no invalid entry."""
    with Ledger.open(damaged) as ledger:
        amended = ledger.get("claim", "b").entry
    tamper(damaged, "UPDATE history SET key = 'other' WHERE kind = 'claim' AND key = 'b'")
    messages = faults(damaged)
    assert messages
    assert [fault for fault in messages if "rule" in fault] == []
    tamper(
        damaged,
        f"UPDATE entry SET payload = replace(payload, 'amend', 'record') WHERE number = {amended}",
    )
    assert any("rule `digest`" in fault for fault in faults(damaged))
