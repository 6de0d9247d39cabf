"""Whether tables, indexes, triggers and functions of a ledger in PostgreSQL are those we make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from sqlalchemy import Table, Text

from claimledger.storage.postgresql.log_rules import CHECKS
from claimledger.storage.postgresql.schema import (
    CALLED,
    HEAD,
    KEYS,
    SEARCH,
    all_tables,
    columns_without_statistics,
    in_schema,
    indexes_of,
    quoted,
    type_of,
)
from claimledger.storage.postgresql.triggers import FUNCTIONS, TRIGGERS
from claimledger.storage.tables import ENTRY

_HEAD_COLUMNS = [("held", "boolean", True), ("program", "text", True), ("layout", "bigint", True)]


def shape_damage(driver: psycopg.Connection[Any], schema: str) -> Iterator[tuple[str, str]]:
    """Yield what is missing, of another shape, or too much: the table or object, and what."""
    yield from _of_tables(driver, schema)
    yield from _of_indexes(driver, schema)
    yield from _of_triggers(driver, schema)
    unsampled = [
        f"{table.name}.{name}"
        for table in all_tables()
        for name in columns_without_statistics(table)
    ]
    names = {"schema": schema, "unsampled": unsampled, "search": SEARCH}
    yield from driver.execute(_SUPERFLUOUS_FUNCTIONS, names)


def _of_tables(driver: psycopg.Connection[Any], schema: str) -> Iterator[tuple[str, str]]:
    columns: dict[str, list[tuple[str, str, bool]]] = {}
    rows = driver.execute(
        "SELECT c.relname, a.attname, "
        "format_type(a.atttypid, a.atttypmod) || coalesce(CASE l.collnamespace "
        "WHEN 'pg_catalog'::regnamespace THEN ' ' ELSE ' another ' END || l.collname, ''), "
        "a.attnotnull "
        "FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid "
        "LEFT JOIN pg_collation AS l ON l.oid = a.attcollation AND l.collname <> 'default' "
        "WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') "
        "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum",
        (schema,),
    )
    for table, column, kind, needed in rows:
        columns.setdefault(table, []).append((column, kind, needed))
    expected = {table.name: _columns(table) for table in all_tables()} | {HEAD: _HEAD_COLUMNS}
    yield from _differing(expected, columns)


def _differing(
    expected: Mapping[str, object], actual: Mapping[str, object]
) -> Iterator[tuple[str, str]]:
    """Yield what is missing, what is too much, and what is another than it should be."""
    for name in sorted(expected.keys() - actual.keys()):
        yield name, "is missing from the database"
    for name in sorted(actual.keys() - expected.keys()):
        yield name, "is in the database and should not be"
    for name in sorted(expected.keys() & actual.keys()):
        if expected[name] != actual[name]:
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


def expected_indexes() -> dict[str, tuple[str, list[str], str]]:
    """Return the indexes of a ledger by name: table, columns (empty for an expression), and condition."""
    expected: dict[str, tuple[str, list[str], str]] = {
        KEYS: (ENTRY.name, ["", ""], ""),
        SEARCH: ("search_words", [""], ""),
        f"{HEAD}_pkey": (HEAD, ["held"], ""),
    }
    for table in all_tables():
        keys = [column.name for column in table.primary_key.columns]
        expected[f"{table.name}_pkey"] = (table.name, keys, "")
        for name, columns, condition in indexes_of(table):
            expected[name] = (table.name, list(columns), condition)
    return expected


def _of_indexes(driver: psycopg.Connection[Any], schema: str) -> Iterator[tuple[str, str]]:
    indexes = {}
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
        indexes[name] = (table, columns, condition or "")
        if not valid:
            broken.append(name)
    yield from _differing(expected_indexes(), indexes)
    for name in sorted(broken):
        yield name, "is an index that the server holds for invalid"


def _of_triggers(driver: psycopg.Connection[Any], schema: str) -> Iterator[tuple[str, str]]:
    place = quoted(schema)
    functions = {name: ("", "trigger", _PINNED, body) for name, body in FUNCTIONS.items()}
    functions |= {
        name: (arguments, "record", "", body) for name, (arguments, body) in CALLED.items()
    }
    functions |= {
        name: (function.parameters, function.returns, _PINNED, function.body)
        for name, function in CHECKS.items()
    }
    actual: dict[str, list[tuple[str, ...]]] = {}
    for name, *definition, plain in driver.execute(_EXISTING_FUNCTIONS, (schema,)):
        actual.setdefault(name, []).append((*definition, "" if plain else "not plain"))
    for name in sorted(functions.keys() | actual.keys()):
        *how, body = functions.get(name, ("",))
        if actual.get(name) != [(*how, in_schema(place, body), "")]:
            yield name, "is a function that this program defines differently, or not at all"
    rows = driver.execute(
        "SELECT t.tgname, c.relname, t.tgenabled::text, p.proname, pg_get_triggerdef(t.oid) "
        "FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_proc AS p ON p.oid = t.tgfoid "
        "WHERE c.relnamespace = to_regnamespace(%s) AND NOT t.tgisinternal",
        (schema,),
    ).fetchall()
    triggers = {
        (table, name): (enabled, function, definition)
        for name, table, enabled, function, definition in rows
    }
    expected = {(trigger.table, name): trigger for name, trigger in TRIGGERS.items()}
    for _, name in sorted(expected.keys() - triggers.keys()):
        yield name, "is missing from the database"
    for _, name in sorted(triggers.keys() - expected.keys()):
        yield name, "is in the database and should not be"
    for (table, name), trigger in expected.items():
        if (table, name) not in triggers:
            continue
        enabled, function, definition = triggers[table, name]
        as_made = (
            f"CREATE {trigger.sort} {name} {trigger.when} ON {table} {in_schema(place, trigger.how)} "
            f"EXECUTE FUNCTION {trigger.function}()"
        )
        if enabled not in ("O", "A"):
            yield name, "is a trigger that was switched off"
        if function != trigger.function or _loosely(definition, schema) != _loosely(
            as_made, schema
        ):
            yield name, "is defined differently than this program defines it"


_EXISTING_FUNCTIONS = """
SELECT p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
  coalesce(array_to_string(p.proconfig, '; '), ''), p.prosrc,
  l.lanname = 'plpgsql' AND p.prokind = 'f' AND p.provolatile = 'v' AND NOT p.proisstrict AND NOT p.prosecdef
  AND NOT p.proleakproof AND p.proparallel = 'u' AND p.prosupport = 0
  AND has_function_privilege('public', p.oid, 'EXECUTE')
FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.pronamespace = to_regnamespace(%s)
ORDER BY p.oid"""
"""Functions by name: arguments, result, settings and body, and whether they are volatile PL/pgSQL functions
that accept null arguments, run with the caller's privileges and can be called by everybody, as all ours."""

_PINNED = "search_path=pg_catalog, pg_temp; standard_conforming_strings=on"


def _loosely(text: str | None, schema: str) -> str:
    """Return a definition as it can be compared: the server writes a schema only where it must.

    There is none where somebody dropped the object after the snapshot that it is seen in.
    """
    return " ".join((text or "").replace('"', "").replace(f"{schema}.", "").upper().split())


_SUPERFLUOUS_FUNCTIONS = """
WITH ours AS (
  SELECT * FROM pg_class WHERE relnamespace = to_regnamespace(%(schema)s)
)
SELECT relname::text, 'is in the database and should not be' FROM ours WHERE relkind IN ('S', 'c')
UNION ALL
SELECT relname::text, 'does not survive a crash of the server: it is not logged'
FROM ours WHERE relkind = 'r' AND relpersistence <> 'p'
UNION ALL
SELECT relname::text, 'hides rows from some users (row security)' FROM ours WHERE relrowsecurity
UNION ALL
SELECT polname::text, 'is a policy of row security, and should not be there'
FROM pg_policy JOIN ours ON ours.oid = polrelid
UNION ALL
SELECT rulename::text, 'is a rule of ' || relname || ', and should not be there'
FROM pg_rewrite JOIN ours ON ours.oid = ev_class
UNION ALL
SELECT conname::text, 'is a constraint of ' || relname || ', and should not be there'
FROM pg_constraint JOIN ours ON ours.oid = conrelid
WHERE NOT (contype = 'p' AND conname = relname || '_pkey' OR contype = 'n'
           OR contype = 't' AND conname = 'entry_has_history'
           OR relname = 'head' AND conname = 'head_held_check'
           AND pg_get_constraintdef(pg_constraint.oid) = 'CHECK (held)')
UNION ALL
SELECT relname || '.' || attname, 'is given a value by the server, and should not be'
FROM pg_attribute JOIN ours ON ours.oid = attrelid
WHERE attnum > 0 AND NOT attisdropped AND relkind = 'r' AND (atthasdef OR attidentity <> '')
UNION ALL
SELECT relname::text, 'takes rows from another table, or gives it its own'
FROM ours WHERE EXISTS (SELECT FROM pg_inherits WHERE ours.oid IN (inhrelid, inhparent))
UNION ALL
SELECT typname::text, 'is a type, and should not be there' FROM pg_type
WHERE typnamespace = to_regnamespace(%(schema)s) AND typrelid = 0
AND NOT EXISTS (SELECT FROM pg_type AS held WHERE held.typarray = pg_type.oid AND held.typrelid <> 0)
UNION ALL
SELECT oprname::text, 'is an operator, and should not be there' FROM pg_operator
WHERE oprnamespace = to_regnamespace(%(schema)s)
UNION ALL
SELECT collname::text, 'is a collation, and should not be there' FROM pg_collation
WHERE collnamespace = to_regnamespace(%(schema)s)
UNION ALL
SELECT stxname::text, 'makes the server sample ' || relname || ', which a redaction cannot undo'
FROM pg_statistic_ext JOIN ours ON ours.oid = stxrelid
UNION ALL
SELECT CASE relkind WHEN 'i' THEN relname ELSE relname || '.' || attname END,
  'is sampled by the server, which a redaction cannot undo'
FROM pg_attribute JOIN ours ON ours.oid = attrelid
WHERE attnum > 0 AND NOT attisdropped
AND (relkind = 'r' AND relname || '.' || attname = ANY (%(unsampled)s)
     OR relkind = 'i' AND relname = %(search)s)
AND (coalesce(attstattarget, -1) <> 0 OR EXISTS (
  SELECT FROM pg_stats AS s WHERE s.schemaname = %(schema)s AND s.tablename = relname
  AND s.attname = pg_attribute.attname))
ORDER BY 1, 2"""
"""What a schema may hold besides tables, indexes, triggers and functions, and a ledger's does not."""
