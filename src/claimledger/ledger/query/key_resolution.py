"""Changes every replaced key in a record to the key that it resolves to.

A stored record has the keys with which it was recorded. Exports are resolved because the ledger that imports
them does not know the replacements; the analysis needs it because it compares records by key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any

from pydantic import ValidationError

from claimledger.ledger.query.records import StoredRecord, any_replaced, replacements
from claimledger.ledger.query.snapshot import Snapshot
from claimledger.records.formula import Count, Formula, Input, read_formula
from claimledger.records.kinds import KINDS, Field, fields_of
from claimledger.storage.projection import pointers
from claimledger.text.unicode import LONGEST_NAME

Json = Mapping[str, Any]
Replaced = Mapping[str, Mapping[str, str]]
"""By kind: the replaced keys, each with the key that it resolves to."""


def resolve_json(snapshot: Snapshot, kind: str, records: Iterable[Json]) -> Iterator[Json]:
    """Yield records of a kind in their JSON form, with every replaced key in them resolved."""
    remaining = iter(records)
    if not any_replaced(snapshot.store):
        yield from remaining
        return
    while batch := list(islice(remaining, _BATCH)):
        keys: dict[str, set[str]] = defaultdict(set)
        for record in batch:
            for to_kind, key in _referenced(kind, record):
                keys[to_kind].add(key)
        replaced = {to: replacements(snapshot, to, keys[to]) for to in keys}
        if any(replaced.values()):
            batch = [_renamed(KINDS[kind], record, replaced) for record in batch]
        yield from batch


def resolve_records(snapshot: Snapshot, records: Iterable[StoredRecord]) -> list[StoredRecord]:
    """Return records in the same order, with every replaced key in them resolved."""
    resolved = list(records)
    if not any_replaced(snapshot.store):
        return resolved
    by_kind: dict[str, list[int]] = defaultdict(list)
    for position, stored in enumerate(resolved):
        by_kind[stored.kind].append(position)
    for kind, positions in by_kind.items():
        before = [resolved[position].record.as_json() for position in positions]
        after = resolve_json(snapshot, kind, before)
        for position, old, new in zip(positions, before, after, strict=True):
            if new != old:
                # Older versions allowed replacements after which a link has the same claim at both ends.
                with suppress(ValidationError):
                    record = KINDS[kind].model_validate(new)
                    resolved[position] = replace(resolved[position], record=record)
    return resolved


_BATCH = 1000
"""The number of records whose keys are looked up together."""


def _referenced(kind: str, record: Json) -> set[tuple[str, str]]:
    """Return the kind and key of each reference in a record, and of each input of its formulas."""
    referenced = {(to, key) for to, key, _ in pointers(kind, record)}
    for figure in record.get("figures", ()) if kind == "claim" else ():
        formula = read_formula(figure["formula"]) if figure.get("formula") else None
        if isinstance(formula, Formula):
            referenced |= {("claim", operand.claim) for operand in formula.inputs}
        elif formula is not None:
            referenced.add(("subject", formula.subject))
    return referenced


def _renamed(model: Any, record: Json, replaced: Replaced) -> dict[str, Any]:
    declared = {field.name: field for field in fields_of(model)}
    return {
        name: _renamed_in(declared[name], value, replaced) if name in declared else value
        for name, value in record.items()
    }


def _renamed_in(field: Field, value: Any, replaced: Replaced) -> Any:
    """Return the value of a field with its keys renamed and duplicates removed."""
    if field.part is not None:
        return [_renamed(field.part, part, replaced) for part in value]
    if field.form == "target":
        if isinstance(value, str):
            return _resolve("claim", value, replaced)
        return {to: _resolve(to, key, replaced) for to, key in value.items()}
    if field.name == "formula":
        return _renamed_formula(value, replaced)
    if field.points_to is None:
        return value
    if isinstance(value, str):
        return _resolve(field.points_to, value, replaced)
    return list(dict.fromkeys(_resolve(field.points_to, key, replaced) for key in value))


def _renamed_formula(text: str, replaced: Replaced) -> str:
    """Return a formula with its keys renamed, or unchanged if the result would be too long."""
    formula = read_formula(text)
    renamed: Count | Formula
    if isinstance(formula, Count):
        renamed = Count(formula.what, _resolve("subject", formula.subject, replaced), formula.scope)
    else:
        inputs = [
            Input(_resolve("claim", operand.claim, replaced), operand.measure)
            for operand in formula.inputs
        ]
        renamed = Formula(formula.operation, tuple(inputs))
    return str(renamed) if len(str(renamed)) <= LONGEST_NAME else text


def _resolve(kind: str, key: str, replaced: Replaced) -> str:
    return replaced.get(kind, {}).get(key, key)
