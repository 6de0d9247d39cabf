"""The store itself keeps the log append-only: triggers refuse every statement that would change an entry."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest

from backends import ONLY_FILES, ONLY_SERVERS, RawDatabase
from builders import case, record_all
from claimledger.ledger import Ledger, LedgerLocation

ATTACKS = {
    "delete an entry": "DELETE FROM entry WHERE number = 2",
    "delete all": "DELETE FROM entry",
    "change a payload": "UPDATE entry SET payload = '{{}}' WHERE number = 2",
    "change a header": "UPDATE entry SET header = '{{}}' WHERE number = 2",
    "change the tree": "UPDATE entry SET nodes = {zero} WHERE number = 2",
    "change a salt": "UPDATE entry SET salt = {zero} WHERE number = 2",
    "change a number": "UPDATE entry SET number = 99 WHERE number = 2",
    "empty a payload without a redaction": "UPDATE entry SET payload = NULL, salt = NULL WHERE number = 2",
    "skip a number": "INSERT INTO entry VALUES (99, '{{}}', '{{}}', {zero}, {zero})",
    "insert number zero": "INSERT INTO entry VALUES (0, '{{}}', '{{}}', {zero}, {zero})",
    "insert without a number": "INSERT INTO entry VALUES (NULL, '{{}}', '{{}}', {zero}, {zero})",
    "update by upsert": "INSERT INTO entry VALUES (2, '{{}}', '{{}}', {zero}, {zero}) "
    "ON CONFLICT (number) DO UPDATE SET payload = '{{}}'",
    "shift all numbers": "UPDATE entry SET number = number + 1",
}
STORE_ATTACKS = {
    "file": {
        "overwrite an entry": "INSERT OR REPLACE INTO entry VALUES (2, '{{}}', '{{}}', {zero}, {zero})"
    },
    "postgresql": {
        "truncate": "TRUNCATE entry",
        "truncate with dependent tables": "TRUNCATE entry CASCADE",
        "overwrite an entry": "MERGE INTO entry USING (SELECT 2 AS n) ON number = n WHEN MATCHED THEN DELETE",
        "insert several, with a gap": "INSERT INTO entry SELECT number + 100, header, payload, salt, nodes FROM entry",
    },
}


@pytest.mark.parametrize("attack", list(ATTACKS))
def test_an_attack_on_the_log_is_refused(path: LedgerLocation, ledger: Ledger, attack: str) -> None:
    require_refusal(path, ledger, ATTACKS[attack])


@pytest.mark.parametrize("attack", list(STORE_ATTACKS["file"]))
@ONLY_FILES  # SQLite's syntax
def test_an_attack_on_a_file_is_refused(path: LedgerLocation, ledger: Ledger, attack: str) -> None:
    require_refusal(path, ledger, STORE_ATTACKS["file"][attack])


@pytest.mark.parametrize("attack", list(STORE_ATTACKS["postgresql"]))
@ONLY_SERVERS  # PostgreSQL's syntax
def test_an_attack_on_a_server_is_refused(
    path: LedgerLocation, ledger: Ledger, attack: str
) -> None:
    require_refusal(path, ledger, STORE_ATTACKS["postgresql"][attack])


REFUSED = (sqlite3.IntegrityError, psycopg.errors.RaiseException, psycopg.errors.IntegrityError)


def require_refusal(path: LedgerLocation, ledger: Ledger, statement: str) -> None:
    """Run a statement on the tables; require that the store refuses it and nothing has changed."""
    record_all(ledger, case(["a: one", "b: two"]))
    entries = list(ledger.entries())
    ledger.close()
    with RawDatabase(path) as raw, pytest.raises(REFUSED) as raised:
        raw.run(statement.format(zero=raw.blob(b"\0")))
    # PostgreSQL checks the primary key before any trigger runs.
    assert (
        "append-only" in str(raised.value)
        or "entry_pkey" in str(raised.value)
        or "null" in str(raised.value)
    )
    with Ledger.open(path) as reopened:
        assert list(reopened.entries()) == entries
        assert reopened.verify().clean


def test_a_payload_can_be_emptied_only_by_a_redaction(path: LedgerLocation, ledger: Ledger) -> None:
    record_all(ledger, case(["a: one", "b: two"]))
    ledger.withdraw("claim", "a", by="T", reason="r")
    ledger.redact("claim", "a", by="T", reason="r")
    ledger.close()
    with RawDatabase(path) as raw, pytest.raises(REFUSED, match="only a redaction"):
        raw.run("UPDATE entry SET payload = NULL, salt = NULL WHERE number = 2")
