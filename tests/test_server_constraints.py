"""The server refuses from psql, under every role, what the program refuses: each rule is attacked, and random payloads."""

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
from test_log_rules import (
    ALL_FORGERIES,
    golden_log,
    mutate,
    names_rule,
    party_payload,
    record_every_action,
)

pytestmark = ONLY_SERVERS  # a file has no server to refuse anything

RECORDS_OF_EVERY_KIND = [
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

UrlFor = Callable[[str], str]
USERS = {"recorder": "rolf", "editor": "Mallory", "keeper": "kira"}
"""The user of each role; forged entries are signed by Mallory."""


def record_every_kind(ledger: Ledger) -> None:
    """Record entries of every kind, so that every table has a row."""
    record_every_action(ledger)
    record_all(ledger, RECORDS_OF_EVERY_KIND)


EVERY_KIND = LedgerTemplate.filled(record_every_kind)


@contextmanager
def with_roles(path: LedgerLocation) -> Iterator[UrlFor]:
    """Grant each user a role in a ledger; yield a function from a user to that user's URL of the ledger."""
    with psycopg.connect(database_url(path), autocommit=True) as admin:
        with Ledger.open(path, writable=True) as ledger:
            for role, user in USERS.items():
                if admin.execute("SELECT to_regrole(%s)", (f'"{user}"',)).fetchone() == (None,):
                    admin.execute(f'CREATE ROLE "{user}" LOGIN')
                ledger.grant(role, user)
        yield lambda user: str(path).replace("postgres:@", f"{user}@", 1)
        admin.execute(f"DROP SCHEMA {str(path).rpartition('=')[2]} CASCADE")  # type: ignore[arg-type]
        for role in USERS:
            name = server_role(path, role)
            admin.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')  # type: ignore[arg-type]


@pytest.fixture
def path(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> LedgerLocation:
    """Return the location of a ledger: an empty one, or one with every kind of record for tests with roles."""
    template = EVERY_KIND if "url_for" in request.fixturenames else EMPTY
    return template.copy(tmp_path)


@pytest.fixture
def ledger(path: LedgerLocation) -> Iterator[Ledger]:
    with Ledger.open(path, writable=True) as ledger:
        yield ledger


@pytest.fixture
def url_for(path: LedgerLocation, ledger: Ledger) -> Iterator[UrlFor]:
    """Yield a function from a user to that user's URL of the ledger."""
    with with_roles(path) as url_for:
        yield url_for
        ledger.close()


@pytest.fixture(scope="module")
def shared_ledger() -> Iterator[tuple[LedgerLocation, UrlFor]]:
    """Yield one ledger for all refused attacks; afterwards check that none of them changed it."""
    path = EVERY_KIND.copy_on_server()
    before = stored_content(path)
    with with_roles(path) as url_for:
        yield path, url_for
        assert stored_content(path) == before
        with Ledger.open(path) as ledger:
            assert ledger.verify().faults == ()
        require_working_ledger(url_for)


def rows_of(log: list[Line], since: int) -> list[tuple[Any, ...]]:
    """Return the lines of a log after ``since`` as rows of its table, with their tree nodes."""
    frontier = Frontier()
    rows = []
    for line in log:
        nodes = frontier.append(line["header"].encode())
        salt = None if line["salt"] is None else base64.b64decode(line["salt"])
        rows.append((line["number"], line["header"], line["payload"], salt, nodes))
    return rows[since:]


def run_in_psql(url: str, *statements: str, rows: list[tuple[Any, ...]] | None = None) -> str:
    """Run statements and insert rows into the log without the program; return the error, or an empty text."""
    database, _, schema = url.rpartition("&schema=")
    with psycopg.connect(database, autocommit=True) as raw:
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


INVALID_JSON = (
    "invalid input syntax for type json|unsupported Unicode escape|stack depth limit exceeded"
)
EARLIER_CHECKS = {
    "format": "rule `header`",
    "time": "rule `header`",
    "digest": "rule `header`",
    "canonical": f"{INVALID_JSON}|rule `salt`",
    "redacts-own": "rule `salt`",
    "emptied": "rule `salt`",
}
"""By rule, the messages of checks that the server may apply before the check of that rule."""

EDITOR_CHECKS = {
    "canonical": "nobody writes as another",
    "members": "nobody writes as another|may record and not redact",
    "redacts-own": "may record and not redact",
}
"""By rule, the messages of checks that apply only to users who are not keepers."""


@pytest.mark.parametrize("user", ["Mallory", "kira"])
@pytest.mark.parametrize(("rule", "forge"), ALL_FORGERIES)
def test_no_role_can_write_an_invalid_entry(
    rule: str, forge: Forgery, user: str, store: str, shared_ledger: tuple[LedgerLocation, UrlFor]
) -> None:
    path, url_for = shared_ledger
    with Ledger.open(path) as ledger:
        log = lines_of(ledger)
    output = run_in_psql(url_for(user), rows=rows_of(forge(log), len(log)))
    reasons = [
        EARLIER_CHECKS.get(rule, ""),
        EDITOR_CHECKS.get(rule, "") if user == "Mallory" else "",
    ]
    expected = "|".join([re.escape(f"(rule `{rule}`)"), *filter(None, reasons)])
    assert re.search(expected, output), output
    with Ledger.open(path) as ledger:
        assert lines_of(ledger) == log


def require_working_ledger(url_for: UrlFor) -> None:
    """Check that a keeper can still rebuild and verify the ledger, and a recorder can still write to it."""
    with Ledger.open(url_for("kira"), writable=True) as keeper:
        keeper.rebuild()
        assert keeper.verify().faults == ()
    with Ledger.open(url_for("rolf"), writable=True) as recorder:
        record_all(recorder, [{"kind": "party", "name": "Next"}], by="rolf")


def minutes_ahead(minutes: int) -> str:
    """Return a moment ahead of the server's clock, in the format of the log."""
    query = "SELECT to_char((now() + make_interval(mins => %s)) AT TIME ZONE 'UTC', %s)"
    with psycopg.connect(server().get_uri()) as raw:
        ((moment,),) = raw.execute(query, (minutes, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')).fetchall()
    return str(moment)


def test_an_entry_dated_ahead_of_the_server_clock_is_refused(
    ledger: Ledger, url_for: UrlFor
) -> None:
    log = lines_of(ledger)
    for minutes, refused in ((60, True), (2, False)):
        line = forged_line(len(log) + 1, party_payload(), moment=minutes_ahead(minutes))
        output = run_in_psql(url_for("kira"), rows=rows_of([*log, line], len(log)))
        assert bool(output) == refused, output
        assert ("ahead of this server's" in output) == refused


def test_a_valid_redaction_empties_its_entries_at_once(ledger: Ledger, url_for: UrlFor) -> None:
    slip = [change.entry for change in ledger.history("slip")]
    log = lines_of(ledger)
    payload = payload_members(
        "redact", "party", "slip", entries=slip, reason="r", replaced_by="body"
    )
    line = forged_line(len(log) + 1, payload)
    assert "may record and not redact" in run_in_psql(
        url_for("Mallory"), rows=rows_of([*log, line], len(log))
    )
    assert run_in_psql(url_for("kira"), rows=rows_of([*log, line], len(log))) == ""
    assert [entry.payload for entry in ledger.entries() if entry.number in slip] == [None, None]
    require_working_ledger(url_for)


OBSTRUCTIONS = {
    **{
        f"rows of {name} for future entries": f"INSERT INTO {name} SELECT * FROM (SELECT "
        f"(jsonb_populate_record(t, jsonb_build_object('entry', 9999))).* FROM {name} AS t LIMIT 1) AS r"
        for name in VIEWS
    },
    "a row of history for the next entry": "INSERT INTO history SELECT entry + 1, kind, key, action, ended_by, recorded_at, "
    "recorded_by, reason, replaced_by, number, content FROM history ORDER BY entry DESC LIMIT 1",
    "a mark of an unscrubbed redaction": "INSERT INTO pending_scrub VALUES (1)",
    "a new table": "CREATE TABLE history2 (x text)",
    "a new function": "CREATE FUNCTION standing(x integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "a new operator": "CREATE OPERATOR = (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)",
    "a temporary table with the same name": "CREATE TEMPORARY TABLE entry (number bigint, header text, payload text, "
    "salt bytea, nodes bytea)",
    "a setting of the database": "ALTER DATABASE postgres SET search_path = pg_catalog",
    "a setting that marks entries as checked": "SET claimledger.checked = 'log'",
}


HARMLESS = ["a temporary table with the same name", "a setting that marks entries as checked"]
"""The obstructions that affect only the session that creates them."""


@pytest.mark.parametrize("user", ["rolf", "Mallory"])
@pytest.mark.parametrize("name", [name for name in OBSTRUCTIONS if name not in HARMLESS])
def test_a_statement_that_would_obstruct_the_writes_of_others_is_refused(
    name: str, user: str, store: str, shared_ledger: tuple[LedgerLocation, UrlFor]
) -> None:
    _, url_for = shared_ledger
    output = run_in_psql(url_for(user), OBSTRUCTIONS[name])
    assert re.search("permission denied|must be owner|does not fit the log", output), output


@pytest.mark.parametrize("user", ["rolf", "Mallory"])
@pytest.mark.parametrize("name", HARMLESS)
def test_a_setting_or_table_of_one_session_does_not_obstruct_the_writes_of_others(
    name: str, user: str, ledger: Ledger, url_for: UrlFor
) -> None:
    assert run_in_psql(url_for(user), OBSTRUCTIONS[name]) == ""
    assert ledger.verify().faults == ()
    require_working_ledger(url_for)


def test_an_entry_without_its_row_of_history_is_refused(ledger: Ledger, url_for: UrlFor) -> None:
    log = lines_of(ledger)
    for user in ("rolf", "Mallory"):
        # Without that row the program would use the key again, and every such write would fail.
        line = forged_line(len(log) + 1, {**party_payload("P1"), "recorded_by": user})
        output = run_in_psql(url_for(user), rows=rows_of([*log, line], len(log)))
        assert "its row of history does not come with it" in output
    require_working_ledger(url_for)


def test_an_entry_of_a_newer_version_with_its_row_of_history_is_accepted(
    ledger: Ledger, url_for: UrlFor
) -> None:
    log = lines_of(ledger)
    unknown_kind = payload_members("record", "novel", "N1", record={"title": "T"}) | {
        "recorded_by": "rolf"
    }
    line = forged_line(len(log) + 1, unknown_kind)
    ((*row,),) = history_rows(line)
    database, _, schema = url_for("rolf").rpartition("&schema=")
    with psycopg.connect(database) as raw:
        raw.execute(f"SET search_path = {schema}")
        placeholders = ", ".join("%s" for _ in row)
        raw.execute(
            "INSERT INTO entry VALUES (%s, %s, %s, %s, %s)", rows_of([*log, line], len(log))[0]
        )
        raw.execute(f"INSERT INTO history VALUES ({placeholders})", row)  # type: ignore[arg-type]
    assert ledger.verify().faults == ()
    require_working_ledger(url_for)


def becomes_blocked(url: str) -> bool:
    """Return whether a session on the server waits for a lock within four seconds."""
    query = "SELECT FROM pg_locks WHERE NOT granted"
    with psycopg.connect(url.partition("&schema=")[0], autocommit=True) as observer:
        for _ in range(400):
            if observer.execute(query).fetchone() is not None:
                return True
            observer.execute("SELECT pg_sleep(0.01)")
    return False


@pytest.mark.parametrize("user", ["Mallory", "kira"])
def test_a_writer_waits_for_the_number_that_an_open_psql_transaction_uses(
    user: str, path: LedgerLocation, ledger: Ledger, url_for: UrlFor
) -> None:
    log = lines_of(ledger)
    line = forged_line(len(log) + 1, {**party_payload(), "recorded_by": "rolf"})
    ((*row,),) = history_rows(line)
    database, _, schema = url_for("rolf").rpartition("&schema=")
    placeholders = ", ".join("%s" for _ in row)
    recorded: list[int] = []

    def work() -> None:
        with Ledger.open(url_for(user), writable=True) as ledger:
            record_all(ledger, [{"kind": "party", "name": "Next"}], by=user)
            recorded.append(ledger.head().size)

    writer = threading.Thread(target=work)
    with psycopg.connect(database) as raw:
        raw.execute(f"SET search_path = {schema}")
        rows = rows_of([*log, line], len(log))
        raw.execute("INSERT INTO entry VALUES (%s, %s, %s, %s, %s)", rows[0])
        writer.start()
        assert becomes_blocked(str(path))
        raw.execute(f"INSERT INTO history VALUES ({placeholders})", row)  # type: ignore[arg-type]
    writer.join()
    assert recorded == [len(log) + 2]
    require_working_ledger(url_for)


@pytest.mark.parametrize("in_history", [False, True])
@pytest.mark.parametrize("settings", ["checked = ''", "checked = 'payloads'"])
def test_a_redaction_from_psql_can_be_finished_by_the_program(
    settings: str, in_history: bool, ledger: Ledger, url_for: UrlFor
) -> None:
    """The redaction in psql empties the log but leaves the texts in the views."""
    slip = [change.entry for change in ledger.history("slip")]
    log = lines_of(ledger)
    payload = payload_members(
        "redact", "party", "slip", entries=slip, reason="r", replaced_by="body"
    )
    line = forged_line(len(log) + 1, payload | {"recorded_by": "kira"})
    (row,) = rows_of([*log, line], len(log))
    database, _, schema = url_for("kira").rpartition("&schema=")
    with psycopg.connect(database) as raw:
        for statement in (f"SET search_path = {schema}", f"SET claimledger.{settings}"):
            raw.execute(statement)  # type: ignore[arg-type]
        raw.execute("INSERT INTO entry VALUES (%s, %s, %s, %s, %s)", row)
        for history_row in history_rows(line) if in_history else []:
            placeholders = ", ".join("%s" for _ in history_row)
            raw.execute(f"INSERT INTO history VALUES ({placeholders})", history_row)  # type: ignore[arg-type]
        raw.execute("UPDATE entry SET payload = NULL, salt = NULL WHERE number = ANY (%s)", (slip,))
    with Ledger.open(url_for("kira"), writable=True) as keeper:
        result = keeper.verify()
        assert [redaction.entry for redaction in result.redactions if not redaction.scrubbed] == [
            len(log) + 1
        ]
        assert [fault for fault in result.faults if "rule" in fault.what] == []
        keeper.redact("party", "slip", by="kira", reason="finish")
        result = keeper.verify()
        assert result.faults == ()
        assert all(redaction.scrubbed for redaction in result.redactions)
    with psycopg.connect(database) as raw:
        for table in ("party", "search_words"):
            query = f"SELECT 1 FROM {schema}.{table} WHERE entry = ANY (%s)"
            assert raw.execute(query, (slip,)).fetchall() == []  # type: ignore[arg-type]


def test_a_forged_digest_in_history_does_not_block_a_record(
    ledger: Ledger, url_for: UrlFor
) -> None:
    """A recorder writes the digest of a future record into the row of history of another entry."""
    record = record_from({"kind": "party", "name": "Not yet recorded"})
    log = lines_of(ledger)
    line = forged_line(len(log) + 1, {**party_payload("own"), "recorded_by": "rolf"})
    ((*row,),) = history_rows(line)
    row[list(HISTORY.columns.keys()).index("content")] = content_digest("party", record.as_json())
    database, _, schema = url_for("rolf").rpartition("&schema=")
    placeholders = ", ".join("%s" for _ in row)
    with psycopg.connect(database) as raw:
        raw.execute(f"SET search_path = {schema}")  # type: ignore[arg-type]
        entry_row = rows_of([*log, line], len(log))[0]
        raw.execute("INSERT INTO entry VALUES (%s, %s, %s, %s, %s)", entry_row)
        raw.execute(f"INSERT INTO history VALUES ({placeholders})", row)  # type: ignore[arg-type]
    with Ledger.open(url_for("Mallory"), writable=True) as editor:
        assert editor.record(record, by="Mallory")
        assert editor.record(record, by="Mallory") == []
    require_working_ledger(url_for)


@pytest.mark.parametrize("day", ["2099-02-31", "2099-13-01", "0000-01-01"])
def test_an_impossible_date_is_refused_even_if_settings_disable_other_checks(
    day: str, ledger: Ledger, url_for: UrlFor
) -> None:
    log = lines_of(ledger)
    line = forged_line(
        len(log) + 1, {**party_payload(), "recorded_by": "kira"}, moment=f"{day}T00:00:00.000000Z"
    )
    for setting in ("clock_is_right = 'on'", "checked = 'log'", "checked = 'payloads'"):
        output = run_in_psql(
            url_for("kira"), f"SET claimledger.{setting}", rows=rows_of([*log, line], len(log))
        )
        assert names_rule("time", output), (setting, output)
    require_working_ledger(url_for)


TAMPERING = [
    "UPDATE history SET ended_by = NULL WHERE key = 'slip' AND action = 'record'",
    "UPDATE party SET ended_by = NULL WHERE key = 'slip'",
]


def test_a_keeper_is_not_misled_by_views_that_an_editor_changed(
    ledger: Ledger, url_for: UrlFor
) -> None:
    assert run_in_psql(url_for("Mallory"), *TAMPERING) == ""
    with Ledger.open(url_for("kira"), writable=True) as keeper:
        before = keeper.head()
        with pytest.raises(StoreError, match=r"`replaces`.*`rebuild` repairs them"):
            keeper.amend("party", "slip", {"note": "n"}, by="kira", reason="r")
        assert keeper.head() == before
        keeper.rebuild()
        with pytest.raises(RuleViolationError, match="withdrawn"):
            keeper.amend("party", "slip", {"note": "n"}, by="kira", reason="r")
        assert keeper.verify().faults == ()


def test_a_restored_segment_is_checked_against_the_log_and_not_the_views(
    path: LedgerLocation, ledger: Ledger, url_for: UrlFor, tmp_path: Path
) -> None:
    log = lines_of(ledger)
    first_entry = last_entry_number(log, "record", "slip")
    forgery = payload_members(
        "amend", "party", "slip", record={"name": "N"}, reason="r", replaces=first_entry
    )
    tamper(path, "DELETE FROM history WHERE key = 'slip' AND action = 'withdraw'")
    segment = write_segment_file(
        [*log, forged_line(len(log) + 1, forgery)], len(log), tmp_path / "new.jsonl"
    )
    with pytest.raises(StoreError, match=r"rule `replaces`"):
        append_segment(url_for("kira"), segment)
    assert ledger.head().size == len(log)


def test_a_keeper_too_must_confirm_a_clock_ahead_of_the_server(
    ledger: Ledger, url_for: UrlFor
) -> None:
    def later() -> datetime:
        return now() + timedelta(days=400)

    before = ledger.head()
    with Ledger.open(url_for("kira"), writable=True, clock=later) as keeper:
        for key in ("new", None):
            with pytest.raises(StoreError, match=r"ahead of this server's.*--clock-is-right"):
                record_all(keeper, [{"kind": "party", "key": key, "name": "New"}], by="kira")
    with (
        Ledger.open(url_for("rolf"), writable=True, clock=later, clock_is_right=True) as recorder,
        pytest.raises(StoreError, match="ahead of this server's"),
    ):
        record_all(recorder, [{"kind": "party", "name": "New"}], by="rolf")
    assert ledger.head() == before
    with Ledger.open(url_for("kira"), writable=True, clock=later, clock_is_right=True) as keeper:
        record_all(keeper, [{"kind": "party", "name": "New"}], by="kira")
        assert keeper.verify().faults == ()


def test_only_a_keeper_can_mark_entries_as_checked(ledger: Ledger, url_for: UrlFor) -> None:
    log = lines_of(ledger)
    rows = rows_of(
        [*log, forged_line(len(log) + 1, payload_members("erase", "party", "body"))], len(log)
    )
    for value in ("payloads", "log"):
        output = run_in_psql(
            url_for("Mallory"), f"SET LOCAL claimledger.checked = '{value}'", rows=rows
        )
        assert names_rule("action", output)


def test_settings_of_a_session_circumvent_no_rule(ledger: Ledger, url_for: UrlFor) -> None:
    log = lines_of(ledger)
    rows = rows_of(
        [*log, forged_line(len(log) + 1, payload_members("erase", "party", "body"))], len(log)
    )
    preparations = [
        "SET standard_conforming_strings = off",
        "SET transform_null_equals = on",
        "SET search_path = pg_temp, " + str(url_for("Mallory")).rpartition("=")[2],
        "CREATE FUNCTION pg_temp.length(text) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "SELECT payload_fault(9, '{}')",  # the session caches its plan from here on
    ]
    assert names_rule("action", run_in_psql(url_for("Mallory"), *preparations, rows=rows))


def test_the_largest_payload_is_accepted_and_a_larger_one_is_not(
    ledger: Ledger, path: LedgerLocation
) -> None:
    database, _, schema = str(path).rpartition("&schema=")
    assert ledger.head().size == 0
    shortest = canonical(
        payload_members("record", "party", "big", record={"name": "Big", "note": ""})
    ).decode()
    for excess, rule in ((0, None), (1, "canonical")):
        value = shortest.replace(
            '"note":""', f'"note":"{"x" * (LARGEST_PAYLOAD - len(shortest) + excess)}"'
        )
        with psycopg.connect(database, autocommit=True) as raw:
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
def test_the_server_sorts_member_names_as_the_format_requires(
    pair: tuple[str, str], ledger: Ledger, path: LedgerLocation
) -> None:
    database, _, schema = str(path).rpartition("&schema=")
    assert ledger.head().size == 0
    sorted_text = canonical(dict.fromkeys(pair, 1)).decode()
    reverse = "{" + ",".join(reversed(sorted_text[1:-1].split(","))) + "}"
    with psycopg.connect(database, autocommit=True) as raw:
        query = f"SELECT {schema}.is_sorted(%s, 1), {schema}.is_sorted(%s, 1)"
        assert raw.execute(query, (sorted_text, reverse)).fetchone() == (
            True,
            sorted_text == reverse,
        )


VALID_PAYLOADS = {
    "64 levels deep, with a text inside": party_payload(
        more=json.loads("[" * 62 + '"a"' + "]" * 62)
    ),
    "64 levels deep, with a number inside": party_payload(
        more=json.loads("[" * 62 + "1" + "]" * 62)
    ),
    "a kind of a newer version, named like a part": payload_members(
        "record", "figure", "F1", record={}
    ),
}


@pytest.mark.parametrize("name", list(VALID_PAYLOADS))
def test_an_unusual_valid_payload_is_accepted(
    name: str, ledger: Ledger, path: LedgerLocation
) -> None:
    database, _, schema = str(path).rpartition("&schema=")
    assert ledger.head().size == 0
    payload = canonical(VALID_PAYLOADS[name]).decode()
    assert check_payload(1, payload)
    with psycopg.connect(database, autocommit=True) as raw:
        assert raw.execute(f"SELECT {schema}.payload_fault(1, %s)", (payload,)).fetchone() == (
            None,
        )
        deeper = canonical(
            {**VALID_PAYLOADS[name], "more": json.loads("[" * 64 + "]" * 64)}
        ).decode()
        with pytest.raises(psycopg.errors.CheckViolation, match="nested"):
            raw.execute(f"SELECT {schema}.payload_fault(1, %s)", (deeper,))


def respell(text: str, rng: random.Random) -> str:
    """Return a JSON text with a random change of its characters, which may leave its meaning the same."""
    position = rng.randrange(len(text))
    match rng.randrange(5):
        case 0:
            return text[:position] + rng.choice(" \t\n\u00a0\ufeff") + text[position:]
        case 1:
            return text[:position] + f"\\u{ord(text[position]):04x}" + text[position + 1 :]
        case 2:
            return text[:position] + rng.choice(CHARACTERS) + text[position + 1 :]
        case 3:
            return text[:position] + text[position + 1 :]
        case _:
            pairs = re.findall(r'"[a-z_]+":"[^"]*"', text)
            left, right = rng.choice(pairs), rng.choice(pairs)
            return text.replace(left, right, 1) if rng.random() < 0.5 else text.replace(right, left)


CHARACTERS = '"\\{}[],:0123456789.eE+-tfn/\b\f\r\u007f\u2028\ud7ff\ue000\uffff\U00010000'


@pytest.mark.at_random
def test_server_and_program_agree_on_every_payload(path: LedgerLocation, ledger: Ledger) -> None:
    log = [line for line in golden_log() if line["payload"] is not None]
    rng = random.Random(seed_for("payloads"))
    database, _, schema = str(path).rpartition("&schema=")
    assert ledger.head().size == 0
    outcomes = set()
    with psycopg.connect(database, autocommit=True) as raw:
        for trial in range(2000 * TRIALS_FACTOR):
            line = rng.choice(log)
            text = line["payload"]
            if trial % 4 == 0:
                text = respell(text, rng)
            else:
                payload = mutate(payload_of(line), rng)
                try:
                    text = canonical(payload).decode()
                except TypeError:
                    text = json.dumps(payload)
            program_rule = server_rule = ""
            try:
                check_payload(line["number"], text)
            except InvalidEntryError as error:
                program_rule = error.rule
            try:
                query = f"SELECT {schema}.payload_fault(%s, %s)"
                server_rule = raw.execute(query, (line["number"], text)).fetchone()[0] or ""  # type: ignore[index]
            except psycopg.Error:
                server_rule = "canonical"
            assert bool(program_rule) == bool(server_rule), (program_rule, server_rule, text)
            outcomes.add(program_rule)
    assert len(outcomes) > 5
