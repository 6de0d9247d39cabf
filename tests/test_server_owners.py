"""Ledgers on a server whose owner is not a superuser: which rights the owner can grant, revoke and repair."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from backends import ONLY_SERVERS, RawDatabase, schema_url, server, server_role
from builders import case, record_all
from claimledger.errors import StoreError
from claimledger.ledger import Ledger, LedgerLocation

pytestmark = ONLY_SERVERS  # a file has only the permissions of the file system

USERS = ("own", "una", "ulf", "uma")


def sql(statement: str, user: str = "postgres") -> list[tuple[Any, ...]]:
    """Run one statement as a user of the server."""
    uri = server().get_uri().replace("postgres:@", f"{user}@", 1)
    with psycopg.connect(uri, autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def location(store: str) -> Iterator[LedgerLocation]:
    """Yield the URL of a ledger that does not exist yet; drop the ledger and its roles afterwards."""
    url = schema_url()
    schema = url.rpartition("=")[2]
    for user in USERS:
        sql(f"CREATE ROLE {user} LOGIN")
    sql("ALTER ROLE own CREATEROLE")
    yield url
    sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    names = [
        name for (name,) in sql(f"SELECT rolname FROM pg_roles WHERE rolname LIKE '%.{schema}.%'")
    ]
    for name in (*USERS, *names):
        sql(f'DROP OWNED BY "{name}" CASCADE')
    for name in (*names, *reversed(USERS)):
        sql(f'DROP ROLE "{name}"')


@pytest.fixture
def as_user(location: LedgerLocation) -> Callable[[str], str]:
    """Return a function from a user to the URL with which that user opens the ledger."""
    return lambda user: str(location).replace("postgres:@", f"{user}@", 1)


@pytest.fixture
def owned(location: LedgerLocation, as_user: Callable[[str], str]) -> Iterator[Ledger]:
    """Yield a ledger that an ordinary user created in a schema of that user."""
    sql(f"CREATE SCHEMA {str(location).rpartition('=')[2]} AUTHORIZATION own")
    with Ledger.create(as_user("own")) as ledger:
        record_all(ledger, case(["a: one", "b: two"], ["b contradicts a"]), by="own")
        yield ledger


@pytest.mark.parametrize("self_grant", ["", "set, inherit"])
def test_an_ordinary_owner_can_grant_every_role(
    self_grant: str, location: LedgerLocation, as_user: Callable[[str], str]
) -> None:
    sql(f"ALTER ROLE own SET createrole_self_grant = '{self_grant}'")
    sql(f"CREATE SCHEMA {str(location).rpartition('=')[2]} AUTHORIZATION own")
    with Ledger.create(as_user("own")) as ledger:
        for role, user in (("recorder", "una"), ("editor", "ulf"), ("keeper", "uma")):
            ledger.grant(role, user)
    for user in ("una", "ulf", "uma", "own"):
        with Ledger.open(as_user(user), writable=True) as ledger:
            record_all(ledger, [{"kind": "party", "key": f"by-{user}", "name": user}], by=user)
    for user in ("uma", "own", "uma"):
        with Ledger.open(as_user(user), writable=True) as ledger:
            ledger.rebuild()
            assert ledger.verify().faults == ()
    with Ledger.open(as_user("una"), writable=True) as ledger:
        record_all(ledger, [{"kind": "party", "key": "after", "name": "after"}], by="una")


def test_an_ordinary_owner_can_rebuild(owned: Ledger) -> None:
    owned.grant("reader", "una")
    owned.grant("recorder", "ulf")
    owned.rebuild()
    assert owned.verify().faults == ()


def schema_of(location: LedgerLocation) -> str:
    """Return the schema in the URL of a ledger."""
    return str(location).rpartition("=")[2]


def test_the_right_of_the_owner_to_create_tables_is_not_a_fault(
    location: LedgerLocation, as_user: Callable[[str], str]
) -> None:
    schema = schema_of(location)
    sql(f"CREATE SCHEMA {schema}")
    sql(f"GRANT CREATE, USAGE ON SCHEMA {schema} TO own")
    with Ledger.create(as_user("own")) as ledger:
        assert ledger.verify().faults == ()
        with pytest.raises(
            StoreError, match=r"only the owner of the schema.* TO \"own\" WITH GRANT"
        ):
            ledger.grant("reader", "una")
        with Ledger.open(location, writable=True) as admin:
            admin.rebuild()
            with pytest.raises(StoreError, match="own has no role"):
                admin.revoke("own")
        ledger.rebuild()
        assert ledger.verify().faults == ()
        sql(f"GRANT CREATE, USAGE ON SCHEMA {schema} TO own WITH GRANT OPTION")
        ledger.grant("recorder", "una")
        ledger.grant("keeper", "uma")
        assert ledger.verify().faults == ()


def test_a_right_that_another_user_granted_is_not_reported_as_revoked(
    owned: Ledger, location: LedgerLocation, as_user: Callable[[str], str]
) -> None:
    schema = schema_of(location)
    owned.grant("reader", "una")
    owned.grant("reader", "ulf")
    sql(f"GRANT DELETE ON {schema}.claim TO una WITH GRANT OPTION", "own")
    sql(f"GRANT DELETE ON {schema}.claim TO ulf", "una")
    with pytest.raises(StoreError, match=r"claim grants DELETE to ulf \(granted by una"):
        owned.revoke("ulf")
    assert owned.grants()["reader"] == ["ulf", "una"]
    owned.revoke("una")
    owned.revoke("ulf")
    assert owned.verify().faults == ()


def test_rebuild_reports_the_rights_it_revoked_and_those_it_could_not(
    location: LedgerLocation, as_user: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    schema = schema_of(location)
    with Ledger.create(location) as ledger:
        ledger.grant("keeper", "uma")
    sql(f"GRANT CREATE ON SCHEMA {schema} TO ulf")
    sql(f"GRANT DELETE ON {schema}.claim TO ulf")
    with Ledger.open(as_user("uma"), writable=True) as keeper:
        keeper.rebuild()
        assert "revoked what no role has: grants DELETE to ulf" in caplog.text
        assert "not revoked: the schema grants CREATE to ulf (granted by postgres" in caplog.text
        with pytest.raises(StoreError, match="granted by postgres"):
            keeper.revoke("ulf")
        assert [fault.table for fault in keeper.verify().faults] == ["privileges on the schema"]


def test_rights_to_read_that_administrators_granted_are_not_faults(
    owned: Ledger, location: LedgerLocation
) -> None:
    schema = schema_of(location)
    sql(f"GRANT SELECT ON {schema}.claim TO una WITH GRANT OPTION")
    sql(f"GRANT SELECT (key) ON {schema}.history TO ulf")
    assert owned.verify().faults == ()
    owned.rebuild()
    assert owned.verify().faults == ()
    query = f"has_table_privilege('una', '{schema}.claim', 'SELECT WITH GRANT OPTION')"
    column = f"has_column_privilege('ulf', '{schema}.history', 'key', 'SELECT')"
    assert sql(f"SELECT {query}, {column}") == [(True, True)]


CHANGES_BY_OTHERS = {
    "owner of history": "ALTER TABLE {schema}.history OWNER TO ulf",
    "owner of days(text)": "ALTER FUNCTION {schema}.days(text) OWNER TO ulf",
    "owner of the schema": "ALTER SCHEMA {schema} OWNER TO ulf",
    "days": "REVOKE EXECUTE ON FUNCTION {schema}.days FROM PUBLIC",
    "is_edtf": "ALTER FUNCTION {schema}.is_edtf(text) PARALLEL SAFE",
    "payload_fault": "ALTER FUNCTION {schema}.payload_fault(bigint, text) LEAKPROOF",
}


def test_every_other_way_to_change_a_ledger_is_a_named_fault(
    location: LedgerLocation, as_user: Callable[[str], str]
) -> None:
    schema = schema_of(location)
    with Ledger.create(location) as ledger:
        ledger.grant("keeper", "uma")
        for statement in CHANGES_BY_OTHERS.values():
            sql(statement.format(schema=schema))
        expected = {name.format(schema=schema) for name in CHANGES_BY_OTHERS}
        assert {fault.table for fault in ledger.verify().faults} == expected
        ledger.rebuild()
        assert {fault.table for fault in ledger.verify().faults} == {"owner of the schema"}


def test_functions_can_be_executed_whatever_the_default_privileges_are(
    location: LedgerLocation,
) -> None:
    sql("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
    try:
        with Ledger.create(location) as ledger:
            assert ledger.verify().faults == ()
    finally:
        sql("ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC")


def test_members_of_a_role_through_a_group_are_listed_once(location: LedgerLocation) -> None:
    sql("ALTER ROLE own SET createrole_self_grant = 'set, inherit'")
    sql(f"CREATE SCHEMA {schema_of(location)} AUTHORIZATION own")
    sql("CREATE ROLE team")
    try:
        with Ledger.create(str(location).replace("postgres:@", "own@", 1)) as ledger:
            ledger.grant("recorder", "una")
            recorder = server_role(location, "recorder")
            sql(f'GRANT "{recorder}" TO una, team')
            sql("GRANT team TO ulf")
            assert ledger.grants()["recorder"] == ["own", "ulf", "una"]
            with pytest.raises(
                StoreError, match="ulf still has the role recorder through another role"
            ):
                ledger.revoke("ulf")
        with Ledger.open(location, writable=True) as admin:
            admin.revoke("una")
            assert admin.grants()["recorder"] == ["own", "ulf"]
            with pytest.raises(StoreError, match="a role of this ledger itself"):
                admin.revoke(recorder)
    finally:
        sql("DROP ROLE team")


def test_roles_named_after_a_renamed_database_keep_their_rights_until_replaced(
    location: LedgerLocation, caplog: pytest.LogCaptureFixture
) -> None:
    sql("CREATE DATABASE former")
    former = str(location).replace("/postgres?", "/former?")
    renamed = str(location).replace("/postgres?", "/renamed?")

    def record_party(key: str) -> None:
        with Ledger.open(renamed.replace("postgres:@", "una@", 1), writable=True) as recorder:
            record_all(recorder, [{"kind": "party", "key": key, "name": key}], by="una")

    with Ledger.create(former) as ledger:
        ledger.grant("recorder", "una")
        ledger.grant("keeper", "uma")
    names = [server_role(former, role) for role in ("recorder", "keeper")]
    sql("ALTER DATABASE former RENAME TO renamed")
    try:
        with Ledger.open(renamed, writable=True) as ledger:
            faults = ledger.verify().faults
            assert {fault.table for fault in faults} == {f"role {name}" for name in names}
            assert any("claimledger grant recorder USER" in str(fault) for fault in faults)
            assert ledger.grants()["recorder"] == []
            assert f"role {names[0]} is this ledger's recorder" in caplog.text
            record_party("one")
            ledger.rebuild()
            record_party("two")
            ledger.grant("recorder", "una")
            ledger.grant("keeper", "uma")
            for name in names:
                ledger.revoke(name)
            assert ledger.verify().faults == ()
            ledger.rebuild()
            record_party("three")
    finally:
        with RawDatabase(renamed) as raw:
            raw.run(f"DROP SCHEMA {schema_of(location)} CASCADE")
            roles = raw.rows(
                f"SELECT rolname FROM pg_roles WHERE rolname LIKE '%.{schema_of(location)}.%'"
            )
            raw.run(*(f'DROP OWNED BY "{name}"' for (name,) in roles))
        sql("DROP DATABASE renamed")
