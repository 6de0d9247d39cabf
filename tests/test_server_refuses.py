"""From psql, under every role, the server refuses what the program would: one attack a rule, and at random."""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from claimledger.ledger import Ledger, Where
from claimledger.ledger.canonical import canonical
from claimledger.ledger.log import LARGEST_PAYLOAD
from claimledger.ledger.tables import VIEWS
from claimledger.ledger.tree import Frontier
from claimledger.ledger.validate import InvalidEntryError, check_payload
from forged import Forgery, Line, entry, forged, lines_of, said
from small_cases import record
from stores import ONLY_SERVERS, server
from test_log_rules import EACH, fill, golden, names, party, spoil
from trials import TIMES, seed_of

pytestmark = ONLY_SERVERS  # a file has no server to refuse anything

Address = Callable[[str], str]
USERS = {"recorder": "rolf", "editor": "Mallory", "keeper": "kira"}
"""Forged entries say that Mallory wrote them."""


@pytest.fixture
def address(path: Where, ledger: Ledger) -> Iterator[Address]:
    """Return a user's own address of a ledger in which each has a role."""
    fill(ledger)
    with psycopg.connect(server().get_uri(), autocommit=True) as master:
        for role, user in USERS.items():
            master.execute(f'CREATE ROLE "{user}" LOGIN')
            ledger.grant(role, user)
        yield lambda user: str(path).replace("postgres:@", f"{user}@", 1)
        ledger.close()
        schema = str(path).rpartition("=")[2]
        master.execute(f"DROP SCHEMA {schema} CASCADE")
        query = "SELECT rolname FROM pg_roles WHERE rolname LIKE %s"
        made = [name for (name,) in master.execute(query, (f"%.{schema}.%",))]
        for name in (*USERS.values(), *made):
            master.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')


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


OTHERWISE = re.compile(
    r"rule `(header|number|salt|replaces|canonical)`|invalid input syntax for type json|unsupported Unicode|"
    r"date/time field value out of range|stack depth limit|null value in column|may record and not redact|"
    r"nobody writes as another"
)
"""What it is refused for where the server looks at something else first."""


@pytest.mark.parametrize("user", ["Mallory", "kira"])
@pytest.mark.parametrize(("rule", "forge"), EACH)
def test_no_role_writes_an_unlawful_entry(
    rule: str, forge: Forgery, user: str, ledger: Ledger, address: Address
) -> None:
    before, log = ledger.head(), lines_of(ledger)
    told = as_psql(address(user), rows=rows_of(forge(log), len(log)))
    assert names(rule, told) or OTHERWISE.search(told), told
    assert ledger.head() == before
    assert ledger.verify().faults == ()


def works_on(address: Address) -> None:
    """See that nobody is kept from work by what somebody did."""
    with Ledger.open(address("kira"), writable=True) as keeper:
        keeper.rebuild()
        assert keeper.verify().faults == ()
    with Ledger.open(address("rolf"), writable=True) as recorder:
        record(recorder, [{"kind": "party", "name": "Goes on"}], by="rolf")


