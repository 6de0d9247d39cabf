"""The statements of a ledger's file, written out once for each table."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import Table

from claimledger.storage.tables import ENTRY, version_of


@lru_cache
def insert_statement(table: Table) -> str:
    """Return the statement that inserts one row of a table, in the order of its columns."""
    places = ", ".join("?" * len(table.columns))
    return f"INSERT INTO {quoted(table.name)} VALUES ({places})"


@lru_cache
def closing_statement(table: Table) -> str:
    """Return the statement that writes into rows the entry they ended with."""
    where = " AND ".join(f"{quoted(column.name)} = ?" for column in version_of(table))
    return f"UPDATE {quoted(table.name)} SET ended_by = ? WHERE {where}"


@lru_cache
def entry_range_query(table: Table) -> str:
    """Return the statement that asks for whole rows of a table, from one entry to another."""
    order = ", ".join(column.name for column in table.primary_key.columns)
    number = "number" if table is ENTRY else "entry"
    # A row that a damaged file has between two whole numbers belongs to the next one.
    where = f"WHERE {number} > ? - 1 AND {number} <= ? ORDER BY {order}"
    return f"SELECT * FROM {quoted(table.name)} {where}"


def quoted(name: str) -> str:
    """Return a name quoted for a statement."""
    return '"' + name.replace('"', '""') + '"'
