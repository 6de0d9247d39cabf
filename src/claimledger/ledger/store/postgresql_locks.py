"""Exclusive locks on a PostgreSQL ledger's tables, taken without blocking other sessions for long.

A session that waits for an exclusive lock makes every later reader of the table wait behind it. So each
attempt waits half a second at most, and lets the others in before the next one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg

from claimledger.errors import StoreError
from claimledger.ledger.store.address import Address
from claimledger.ledger.store.postgresql_server import shown

LOCK_TIMEOUT_SECONDS = 0.5
"""How long one attempt waits for a lock."""

LOCK_DEADLINE_SECONDS = 30.0
"""How long attempts are repeated."""


def lock_deadline() -> float:
    """Return the moment, on the monotonic clock, after which no attempt to take a lock begins."""
    return time.monotonic() + LOCK_DEADLINE_SECONDS


def attempts_until(deadline: float) -> Iterator[None]:
    """Yield once for each attempt that may be made, with a random pause before each but the first."""
    yield
    while time.monotonic() < deadline:
        time.sleep(LOCK_TIMEOUT_SECONDS * random.uniform(0.5, 1.5))
        yield


def locked_exclusively(
    driver: psycopg.Connection[Any],
    address: Address,
    tables: Sequence[str],
    change: Callable[[], None],
) -> None:
    """Lock tables, given by their quoted names, exclusively until the transaction ends, and change them.

    ``change`` is undone and repeated if it has to wait for a further lock: objects that depend on the tables
    have locks of their own. After the deadline raises :class:`StoreError`, which names the blocking sessions.
    """
    for _ in attempts_until(lock_deadline()):
        try:
            with driver.transaction():  # a savepoint: a failed attempt does not end the transaction
                timeout = driver.execute("SHOW lock_timeout").fetchone()
                driver.execute(f"SET LOCAL lock_timeout = {int(LOCK_TIMEOUT_SECONDS * 1000)}")
                driver.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
                change()
                driver.execute("SELECT set_config('lock_timeout', %s, true)", timeout)
                return
        except psycopg.errors.LockNotAvailable:
            continue
    sessions = ", ".join(
        f"{pid} of {shown(user)}"
        for pid, user in driver.execute(_LOCK_HOLDERS, (list(tables),)).fetchall()
    )
    raise StoreError(
        f"{address}: other sessions keep the ledger's tables locked ({sessions or 'unknown'}); nothing was "
        "written, try again. The server's administrator ends a session with pg_terminate_backend"
    )


_LOCK_HOLDERS = """
WITH holders AS (
  SELECT pid, usename, relation = ANY (%s::regclass[]) AS direct
  FROM pg_locks JOIN pg_stat_activity USING (pid)
  WHERE granted AND pid <> pg_backend_pid() AND locktype = 'relation'
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
SELECT DISTINCT pid, usename FROM holders
WHERE direct OR NOT EXISTS (SELECT FROM holders WHERE direct) ORDER BY pid"""
"""Sessions with a lock on one of some tables; if there are none, those with a lock on any table."""
