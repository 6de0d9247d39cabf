"""From psql, under every role, the server refuses what the program would: one attack a rule, and at random."""

from __future__ import annotations

import base64
import json
import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from backends import (
    EMPTY,
    ONLY_SERVERS,
    Current,
    LedgerTemplate,
    database_url,
    server,
    server_role,
    stored_content,
    tamper,
)
from builders import record_all
from claimledger.errors import RuleViolationError, StoreError
from claimledger.ledger import Ledger, LedgerLocation
from claimledger.log.canonical_json import canonical
from claimledger.log.entry import LARGEST_PAYLOAD, now
from claimledger.log.merkle import Frontier
from claimledger.log.validate import InvalidEntryError, check_payload
from claimledger.records.check import record_from
from claimledger.storage.projection import content_digest
from claimledger.storage.tables import HISTORY, VIEWS
from forged import (
    Forgery,
    Line,
    append_segment,
    forged_line,
    history_rows,
    last_entry_number,
    lines_of,
    payload_members,
    payload_of,
    write_segment_file,
)
from hypothesis_profile import TRIALS_FACTOR, seed_for
from test_log_rules import EACH, fill, golden, names, party, spoil

pytestmark = ONLY_SERVERS  # a file has no server to refuse anything

OF_EVERY_KIND = [
    {"kind": "term", "key": "stations", "of": "measure", "label": "stations", "broader": "posts"},
    {"kind": "term", "key": "posts", "of": "measure", "label": "posts"},
    {"kind": "capture", "key": "copy", "source": "a-page"},
    {"kind": "review", "key": "rated", "claim": "a", "rating": "true"},
    {"kind": "decision", "key": "no", "rule": "r", "outcome": "declined", "about": ["a"]},
    {"kind": "disposition", "key": "over", "dispute": "l1", "ending": "dormant", "reason": "r"},
    {
        "kind": "link", "key": "cited", "type": "repeats", "from": "b", "to": "a",
        "citations": [{"source": "b-page"}],
    },
    {
        "kind": "claim", "key": "counted", "statement": "s", "claimant": ["one"], "subject": "topic",
        "citations": [{"source": "a-page"}], "figures": [{"measure": "stations", "low": "54"}],
    },
]  # fmt: skip

Address = Callable[[str], str]
USERS = {"recorder": "rolf", "editor": "Mallory", "keeper": "kira"}
"""Forged entries say that Mallory wrote them."""


def fill_every_kind(ledger: Ledger) -> None:
    """Put a row in every table."""
    fill(ledger)
    record_all(ledger, OF_EVERY_KIND)


EVERY_KIND = LedgerTemplate(fill_every_kind)


@contextmanager
def with_roles(path: LedgerLocation) -> Iterator[Address]:
    """Give each of the users a role in a ledger; yield a function that returns a user's address of it."""
    with psycopg.connect(database_url(path), autocommit=True) as master:
        with Ledger.open(path, writable=True) as ledger:
            for role, user in USERS.items():
                if master.execute("SELECT to_regrole(%s)", (f'"{user}"',)).fetchone() == (None,):
                    master.execute(f'CREATE ROLE "{user}" LOGIN')
                ledger.grant(role, user)
        yield lambda user: str(path).replace("postgres:@", f"{user}@", 1)
        master.execute(f"DROP SCHEMA {str(path).rpartition('=')[2]} CASCADE")  # type: ignore[arg-type]
        for role in USERS:
            name = server_role(path, role)
            master.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')  # type: ignore[arg-type]


