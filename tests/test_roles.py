"""Who may what on a server: held by the server itself, also against who leaves the program out.

A file has no roles: its rights are those of the file system.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from backends import ONLY_FILES, ONLY_SERVERS, RawDatabase, database_url, server, server_role
from builders import case, record_all
from claimledger.errors import NotFoundError, RuleViolationError, StoreError
from claimledger.ledger import Ledger, LedgerLocation
from claimledger.storage.tables import VIEWS

USERS = ("rita", "ravi", "edda", "kofi", "nobody_here")


@pytest.fixture
def users(path: LedgerLocation, ledger: Ledger) -> Iterator[Callable[[str], str]]:
    """Users of the server with a role each, but the last; returns a user's own address."""
    record_all(ledger, case(["a: one", "b: two", "gone: one"], ["b contradicts a"]))
    ledger.withdraw("claim", "gone", by="Tester", reason="r")
    record_all(ledger, new("last"))
    while ledger.head().size % 4 != 1:  # so that the next entry completes two subtrees: see NODES
        record_all(ledger, new(f"last-{ledger.head().size}"))
    with psycopg.connect(database_url(path), autocommit=True) as keeper:
        for user in USERS:
            keeper.execute(f"CREATE ROLE {user} LOGIN")
    for user, role in zip(USERS, ("reader", "recorder", "editor", "keeper"), strict=False):
        ledger.grant(role, user)
    yield lambda user: str(path).replace("postgres:@", f"{user}@", 1)
    ledger.close()
    schema = str(path).rpartition("=")[2]
    with psycopg.connect(database_url(path), autocommit=True) as keeper:
        keeper.execute(f"DROP SCHEMA {schema} CASCADE")
        created = keeper.execute(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE %s", (f"%.{schema}.%",)
        ).fetchall()
        for name in (*USERS, *(name for (name,) in created)):
            keeper.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')


def new(key: str) -> list[dict[str, Any]]:
    return [{"kind": "party", "key": key, "name": key}]


DOES: dict[str, Callable[[Ledger, str], object]] = {
    "reads": lambda ledger, _: ledger.verify().faults,
    "records": lambda ledger, by: record_all(ledger, new(f"by-{by}"), by=by),
    "amends": lambda ledger, by: ledger.amend("claim", "a", {"note": by}, by=by, reason="r"),
    "disposes": lambda ledger, by: record_all(
        ledger, [{"kind": "disposition", "dispute": "l1", "ending": "period", "reason": by}], by=by
    ),
    "withdraws": lambda ledger, by: ledger.withdraw("claim", "a", by=by, reason="r", cascade=True),
    "redacts": lambda ledger, by: ledger.redact("claim", "gone", by=by, reason="r"),
    "rebuilds": lambda ledger, _: ledger.rebuild(),
    "gives roles": lambda ledger, _: ledger.grant("reader", "nobody_here"),
}
MAY = {"nobody_here": 0, "rita": 1, "ravi": 2, "edda": 5, "kofi": 8}


@pytest.mark.parametrize("user", list(MAY))
@ONLY_SERVERS
def test_each_role_may_what_it_may_and_no_more(user: str, users: Callable[[str], str]) -> None:
    for place, (what, do) in enumerate(DOES.items()):
        may = place < MAY[user]
        if what == "gives roles" and user == "kofi":
            continue  # making roles of the server is the server's own right
        if may:
            with Ledger.open(users(user), writable=what != "reads") as ledger:
                do(ledger, user)
            continue
        with Ledger.open(users("rita")) as ledger:
            before = ledger.head()
        refusal = r"permission denied|may record and not|must be owner"
        with (
            pytest.raises(StoreError, match=refusal),
            Ledger.open(users(user), writable=what != "reads") as ledger,
        ):
            do(ledger, user)
        with Ledger.open(users("rita")) as ledger:
            assert ledger.head() == before


@ONLY_SERVERS
def test_whoever_writes_writes_under_its_own_name(
    users: Callable[[str], str], call: Callable[..., Any]
) -> None:
    with Ledger.open(users("ravi"), writable=True) as ledger:
        assert ledger.enforced_author == "ravi"
        with pytest.raises(RuleViolationError, match="under no other name"):
            record_all(ledger, new("x"), by="edda")
    done = call("--ledger", users("ravi"), "party", "add", "X", "--key", "x")
    assert "as ravi." in done.stdout, done.stderr
    done = call("--ledger", users("ravi"), "party", "add", "Y", "--by", "edda")
    assert (done.returncode, "writes under no other name" in done.stderr) == (2, True)
    with Ledger.open(users("rita")) as ledger:
        assert ledger.get("party", "x").recorded_by == "ravi"
        assert ledger.verify().clean


