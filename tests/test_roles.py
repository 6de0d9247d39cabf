"""Roles on a server: the server itself enforces what each role may do, even if a user bypasses the program.

A file has no roles, only the permissions of the file system.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from backends import (
    EMPTY,
    ONLY_FILES,
    ONLY_SERVERS,
    RawDatabase,
    database_url,
    server,
    server_role,
    stored_content,
)
from builders import case, record_all
from claimledger.errors import NotFoundError, RuleViolationError, StoreError
from claimledger.ledger import Ledger, LedgerLocation
from claimledger.storage.tables import VIEWS

USERS = ("rita", "ravi", "edda", "kofi", "nobody_here")


@contextmanager
def with_users(
    path: LedgerLocation, ledger: Ledger, prefix: str = ""
) -> Iterator[Callable[[str], str]]:
    """Create users, each but the last with a role; yield a function from a user to that user's URL of the ledger.

    The server knows each by ``prefix`` and the user's name.
    """
    record_all(ledger, case(["a: one", "b: two", "gone: one"], ["b contradicts a"]))
    ledger.withdraw("claim", "gone", by="Tester", reason="r")
    record_all(ledger, new("last"))
    while ledger.head().size % 4 != 1:  # the next entry must complete two subtrees: see NODES
        record_all(ledger, new(f"last-{ledger.head().size}"))
    with psycopg.connect(database_url(path), autocommit=True) as keeper:
        for user in USERS:
            keeper.execute(f"CREATE ROLE {prefix}{user} LOGIN")
    for user, role in zip(USERS, ("reader", "recorder", "editor", "keeper"), strict=False):
        ledger.grant(role, prefix + user)
    yield lambda user: str(path).replace("postgres:@", f"{prefix}{user}@", 1)
    ledger.close()
    schema = str(path).rpartition("=")[2]
    with psycopg.connect(database_url(path), autocommit=True) as keeper:
        keeper.execute(f"DROP SCHEMA {schema} CASCADE")
        names = [prefix + user for user in USERS]
        names += [server_role(path, role) for role in ("reader", "recorder", "editor", "keeper")]
        for name in names:
            keeper.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')


@pytest.fixture
def users(path: LedgerLocation, ledger: Ledger) -> Iterator[Callable[[str], str]]:
    """Yield a function from a user to that user's URL of a ledger."""
    with with_users(path, ledger) as url_for:
        yield url_for


@pytest.fixture(scope="module")
def shared_users() -> Iterator[Callable[[str], str]]:
    """Yield a function from a user to that user's URL of one ledger for all refused attacks."""
    path = EMPTY.copy_on_server()
    with (
        Ledger.open(path, writable=True) as ledger,
        with_users(path, ledger, "shared_") as url_for,
    ):
        before = stored_content(path)
        yield url_for
        assert stored_content(path) == before


def new(key: str) -> list[dict[str, Any]]:
    """Return the records of a party."""
    return [{"kind": "party", "key": key, "name": key}]


ACTIONS: dict[str, Callable[[Ledger, str], object]] = {
    "reads": lambda ledger, _: ledger.verify().faults,
    "records": lambda ledger, by: record_all(ledger, new(f"by-{by}"), by=by),
    "amends": lambda ledger, by: ledger.amend("claim", "a", {"note": by}, by=by, reason="r"),
    "disposes": lambda ledger, by: record_all(
        ledger, [{"kind": "disposition", "dispute": "l1", "ending": "period", "reason": by}], by=by
    ),
    "withdraws": lambda ledger, by: ledger.withdraw("claim", "a", by=by, reason="r", cascade=True),
    "redacts": lambda ledger, by: ledger.redact("claim", "gone", by=by, reason="r"),
    "rebuilds": lambda ledger, _: ledger.rebuild(),
    "grants roles": lambda ledger, _: ledger.grant("reader", "nobody_here"),
}
ALLOWED_ACTIONS = {"nobody_here": 0, "rita": 1, "ravi": 2, "edda": 5, "kofi": 8}
"""How many of the actions, from the first on, each user may do."""


