"""Checks the fields of a record, and returns the record or all of its problems."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from claimledger.errors import InvalidInputError, Problem
from claimledger.records.base import Record
from claimledger.records.keys import KEY_PATTERN, key_fault
from claimledger.records.kinds import KINDS, fields_of
from claimledger.text.unicode import name_fault, visible

_LONGEST_SHOWN = 60


def record_from(fields: Mapping[str, Any]) -> Record:
    """Return the record that some fields, among them ``kind``, describe.

    Raises :class:`InvalidInputError` with every problem.
    """
    kind = fields.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        near = nearest(str(kind), KINDS) if kind is not None else []
        hint = f"; did you mean {near[0]}?" if near else ""
        what = "names no kind" if kind is None else "names an unknown kind"
        problem = Problem(
            what,
            field="kind",
            value="" if kind is None else shown(kind),
            expected=f"one of {', '.join(KINDS)}{hint}",
        )
        raise InvalidInputError([problem])
    return record_of(kind, {name: value for name, value in fields.items() if name != "kind"})


def record_of(kind: str, fields: Mapping[str, Any]) -> Record:
    """Return a record of a kind from its fields; raise :class:`InvalidInputError` with every problem."""
    if kind not in KINDS:
        return record_from({**fields, "kind": kind})  # raises an error that lists the kinds
    model = KINDS[kind]
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        name = f"{kind} {fields['key']}" if isinstance(fields.get("key"), str) else kind
        try:
            problems = [_problem(details, model) for details in error.errors(include_url=False)]
        except UnicodeEncodeError:
            # pydantic cannot format a message that contains a lone surrogate.
            problems = [Problem(_PLAIN_TYPES["string_unicode"])]
        raise InvalidInputError(
            [problem.at(record=visible(name)[:100]) for problem in problems]
        ) from None


def nearest(word: str, known: Any) -> list[str]:
    """Return at most three known words that are similar to a word, the most similar first."""
    return get_close_matches(word, list(known), n=3, cutoff=0.6)


def shown(value: object) -> str:
    """Return a value as error messages show it: escaped, shortened and, if it is text, in quotes."""
    text = value if isinstance(value, str) else repr(value)
    cut = text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
    return f'"{visible(cut)}"' if isinstance(value, str) else visible(cut)


_PLAIN_TYPES = {
    "string_type": "must be text",
    "string_unicode": "contains a lone surrogate, which is not a Unicode character",
    "tuple_type": "must be a list",
    "dict_type": "must be an object of names and texts",
    "model_type": "must be an object",
    "string_too_short": "is empty; leave the field out if it is not known",
}


def _problem(details: ErrorDetails, model: type[BaseModel]) -> Problem:
    where = [str(step) for step in details["loc"]]
    kind, context = details["type"], details.get("ctx", {})
    field = ".".join(where)
    value = "" if kind == "missing" else shown(details["input"])
    if isinstance(details["input"], dict | list | BaseModel) and kind != "model_type":
        value = ""
    if kind == "missing":
        return Problem("is missing", field=field, expected=f"give `{where[-1]}`")
    if kind == "extra_forbidden":
        names = _names_at(model, where[:-1])
        near = nearest(where[-1], names)
        expected = f"did you mean {near[0]}?" if near else f"the fields are {', '.join(names)}"
        return Problem("unknown field", field=visible(field), value=value, expected=expected)
    if kind == "enum":
        near = [word for word in nearest(str(details["input"]), _choices(context)) if word]
        hint = f"; did you mean {near[0]}?" if near else ""
        expected = f"one of {', '.join(_choices(context))}{hint}"
        return Problem(
            "is not one of the allowed values", field=field, value=value, expected=expected
        )
    if kind == "too_short":
        return Problem("must have at least one value", field=field)
    if kind == "too_long":
        length, limit = context.get("actual_length"), context.get("max_length")
        return Problem(f"has {length} values, and at most {limit} are allowed", field=field)
    if kind == "string_too_long":
        return Problem(
            f"is longer than {context.get('max_length')} characters", field=field, value=value
        )
    if kind == "string_pattern_mismatch":
        text = str(details["input"])
        is_key = context.get("pattern") == KEY_PATTERN
        return Problem(key_fault(text) if is_key else name_fault(text), field=field, value=value)
    return Problem(_PLAIN_TYPES.get(kind, details["msg"]), field=field, value=value)


def _choices(context: Mapping[str, Any]) -> list[str]:
    # pydantic lists the choices in one text: 'a', 'b' or 'c'.
    return [part for part in str(context.get("expected", "")).split("'") if part.strip(" ,or")]


def _names_at(model: type[BaseModel], where: list[str]) -> list[str]:
    declared_in: type[BaseModel] = model
    for step in where:
        parts = {field.name: field.part for field in fields_of(declared_in)}
        declared_in = parts.get(step) or declared_in
    return [field.name for field in fields_of(declared_in)]
