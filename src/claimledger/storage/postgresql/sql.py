"""The statements that put rows into a ledger's tables, written out once for each shape of a write."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import BLOB, Table, Text

from claimledger.storage.base import LARGEST_VALUE
from claimledger.storage.postgresql.schema import quoted, type_of
from claimledger.storage.tables import ENTRY, version_of


def columns_of(table: Table) -> str:
    """Return a table's columns, as a statement lists them."""
    return ", ".join(quoted(column.name) for column in table.columns)


@lru_cache(maxsize=500)
def insert_statement(shape: tuple[tuple[Table, int], ...]) -> str:
    """Return one statement that inserts a number of rows into each of some tables."""
    parts = []
    number = 0
    for table, rows in shape:
        parts.append(f"INSERT INTO {_into(table)} VALUES {_values(table, rows, number)}")
        number += rows * len(table.columns)
    first = [f"i{place} AS ({part})" for place, part in enumerate(parts[:-1])]
    return (f"WITH {', '.join(first)} " if first else "") + parts[-1]


@lru_cache
def closing_statement(table: Table) -> str:
    """Return the statement that writes into rows the entry they ended with; takes a list a column."""
    columns = version_of(table)
    types = ["bigint", *(type_of(column) for column in columns)]
    arrays = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(types, 1))
    places = ", ".join(f"c{place}" for place in range(len(types)))
    where = " AND ".join(
        f"t.{quoted(column.name)} = e.c{place}" for place, column in enumerate(columns, 1)
    )
    return (
        f"UPDATE {quoted(table.name)} AS t SET ended_by = e.c0 "
        f"FROM unnest({arrays}) AS e ({places}) WHERE {where}"
    )


@lru_cache
def copy_statement(table: Table) -> str:
    """Return the statement that takes rows of a table as the server takes them fastest."""
    return f"COPY {_into(table)} FROM STDIN"


@lru_cache
def entry_range_query(table: Table) -> str:
    """Return the statement that asks for whole rows of a table, from one entry to another."""
    order = ", ".join(quoted(column.name) for column in table.primary_key.columns)
    number = "number" if table is ENTRY else "entry"
    where = f"WHERE {number} BETWEEN %s AND %s ORDER BY {order}"
    return f"SELECT {columns_of(table)} FROM {quoted(table.name)} {where}"


@lru_cache
def oversized_entry(table: Table) -> str:
    """Return the query for the first entry of a range that has a value longer than :data:`LARGEST_VALUE`."""
    number = "number" if table is ENTRY else "entry"
    where = f"WHERE {number} BETWEEN %s AND %s AND {oversized(table)}"
    return f"SELECT {number} FROM {quoted(table.name)} {where} ORDER BY {number} LIMIT 1"


@lru_cache
def oversized_row(table: Table) -> str:
    """Return the query for the entry of any row that has a value longer than :data:`LARGEST_VALUE`."""
    return f"SELECT entry FROM {quoted(table.name)} WHERE {oversized(table)} LIMIT 1"


def oversized(table: Table) -> str:
    """Return the condition of a row with a value longer than :data:`LARGEST_VALUE`; the server reads none."""
    longest = ", ".join(
        f"octet_length({quoted(column.name)})"
        for column in table.columns
        if isinstance(column.type, Text | BLOB)
    )
    return f"coalesce(greatest({longest}) > {LARGEST_VALUE}, false)"


def _into(table: Table) -> str:
    return f"{quoted(table.name)} ({columns_of(table)})"


def _values(table: Table, rows: int, number: int) -> str:
    """Return the placeholders of a number of rows of a table, the first one after ``number``."""
    values = []
    for _ in range(rows):
        cells = []
        for column in table.columns:
            number += 1
            cells.append(f"${number}::{type_of(column)}")
        values.append(f"({', '.join(cells)})")
    return ", ".join(values)