def ahead(minutes: int) -> str:
    """Return a time so far ahead of the server's clock, as a log writes it."""
    query = "SELECT to_char((now() + make_interval(mins => %s)) AT TIME ZONE 'UTC', %s)"
    with psycopg.connect(server().get_uri()) as raw:
        ((moment,),) = raw.execute(query, (minutes, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')).fetchall()
    return str(moment)


def test_a_time_ahead_of_the_server_s_clock_is_refused(ledger: Ledger, address: Address) -> None:
    log = lines_of(ledger)
    for minutes, refused in ((60, True), (2, False)):
        line = forged(len(log) + 1, party(), moment=ahead(minutes))
        told = as_psql(address("kira"), rows=rows_of([*log, line], len(log)))
        assert bool(told) == refused, told
        assert ("ahead of this server's" in told) == refused


def test_a_redaction_that_is_lawful_empties_at_once(ledger: Ledger, address: Address) -> None:
    slip = [event.entry for event in ledger.history("slip")]
    log = lines_of(ledger)
    payload = entry("redact", "party", "slip", entries=slip, reason="r", replaced_by="body")
    line = forged(len(log) + 1, payload)
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
    "a claim that it takes in a log": "SET claimledger.checked = 'on'",
}


@pytest.mark.parametrize("user", ["rolf", "Mallory"])
@pytest.mark.parametrize("what", list(STANDING_IN_THE_WAY))
def test_nobody_stands_in_the_way_of_others(
    what: str, user: str, ledger: Ledger, address: Address
) -> None:
    as_psql(address(user), STANDING_IN_THE_WAY[what])
    assert ledger.verify().faults == ()
    with Ledger.open(address("rolf"), writable=True) as recorder:
        record(recorder, [{"kind": "party", "name": "Goes on"}], by="rolf")
    works_on(address)


def test_only_who_keeps_the_ledger_takes_in_a_log_unchecked(
    ledger: Ledger, address: Address
) -> None:
    log = lines_of(ledger)
    rows = rows_of([*log, forged(len(log) + 1, entry("erase", "party", "body"))], len(log))
    told = as_psql(address("Mallory"), "SET LOCAL claimledger.checked = 'on'", rows=rows)
    assert names("action", told)


def test_settings_of_ones_own_bend_no_rule(ledger: Ledger, address: Address) -> None:
    log = lines_of(ledger)
    rows = rows_of([*log, forged(len(log) + 1, entry("erase", "party", "body"))], len(log))
    bent = [
        "SET standard_conforming_strings = off",
        "SET transform_null_equals = on",
        "SET search_path = pg_temp, " + str(address("Mallory")).rpartition("=")[2],
        "CREATE FUNCTION pg_temp.length(text) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "SELECT payload_fault(9, '{}')",  # what it is made of is kept from here on in this session
    ]
    assert names("action", as_psql(address("Mallory"), *bent, rows=rows))


def test_the_largest_payload_is_read_and_a_larger_one_is_not(ledger: Ledger, path: Where) -> None:
    place, _, schema = str(path).rpartition("&schema=")
    assert ledger.head().size == 0
    short = canonical(entry("record", "party", "big", record={"name": "Big", "note": ""})).decode()
    for more, rule in ((0, None), (1, "canonical")):
        held = short.replace('"note":""', f'"note":"{"x" * (LARGEST_PAYLOAD - len(short) + more)}"')
        with psycopg.connect(place, autocommit=True) as raw:
            query = f"SELECT {schema}.payload_fault(1, %s)"
            assert raw.execute(query, (held,)).fetchone() == (rule,)


@pytest.mark.parametrize(
    "pair", ["\ue000\U00010000", "\uffff\U0010ffff", "\ud7ff\U00010000", "a\u00e9", "aa"]
)
def test_names_are_sorted_as_the_format_sorts_them(pair: str, ledger: Ledger, path: Where) -> None:
    place, _, schema = str(path).rpartition("&schema=")
    assert ledger.head().size == 0
    told = canonical(dict.fromkeys(pair, 1)).decode()
    other = "{" + ",".join(reversed(told[1:-1].split(","))) + "}"
    with psycopg.connect(place, autocommit=True) as raw:
        query = f"SELECT {schema}.is_sorted(%s, 1), {schema}.is_sorted(%s, 1)"
        assert raw.execute(query, (told, other)).fetchone() == (True, told == other)


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
            one, other = chance.choice(pairs), chance.choice(pairs)
            return (
                text.replace(one, other, 1) if chance.random() < 0.5 else text.replace(other, one)
            )


SIGNS = '"\\{}[],:0123456789.eE+-tfn/\b\f\r\u007f\u2028\ud7ff\ue000\uffff\U00010000'


@pytest.mark.at_random
def test_server_and_program_agree_on_every_payload(path: Where, ledger: Ledger) -> None:
    log = [line for line in golden() if line["payload"] is not None]
    chance = random.Random(seed_of("payloads"))
    place, _, schema = str(path).rpartition("&schema=")
    assert ledger.head().size == 0
    outcomes = set()
    with psycopg.connect(place, autocommit=True) as raw:
        for turn in range(2000 * TIMES):
            line = chance.choice(log)
            text = line["payload"]
            if turn % 4 == 0:
                text = respelt(text, chance)
            else:
                payload = spoil(said(line), chance)
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
