"""From an entry's record to the rows of the views: pure functions, shared by writing and rebuilding.

For each kind a few small functions are built once from its declaration; a record's JSON form then
becomes rows without looking at the declaration again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

from claimledger.log.canonical_json import canonical
from claimledger.records.base import Part, Record
from claimledger.records.dates import Date
from claimledger.records.keys import number_of
from claimledger.records.kinds import KINDS, fields_of
from claimledger.storage.tables import columns_of, part_tables
from claimledger.text.fold import joined_words
from claimledger.text.unicode import nfc

Json = Mapping[str, Any]
Rows = dict[str, list[tuple[Any, ...]]]
"""Rows by table, in the order of the table's columns."""


def project(entry: int, kind: str, key: str, record: Json, rows: Rows) -> set[ReferenceKey]:
    """Add the rows of a record's version, except history, to ``rows``; return its references."""
    if kind not in KINDS:
        return set()  # recorded by a newer program: it stays in the log and in history
    shape = _shape(kind)
    references: set[ReferenceKey] = set()
    rows[kind].append((entry, key, *shape.cells(record, references), None))
    for field, table, cells in shape.parts:
        if field in record:
            rows[table] += [
                (entry, position, *cells(part, references), None)
                for position, part in enumerate(record[field])
            ]
    # In order, so that the same log always gives the same file.
    rows["reference"] += [
        (to, target, entry, field, None) for to, target, field in sorted(references)
    ]
    words = search_words(kind, record)
    if words:
        rows["search_words"].append((entry, words))
    return references


def pointers(kind: str, record: Json) -> set[ReferenceKey]:
    """Return the references of a record: kind, key and field of each."""
    references: set[ReferenceKey] = set()
    if kind not in KINDS:
        return references
    shape = _shape(kind)
    shape.cells(record, references)
    for field, _, cells in shape.parts:
        for part in record.get(field, ()):
            cells(part, references)
    return references


def search_words(kind: str, record: Json) -> str:
    """Return the words full-text search finds a record by, joined."""
    words: list[str] = []
    for field in KINDS[kind].searched:
        value = record.get(field)
        if value:
            words += map(joined_words, [value] if isinstance(value, str) else value)
    return " ".join(filter(None, words))


def content_digest(kind: str, record: Json) -> bytes:
    """Return what identifies a record without a key: its other fields, in NFC."""
    content = {name: value for name, value in record.items() if name != "key"}
    return sha256(f"{kind}\n{nfc(canonical(content).decode())}".encode()).digest()[:16]


def number_in(kind: str, key: str) -> int | None:
    """Return the number in a key that the ledger assigned; ``None`` for a key that a person chose."""
    if kind not in KINDS or not key[0].isupper():
        return None
    return number_of(key, KINDS[kind].letter) or None


ReferenceKey = tuple[str, str, str]
"""A reference: the kind and key it refers to, and the field it is in."""

Fill = Callable[[Any], tuple[Any, ...]]


class _Shape:
    """How the records of a kind become rows."""

    def __init__(self, model: type[Record]) -> None:
        tables = part_tables(model.kind)
        self.cells = _Cells(model, "")
        self.parts = [
            (field.name, tables[field.name], _Cells(field.part, field.name + "."))
            for field in fields_of(model)
            if field.part
        ]


@lru_cache
def _shape(kind: str) -> _Shape:
    return _Shape(KINDS[kind])


class _Cells:
    """Builds the cells of a row, and finds its references, in one pass over the record."""

    def __init__(self, model: type[Record] | type[Part], prefix: str) -> None:
        self._places: dict[str, tuple[int, Fill | None, str | None, str]] = {}
        width = 0
        for field in fields_of(model):
            if field.form != "parts" and field.name != "key":
                fill = _FORMS.get(field.form)
                to = "claim" if field.form == "target" else field.points_to
                self._places[field.name] = (width, fill, to, prefix + field.name)
                width += len(list(columns_of(field)))
        self._blank: list[Any] = [None] * width

    def __call__(self, record: Json, references: set[ReferenceKey]) -> list[Any]:
        """Return a record's cells in the order of the columns; add its references to ``references``."""
        row = self._blank.copy()
        places = self._places
        for name, value in record.items():
            if name not in places:
                continue
            place, fill, to, field = places[name]
            if fill is None:
                row[place] = value
                if to is not None:
                    references.add((to, value, field))
                continue
            filled = fill(value)
            row[place : place + len(filled)] = filled
            if to is not None:
                if isinstance(value, list):
                    references.update([(to, key, field) for key in value])
                else:
                    kind, key = filled
                    references.add((kind, key, field))
        return row


def _structure(value: Any) -> tuple[Any, ...]:
    return (canonical(value).decode(),) if value else (None,)


def _number(value: Any) -> tuple[Any, ...]:
    return value, float(value)


def _date(value: Any) -> tuple[Any, ...]:
    if isinstance(value, str):
        read = Date.of(value)
        return value, None, read.earliest, read.latest
    read = Date.of(value["edtf"])
    return value["edtf"], value["printed"], read.earliest, read.latest


def _target(value: Any) -> tuple[Any, ...]:
    return ("claim", value) if isinstance(value, str) else next(iter(value.items()))


_FORMS: dict[str, Fill] = {
    "texts": _structure,
    "map": _structure,
    "decimal": _number,
    "date": _date,
    "target": _target,
}
