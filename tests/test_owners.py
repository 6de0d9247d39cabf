"""A ledger on a server whose owner is not a superuser: what the owner may and what is left to the server's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from backends import ONLY_SERVERS, RawDatabase, schema_url, server, server_role
from builders import case, record_all
from claimledger.errors import StoreError
from claimledger.ledger import Ledger, LedgerLocation

pytestmark = ONLY_SERVERS  # a file has the rights of the file

USERS = ("own", "una", "ulf", "uma")


def sql(statement: str, user: str = "postgres") -> list[tuple[Any, ...]]:
    """Run one statement as a user of the server."""
    uri = server().get_uri().replace("postgres:@", f"{user}@", 1)
    with psycopg.connect(uri, autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def place(store: str) -> Iterator[LedgerLocation]:
    """Return where a ledger can be made; drop it with every role of the server made for it."""
    address = schema_url()
    schema = address.rpartition("=")[2]
    for user in USERS:
        sql(f"CREATE ROLE {user} LOGIN")
    sql("ALTER ROLE own CREATEROLE")
    yield address
    sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    names = [
        name for (name,) in sql(f"SELECT rolname FROM pg_roles WHERE rolname LIKE '%.{schema}.%'")
    ]
    for name in (*USERS, *names):
        sql(f'DROP OWNED BY "{name}" CASCADE')
    for name in (*names, *reversed(USERS)):
        sql(f'DROP ROLE "{name}"')


@pytest.fixture
def as_user(place: LedgerLocation) -> Callable[[str], str]:
    """Return a function that returns a user's own address of the ledger."""
    return lambda user: str(place).replace("postgres:@", f"{user}@", 1)


@pytest.fixture
def owned(place: LedgerLocation, as_user: Callable[[str], str]) -> Iterator[Ledger]:
    """Return a ledger that a user who is no superuser made in a schema of its own."""
    sql(f"CREATE SCHEMA {str(place).rpartition('=')[2]} AUTHORIZATION own")
    with Ledger.create(as_user("own")) as ledger:
        record_all(ledger, case(["a: one", "b: two"], ["b contradicts a"]), by="own")
        yield ledger


@pytest.mark.parametrize("self_grant", ["", "set, inherit"])
def test_an_owner_who_is_no_superuser_gives_every_role(
    self_grant: str, place: LedgerLocation, as_user: Callable[[str], str]
) -> None:
    sql(f"ALTER ROLE own SET createrole_self_grant = '{self_grant}'")
    sql(f"CREATE SCHEMA {str(place).rpartition('=')[2]} AUTHORIZATION own")
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


def test_an_owner_who_is_no_superuser_rebuilds(owned: Ledger) -> None:
    owned.grant("reader", "una")
    owned.grant("recorder", "ulf")
    owned.rebuild()
    assert owned.verify().faults == ()


def schema_of(place: LedgerLocation) -> str:
    return str(place).rpartition("=")[2]


def test_the_owner_s_right_to_make_tables_is_no_damage(
    place: LedgerLocation, as_user: Callable[[str], str]
) -> None:
    schema = schema_of(place)
    sql(f"CREATE SCHEMA {schema}")
    sql(f"GRANT CREATE, USAGE ON SCHEMA {schema} TO own")
    with Ledger.create(as_user("own")) as ledger:
        assert ledger.verify().faults == ()
        with pytest.raises(
            StoreError, match=r"only the owner of the schema.* TO \"own\" WITH GRANT"
        ):
            ledger.grant("reader", "una")
        with Ledger.open(place, writable=True) as master:
            master.rebuild()
            with pytest.raises(StoreError, match="own has no role"):
                master.revoke("own")
        ledger.rebuild()
        assert ledger.verify().faults == ()
        sql(f"GRANT CREATE, USAGE ON SCHEMA {schema} TO own WITH GRANT OPTION")
        ledger.grant("recorder", "una")
        ledger.grant("keeper", "uma")
        assert ledger.verify().faults == ()


def test_what_is_not_revoked_is_not_called_revoked(
    owned: Ledger, place: LedgerLocation, as_user: Callable[[str], str]
) -> None:
    schema = schema_of(place)
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


