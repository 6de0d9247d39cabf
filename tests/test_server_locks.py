"""What waits for a ledger's tables on a server keeps nobody else from them meanwhile."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from backends import ONLY_SERVERS, RawDatabase
from builders import case, record_all
from claimledger.errors import StoreError
from claimledger.ledger import Ledger, LedgerLocation
from claimledger.storage.postgresql import locks
from claimledger.storage.postgresql.store import PostgresStore
from claimledger.storage.tables import VIEWS

pytestmark = ONLY_SERVERS  # what waits for a file is in test_waiting


@pytest.fixture
def connected(
    path: LedgerLocation, ledger: Ledger
) -> Iterator[Callable[[], psycopg.Connection[Any]]]:
    """Return a function that returns a new session of a user who may read, and make views in a schema of its own."""
    record_all(ledger, case(["a: one", "b: two"], ["b contradicts a"]))
    place, _, schema = str(path).rpartition("&schema=")
    sessions: list[psycopg.Connection[Any]] = []

    def session() -> psycopg.Connection[Any]:
        opened = psycopg.connect(place.replace("postgres:@", "rita@", 1), autocommit=True)
        sessions.append(opened)
        opened.execute(f"SET search_path = rita, {schema}")  # type: ignore[arg-type]
        return opened

    with psycopg.connect(place, autocommit=True) as master:
        for user in ("rita", "kofi"):
            master.execute(f"CREATE ROLE {user} LOGIN")  # type: ignore[arg-type]
        master.execute("CREATE SCHEMA rita AUTHORIZATION rita")
        ledger.grant("reader", "rita")
        yield session
        for opened in sessions:
            opened.close()
        ledger.close()
        master.execute(f"DROP SCHEMA {schema} CASCADE")  # type: ignore[arg-type]
        created = master.execute(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE %s", (f"%.{schema}.%",)
        ).fetchall()
        for name in ("rita", "kofi", *(name for (name,) in created)):
            master.execute(f'DROP OWNED BY "{name}" CASCADE; DROP ROLE "{name}"')  # type: ignore[arg-type]


def in_thread(
    path: LedgerLocation, work: Callable[[Ledger], object]
) -> tuple[threading.Thread, list[str]]:
    """Begin work that has to fail in a thread; return it, and where its message will stand."""
    messages: list[str] = []

    def run() -> None:
        with Ledger.open(path, writable=True) as keeper, pytest.raises(StoreError) as raised:
            work(keeper)
        messages.append(str(raised.value))

    thread = threading.Thread(target=run)
    thread.start()
    return thread, messages


WAITING: dict[str, Callable[[Ledger], object]] = {
    "rebuild": lambda ledger: ledger.rebuild(),
    "grant": lambda ledger: ledger.grant("keeper", "kofi"),
}


@pytest.mark.parametrize("what", list(WAITING))
def test_who_waits_for_a_reader_keeps_no_writer_waiting(
    what: str,
    path: LedgerLocation,
    ledger: Ledger,
    connected: Callable[[], psycopg.Connection[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locks, "LOCK_DEADLINE_SECONDS", 6.0)
    reader = connected()
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM history").fetchall()
    waiting, messages = in_thread(path, WAITING[what])
    written = []
    while waiting.is_alive():
        start = time.monotonic()
        record_all(ledger, [{"kind": "party", "key": f"p-{len(written)}", "name": "P"}])
        written.append(time.monotonic() - start)
    assert len(written) > 10
    assert max(written) < 3
    assert f"{reader.info.backend_pid} of rita" in messages[0]
    reader.execute("COMMIT")
    ledger.rebuild()
    assert ledger.verify().faults == ()


def test_only_a_session_that_is_waited_for_is_named(
    path: LedgerLocation,
    ledger: Ledger,
    connected: Callable[[], psycopg.Connection[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locks, "LOCK_DEADLINE_SECONDS", 1.0)
    blocking, idle = connected(), connected()
    blocking.execute("CREATE VIEW mine AS SELECT * FROM history")
    idle.execute("CREATE TABLE other (x text); BEGIN; LOCK TABLE other")
    blocking.execute("BEGIN; ALTER VIEW mine RENAME TO still_mine")
    with pytest.raises(StoreError) as raised:
        ledger.rebuild()
    assert re.findall(r"\d+ of \w+", str(raised.value)) == [f"{blocking.info.backend_pid} of rita"]


def test_an_attempt_is_over_in_time_however_many_locks_it_takes(
    path: LedgerLocation,
    ledger: Ledger,
    connected: Callable[[], psycopg.Connection[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each table becomes free just before the wait for that one table would end."""
    monkeypatch.setattr(locks, "LOCK_DEADLINE_SECONDS", 0.0)
    tables = sorted(VIEWS)[:12]
    holders = [connected() for _ in tables]
    for holder, table in zip(holders, tables, strict=True):
        holder.execute("BEGIN")
        holder.execute(f"SELECT FROM {table}")  # type: ignore[arg-type]
    longest = [0.0]
    done = threading.Event()

    def read() -> None:
        with RawDatabase(path) as raw:
            while not done.is_set():
                start = time.monotonic()
                raw.rows(f"SELECT * FROM {tables[0]}")
                longest[0] = max(longest[0], time.monotonic() - start)

    def release() -> None:
        for holder in holders:
            time.sleep(0.42)
            holder.execute("COMMIT")

    threads = [threading.Thread(target=read), threading.Thread(target=release)]
    for thread in threads:
        thread.start()
    try:
        ledger.rebuild()
    except StoreError:
        pass
    finally:
        threads[1].join()
        done.set()
        threads[0].join()
    # Waiting for each table in turn would have taken as long as all of them were held.
    assert longest[0] < 0.42 * len(tables) * 0.7
    ledger.rebuild()
    assert ledger.verify().faults == ()


