"""Turns the texts of command-line options into the fields of a record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from claimledger.errors import InvalidInputError, Problem, RuleViolationError
from claimledger.records.base import Part, Record
from claimledger.records.check import nearest, shown
from claimledger.records.kinds import KINDS, Field, fields_of


def fields_from_options(model: type[Record | Part], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record from options by field name, without unused options.

    Raises :class:`InvalidInputError` for a ``name=text`` option that is malformed or repeated.
    """
    fields: dict[str, Any] = {}
    for field in fields_of(model):
        value = options.get(field.name)
        if value is None or value == ():
            continue
        fields[field.name] = pairs(field.name, value) if field.form == "map" else value
        if isinstance(value, tuple) and field.form != "map":
            fields[field.name] = list(value)
    return fields


def pairs(field: str, options: Iterable[str]) -> dict[str, str]:
    """Return ``name=text`` options as a mapping.

    Raises :class:`InvalidInputError` for an option that is malformed or repeated; ``field`` names the field.
    """
    mapping: dict[str, str] = {}
    for option in options:
        name, equals, text = option.partition("=")
        if not equals:
            raise InvalidInputError(
                [
                    Problem(
                        message="is not name=text",
                        field=field,
                        value=shown(option),
                        expected="write it as place=NLD",
                    )
                ]
            )
        if name.strip() in mapping:
            right = "give one text for each name"
            raise InvalidInputError(
                [
                    Problem(
                        message="is given twice",
                        field=f"{field}.{name.strip()}",
                        value=shown(text),
                        expected=right,
                    )
                ]
            )
        mapping[name.strip()] = text.strip()
    return mapping


def figure(text: str) -> dict[str, str]:
    """Return the fields of a figure from ``measure=value``: ``stations=54``, ``reports=over 1,800``.

    Raises :class:`InvalidInputError` for another text.
    """
    measure, equals, value = text.partition("=")
    if not equals or not measure.strip() or not value.strip():
        right = 'measure=value: stations=54, "reports=over 1,800"'
        raise InvalidInputError(
            [
                Problem(
                    message="is not measure=value",
                    field="figure",
                    value=shown(text),
                    expected=right,
                )
            ]
        )
    return {"measure": measure.strip(), "value": value.strip()}


def field_named(kind: str, name: str) -> str:
    """Return the name of a field of a kind; raise :class:`RuleViolationError` if it cannot be amended."""
    if name == "key":
        raise RuleViolationError(
            "a key never changes, because others may cite it; add a record with the right key, then "
            "withdraw this one with --replaced-by"
        )
    names = [field.name for field in fields_of(KINDS[kind]) if field.name != "key"]
    if name not in names:
        near = nearest(name, names)
        hint = f"did you mean {near[0]}?" if near else f"its fields are {', '.join(names)}"
        raise RuleViolationError(f"a {kind} has no field {name!r}; {hint}")
    return name


def new_value(field: Field, typed: str) -> Any:
    """Return the value of the option ``--set field=...``; ``None``, which empties the field, for no text.

    A text that begins with a bracket or a brace is JSON. Commas may separate the keys in a list. Raises
    :class:`InvalidInputError` if the text is not a value of the field.
    """
    text = typed.strip()
    if not text:
        return None
    if text[0] in "[{":
        try:
            return json.loads(text)
        except ValueError as error:
            raise InvalidInputError(
                [Problem(f"is not valid JSON: {error}", field.name, shown(text))]
            ) from None
    if field.form == "texts":
        return [part.strip() for part in text.split(",")] if field.points_to else [text]
    if field.form == "map":
        return pairs(field.name, [part for part in text.split(",") if part.strip()])
    if field.form == "parts":
        right = 'a list in JSON: [{"measure": "stations", "value": "54"}]'
        raise InvalidInputError(
            [Problem(message="needs JSON", field=field.name, value=shown(text), expected=right)]
        )
    return text
