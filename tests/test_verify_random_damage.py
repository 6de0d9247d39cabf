"""``verify`` of a randomly changed ledger neither raises nor hangs, and never reports a changed ledger as clean.

It runs in a process that is limited to two gigabytes of memory.
"""

from __future__ import annotations

import random
import resource
import shutil
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg
import pytest

from backends import ONLY_FILES, ONLY_SERVERS, RawDatabase, tamper
from claimledger.errors import ClaimledgerError
from claimledger.ledger import Ledger, survey
from hypothesis_profile import TRIALS_FACTOR, seed_for
from test_verify import FULL, TABLES

MEMORY = 2 * 1024**3
SECONDS = 120
"""Processor time for all trials of one process; the system ends a process that hangs."""


def run_in_limited_process(work: Callable[..., None], *values: object) -> None:
    """Call a function in a new process with limited memory; fail with its traceback if it raises."""
    context = get_context("forkserver")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run_limited, args=(sender, work, values))
    process.start()
    sender.close()
    try:
        error = receiver.recv()
    except EOFError:
        error = "the process sent no result"
    process.join()
    assert (error, process.exitcode) == ("", 0)


def _run_limited(sender: Any, work: Callable[..., None], values: tuple[object, ...]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS * TRIALS_FACTOR, SECONDS * TRIALS_FACTOR + 1))
    try:
        work(*values)
    except BaseException:
        sender.send(traceback.format_exc())
    else:
        sender.send("")


def is_clean(path: Path | str) -> bool:
    """Return whether verify reports a ledger as clean; a ledger that cannot be opened is not clean."""
    try:
        with Ledger.open(path) as ledger:
            return ledger.verify().clean
    except ClaimledgerError:
        return False


def readable_content(path: Path) -> list[object]:
    """Return all tables, values and settings of a file that queries can read."""
    with closing(sqlite3.connect(path)) as driver:
        driver.text_factory = bytes
        rows: list[object] = driver.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_master"
        ).fetchall()
        for table in TABLES:
            rows.append(driver.execute(f"SELECT * FROM {table}").fetchall())
        rows.append(driver.execute("PRAGMA user_version").fetchall())
        return rows


def flip_bytes(number: int, seed: str, original_file: str, folder: str) -> None:
    """Change single bytes of a file, one at a time."""
    rng = random.Random(seed)
    path = Path(folder) / "flipped.db"
    original = Path(original_file).read_bytes()
    expected = readable_content(Path(original_file))
    positions = [position for position, byte in enumerate(original) if byte]
    failed = 0
    for _ in range(number):
        position = rng.choice(positions)
        changed = original[position] ^ (1 << rng.randrange(8))
        path.write_bytes(original[:position] + bytes([changed]) + original[position + 1 :])
        if is_clean(path):  # the change may be in an unused part of the file
            assert readable_content(path) == expected, (
                f"byte {position} of {seed} is {changed}, and verify reports no fault"
            )
        else:
            failed += 1
    assert failed > number // 2


VALUES = (
    "NULL", "0", "1", "2", "-1", "1000000000", "9223372036854775807", "-9223372036854775808", "1.5", "''", "'x'",
    "'{}'", "'[]'", "'null'", "'{\"action\":\"withdraw\",\"key\":\"a\",\"kind\":\"claim\",\"recorded_by\":\"T\"}'",
    "'{\"action\":\"redact\",\"entries\":[1000000000],\"key\":\"a\",\"kind\":\"claim\",\"reason\":\"r\",\"recorded_by\":\"T\"}'",
    "'2022'", "'claim'", "'withdraw'", "'redacted'", "replace(hex(zeroblob(20000)), '0', '[')",
)  # fmt: skip
ONLY_IN_FILES = (
    "x'ff'", "x''", "CAST(x'ff' AS TEXT)", "CAST(x'e58f' AS TEXT)", "CAST(x'00' AS TEXT)", "x'00'", "zeroblob(16)",
    "zeroblob(32)", "CAST(payload AS BLOB)", "CAST(header AS BLOB)", "randomblob(16)",
)  # fmt: skip


def random_changes(rng: random.Random, number: int) -> Iterator[tuple[str, str]]:
    """Yield a table and a statement that changes one value in it."""
    columns = [(table.name, column.name) for table in TABLES.values() for column in table.columns]
    for _ in range(number):
        # Most changes are made to the log.
        table, column = rng.choice(columns + [pair for pair in columns if pair[0] == "entry"] * 6)
        value = rng.choice(VALUES + ONLY_IN_FILES)
        if "payload" in value or "header" in value:
            table, column = "entry", rng.choice(("header", "payload", "salt", "nodes"))
        key = "number" if table == "entry" else "entry"
        row = f"(SELECT {key} FROM {table} ORDER BY {key} LIMIT 1 OFFSET {rng.randrange(12)})"
        yield table, f'UPDATE {table} SET "{column}" = {value} WHERE {key} = {row}'