def test_rebuild_says_what_it_revoked_and_what_it_could_not(
    place: LedgerLocation, as_user: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    schema = schema_of(place)
    with Ledger.create(place) as ledger:
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


def test_who_else_may_read_is_left_to_the_administrators(
    owned: Ledger, place: LedgerLocation
) -> None:
    schema = schema_of(place)
    sql(f"GRANT SELECT ON {schema}.claim TO una WITH GRANT OPTION")
    sql(f"GRANT SELECT (key) ON {schema}.history TO ulf")
    assert owned.verify().faults == ()
    owned.rebuild()
    assert owned.verify().faults == ()
    query = f"has_table_privilege('una', '{schema}.claim', 'SELECT WITH GRANT OPTION')"
    column = f"has_column_privilege('ulf', '{schema}.history', 'key', 'SELECT')"
    assert sql(f"SELECT {query}, {column}") == [(True, True)]


OF_OTHERS = {
    "owner of history": "ALTER TABLE {schema}.history OWNER TO ulf",
    "owner of days(text)": "ALTER FUNCTION {schema}.days(text) OWNER TO ulf",
    "owner of the schema": "ALTER SCHEMA {schema} OWNER TO ulf",
    "days": "REVOKE EXECUTE ON FUNCTION {schema}.days FROM PUBLIC",
    "is_edtf": "ALTER FUNCTION {schema}.is_edtf(text) PARALLEL SAFE",
    "payload_fault": "ALTER FUNCTION {schema}.payload_fault(bigint, text) LEAKPROOF",
}


def test_who_else_could_change_a_ledger_is_named(
    place: LedgerLocation, as_user: Callable[[str], str]
) -> None:
    schema = schema_of(place)
    with Ledger.create(place) as ledger:
        ledger.grant("keeper", "uma")
        for statement in OF_OTHERS.values():
            sql(statement.format(schema=schema))
        expected = {name.format(schema=schema) for name in OF_OTHERS}
        assert {fault.table for fault in ledger.verify().faults} == expected
        ledger.rebuild()
        assert {fault.table for fault in ledger.verify().faults} == {"owner of the schema"}


def test_functions_can_be_called_whatever_a_database_gives_on_new_ones(
    place: LedgerLocation,
) -> None:
    sql("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
    try:
        with Ledger.create(place) as ledger:
            assert ledger.verify().faults == ()
    finally:
        sql("ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC")


def test_members_are_listed_once_also_through_a_group(place: LedgerLocation) -> None:
    sql("ALTER ROLE own SET createrole_self_grant = 'set, inherit'")
    sql(f"CREATE SCHEMA {schema_of(place)} AUTHORIZATION own")
    sql("CREATE ROLE team")
    try:
        with Ledger.create(str(place).replace("postgres:@", "own@", 1)) as ledger:
            ledger.grant("recorder", "una")
            recorder = server_role(place, "recorder")
            sql(f'GRANT "{recorder}" TO una, team')
            sql("GRANT team TO ulf")
            assert ledger.grants()["recorder"] == ["own", "ulf", "una"]
            with pytest.raises(
                StoreError, match="ulf still has the role recorder through another role"
            ):
                ledger.revoke("ulf")
        with Ledger.open(place, writable=True) as master:
            master.revoke("una")
            assert master.grants()["recorder"] == ["own", "ulf"]
            with pytest.raises(StoreError, match="a role of this ledger itself"):
                master.revoke(recorder)
    finally:
        sql("DROP ROLE team")


def test_roles_named_after_a_former_database_keep_their_rights_until_they_are_replaced(
    place: LedgerLocation, caplog: pytest.LogCaptureFixture
) -> None:
    sql("CREATE DATABASE former")
    former = str(place).replace("/postgres?", "/former?")
    renamed = str(place).replace("/postgres?", "/renamed?")

    def records(key: str) -> None:
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
            records("one")
            ledger.rebuild()
            records("two")
            ledger.grant("recorder", "una")
            ledger.grant("keeper", "uma")
            for name in names:
                ledger.revoke(name)
            assert ledger.verify().faults == ()
            ledger.rebuild()
            records("three")
    finally:
        with RawDatabase(renamed) as raw:
            raw.run(f"DROP SCHEMA {schema_of(place)} CASCADE")
            roles = raw.rows(
                f"SELECT rolname FROM pg_roles WHERE rolname LIKE '%.{schema_of(place)}.%'"
            )
            raw.run(*(f'DROP OWNED BY "{name}"' for (name,) in roles))
        sql("DROP DATABASE renamed")
