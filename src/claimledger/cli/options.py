"""Options of a command, derived from the fields of the record that it writes.

A field that is added to a record becomes an option of the commands that write the record; its description is
the help.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import click

from claimledger.cli.context import complete_key
from claimledger.records.base import Part, Record
from claimledger.records.kinds import Field, fields_of

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_LONG_VOCABULARY = 12
"""From this many words on, a vocabulary is not listed in the help."""

_LAST = {"key": 1, "note": 2}
_METAVARS = {"date": "DATE", "map": "NAME=TEXT"}
_NAMES = {"language": "TAG", "url": "URL", "archive_url": "URL"}


def options_of(
    model: type[Record | Part], *, only: Collection[str] = (), without: Collection[str] = ()
) -> Decorator:
    """Return a decorator that gives a command an option for each field of a record or part.

    ``only`` and ``without`` select fields by name. Fields that are parts, such as figures, have no option.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for field in reversed(list(_fields(model, only, without))):
            names, attributes = _declaration(field, model)
            command = click.option(*names, **attributes)(command)
        return command

    return decorate


def parameters_of(
    model: type[Record | Part], *, without: Collection[str] = ()
) -> list[click.Parameter]:
    """Return the same options as parameters, for a command that is built without decorators."""
    declarations = [_declaration(field, model) for field in _fields(model, (), without)]
    return [click.Option(names, **attributes) for names, attributes in declarations]


def _fields(
    model: type[Record | Part], only: Collection[str], without: Collection[str]
) -> Iterator[Field]:
    # What a person must give comes first, a key and a note last.
    for field in sorted(fields_of(model), key=lambda field: _LAST.get(field.name, 0)):
        if field.form != "parts" and field.name not in without and (not only or field.name in only):
            yield field


def _declaration(field: Field, model: type[Record | Part]) -> tuple[list[str], dict[str, Any]]:
    """Return the names and the attributes of a field's option, as click takes them."""
    multiple = field.form in ("texts", "map")
    help_text = f"{field.description[0].upper()}{field.description[1:]}"
    help_text += "; may be repeated." if multiple else "."
    attributes: dict[str, Any] = {"multiple": multiple, "help": help_text}
    if 0 < len(field.choices) < _LONG_VOCABULARY:
        attributes["type"] = click.Choice(field.choices)
    elif field.points_to or field.name == "key":
        attributes["metavar"] = "KEY"
    else:
        attributes["metavar"] = _METAVARS.get(field.form) or _NAMES.get(field.name, "TEXT")
    if field.points_to:
        attributes["shell_complete"] = complete_key
    if field.name == "key" and issubclass(model, Record):
        attributes["help"] = f"A key for the {model.kind}.  [{model.letter}1, {model.letter}2, ...]"
    return [f"--{field.name.replace('_', '-')}", field.name], attributes
