"""What a newer program wrote and this one does not know: stored unchanged, passed on, never dropped.

A record's kind, a field of a record or of a part of one, and a field of a payload can be unknown. They stay
in the log, which this program does not touch, go along when a record is amended, and go out with exports. An
action that is unknown cannot be skipped, because it may change what is live: reading stops with an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from claimledger.records.kinds import KINDS, fields_of


@lru_cache
def _known(kind: str) -> dict[str, frozenset[str] | None]:
    """Return the fields of a kind; for one of parts, the fields of a part."""
    return {
        field.name: frozenset(part_field.name for part_field in fields_of(field.part))
        if field.part
        else None
        for field in fields_of(KINDS[kind])
    }


def split(kind: str, record: Mapping[str, Any]) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Return the fields of a record that this program knows, and whole those it does not or not wholly."""
    known = _known(kind)
    plain = all(
        name in known and not (known[name] and _has_unknown_word(known[name], value))
        for name, value in record.items()
    )
    if plain:
        return record, {}
    unknown: dict[str, Any] = {}
    more: dict[str, Any] = {}
    for name, value in record.items():
        if name not in known:
            more[name] = value
            continue
        words = known[name]
        if words and _has_unknown_word(words, value):
            more[name] = value
            unknown[name] = [
                {field: part[field] for field in part if field in words} for part in value
            ]
        else:
            unknown[name] = value
    return unknown, more


def _has_unknown_word(words: frozenset[str] | None, parts: Any) -> bool:
    return words is not None and any(not words.issuperset(part) for part in parts)