@pytest.fixture
def path(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> LedgerLocation:
    """Return where a ledger lies; where users have roles in it, it has a row in each table."""
    pattern = EVERY_KIND if "address" in request.fixturenames else EMPTY
    return pattern.copy(tmp_path)


@pytest.fixture
def ledger(path: LedgerLocation) -> Iterator[Ledger]:
    with Ledger.open(path, writable=True) as opened:
        yield opened


@pytest.fixture
def address(path: LedgerLocation, ledger: Ledger) -> Iterator[Address]:
    """Return a user's own address of the ledger, in which each has a role."""
    with with_roles(path) as address:
        yield address
        ledger.close()


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LedgerLocation, Address]]:
    """Return one ledger for all that is refused: nothing of it stays, as is proved after all of it."""
    Current.store = "postgresql"
    path = EVERY_KIND.copy(tmp_path_factory.mktemp("unharmed"))
    Current.databases.remove(
        str(path).partition("@/")[2].partition("?")[0]
    )  # not dropped after each test
    Current.store = "file"
    before = stored_content(path)
    with with_roles(path) as address:
        yield path, address
        assert stored_content(path) == before
        with Ledger.open(path) as ledger:
            assert ledger.verify().faults == ()


def rows_of(log: list[Line], since: int) -> list[tuple[Any, ...]]:
    """Return lines as rows of the log, with the hashes that they have."""
    frontier = Frontier()
    rows = []
    for line in log:
        nodes = frontier.append(line["header"].encode())
        salt = None if line["salt"] is None else base64.b64decode(line["salt"])
        rows.append((line["number"], line["header"], line["payload"], salt, nodes))
    return rows[since:]


def as_psql(address: str, *statements: str, rows: list[tuple[Any, ...]] | None = None) -> str:
    """Do something, or insert rows into the log, past the program; return what the server says to it."""
    place, _, schema = address.rpartition("&schema=")
    with psycopg.connect(place, autocommit=True) as raw:
        raw.execute(f"SET search_path = {schema}")
        try:
            with raw.transaction(), raw.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)  # type: ignore[arg-type]
                if rows:
                    cursor.executemany("INSERT INTO entry VALUES (%s, %s, %s, %s, %s)", rows)
        except psycopg.Error as error:
            return str(error)
    return ""


NO_JSON = "invalid input syntax for type json|unsupported Unicode escape|stack depth limit exceeded"
OTHERWISE = {
    "format": "rule `header`",
    "time": "rule `header`",
    "digest": "rule `header`",
    "canonical": f"{NO_JSON}|rule `salt`",
    "redacts-own": "rule `salt`",
    "emptied": "rule `salt`",
}
"""What an entry that breaks a rule is refused for where the server looks at something else first."""

AS_EDITOR = {
    "canonical": "nobody writes as another",
    "members": "nobody writes as another|may record and not redact",
    "redacts-own": "may record and not redact",
}
"""What it is refused for besides where it comes from who keeps nothing."""


@pytest.mark.parametrize("user", ["Mallory", "kira"])
@pytest.mark.parametrize(("rule", "forge"), EACH)
def test_no_role_writes_an_unlawful_entry(
    rule: str, forge: Forgery, user: str, store: str, unharmed: tuple[LedgerLocation, Address]
) -> None:
    path, address = unharmed
    with Ledger.open(path) as ledger:
        log = lines_of(ledger)
    output = as_psql(address(user), rows=rows_of(forge(log), len(log)))
    reasons = [OTHERWISE.get(rule, ""), AS_EDITOR.get(rule, "") if user == "Mallory" else ""]
    expected = "|".join([re.escape(f"(rule `{rule}`)"), *filter(None, reasons)])
    assert re.search(expected, output), output
    with Ledger.open(path) as ledger:
        assert lines_of(ledger) == log


def works_on(address: Address) -> None:
    """See that nobody is kept from work by what somebody did."""
    with Ledger.open(address("kira"), writable=True) as keeper:
        keeper.rebuild()
        assert keeper.verify().faults == ()
    with Ledger.open(address("rolf"), writable=True) as recorder:
        record_all(recorder, [{"kind": "party", "name": "Goes on"}], by="rolf")