@pytest.mark.parametrize("user", list(ALLOWED_ACTIONS))
@ONLY_SERVERS
def test_each_role_allows_its_actions_and_no_others(user: str, users: Callable[[str], str]) -> None:
    for position, (action, perform) in enumerate(ACTIONS.items()):
        allowed = position < ALLOWED_ACTIONS[user]
        if action == "grants roles" and user == "kofi":
            continue  # a keeper also needs CREATEROLE on the server
        if allowed:
            with Ledger.open(users(user), writable=action != "reads") as ledger:
                perform(ledger, user)
            continue
        with Ledger.open(users("rita")) as ledger:
            before = ledger.head()
        refusal = r"permission denied|may record and not|must be owner"
        with (
            pytest.raises(StoreError, match=refusal),
            Ledger.open(users(user), writable=action != "reads") as ledger,
        ):
            perform(ledger, user)
        with Ledger.open(users("rita")) as ledger:
            assert ledger.head() == before


@ONLY_SERVERS
def test_every_user_writes_under_their_own_name(
    users: Callable[[str], str], call: Callable[..., Any]
) -> None:
    with Ledger.open(users("ravi"), writable=True) as ledger:
        assert ledger.enforced_author == "ravi"
        with pytest.raises(RuleViolationError, match="can record only as"):
            record_all(ledger, new("x"), by="edda")
    result = call("--ledger", users("ravi"), "party", "add", "X", "--key", "x")
    assert "as ravi." in result.stdout, result.stderr
    result = call("--ledger", users("ravi"), "party", "add", "Y", "--by", "edda")
    assert (result.returncode, "can only write as" in result.stderr) == (2, True)
    with Ledger.open(users("rita")) as ledger:
        assert ledger.get("party", "x").recorded_by == "ravi"
        assert ledger.verify().clean


# A valid next entry by a user who may record. Each attack below changes one part of it.
NEXT_ENTRY = """SELECT *, encode(sha256(salt || convert_to(payload, 'UTF8')), 'hex') AS digest FROM (
  SELECT number, header::json ->> 'recorded_at' AS moment, salt, nodes,
    replace(replace(payload, 'Tester', session_user), '"key":"', '"key":"own-') AS payload
  FROM entry ORDER BY number DESC LIMIT 1) AS last"""
HEADER = """('{"digest":"' || digest || '","format":1,"recorded_at":"' || moment || '"}')"""
LEAF = f"sha256('\\x00'::bytea || convert_to({HEADER}, 'UTF8'))"
NODES = f"({LEAF} || sha256('\\x01'::bytea || substr(nodes, 1, 32) || {LEAF}))"

ATTACKS = {
    "an entry in another's name": "INSERT INTO entry SELECT number + 1, header, "
    "replace(payload, 'Tester', 'kofi'), salt, nodes FROM entry ORDER BY number DESC LIMIT 1",
    "an entry that amends": "INSERT INTO entry SELECT number + 1, header, "
    "replace(replace(payload, 'Tester', 'ravi'), '\"record\"', '\"amend\"'), salt, nodes "
    "FROM entry ORDER BY number DESC LIMIT 1",
    "an entry that disposes": "INSERT INTO entry SELECT number + 1, header, "
    "replace(replace(payload, 'Tester', 'ravi'), '\"party\"', '\"disposition\"'), salt, nodes "
    "FROM entry ORDER BY number DESC LIMIT 1",
    "an empty entry": "INSERT INTO entry SELECT number + 1, header, NULL, NULL, nodes "
    "FROM entry ORDER BY number DESC LIMIT 1",
    **{
        f"an entry with {part}": f"INSERT INTO entry SELECT number + 1, {header}, payload, salt, {nodes} FROM ({NEXT_ENTRY})"
        for part, header, nodes in (
            ("a wrong digest", f"replace({HEADER}, digest, repeat('0', 64))", NODES),
            ("a time in the past", f"replace({HEADER}, '\"2', '\"1')", NODES),
            ("an invalid time", f"replace({HEADER}, 'Z\"', 'z\"')", NODES),
            ("another member in its header", f"replace({HEADER}, '{{', '{{\"a\":1,')", NODES),
            (
                "a wrong leaf",
                HEADER,
                f"overlay({NODES} placing decode(repeat('00', 32), 'hex') from 1)",
            ),
            (
                "a wrong node",
                HEADER,
                f"overlay({NODES} placing decode(repeat('00', 32), 'hex') from 33)",
            ),
            ("a missing hash", HEADER, f"substr({NODES}, 1, 32)"),
            ("an extra hash", HEADER, f"{NODES} || substr({NODES}, 1, 32)"),
        )
    },
    "a deleted entry": "DELETE FROM entry WHERE number = 1",
    "a changed entry": "UPDATE entry SET payload = NULL",
    "a truncated log": "TRUNCATE entry",
    "triggers disabled": "ALTER TABLE entry DISABLE TRIGGER ALL",
    "triggers off in the session": "SET session_replication_role = replica",
    "a replaced trigger": "CREATE OR REPLACE FUNCTION entry_stays() RETURNS trigger LANGUAGE plpgsql "
    "AS 'BEGIN RETURN OLD; END'",
    "a changed layout": "UPDATE head SET layout = 1",
    "a deleted head": "DELETE FROM head",
    "a grant to everybody": "GRANT INSERT ON entry TO PUBLIC",
    **{f"rows deleted from {name}": f"DELETE FROM {name}" for name in VIEWS},
    **{f"entries changed in {name}": f"UPDATE {name} SET entry = 99" for name in VIEWS},
}


