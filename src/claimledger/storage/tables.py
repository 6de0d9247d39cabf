"""The tables of a ledger: the log, and the views derived from the records' own declarations.

A record's field is spelled once, in :mod:`claimledger.records`; :func:`_mirror` turns each kind into a
table, each part of a kind into another table. Every row has the entry that created it and, once
it has ended, the entry it ended with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import BLOB, REAL, Column, Index, Integer, MetaData, Table, Text, text
from sqlmodel import Field, SQLModel

from claimledger.log.entry import FORMAT
from claimledger.records.base import Part, Record
from claimledger.records.kinds import KINDS, fields_of
from claimledger.records.kinds import Field as RecordField

LAYOUT = FORMAT * 100 + 5
"""The log's format and the layout of these tables: views of an older one are rebuilt."""

metadata = MetaData()


class Row(SQLModel):
    """Base of the tables that are written out here, with the ledger's own metadata."""

    metadata = metadata


def _int(name: str, **options: Any) -> Any:
    return Field(sa_column=Column(name, Integer, **{"nullable": False, **options}))


def _text(name: str, **options: Any) -> Any:
    return Field(sa_column=Column(name, Text, **{"nullable": False, **options}))


class LogEntry(Row, table=True):
    """The log. Triggers make it append-only."""

    __tablename__ = "entry"

    number: int = _int("number", primary_key=True, autoincrement=False)
    header: str = _text("header")
    payload: str | None = _text("payload", nullable=True)
    salt: bytes | None = Field(sa_column=Column("salt", BLOB, nullable=True))
    nodes: bytes = Field(sa_column=Column("nodes", BLOB, nullable=False))


class History(Row, table=True):
    """Every entry by its record: what it did, when, by whom, why, and how long it was live."""

    __tablename__ = "history"
    __table_args__ = (
        Index("history_key", "key", "kind"),
        Index(
            "history_number",
            "kind",
            "number",
            sqlite_where=text("number IS NOT NULL"),
        ),
        Index(
            "history_content",
            "content",
            sqlite_where=text("content IS NOT NULL"),
        ),
        Index(
            "history_replaced_by",
            "replaced_by",
            sqlite_where=text("replaced_by IS NOT NULL"),
        ),
    )

    entry: int = _int("entry", primary_key=True, autoincrement=False)
    kind: str = _text("kind")
    key: str = _text("key")
    action: str = _text("action")
    ended_by: int | None = _int("ended_by", nullable=True)
    recorded_at: str = _text("recorded_at")
    recorded_by: str | None = _text("recorded_by", nullable=True)
    reason: str | None = _text("reason", nullable=True)
    replaced_by: str | None = _text("replaced_by", nullable=True)
    number: int | None = _int("number", nullable=True)
    content: bytes | None = Field(sa_column=Column("content", BLOB, nullable=True))


class ReferenceRow(Row, table=True):
    """Which record points to which: one row a target, whatever the field."""

    __tablename__ = "reference"
    __table_args__ = {"sqlite_with_rowid": False}

    kind: str = _text("kind", primary_key=True)
    key: str = _text("key", primary_key=True)
    entry: int = _int("entry", primary_key=True, autoincrement=False)
    field: str = _text("field", primary_key=True)
    ended_by: int | None = _int("ended_by", nullable=True)


class SearchWords(Row, table=True):
    """The folded words of a record, as in the full-text index."""

    __tablename__ = "search_words"

    entry: int = _int("entry", primary_key=True, autoincrement=False)
    words: str = _text("words")


def columns_of(field: RecordField) -> Iterator[tuple[str, type[Any]]]:
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
    # No class of its own: nobody asks for these rows as objects, and thirteen mapped classes are a
    # tenth of what starting the program takes.
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


def _index(table: Table, field: RecordField) -> None:
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

ENTRY: Table = LogEntry.__table__  # type: ignore[attr-defined]
HISTORY: Table = History.__table__  # type: ignore[attr-defined]
PENDING_SCRUB = Table(
    "pending_scrub",
    metadata,
    Column("entry", Integer, primary_key=True, autoincrement=False),
)
"""Redactions whose texts may still lie in the store's files: written with them, removed by a scrub."""

REFERENCE: Table = ReferenceRow.__table__  # type: ignore[attr-defined]
WORDS: Table = SearchWords.__table__  # type: ignore[attr-defined]


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
