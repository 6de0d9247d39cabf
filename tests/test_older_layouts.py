"""A ledger with the tables of an older version: reads leave it unchanged, the first write rebuilds the tables."""

from __future__ import annotations

import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest

from builders import analysis_of, case, record_all, status_line
from claimledger.ledger import Ledger
from claimledger.storage.tables import LAYOUT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a file: no version ever stored an older layout on a server."""
    return tmp_path / "ledger.db"


@pytest.fixture
def older(path: Path) -> Path:
    """Return a ledger without the tables and columns for terms, decisions and formulas."""
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one obs", "b: two obs"], ["a corroborates b"]))
    raw = sqlite3.connect(path)
    for name in ("term", "decision", "disposition"):
        raw.execute(f"DROP TABLE {name}")
    raw.execute("DROP INDEX claim_figure_formula")
    raw.execute("ALTER TABLE link DROP COLUMN rule")
    raw.execute("ALTER TABLE claim_figure DROP COLUMN formula")
    raw.execute(f"PRAGMA user_version = {LAYOUT - 1}")
    raw.commit()
    raw.close()
    return path


def test_reading_an_older_ledger_works_and_does_not_change_the_file(older: Path) -> None:
    before = sha256(older.read_bytes()).hexdigest()
    with Ledger.open(older) as ledger:
        assert status_line(analysis_of(ledger), "a") == "corroborated 2..2 in"
        assert ledger.verify().clean
    assert sha256(older.read_bytes()).hexdigest() == before
    assert [file.name for file in older.parent.iterdir()] == [older.name]


def test_the_first_write_rebuilds_the_tables_and_keeps_the_log(older: Path) -> None:
    with Ledger.open(older) as ledger:
        head = ledger.head()
    with Ledger.open(older, writable=True) as ledger:
        assert ledger.head() == head
        record_all(ledger, [{"kind": "term", "key": "m", "of": "measure", "label": "stations"}])
    with Ledger.open(older) as ledger:
        assert ledger.verify().clean
        assert ledger.head().size == head.size + 1
        assert ledger.at(known_at=head.size).head() == head
