"""A redaction has two halves, the log and the bytes: what keeps the second from being done is told and mended."""

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
from claimledger.storage.base import Store
from claimledger.storage.postgresql import locks
from claimledger.storage.postgresql.session import Session
from faults.injected import POSSIBLE, fail
from forged import append_segment, lines_of, write_segment_file

SECRET = "zebrafish at Quokka Lane"
WORDS = (b"zebrafish", b"Quokka")


def left_in(where: LedgerLocation) -> bool:
    """Whether any of the secret is still in the bytes of a ledger."""
    return any(word in bytes_on_disk(where) for word in WORDS)


def withdrawn(ledger: Ledger, key: str = "a") -> None:
    """Record a secret, and withdraw it."""
    record_all(ledger, case([f"{key}: one", "b: two"], extra={key: {"statement": SECRET}}))
    ledger.withdraw("claim", key, by="T", reason="asked for")


def impatient(ledger: Ledger) -> None:
    """Have a ledger wait a fifth of a second for others, and not a minute."""
    driver: Any = ledger._store.driver  # type: ignore[attr-defined]
    if isinstance(ledger.enforced_author, str) or hasattr(driver, "info"):
        driver.execute("SET lock_timeout = 200")
        locks.LOCK_DEADLINE_SECONDS = 1.0
    else:
        driver.execute("PRAGMA busy_timeout = 200")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give its time back to what :func:`impatient` hurries."""
    monkeypatch.setattr(locks, "LOCK_DEADLINE_SECONDS", locks.LOCK_DEADLINE_SECONDS)


def redacted(ledger: Ledger) -> tuple[bool, bool]:
    """Return whether verify finds the log lawful, and whether it says that the bytes are gone."""
    verdict = ledger.verify()
    (redaction,) = verdict.redactions
    return verdict.clean, redaction.scrubbed


@ONLY_SERVERS
def test_a_transaction_that_read_nothing_keeps_the_bytes_too(
    path: LedgerLocation, ledger: Ledger
) -> None:
    withdrawn(ledger)
    with psycopg.connect(
        server().get_uri().replace("/postgres?", _database(path)), autocommit=True
    ) as idle:
        idle.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        idle.execute("SELECT 1")  # from here on it may ask for what is there now
        impatient(ledger)
        change = ledger.redact("claim", "a", by="T", reason="asked for")
        assert "may still see" in change.unscrubbed
        assert redacted(ledger) == (True, False)
        assert left_in(path)
        idle.execute("COMMIT")
    assert ledger.scrub() == ""
    assert redacted(ledger) == (True, True)
    assert not left_in(path)


def _database(path: LedgerLocation) -> str:
    """Return the database's name in an address, with what stands around it."""
    return f"/{str(path).split('?')[0].rpartition('/')[2]}?"