@ONLY_SERVERS
def test_the_valid_entry_behind_the_attacks_is_accepted(users: Callable[[str], str]) -> None:
    """This shows that each attack below is refused for the part that it changes."""
    address, _, schema = users("ravi").rpartition("&schema=")
    with psycopg.connect(address) as raw:
        raw.execute(f"SET search_path = {schema}")
        raw.execute(
            f"INSERT INTO entry SELECT number + 1, {HEADER}, payload, salt, {NODES} FROM ({NEXT_ENTRY})"
        )
        raw.rollback()


@pytest.mark.parametrize("attack", list(ATTACKS))
@pytest.mark.parametrize("user", ["ravi", "edda"])
@ONLY_SERVERS
def test_the_server_refuses_every_attack_that_bypasses_the_program(
    user: str, attack: str, store: str, shared_users: Callable[[str], str]
) -> None:
    users = shared_users
    if user == "edda" and attack in ("an entry that amends", "an entry that disposes"):
        return  # an editor may do this
    address, _, schema = users(user).rpartition("&schema=")
    with psycopg.connect(address, autocommit=True) as raw:
        raw.execute(f"SET search_path = {schema}")
        try:
            raw.execute(ATTACKS[attack])
        except psycopg.Error as error:
            message = str(error)
        else:
            message = ""
    if attack != "a grant to everybody":  # the server only warns, and grants nothing
        assert re.search(
            "permission denied|must be owner|nobody writes as another|may record and not|does not fit the log",
            message,
        )
    with Ledger.open(users("rita")) as ledger:
        assert ledger.verify().clean


@ONLY_SERVERS
def test_a_rebuild_keeps_the_roles(users: Callable[[str], str]) -> None:
    with Ledger.open(users("kofi"), writable=True) as ledger:
        ledger.rebuild()
    with Ledger.open(users("edda"), writable=True) as ledger:
        ACTIONS["amends"](ledger, "edda")
        ACTIONS["records"](ledger, "edda")
    with Ledger.open(users("rita")) as ledger:
        assert ledger.verify().clean


@ONLY_SERVERS
def test_a_grant_replaces_the_role_of_a_user_and_none_removes_it(
    users: Callable[[str], str], ledger: Ledger, path: LedgerLocation, call: Callable[..., Any]
) -> None:
    assert ledger.grants() == {
        "reader": ["rita"], "recorder": ["ravi"], "editor": ["edda"], "keeper": ["kofi"]
    }  # fmt: skip
    assert call("grant", "recorder", "rita", "edda").returncode == 0
    assert call("grant", "none", "ravi").stdout.splitlines() == [
        "reader: nobody", "recorder: edda, rita", "editor: nobody", "keeper: kofi"
    ]  # fmt: skip
    with Ledger.open(users("edda"), writable=True) as edda:
        ACTIONS["records"](edda, "edda")
        with pytest.raises(StoreError, match=r"may record and not|permission denied"):
            ACTIONS["amends"](edda, "edda")
    with pytest.raises(StoreError, match="permission denied"):
        Ledger.open(users("ravi"))
    with pytest.raises(NotFoundError, match="no user of the server with the name 'rit'"):
        ledger.grant("reader", "rit")
    for words, status in ((["king", "rita"], 1), (["reader"], 2), (["none", "ravi"], 1)):
        result = call("grant", *words)
        assert (result.returncode, "Traceback" in result.stderr) == (status, False)


