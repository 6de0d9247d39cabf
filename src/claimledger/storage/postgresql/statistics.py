"""Statistics that the server keeps of a ledger's contents, and how they are discarded.

A redaction overwrites tables and indexes; a sample of a text in the planner's statistics would stay.
"""

from __future__ import annotations

from sqlalchemy import Text

from claimledger.storage.postgresql.schema import (
    SEARCH,
    all_tables,
    columns_without_statistics,
    quoted,
    search_index_statements,
    type_of,
)
from claimledger.storage.postgresql.schema_check import expected_indexes
from claimledger.storage.postgresql.session import Session
from claimledger.storage.url import Address

_CLEARS = 180000
"""The server's version from which statistics of a column can be discarded by themselves."""

_C = """(SELECT oid FROM pg_collation
  WHERE collname = 'C' AND collnamespace = 'pg_catalog'::regnamespace)"""

_COLUMNS = f"""
SELECT c.relname, a.attname, a.attcollation NOT IN (0, {_C})
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = to_regnamespace(%(schema)s) AND c.relname || '.' || a.attname = ANY (%(columns)s)
AND (
  coalesce(a.attstattarget, -1) <> 0
  OR a.attcollation NOT IN (0, {_C})
  OR EXISTS (
    SELECT FROM pg_stats AS s
    WHERE s.schemaname = %(schema)s AND s.tablename = c.relname AND s.attname = a.attname)
) ORDER BY 1, 2"""
"""Columns with statistics, with a statistics target, or with another collation than ``C``."""

_EXTENDED = """
SELECT c.relname, n.nspname, s.stxname
FROM pg_statistic_ext AS s JOIN pg_class AS c ON c.oid = s.stxrelid
JOIN pg_namespace AS n ON n.oid = s.stxnamespace
WHERE c.relnamespace = to_regnamespace(%s) AND c.relname = ANY (%s) ORDER BY 1, 2, 3"""

_INDEXES = """
SELECT t.relname, i.relname, k.conname
FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid JOIN pg_class AS t ON t.oid = x.indrelid
LEFT JOIN pg_constraint AS k ON k.conindid = i.oid AND k.contype <> 'f'
WHERE t.relnamespace = to_regnamespace(%s) AND t.relname = ANY (%s) AND i.relname <> ALL (%s) ORDER BY 1, 2"""
"""Indexes that are not the ledger's, with the constraint that needs one."""

_SEARCH = """
SELECT FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = to_regnamespace(%(schema)s) AND c.relname = %(search)s AND (
  coalesce(a.attstattarget, -1) <> 0
  OR EXISTS (SELECT FROM pg_stats AS s WHERE s.schemaname = %(schema)s AND s.tablename = c.relname))"""


def discard_statements(session: Session, address: Address) -> dict[str, list[str]]:
    """Return the statements that discard what the server sampled, by the table each of them locks."""
    statements: dict[str, list[str]] = {}
    schema = address.place
    tables = [table.name for table in all_tables()]
    for table, place, name in session.execute(_EXTENDED, (address.schema, tables)).fetchall():
        statements.setdefault(table, []).append(f"DROP STATISTICS {quoted(place)}.{quoted(name)}")
    planted = session.execute(_INDEXES, (address.schema, tables, list(expected_indexes())))
    for table, name, constraint in planted.fetchall():
        statements.setdefault(table, []).append(
            f"DROP INDEX {schema}.{quoted(name)}"
            if constraint is None
            else f"ALTER TABLE {schema}.{quoted(table)} DROP CONSTRAINT {quoted(constraint)}"
        )
    columns = {
        f"{table.name}.{name}": table.c[name]
        for table in all_tables()
        for name in columns_without_statistics(table)
    }
    sampled = session.execute(_COLUMNS, {"schema": address.schema, "columns": list(columns)})
    clears = session.driver.info.server_version >= _CLEARS
    for table, name, respelt in sampled.fetchall():
        column = columns[f"{table}.{name}"]
        collation = ' COLLATE pg_catalog."C"' if isinstance(column.type, Text) else ""
        alter = f"ALTER TABLE {schema}.{quoted(table)} ALTER COLUMN {quoted(name)}"
        statements.setdefault(table, []).append(
            f"SELECT pg_clear_attribute_stats('{address.schema}', '{table}', '{name}', false)"
            if clears and not respelt
            # Setting a type drops the statistics too, but a view of the column keeps that from being done.
            else f"{alter} TYPE {type_of(column)}{collation}"
        )
        statements[table].append(f"{alter} SET STATISTICS 0")
    if (
        session.execute(_SEARCH, {"schema": address.schema, "search": SEARCH}).fetchone()
        is not None
    ):
        renewed = [f"DROP INDEX {schema}.{SEARCH}", *search_index_statements(schema)]
        statements.setdefault("search_words", []).extend(renewed)
    return statements
