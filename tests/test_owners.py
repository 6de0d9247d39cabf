"""A ledger on a server whose owner is not a superuser: what the owner may and what is left to the server's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from claimledger.ledger import Ledger, Where
from small_cases import case, record
from stores import ONLY_SERVERS, schema_address, server

pytestmark = ONLY_SERVERS  # a file has the rights of the file

USERS = ("own", "una", "ulf", "uma")


def sql(statement: str, user: str = "postgres") -> list[tuple[Any, ...]]:
    """Run one statement as a user of the server."""
    uri = server().get_uri().replace("postgres:@", f"{user}@", 1)
    with psycopg.connect(uri, autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def place(store: str) -> Iterator[Where]:
    """Return where a ledger can be made; drop it with every role of the server made for it."""
    address = schema_address()
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
def as_user(place: Where) -> Callable[[str], str]:
    """Return a function that returns a user's own address of the ledger."""
    return lambda user: str(place).replace("postgres:@", f"{user}@", 1)


@pytest.fixture
def owned(place: Where, as_user: Callable[[str], str]) -> Iterator[Ledger]:
    """Return a ledger that a user who is no superuser made in a schema of its own."""
    sql(f"CREATE SCHEMA {str(place).rpartition('=')[2]} AUTHORIZATION own")
    with Ledger.create(as_user("own")) as ledger:
        record(ledger, case(["a: one", "b: two"], ["b contradicts a"]), by="own")
        yield ledger


@pytest.mark.parametrize("self_grant", ["", "set, inherit"])
def test_an_owner_who_is_no_superuser_gives_every_role(
    self_grant: str, place: Where, as_user: Callable[[str], str]
) -> None:
    sql(f"ALTER ROLE own SET createrole_self_grant = '{self_grant}'")
    sql(f"CREATE SCHEMA {str(place).rpartition('=')[2]} AUTHORIZATION own")
    with Ledger.create(as_user("own")) as ledger:
        for role, user in (("recorder", "una"), ("editor", "ulf"), ("keeper", "uma")):
            ledger.grant(role, user)
    for user in ("una", "ulf", "uma", "own"):
        with Ledger.open(as_user(user), writable=True) as ledger:
            record(ledger, [{"kind": "party", "key": f"by-{user}", "name": user}], by=user)
    for user in ("uma", "own", "uma"):
        with Ledger.open(as_user(user), writable=True) as ledger:
            ledger.rebuild()
            assert ledger.verify().faults == ()
    with Ledger.open(as_user("una"), writable=True) as ledger:
        record(ledger, [{"kind": "party", "key": "after", "name": "after"}], by="una")


def test_an_owner_who_is_no_superuser_rebuilds(owned: Ledger) -> None:
    owned.grant("reader", "una")
    owned.grant("recorder", "ulf")
    owned.rebuild()
    assert owned.verify().faults == ()
