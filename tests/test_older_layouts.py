"""A ledger with the tables of an older version: reads leave it unchanged, the first write rebuilds the tables."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest

import backends
from builders import analysis_of, case, record_all, status_line
from claimledger.errors import StoreError
from claimledger.ledger import Ledger
from claimledger.storage.tables import LAYOUT

GOLDEN_SCHEMA = Path(__file__).parent.parent / "fixtures" / "golden" / "layout-104.sql"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a file; ``older_schema`` is a ledger on a server."""
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


@pytest.fixture
def older_schema() -> Iterator[str]:
    """Return the URL of a ledger on the server that an earlier version created."""
    url = backends.schema_url()
    schema = url.rpartition("=")[2]
    script = GOLDEN_SCHEMA.read_text("utf-8").replace("golden", schema)
    with psycopg.connect(backends.database_url(url), autocommit=True) as connection:
        connection.execute(script)  # type: ignore[call-overload]
    yield url
    backends.drop_databases()


def test_the_owner_rebuilds_an_older_ledger_on_a_server_and_keeps_the_log(
    older_schema: str,
) -> None:
    expected = json.loads(GOLDEN_SCHEMA.with_suffix(".json").read_text("utf-8"))
    with pytest.raises(StoreError, match=r"older claimledger.*`claimledger rebuild`"):
        Ledger.open(older_schema)
    with Ledger.open(older_schema, writable=True) as ledger:
        assert (ledger.head().size, ledger.head().root.hex()) == (
            expected["size"],
            expected["root"],
        )
        ledger.amend("claim", "over-twenty", {"note": "a new note"}, by="T", reason="r")
    with Ledger.open(older_schema) as ledger:
        assert ledger.verify().faults == ()
        assert ledger.head().size == expected["size"] + 1


def test_a_role_of_an_older_ledger_on_a_server_keeps_its_rights(
    older_schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    role = backends.server_role(older_schema, "editor")
    schema = older_schema.rpartition("=")[2]
    with psycopg.connect(backends.database_url(older_schema), autocommit=True) as connection:
        connection.execute(
            f'CREATE ROLE "{role}" NOLOGIN; CREATE USER edith; GRANT "{role}" TO edith; '
            f'GRANT USAGE ON SCHEMA {schema} TO "{role}"; '
            f'GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO "{role}"; '
            f'GRANT INSERT, UPDATE (until) ON {schema}.claim TO "{role}"'
        )
    try:
        with Ledger.open(older_schema, writable=True) as ledger:
            assert ledger.grants()["editor"] == ["edith"]
            assert ledger.verify().faults == ()
        edith = older_schema.replace("user=postgres", "user=edith").replace(
            "//postgres:@", "//edith:@"
        )
        with Ledger.open(edith, writable=True) as ledger:
            ledger.amend("claim", "over-twenty", {"note": "hers"}, by="edith", reason="r")
            assert ledger.verify().faults == ()
    finally:
        backends.drop_databases()
        with psycopg.connect(backends.database_url(older_schema), autocommit=True) as connection:
            connection.execute(f'DROP USER edith; DROP ROLE "{role}"')
    assert caplog.text == ""
