"""The log is append-only in the store itself: every attack on it is refused by the store."""

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
    "empty a payload that nobody redacted": "UPDATE entry SET payload = NULL, salt = NULL WHERE number = 2",
    "skip a number": "INSERT INTO entry VALUES (99, '{{}}', '{{}}', {zero}, {zero})",
    "go below": "INSERT INTO entry VALUES (0, '{{}}', '{{}}', {zero}, {zero})",
    "no number": "INSERT INTO entry VALUES (NULL, '{{}}', '{{}}', {zero}, {zero})",
    "update by upsert": "INSERT INTO entry VALUES (2, '{{}}', '{{}}', {zero}, {zero}) "
    "ON CONFLICT (number) DO UPDATE SET payload = '{{}}'",
    "overwrite by merging": "UPDATE entry SET number = number + 1",
}
ONLY_THERE = {
    "file": {
        "overwrite an entry": "INSERT OR REPLACE INTO entry VALUES (2, '{{}}', '{{}}', {zero}, {zero})"
    },
    "postgresql": {
        "truncate": "TRUNCATE entry",
        "truncate with all that points to it": "TRUNCATE entry CASCADE",
        "overwrite an entry": "MERGE INTO entry USING (SELECT 2 AS n) ON number = n WHEN MATCHED THEN DELETE",
        "several, one of them too far": "INSERT INTO entry SELECT number + 100, header, payload, salt, nodes FROM entry",
    },
}


@pytest.mark.parametrize("attack", list(ATTACKS))
def test_an_attack_on_the_log_is_refused(path: LedgerLocation, ledger: Ledger, attack: str) -> None:
    attacked(path, ledger, ATTACKS[attack])


@pytest.mark.parametrize("attack", list(ONLY_THERE["file"]))
@ONLY_FILES  # in SQLite's words
def test_an_attack_on_a_file_is_refused(path: LedgerLocation, ledger: Ledger, attack: str) -> None:
    attacked(path, ledger, ONLY_THERE["file"][attack])


@pytest.mark.parametrize("attack", list(ONLY_THERE["postgresql"]))
@ONLY_SERVERS  # in PostgreSQL's words
def test_an_attack_on_a_server_is_refused(
    path: LedgerLocation, ledger: Ledger, attack: str
) -> None:
    attacked(path, ledger, ONLY_THERE["postgresql"][attack])


REFUSED = (sqlite3.IntegrityError, psycopg.errors.RaiseException, psycopg.errors.IntegrityError)


def attacked(path: LedgerLocation, ledger: Ledger, attack: str) -> None:
    record_all(ledger, case(["a: one", "b: two"]))
    before = list(ledger.entries())
    ledger.close()
    with RawDatabase(path) as raw, pytest.raises(REFUSED) as raised:
        raw.run(attack.format(zero=raw.blob(b"\0")))
    # A key that is there already is refused by the server before any trigger is asked.
    assert (
        "append-only" in str(raised.value)
        or "entry_pkey" in str(raised.value)
        or "null" in str(raised.value)
    )
    with Ledger.open(path) as again:
        assert list(again.entries()) == before
        assert again.verify().clean


def test_after_a_redaction_only_its_entries_may_be_emptied(
    path: LedgerLocation, ledger: Ledger
) -> None:
    record_all(ledger, case(["a: one", "b: two"]))
    ledger.withdraw("claim", "a", by="T", reason="r")
    ledger.redact("claim", "a", by="T", reason="r")
    ledger.close()
    with RawDatabase(path) as raw, pytest.raises(REFUSED, match="only a redaction"):
        raw.run("UPDATE entry SET payload = NULL, salt = NULL WHERE number = 2")
