"""Behaviour specific to PostgreSQL: URLs with passwords, schemas, search, the tree on the server, and rebuilds."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
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
    ONLY_FILES,
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
from claimledger.storage.postgresql.connection import server_errors
from claimledger.storage.url import Address

SECRET = "hunter2:&%/x"
QUOTED = "hunter2%3A%26%25%2Fx"


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_a_url_is_displayed_without_its_password(text: str, expected: str) -> None:
    address = Address.of(text)
    assert str(address) == expected
    assert "hunter2" not in repr(address) + shown(text)
    assert str(Address.of(expected)) == expected
    if "hunter2" in text:
        assert dict(address.options)["password"] == SECRET


def test_a_plus_sign_in_a_url_stays_a_plus_sign() -> None:
    address = Address.of("postgresql://ann@db/news?password=a+b&schema=d%65sk&user=c%2Bd")
    assert dict(address.options) == {
        "user": "c+d",
        "password": "a+b",
        "host": "db",
        "dbname": "news",
    }
    assert address.schema == "desk"


@pytest.mark.parametrize("text", ["postgresql://? \ud800", "postgresql://u@h/d?user=\udcff"])
def test_a_url_with_a_surrogate_is_refused(text: str) -> None:
    with pytest.raises(StoreError, match="is not the address of a database"):
        Ledger.open(text)


UNSUPPORTED = (
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

MISTYPED = (
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
"""Mistyped URLs; some look like the path of a file."""


@pytest.mark.parametrize("text", MISTYPED)
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_no_message_about_a_mistyped_url_shows_a_password(
    text: str, more: tuple[str, ...], call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (
        ["stats"],
        ["import", "-"],
        ["show", "a"],
        ["move", text, "x.db"],
        ["salvage", text],
    ):
        result = call("--ledger", text, *words, *more, text="[]")
        assert result.returncode == 1
        assert "ter2" not in result.stderr + result.stdout, result.stderr
    monkeypatch.setenv("CLAIMLEDGER_DB", text)
    assert "ter2" not in call("stats", *more).stderr
    assert "ter2" not in call("report", "-o", text, *more).stderr


@pytest.mark.parametrize("text", UNSUPPORTED)
def test_no_unsupported_url_is_taken_for_a_file(
    text: str, call: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="is not a valid address") as raised:
        Ledger.open(text)
    assert "ter2" not in str(raised.value)
    for words in (["stats"], ["init"], ["move", text, "x.db"], ["salvage", text], ["import", "-"]):
        result = call("--ledger", text, *words, text="[]")
        assert result.returncode == 1
        assert "ter2" not in result.stderr + result.stdout
    assert not [file for file in tmp_path.rglob("*") if "ter2" in str(file)]


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ann:hunter2@db/news",
        "postgresql+psycopg://ann:hun/ter2@db/x/y",
        *UNSUPPORTED,
    ],
)
@pytest.mark.parametrize("more", [(), ("--json",)])
@ONLY_FILES  # the mistyped name of a file is not about the store of the ledger
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
        result = call("--ledger", str(path), *words, *more)
        assert "Traceback" not in result.stderr
        assert "ter2" not in result.stderr + result.stdout, (words, result.stderr)


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
def test_an_invalid_url_is_refused_without_showing_a_password(
    text: str, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError) as raised:
        Ledger.open(text)
    assert "hunter2" not in str(raised.value)
    assert "ter2" not in str(raised.value)
    monkeypatch.setenv("CLAIMLEDGER_DB", text)
    for words in (["stats"], ["stats", "--json"], ["init"], ["record", "--statement", "x"]):
        result = call(*words)
        assert result.returncode != 0
        assert "Traceback" not in result.stderr
        assert "ter2" not in result.stderr + result.stdout


def test_an_unreachable_server_is_reported_without_the_password(
    call: Callable[..., Any], tmp_path: Path
) -> None:
    address = "postgresql://ann:hunter2@127.0.0.1:1/news?sslpassword=hunter2"
    result = call("--ledger", address, "stats", "--json")
    assert result.returncode == 1
    assert "cannot be reached" in result.stdout + result.stderr
    assert "hunter2" not in result.stdout + result.stderr
    assert not [file for file in tmp_path.rglob("*") if "hunter2" in file.name]


def test_without_the_driver_the_message_names_the_extra_to_install(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None; from claimledger.cli.main import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, "--ledger", "postgresql:///x", "stats"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    assert "pip install 'claimledger[postgresql]'" in result.stderr
    result = subprocess.run(
        [sys.executable, "-c", script, "--ledger", "x.db", "init"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


@ONLY_SERVERS  # nobody can interrupt a query to a file
def test_an_interrupted_query_is_reported_with_its_cause(
    path: LedgerLocation, ledger: Ledger
) -> None:
    driver = ledger._store.session.driver  # type: ignore[attr-defined]
    for query, expected in {
        "SET statement_timeout = '10ms'; SELECT pg_sleep(9)": "was cancelled .canceling statement",
        "SELECT repeat('x', 2000000000)": "the server (has no space|failed)",
        "SELECT pg_terminate_backend(pg_backend_pid())": "cannot be reached or ended the connection",
    }.items():
        with pytest.raises(StoreError, match=expected), server_errors(Address.of(str(path))):
            driver.execute(query)


@ONLY_SERVERS  # a file has no schema
def test_a_schema_may_be_named_with_an_sql_keyword(path: LedgerLocation) -> None:
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


@ONLY_SERVERS  # test_sqlite_faults covers foreign files
def test_a_schema_that_is_not_a_ledger_is_refused_and_left_untouched(path: LedgerLocation) -> None:
    with pytest.raises(StoreError, match="has no ledger"):
        Ledger.open(path)
    schema = str(path).rpartition("=")[2]
    with psycopg.connect(server().get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(f"CREATE TABLE {schema}.theirs (x integer)")
    with pytest.raises(StoreError, match=r"not empty .it contains theirs"):
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
                StoreError, match=rf"not empty .it contains.*{name}.*schema of its own"
            ):
                Ledger.create(path)
            assert raw.rows(tables) == []
            raw.run(f"DROP {created.split()[0]} {name}{'(integer)' if name == 'all_of' else ''}")
        raw.run(
            "CREATE TABLE head (program text, layout bigint)", "INSERT INTO head VALUES ('git', 1)"
        )
    with pytest.raises(StoreError, match="has no ledger"):
        Ledger.open(path)


@ONLY_SERVERS  # test_sqlite_faults covers the layout of files
def test_a_newer_ledger_is_left_untouched_even_by_a_writer_that_has_it_open(
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


@ONLY_SERVERS  # test_sqlite_faults covers read-only files
def test_a_ledger_opened_for_reading_refuses_writes(path: LedgerLocation, ledger: Ledger) -> None:
    record_all(ledger, case(["a: one"]))
    with Ledger.open(path) as reader, pytest.raises(StoreError, match="nothing was written"):
        record_all(reader, case(["b: one"]))


TEXTS = st.text(st.sampled_from("abcé 站海外-ß.İ١Ａ'\\&|:*<()!\u0301"), min_size=1, max_size=14)


@settings(max_examples=20)
@given(st.lists(TEXTS, min_size=1, max_size=12), st.lists(TEXTS, min_size=1, max_size=30))
def test_search_finds_the_same_in_both_backends(texts: list[str], queries: list[str]) -> None:
    records = case([f"k{n}: one" for n in range(len(texts))],
                 extra={f"k{n}": {"statement": f"x{text}x"} for n, text in enumerate(texts)})  # fmt: skip
    hits = []
    with tempfile.TemporaryDirectory() as folder:
        for store in STORES:
            Current.store = store
            with Ledger.create(new_location(folder)) as ledger:
                record_all(ledger, records)
                searches = [*queries, *(f'"{query}"' for query in queries), *texts]
                hits.append(
                    [
                        [(hit.stored.key, hit.marks) for hit in ledger.search(query)]
                        for query in searches
                    ]
                )
        Current.store = "file"
    drop_databases()
    assert hits[0] == hits[1]


@ONLY_SERVERS  # only a tsvector is limited in size
def test_a_text_of_a_million_characters_is_found_by_any_of_its_words(ledger: Ledger) -> None:
    words = [f"сло{n}во" for n in range(110_000)]
    record_all(ledger, case(["a: one"], extra={"a": {"statement": " ".join(words)}}))
    for query in (words[0], words[54_321], words[-1], f'"{words[70_000]} {words[70_001]}"'):
        assert [hit.stored.key for hit in ledger.search(query)] == ["a"]
    assert ledger.search(f'"{words[70_001]} {words[70_000]}"') == []
    assert ledger.search("слово") == []


@ONLY_SERVERS  # the test itself compares the server with a file
def test_writers_that_take_turns_build_the_same_tree_as_in_a_file(
    path: LedgerLocation, tmp_path: Path
) -> None:
    """Two writers add batches of different sizes alternately, and the clock goes backwards."""
    rng = random.Random(7)
    sizes = [1, 2, 1, 3, 1, 1, 8, 5, 1, 13, 2, 1, 31, 19, 1]
    roots, times = [], []
    for where in (path, tmp_path / "file.db"):
        rng.seed(7)
        moments = iter(datetime(2020, 1, 1, rng.randrange(24), tzinfo=UTC) for _ in range(100))
        salts = (n.to_bytes(16) for n in count())
        options: dict[str, Any] = {
            "clock": lambda moments=moments: next(moments),
            "salts": lambda _, salts=salts: next(salts),
        }
        with (
            Ledger.create(where, **options) as ledger,
            Ledger.open(where, writable=True, **options) as second,
        ):
            for batch, size in enumerate(sizes):
                records = [
                    {"kind": "party", "key": f"p{batch}-{n}", "name": "P"} for n in range(size)
                ]
                record_all(second if batch % 3 == 2 else ledger, records)
            roots.append(
                [ledger.at(known_at=number).head().root for number in range(sum(sizes) + 1)]
            )
            times.append([entry.recorded_at for entry in ledger.history("p14-0")])
            assert ledger.verify().clean
    assert roots[0] == roots[1]
    assert times[0] == times[1]


@ONLY_SERVERS  # the state of a connection must not outlive a refused write
def test_a_write_after_refused_ones_sees_what_others_wrote_meanwhile(
    path: LedgerLocation, ledger: Ledger
) -> None:
    record_all(ledger, case(["a: one", "b: two"]))
    with RawDatabase(path) as raw:
        before = raw.rows("SELECT count(*) FROM entry")
    new = {"kind": "claim", "key": "c", "statement": "c", "claimant": ["one"], "subject": "topic",
           "citations": [{"source": "a-page"}]}  # fmt: skip
    for change, message in (
        ({"key": "a"}, "differs from the ledger"),
        ({"claimant": ["nobody"]}, "no party with this key"),
        ({"subject": "one"}, "is a party, not a subject"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            record_all(ledger, [new | change])
    assert ledger.import_records([RecordInput.of(record_from(new))], by="T").written == [
        ("claim", "c", before[0][0] + 1)
    ]
    assert ledger.import_records([RecordInput.of(record_from(new))], by="T").unchanged == 1
    with Ledger.open(path, writable=True) as second:
        second.withdraw("party", "two", by="T", reason="r", cascade=True)
    with pytest.raises(InvalidInputError, match="was withdrawn"):
        record_all(ledger, [new | {"key": "d", "claimant": ["two"]}])
    assert ledger.verify().clean


@ONLY_SERVERS  # a writer to a file sets this for each transaction
def test_commits_are_synchronous_whatever_the_default_of_the_database(
    path: LedgerLocation, ledger: Ledger
) -> None:
    with RawDatabase(path) as raw:
        raw.run("ALTER DATABASE postgres SET synchronous_commit = off")
    try:
        with Ledger.open(path, writable=True) as second:
            setting = second._store.session.execute("SHOW synchronous_commit")  # type: ignore[attr-defined]
            assert setting.fetchone() == ("on",)
    finally:
        with RawDatabase(path) as raw:
            raw.run("ALTER DATABASE postgres RESET synchronous_commit")


@ONLY_SERVERS
def test_a_rebuild_does_not_empty_the_ledger_for_an_active_reader(
    path: LedgerLocation, ledger: Ledger
) -> None:
    """A table that is created again is empty in transactions that began before; the rebuild must wait for them."""
    record_all(ledger, case(["a: one", "b: two"], ["a contradicts b"]))
    claims = ledger.keys("claim")

    def rebuild() -> None:
        with Ledger.open(path, writable=True) as keeper:
            keeper.rebuild()

    rebuilding = threading.Thread(target=rebuild)
    with Ledger.open(path) as reader, reader.reading():
        reader._store.tuples(select(literal(1)))  # the first query fixes the snapshot
        rebuilding.start()
        with RawDatabase(path) as observer:
            while rebuilding.is_alive() and not observer.rows(
                "SELECT 1 FROM pg_locks WHERE NOT granted"
            ):
                rebuilding.join(0.01)
        assert reader.keys("claim") == claims
        assert len(list(reader.records("link"))) == 1
    rebuilding.join()
    assert ledger.keys("claim") == claims
