"""What somebody plants in a ledger's schema is named, and what a server's settings would change does not."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from claimledger.errors import StoreError
from claimledger.ledger import Ledger, Where
from small_cases import case, record
from stores import ONLY_SERVERS, Raw, server

pytestmark = ONLY_SERVERS

PLANTED = {
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
}
"""By the name that has to be told, what was done."""

REMAINS = {"seq", "pair", "mood", "low", "===", "head", "seen", "kept"}
"""What `rebuild`, which makes anew what is ours, leaves where it is."""


@pytest.mark.parametrize("name", list(PLANTED))
def test_what_is_planted_in_the_schema_is_named(name: str, path: Where) -> None:
    with Ledger.create(path) as ledger:
        record(ledger, case(["a: one"], []))
        assert ledger.verify().clean
    with Raw(path) as raw:
        raw.run(*PLANTED[name].split("; "))
    with Ledger.open(path) as ledger:
        faults = ledger.verify().faults
    assert name in {fault.table for fault in faults}, faults
    with Ledger.open(path, writable=True) as ledger:
        if name == "claim":
            with pytest.raises(StoreError, match="other objects depend on it"):
                ledger.rebuild()
        else:
            ledger.rebuild()
            left = {fault.table for fault in ledger.verify().faults}
            assert (name in left) == (name in REMAINS), left


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
    """A user with every setting other than the server's default."""
    name = "unusual"
    with psycopg.connect(server().get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN SUPERUSER")
        for setting, value in SETTINGS.items():
            connection.execute(f"ALTER ROLE {name} SET {setting} = '{value}'")
        yield name
        connection.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP"])
def test_a_database_that_cannot_hold_every_text_is_refused(encoding: str, store: str) -> None:
    assert store == "postgresql"
    name = f"other_{encoding.lower()}"
    with psycopg.connect(server().get_uri(), autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        with pytest.raises(StoreError, match=f"encoding is {encoding}.*ENCODING 'UTF8'"):
            Ledger.create(server().get_uri().replace("/postgres?", f"/{name}?"))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_users_settings_change_no_answer(path: Where, unusual: str) -> None:
    theirs = str(path).replace("postgres:@", f"{unusual}@", 1)
    assert theirs != str(path)
    with Ledger.create(theirs) as ledger:
        record(ledger, case(["a: one", "b: two"], ["b contradicts a"]))
        ledger.withdraw("claim", "b", by="Ann", reason="a slip \\ of 'the' pen", cascade=True)
        found = [str(event) for event in ledger.history("b")], ledger.keys("claim")
        assert ledger.verify().clean
    with Ledger.open(path) as ledger:
        assert ([str(event) for event in ledger.history("b")], ledger.keys("claim")) == found
        assert ledger.verify().clean


def test_a_role_is_given_only_where_nobody_else_can_plant_what_others_meet(
    path: Where, ledger: Ledger
) -> None:
    schema = str(path).rpartition("=")[2]
    with psycopg.connect(server().get_uri(), autocommit=True) as connection:
        connection.execute("CREATE ROLE wanda LOGIN")
        connection.execute(f"GRANT CREATE ON SCHEMA {schema} TO PUBLIC")
    try:
        ledger.grant("recorder", "wanda")
        query = f"SELECT has_schema_privilege('wanda', '{schema}', 'CREATE')"
        with psycopg.connect(server().get_uri(), autocommit=True) as connection:
            assert connection.execute(query).fetchone() == (False,)
            connection.execute(f"GRANT CREATE, USAGE ON SCHEMA {schema} TO PUBLIC")
            connection.execute("CREATE ROLE kim LOGIN CREATEROLE")
        ledger.grant("keeper", "wanda")
        with psycopg.connect(server().get_uri(), autocommit=True) as connection:
            connection.execute(f"GRANT CREATE ON SCHEMA {schema} TO PUBLIC")
            connection.execute("ALTER ROLE wanda CREATEROLE")
        with (
            Ledger.open(str(path).replace("postgres:@", "wanda@", 1), writable=True) as theirs,
            pytest.raises(StoreError, match=f'REVOKE CREATE ON SCHEMA "{schema}" FROM PUBLIC'),
        ):
            theirs.grant("recorder", "kim")
    finally:
        ledger.close()
        with psycopg.connect(server().get_uri(), autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
            for (name,) in connection.execute(
                "SELECT rolname FROM pg_roles WHERE rolname LIKE %s OR rolname IN ('wanda', 'kim')",
                (f"%.{schema}.%",),
            ).fetchall():
                connection.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')
