"""SQL statements contain no values of users: every value is bound as a parameter."""

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
SAFE_EXPRESSIONS = {
    # tables, columns and types that the program declares, and its constants
    "HEAD", "SEARCH_VECTOR", "LAYOUT", "APPLICATION_ID", "columns_of(table)", "type_of(column)", "quoted(table.name)",
    "quoted(name)", "table.name", "column", "places", "where", "order",
    "number", "row", "rows", "into", "part", "place", "condition", "index", "kind", "name", "function", "body",
    "when", "how", "query", "collation", "needed", "key", "begin", "user",
    # the name of a schema, which a URL restricts to lower-case letters and digits; the snapshot of a server
    "PENDING_SCRUB.name", "schema", "self.address.place", "address.place", "self._snapshot", "int(WAIT_SECONDS * 1000)", "int(size)", "int(LOCK_TIMEOUT_SECONDS * 1000)",
    "'off' if writable else 'on'",
    # roles and users: names that the server returned, quoted
    "quoted(self.name(role))", "quoted(self.name(other_role))", "quoted(user)", "quoted(table)", "quoted(function)",
    "quoted(column.name)", "quoted(name_of_text)", "quoted(place)", "quoted(constraint)", "SEARCH", "sort", "right.name", "option", "quoted(grantor)", "functions", "', '.join(batch)",
    "names", "int(seconds * 1000)", "', '.join(views)", "log", "of_column", "target", "role",
    "granted_by", "privilege",  # names that the server returned
    "', '.join(columns)", "', '.join(rows)", "', '.join(first)", "', '.join(map(quoted, indexed))",
    "', '.join(cells)", "', '.join(parts)",
    # parameters and bodies of the functions of the program, and lists of placeholders
    "parameters", "arrays", "returns", "in_schema(schema, body)", "quoted(self._schema)", "trigger.when", "in_schema(schema, trigger.how)", "in_schema(place, trigger.how)", "trigger.sort",
    "trigger.function", "quoted(trigger.table)", "table", "', '.join(parameters)",
    "patience", "Checked.PAYLOADS", "Checked.LOG", "fitting", "longest", "LARGEST_VALUE",
    "oversized(table)", "address.schema", "oversized(ENTRY)", "readable",
    "_into(table)", "_values(table, rows, number)",
}  # fmt: skip


def interpolated(path: Path) -> Iterator[tuple[str, str]]:
    """Yield every f-string that looks like SQL, once for each expression in it, with that expression."""
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


def test_only_names_that_the_program_controls_are_interpolated() -> None:
    count = 0
    for path in sorted((SOURCE / "storage").rglob("*.py")):
        for text, expression in interpolated(path):
            count += 1
            is_safe = (
                expression in SAFE_EXPRESSIONS
                or "error" in expression
                or re.fullmatch("_?[A-Z_]+", expression)  # a constant
                or expression.startswith(
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
            assert is_safe, f"{path.name}: {expression} in {text!r}"
    assert count > 40  # the search does find statements


def test_no_module_outside_storage_contains_sql() -> None:
    for path in sorted(SOURCE.rglob("*.py")):
        if "storage" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                statement = re.match(
                    r"\s*(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|DROP|PRAGMA) ", node.value
                )
                assert not statement, f"{path}: {node.value!r}"
            if isinstance(node, ast.ImportFrom) and node.module == "sqlalchemy":
                names = {alias.name for alias in node.names}
                # `tables.py` needs it for the conditions of indexes.
                assert "text" not in names or path.name == "tables.py"


MARKER = "quokka7193"


def use_marker_everywhere(where: LedgerLocation, folder: Path) -> None:
    """Write a word into every text of a ledger, and use it in every kind of query."""
    with Ledger.open(where, writable=True) as ledger:
        add_hostile_records(ledger, [f"{MARKER} said so"])
        key = f"{MARKER}-key"
        record_all(ledger, case([f"{key}: {MARKER}-party obs"]), by=MARKER)
        records = [{"kind": "party", "key": f"{MARKER}-{n}", "name": MARKER} for n in range(300)]
        record_all(ledger, records, by=MARKER)
        ledger.amend(
            "claim", key, {"note": f"{MARKER} noted", "language": "en"}, by=MARKER, reason=MARKER
        )
        for query in (MARKER, f'"{MARKER} said"', f"{MARKER}*"):
            assert ledger.search(query)
        ledger.similar_claims(f"{MARKER} said", 3)
        ledger.near_keys(f"{MARKER}-kye")
        ledger.history(key)
        ledger.with_key(key)
        ledger.neighbourhood([key])
        ledger.keys_about([MARKER, "topic"])
        ledger.references_to("party", [f"{MARKER}-party"])
        with suppress(ClaimledgerError):
            ledger.grant("reader", MARKER)
        ledger.move(folder / "moved.db")
        ledger.backup(folder / "kept.db")
        size = ledger.head().size
        segment = list(ledger.entries_since(size - 3))
        assert MARKER in str(segment)
        ledger.withdraw("claim", key, by=MARKER, reason=MARKER, cascade=True)
        ledger.redact("claim", key, by=MARKER, reason=MARKER)
        ledger.rebuild()
        assert ledger.verify().clean


@ONLY_SERVERS  # the server logs every statement
def test_no_value_reaches_a_server_inside_a_statement(
    path: LedgerLocation, ledger: Ledger, tmp_path: Path
) -> None:
    log_settings = {"log_statement": "'all'", "log_parameter_max_length": "0"}
    with psycopg.connect(server().get_uri(), autocommit=True) as keeper:
        for name, value in log_settings.items():
            keeper.execute(f"ALTER SYSTEM SET {name} = {value}")
        keeper.execute("SELECT pg_reload_conf()")
    start = server().log.stat().st_size
    try:
        use_marker_everywhere(path, tmp_path)
    finally:
        with psycopg.connect(server().get_uri(), autocommit=True) as keeper:
            for name in log_settings:
                keeper.execute(f"ALTER SYSTEM RESET {name}")
            keeper.execute("SELECT pg_reload_conf()")
    with server().log.open("rb") as stream:
        stream.seek(start)
        log = stream.read().decode()
    assert log.count("statement: ") + log.count("execute ") > 100  # the log does contain statements
    assert MARKER not in log


@ONLY_FILES  # without a server, the driver records the statements
def test_no_value_reaches_a_file_inside_a_statement(
    path: LedgerLocation, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []

    class RecordingConnection(sqlite3.Connection):
        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            statements.append(statement)
            return super().execute(statement, *values)

        def executemany(self, statement: str, rows: Iterable[Any], /) -> sqlite3.Cursor:
            statements.append(statement)
            return super().executemany(statement, rows)

    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3,
        "connect",
        lambda *args, **options: connect(*args, **options, factory=RecordingConnection),
    )
    ledger.close()
    use_marker_everywhere(path, tmp_path)
    assert len(statements) > 100  # the driver does record them
    assert not [statement for statement in statements if MARKER in statement]