@ONLY_SERVERS
def test_privileges_beyond_the_roles_are_faults_that_rebuild_and_revoke_remove(
    users: Callable[[str], str], ledger: Ledger, path: LedgerLocation
) -> None:
    grants = [
        "GRANT TRIGGER, DELETE ON entry TO ravi",
        "GRANT UPDATE (ended_by) ON history TO ravi",
        f'GRANT INSERT ON claim TO "{server_role(path, "recorder")}" WITH GRANT OPTION',
    ]
    of_ravi = {"privileges on entry", "privileges on history"}
    with RawDatabase(path) as raw:
        raw.run(*grants)
        with Ledger.open(users("rita")) as reader:
            assert {fault.table for fault in reader.verify().faults} == {
                *of_ravi,
                "privileges on claim",
            }
        with Ledger.open(users("kofi"), writable=True) as keeper:
            keeper.rebuild()
        assert ledger.verify().faults == ()
        with Ledger.open(users("ravi"), writable=True) as ravi:
            ACTIONS["records"](ravi, "ravi")
        raw.run(*grants[:2])
        ledger.revoke("ravi")
        assert ledger.verify().faults == ()
        raw.run(*grants[:2])
        ledger.revoke("ravi")  # a user with privileges and no role
        assert ledger.verify().faults == ()
        with pytest.raises(StoreError, match="ravi has no role"):
            ledger.revoke("ravi")


@ONLY_SERVERS
def test_default_privileges_on_new_tables_are_revoked(path: LedgerLocation) -> None:
    schema = str(path).rpartition("=")[2] + "b"
    with psycopg.connect(server().get_uri(), autocommit=True) as admin:
        admin.execute("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC")
        try:
            with Ledger.create(f"{server().get_uri()}&schema={schema}") as ledger:
                assert ledger.verify().faults == ()
                ledger.rebuild()
                assert ledger.verify().faults == ()
        finally:
            admin.execute("ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC")
            admin.execute(f"DROP SCHEMA {schema} CASCADE")  # type: ignore[arg-type]


@ONLY_FILES
def test_a_file_has_no_roles(ledger: Ledger) -> None:
    with pytest.raises(StoreError, match="the permissions of the file"):
        ledger.grants()


def rows_read(path: LedgerLocation, user: str, batches: int) -> int:
    """Return how many rows of the log the server reads while a recorder records claims in one transaction."""
    schema = str(path).rpartition("=")[2]
    url = str(path).replace("postgres:@", f"{user}@", 1)
    read = (
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_all_tables "
        f"WHERE relid = '{schema}.entry'::regclass"
    )
    running = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{user}'"
    with psycopg.connect(database_url(path), autocommit=True) as admin:
        ((before,),) = admin.execute(read).fetchall()
        with Ledger.open(url, writable=True) as recorder:

            def write() -> None:
                for batch in range(batches):
                    claims = [f"c{batches}-{batch}-{number}: one @s" for number in range(200)]
                    record_all(recorder, case(claims), by=user)

            recorder.transaction(write)
        # The server publishes the statistics of a session when the session ends.
        while admin.execute(running).fetchone() != (0,):
            pass
        ((after,),) = admin.execute(read).fetchall()
    return int(after) - int(before)


@ONLY_SERVERS
def test_checking_the_entries_of_a_recorder_does_not_read_the_log_again(
    path: LedgerLocation, ledger: Ledger
) -> None:
    with psycopg.connect(database_url(path), autocommit=True) as admin:
        admin.execute("CREATE ROLE rita LOGIN")
    try:
        ledger.grant("recorder", "rita")
        # The plan that the server makes for an empty log must stay fast as the log grows.
        assert ledger.head().size == 0
        read = rows_read(path, "rita", batches=30)
        entries = ledger.head().size
        assert entries < read < 20 * entries, (read, entries)
    finally:
        ledger.revoke("rita")
        with psycopg.connect(database_url(path), autocommit=True) as admin:
            admin.execute("DROP OWNED BY rita; DROP ROLE rita")
