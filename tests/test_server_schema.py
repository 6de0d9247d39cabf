"""The schema on a server: foreign objects and changes are faults, and settings and statistics change nothing."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from backends import ONLY_SERVERS, RawDatabase, database_url, server, server_role
from builders import case, record_all
from claimledger.errors import StoreError
from claimledger.ledger import Ledger, LedgerLocation
from claimledger.storage.postgresql import locks
from claimledger.storage.postgresql.connection import plain

pytestmark = ONLY_SERVERS

CHANGES = {
    "seq": "CREATE SEQUENCE seq",
    "pair": "CREATE TYPE pair AS (a text, b text)",
    "mood": "CREATE TYPE mood AS ENUM ('sad')",
    "low": "CREATE DOMAIN low AS text",
    "===": "CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.texteq)",
    "fits": "CREATE FUNCTION fits(jsonb) RETURNS boolean LANGUAGE sql RETURN true",
    "is_edtf": "ALTER FUNCTION is_edtf(text) RESET standard_conforming_strings",
    "no_claims": "ALTER TABLE claim ADD CONSTRAINT no_claims CHECK (key <> 'x')",
    "head": "ALTER TABLE head ENABLE ROW LEVEL SECURITY",
    "hidden": "CREATE POLICY hidden ON history USING (kind <> 'claim')",
    "quiet": "CREATE RULE quiet AS ON INSERT TO history DO INSTEAD NOTHING",
    "history.reason": "ALTER TABLE history ALTER COLUMN reason SET DEFAULT 'none'",
    "history": "ALTER TABLE history SET UNLOGGED",
    "claim": "CREATE TABLE more () INHERITS (claim)",
    "seen": "CREATE VIEW seen AS SELECT * FROM entry",
    "kept": "CREATE MATERIALIZED VIEW kept AS SELECT * FROM entry",
    "entry_key": "DROP INDEX entry_key; CREATE INDEX entry_key ON entry (number, number)",
    "claim_is_of_its_entry": "DROP TRIGGER claim_is_of_its_entry ON claim",
    "entry_is_next": "CREATE TRIGGER entry_is_next AFTER INSERT ON claim FOR EACH STATEMENT "
    "EXECUTE FUNCTION entry_is_next()",
    "entry_stays": "ALTER TABLE entry DISABLE TRIGGER entry_stays",
    "term_is_of_its_entry": "DROP TRIGGER term_is_of_its_entry ON term; CREATE TRIGGER term_is_of_its_entry "
    "AFTER INSERT ON term REFERENCING NEW TABLE AS added FOR EACH STATEMENT WHEN (false) "
    "EXECUTE FUNCTION row_is_of_its_entry()",
    "entry_has_history": "DROP TRIGGER entry_has_history ON entry",
    "privileges on entry": "GRANT UPDATE (payload), TRIGGER ON entry TO PUBLIC",
    "privileges on history": "GRANT INSERT ON history TO pg_monitor WITH GRANT OPTION",
    "privileges on the schema": "DO $$ BEGIN EXECUTE format('GRANT CREATE ON SCHEMA %I TO pg_monitor', "
    "current_schema()) ;END $$",
    "payload_fault": "ALTER FUNCTION payload_fault(bigint, text) STRICT",
    "days": "ALTER FUNCTION days(text) IMMUTABLE",
    "C": 'CREATE COLLATION "C" FROM "POSIX"',
    "term": 'CREATE COLLATION own FROM "C"; ALTER TABLE term ALTER COLUMN label TYPE text COLLATE own',
    "claim.statement": "ALTER TABLE claim ALTER COLUMN statement SET STATISTICS 100",
    "entry.payload": "ALTER TABLE entry ALTER COLUMN payload SET STATISTICS 100",
    "entry.salt": "ALTER TABLE entry ALTER COLUMN salt SET STATISTICS 1000",
    "history.content": "ALTER TABLE history ALTER COLUMN content SET STATISTICS 100",
    "claim_figure.low_sort": "ALTER TABLE claim_figure ALTER COLUMN low_sort SET STATISTICS 100",
    "claim.about_earliest": "ALTER TABLE claim ALTER COLUMN about_earliest SET STATISTICS 100",
    "search": "ALTER INDEX search ALTER COLUMN 1 SET STATISTICS 1000",
    "pairs": "CREATE STATISTICS pairs ON payload, salt FROM entry",
    "of_text": "CREATE INDEX of_text ON entry (md5(payload))",
    "one_text": "ALTER TABLE entry ADD CONSTRAINT one_text UNIQUE (header)",
}
"""Changes of the schema, by the name that the fault must have."""

LEFT_BY_REBUILD = {"seq", "pair", "mood", "low", "===", "head", "seen", "kept", "C"}
"""``rebuild`` creates the objects of the ledger again and leaves these as they are."""


@pytest.mark.parametrize("name", list(CHANGES))
def test_every_change_of_the_schema_is_a_named_fault(name: str, path: LedgerLocation) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"], []))
        assert ledger.verify().clean
    with RawDatabase(path) as raw:
        raw.run(*CHANGES[name].split("; "))
    with Ledger.open(path) as ledger:
        faults = ledger.verify().faults
    assert name in {fault.table for fault in faults}, faults
    with Ledger.open(path, writable=True) as ledger:
        ledger.rebuild()
        remaining = {fault.table for fault in ledger.verify().faults}
        assert (name in remaining) == (name in LEFT_BY_REBUILD), remaining


ROUTINES = [
    "CREATE PROCEDURE days(integer) LANGUAGE sql AS 'SELECT 1'",
    "CREATE AGGREGATE days(integer) (SFUNC = int4pl, STYPE = integer)",
]


@pytest.mark.parametrize("routine", ROUTINES)
def test_rebuild_drops_a_procedure_or_aggregate_named_like_a_function(
    routine: str, path: LedgerLocation, ledger: Ledger
) -> None:
    with RawDatabase(path) as raw:
        raw.run(routine)
    assert "days" in {fault.table for fault in ledger.verify().faults}
    ledger.rebuild()
    assert ledger.verify().faults == ()


SAMPLED_COLUMNS = frozenset(
    "entry number position ended_by kind key from to_key to_kind type field action replaced_by".split()
)
"""Columns that the server may sample, since they contain no text of a record."""


def sampled(raw: RawDatabase, path: LedgerLocation) -> set[str]:
    """Return the columns and statistics that the server has sampled, except keys, kinds and numbers."""
    schema = str(path).rpartition("=")[2]
    columns = raw.rows(
        "SELECT tablename, attname FROM pg_stats "
        f"WHERE schemaname = '{schema}' AND tablename NOT IN ('head', 'entry_key')"
    )
    extended = raw.rows(f"SELECT statistics_name FROM pg_stats_ext WHERE schemaname = '{schema}'")
    return {f"{table}.{name}" for table, name in columns if name not in SAMPLED_COLUMNS} | {
        name for (name,) in extended
    }


STATISTICS_REQUESTS = [
    "ALTER TABLE entry ALTER COLUMN salt SET STATISTICS 1000",
    "ALTER TABLE entry ALTER COLUMN payload SET STATISTICS 1000",
    "ALTER TABLE claim ALTER COLUMN statement SET STATISTICS 1000",
    "ALTER TABLE history ALTER COLUMN content SET STATISTICS 1000",
    "ALTER TABLE claim_figure ALTER COLUMN low_sort SET STATISTICS 1000",
    "ALTER INDEX search ALTER COLUMN 1 SET STATISTICS 1000",
    "CREATE STATISTICS pairs ON payload, salt FROM entry",
    "CREATE INDEX of_text ON entry (md5(payload))",
]


def record_figures(ledger: Ledger) -> None:
    """Record enough claims and figures for the server to sample."""
    record_all(ledger, case([f"a{number}: one" for number in range(60)]))
    figures = [{"measure": "stations", "low": str(54 + number)} for number in range(60)]
    record_all(
        ledger,
        [
            {
                "kind": "claim", "key": "counted", "statement": "s", "claimant": ["one"], "subject": "topic",
                "about": "2021", "citations": [{"source": "a0-page"}], "figures": figures,
            }
        ],
    )  # fmt: skip


def test_the_server_samples_no_text_of_a_record(path: LedgerLocation, ledger: Ledger) -> None:
    record_figures(ledger)
    with RawDatabase(path) as raw:
        raw.run("ANALYZE")
        assert sampled(raw, path) == set()
        raw.run(*STATISTICS_REQUESTS, "ANALYZE")
        assert len(sampled(raw, path)) >= len(STATISTICS_REQUESTS) - 1


def test_a_redaction_discards_samples(path: LedgerLocation, ledger: Ledger) -> None:
    record_figures(ledger)
    with RawDatabase(path) as raw:
        raw.run(*STATISTICS_REQUESTS, "ANALYZE")
        ledger.withdraw("claim", "a1", by="Tester", reason="r", cascade=True)
        ledger.redact("claim", "a1", by="Tester", reason="r")
        assert sampled(raw, path) == set()
        raw.run("ANALYZE")
        assert sampled(raw, path) == set()
    assert ledger.verify().faults == ()


SLOW_INDEXES = [
    "CREATE FUNCTION public.wait() RETURNS event_trigger LANGUAGE plpgsql AS "
    "$$ BEGIN PERFORM pg_sleep(1.2); END $$",
    "CREATE EVENT TRIGGER slow ON ddl_command_end WHEN TAG IN ('CREATE INDEX', 'ALTER TABLE') "
    "EXECUTE FUNCTION public.wait()",
]
"""Statements that make the creation of an index as slow as in a large ledger."""


def test_samples_are_discarded_even_if_it_takes_long(path: LedgerLocation, ledger: Ledger) -> None:
    record_all(ledger, case(["a: one", "b: one"]))
    with RawDatabase(path) as raw:
        raw.run(
            "ALTER INDEX search ALTER COLUMN 1 SET STATISTICS 1000",
            *STATISTICS_REQUESTS[:1],
            "ANALYZE",
        )
        assert sampled(raw, path)
        raw.run(*SLOW_INDEXES)
        try:
            ledger.withdraw("claim", "a", by="Tester", reason="r")
            assert ledger.redact("claim", "a", by="Tester", reason="r").unscrubbed == ""
        finally:
            raw.run("DROP EVENT TRIGGER slow", "DROP FUNCTION public.wait")
        assert sampled(raw, path) == set()
    assert ledger.verify().faults == ()


def test_rebuild_uses_no_collation_of_the_schema(path: LedgerLocation, ledger: Ledger) -> None:
    """Of two objects with one name, every statement uses the one in ``pg_catalog``."""
    record_all(ledger, case(["a: one"], []))
    collations = (
        "SELECT DISTINCT collnamespace::regnamespace::text FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid "
        "JOIN pg_collation AS l ON l.oid = attcollation WHERE relkind = 'r' AND attnum > 0 "
        f"AND relnamespace = '{str(path).rpartition('=')[2]}'::regnamespace"
    )
    with RawDatabase(path) as raw:
        raw.run('CREATE COLLATION "C" FROM "POSIX"')
        ledger.close()
        with Ledger.open(path, writable=True) as keeper:
            keeper.rebuild()
            assert {fault.table for fault in keeper.verify().faults} == {"C"}
        assert raw.rows(collations) == [("pg_catalog",)]


SHADOWS = {
    "octet_length": "CREATE FUNCTION octet_length(text) RETURNS integer LANGUAGE sql RETURN 999999999",
    "max": "CREATE AGGREGATE max(bigint) (SFUNC = int8smaller, STYPE = bigint)",
    "pg_get_triggerdef": "CREATE FUNCTION pg_get_triggerdef(oid) RETURNS text LANGUAGE sql RETURN 'x'",
}


@pytest.mark.parametrize("name", list(SHADOWS))
def test_a_function_that_shadows_one_of_the_server_is_never_called(
    name: str, path: LedgerLocation, ledger: Ledger
) -> None:
    record_all(ledger, case(["a: one", "b: two"], ["b contradicts a"]))
    with RawDatabase(path) as raw:
        raw.run(SHADOWS[name])
    with Ledger.open(path, writable=True) as opened:
        assert {fault.table for fault in opened.verify().faults} == {name}
        record_all(opened, [{"kind": "party", "key": "more", "name": "More"}])
        assert {fault.table for fault in opened.verify().faults} == {name}


def test_samples_are_discarded_even_if_a_view_uses_the_log(
    path: LedgerLocation, ledger: Ledger
) -> None:
    record_figures(ledger)
    with RawDatabase(path) as raw:
        raw.run("CREATE SCHEMA aside", "CREATE VIEW aside.mine AS SELECT * FROM entry")
        ledger.withdraw("claim", "a1", by="Tester", reason="r", cascade=True)
        for discard in (
            ledger.rebuild,
            lambda: ledger.redact("claim", "a1", by="Tester", reason="r"),
        ):
            raw.run(*STATISTICS_REQUESTS[:2], "ANALYZE entry")
            assert sampled(raw, path) == {"entry.salt", "entry.payload"}
            discard()
            assert sampled(raw, path) == set()
        assert raw.rows("SELECT count(*) > 0 FROM aside.mine") == [(True,)]
        raw.run("DROP SCHEMA aside CASCADE")


def test_rebuild_discards_samples_of_the_log(path: LedgerLocation, ledger: Ledger) -> None:
    record_all(ledger, case([f"a{number}: one" for number in range(300)]))
    with RawDatabase(path) as raw:
        schema = str(path).rpartition("=")[2]
        query = (
            f"SELECT attname FROM pg_stats WHERE schemaname = '{schema}' AND attname = 'payload'"
        )
        raw.run("ALTER TABLE entry ALTER COLUMN payload SET STATISTICS 100", "ANALYZE entry")
        assert raw.rows(query) == [("payload",)]
        ledger.rebuild()
        raw.run("ANALYZE entry")
        assert raw.rows(query) == []


@pytest.fixture
def reader(path: LedgerLocation, ledger: Ledger) -> Iterator[psycopg.Connection[Any]]:
    """Yield a session of a reader, who may also create objects in a schema of that user."""
    record_all(ledger, case(["a: one", "b: two"], ["b contradicts a"]))
    database, _, schema = str(path).rpartition("&schema=")
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("CREATE ROLE rita LOGIN; CREATE SCHEMA rita AUTHORIZATION rita")
        ledger.grant("reader", "rita")
        with psycopg.connect(database.replace("postgres:@", "rita@", 1), autocommit=True) as raw:
            raw.execute(f"SET search_path = rita, {schema}")  # type: ignore[arg-type]
            yield raw
        ledger.close()
        admin.execute(f"DROP SCHEMA rita CASCADE; DROP OWNED BY rita; DROP SCHEMA {schema} CASCADE")  # type: ignore[arg-type]
        admin.execute("DROP ROLE rita")
        admin.execute(f'DROP ROLE "{server_role(path, "reader")}"')  # type: ignore[arg-type]


OBJECTS_OF_A_READER = {
    "a temporary view": "CREATE TEMPORARY VIEW mine AS SELECT * FROM history",
    "a view": "CREATE VIEW mine AS SELECT * FROM claim",
    "a column with the type of a row": "CREATE TABLE mine (stored history)",
    "a use of a function": "CREATE VIEW mine AS SELECT days('2022')",
}


@pytest.mark.parametrize("kind", list(OBJECTS_OF_A_READER))
def test_rebuild_drops_objects_of_a_reader_that_depend_on_the_tables(
    kind: str,
    ledger: Ledger,
    reader: psycopg.Connection[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    reader.execute(OBJECTS_OF_A_READER[kind])
    ledger.rebuild()
    assert ledger.verify().clean
    assert re.search(r"were dropped: .*\bmine\b", caplog.text)
    reader.execute("SELECT * FROM history")  # the reader keeps the right to read


HOSTILE = "\x1b[31mEVIL\x1b]0;t\x07\u202e"


def test_names_that_a_reader_chose_are_escaped_on_a_terminal(
    path: LedgerLocation, ledger: Ledger, reader: psycopg.Connection[Any], call: Callable[..., Any]
) -> None:
    views = [f'CREATE VIEW "{HOSTILE}{number}" AS SELECT * FROM history' for number in range(30)]
    reader.execute("; ".join(views))  # type: ignore[arg-type]
    result = call("--ledger", str(path), "rebuild")
    assert result.returncode == 0
    assert "EVIL" in result.stderr
    assert "\\x1b[31mEVIL\\x1b]0;t\\x07\\u202e" in result.stderr
    assert not {"\x1b", "\x07", "\u202e"} & set(result.stderr)
    assert "and 10 more" in result.stderr


def test_errors_escape_names_from_the_server(path: LedgerLocation) -> None:
    url = str(path) + "x"
    with psycopg.connect(database_url(path), autocommit=True) as admin:
        schema = url.rpartition("=")[2]
        admin.execute(f'CREATE SCHEMA {schema}; CREATE TABLE {schema}."{HOSTILE}" (x text)')  # type: ignore[arg-type]
        with pytest.raises(StoreError, match="EVIL") as raised:
            Ledger.create(url)
        admin.execute(f"DROP SCHEMA {schema} CASCADE")  # type: ignore[arg-type]
    assert not {"\x1b", "\x07", "\u202e"} & set(str(raised.value))
    with psycopg.connect(database_url(path)) as failing:
        with pytest.raises(psycopg.Error) as error:
            failing.execute(f'SELECT "{HOSTILE}"')  # type: ignore[arg-type]
        assert "\\x1b[31mEVIL" in plain(error.value)


def test_a_lock_on_a_view_of_a_reader_blocks_only_rebuild(
    path: LedgerLocation,
    ledger: Ledger,
    reader: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locks, "LOCK_DEADLINE_SECONDS", 3.0)
    reader.execute("CREATE VIEW mine AS SELECT * FROM history")
    reader.execute("BEGIN; ALTER VIEW mine RENAME TO still_mine")
    before = ledger.verify()
    with pytest.raises(StoreError, match=f"{reader.info.backend_pid} of rita"):
        ledger.rebuild()
    assert ledger.verify() == before
    reader.execute("COMMIT")
    ledger.rebuild()
    assert ledger.verify().clean


def test_an_open_read_blocks_rebuild_and_no_other_reader(
    path: LedgerLocation,
    ledger: Ledger,
    reader: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locks, "LOCK_DEADLINE_SECONDS", 4.0)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM history").fetchall()
    messages: list[str] = []

    def work() -> None:
        with Ledger.open(path, writable=True) as keeper, pytest.raises(StoreError) as raised:
            keeper.rebuild()
        messages.append(str(raised.value))

    rebuilding = threading.Thread(target=work)
    rebuilding.start()
    rows_read = 0
    with RawDatabase(path) as second_reader:
        second_reader.run("SET lock_timeout = '2s'")
        while rebuilding.is_alive():
            rows_read += len(second_reader.rows("SELECT * FROM history LIMIT 1"))
    rebuilding.join()
    assert rows_read > 1
    assert f"{reader.info.backend_pid} of rita" in messages[0]
    reader.execute("COMMIT")
    ledger.rebuild()
    assert ledger.verify().clean


SETTINGS = {
    "statement_timeout": "20ms",
    "idle_in_transaction_session_timeout": "20ms",
    "idle_session_timeout": "20ms",
    "gin_fuzzy_search_limit": "1",
    "standard_conforming_strings": "off",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "DateStyle": "German, DMY",
    "TimeZone": "Asia/Kolkata",
    "IntervalStyle": "sql_standard",
    "bytea_output": "escape",
    "client_encoding": "LATIN1",
    "transform_null_equals": "on",
    "quote_all_identifiers": "on",
    "lc_messages": "C",
    "search_path": "pg_catalog",
    "extra_float_digits": "-15",
    "check_function_bodies": "off",
}


@pytest.fixture
def unusual() -> Iterator[str]:
    """Yield the name of a user whose settings all differ from the defaults of the server."""
    name = "unusual"
    with psycopg.connect(server().get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN SUPERUSER")
        for setting, value in SETTINGS.items():
            connection.execute(f"ALTER ROLE {name} SET {setting} = '{value}'")
        yield name
        connection.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP"])
def test_a_database_with_another_encoding_than_utf8_is_refused(encoding: str, store: str) -> None:
    assert store == "postgresql"
    name = f"other_{encoding.lower()}"
    with psycopg.connect(server().get_uri(), autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        with pytest.raises(StoreError, match=f"encoding is {encoding}.*ENCODING 'UTF8'"):
            Ledger.create(server().get_uri().replace("/postgres?", f"/{name}?"))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_settings_of_a_user_change_no_result(path: LedgerLocation, unusual: str) -> None:
    url = str(path).replace("postgres:@", f"{unusual}@", 1)
    assert url != str(path)
    with Ledger.create(url) as ledger:
        record_all(ledger, case(["a: one", "b: two"], ["b contradicts a"]))
        ledger.withdraw("claim", "b", by="Ann", reason="a slip \\ of 'the' pen", cascade=True)
        expected = [str(entry) for entry in ledger.history("b")], ledger.keys("claim")
        assert ledger.verify().clean
    with Ledger.open(path) as ledger:
        assert ([str(entry) for entry in ledger.history("b")], ledger.keys("claim")) == expected
        assert ledger.verify().clean


def test_a_role_is_granted_only_if_others_cannot_create_objects_in_the_schema(
    path: LedgerLocation, ledger: Ledger
) -> None:
    schema = str(path).rpartition("=")[2]
    with psycopg.connect(database_url(path), autocommit=True) as connection:
        connection.execute("CREATE ROLE wanda LOGIN")
        connection.execute(f"GRANT CREATE ON SCHEMA {schema} TO PUBLIC")
    try:
        ledger.grant("recorder", "wanda")
        query = f"SELECT has_schema_privilege('wanda', '{schema}', 'CREATE')"
        with psycopg.connect(database_url(path), autocommit=True) as connection:
            assert connection.execute(query).fetchone() == (False,)
            connection.execute(f"GRANT CREATE, USAGE ON SCHEMA {schema} TO PUBLIC")
            connection.execute("CREATE ROLE kim LOGIN CREATEROLE")
        ledger.grant("keeper", "wanda")
        with psycopg.connect(database_url(path), autocommit=True) as connection:
            connection.execute(f"GRANT CREATE ON SCHEMA {schema} TO PUBLIC")
            connection.execute("ALTER ROLE wanda CREATEROLE")
        with (
            Ledger.open(str(path).replace("postgres:@", "wanda@", 1), writable=True) as keeper,
            pytest.raises(StoreError, match=f'REVOKE CREATE ON SCHEMA "{schema}" FROM PUBLIC'),
        ):
            keeper.grant("recorder", "kim")
    finally:
        ledger.close()
        with psycopg.connect(database_url(path), autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
            for (name,) in connection.execute(
                "SELECT rolname FROM pg_roles WHERE rolname LIKE %s OR rolname IN ('wanda', 'kim')",
                (f"%.{schema}.%",),
            ).fetchall():
                connection.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')
