"""Whatever is changed in a ledger, ``verify`` neither raises nor hangs, and never calls clean what is not.

In a process that may take two gigabytes and no more.
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
"""Of the processor, for all trials of one process: a verify that hangs is ended by the system."""


def in_a_process(work: Callable[..., None], *values: object) -> None:
    """Do work in a process of its own, with two gigabytes; fail with what it says where it fails."""
    context = get_context("forkserver")
    heard, connection = context.Pipe(duplex=False)
    process = context.Process(target=_limited, args=(connection, work, values))
    process.start()
    connection.close()
    try:
        answer = heard.recv()
    except EOFError:
        answer = "it said nothing"
    process.join()
    assert (answer, process.exitcode) == ("", 0)


def _limited(line: Any, work: Callable[..., None], values: tuple[object, ...]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS * TRIALS_FACTOR, SECONDS * TRIALS_FACTOR + 1))
    try:
        work(*values)
    except BaseException:
        line.send(traceback.format_exc())
    else:
        line.send("")


def verdict_of(path: Path | str) -> bool:
    """Return whether verify finds a ledger clean; what it refuses to open it does not."""
    try:
        with Ledger.open(path) as ledger:
            return ledger.verify().clean
    except ClaimledgerError:
        return False


def content(path: Path) -> list[object]:
    """Return everything in a file that a query can reach."""
    with closing(sqlite3.connect(path)) as driver:
        driver.text_factory = bytes
        results: list[object] = driver.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_master"
        ).fetchall()
        for table in TABLES:
            results.append(driver.execute(f"SELECT * FROM {table}").fetchall())
        results.append(driver.execute("PRAGMA user_version").fetchall())
        return results


def flips(number: int, seed: str, complete: str, folder: str) -> None:
    """Change single bytes of a file, one at a time."""
    chance = random.Random(seed)
    path = Path(folder) / "flipped.db"
    original = Path(complete).read_bytes()
    expected = content(Path(complete))
    used = [place for place, byte in enumerate(original) if byte]
    seen = 0
    for _ in range(number):
        place = chance.choice(used)
        changed = original[place] ^ (1 << chance.randrange(8))
        path.write_bytes(original[:place] + bytes([changed]) + original[place + 1 :])
        if verdict_of(path):  # where nothing is stored, nothing is changed
            assert content(path) == expected, (
                f"byte {place} of {seed} is {changed}, and it is called clean"
            )
        else:
            seen += 1
    assert seen > number // 2


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


def mutations(chance: random.Random, number: int) -> Iterator[tuple[str, str]]:
    """Yield a table and a statement that changes one value in it."""
    places = [(table.name, column.name) for table in TABLES.values() for column in table.columns]
    for _ in range(number):
        table, column = chance.choice(
            places + [place for place in places if place[0] == "entry"] * 6
        )
        value = chance.choice(VALUES + ONLY_IN_FILES)
        if "payload" in value or "header" in value:
            table, column = "entry", chance.choice(("header", "payload", "salt", "nodes"))
        key = "number" if table == "entry" else "entry"
        row = f"(SELECT {key} FROM {table} ORDER BY {key} LIMIT 1 OFFSET {chance.randrange(12)})"
        yield table, f'UPDATE {table} SET "{column}" = {value} WHERE {key} = {row}'


def changes(number: int, seed: str, complete: str, folder: str) -> None:
    """Change single values of a file, one at a time."""
    path = Path(folder) / "changed.db"
    expected = content(Path(complete))
    seen = 0
    for _, statement in mutations(random.Random(seed), number):
        shutil.copyfile(complete, path)
        try:
            tamper(path, statement)
        except sqlite3.Error:  # the table itself does not take it
            continue
        if verdict_of(path):
            assert content(path) == expected, f"{statement} of {seed}, and it is called clean"
        else:
            seen += 1
    assert seen > number // 3


@ONLY_FILES  # a server keeps its own bytes
@pytest.mark.at_random
def test_no_byte_that_is_changed_raises_or_is_called_clean(store: str, tmp_path: Path) -> None:
    assert store == "file"
    in_a_process(
        flips, 250 * TRIALS_FACTOR, seed_for("flips"), str(FULL.copy(tmp_path)), str(tmp_path)
    )


@ONLY_FILES  # what a server takes is below
@pytest.mark.at_random
def test_no_value_that_is_changed_raises_or_is_called_clean(store: str, tmp_path: Path) -> None:
    assert store == "file"
    in_a_process(
        changes, 250 * TRIALS_FACTOR, seed_for("values"), str(FULL.copy(tmp_path)), str(tmp_path)
    )


def naming(where: Path | str, table: str) -> None:
    with Ledger.open(where) as ledger:
        faults = ledger.verify().faults
    assert any("cannot be read" in fault.what for fault in faults if fault.table == table), faults


def test_a_value_that_has_no_room_in_memory_is_named(store: str, tmp_path: Path) -> None:
    where = FULL.copy(tmp_path)
    longest = "zeroblob(900000000)" if store == "file" else "repeat('x', 900000000)"
    tamper(where, f"UPDATE history SET reason = {longest} WHERE entry = 1")
    in_a_process(naming, where, "history")


def surveying(where: Path | str) -> None:
    report = survey(where)
    assert [(lost.number, lost.last) for lost in report.lost if lost.number == 2] == [(2, 2)]
    assert report.intact == 1


LONG_BYTES = "decode(repeat('00', 450000000), 'hex')"


@ONLY_SERVERS  # a file's library reads no value that is too long
@pytest.mark.parametrize(
    ("column", "value"), [("header", "repeat('x', 900000000)"), ("nodes", LONG_BYTES)]
)
def test_an_entry_that_has_no_room_in_memory_is_lost_and_no_other(
    column: str, value: str, store: str, tmp_path: Path
) -> None:
    where = FULL.copy(tmp_path)
    tamper(where, f"UPDATE entry SET {column} = {value} WHERE number = 2")
    in_a_process(surveying, where)


@ONLY_SERVERS  # in a file the table cannot be without its key
def test_a_reference_that_has_no_room_in_memory_is_named(store: str, tmp_path: Path) -> None:
    where = FULL.copy(tmp_path)
    tamper(
        where,
        "ALTER TABLE reference DROP CONSTRAINT reference_pkey",
        "UPDATE reference SET field = repeat('x', 900000000) "
        "WHERE ctid = (SELECT ctid FROM reference LIMIT 1)",
    )
    in_a_process(naming, where, "reference")
    in_a_process(naming_key, where)


def naming_key(where: Path | str) -> None:
    with Ledger.open(where) as ledger:
        assert "reference_pkey" in {fault.table for fault in ledger.verify().faults}


@ONLY_SERVERS  # values of a file are above
@pytest.mark.at_random
def test_no_value_that_is_changed_on_a_server_raises_or_is_called_clean(
    store: str, tmp_path: Path
) -> None:
    assert store == "postgresql"
    chance = random.Random(seed_for("server"))
    where = FULL.copy(tmp_path)
    with RawDatabase(where) as raw:
        raw.run("SET session_replication_role = replica")
        for table, statement in mutations(chance, 150 * TRIALS_FACTOR):
            if any(value in statement for value in ONLY_IN_FILES) or "zeroblob" in statement:
                continue
            before = raw.rows(f"SELECT t::text FROM {table} AS t ORDER BY 1")
            raw.run(f"CREATE TABLE kept AS TABLE {table}")
            try:
                raw.run(statement)
            except psycopg.Error:  # the table itself does not take it
                raw.run("DROP TABLE kept")
                continue
            changed = before != raw.rows(f"SELECT t::text FROM {table} AS t ORDER BY 1")
            raw.run("ALTER TABLE kept SET SCHEMA public")
            clean = verdict_of(where)
            raw.run(f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM public.kept")
            raw.run("DROP TABLE public.kept")
            assert clean == (not changed), statement
        raw.run("SET session_replication_role = origin")
    assert verdict_of(where)
