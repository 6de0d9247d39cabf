"""The schema of a ledger in PostgreSQL: tables, search index, the triggers of its log, and access.

Every text is compared sign by sign (collation ``C``), as in a file. The server samples nothing a person
wrote for the planner's statistics, where a redaction would not find it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from sqlalchemy import BLOB, REAL, Index, Integer, Table, Text
from sqlalchemy.ext.compiler import compiles

from claimledger.storage.postgresql.log_rules import CHECKS
from claimledger.storage.postgresql.triggers import FUNCTIONS, TRIGGERS
from claimledger.storage.tables import ENTRY, PENDING_SCRUB, VIEWS

TYPES: dict[type, str] = {
    Integer: "bigint",
    Text: "text",
    REAL: "double precision",
    BLOB: "bytea",
}
"""Column types, as PostgreSQL names them."""

HEAD = "head"
"""The table of one row that says what this is, and that a writer locks."""

SEARCH_VECTOR = """(CASE WHEN octet_length(words) > 500000 THEN array_to_tsvector('{*}')
ELSE array_to_tsvector(string_to_array(words, ' ')) END)"""
"""The search vector of a record's words. A vector is limited to a megabyte; longer texts are scanned."""


@compiles(REAL, "postgresql")
def _real(*_: object, **__: object) -> str:
    return "DOUBLE PRECISION"


@compiles(BLOB, "postgresql")
def _bytes(*_: object, **__: object) -> str:
    return "BYTEA"


@compiles(Integer, "postgresql")
def _integer(*_: object, **__: object) -> str:
    return "BIGINT"


LOCK_LOG = """
DECLARE place bigint := 0;
BEGIN
  SELECT h.layout INTO STRICT layout FROM {schema}.head AS h FOR NO KEY UPDATE;
  SELECT coalesce(max(e.number), 0) INTO size FROM {schema}.entry AS e;
  SELECT e.header INTO header FROM {schema}.entry AS e WHERE e.number = size;
  peaks := '';
  FOR level IN REVERSE 40..0 LOOP
    IF (size >> level) & 1 = 1 THEN
      place := place + (1::bigint << level);
      peaks := peaks || (SELECT substr(e.nodes, level * 32 + 1, 32) FROM {schema}.entry AS e
                         WHERE e.number = place);
    END IF;
  END LOOP;
END"""
"""Locks the head and returns where the log ends, in one round trip: what a writer must know first.

Each statement in it sees what others committed while the lock was awaited.
"""

CALLED = {
    "lock_log": ("OUT layout bigint, OUT size bigint, OUT header text, OUT peaks bytea", LOCK_LOG),
}
"""The functions that writers call: what they take and give, and what they do."""

RETIRED = ("standing", "sequence")
"""Functions of earlier layouts, which a rebuild removes."""

KEYS = "entry_key"
"""The index by which the entries of a record are found in the log itself, which nobody can write past."""

SEARCH = "search"
"""The full-text index, of the words of every record."""


def in_schema(schema: str, body: str) -> str:
    """Return what a function does, in a schema."""
    return body.replace("{schema}", schema)


def type_of(column: object) -> str:
    """Return a column's type, as PostgreSQL names it."""
    return TYPES[type(column.type)]  # type: ignore[attr-defined]


def indexes_of(table: Table) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield a table's indexes: name, columns, and the condition they have, if any."""
    for index in sorted(table.indexes, key=lambda indexed: str(indexed.name)):
        columns = tuple(column.name for column in index.columns)
        yield str(index.name), columns, _condition(index)


def _condition(index: Index) -> str:
    where = index.dialect_options["sqlite"]["where"]
    return "" if where is None else f"({str(where).rpartition('.')[2]})"


def all_tables() -> tuple[Table, ...]:
    """Return the tables that records and log are in, in order."""
    return (ENTRY, *VIEWS.values(), PENDING_SCRUB)


@lru_cache
def creation_statements(schema: str) -> tuple[str, ...]:
    """The statements that make a ledger in an empty schema, in order."""
    return (
        f"CREATE TABLE {schema}.{HEAD} (held boolean PRIMARY KEY CHECK (held), "
        "program text NOT NULL, layout bigint NOT NULL)",
        *_table(schema, ENTRY),
        *guard_statements(schema),
        *view_statements(schema),
    )


