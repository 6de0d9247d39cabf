"""The records of the log's format, as the specification tables them: made from the declarations."""

from __future__ import annotations

from claimledger.ledger.validate import RULES
from claimledger.records.base import Part, Record
from claimledger.records.citation import Citation
from claimledger.records.figure import Figure
from claimledger.records.kinds import KINDS, Field, fields_of
from claimledger.records.text import Name, Prose

_OF_ONE_KIND = {
    "sha256": "sha256",
    "media_type": "media type",
    "wikidata": "item",
    "language": "language",
    "url": "address",
    "archive_url": "address",
    "of": "word",
    "formula": "formula",
}
"""Fields with a form of their own, which pydantic checks by a function."""


def rule_table() -> str:
    """Return the table of the rules."""
    return "\n".join(
        [
            "| rule | says |",
            "|---|---|",
            *(f"| `{name}` | {rule} |" for name, rule in RULES.items()),
        ]
    )


def record_table() -> str:
    """Return the table of the kinds, and of the two parts of records, with their fields."""
    rows = ["| kind | letter | must have | may have |", "|---|---|---|---|"]
    for kind, model in KINDS.items():
        rows.append(
            f"| `{kind}` | `{model.letter}` | {_fields(model, True)} | {_fields(model, False)} |"
        )
    for part in (Figure, Citation):
        name = part.__name__.lower()
        rows.append(f"| a {name} | | {_fields(part, True)} | {_fields(part, False)} |")
    fixed = "; ".join(
        f"of a {kind} " + ", ".join(f"`{name}`" for name in model.fixed)
        for kind, model in KINDS.items()
        if model.fixed
    )
    return "\n".join(rows) + f"\n\nFixed fields: {fixed}."


def _fields(model: type[Record] | type[Part], needed: bool) -> str:
    return "; ".join(
        f"`{field.name}`: {form_of(field, model)}"
        for field in fields_of(model)
        if field.required == needed and field.name != "key"
    )


def form_of(field: Field, model: type[Record] | type[Part]) -> str:
    """Return what the specification calls the form of a field."""
    if field.choices:
        return ", ".join(f'"{choice}"' for choice in field.choices)
    if field.part:
        return f"list of {field.part.__name__.lower()}s"
    if field.points_to:
        return "list of keys" if field.form == "texts" else "key"
    if field.form in ("date", "decimal", "target", "map"):
        return field.form
    if field.name in _OF_ONE_KIND:
        return _OF_ONE_KIND[field.name]
    patterns = {
        str(constraint.pattern): name
        for name, declared in (("name", Name), ("text", Prose))
        for constraint in declared.__metadata__
    }
    annotation = str(
        model.__annotations__.get(field.attribute) or Record.__annotations__[field.attribute]
    )
    form = "name" if "Name" in annotation else "text"
    assert form in patterns.values()
    return f"list of {form}s" if field.form == "texts" else form
