"""Locks on a server: a command that waits for the tables of a ledger does not block other users meanwhile."""

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
from claimledger.storage.postgresql.maintenance import PostgresMaintenance
from claimledger.storage.tables import VIEWS

pytestmark = ONLY_SERVERS  # test_waiting covers files


@pytest.fixture
def connected(
    path: LedgerLocation, ledger: Ledger
) -> Iterator[Callable[[], psycopg.Connection[Any]]]:
    """Yield a function that opens a session of a reader, who may also create views in a schema of that user."""
    record_all(ledger, case(["a: one", "b: two"], ["b contradicts a"]))
    database, _, schema = str(path).rpartition("&schema=")
    sessions: list[psycopg.Connection[Any]] = []

    def session() -> psycopg.Connection[Any]:
        connection = psycopg.connect(database.replace("postgres:@", "rita@", 1), autocommit=True)
        sessions.append(connection)
        connection.execute(f"SET search_path = rita, {schema}")  # type: ignore[arg-type]
        return connection

    with psycopg.connect(database, autocommit=True) as admin:
        for user in ("rita", "kofi"):
            admin.execute(f"CREATE ROLE {user} LOGIN")  # type: ignore[arg-type]
        admin.execute("CREATE SCHEMA rita AUTHORIZATION rita")
        ledger.grant("reader", "rita")
        yield session
        for connection in sessions:
            connection.close()
        ledger.close()
        admin.execute(f"DROP SCHEMA {schema} CASCADE")  # type: ignore[arg-type]
        roles = admin.execute(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE %s", (f"%.{schema}.%",)
        ).fetchall()
        for name in ("rita", "kofi", *(name for (name,) in roles)):
            admin.execute(f'DROP OWNED BY "{name}" CASCADE; DROP ROLE "{name}"')  # type: ignore[arg-type]


def in_thread(
    path: LedgerLocation, work: Callable[[Ledger], object]
) -> tuple[threading.Thread, list[str]]:
    """Start work that must fail in a thread; return the thread and the list that will contain the message."""
    messages: list[str] = []

    def run() -> None:
        with Ledger.open(path, writable=True) as keeper, pytest.raises(StoreError) as raised:
            work(keeper)
        messages.append(str(raised.value))

    thread = threading.Thread(target=run)
    thread.start()
    return thread, messages


WAITING_COMMANDS: dict[str, Callable[[Ledger], object]] = {
    "rebuild": lambda ledger: ledger.rebuild(),
    "grant": lambda ledger: ledger.grant("keeper", "kofi"),
}


@pytest.mark.parametrize("command", list(WAITING_COMMANDS))
def test_a_command_that_waits_for_a_reader_does_not_block_writers(
    command: str,
    path: LedgerLocation,
    ledger: Ledger,
    connected: Callable[[], psycopg.Connection[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locks, "LOCK_DEADLINE_SECONDS", 6.0)
    reader = connected()
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM history").fetchall()
    waiting, messages = in_thread(path, WAITING_COMMANDS[command])
    durations = []
    while waiting.is_alive():
        start = time.monotonic()
        record_all(ledger, [{"kind": "party", "key": f"p-{len(durations)}", "name": "P"}])
        durations.append(time.monotonic() - start)
    assert len(durations) > 10
    assert max(durations) < 3
    assert f"{reader.info.backend_pid} of rita" in messages[0]
    reader.execute("COMMIT")
    ledger.rebuild()
    assert ledger.verify().faults == ()


def test_the_message_names_only_the_blocking_session(
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


def test_the_time_limit_of_an_attempt_covers_all_its_locks(
    path: LedgerLocation,
    ledger: Ledger,
    connected: Callable[[], psycopg.Connection[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each table becomes free just before a limit for that one table would expire."""
    monkeypatch.setattr(locks, "LOCK_DEADLINE_SECONDS", 0.0)
    tables = sorted(VIEWS)[:12]
    holders = [connected() for _ in tables]
    for holder, table in zip(holders, tables, strict=True):
        holder.execute("BEGIN")
        holder.execute(f"SELECT FROM {table}")  # type: ignore[arg-type]
    longest = [0.0]
    finished = threading.Event()

    def read() -> None:
        with RawDatabase(path) as raw:
            while not finished.is_set():
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
        finished.set()
        threads[0].join()
    # With a limit for each table, readers would have waited for all the locks together.
    assert longest[0] < 0.42 * len(tables) * 0.7
    ledger.rebuild()
    assert ledger.verify().faults == ()


def test_a_rebuild_drops_any_number_of_views_or_names_their_owner(
    path: LedgerLocation, ledger: Ledger, connected: Callable[[], psycopg.Connection[Any]]
) -> None:
    reader = connected()
    views = [f"CREATE VIEW v{number} AS SELECT key FROM history" for number in range(9000)]
    for start in range(0, len(views), 1000):
        reader.execute("; ".join(views[start : start + 1000]))  # type: ignore[arg-type]
    ledger.grant("keeper", "kofi")
    url = str(path).replace("postgres:@", "kofi@", 1)
    with Ledger.open(url, writable=True) as keeper:
        with pytest.raises(StoreError, match=r"9000 views .* owners \(rita\) or a superuser"):
            keeper.rebuild()
        ledger.rebuild()
        assert ledger.verify().faults == ()
        keeper.rebuild()


def test_a_rebuild_during_verify_is_not_a_fault(
    path: LedgerLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``verify`` inspects the catalogue after it has taken the snapshot of the rows."""
    record_all(ledger, case(["a: one", "b: two"], ["b contradicts a"]))
    monkeypatch.setattr(locks, "LOCK_DEADLINE_SECONDS", 0.5)
    shape_damage = PostgresMaintenance.shape_damage
    outcomes: list[str] = []

    def rebuild() -> None:
        with Ledger.open(path, writable=True) as keeper:
            try:
                keeper.rebuild()
            except StoreError as error:
                outcomes.append(str(error))
            else:
                outcomes.append("")

    def inspect_after_change(maintenance: PostgresMaintenance) -> Iterator[tuple[str, str]]:
        maintenance._session.execute("SELECT 1")  # takes the snapshot without locking a table
        thread = threading.Thread(target=rebuild)
        thread.start()
        thread.join()
        yield from shape_damage(maintenance)

    monkeypatch.setattr(PostgresMaintenance, "shape_damage", inspect_after_change)
    with Ledger.open(path) as reader:
        assert reader.verify().faults == ()
    assert "of postgres" in outcomes[0]
    ledger.rebuild()


def test_an_object_that_is_dropped_during_verify_is_a_fault(
    path: LedgerLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot still shows the object, but the server no longer has its definition."""
    shape_damage = PostgresMaintenance.shape_damage

    def inspect_after_change(maintenance: PostgresMaintenance) -> Iterator[tuple[str, str]]:
        maintenance._session.execute("SELECT 1")
        with RawDatabase(path) as raw:
            raw.run("DROP TRIGGER entry_stays ON entry", "DROP FUNCTION days")
        yield from shape_damage(maintenance)

    monkeypatch.setattr(PostgresMaintenance, "shape_damage", inspect_after_change)
    with Ledger.open(path) as reader:
        names = {fault.table for fault in reader.verify().faults}
    assert {"entry_stays", "days"} <= names
    monkeypatch.undo()
    ledger.rebuild()
    assert ledger.verify().faults == ()