@lru_cache
def view_statements(schema: str) -> tuple[str, ...]:
    """The statements that make the views and their indexes, in order."""
    statements = [
        line for table in (*VIEWS.values(), PENDING_SCRUB) for line in _table(schema, table)
    ]
    statements += [line for name in VIEWS for line in _triggers(schema, name)]
    return (*statements, *search_index_statements(schema))


def search_index_statements(schema: str) -> tuple[str, str]:
    """Return the statements that create the search index; the server samples none of its words."""
    return (
        f"CREATE INDEX {SEARCH} ON {schema}.search_words USING gin ({SEARCH_VECTOR})",
        f"ALTER INDEX {schema}.{SEARCH} ALTER COLUMN 1 SET STATISTICS 0",
    )


_PINNED = "SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on"
"""What a session's settings cannot change: how a function reads its names and texts."""


def guard_statements(schema: str) -> Iterator[str]:
    """Yield the statements that make the log append-only, and what writers call."""
    for name, (parameters, body) in CALLED.items():
        yield (
            f"CREATE FUNCTION {schema}.{name}({parameters}) LANGUAGE plpgsql AS $${in_schema(schema, body)}$$"
        )
    for name, (parameters, returns, body) in CHECKS.items():
        yield (
            f"CREATE FUNCTION {schema}.{name}({parameters}) RETURNS {returns} LANGUAGE plpgsql "
            f"{_PINNED} AS $${in_schema(schema, body)}$$"
        )
    for name, body in FUNCTIONS.items():
        yield (
            f"CREATE FUNCTION {schema}.{name}() RETURNS trigger LANGUAGE plpgsql "
            f"{_PINNED} AS $${in_schema(schema, body)}$$"
        )
    # A database can be configured not to let everybody call new functions.
    functions = ", ".join(f"{schema}.{name}" for name in (*CALLED, *CHECKS, *FUNCTIONS))
    yield f"GRANT EXECUTE ON FUNCTION {functions} TO PUBLIC"
    yield f"CREATE INDEX {KEYS} ON {schema}.entry ({OF_A_RECORD})"
    yield from _triggers(schema, "entry")


def _triggers(schema: str, table: str) -> Iterator[str]:
    for name, trigger in TRIGGERS.items():
        if trigger.table == table:
            yield (
                f"CREATE {trigger.sort} {name} {trigger.when} ON {schema}.{quoted(table)} "
                f"{in_schema(schema, trigger.how)} "
                f"EXECUTE FUNCTION {schema}.{trigger.function}()"
            )


OF_A_RECORD = "(payload::json ->> 'key'), (payload::json ->> 'kind')"


def _table(schema: str, table: Table) -> Iterator[str]:
    columns = []
    for column in table.columns:
        needed = "" if column.nullable else " NOT NULL"
        collation = ' COLLATE "C"' if isinstance(column.type, Text) else ""
        columns.append(f"{quoted(column.name)} {type_of(column)}{collation}{needed}")
    key = ", ".join(quoted(column.name) for column in table.primary_key.columns)
    name = f"{schema}.{quoted(table.name)}"
    yield f"CREATE TABLE {name} ({', '.join(columns)}, PRIMARY KEY ({key}))"
    for index, indexed, condition in indexes_of(table):
        where = f" WHERE {condition}" if condition else ""
        yield f"CREATE INDEX {index} ON {name} ({', '.join(map(quoted, indexed))}){where}"
    for name_of_text in columns_without_statistics(table):
        yield f"ALTER TABLE {name} ALTER COLUMN {quoted(name_of_text)} SET STATISTICS 0"


def columns_without_statistics(table: Table) -> list[str]:
    """Return the columns that hold what a person wrote, or digests of it: the server must not sample them.

    A redaction cannot remove a text from the planner's statistics. A salt there would let a reader confirm a
    guess of a redacted text, whose digest stays in the log.
    """
    return [column.name for column in table.columns if column.name not in _SAMPLED]


_SAMPLED = {
    *("entry", "number", "position", "ended_by"),
    *("kind", "key", "from", "to_key", "to_kind", "type", "field", "action", "replaced_by"),
}
"""Columns of which the planner may have statistics: none contains a person's own words."""


def quoted(name: str) -> str:
    """Return a name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'