def test_a_redaction_made_meanwhile_keeps_its_own_mark(
    path: LedgerLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    withdrawn(ledger)
    ledger.withdraw("claim", "b", by="T", reason="r")
    store = type(ledger._store)
    unscrubbed, vacuum = store.unscrubbed, store.vacuum
    begun: list[Store] = []

    def scrubbing(self: Store) -> None:
        begun.append(self)
        vacuum(self)

    def seen(self: Store) -> list[int]:
        results = unscrubbed(self)
        if begun == [ledger._store]:
            begun.append(self)  # once
            with Ledger.open(path, writable=True) as second, monkeypatch.context() as hurried:
                hurried.setattr(Ledger, "scrub", lambda _: "later")
                second.redact("claim", "b", by="T", reason="r")
        return results

    monkeypatch.setattr(store, "unscrubbed", seen)
    monkeypatch.setattr(store, "vacuum", scrubbing)
    assert ledger.redact("claim", "a", by="T", reason="r").unscrubbed == ""
    monkeypatch.undo()
    assert [redaction.scrubbed for redaction in ledger.verify().redactions] == [True, False]
    assert ledger.scrub() == ""
    assert all(redaction.scrubbed for redaction in ledger.verify().redactions)


@ONLY_SERVERS
def test_a_write_beside_the_scrub_does_not_hide_what_is_kept(
    path: LedgerLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    withdrawn(ledger)
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

        def beside(talk: Session, statement: str, value: Any = ()) -> Any:
            answer = execute(talk, statement, value)
            if talk is not second._store.talk and statement.startswith("VACUUM"):  # type: ignore[attr-defined]
                record_all(second, [{"kind": "party", "key": next(names), "name": "New"}])
            return answer

        monkeypatch.setattr(Session, "execute", beside)
        impatient(ledger)
        assert "may still see" in ledger.redact("claim", "a", by="T", reason="r").unscrubbed
        assert redacted(ledger) == (True, False)
        assert left_in(path)
        assert next(names) != "w0"


def test_a_reader_keeps_the_bytes_and_redacting_again_finishes_it(
    path: LedgerLocation, ledger: Ledger, call: Callable[..., Any]
) -> None:
    withdrawn(ledger)
    with Ledger.open(path) as reader, reader.reading():
        assert len(list(reader.entries())) == ledger.head().size
        impatient(ledger)
        change = ledger.redact("claim", "a", by="T", reason="asked for")
        assert change.unscrubbed
        assert change.elsewhere == ()  # its own texts are not another record's
        assert redacted(ledger) == (True, False)
        assert left_in(path)
    ledger.close()
    answer = call("--ledger", path, "verify")
    assert answer.returncode == 0
    assert "redacted, not yet scrubbed: claim a" in answer.stdout
    size = len(lines_of(Ledger.open(path)))
    done = call("--ledger", path, "redact", "a", "--reason", "asked for")
    assert done.returncode == 0, done.stderr
    assert "redacted already, by entry" in done.stdout
    assert "scrubbed now" in done.stdout
    assert not left_in(path)
    with Ledger.open(path) as again:
        assert redacted(again) == (True, True)
        assert again.head().size == size  # the log has it already
    twice = call("--ledger", path, "redact", "a", "--reason", "asked for")
    assert twice.returncode == 1
    assert "is redacted already" in twice.stderr


def test_what_keeps_the_bytes_is_not_told_as_if_nothing_had_been_written(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Store) -> None:
        raise StoreError("x.db: the disk is full; nothing was written")

    withdrawn(ledger)
    monkeypatch.setattr(type(ledger._store), "vacuum", full)
    change = ledger.redact("claim", "a", by="T", reason="r")
    assert change.unscrubbed == "x.db: the disk is full"
    assert redacted(ledger) == (True, False)


def test_the_command_ends_with_status_1_where_the_bytes_may_be_left(
    path: LedgerLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    withdrawn(ledger)
    ledger.close()
    monkeypatch.setattr(Ledger, "scrub", lambda _: "another program is reading the ledger")
    words = ["--ledger", str(path), "redact", "a", "--reason", "r"]
    done = CliRunner().invoke(cli, words, obj=CliContext())
    assert done.exit_code == 1
    assert "Redacted, not yet scrubbed: another program is reading the ledger." in done.output
    assert "again finishes it" in done.output
    assert "was searched" not in done.output


def _ended_in_the_middle(where: str, disk_full: bool) -> None:
    with Ledger.open(where, writable=True) as ledger:
        store = ledger._store

        def scrub() -> None:
            if not disk_full:
                os.kill(os.getpid(), signal.SIGKILL)
            fail("no room")
            type(store).vacuum(store)

        store.vacuum = scrub  # type: ignore[method-assign]
        change = ledger.redact("claim", "a", by="T", reason="r")
        os._exit(7 if change.unscrubbed else 0)


def ended_in_the_middle(where: LedgerLocation, *, disk_full: bool = False) -> int | None:
    """Redact in a process that is killed, or whose disk is full, between the halves; return its status."""
    process = get_context("forkserver").Process(
        target=_ended_in_the_middle, args=(str(where), disk_full)
    )
    process.start()
    process.join(120)
    return process.exitcode


def test_a_kill_between_the_halves_leaves_a_redaction_to_be_finished(
    path: LedgerLocation, ledger: Ledger
) -> None:
    withdrawn(ledger)
    ledger.close()
    assert ended_in_the_middle(path) == -signal.SIGKILL
    with Ledger.open(path, writable=True) as again:
        assert redacted(again) == (True, False)
        assert left_in(path)
        assert not again.redact("claim", "a", by="T", reason="r").unscrubbed
        assert redacted(again) == (True, True)
    assert not left_in(path)


@ONLY_FILES  # a server's disk is not this process's
@pytest.mark.skipif(not POSSIBLE, reason="system calls are made to fail with Linux's seccomp")
def test_a_full_disk_is_told_and_finished_when_there_is_room(
    path: LedgerLocation, ledger: Ledger
) -> None:
    withdrawn(ledger)
    ledger.close()
    assert ended_in_the_middle(path, disk_full=True) == 7
    with Ledger.open(path, writable=True) as again:
        assert redacted(again) == (True, False)
        assert not again.redact("claim", "a", by="T", reason="r").unscrubbed
        assert redacted(again) == (True, True)
    assert not left_in(path)


def test_a_redaction_that_is_received_is_scrubbed(
    path: LedgerLocation, ledger: Ledger, tmp_path: Path
) -> None:
    withdrawn(ledger)
    ledger.close()
    with Ledger.open(path) as received:
        size = received.head().size
        copy = tmp_path / "copy.db"
        received.move(copy)
    with Ledger.open(copy, writable=True) as ahead:
        ahead.redact("claim", "a", by="T", reason="r")
        lines = lines_of(ahead)
    assert left_in(path)
    append_segment(path, write_segment_file(lines, size, tmp_path / "new.jsonl"))
    assert not left_in(path)
    with Ledger.open(path) as received:
        assert redacted(received) == (True, True)


def test_a_backup_of_an_unfinished_redaction_holds_none_of_its_texts(
    path: LedgerLocation, ledger: Ledger, tmp_path: Path
) -> None:
    withdrawn(ledger)
    ledger.close()
    assert ended_in_the_middle(path) == -signal.SIGKILL
    with Ledger.open(path) as backup:
        backup.backup(tmp_path / "kept.db")
        backup.move(tmp_path / "moved.db")
    for copy_path in (tmp_path / "kept.db", tmp_path / "moved.db"):
        assert not left_in(copy_path)
        with Ledger.open(copy_path) as copy:
            assert redacted(copy) == (True, True)


def test_a_redaction_within_a_larger_write_is_scrubbed_when_that_ends(
    path: LedgerLocation, ledger: Ledger
) -> None:
    withdrawn(ledger)

    def write() -> str:
        return ledger.redact("claim", "a", by="T", reason="r").unscrubbed

    assert "has not ended" in ledger.transaction(write)
    assert redacted(ledger) == (True, True)
    ledger.close()
    assert not left_in(path)
