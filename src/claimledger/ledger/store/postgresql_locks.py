"""Having tables of a PostgreSQL ledger alone, without keeping others waiting for whoever reads them."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

import psycopg

from claimledger.errors import StoreError
from claimledger.ledger.store.address import Address

PATIENCE_SECONDS = 0.5
"""How long a table's lock is waited for at once: whoever comes meanwhile waits as well."""

ALONE_SECONDS = 30.0
"""How long it is tried again and again to have a table alone."""


class Turns:
    """Tries for a lock, each of a moment, for half a minute."""

    def __init__(self) -> None:
        self._end = time.monotonic() + ALONE_SECONDS

    def next(self) -> bool:
        """Wait a while, in which others come in; return whether another try is due."""
        if time.monotonic() > self._end:
            return False
        time.sleep(PATIENCE_SECONDS * random.uniform(0.5, 1.5))
        return True


def lock_alone(driver: psycopg.Connection[Any], address: Address, tables: Sequence[str]) -> None:
    """Lock tables, by their quoted names, against everybody until the transaction ends.

    Raises :class:`StoreError` where somebody keeps one of them.
    """
    turns = Turns()
    while True:
        try:
            with driver.transaction():
                patience = driver.execute("SHOW lock_timeout").fetchone()
                driver.execute(f"SET LOCAL lock_timeout = {int(PATIENCE_SECONDS * 1000)}")
                driver.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
                driver.execute("SELECT set_config('lock_timeout', %s, true)", patience)
                return
        except psycopg.errors.LockNotAvailable:
            if not turns.next():
                raise StoreError(
                    f"{address}: somebody keeps reading the ledger, and its tables cannot be changed "
                    "meanwhile; nothing was written, try again"
                ) from None
