"""No value of a user's is ever written into a statement: it is bound."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "claimledger"
SQL = re.compile(
    r"^\s*(WITH|SELECT|INSERT|UPDATE|DELETE|DROP|CREATE|ALTER|GRANT|REVOKE|COPY|VACUUM|PRAGMA|SET|BEGIN)\b[^a-z]*\b"
    r"|\b(FROM|INTO|WHERE|VALUES|ON) \W*[{a-z%$?]"
)
OUR_OWN = {
    # tables, columns and types as this program declares them, and its own constants
    "HEAD", "FOUND", "LAYOUT", "APPLICATION_ID", "columns_of(table)", "type_of(column)", "quoted(table.name)",
    "quoted(name)", "_quoted(name)", "_quoted(table.name)", "table.name", "column", "places", "where", "order",
    "number", "row", "rows", "into", "part", "place", "condition", "index", "kind", "name", "function", "body",
    "when", "how", "query", "collation", "needed", "key", "begin", "user",
    # a schema's name, which an address lets be of small letters and digits only; a server's snapshot
    "schema", "self.address.place", "address.place", "self._snapshot", "int(WAIT_SECONDS * 1000)",
    "'off' if writable else 'on'",
    # roles: a user's name that the server itself said is one, quoted
    "quoted(self.name(role))", "quoted(self.name(other))", "quoted(user)", "quoted(table)", "quoted(function)",
    "quoted(made.name)", "quoted(column.name)",
    "', '.join(columns)", "', '.join(rows)", "', '.join(first)", "', '.join(map(quoted, held))",
    "', '.join(cells)", "STANDING.format(schema=schema)",
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
    for path in sorted((SOURCE / "ledger" / "store").glob("*.py")):
        for text, put_in in interpolated(path):
            seen += 1
            told = (
                put_in in OUR_OWN
                or "error" in put_in
                or put_in.startswith(("path", "self.path", "self.address"))
            )
            assert told, f"{path.name}: {put_in} in {text!r}"
    assert seen > 40  # it does look


def test_no_statement_is_written_outside_the_stores() -> None:
    for path in sorted(SOURCE.rglob("*.py")):
        if "store" in path.parts:
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
