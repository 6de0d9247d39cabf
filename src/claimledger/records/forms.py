"""The form of each field in the log's format, which ``docs/log-format.md`` lists and a server checks.

A form is ``text``, ``name``, ``key``, ``target``, ``date``, ``decimal``, ``map``, ``word``, ``language``,
``address``, ``item``, ``sha256``, ``media type``, ``formula``, the name of a part, a tuple of the allowed
values, or a list of one of these: ``list of key``.
"""

from __future__ import annotations

from claimledger.records.base import Part, Record
from claimledger.records.citation import Citation
from claimledger.records.figure import Figure
from claimledger.records.kinds import KINDS, Field, fields_of

Form = str | tuple[str, ...]

PARTS: dict[str, type[Part]] = {"figure": Figure, "citation": Citation}
"""The parts of records, by the name of their form."""

_CHECKED_BY_FUNCTION = {
    "sha256": "sha256",
    "media_type": "media type",
    "wikidata": "item",
    "language": "language",
    "url": "address",
    "archive_url": "address",
    "of": "word",
    "formula": "formula",
}
"""The fields that a function checks, with their form, which their type does not show."""


def form_of(field: Field, model: type[Record | Part]) -> Form:
    """Return the form of a field of a record or of a part."""
    if field.choices:
        return field.choices
    if field.part:
        return f"list of {field.part.__name__.lower()}"
    if field.points_to:
        return "list of key" if field.form == "texts" else "key"
    if field.form in ("date", "decimal", "target", "map"):
        return field.form
    if field.name in _CHECKED_BY_FUNCTION:
        return _CHECKED_BY_FUNCTION[field.name]
    declared = model.__annotations__.get(field.attribute) or Record.__annotations__[field.attribute]
    form = "name" if "Name" in str(declared) else "text"
    return f"list of {form}" if field.form == "texts" else form


def forms_of(model: type[Record | Part], *, required: bool) -> dict[str, Form]:
    """Return the forms of the required fields of a record or part, or of its optional ones, by name."""
    return {
        field.name: form_of(field, model)
        for field in fields_of(model)
        if field.required == required and field.name != "key"
    }


def shapes() -> dict[str, dict[str, object]]:
    """Return, by kind or part, its required fields, the form of each field, its letter and fixed fields."""
    models: dict[str, type[Record | Part]] = {**KINDS, **PARTS}
    return {
        name: {
            "needed": list(forms_of(model, required=True)),
            "fields": forms_of(model, required=True) | forms_of(model, required=False),
            "letter": getattr(model, "letter", ""),
            "fixed": list(getattr(model, "fixed", ())),
        }
        for name, model in models.items()
    }
