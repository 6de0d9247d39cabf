"""Faults, and the comparison of the rows of a view with the rows that the log projects to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from claimledger.storage.tables import WORDS


@dataclass(frozen=True, slots=True)
class Fault:
    """One difference between a ledger and what its log and format require, with its place."""

    table: str
    what: str
    """The fault, as a phrase that continues the place: "is missing"."""

    entry: int | None = None
    row: str = ""
    """The primary key of the row, its parts separated by spaces."""

    column: str = ""

    def __str__(self) -> str:
        place = [f"table {self.table}"]
        if self.entry is not None:
            place.insert(0, f"entry {self.entry}")
        if self.row:
            place.append(f"row {self.row}")
        if self.column:
            place.append(f"column {self.column}")
        return f"{', '.join(place)}: {self.what}"


def row_differences(
    table: Table, expected: list[tuple[Any, ...]], actual: list[tuple[Any, ...]]
) -> Iterator[Fault]:
    """Yield a fault for each row or value of a table that differs from what the log projects to.

    The column ``ended_by`` is left out: it depends on later entries, see :class:`GlobalChecks`.
    """
    if expected == actual:
        return
    if table is not WORDS:
        ended_by = _end_position(table)
        expected, actual = _without_column(ended_by, expected), _without_column(ended_by, actual)
    if expected == actual:
        return
    width = len(table.primary_key.columns)
    expected_rows = {row[:width]: row for row in expected}
    actual_rows = {row[:width]: row for row in actual}
    names = [column.name for column in table.columns]
    names = [name for name in names if name != "ended_by"]
    for key in sorted(expected_rows.keys() | actual_rows.keys(), key=repr):
        row, log_row = actual_rows.get(key), expected_rows.get(key)
        if row is None:
            yield row_fault(table, key, "", "is missing")
        elif log_row is None:
            yield row_fault(table, key, "", "is in the table but not in the log")
        else:
            for name, actual_value, expected_value in zip(names, row, log_row, strict=True):
                if actual_value != expected_value or type(actual_value) is not type(expected_value):
                    yield row_fault(
                        table,
                        key,
                        name,
                        f"is {_shortened(actual_value)}, but the log has {_shortened(expected_value)}",
                    )


def _shortened(value: object) -> str:
    """Return the beginning of a value's ``repr``."""
    # Cut before calling `repr`: that of a large damaged value may not fit into memory.
    return repr(value[:80] if isinstance(value, str | bytes) else value)[:80]


def _end_position(table: Table) -> int:
    return [column.name for column in table.columns].index("ended_by")


def _without_column(position: int, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [row[:position] + row[position + 1 :] for row in rows]


def row_fault(table: Table, row: tuple[Any, ...], column: str, what: str) -> Fault:
    """Return a fault of one row or, if ``column`` is not empty, of one value in it.

    ``row`` may be cut short, as long as it has the columns of the primary key.
    """
    names = [column.name for column in table.columns]
    entry = row[names.index("entry")] if names.index("entry") < len(row) else None
    keys = [row[names.index(key.name)] for key in table.primary_key.columns]
    shown_keys = [key[:200] if isinstance(key, str) else _shortened(key) for key in keys]
    return Fault(table.name, what, entry, row=" ".join(shown_keys), column=column)