# The next entry as it should be, by one who may record: what an attempt below changes one thing of.
OWN = """SELECT *, encode(sha256(salt || convert_to(payload, 'UTF8')), 'hex') AS digest FROM (
  SELECT number, header::json ->> 'recorded_at' AS moment, salt, nodes,
    replace(replace(payload, 'Tester', session_user), '"key":"', '"key":"own-') AS payload
  FROM entry ORDER BY number DESC LIMIT 1) AS last"""
HEADER = """('{"digest":"' || digest || '","format":1,"recorded_at":"' || moment || '"}')"""
LEAF = f"sha256('\\x00'::bytea || convert_to({HEADER}, 'UTF8'))"
NODES = f"({LEAF} || sha256('\\x01'::bytea || substr(nodes, 1, 32) || {LEAF}))"

BEHIND = {
    "an entry of another's": "INSERT INTO entry SELECT number + 1, header, "
    "replace(payload, 'Tester', 'kofi'), salt, nodes FROM entry ORDER BY number DESC LIMIT 1",
    "an entry that changes": "INSERT INTO entry SELECT number + 1, header, "
    "replace(replace(payload, 'Tester', 'ravi'), '\"record\"', '\"amend\"'), salt, nodes "
    "FROM entry ORDER BY number DESC LIMIT 1",
    "an entry that disposes": "INSERT INTO entry SELECT number + 1, header, "
    "replace(replace(payload, 'Tester', 'ravi'), '\"party\"', '\"disposition\"'), salt, nodes "
    "FROM entry ORDER BY number DESC LIMIT 1",
    "an empty entry": "INSERT INTO entry SELECT number + 1, header, NULL, NULL, nodes "
    "FROM entry ORDER BY number DESC LIMIT 1",
    **{
        f"an entry with {what}": f"INSERT INTO entry SELECT number + 1, {header}, payload, salt, {nodes} FROM ({OWN})"
        for what, header, nodes in (
            ("another's digest", f"replace({HEADER}, digest, repeat('0', 64))", NODES),
            ("a time that went by", f"replace({HEADER}, '\"2', '\"1')", NODES),
            ("a time that is none", f"replace({HEADER}, 'Z\"', 'z\"')", NODES),
            ("more in its header", f"replace({HEADER}, '{{', '{{\"a\":1,')", NODES),
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
            ("hashes too few", HEADER, f"substr({NODES}, 1, 32)"),
            ("hashes too many", HEADER, f"{NODES} || substr({NODES}, 1, 32)"),
        )
    },
    "a deleted entry": "DELETE FROM entry WHERE number = 1",
    "a changed entry": "UPDATE entry SET payload = NULL",
    "an emptied log": "TRUNCATE entry",
    "no trigger": "ALTER TABLE entry DISABLE TRIGGER ALL",
    "no trigger for now": "SET session_replication_role = replica",
    "another trigger": "CREATE OR REPLACE FUNCTION entry_stays() RETURNS trigger LANGUAGE plpgsql "
    "AS 'BEGIN RETURN OLD; END'",
    "another layout": "UPDATE head SET layout = 1",
    "no head": "DELETE FROM head",
    "a role of its own": "GRANT INSERT ON entry TO PUBLIC",
    **{f"a row gone from {name}": f"DELETE FROM {name}" for name in VIEWS},
    **{f"a key changed in {name}": f"UPDATE {name} SET entry = 99" for name in VIEWS},
}


@ONLY_SERVERS
def test_an_entry_that_is_right_in_all_this_is_taken(users: Callable[[str], str]) -> None:
    """What is refused below is refused for what is changed in it."""
    address, _, schema = users("ravi").rpartition("&schema=")
    with psycopg.connect(address) as raw:
        raw.execute(f"SET search_path = {schema}")
        raw.execute(
            f"INSERT INTO entry SELECT number + 1, {HEADER}, payload, salt, {NODES} FROM ({OWN})"
        )
        raw.rollback()


@pytest.mark.parametrize("what", list(BEHIND))
@pytest.mark.parametrize("user", ["ravi", "edda"])
@ONLY_SERVERS
def test_the_server_refuses_what_is_done_behind_the_programs_back(
    user: str, what: str, users: Callable[[str], str]
) -> None:
    if user == "edda" and what in ("an entry that changes", "an entry that disposes"):
        return  # which it may
    address, _, schema = users(user).rpartition("&schema=")
    with psycopg.connect(address, autocommit=True) as raw:
        raw.execute(f"SET search_path = {schema}")
        try:
            raw.execute(BEHIND[what])
        except psycopg.Error as error:
            output = str(error)
        else:
            output = ""
    if what != "a role of its own":  # that one the server answers with a warning, and does nothing
        assert re.search(
            "permission denied|must be owner|nobody writes as another|may record and not|does not fit the log",
            output,
        )
    with Ledger.open(users("rita")) as ledger:
        assert ledger.verify().clean


