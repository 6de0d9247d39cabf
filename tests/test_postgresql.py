"""What only a server has: an address with a password in it, a schema that is taken, words in two indexes."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import literal, select

from backends import (
    ONLY_SERVERS,
    STORES,
    Current,
    RawDatabase,
    drop_databases,
    new_location,
    server,
)
from builders import case, record_all
from claimledger.errors import InvalidInputError, StoreError
from claimledger.ledger import Ledger, LedgerLocation, RecordInput, shown
from claimledger.records.check import record_from
from claimledger.storage.postgresql.connection import named
from claimledger.storage.url import Address

SECRET = "hunter2:&%/x"
QUOTED = "hunter2%3A%26%25%2Fx"


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("postgresql://ann@db.example/news", "postgresql://ann@db.example/news"),
        (f"postgresql://ann:{QUOTED}@db.example:5433/news?schema=desk",
         "postgresql://ann@db.example:5433/news?schema=desk"),
        (f"postgres:///news?host=/run/pg&password={QUOTED}&user=ann&schema=desk",
         "postgresql://ann@/news?host=/run/pg&schema=desk"),
        ("postgresql://ann@[::1]:5432/news", "postgresql://ann@[::1]:5432/news"),
        (f"postgresql+psycopg://ann:{QUOTED}@db/news", "postgresql://ann@db/news"),
        (f" \nPostgreSQL+psycopg2://ann:{QUOTED}@db/news?schema=desk \n", "postgresql://ann@db/news?schema=desk"),
        (f"POSTGRES://ann:{QUOTED}@db/news", "postgresql://ann@db/news"),
    ],
)  # fmt: skip
def test_an_address_is_told_without_its_password(text: str, output: str) -> None:
    address = Address.of(text)
    assert str(address) == output
    assert "hunter2" not in repr(address) + shown(text)
    assert str(Address.of(output)) == output
    if "hunter2" in text:
        assert dict(address.options)["password"] == SECRET


def test_a_plus_sign_in_an_address_is_a_plus_sign() -> None:
    address = Address.of("postgresql://ann@db/news?password=a+b&schema=d%65sk&user=c%2Bd")
    assert dict(address.options) == {
        "user": "c+d",
        "password": "a+b",
        "host": "db",
        "dbname": "news",
    }
    assert address.schema == "desk"


@pytest.mark.parametrize("text", ["postgresql://? \ud800", "postgresql://u@h/d?user=\udcff"])
def test_an_address_that_is_no_unicode_is_refused(text: str) -> None:
    with pytest.raises(StoreError, match="is not the address of a database"):
        Ledger.open(text)


NOT_UNDERSTOOD = (
    "host=db user=ann password=hunter2 dbname=news",
    "user=ann  password = 'hun\\'ter2 ter2' host=db",
    "HOST=db PASSWORD=hunter2",
    "  password=hunter2",
    "postgresql:/ann:hunter2@db/news",
    "postgresql:ann:hunter2@db",
    "postgresql+psycopg:/ann:hunter2@db/news",
    "jdbc:postgresql://db/news?user=ann&password=hunter2",
    "mysql://ann:hunter2@db/news",
    "https://ann:hunter2@db/news",
    "cockroachdb+psycopg://ann:hunter2@db/news",
    r"host=db password=a\ hunter2",
)

SLIPS = (
    "postgresql://db/news?pass%77ord=hunter2&schema=BAD!",
    "postgresql://db/news?password=a hunter2&schema=BAD!",
    "postgresql://db/news?password=a&hunter2",
    "postgresql:///news?dbname=postgresql://ann:hunter2@db/news",
    "postgresql:///news?dbname=postgresql%3A//ann%3Ahunter2%40db/news",
    "postgresql://db/news?host=ann:hunter2@db",
    "postgresql://db/news?user=ann:hunter2",
    "postgresql://db/news?pwd=hunter2",
    "postgresql://db/news?pasword=hunter2",
    '"postgresql://ann:hunter2@db/news"',
    "<postgresql://ann:hunter2@db/news>",
    "file:postgresql://ann:hunter2@db/news",
    "postgres//ann:hunter2@db/news",
    "//ann:hunter2@db/news",
    "Server=db;Password=hunter2;Database=news",
    "postgresql://u@db/news;password=hunter2",
    "postgresql://u@db/news&password=hunter2",
    "postgresql://u@db/news password=hunter2",
    "postgresql://u@db/news/password=hunter2",
    "postgresql://u@db/news#password=hunter2",
    "postgresql://u@db;password=hunter2/news",
    "postgresql://u%3Ahunter2@db/news",
    "jdbc:postgresql://db/news;password=hunter2",
    "mysql://db/news;password=hunter2",
)
"""Addresses with a slip in them; some read like the path of a file."""


@pytest.mark.parametrize("text", SLIPS)
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_an_address_with_a_slip_shows_no_password(
    text: str, more: tuple[str, ...], call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (
        ["stats"],
        ["import", "-"],
        ["show", "a"],
        ["move", text, "x.db"],
        ["salvage", text],
    ):
        done = call("--ledger", text, *words, *more, text="[]")
        assert done.returncode == 1
        assert "ter2" not in done.stderr + done.stdout, done.stderr
    monkeypatch.setenv("CLAIMLEDGER_DB", text)
    assert "ter2" not in call("stats", *more).stderr
    assert "ter2" not in call("report", "-o", text, *more).stderr


@pytest.mark.parametrize("text", NOT_UNDERSTOOD)
def test_no_spelling_of_an_address_is_taken_for_a_file(
    text: str, call: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="is not an address that is understood") as raised:
        Ledger.open(text)
    assert "ter2" not in str(raised.value)
    for words in (["stats"], ["init"], ["move", text, "x.db"], ["salvage", text], ["import", "-"]):
        done = call("--ledger", text, *words, text="[]")
        assert done.returncode == 1
        assert "ter2" not in done.stderr + done.stdout
    assert not [file for file in tmp_path.rglob("*") if "ter2" in str(file)]


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ann:hunter2@db/news",
        "postgresql+psycopg://ann:hun/ter2@db/x/y",
        *NOT_UNDERSTOOD,
    ],
)
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_no_message_about_a_file_shows_a_password(
    text: str,
    more: tuple[str, ...],
    ledger: Ledger,
    path: LedgerLocation,
    call: Callable[..., Any],
    tmp_path: Path,
) -> None:
    record_all(ledger, case(["a: one"]))
    for words in (
        ["import", text],
        ["restore", text, "x.db"],
        ["restore", "x.jsonl", text],
        ["report", "-o", text],
        ["export", f"--output={text}"],
        ["graph", "a", "-o", text],
        ["backup", text],
        ["backup", "--since", "1", text],
        ["timeline", "-o", text],
        ["audit", "a", "-o", text],
        ["show", text],
        ["list", "--subject", text],
        ["verify", "--at", text],
        ["nothing", text],
        [text],
        ["salvage", text],
    ):
        done = call("--ledger", str(path), *words, *more)
        assert "Traceback" not in done.stderr
        assert "ter2" not in done.stderr + done.stdout, (words, done.stderr)


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://ann:{QUOTED}@db:port/news",
        f"postgresql://ann:{QUOTED}@db/news?no_such_word=1",
        f"postgresql://ann:{QUOTED}@db/news?schema=Robert'); DROP TABLE entry;--",
        f"postgresql://ann:{QUOTED}@db/news?schema=",
        "postgresql://ann:hun@ter2@db/news?schema=9",
        "postgresql://ann:hun@ter2@db/news",
        "postgresql://ann:hunter2/news",
        "postgresql://ann:hunter2",
        f"postgresql://[ann:{QUOTED}@db/news",
        f"postgresql://ann:{QUOTED}@db/news?password=hunter2&schema=NO",
    ],
)
def test_what_is_no_address_is_refused_without_showing_a_password(
    text: str, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError) as raised:
        Ledger.open(text)
    assert "hunter2" not in str(raised.value)
    assert "ter2" not in str(raised.value)
    monkeypatch.setenv("CLAIMLEDGER_DB", text)
    for words in (["stats"], ["stats", "--json"], ["init"], ["record", "--statement", "x"]):
        done = call(*words)
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
        assert "ter2" not in done.stderr + done.stdout


def test_a_server_that_is_not_there_is_told(call: Callable[..., Any], tmp_path: Path) -> None:
    address = "postgresql://ann:hunter2@127.0.0.1:1/news?sslpassword=hunter2"
    done = call("--ledger", address, "stats", "--json")
    assert done.returncode == 1
    assert "cannot be reached" in done.stdout + done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    left = [file for file in tmp_path.rglob("*") if "hunter2" in file.name]
    assert not left


def test_without_the_driver_it_is_told_which_extra_brings_it(tmp_path: Path) -> None:
    blocked = (
        "import sys; sys.modules['psycopg'] = None; from claimledger.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", blocked, "--ledger", "postgresql:///x", "stats"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "pip install 'claimledger[postgresql]'" in done.stderr
    done = subprocess.run(
        [sys.executable, "-c", blocked, "--ledger", "x.db", "init"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@ONLY_SERVERS  # a file is asked nothing that somebody else could stop
def test_what_stops_a_question_is_told_for_what_it_is(path: LedgerLocation, ledger: Ledger) -> None:
    driver = ledger._store.driver  # type: ignore[attr-defined]
    for query, output in {
        "SET statement_timeout = '10ms'; SELECT pg_sleep(9)": "was made to stop .canceling statement",
        "SELECT repeat('x', 2000000000)": "the server (has no room|failed)",
        "SELECT pg_terminate_backend(pg_backend_pid())": "cannot be reached or ended the connection",
    }.items():
        with pytest.raises(StoreError, match=output), named(Address.of(str(path))):
            driver.execute(query)


@ONLY_SERVERS  # a file's name is the file system's
def test_a_schema_may_be_named_by_a_word_of_sql(path: LedgerLocation) -> None:
    address = str(path).rpartition("=")[0] + "=order"
    Current.schemas.append('"order"')
    with Ledger.create(address) as ledger:
        record_all(ledger, case(["a: one"]))
        ledger.amend("claim", "a", {"note": "n"}, by="T", reason="r")
        ledger.withdraw("claim", "a", by="T", reason="r")
        ledger.redact("claim", "a", by="T", reason="r")
        ledger.rebuild()
        assert ledger.grants()["keeper"] == []
        assert ledger.verify().faults == ()


@ONLY_SERVERS  # a file that is none of ours is tried in test_sqlite_faults
def test_what_is_no_ledger_is_told_and_left_untouched(path: LedgerLocation) -> None:
    with pytest.raises(StoreError, match="holds no ledger"):
        Ledger.open(path)
    schema = str(path).rpartition("=")[2]
    with psycopg.connect(server().get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(f"CREATE TABLE {schema}.theirs (x integer)")
    with pytest.raises(StoreError, match=r"not empty .it holds theirs"):
        Ledger.create(path)
    with RawDatabase(path) as raw:
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        assert raw.rows(tables) == [("theirs",)]
        raw.run("DROP TABLE theirs")
        for name, created in {
            "twice": "FUNCTION twice(x integer) RETURNS integer LANGUAGE sql RETURN 2 * x",
            "standing": "FUNCTION standing() RETURNS integer LANGUAGE sql RETURN 2",
            "all_of": "AGGREGATE all_of (integer) (SFUNC = int4pl, STYPE = integer)",
            "numbers": "SEQUENCE numbers",
            "mood": "TYPE mood AS ENUM ('sad')",
        }.items():
            raw.run(f"CREATE {created}")
            with pytest.raises(
                StoreError, match=rf"not empty .it holds.*{name}.*schema of its own"
            ):
                Ledger.create(path)
            assert raw.rows(tables) == []
            raw.run(f"DROP {created.split()[0]} {name}{'(integer)' if name == 'all_of' else ''}")
        raw.run(
            "CREATE TABLE head (program text, layout bigint)", "INSERT INTO head VALUES ('git', 1)"
        )
    with pytest.raises(StoreError, match="holds no ledger"):
        Ledger.open(path)


@ONLY_SERVERS  # a file's layout is tried in test_sqlite_faults
def test_a_newer_ledger_is_left_untouched_also_by_who_has_it_open(
    path: LedgerLocation, ledger: Ledger
) -> None:
    record_all(ledger, case(["a: one"]))
    with RawDatabase(path) as raw:
        raw.run("UPDATE head SET layout = 99999")
    with pytest.raises(StoreError, match="newer claimledger"):
        Ledger.open(path)
    with pytest.raises(StoreError, match="another version"):
        record_all(ledger, case(["b: one"]))
    with RawDatabase(path) as raw:
        assert raw.rows("SELECT count(*) FROM entry") == [(4,)]


@ONLY_SERVERS  # a file that is read-only is tried in test_sqlite_faults
def test_what_is_opened_for_reading_is_not_written(path: LedgerLocation, ledger: Ledger) -> None:
    record_all(ledger, case(["a: one"]))
    with Ledger.open(path) as reader, pytest.raises(StoreError, match="nothing was written"):
        record_all(reader, case(["b: one"]))


SIGNS = st.text(st.sampled_from("abcé 站海外-ß.İ١Ａ'\\&|:*<()!\u0301"), min_size=1, max_size=14)


@settings(max_examples=20)
@given(st.lists(SIGNS, min_size=1, max_size=12), st.lists(SIGNS, min_size=1, max_size=30))
def test_both_stores_find_the_same(texts: list[str], queries: list[str]) -> None:
    import tempfile

    drawn = case([f"k{n}: one" for n in range(len(texts))],
                 extra={f"k{n}": {"statement": f"x{text}x"} for n, text in enumerate(texts)})  # fmt: skip
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for store in STORES:
            Current.store = store
            with Ledger.create(new_location(folder)) as ledger:
                record_all(ledger, drawn)
                statements = [*queries, *(f'"{query}"' for query in queries), *texts]
                results.append(
                    [[(m.stored.key, m.marks) for m in ledger.search(q)] for q in statements]
                )
        Current.store = "file"
    drop_databases()
    assert results[0] == results[1]


@ONLY_SERVERS  # only a server's vector of words has an end
def test_a_text_of_a_million_signs_is_found_by_any_of_its_words(ledger: Ledger) -> None:
    words = [f"сло{n}во" for n in range(110_000)]
    record_all(ledger, case(["a: one"], extra={"a": {"statement": " ".join(words)}}))
    for sought in (words[0], words[54_321], words[-1], f'"{words[70_000]} {words[70_001]}"'):
        assert [match.stored.key for match in ledger.search(sought)] == ["a"]
    assert ledger.search(f'"{words[70_001]} {words[70_000]}"') == []
    assert ledger.search("слово") == []


@ONLY_SERVERS  # what the server hashes is compared with what we do, in a file
def test_the_server_hashes_as_we_do(path: LedgerLocation, tmp_path: Path) -> None:
    """One writer adds batches of every size, a second one comes in between, and the clock goes backwards."""
    drawn = random.Random(7)
    sizes = [1, 2, 1, 3, 1, 1, 8, 5, 1, 13, 2, 1, 31, 19, 1]
    roots, times = [], []
    for where in (path, tmp_path / "ours.db"):
        drawn.seed(7)
        moments = iter(datetime(2020, 1, 1, drawn.randrange(24), tzinfo=UTC) for _ in range(100))
        salts = (n.to_bytes(16) for n in count())
        mine: dict[str, Any] = {
            "clock": lambda at=moments: next(at),
            "salts": lambda _, s=salts: next(s),
        }
        with (
            Ledger.create(where, **mine) as ledger,
            Ledger.open(where, writable=True, **mine) as second,
        ):
            for batch, size in enumerate(sizes):
                rows = [{"kind": "party", "key": f"p{batch}-{n}", "name": "P"} for n in range(size)]
                record_all(second if batch % 3 == 2 else ledger, rows)
            roots.append(
                [ledger.at(known_at=number).head().root for number in range(sum(sizes) + 1)]
            )
            times.append([entry.recorded_at for entry in ledger.history("p14-0")])
            assert ledger.verify().clean
    assert roots[0] == roots[1]
    assert times[0] == times[1]


@ONLY_SERVERS  # in a file nothing is assumed: who writes holds the lock
def test_what_a_write_assumed_and_is_not_so_is_asked(path: LedgerLocation, ledger: Ledger) -> None:
    record_all(ledger, case(["a: one", "b: two"]))
    with RawDatabase(path) as raw:
        before = raw.rows("SELECT count(*) FROM entry")
    new = {"kind": "claim", "key": "c", "statement": "c", "claimant": ["one"], "subject": "topic",
           "citations": [{"source": "a-page"}]}  # fmt: skip
    for spoilt, output in (
        ({"key": "a"}, "differs from the ledger"),
        ({"claimant": ["nobody"]}, "no party with this key"),
        ({"subject": "one"}, "is a party, not a subject"),
    ):
        with pytest.raises(InvalidInputError, match=output):
            record_all(ledger, [new | spoilt])
    assert ledger.import_records([RecordInput.of(record_from(new))], by="T").written == [
        ("claim", "c", before[0][0] + 1)
    ]
    assert ledger.import_records([RecordInput.of(record_from(new))], by="T").unchanged == 1
    with Ledger.open(path, writable=True) as second:
        second.withdraw("party", "two", by="T", reason="r", cascade=True)
    with pytest.raises(InvalidInputError, match="was withdrawn"):
        record_all(ledger, [new | {"key": "d", "claimant": ["two"]}])
    assert ledger.verify().clean


@ONLY_SERVERS  # a file's writer sets what it needs for each transaction
def test_what_is_acknowledged_waits_for_the_disk_whatever_the_default(
    path: LedgerLocation, ledger: Ledger
) -> None:
    with RawDatabase(path) as raw:
        raw.run("ALTER DATABASE postgres SET synchronous_commit = off")
    try:
        with Ledger.open(path, writable=True) as second:
            answers = second._store.connection.exec_driver_sql("SHOW synchronous_commit")
            assert answers.scalar() == "on"
    finally:
        with RawDatabase(path) as raw:
            raw.run("ALTER DATABASE postgres RESET synchronous_commit")


@ONLY_SERVERS
def test_a_rebuild_leaves_who_reads_meanwhile_the_whole_ledger(
    path: LedgerLocation, ledger: Ledger
) -> None:
    """Tables that are made anew are empty to whoever's transaction began before."""
    record_all(ledger, case(["a: one", "b: two"], ["a contradicts b"]))
    claims = ledger.keys("claim")

    def rebuild() -> None:
        with Ledger.open(path, writable=True) as keeper:
            keeper.rebuild()

    rebuilding = threading.Thread(target=rebuild)
    with Ledger.open(path) as reader, reader.reading():
        reader._store.tuples(select(literal(1)))  # what it sees is fixed from here on
        rebuilding.start()
        with RawDatabase(path) as watching:
            while rebuilding.is_alive() and not watching.rows(
                "SELECT 1 FROM pg_locks WHERE NOT granted"
            ):
                rebuilding.join(0.01)
        assert reader.keys("claim") == claims
        assert len(list(reader.records("link"))) == 1
    rebuilding.join()
    assert ledger.keys("claim") == claims