def ahead(minutes: int) -> str:
    """Return a time so far ahead of the server's clock, as a log writes it."""
    query = "SELECT to_char((now() + make_interval(mins => %s)) AT TIME ZONE 'UTC', %s)"
    with psycopg.connect(server().get_uri()) as raw:
        ((moment,),) = raw.execute(query, (minutes, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')).fetchall()
    return str(moment)


def test_a_time_ahead_of_the_server_s_clock_is_refused(ledger: Ledger, address: Address) -> None:
    log = lines_of(ledger)
    for minutes, refused in ((60, True), (2, False)):
        line = forged_line(len(log) + 1, party(), moment=ahead(minutes))
        output = as_psql(address("kira"), rows=rows_of([*log, line], len(log)))
        assert bool(output) == refused, output
        assert ("ahead of this server's" in output) == refused


def test_a_redaction_that_is_lawful_empties_at_once(ledger: Ledger, address: Address) -> None:
    slip = [event.entry for event in ledger.history("slip")]
    log = lines_of(ledger)
    payload = payload_members(
        "redact", "party", "slip", entries=slip, reason="r", replaced_by="body"
    )
    line = forged_line(len(log) + 1, payload)
    assert "may record and not redact" in as_psql(
        address("Mallory"), rows=rows_of([*log, line], len(log))
    )
    assert as_psql(address("kira"), rows=rows_of([*log, line], len(log))) == ""
    assert [entry.payload for entry in ledger.entries() if entry.number in slip] == [None, None]
    works_on(address)


STANDING_IN_THE_WAY = {
    **{
        f"rows of {name} for entries to come": f"INSERT INTO {name} SELECT * FROM (SELECT "
        f"(jsonb_populate_record(t, jsonb_build_object('entry', 9999))).* FROM {name} AS t LIMIT 1) AS r"
        for name in VIEWS
    },
    "history of the next entry": "INSERT INTO history SELECT entry + 1, kind, key, action, until, recorded_at, "
    "recorded_by, reason, replaced_by, number, content FROM history ORDER BY entry DESC LIMIT 1",
    "a mark of a redaction": "INSERT INTO pending_scrub VALUES (1)",
    "a table of its own": "CREATE TABLE history2 (x text)",
    "a function of its own": "CREATE FUNCTION standing(x integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "an operator of its own": "CREATE OPERATOR = (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)",
    "a temporary table in its place": "CREATE TEMPORARY TABLE entry (number bigint, header text, payload text, "
    "salt bytea, nodes bytea)",
    "settings of the ledger's": "ALTER DATABASE postgres SET search_path = pg_catalog",
    "a claim that it takes in a log": "SET claimledger.checked = 'log'",
}


HARMLESS = ["a temporary table in its place", "a claim that it takes in a log"]
"""What is of the session that does it alone."""


@pytest.mark.parametrize("user", ["rolf", "Mallory"])
@pytest.mark.parametrize("what", list(STANDING_IN_THE_WAY))
def test_nobody_stands_in_the_way_of_others(
    what: str, user: str, ledger: Ledger, address: Address
) -> None:
    output = as_psql(address(user), STANDING_IN_THE_WAY[what])
    refused = "permission denied|must be owner|does not fit the log"
    assert (output == "") if what in HARMLESS else re.search(refused, output), output
    assert ledger.verify().faults == ()
    with Ledger.open(address("rolf"), writable=True) as recorder:
        record_all(recorder, [{"kind": "party", "name": "Goes on"}], by="rolf")
    works_on(address)


def test_an_entry_comes_with_its_row_of_history(ledger: Ledger, address: Address) -> None:
    log = lines_of(ledger)
    for user in ("rolf", "Mallory"):
        # Without that row its number would be given out again, and nobody could write under it.
        line = forged_line(len(log) + 1, {**party("P1"), "recorded_by": user})
        output = as_psql(address(user), rows=rows_of([*log, line], len(log)))
        assert "its row of history does not come with it" in output
    works_on(address)


def test_a_record_of_a_newer_version_comes_with_its_row_too(
    ledger: Ledger, address: Address
) -> None:
    log = lines_of(ledger)
    novel = payload_members("record", "novel", "N1", record={"title": "T"}) | {
        "recorded_by": "rolf"
    }
    line = forged_line(len(log) + 1, novel)
    ((*row,),) = history_rows(line)
    place, _, schema = address("rolf").rpartition("&schema=")
    with psycopg.connect(place) as raw:
        raw.execute(f"SET search_path = {schema}")
        signs = ", ".join("%s" for _ in row)
        raw.execute(
            "INSERT INTO entry VALUES (%s, %s, %s, %s, %s)", rows_of([*log, line], len(log))[0]
        )
        raw.execute(f"INSERT INTO history VALUES ({signs})", row)  # type: ignore[arg-type]
    assert ledger.verify().faults == ()
    works_on(address)


def held_up(address: str) -> bool:
    """Wait until somebody waits for a lock of a ledger on a server; return whether that came."""
    query = "SELECT FROM pg_locks WHERE NOT granted"
    with psycopg.connect(address.partition("&schema=")[0], autocommit=True) as watching:
        for _ in range(400):
            if watching.execute(query).fetchone() is not None:
                return True
            watching.execute("SELECT pg_sleep(0.01)")
    return False


@pytest.mark.parametrize("user", ["Mallory", "kira"])
def test_who_writes_past_the_program_takes_no_number_from_others(
    user: str, path: LedgerLocation, ledger: Ledger, address: Address
) -> None:
    log = lines_of(ledger)
    line = forged_line(len(log) + 1, {**party(), "recorded_by": "rolf"})
    ((*row,),) = history_rows(line)
    place, _, schema = address("rolf").rpartition("&schema=")
    signs = ", ".join("%s" for _ in row)
    recorded: list[int] = []

    def work() -> None:
        with Ledger.open(address(user), writable=True) as ledger:
            record_all(ledger, [{"kind": "party", "name": "Goes on"}], by=user)
            recorded.append(ledger.head().size)

    waiting = threading.Thread(target=work)
    with psycopg.connect(place) as raw:
        raw.execute(f"SET search_path = {schema}")
        rows = rows_of([*log, line], len(log))
        raw.execute("INSERT INTO entry VALUES (%s, %s, %s, %s, %s)", rows[0])
        waiting.start()
        assert held_up(str(path))
        raw.execute(f"INSERT INTO history VALUES ({signs})", row)  # type: ignore[arg-type]
    waiting.join()
    assert recorded == [len(log) + 2]
    works_on(address)


@pytest.mark.parametrize("in_history", [False, True])
@pytest.mark.parametrize("settings", ["checked = ''", "checked = 'payloads'"])
def test_a_redaction_from_psql_is_finished_in_log_views_and_files(
    settings: str, in_history: bool, ledger: Ledger, address: Address
) -> None:
    """It empties the log, and leaves the texts in the views."""
    slip = [event.entry for event in ledger.history("slip")]
    log = lines_of(ledger)
    payload = payload_members(
        "redact", "party", "slip", entries=slip, reason="r", replaced_by="body"
    )
    line = forged_line(len(log) + 1, payload | {"recorded_by": "kira"})
    (row,) = rows_of([*log, line], len(log))
    place, _, schema = address("kira").rpartition("&schema=")
    with psycopg.connect(place) as raw:
        for statement in (f"SET search_path = {schema}", f"SET claimledger.{settings}"):
            raw.execute(statement)  # type: ignore[arg-type]
        raw.execute("INSERT INTO entry VALUES (%s, %s, %s, %s, %s)", row)
        for records in history_rows(line) if in_history else []:
            signs = ", ".join("%s" for _ in records)
            raw.execute(f"INSERT INTO history VALUES ({signs})", records)  # type: ignore[arg-type]
        raw.execute("UPDATE entry SET payload = NULL, salt = NULL WHERE number = ANY (%s)", (slip,))
    with Ledger.open(address("kira"), writable=True) as keeper:
        result = keeper.verify()
        assert [redaction.entry for redaction in result.redactions if not redaction.scrubbed] == [
            len(log) + 1
        ]
        assert [fault for fault in result.faults if "rule" in fault.what] == []
        keeper.redact("party", "slip", by="kira", reason="again")
        result = keeper.verify()
        assert result.faults == ()
        assert all(redaction.scrubbed for redaction in result.redactions)
    with psycopg.connect(place) as raw:
        for table in ("party", "search_words"):
            query = f"SELECT 1 FROM {schema}.{table} WHERE entry = ANY (%s)"
            assert raw.execute(query, (slip,)).fetchall() == []  # type: ignore[arg-type]


def test_a_digest_in_history_keeps_no_record_out(ledger: Ledger, address: Address) -> None:
    """A recorder writes the digest of a record to come beside an entry of its own."""
    coming = record_from({"kind": "party", "name": "Nobody has this yet"})
    log = lines_of(ledger)
    line = forged_line(len(log) + 1, {**party("own"), "recorded_by": "rolf"})
    ((*row,),) = history_rows(line)
    row[list(HISTORY.columns.keys()).index("content")] = content_digest("party", coming.as_json())
    database, _, schema = address("rolf").rpartition("&schema=")
    signs = ", ".join("%s" for _ in row)
    with psycopg.connect(database) as raw:
        raw.execute(f"SET search_path = {schema}")  # type: ignore[arg-type]
        entry_row = rows_of([*log, line], len(log))[0]
        raw.execute("INSERT INTO entry VALUES (%s, %s, %s, %s, %s)", entry_row)
        raw.execute(f"INSERT INTO history VALUES ({signs})", row)  # type: ignore[arg-type]
    with Ledger.open(address("Mallory"), writable=True) as mallorys:
        assert mallorys.record(coming, by="Mallory")
        assert mallorys.record(coming, by="Mallory") == []
    works_on(address)


@pytest.mark.parametrize("day", ["2099-02-31", "2099-13-01", "0000-01-01"])
def test_a_day_that_does_not_exist_is_refused_from_who_says_that_a_clock_is_right(
    day: str, ledger: Ledger, address: Address
) -> None:
    log = lines_of(ledger)
    line = forged_line(
        len(log) + 1, {**party(), "recorded_by": "kira"}, moment=f"{day}T00:00:00.000000Z"
    )
    for word in ("clock_is_right = 'on'", "checked = 'log'", "checked = 'payloads'"):
        output = as_psql(
            address("kira"), f"SET claimledger.{word}", rows=rows_of([*log, line], len(log))
        )
        assert names("time", output), (word, output)
    works_on(address)


TAMPERED = [
    "UPDATE history SET until = NULL WHERE key = 'slip' AND action = 'record'",
    "UPDATE party SET until = NULL WHERE key = 'slip'",
]


def test_who_keeps_the_ledger_is_not_misled_by_views_that_an_editor_changed(
    ledger: Ledger, address: Address
) -> None:
    assert as_psql(address("Mallory"), *TAMPERED) == ""
    with Ledger.open(address("kira"), writable=True) as keeper:
        before = keeper.head()
        with pytest.raises(StoreError, match=r"`replaces`.*`rebuild` mends them"):
            keeper.amend("party", "slip", {"note": "n"}, by="kira", reason="r")
        assert keeper.head() == before
        keeper.rebuild()
        with pytest.raises(RuleViolationError, match="withdrawn"):
            keeper.amend("party", "slip", {"note": "n"}, by="kira", reason="r")
        assert keeper.verify().faults == ()


def test_a_log_that_is_received_goes_by_the_log_and_not_by_views(
    path: LedgerLocation, ledger: Ledger, address: Address, tmp_path: Path
) -> None:
    log = lines_of(ledger)
    replaced = last_entry_number(log, "record", "slip")
    forgery = payload_members(
        "amend", "party", "slip", record={"name": "N"}, reason="r", replaces=replaced
    )
    tamper(path, "DELETE FROM history WHERE key = 'slip' AND action = 'withdraw'")
    strand = write_segment_file(
        [*log, forged_line(len(log) + 1, forgery)], len(log), tmp_path / "new.jsonl"
    )
    with pytest.raises(StoreError, match=r"rule `replaces`"):
        append_segment(address("kira"), strand)
    assert ledger.head().size == len(log)


def test_the_server_s_clock_binds_who_keeps_the_ledger_too_without_a_word(
    ledger: Ledger, address: Address
) -> None:
    def later() -> datetime:
        return now() + timedelta(days=400)

    before = ledger.head()
    with Ledger.open(address("kira"), writable=True, clock=later) as keeper:
        for key in ("new", None):  # what is assumed about a new key, and what is asked first
            with pytest.raises(StoreError, match=r"ahead of this server's.*--clock-is-right"):
                record_all(keeper, [{"kind": "party", "key": key, "name": "New"}], by="kira")
    with (
        Ledger.open(address("rolf"), writable=True, clock=later, clock_is_right=True) as recorder,
        pytest.raises(StoreError, match="ahead of this server's"),
    ):
        record_all(recorder, [{"kind": "party", "name": "New"}], by="rolf")
    assert ledger.head() == before
    with Ledger.open(address("kira"), writable=True, clock=later, clock_is_right=True) as keeper:
        record_all(keeper, [{"kind": "party", "name": "New"}], by="kira")
        assert keeper.verify().faults == ()


def test_only_who_keeps_the_ledger_takes_in_a_log_unchecked(
    ledger: Ledger, address: Address
) -> None:
    log = lines_of(ledger)
    rows = rows_of(
        [*log, forged_line(len(log) + 1, payload_members("erase", "party", "body"))], len(log)
    )
    for what in ("payloads", "log"):
        output = as_psql(address("Mallory"), f"SET LOCAL claimledger.checked = '{what}'", rows=rows)
        assert names("action", output)


def test_settings_of_ones_own_bend_no_rule(ledger: Ledger, address: Address) -> None:
    log = lines_of(ledger)
    rows = rows_of(
        [*log, forged_line(len(log) + 1, payload_members("erase", "party", "body"))], len(log)
    )
    bent = [
        "SET standard_conforming_strings = off",
        "SET transform_null_equals = on",
        "SET search_path = pg_temp, " + str(address("Mallory")).rpartition("=")[2],
        "CREATE FUNCTION pg_temp.length(text) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "SELECT payload_fault(9, '{}')",  # what it is made of is kept from here on in this session
    ]
    assert names("action", as_psql(address("Mallory"), *bent, rows=rows))


def test_the_largest_payload_is_read_and_a_larger_one_is_not(
    ledger: Ledger, path: LedgerLocation
) -> None:
    place, _, schema = str(path).rpartition("&schema=")
    assert ledger.head().size == 0
    short = canonical(
        payload_members("record", "party", "big", record={"name": "Big", "note": ""})
    ).decode()
    for more, rule in ((0, None), (1, "canonical")):
        value = short.replace(
            '"note":""', f'"note":"{"x" * (LARGEST_PAYLOAD - len(short) + more)}"'
        )
        with psycopg.connect(place, autocommit=True) as raw:
            query = f"SELECT {schema}.payload_fault(1, %s)"
            assert raw.execute(query, (value,)).fetchone() == (rule,)


@pytest.mark.parametrize(
    "pair",
    [
        ("\ue000", "\U00010000"),
        ("\uffff", "\U0010ffff"),
        ("\ud7ff", "\U00010000"),
        ("\ue000", "\U0010ffff\U00010000"),
        ("\ue000\U00010000", "\ue000\uffff"),
        ("\ue001", "\ue000\U00010000"),
        ("a", "\u00e9"),
        ("a", "a"),
    ],
)
def test_names_are_sorted_as_the_format_sorts_them(
    pair: tuple[str, str], ledger: Ledger, path: LedgerLocation
) -> None:
    place, _, schema = str(path).rpartition("&schema=")
    assert ledger.head().size == 0
    output = canonical(dict.fromkeys(pair, 1)).decode()
    right = "{" + ",".join(reversed(output[1:-1].split(","))) + "}"
    with psycopg.connect(place, autocommit=True) as raw:
        query = f"SELECT {schema}.is_sorted(%s, 1), {schema}.is_sorted(%s, 1)"
        assert raw.execute(query, (output, right)).fetchone() == (True, output == right)


LAWFUL = {
    "64 deep, with a text within": party(more=json.loads("[" * 62 + '"a"' + "]" * 62)),
    "64 deep, with a number within": party(more=json.loads("[" * 62 + "1" + "]" * 62)),
    "a kind of a newer version, called like a part": payload_members(
        "record", "figure", "F1", record={}
    ),
}


@pytest.mark.parametrize("what", list(LAWFUL))
def test_what_is_lawful_is_taken(what: str, ledger: Ledger, path: LedgerLocation) -> None:
    place, _, schema = str(path).rpartition("&schema=")
    assert ledger.head().size == 0
    payload = canonical(LAWFUL[what]).decode()
    assert check_payload(1, payload)
    with psycopg.connect(place, autocommit=True) as raw:
        assert raw.execute(f"SELECT {schema}.payload_fault(1, %s)", (payload,)).fetchone() == (
            None,
        )
        deeper = canonical({**LAWFUL[what], "more": json.loads("[" * 64 + "]" * 64)}).decode()
        with pytest.raises(psycopg.errors.CheckViolation, match="nested"):
            raw.execute(f"SELECT {schema}.payload_fault(1, %s)", (deeper,))


def respelt(text: str, chance: random.Random) -> str:
    """Return a text that says nearly the same in other signs, or in signs that say nothing."""
    place = chance.randrange(len(text))
    match chance.randrange(5):
        case 0:
            return text[:place] + chance.choice(" \t\n\u00a0\ufeff") + text[place:]
        case 1:
            return text[:place] + f"\\u{ord(text[place]):04x}" + text[place + 1 :]
        case 2:
            return text[:place] + chance.choice(SIGNS) + text[place + 1 :]
        case 3:
            return text[:place] + text[place + 1 :]
        case _:
            pairs = re.findall(r'"[a-z_]+":"[^"]*"', text)
            part, right = chance.choice(pairs), chance.choice(pairs)
            return (
                text.replace(part, right, 1) if chance.random() < 0.5 else text.replace(right, part)
            )


SIGNS = '"\\{}[],:0123456789.eE+-tfn/\b\f\r\u007f\u2028\ud7ff\ue000\uffff\U00010000'


@pytest.mark.at_random
def test_server_and_program_agree_on_every_payload(path: LedgerLocation, ledger: Ledger) -> None:
    log = [line for line in golden() if line["payload"] is not None]
    chance = random.Random(seed_for("payloads"))
    place, _, schema = str(path).rpartition("&schema=")
    assert ledger.head().size == 0
    outcomes = set()
    with psycopg.connect(place, autocommit=True) as raw:
        for turn in range(2000 * TRIALS_FACTOR):
            line = chance.choice(log)
            text = line["payload"]
            if turn % 4 == 0:
                text = respelt(text, chance)
            else:
                payload = spoil(payload_of(line), chance)
                try:
                    text = canonical(payload).decode()
                except TypeError:
                    text = json.dumps(payload)
            ours = theirs = ""
            try:
                check_payload(line["number"], text)
            except InvalidEntryError as error:
                ours = error.rule
            try:
                query = f"SELECT {schema}.payload_fault(%s, %s)"
                theirs = raw.execute(query, (line["number"], text)).fetchone()[0] or ""  # type: ignore[index]
            except psycopg.Error:
                theirs = "canonical"
            assert bool(ours) == bool(theirs), (ours, theirs, text)
            outcomes.add(ours)
    assert len(outcomes) > 5
