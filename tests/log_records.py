"""Generate the tables in the specification of the log from the declarations in the program."""

from __future__ import annotations

from claimledger.log.validate import RULES
from claimledger.records.base import Part, Record
from claimledger.records.forms import PARTS, Form, forms_of
from claimledger.records.kinds import KINDS


def rule_table() -> str:
    """Return the Markdown table of the log's rules."""
    rules = [f"| `{name}` | {rule} |" for name, rule in RULES.items()]
    return "\n".join(["| rule | says |", "|---|---|", *rules])


def record_table() -> str:
    """Return the Markdown table of the kinds of record and the two parts of records, with their fields."""
    rows = ["| kind | letter | must have | may have |", "|---|---|---|---|"]
    for kind, model in KINDS.items():
        rows.append(f"| `{kind}` | `{model.letter}` | {_fields(model)} |")
    for name, part in PARTS.items():
        rows.append(f"| a {name} | | {_fields(part)} |")
    fixed = "; ".join(
        f"of a {kind} " + ", ".join(f"`{name}`" for name in model.fixed)
        for kind, model in KINDS.items()
        if model.fixed
    )
    return "\n".join(rows) + f"\n\nFixed fields: {fixed}."


def _fields(model: type[Record | Part]) -> str:
    cells = []
    for required in (True, False):
        forms = forms_of(model, required=required)
        cells.append("; ".join(f"`{name}`: {_in_words(form)}" for name, form in forms.items()))
    return " | ".join(cells)


def _in_words(form: Form) -> str:
    if isinstance(form, tuple):
        return ", ".join(f'"{choice}"' for choice in form)
    return f"{form}s" if form.startswith("list of ") else form
