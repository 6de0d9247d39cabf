"""Whether tables, indexes, triggers and functions of a ledger in PostgreSQL are those we make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from sqlalchemy import Table, Text

from claimledger.ledger.store.postgresql_schema import (
    CALLED,
    FUNCTIONS,
    HEAD,
    TRIGGERS,
    indexes_of,
    quoted,
    tables_made,
    type_of,
)

_HEAD_COLUMNS = [("held", "boolean", True), ("program", "text", True), ("layout", "bigint", True)]


def shape_damage(driver: psycopg.Connection[Any], schema: str) -> Iterator[tuple[str, str]]:
    """Yield what is missing, of another shape, or too much: the table or object, and what."""
    yield from _of_tables(driver, schema)
    yield from _of_indexes(driver, schema)
    yield from _of_triggers(driver, schema)


def _of_tables(driver: psycopg.Connection[Any], schema: str) -> Iterator[tuple[str, str]]:
    found: dict[str, list[tuple[str, str, bool]]] = {}
    rows = driver.execute(
        "SELECT c.relname, a.attname, "
        "format_type(a.atttypid, a.atttypmod) || coalesce(' ' || l.collname, ''), "
        "a.attnotnull "
        "FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid "
        "LEFT JOIN pg_collation AS l ON l.oid = a.attcollation AND l.collname <> 'default' "
        "WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') "
        "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum",
        (schema,),
    )
    for table, column, kind, needed in rows:
        found.setdefault(table, []).append((column, kind, needed))
    expected = {table.name: _columns(table) for table in tables_made()} | {HEAD: _HEAD_COLUMNS}
    yield from _differing(expected, found)


def _differing(
    expected: Mapping[str, object], found: Mapping[str, object]
) -> Iterator[tuple[str, str]]:
    """Yield what is missing, what is too much, and what is another than it should be."""
    for name in sorted(expected.keys() - found.keys()):
        yield name, "is missing from the database"
    for name in sorted(found.keys() - expected.keys()):
        yield name, "is in the database and should not be"
    for name in sorted(expected.keys() & found.keys()):
        if expected[name] != found[name]:
            yield name, "is defined differently than this program defines it"


def _columns(table: Table) -> list[tuple[str, str, bool]]:
    return [
        (
            column.name,
            type_of(column) + (" C" if isinstance(column.type, Text) else ""),
            not column.nullable,
        )
        for column in table.columns
    ]


def _of_indexes(driver: psycopg.Connection[Any], schema: str) -> Iterator[tuple[str, str]]:
    expected: dict[str, tuple[str, list[str], str]] = {
        "search": ("search_words", [""], ""),
        f"{HEAD}_pkey": (HEAD, ["held"], ""),
    }
    for table in tables_made():
        keys = [column.name for column in table.primary_key.columns]
        expected[f"{table.name}_pkey"] = (table.name, keys, "")
        for name, columns, condition in indexes_of(table):
            expected[name] = (table.name, list(columns), condition)
    found = {}
    broken = []
    rows = driver.execute(
        "SELECT i.relname, t.relname, x.indisvalid AND x.indisready, "
        "pg_get_expr(x.indpred, x.indrelid), "
        "ARRAY(SELECT coalesce(a.attname, '') FROM unnest(x.indkey) WITH ORDINALITY AS k(number, place) "
        "LEFT JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = k.number ORDER BY k.place)::text[] "
        "FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid "
        "JOIN pg_class AS t ON t.oid = x.indrelid "
        "WHERE t.relnamespace = to_regnamespace(%s)",
        (schema,),
    )
    for name, table, valid, condition, columns in rows:
        found[name] = (table, columns, condition or "")
        if not valid:
            broken.append(name)
    yield from _differing(expected, found)
    for name in sorted(broken):
        yield name, "is an index that the server holds for invalid"


def _of_triggers(driver: psycopg.Connection[Any], schema: str) -> Iterator[tuple[str, str]]:
    functions = {name: body.format(schema=quoted(schema)) for name, body in FUNCTIONS.items()}
    functions |= {name: body.format(schema=quoted(schema)) for name, (_, body) in CALLED.items()}
    sources = dict(
        driver.execute(
            "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = to_regnamespace(%s)",
            (schema,),
        ).fetchall()
    )
    for name in sorted(functions.keys() | sources.keys()):
        if functions.get(name) != sources.get(name):
            yield name, "is a function that this program defines differently, or not at all"
    rows = driver.execute(
        "SELECT t.tgname, c.relname, t.tgenabled::text, p.prosrc, pg_get_triggerdef(t.oid) "
        "FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_proc AS p ON p.oid = t.tgfoid "
        "WHERE c.relnamespace = to_regnamespace(%s) AND NOT t.tgisinternal",
        (schema,),
    )
    found = {row[0]: row[1:] for row in rows}
    for name in sorted(FUNCTIONS.keys() - found.keys()):
        yield name, "is missing from the database"
    for name in sorted(found.keys() - FUNCTIONS.keys()):
        yield name, "is in the database and should not be"
    for name in FUNCTIONS:
        if name not in found:
            continue
        table, enabled, source, told = found[name]
        when, how = TRIGGERS[name]
        as_made = f"CREATE TRIGGER {name} {when} ON {schema}.entry {how} "
        if enabled not in ("O", "A"):
            yield name, "is a trigger that was switched off"
        if (
            table != "entry"
            or source != functions[name]
            or not _loosely(told).startswith(_loosely(as_made))
        ):
            yield name, "is defined differently than this program defines it"


def _loosely(text: str) -> str:
    return " ".join(text.upper().replace('"', "").split())
