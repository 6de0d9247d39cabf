"""A redaction empties log entries and then scrubs the store: a scrub that cannot finish is reported and repeated."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from backends import ONLY_FILES, ONLY_SERVERS, bytes_on_disk, server
from builders import case, record_all
from claimledger.cli.context import CliContext
from claimledger.cli.main import cli
from claimledger.errors import StoreError
from claimledger.ledger import Ledger, LedgerLocation
from claimledger.storage.base import Maintenance
from claimledger.storage.postgresql import locks
from claimledger.storage.postgresql.session import Session
from claimledger.storage.sqlite.store import SqliteStore
from faults.injected import POSSIBLE, fail
from forged import append_segment, lines_of, write_segment_file

SECRET = "zebrafish at Quokka Lane"
WORDS = (b"zebrafish", b"Quokka")


def contains_secret(where: LedgerLocation) -> bool:
    """Return whether any word of the secret is in the bytes of a store."""
    return any(word in bytes_on_disk(where) for word in WORDS)


def record_and_withdraw(ledger: Ledger, key: str = "a") -> None:
    """Record a claim that contains the secret, and withdraw it."""
    record_all(ledger, case([f"{key}: one", "b: two"], extra={key: {"statement": SECRET}}))
    ledger.withdraw("claim", key, by="T", reason="requested")


def shorten_lock_timeouts(ledger: Ledger) -> None:
    """Make a ledger wait a fifth of a second for locks, instead of a minute."""
    store: Any = ledger._store
    if isinstance(store, SqliteStore):
        store.driver.execute("PRAGMA busy_timeout = 200")
    else:
        store.session.execute("SET lock_timeout = 200")
        locks.LOCK_DEADLINE_SECONDS = 1.0


@pytest.fixture(autouse=True)
def restore_lock_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what :func:`shorten_lock_timeouts` changes."""
    monkeypatch.setattr(locks, "LOCK_DEADLINE_SECONDS", locks.LOCK_DEADLINE_SECONDS)


def clean_and_scrubbed(ledger: Ledger) -> tuple[bool, bool]:
    """Return whether verify finds no fault, and whether it reports the only redaction as scrubbed."""
    verification = ledger.verify()
    (redaction,) = verification.redactions
    return verification.clean, redaction.scrubbed


@ONLY_SERVERS
def test_an_idle_transaction_prevents_the_scrub(path: LedgerLocation, ledger: Ledger) -> None:
    record_and_withdraw(ledger)
    with psycopg.connect(
        server().get_uri().replace("/postgres?", _database(path)), autocommit=True
    ) as idle:
        idle.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        idle.execute("SELECT 1")  # the first query fixes the snapshot, which contains the secret
        shorten_lock_timeouts(ledger)
        change = ledger.redact("claim", "a", by="T", reason="requested")
        assert "may still see" in change.unscrubbed
        assert clean_and_scrubbed(ledger) == (True, False)
        assert contains_secret(path)
        idle.execute("COMMIT")
    assert ledger.scrub() == ""
    assert clean_and_scrubbed(ledger) == (True, True)
    assert not contains_secret(path)


def _database(path: LedgerLocation) -> str:
    """Return the part of a URL that names the database, with its delimiters."""
    return f"/{str(path).split('?')[0].rpartition('/')[2]}?"


