"""The list of all kinds of record, and the declaration of their fields as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from claimledger.records.base import Part, Record
from claimledger.records.capture import Capture
from claimledger.records.claim import Claim
from claimledger.records.dates import Date
from claimledger.records.decision import Decision
from claimledger.records.disposition import Disposition
from claimledger.records.keys import RefersTo
from claimledger.records.link import Link, Target
from claimledger.records.party import Party
from claimledger.records.review import Review
from claimledger.records.source import Source
from claimledger.records.subject import Subject
from claimledger.records.term import Term

KINDS: dict[str, type[Record]] = {
    record.kind: record
    for record in (
        Party,
        Source,
        Subject,
        Term,
        Claim,
        Capture,
        Link,
        Review,
        Decision,
        Disposition,
    )
}
"""Every kind of record with its class, in an order in which each refers mostly to earlier ones."""


@dataclass(frozen=True, slots=True)
class Field:
    """The declaration of a field of a record."""

    name: str
    """The name of the field in files."""

    attribute: str
    required: bool
    description: str
    form: str
    """``text``, ``date``, ``decimal``, ``target``, ``map``, ``texts`` or ``parts``."""

    points_to: str | None
    """The kind of record to which the keys in the field belong; ``None`` if the field has no keys."""

    part: type[Part] | None
    choices: tuple[str, ...]


@lru_cache
def fields_of(model: type[BaseModel]) -> tuple[Field, ...]:
    """Return the fields of a record or a part in the order of declaration: ``key`` first, ``note`` last."""
    fields = [_field(name, info) for name, info in model.model_fields.items()]
    return tuple(sorted(fields, key=lambda f: (f.name != "key", f.name == "note")))


def _field(attribute: str, info: FieldInfo) -> Field:
    types = list(_types(info.annotation))
    part = next((t for t in types if isinstance(t, type) and issubclass(t, Part)), None)
    points = [m.to for m in (*info.metadata, *types) if isinstance(m, RefersTo)]
    is_tuple = any(t is tuple for t in types)
    form = (
        "parts"
        if part
        else "date"
        if Date in types
        else "target"
        if Target in types
        else "map"
        if dict in types
        else "texts"
        if is_tuple
        else "decimal"
        if any(getattr(t, "__name__", "") == "Decimal" for t in types)
        else "text"
    )
    return Field(
        name=info.alias or attribute,
        attribute=attribute,
        required=info.is_required(),
        description=info.description or "",
        form=form,
        points_to=points[0] if points else None,
        part=part,
        choices=tuple(
            str(choice)
            for t in types
            if isinstance(t, type) and issubclass(t, StrEnum)
            for choice in t
        ),
    )


def _types(annotation: Any) -> Iterator[Any]:
    """Yield an annotation and all its parts, including markers such as :class:`RefersTo`."""
    yield annotation
    origin = get_origin(annotation)
    if origin is not None:
        yield origin
    yield from getattr(annotation, "__metadata__", ())
    for inner in get_args(annotation):
        if not isinstance(inner, RefersTo | str):
            yield from _types(inner)
