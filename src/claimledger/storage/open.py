"""The one place that chooses a store: by what the ledger's address looks like."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from claimledger.errors import StoreError
from claimledger.storage.base import Store
from claimledger.storage.raw_reader import RawReader
from claimledger.storage.sqlite.raw_reader import SqliteRawReader
from claimledger.storage.sqlite.store import SqliteStore
from claimledger.storage.url import Address, LedgerLocation, file_of, is_database

if TYPE_CHECKING:
    from claimledger.storage.postgresql.store import PostgresStore


def new_store(where: LedgerLocation) -> Store:
    """Create a new, empty ledger; raise :class:`StoreError` if one exists there."""
    if is_database(where):
        return _postgresql().new(Address.of(str(where)))

    return SqliteStore.new(file_of(where))


def create_atomically(where: LedgerLocation, rights: int = 0o666) -> AbstractContextManager[Store]:
    """Create a ledger to be filled in one transaction: complete at the end, or absent.

    ``rights`` are the permission bits that a file gets at most, in addition to what the user's umask removes.
    """
    if is_database(where):
        return _postgresql().create_atomically(Address.of(str(where)))

    return SqliteStore.create_atomically(file_of(where), rights)


def open_store(where: LedgerLocation, *, writable: bool = False) -> Store:
    """Open a ledger; raise :class:`StoreError` if there is none that can be used this way."""
    if is_database(where):
        return _postgresql().open(Address.of(str(where)), writable=writable)

    return SqliteStore.open(file_of(where), writable=writable)


def damaged_store(where: LedgerLocation) -> RawReader:
    """Open a possibly damaged ledger, to read what can still be read of its log."""
    if is_database(where):
        _postgresql()
        from claimledger.storage.postgresql.raw_reader import PostgresRawReader

        return PostgresRawReader(Address.of(str(where)))

    return SqliteRawReader(file_of(where))


def _postgresql() -> type[PostgresStore]:
    try:
        from claimledger.storage.postgresql.store import PostgresStore
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "psycopg":
            raise
        raise StoreError(
            "a ledger in PostgreSQL needs the driver psycopg: pip install 'claimledger[postgresql]'"
        ) from None
    return PostgresStore
