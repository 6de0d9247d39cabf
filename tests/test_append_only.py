"""The log is append-only in the store itself: every attack on it is refused by the file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from claimledger.ledger import Ledger
from small_cases import case, record

ATTACKS = {
    "delete an entry": "DELETE FROM entry WHERE number = 2",
    "delete all": "DELETE FROM entry",
    "change a payload": "UPDATE entry SET payload = '{}' WHERE number = 2",
    "change a header": "UPDATE entry SET header = '{}' WHERE number = 2",
    "change the tree": "UPDATE entry SET nodes = x'00' WHERE number = 2",
    "change a salt": "UPDATE entry SET salt = x'00' WHERE number = 2",
    "change a number": "UPDATE entry SET number = 99 WHERE number = 2",
    "empty a payload that nobody redacted": "UPDATE entry SET payload = NULL, salt = NULL WHERE number = 2",
    "overwrite an entry": "INSERT OR REPLACE INTO entry VALUES (2, '{}', '{}', x'00', x'00')",
    "skip a number": "INSERT INTO entry VALUES (99, '{}', '{}', x'00', x'00')",
    "go below": "INSERT INTO entry VALUES (0, '{}', '{}', x'00', x'00')",
    "no number": "INSERT INTO entry VALUES (NULL, '{}', '{}', x'00', x'00')",
    "update by upsert": "INSERT INTO entry VALUES (2, '{}', '{}', x'00', x'00') "
    "ON CONFLICT (number) DO UPDATE SET payload = '{}'",
}


@pytest.mark.parametrize("attack", list(ATTACKS))
def test_an_attack_on_the_log_is_refused(path: Path, ledger: Ledger, attack: str) -> None:
    record(ledger, case(["a: one", "b: two"]))
    before = list(ledger.entries())
    ledger.close()
    with sqlite3.connect(path) as raw, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        raw.execute(ATTACKS[attack])
    raw.close()
    with Ledger.open(path) as again:
        assert list(again.entries()) == before
        assert again.verify().clean


def test_after_a_redaction_only_its_entries_may_be_emptied(path: Path, ledger: Ledger) -> None:
    record(ledger, case(["a: one", "b: two"]))
    ledger.withdraw("claim", "a", by="T", reason="r")
    ledger.redact("claim", "a", by="T", reason="r")
    ledger.close()
    with (
        sqlite3.connect(path) as raw,
        pytest.raises(sqlite3.IntegrityError, match="only a redaction"),
    ):
        raw.execute("UPDATE entry SET payload = NULL, salt = NULL WHERE number = 2")
    raw.close()