@ONLY_SERVERS
def test_roles_stay_when_the_tables_are_made_anew(users: Callable[[str], str]) -> None:
    with Ledger.open(users("kofi"), writable=True) as ledger:
        ledger.rebuild()
    with Ledger.open(users("edda"), writable=True) as ledger:
        DOES["amends"](ledger, "edda")
        DOES["records"](ledger, "edda")
    with Ledger.open(users("rita")) as ledger:
        assert ledger.verify().clean


@ONLY_SERVERS
def test_a_user_has_one_role_and_loses_it(
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
        DOES["records"](edda, "edda")
        with pytest.raises(StoreError, match=r"may record and not|permission denied"):
            DOES["amends"](edda, "edda")
    with pytest.raises(StoreError, match="permission denied"):
        Ledger.open(users("ravi"))
    with pytest.raises(NotFoundError, match="no user of the server with the name 'rit'"):
        ledger.grant("reader", "rit")
    for words, status in ((["king", "rita"], 1), (["reader"], 2), (["none", "ravi"], 1)):
        done = call("grant", *words)
        assert (done.returncode, "Traceback" in done.stderr) == (status, False)


@ONLY_SERVERS
def test_rights_beyond_the_roles_are_named_and_taken(
    users: Callable[[str], str], ledger: Ledger, path: LedgerLocation
) -> None:
    values = [
        "GRANT TRIGGER, DELETE ON entry TO ravi",
        "GRANT UPDATE (until) ON history TO ravi",
        f'GRANT INSERT ON claim TO "{server_role(path, "recorder")}" WITH GRANT OPTION',
    ]
    of_ravi = {"privileges on entry", "privileges on history"}
    with RawDatabase(path) as raw:
        raw.run(*values)
        with Ledger.open(users("rita")) as reader:
            assert {fault.table for fault in reader.verify().faults} == {
                *of_ravi,
                "privileges on claim",
            }
        with Ledger.open(users("kofi"), writable=True) as keeper:
            keeper.rebuild()
        assert ledger.verify().faults == ()
        with Ledger.open(users("ravi"), writable=True) as ravi:
            DOES["records"](ravi, "ravi")
        raw.run(*values[:2])
        ledger.revoke("ravi")
        assert ledger.verify().faults == ()
        raw.run(*values[:2])
        ledger.revoke("ravi")  # who has rights, and no role
        assert ledger.verify().faults == ()
        with pytest.raises(StoreError, match="ravi has no role"):
            ledger.revoke("ravi")


@ONLY_SERVERS
def test_what_the_server_gives_on_every_new_table_is_taken(path: LedgerLocation) -> None:
    schema = str(path).rpartition("=")[2] + "b"
    with psycopg.connect(server().get_uri(), autocommit=True) as master:
        master.execute("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC")
        try:
            with Ledger.create(f"{server().get_uri()}&schema={schema}") as ledger:
                assert ledger.verify().faults == ()
                ledger.rebuild()
                assert ledger.verify().faults == ()
        finally:
            master.execute("ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC")
            master.execute(f"DROP SCHEMA {schema} CASCADE")  # type: ignore[arg-type]


@ONLY_FILES
def test_a_file_has_the_rights_of_the_file(ledger: Ledger) -> None:
    with pytest.raises(StoreError, match="the rights of the file"):
        ledger.grants()


def rows_read(path: LedgerLocation, user: str, batches: int) -> int:
    """Return how many rows of the log the server reads while a recorder records claims in one write."""
    schema = str(path).rpartition("=")[2]
    theirs = str(path).replace("postgres:@", f"{user}@", 1)
    read = (
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_all_tables "
        f"WHERE relid = '{schema}.entry'::regclass"
    )
    running = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{user}'"
    with psycopg.connect(database_url(path), autocommit=True) as master:
        ((before,),) = master.execute(read).fetchall()
        with Ledger.open(theirs, writable=True) as recorder:

            def write() -> None:
                for batch in range(batches):
                    drawn = [f"c{batches}-{batch}-{number}: one @s" for number in range(200)]
                    record_all(recorder, case(drawn), by=user)

            recorder.transaction(write)
        while master.execute(running).fetchone() != (
            0,
        ):  # a server tells what it read when it ends
            pass
        ((after,),) = master.execute(read).fetchall()
    return int(after) - int(before)


@ONLY_SERVERS
def test_what_a_recorder_records_is_held_to_the_log_without_reading_the_log_again(
    path: LedgerLocation, ledger: Ledger
) -> None:
    with psycopg.connect(database_url(path), autocommit=True) as master:
        master.execute("CREATE ROLE rita LOGIN")
    try:
        ledger.grant("recorder", "rita")
        assert ledger.head().size == 0  # what is planned for a small log has to serve a large one
        read = rows_read(path, "rita", batches=30)
        entries = ledger.head().size
        assert entries < read < 20 * entries, (read, entries)
    finally:
        ledger.revoke("rita")
        with psycopg.connect(database_url(path), autocommit=True) as master:
            master.execute("DROP OWNED BY rita; DROP ROLE rita")
