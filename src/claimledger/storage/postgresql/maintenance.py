"""What backup, rebuild, redaction and verification need of a ledger in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from claimledger.storage.postgresql.connection import layout_of, server_errors, shown
from claimledger.storage.postgresql.roles import Roles
from claimledger.storage.postgresql.schema import HEAD
from claimledger.storage.postgresql.schema_check import shape_damage
from claimledger.storage.postgresql.upgrade import find_residual_text, renew, scrub
from claimledger.storage.tables import LAYOUT, PENDING_SCRUB

if TYPE_CHECKING:
    from claimledger.storage.base import Store
    from claimledger.storage.postgresql.store import PostgresStore

_UNSCRUBBED = select(PENDING_SCRUB.c.entry).order_by(PENDING_SCRUB.c.entry)


class PostgresMaintenance:
    """Implements :class:`~claimledger.storage.base.Maintenance` for a ledger on a server."""

    rights = 0o600
    """A file created from the ledger is its owner's alone: the server decides who reads the ledger."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self._session = store.session
        self._address = store.address

    def is_in(self, path: Path) -> bool:  # noqa: ARG002
        """Return ``False``: the ledger is not in a file."""
        return False

    def copy_to(self, path: Path, rights: int) -> bool:  # noqa: ARG002
        """Return ``False``: a file has to be built from the log."""
        return False

    def reopening(self) -> Callable[[], Store] | None:
        """Return what opens this ledger again for reading, with the view that this reader has."""
        if not self._session.in_transaction:
            return None
        row = self._session.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        return partial(type(self._store).open, self._address, snapshot=row[0])

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Hold the write lock for one transaction that begins with all views newly created and empty."""
        store = self._store
        recreate = partial(renew, self._session, self._address, store.lock_head)
        with store.transaction_after(recreate):
            store.outdated = False
            yield

    def flush_to_disk(self) -> None:
        """Wait until everything this reader sees is on the server's disk.

        Another writer's entries can be visible a moment before they are on the disk.
        """
        if self._store.writable and self._session.in_transaction:
            return  # the commit of its own write waits for the disk
        with server_errors(self._address):
            self._session.flush_to_disk()

    def vacuum(self) -> None:
        """Rewrite the tables and their indexes, without what was deleted."""
        with server_errors(self._address):
            pending = self.unscrubbed()  # later redactions are scrubbed by their own writers
            scrub(self._session, self._address)
            self._session.execute(
                f"DELETE FROM {PENDING_SCRUB.name} WHERE entry = ANY (%s)", (pending,)
            )

    def unscrubbed(self) -> list[int]:
        """Return the redactions whose texts may still be in the server's files."""
        return [entry for (entry,) in self._store.tuples(_UNSCRUBBED)]

    def find_residual_text(self, texts: Sequence[bytes]) -> list[bytes]:
        """Return those of the texts that are still in the log or in the search words."""
        with server_errors(self._address):
            return find_residual_text(self._session, texts)

    def decode_leniently(self) -> None:
        """Do nothing: the server stores only valid UTF-8."""

    def shape_damage(self) -> Iterator[tuple[str, str]]:
        """Yield the tables, indexes, triggers and privileges that differ from what this program creates."""
        driver = self._session.driver
        for name, difference in shape_damage(driver, self._address.schema):
            yield shown(name), shown(difference)
        yield from Roles(driver, self._address).faults()
        layout = layout_of(driver, self._address)
        if layout != LAYOUT:
            yield HEAD, f"has the layout number {layout} where it should have {LAYOUT}"

    def damage(self) -> Iterator[tuple[str, str]]:
        """Yield what the server found wrong with the checksums of its pages."""
        row = self._session.execute(
            "SELECT checksum_failures FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
        if row and row[0]:
            yield "database", f"has {row[0]} pages whose checksum is wrong, as the server says"
