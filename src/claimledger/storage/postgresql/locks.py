"""Exclusive locks on a PostgreSQL ledger's tables, taken without blocking other sessions for long.

A session that waits for an exclusive lock makes every later reader and writer of the table wait behind it. So
each attempt waits half a second at most for all of the tables, has a second for what depends on them, holds
nothing afterwards, and lets the others in before the next one.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg

from claimledger.errors import StoreError
from claimledger.storage.postgresql.connection import connect, listed
from claimledger.storage.postgresql.session import Session
from claimledger.storage.url import Address

LOCK_TIMEOUT_SECONDS = 0.5
"""How long one attempt waits for its locks, all of them together."""

CHANGE_SECONDS = 1.0
"""How long a change may wait in one statement for the locks of what depends on the tables."""

LOCK_DEADLINE_SECONDS = 30.0
"""How long attempts are repeated."""

_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"


def lock_deadline() -> float:
    """Return the moment, on the monotonic clock, after which no attempt to take a lock begins."""
    return time.monotonic() + LOCK_DEADLINE_SECONDS


def attempts_until(deadline: float) -> Iterator[None]:
    """Yield once for each attempt, with a random pause before each but the first."""
    while True:
        yield
        time.sleep(LOCK_TIMEOUT_SECONDS * random.uniform(0.5, 1.5))
        if time.monotonic() > deadline:
            return


def lock_exclusively(
    session: Session,
    address: Address,
    tables: Sequence[str],
    change: Callable[[], None],
    seconds: float = CHANGE_SECONDS,
) -> None:
    """Lock tables, given by their quoted names, exclusively until the transaction ends, and change them.

    Begins the transaction where none is open, and ends it after each attempt that failed: nothing is locked
    between two attempts. ``change`` is undone and repeated if it waits for a lock, or if one of its
    statements takes longer than ``seconds``; 0 is no limit. After the deadline raises :class:`StoreError`,
    which names the sessions that the last attempt waited for.
    """
    for _ in attempts_until(lock_deadline()):
        if _try_lock(session, tables, change, seconds):
            return
    with _blocking_sessions(address, session.driver.info.backend_pid) as sessions:
        if _try_lock(session, tables, change, seconds):
            return
    raise StoreError(
        f"{address}: other sessions keep the ledger's tables locked "
        f"({listed(sorted(sessions)) or 'unknown'}); nothing was written, try again. The server's "
        "administrator ends a session with pg_terminate_backend"
    )


def _try_lock(
    session: Session, tables: Sequence[str], change: Callable[[], None], seconds: float
) -> bool:
    """Lock and change tables; return whether that was done before the time of one attempt was over."""
    nested = session.in_transaction
    patience = int(LOCK_TIMEOUT_SECONDS * 1000)
    session.execute("SAVEPOINT attempt" if nested else _BEGIN)
    try:
        ((usual,),) = session.execute("SHOW lock_timeout").fetchall()
        # A lock timeout would apply to each table; a statement timeout applies to all of them.
        session.execute(f"SET LOCAL statement_timeout = {patience}")
        session.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
        session.execute(f"SET LOCAL lock_timeout = {patience}")
        session.execute(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
        change()
        session.execute("SET LOCAL statement_timeout = 0")
        session.execute("SELECT set_config('lock_timeout', %s, true)", (usual,))
    except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
        if nested:
            session.execute("ROLLBACK TO SAVEPOINT attempt")
        else:
            session.roll_back()
        return False
    except BaseException:
        if not nested:
            session.roll_back()
        raise
    return True


_BLOCKING = """
SELECT CASE pid WHEN 0 THEN 'a prepared transaction'
  ELSE pid || ' of ' || coalesce((SELECT usename FROM pg_stat_activity AS a WHERE a.pid = b.pid), '?') END
FROM unnest(pg_blocking_pids(%s)) AS b (pid)"""


@contextmanager
def _blocking_sessions(address: Address, pid: int) -> Iterator[set[str]]:
    """Collect, in a separate connection, the sessions that another one is waiting for."""
    sessions: set[str] = set()
    ended = threading.Event()

    def watch() -> None:
        with suppress(psycopg.Error, StoreError), connect(address, writable=False) as driver:
            while not ended.wait(LOCK_TIMEOUT_SECONDS / 10):
                sessions.update(row[0] for row in driver.execute(_BLOCKING, (pid,)).fetchall())

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield sessions
    finally:
        ended.set()
        watching.join()
