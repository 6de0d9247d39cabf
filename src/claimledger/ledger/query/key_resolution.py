"""Records with every reference to a replaced key changed to the key that it resolves to.

A stored record keeps the keys it was recorded with. Exports are resolved because the ledger they are imported
into does not know the replacements, and records that are compared by key so that each has one key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any

from pydantic import ValidationError

from claimledger.ledger.query import records as reading
from claimledger.ledger.query.records import StoredRecord
from claimledger.ledger.query.time_travel import Known
from claimledger.records.formula import Count, Formula, Input, read_formula
from claimledger.records.kinds import KINDS, Field, fields_of
from claimledger.storage.base import Store
from claimledger.storage.projection import pointers
from claimledger.text.unicode import LONGEST_NAME

Json = Mapping[str, Any]
Replaced = Mapping[str, Mapping[str, str]]
"""By kind the keys that were replaced, each with the key that it resolves to."""


def resolved(
    store: Store, kind: str, records: Iterable[Json], known_at: Known = None
) -> Iterator[Json]:
    """Yield records of a kind in their JSON form, with every replaced key in them resolved."""
    waiting = iter(records)
    if not reading.any_replaced(store):
        yield from waiting
        return
    while some := list(islice(waiting, _TOGETHER)):
        keys: dict[str, set[str]] = defaultdict(set)
        for record in some:
            for to, key in _named(kind, record):
                keys[to].add(key)
        replaced = {to: reading.replacements(store, to, keys[to], known_at) for to in keys}
        if any(replaced.values()):
            some = [_renamed(KINDS[kind], one, replaced) for one in some]
        yield from some


def resolved_records(
    store: Store, held: Iterable[StoredRecord], known_at: Known = None
) -> list[StoredRecord]:
    """Return records in the same order, with every replaced key in them resolved."""
    listed = list(held)
    if not reading.any_replaced(store):
        return listed
    by_kind: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(listed):
        by_kind[one.kind].append(place)
    for kind, places in by_kind.items():
        before = [listed[place].record.as_json() for place in places]
        for place, old, new in zip(
            places, before, resolved(store, kind, before, known_at), strict=True
        ):
            if new != old:
                # A link that an older version allowed can have the same claim at both ends now.
                with suppress(ValidationError):
                    listed[place] = replace(listed[place], record=KINDS[kind].model_validate(new))
    return listed


_TOGETHER = 1000
"""Records whose keys are looked up at once."""


def _named(kind: str, record: Json) -> set[tuple[str, str]]:
    """Return the kind and key of each reference in a record, and of each input of its formulas."""
    found = {(to, key) for to, key, _ in pointers(kind, record)}
    for figure in record.get("figures", ()) if kind == "claim" else ():
        formula = read_formula(figure["formula"]) if figure.get("formula") else None
        if isinstance(formula, Formula):
            found |= {("claim", one.claim) for one in formula.inputs}
        elif formula is not None:
            found.add(("subject", formula.subject))
    return found


def _renamed(model: Any, record: Json, replaced: Replaced) -> dict[str, Any]:
    declared = {field.name: field for field in fields_of(model)}
    return {
        name: _renamed_in(declared[name], held, replaced) if name in declared else held
        for name, held in record.items()
    }


def _renamed_in(field: Field, held: Any, replaced: Replaced) -> Any:
    """Return the value of a field with its keys renamed, duplicates removed."""
    if field.part is not None:
        return [_renamed(field.part, one, replaced) for one in held]
    if field.form == "target":
        if isinstance(held, str):
            return _name("claim", held, replaced)
        return {to: _name(to, key, replaced) for to, key in held.items()}
    if field.name == "formula":
        return _renamed_formula(held, replaced)
    if field.points_to is None:
        return held
    if isinstance(held, str):
        return _name(field.points_to, held, replaced)
    return list(dict.fromkeys(_name(field.points_to, key, replaced) for key in held))


def _renamed_formula(text: str, replaced: Replaced) -> str:
    """Return a formula with its keys renamed, or the formula unchanged where that would be too long."""
    formula = read_formula(text)
    renamed: Count | Formula
    if isinstance(formula, Count):
        renamed = Count(formula.what, _name("subject", formula.subject, replaced), formula.scope)
    else:
        inputs = [Input(_name("claim", one.claim, replaced), one.measure) for one in formula.inputs]
        renamed = Formula(formula.operation, tuple(inputs))
    return str(renamed) if len(str(renamed)) <= LONGEST_NAME else text


def _name(kind: str, key: str, replaced: Replaced) -> str:
    return replaced.get(kind, {}).get(key, key)