def test_a_redaction_made_during_a_scrub_stays_unscrubbed(
    path: LedgerLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_and_withdraw(ledger)
    ledger.withdraw("claim", "b", by="T", reason="r")
    maintenance = type(ledger._store.maintenance)
    unscrubbed, vacuum = maintenance.unscrubbed, maintenance.vacuum
    begun: list[Maintenance] = []

    def vacuum_and_note(self: Any) -> None:
        begun.append(self)
        vacuum(self)

    def redact_meanwhile(self: Any) -> list[int]:
        entries = unscrubbed(self)
        if begun == [ledger._store.maintenance]:
            begun.append(self)  # only once
            with Ledger.open(path, writable=True) as second, monkeypatch.context() as patched:
                patched.setattr(Ledger, "scrub", lambda _: "later")
                second.redact("claim", "b", by="T", reason="r")
        return entries

    monkeypatch.setattr(maintenance, "unscrubbed", redact_meanwhile)
    monkeypatch.setattr(maintenance, "vacuum", vacuum_and_note)
    assert ledger.redact("claim", "a", by="T", reason="r").unscrubbed == ""
    monkeypatch.undo()
    assert [redaction.scrubbed for redaction in ledger.verify().redactions] == [True, False]
    assert ledger.scrub() == ""
    assert all(redaction.scrubbed for redaction in ledger.verify().redactions)


@ONLY_SERVERS
def test_a_write_during_the_scrub_does_not_hide_that_it_failed(
    path: LedgerLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_and_withdraw(ledger)
    execute = Session.execute
    names = (f"w{number}" for number in range(1000))
    with (
        psycopg.connect(
            server().get_uri().replace("/postgres?", _database(path)), autocommit=True
        ) as idle,
        Ledger.open(path, writable=True) as second,
    ):
        idle.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        idle.execute("SELECT 1")

        def write_during_vacuum(session: Session, statement: str, value: Any = ()) -> Any:
            result = execute(session, statement, value)
            if session is not second._store.session and statement.startswith("VACUUM"):  # type: ignore[attr-defined]
                record_all(second, [{"kind": "party", "key": next(names), "name": "New"}])
            return result

        monkeypatch.setattr(Session, "execute", write_during_vacuum)
        shorten_lock_timeouts(ledger)
        assert "may still see" in ledger.redact("claim", "a", by="T", reason="r").unscrubbed
        assert clean_and_scrubbed(ledger) == (True, False)
        assert contains_secret(path)
        assert next(names) != "w0"


def test_a_reader_prevents_the_scrub_and_redacting_again_finishes_it(
    path: LedgerLocation, ledger: Ledger, call: Callable[..., Any]
) -> None:
    record_and_withdraw(ledger)
    with Ledger.open(path) as reader, reader.reading():
        assert len(list(reader.entries())) == ledger.head().size
        shorten_lock_timeouts(ledger)
        change = ledger.redact("claim", "a", by="T", reason="requested")
        assert change.unscrubbed
        assert change.elsewhere == ()  # the texts of the record itself do not count as copies
        assert clean_and_scrubbed(ledger) == (True, False)
        assert contains_secret(path)
    ledger.close()
    verified = call("--ledger", path, "verify")
    assert verified.returncode == 0
    assert 'redacted, not yet scrubbed: the claim "a"' in verified.stdout
    size = len(lines_of(Ledger.open(path)))
    result = call("--ledger", path, "redact", "a", "--reason", "requested")
    assert result.returncode == 0, result.stderr
    assert "has already redacted the claim" in result.stdout
    assert "are now scrubbed" in result.stdout
    assert not contains_secret(path)
    with Ledger.open(path) as reopened:
        assert clean_and_scrubbed(reopened) == (True, True)
        assert reopened.head().size == size  # no entry was added
    repeated = call("--ledger", path, "redact", "a", "--reason", "requested")
    assert repeated.returncode == 1
    assert "was already redacted" in repeated.stderr


def test_a_failed_scrub_is_not_reported_as_if_nothing_had_been_written(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Maintenance) -> None:
        raise StoreError("x.db: the disk is full; nothing was written")

    record_and_withdraw(ledger)
    monkeypatch.setattr(type(ledger._store.maintenance), "vacuum", full)
    change = ledger.redact("claim", "a", by="T", reason="r")
    assert change.unscrubbed == "x.db: the disk is full"
    assert clean_and_scrubbed(ledger) == (True, False)


def test_the_command_exits_with_1_if_the_scrub_did_not_finish(
    path: LedgerLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_and_withdraw(ledger)
    ledger.close()
    monkeypatch.setattr(Ledger, "scrub", lambda _: "another program is reading the ledger")
    words = ["--ledger", str(path), "redact", "a", "--reason", "r"]
    result = CliRunner().invoke(cli, words, obj=CliContext())
    assert result.exit_code == 1
    assert "Redacted, not yet scrubbed: another program is reading the ledger." in result.output
    assert "To finish, repeat `claimledger redact a" in " ".join(result.output.split())
    assert "was searched" not in result.output


def _redact_without_scrub(where: str, disk_full: bool) -> None:
    with Ledger.open(where, writable=True) as ledger:
        maintenance = ledger._store.maintenance

        def scrub() -> None:
            if not disk_full:
                os.kill(os.getpid(), signal.SIGKILL)
            fail("disk full")
            type(maintenance).vacuum(maintenance)

        maintenance.vacuum = scrub  # type: ignore[method-assign]
        change = ledger.redact("claim", "a", by="T", reason="r")
        os._exit(7 if change.unscrubbed else 0)


def redact_without_scrub(where: LedgerLocation, *, disk_full: bool = False) -> int | None:
    """Redact in a process that is killed, or finds the disk full, before the scrub; return its exit status."""
    process = get_context("forkserver").Process(
        target=_redact_without_scrub, args=(str(where), disk_full)
    )
    process.start()
    process.join(120)
    return process.exitcode


def test_a_redaction_killed_before_the_scrub_can_be_finished(
    path: LedgerLocation, ledger: Ledger
) -> None:
    record_and_withdraw(ledger)
    ledger.close()
    assert redact_without_scrub(path) == -signal.SIGKILL
    with Ledger.open(path, writable=True) as reopened:
        assert clean_and_scrubbed(reopened) == (True, False)
        assert contains_secret(path)
        assert not reopened.redact("claim", "a", by="T", reason="r").unscrubbed
        assert clean_and_scrubbed(reopened) == (True, True)
    assert not contains_secret(path)


@ONLY_FILES  # this process does not write to the disk of a server
@pytest.mark.skipif(not POSSIBLE, reason="making system calls fail needs seccomp (Linux)")
def test_a_scrub_that_failed_on_a_full_disk_can_be_finished(
    path: LedgerLocation, ledger: Ledger
) -> None:
    record_and_withdraw(ledger)
    ledger.close()
    assert redact_without_scrub(path, disk_full=True) == 7
    with Ledger.open(path, writable=True) as reopened:
        assert clean_and_scrubbed(reopened) == (True, False)
        assert not reopened.redact("claim", "a", by="T", reason="r").unscrubbed
        assert clean_and_scrubbed(reopened) == (True, True)
    assert not contains_secret(path)


def test_a_redaction_in_a_restored_segment_is_scrubbed(
    path: LedgerLocation, ledger: Ledger, tmp_path: Path
) -> None:
    record_and_withdraw(ledger)
    ledger.close()
    with Ledger.open(path) as behind:
        size = behind.head().size
        copy = tmp_path / "copy.db"
        behind.move(copy)
    with Ledger.open(copy, writable=True) as ahead:
        ahead.redact("claim", "a", by="T", reason="r")
        lines = lines_of(ahead)
    assert contains_secret(path)
    append_segment(path, write_segment_file(lines, size, tmp_path / "new.jsonl"))
    assert not contains_secret(path)
    with Ledger.open(path) as updated:
        assert clean_and_scrubbed(updated) == (True, True)


def test_copies_of_an_unfinished_redaction_contain_none_of_its_texts(
    path: LedgerLocation, ledger: Ledger, tmp_path: Path
) -> None:
    record_and_withdraw(ledger)
    ledger.close()
    assert redact_without_scrub(path) == -signal.SIGKILL
    with Ledger.open(path) as unfinished:
        unfinished.backup(tmp_path / "kept.db")
        unfinished.move(tmp_path / "moved.db")
    for copy_path in (tmp_path / "kept.db", tmp_path / "moved.db"):
        assert not contains_secret(copy_path)
        with Ledger.open(copy_path) as copy:
            assert clean_and_scrubbed(copy) == (True, True)


def test_a_redaction_inside_a_transaction_is_scrubbed_after_the_commit(
    path: LedgerLocation, ledger: Ledger
) -> None:
    record_and_withdraw(ledger)

    def write() -> str:
        return ledger.redact("claim", "a", by="T", reason="r").unscrubbed

    assert "not finished" in ledger.transaction(write)
    assert clean_and_scrubbed(ledger) == (True, True)
    ledger.close()
    assert not contains_secret(path)
