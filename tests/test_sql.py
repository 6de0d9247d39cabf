"""No value of a user's is ever written into a statement: it is bound."""

from __future__ import annotations

import ast
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from backends import ONLY_FILES, ONLY_SERVERS, server
from builders import case, record_all
from claimledger.errors import ClaimledgerError
from claimledger.ledger import Ledger, LedgerLocation
from hostile_texts import add_hostile_records

SOURCE = Path(__file__).parent.parent / "src" / "claimledger"
SQL = re.compile(
    r"^\s*(WITH|SELECT|INSERT|UPDATE|DELETE|DROP|CREATE|ALTER|GRANT|REVOKE|COPY|VACUUM|PRAGMA|SET|BEGIN)\b[^a-z]*\b"
    r"|\b(FROM|INTO|WHERE|VALUES|ON) \W*[{a-z%$?]"
)
OUR_OWN = {
    # tables, columns and types as this program declares them, and its own constants
    "HEAD", "FOUND", "LAYOUT", "APPLICATION_ID", "columns_of(table)", "type_of(column)", "quoted(table.name)",
    "quoted(name)", "table.name", "column", "places", "where", "order",
    "number", "row", "rows", "into", "part", "place", "condition", "index", "kind", "name", "function", "body",
    "when", "how", "query", "collation", "needed", "key", "begin", "user",
    # a schema's name, which an address lets be of small letters and digits only; a server's snapshot
    "PENDING_SCRUB.name", "schema", "self.address.place", "address.place", "self._snapshot", "int(WAIT_SECONDS * 1000)", "int(size)", "int(LOCK_TIMEOUT_SECONDS * 1000)",
    "'off' if writable else 'on'",
    # roles: a user's name that the server itself said is one, quoted
    "quoted(self.name(role))", "quoted(self.name(other_role))", "quoted(user)", "quoted(table)", "quoted(function)",
    "quoted(column.name)", "quoted(name_of_text)", "quoted(place)", "quoted(constraint)", "SEARCH", "sort", "right.name", "option", "quoted(grantor)", "functions", "', '.join(batch)",
    "names", "int(seconds * 1000)", "', '.join(views)", "log", "of_column", "target", "role",
    "granted_by", "privilege",  # by the server's own name of it
    "', '.join(columns)", "', '.join(rows)", "', '.join(first)", "', '.join(map(quoted, indexed))",
    "', '.join(cells)", "', '.join(parts)",
    # what functions of ours take and do, and lists of places
    "parameters", "arrays", "returns", "placed(schema, body)", "quoted(self._schema)", "trigger.when", "placed(schema, trigger.how)", "placed(place, trigger.how)", "trigger.sort",
    "trigger.function", "quoted(trigger.table)", "table", "BEHIND.days", "AHEAD.days", "', '.join(parameters)",
    "patience", "Checked.PAYLOADS", "Checked.LOG", "fitting", "longest", "LARGEST_VALUE",
    "oversized(table)", "address.schema", "oversized(ENTRY)", "readable",
    "_into(table)", "_moved(table)", "_values(table, rows, number)",
}  # fmt: skip


def interpolated(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the statements that are put together, each with what is put in."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            text = "".join(
                part.value if isinstance(part, ast.Constant) else "{x}"
                for part in node.values  # type: ignore[misc]
            )
            if SQL.search(text):
                for part in node.values:
                    if isinstance(part, ast.FormattedValue):
                        yield text, ast.unparse(part.value)


def test_only_our_own_names_are_put_into_statements() -> None:
    seen = 0
    for path in sorted((SOURCE / "storage").rglob("*.py")):
        for text, put_in in interpolated(path):
            seen += 1
            answer = (
                put_in in OUR_OWN
                or "error" in put_in
                or re.fullmatch("_?[A-Z_]+", put_in)  # a constant of the program's
                or put_in.startswith(
                    (
                        "_of_each(",
                        "json.dumps(shapes(),",
                        "' '.join((f\"WHEN",
                        "path",
                        "self.path",
                        "self.address",
                    )
                )
            )
            assert answer, f"{path.name}: {put_in} in {text!r}"
    assert seen > 40  # it does look