def change_values(number: int, seed: str, original_file: str, folder: str) -> None:
    """Change single values of a file, one at a time."""
    path = Path(folder) / "changed.db"
    expected = readable_content(Path(original_file))
    failed = 0
    for _, statement in random_changes(random.Random(seed), number):
        shutil.copyfile(original_file, path)
        try:
            tamper(path, statement)
        except sqlite3.Error:  # the table itself refuses the value
            continue
        if is_clean(path):
            assert readable_content(path) == expected, (
                f"{statement} of {seed}, and verify reports no fault"
            )
        else:
            failed += 1
    assert failed > number // 3


@ONLY_FILES  # the files of a server are not the ledger's
@pytest.mark.at_random
def test_a_changed_byte_neither_raises_nor_passes(store: str, tmp_path: Path) -> None:
    assert store == "file"
    run_in_limited_process(
        flip_bytes, 250 * TRIALS_FACTOR, seed_for("flips"), str(FULL.copy(tmp_path)), str(tmp_path)
    )


@ONLY_FILES  # a server is changed in a test below
@pytest.mark.at_random
def test_a_changed_value_in_a_file_neither_raises_nor_passes(store: str, tmp_path: Path) -> None:
    assert store == "file"
    run_in_limited_process(
        change_values,
        250 * TRIALS_FACTOR,
        seed_for("values"),
        str(FULL.copy(tmp_path)),
        str(tmp_path),
    )


def require_unreadable(where: Path | str, table: str) -> None:
    """Check that verify names a table that it cannot read."""
    with Ledger.open(where) as ledger:
        faults = ledger.verify().faults
    assert any("cannot be read" in fault.what for fault in faults if fault.table == table), faults


def test_a_value_too_large_for_memory_is_named(store: str, tmp_path: Path) -> None:
    where = FULL.copy(tmp_path)
    large_value = "zeroblob(900000000)" if store == "file" else "repeat('x', 900000000)"
    tamper(where, f"UPDATE history SET reason = {large_value} WHERE entry = 1")
    run_in_limited_process(require_unreadable, where, "history")


def require_one_lost_entry(where: Path | str) -> None:
    """Check that a survey loses only entry 2."""
    report = survey(where)
    assert [(entry.number, entry.last) for entry in report.lost if entry.number == 2] == [(2, 2)]
    assert report.intact == 1


LARGE_BYTES = "decode(repeat('00', 450000000), 'hex')"


@ONLY_SERVERS  # SQLite refuses to read such a value
@pytest.mark.parametrize(
    ("column", "value"), [("header", "repeat('x', 900000000)"), ("nodes", LARGE_BYTES)]
)
def test_salvage_loses_only_the_entry_that_is_too_large_for_memory(
    column: str, value: str, store: str, tmp_path: Path
) -> None:
    where = FULL.copy(tmp_path)
    tamper(where, f"UPDATE entry SET {column} = {value} WHERE number = 2")
    run_in_limited_process(require_one_lost_entry, where)


@ONLY_SERVERS  # SQLite cannot drop a primary key
def test_a_reference_too_large_for_memory_is_named(store: str, tmp_path: Path) -> None:
    where = FULL.copy(tmp_path)
    tamper(
        where,
        "ALTER TABLE reference DROP CONSTRAINT reference_pkey",
        "UPDATE reference SET field = repeat('x', 900000000) "
        "WHERE ctid = (SELECT ctid FROM reference LIMIT 1)",
    )
    run_in_limited_process(require_unreadable, where, "reference")
    run_in_limited_process(require_missing_key, where)


def require_missing_key(where: Path | str) -> None:
    """Check that verify names the missing primary key."""
    with Ledger.open(where) as ledger:
        assert "reference_pkey" in {fault.table for fault in ledger.verify().faults}


@ONLY_SERVERS  # a file is changed in a test above
@pytest.mark.at_random
def test_a_changed_value_on_a_server_neither_raises_nor_passes(store: str, tmp_path: Path) -> None:
    assert store == "postgresql"
    rng = random.Random(seed_for("server"))
    where = FULL.copy(tmp_path)
    with RawDatabase(where) as raw:
        raw.run("SET session_replication_role = replica")
        for table, statement in random_changes(rng, 150 * TRIALS_FACTOR):
            if any(value in statement for value in ONLY_IN_FILES) or "zeroblob" in statement:
                continue
            before = raw.rows(f"SELECT t::text FROM {table} AS t ORDER BY 1")
            raw.run(f"CREATE TABLE original AS TABLE {table}")
            try:
                raw.run(statement)
            except psycopg.Error:  # the table itself refuses the value
                raw.run("DROP TABLE original")
                continue
            changed = before != raw.rows(f"SELECT t::text FROM {table} AS t ORDER BY 1")
            raw.run("ALTER TABLE original SET SCHEMA public")
            clean = is_clean(where)
            raw.run(f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM public.original")
            raw.run("DROP TABLE public.original")
            assert clean == (not changed), statement
        raw.run("SET session_replication_role = origin")
    assert is_clean(where)