def test_any_number_of_views_is_dropped_or_their_owner_is_named(
    path: LedgerLocation, ledger: Ledger, connected: Callable[[], psycopg.Connection[Any]]
) -> None:
    reader = connected()
    views = [f"CREATE VIEW v{number} AS SELECT key FROM history" for number in range(9000)]
    for start in range(0, len(views), 1000):
        reader.execute("; ".join(views[start : start + 1000]))  # type: ignore[arg-type]
    ledger.grant("keeper", "kofi")
    theirs = str(path).replace("postgres:@", "kofi@", 1)
    with Ledger.open(theirs, writable=True) as keeper:
        with pytest.raises(StoreError, match=r"9000 views .* owners \(rita\) or a superuser"):
            keeper.rebuild()
        ledger.rebuild()
        assert ledger.verify().faults == ()
        keeper.rebuild()


def test_a_rebuild_in_the_middle_of_verify_is_no_damage(
    path: LedgerLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is verified is looked up in the catalogue once the rows' snapshot is taken."""
    record_all(ledger, case(["a: one", "b: two"], ["b contradicts a"]))
    monkeypatch.setattr(locks, "LOCK_DEADLINE_SECONDS", 0.5)
    look = PostgresStore.shape_damage
    outcomes: list[str] = []

    def rebuild() -> None:
        with Ledger.open(path, writable=True) as keeper:
            try:
                keeper.rebuild()
            except StoreError as error:
                outcomes.append(str(error))
            else:
                outcomes.append("")

    def looking(store: PostgresStore) -> Iterator[tuple[str, str]]:
        store.talk.execute("SELECT 1")  # takes the snapshot, and reads no table
        thread = threading.Thread(target=rebuild)
        thread.start()
        thread.join()
        yield from look(store)

    monkeypatch.setattr(PostgresStore, "shape_damage", looking)
    with Ledger.open(path) as reader:
        assert reader.verify().faults == ()
    assert "of postgres" in outcomes[0]
    ledger.rebuild()


def test_an_object_that_is_dropped_while_verify_looks_is_named(
    path: LedgerLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server knows no definition any more of what a snapshot still shows."""
    look = PostgresStore.shape_damage

    def looking(store: PostgresStore) -> Iterator[tuple[str, str]]:
        store.talk.execute("SELECT 1")
        with RawDatabase(path) as raw:
            raw.run("DROP TRIGGER entry_stays ON entry", "DROP FUNCTION days")
        yield from look(store)

    monkeypatch.setattr(PostgresStore, "shape_damage", looking)
    with Ledger.open(path) as reader:
        named = {fault.table for fault in reader.verify().faults}
    assert {"entry_stays", "days"} <= named
    monkeypatch.undo()
    ledger.rebuild()
    assert ledger.verify().faults == ()
