"""From an entry's record to the rows of the views: pure, and the same at writing and at rebuilding.

For each kind a few small functions are made once from its declaration; a record's JSON form then
becomes rows without looking at the declaration again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

from claimledger.ledger.canonical import canonical
from claimledger.ledger.tables import part_tables
from claimledger.ledger.words import words_of
from claimledger.records.base import Part, Record
from claimledger.records.dates import Date
from claimledger.records.keys import number_of
from claimledger.records.kinds import KINDS, fields_of
from claimledger.records.kinds import Field as RecordField
from claimledger.records.text import nfc

Json = Mapping[str, Any]
Rows = dict[str, list[tuple[Any, ...]]]
"""Rows by table, in the order of the table's columns."""


def project(entry: int, kind: str, record: Json, rows: Rows) -> None:
    """Add a record version's rows (but history) to ``rows``; ``record`` has its key."""
    shape = _shape(kind)
    rows[kind].append((entry, *shape.cells(record), None))
    for field, table, cells in shape.parts:
        for position, part in enumerate(record.get(field, ())):
            rows[table].append((entry, position, *cells(part), None))
    rows["reference"].extend(
        [(to, key, entry, field, None) for to, key, field in sorted(pointers(kind, record))]
    )
    words = search_words(kind, record)
    if words:
        rows["search_words"].append((entry, words))


def pointers(kind: str, record: Json) -> set[tuple[str, str, str]]:
    """Return what a record points to: kind, key and field of each reference."""
    found: set[tuple[str, str, str]] = set()
    for read in _shape(kind).pointers:
        read(record, found)
    return found


def search_words(kind: str, record: Json) -> str:
    """Return the words full-text search finds a record by, joined."""
    found: list[str] = []
    for field in KINDS[kind].searched:
        held = record.get(field)
        if isinstance(held, str):
            found += words_of(held)
        elif held:
            for text in held:
                found += words_of(text)
    return " ".join(found)


def content_digest(kind: str, record: Json) -> bytes:
    """Return what a record without a key of its own is known by: its other fields, in NFC."""
    content = {name: held for name, held in record.items() if name != "key"}
    return sha256(f"{kind}\n{nfc(canonical(content).decode())}".encode()).digest()[:16]


def number_in(kind: str, key: str) -> int | None:
    """Return the number in a key the ledger gave out, ``None`` for a slug."""
    return number_of(key, KINDS[kind].letter) or None


Cells = Callable[[Json], tuple[Any, ...]]
Reader = Callable[[Json, set[tuple[str, str, str]]], None]


class _Shape:
    """What projection knows of a kind."""

    def __init__(self, model: type[Record]) -> None:
        tables = part_tables(model.kind)
        fields = fields_of(model)
        self.cells = _cells(model)
        self.parts = [(f.name, tables[f.name], _cells(f.part)) for f in fields if f.part]
        self.pointers = _pointers(fields, "")


@lru_cache
def _shape(kind: str) -> _Shape:
    return _Shape(KINDS[kind])


def _cells(model: type[Record] | type[Part]) -> Cells:
    readers = [_cell(field) for field in fields_of(model) if field.form != "parts"]

    def cells(record: Json) -> tuple[Any, ...]:
        row: list[Any] = []
        for read in readers:
            read(record, row)
        return tuple(row)

    return cells


def _cell(field: RecordField) -> Callable[[Json, list[Any]], None]:
    name = field.name

    def text(record: Json, row: list[Any]) -> None:
        row.append(record.get(name))

    def structure(record: Json, row: list[Any]) -> None:
        held = record.get(name)
        row.append(canonical(held).decode() if held else None)

    def number(record: Json, row: list[Any]) -> None:
        held = record.get(name)
        row += (held, None if held is None else float(held))

    def date(record: Json, row: list[Any]) -> None:
        held = record.get(name)
        if held is None:
            row += (None, None, None, None)
        elif isinstance(held, str):
            read = Date.of(held)
            row += (held, None, read.earliest, read.latest)
        else:
            read = Date.of(held["edtf"])
            row += (held["edtf"], held["printed"], read.earliest, read.latest)

    def target(record: Json, row: list[Any]) -> None:
        held = record[name]
        row += ("claim", held) if isinstance(held, str) else next(iter(held.items()))

    forms = {
        "texts": structure,
        "map": structure,
        "decimal": number,
        "date": date,
        "target": target,
    }
    return forms.get(field.form, text)


def _pointers(fields: tuple[RecordField, ...], prefix: str) -> list[Reader]:
    readers: list[Reader] = []
    for field in fields:
        if field.part:
            inner = _pointers(fields_of(field.part), f"{field.name}.")
            if inner:
                readers.append(_in_parts(field.name, inner))
        elif field.form == "target":
            readers.append(_to_target(field.name))
        elif field.points_to:
            readers.append(_to_record(field.name, prefix + field.name, field.points_to))
    return readers


def _in_parts(name: str, readers: list[Reader]) -> Reader:
    def read(record: Json, found: set[tuple[str, str, str]]) -> None:
        for part in record.get(name, ()):
            for reader in readers:
                reader(part, found)

    return read


def _to_target(name: str) -> Reader:
    def read(record: Json, found: set[tuple[str, str, str]]) -> None:
        held = record[name]
        kind, key = ("claim", held) if isinstance(held, str) else next(iter(held.items()))
        found.add((kind, key, name))

    return read


def _to_record(name: str, field: str, kind: str) -> Reader:
    def read(record: Json, found: set[tuple[str, str, str]]) -> None:
        held = record.get(name)
        if isinstance(held, str):
            found.add((kind, held, field))
        elif held:
            found.update((kind, key, field) for key in held)

    return read
