"""Exclusive locks on a PostgreSQL ledger's tables, taken without blocking other sessions for long.

A session that waits for an exclusive lock makes every later reader of the table wait behind it. So each
attempt waits half a second at most, and lets the others in before the next one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from claimledger.errors import StoreError
from claimledger.ledger.store.address import Address

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


def lock_exclusively(
    driver: psycopg.Connection[Any], address: Address, tables: Sequence[str]
) -> None:
    """Lock tables, given by their quoted names, exclusively until the transaction ends.

    Raises :class:`StoreError` if another session holds one of them until the deadline.
    """
    for _ in attempts_until(lock_deadline()):
        try:
            with driver.transaction():  # a savepoint: a failed attempt does not end the transaction
                timeout = driver.execute("SHOW lock_timeout").fetchone()
                driver.execute(f"SET LOCAL lock_timeout = {int(LOCK_TIMEOUT_SECONDS * 1000)}")
                driver.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
                driver.execute("SELECT set_config('lock_timeout', %s, true)", timeout)
                return
        except psycopg.errors.LockNotAvailable:
            continue
    raise StoreError(
        f"{address}: another session keeps reading the ledger, and its tables cannot be changed meanwhile; "
        "nothing was written, try again"
    )
