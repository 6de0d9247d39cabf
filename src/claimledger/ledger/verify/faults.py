"""Faults: what is not as the log has it, and the comparison of rows that finds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from claimledger.storage.tables import WORDS


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as the log has it: the table, the row, the column, and what is wrong."""

    table: str
    what: str
    entry: int | None = None
    row: str = ""
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


def compared(
    table: Table, expected: list[tuple[Any, ...]], actual: list[tuple[Any, ...]]
) -> Iterator[Fault]:
    """Yield where a table's rows differ from those the log gives, but for ``until``."""
    if expected == actual:
        return
    if table is not WORDS:
        until = _until(table)
        expected, actual = _but(until, expected), _but(until, actual)
    if expected == actual:
        return
    width = len(table.primary_key.columns)
    expected_rows = {row[:width]: row for row in expected}
    actual_rows = {row[:width]: row for row in actual}
    names = [column.name for column in table.columns]
    names = [name for name in names if name != "until"]
    for key in sorted(expected_rows.keys() | actual_rows.keys(), key=repr):
        row, log_row = actual_rows.get(key), expected_rows.get(key)
        if row is None:
            yield row_fault(table, key, "", "is missing")
        elif log_row is None:
            yield row_fault(table, key, "", "is in the table and not in the log")
        else:
            for name, actual_value, expected_value in zip(names, row, log_row, strict=True):
                if actual_value != expected_value or type(actual_value) is not type(expected_value):
                    yield row_fault(
                        table,
                        key,
                        name,
                        f"holds {_shortened(actual_value)}, the log says {_shortened(expected_value)}",
                    )


def _shortened(value: object) -> str:
    """Return the first characters of a value's representation."""
    # Cut before repr: the representation of a damaged value may not fit into memory.
    return repr(value[:80] if isinstance(value, str | bytes) else value)[:80]


def _until(table: Table) -> int:
    return [column.name for column in table.columns].index("until")


def _but(place: int, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [row[:place] + row[place + 1 :] for row in rows]


def row_fault(table: Table, row: tuple[Any, ...], column: str, what: str) -> Fault:
    """Return a fault of one row: named by its key, with its entry."""
    names = [column.name for column in table.columns]
    entry = row[names.index("entry")] if names.index("entry") < len(row) else None
    keys = [row[names.index(key.name)] for key in table.primary_key.columns]
    shown_keys = [key[:200] if isinstance(key, str) else _shortened(key) for key in keys]
    return Fault(table.name, what, entry, row=" ".join(shown_keys), column=column)