def test_no_statement_is_written_outside_the_stores() -> None:
    for path in sorted(SOURCE.rglob("*.py")):
        if "storage" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                wrong = re.match(
                    r"\s*(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|DROP|PRAGMA) ", node.value
                )
                assert not wrong, f"{path}: {node.value!r}"
            if isinstance(node, ast.ImportFrom) and node.module == "sqlalchemy":
                names = {alias.name for alias in node.names}
                # `tables.py` writes the conditions of its own indexes with it.
                assert "text" not in names or path.name == "tables.py"


MARK = "quokka7193"


def everything(where: LedgerLocation, folder: Path) -> None:
    """Let a word stand in every text of a ledger, and ask for it in every way."""
    with Ledger.open(where, writable=True) as ledger:
        add_hostile_records(ledger, [f"{MARK} said so"])
        key = f"{MARK}-key"
        record_all(ledger, case([f"{key}: {MARK}-party obs"]), by=MARK)
        records = [{"kind": "party", "key": f"{MARK}-{n}", "name": MARK} for n in range(300)]
        record_all(ledger, records, by=MARK)
        ledger.amend(
            "claim", key, {"note": f"{MARK} noted", "language": "en"}, by=MARK, reason=MARK
        )
        for query in (MARK, f'"{MARK} said"', f"{MARK}*"):
            assert ledger.search(query)
        ledger.similar_claims(f"{MARK} said", 3)
        ledger.near_keys(f"{MARK}-kye")
        ledger.history(key)
        ledger.with_key(key)
        ledger.neighbourhood([key])
        ledger.keys_about([MARK, "topic"])
        ledger.references_to("party", [f"{MARK}-party"])
        with suppress(ClaimledgerError):
            ledger.grant("reader", MARK)
        ledger.move(folder / "moved.db")
        ledger.backup(folder / "kept.db")
        size = ledger.head().size
        strand = list(ledger.entries_since(size - 3))
        assert MARK in str(strand)
        ledger.withdraw("claim", key, by=MARK, reason=MARK, cascade=True)
        ledger.redact("claim", key, by=MARK, reason=MARK)
        ledger.rebuild()
        assert ledger.verify().clean


@ONLY_SERVERS  # the server itself writes down what it was asked
def test_no_value_reaches_a_server_inside_a_statement(
    path: LedgerLocation, ledger: Ledger, tmp_path: Path
) -> None:
    answers = {"log_statement": "'all'", "log_parameter_max_length": "0"}
    with psycopg.connect(server().get_uri(), autocommit=True) as keeper:
        for name, value in answers.items():
            keeper.execute(f"ALTER SYSTEM SET {name} = {value}")
        keeper.execute("SELECT pg_reload_conf()")
    start = server().log.stat().st_size
    try:
        everything(path, tmp_path)
    finally:
        with psycopg.connect(server().get_uri(), autocommit=True) as keeper:
            for name in answers:
                keeper.execute(f"ALTER SYSTEM RESET {name}")
            keeper.execute("SELECT pg_reload_conf()")
    with server().log.open("rb") as stream:
        stream.seek(start)
        statement = stream.read().decode()
    assert statement.count("statement: ") + statement.count("execute ") > 100  # it does look
    assert MARK not in statement


@ONLY_FILES  # where there is no server to ask, the driver is
def test_no_value_reaches_a_file_inside_a_statement(
    path: LedgerLocation, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries: list[str] = []

    class Listening(sqlite3.Connection):
        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            queries.append(statement)
            return super().execute(statement, *values)

        def executemany(self, statement: str, value: Iterable[Any], /) -> sqlite3.Cursor:
            queries.append(statement)
            return super().executemany(statement, value)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **k, factory=Listening))
    ledger.close()
    everything(path, tmp_path)
    assert len(queries) > 100  # it does listen
    assert not [statement for statement in queries if MARK in statement]
