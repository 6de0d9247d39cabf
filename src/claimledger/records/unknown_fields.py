"""Separates the fields that this program knows from those that a newer version of it wrote.

The kind of a record, a field of a record or of a part, and a field of a payload can be unknown. They remain
in the log, are kept when a record is amended, and are exported unchanged. An unknown action cannot be
skipped, because it may change which records are live: reading it raises an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from claimledger.records.kinds import KINDS, fields_of


@lru_cache
def _known(kind: str) -> dict[str, frozenset[str] | None]:
    """Return the names of the fields of a kind, each with the names of the fields of its parts, if any."""
    return {
        field.name: frozenset(part_field.name for part_field in fields_of(field.part))
        if field.part
        else None
        for field in fields_of(KINDS[kind])
    }


def split(kind: str, record: Mapping[str, Any]) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Return the fields of a record that this program knows, and those that it does not know completely.

    A list of parts with an unknown field is in both: without that field in the first, unchanged in the
    second.
    """
    fields = _known(kind)
    if all(
        name in fields and not _has_unknown_field(fields[name], value)
        for name, value in record.items()
    ):
        return record, {}
    known: dict[str, Any] = {}
    more: dict[str, Any] = {}
    for name, value in record.items():
        if name not in fields:
            more[name] = value
            continue
        part_fields = fields[name]
        if part_fields and _has_unknown_field(part_fields, value):
            more[name] = value
            known[name] = [
                {field: part[field] for field in part if field in part_fields} for part in value
            ]
        else:
            known[name] = value
    return known, more


def _has_unknown_field(part_fields: frozenset[str] | None, parts: Any) -> bool:
    return part_fields is not None and any(not part_fields.issuperset(part) for part in parts)
