"""The tables of a ledger: the log, and the views derived from the records' own declarations.

A record's field is spelled once, in :mod:`claimledger.records`; :func:`_mirror` turns each kind into a
table, each part of a kind into another table. Every row has the entry that created it and, once
it has ended, the entry it ended with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import BLOB, REAL, Column, Index, Integer, MetaData, Table, Text

from claimledger.log.entry import FORMAT
from claimledger.records.base import Part, Record
from claimledger.records.kinds import KINDS, Field, fields_of

LAYOUT = FORMAT * 100 + 5
"""The log's format and the layout of these tables: views of an older one are rebuilt."""

metadata = MetaData()


ENTRY = Table(
    "entry",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("header", Text, nullable=False),
    Column("payload", Text),
    Column("salt", BLOB),
    Column("nodes", BLOB, nullable=False),
)
"""The log. Triggers make it append-only."""

HISTORY = Table(
    "history",
    metadata,
    Column("entry", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("ended_by", Integer),
    Column("recorded_at", Text, nullable=False),
    Column("recorded_by", Text),
    Column("reason", Text),
    Column("replaced_by", Text),
    Column("number", Integer),
    Column("content", BLOB),
)
"""Every entry by its record: what it did, when, by whom, why, and which entry ended the version."""

Index("history_key", HISTORY.c.key, HISTORY.c.kind)
Index(
    "history_number",
    HISTORY.c.kind,
    HISTORY.c.number,
    sqlite_where=HISTORY.c.number.is_not(None),
)
Index("history_content", HISTORY.c.content, sqlite_where=HISTORY.c.content.is_not(None))
Index("history_replaced_by", HISTORY.c.replaced_by, sqlite_where=HISTORY.c.replaced_by.is_not(None))

REFERENCE = Table(
    "reference",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("entry", Integer, primary_key=True, autoincrement=False),
    Column("field", Text, primary_key=True),
    Column("ended_by", Integer),
    sqlite_with_rowid=False,
)
"""Which record refers to which: one row for each field that refers to a record."""

WORDS = Table(
    "search_words",
    metadata,
    Column("entry", Integer, primary_key=True, autoincrement=False),
    Column("words", Text, nullable=False),
)
"""The folded words of a record, as in the full-text index."""


def columns_of(field: Field) -> Iterator[tuple[str, type[Any]]]:
    """Yield the columns a field takes: name, SQL type."""
    name = field.name
    yield name if field.form != "target" else f"{name}_kind", Text
    if field.form == "decimal":
        yield f"{name}_sort", REAL
    elif field.form == "date":
        yield f"{name}_printed", Text
        yield f"{name}_earliest", Integer
        yield f"{name}_latest", Integer
    elif field.form == "target":
        yield f"{name}_key", Text


def _mirror(model: type[Record] | type[Part], name: str) -> Table:
    # `claimledger.models` has a class for each table. Mapping classes here would slow every start.
    columns = [Column("entry", Integer, primary_key=True, autoincrement=False)]
    if issubclass(model, Part):
        columns.append(Column("position", Integer, primary_key=True, autoincrement=False))
    for field in fields_of(model):
        if field.form != "parts":
            columns += (Column(column, sql_type) for column, sql_type in columns_of(field))
    columns.append(Column("ended_by", Integer))
    table = Table(name, metadata, *columns)
    for field in fields_of(model):
        _index(table, field)
    return table


_SPARSE = {"formula"}
"""Fields that few records have, and by which these are looked for."""


def _index(table: Table, field: Field) -> None:
    """Index what ranges are asked of: dates by their bounds, decimals by their order."""
    columns = {"date": ("earliest", "latest"), "decimal": ("sort",)}.get(field.form, ())
    if columns:
        columns_ = [table.c[f"{field.name}_{column}"] for column in columns]
        is_present = table.c[field.name].is_not(None)
        Index(f"{table.name}_{field.name}", *columns_, sqlite_where=is_present)
    elif field.name in _SPARSE:
        # By entry, not by the text itself, which can be longer than an index entry may be.
        is_present = table.c[field.name].is_not(None)
        Index(f"{table.name}_{field.name}", table.c.entry, sqlite_where=is_present)


def part_tables(kind: str) -> dict[str, str]:
    """Return the tables of a kind's parts, by field: ``figures`` -> ``claim_figure``."""
    return {
        field.name: f"{kind}_{field.part.__name__.lower()}"
        for field in fields_of(KINDS[kind])
        if field.part
    }


def _mirrors() -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for kind, model in KINDS.items():
        tables[kind] = _mirror(model, kind)
        for field in fields_of(model):
            if field.part:
                name = part_tables(kind)[field.name]
                tables[name] = _mirror(field.part, name)
    return tables


MIRRORS = _mirrors()
"""The views of records and their parts, by table name."""

PENDING_SCRUB = Table(
    "pending_scrub",
    metadata,
    Column("entry", Integer, primary_key=True, autoincrement=False),
)
"""Redactions whose texts may still lie in the store's files: written with them, removed by a scrub."""


class HistoryRow(NamedTuple):
    """A row of :data:`HISTORY`, in the order of its columns."""

    entry: int
    kind: str
    key: str
    action: str
    ended_by: int | None
    recorded_at: str
    recorded_by: str | None
    reason: str | None
    replaced_by: str | None
    number: int | None
    content: bytes | None


def version_of(table: Table) -> list[Column[Any]]:
    """Return the columns that find a version's rows: a reference by all of its key, others by their entry."""
    return list(table.primary_key.columns) if table is REFERENCE else [table.c.entry]


VIEWS: dict[str, Table] = {
    "history": HISTORY,
    **MIRRORS,
    "reference": REFERENCE,
    "search_words": WORDS,
}
"""Every table that can be rebuilt from the log, by name."""
