"""JSON Schema (2020-12) for each kind of record, generated from the record classes."""

from __future__ import annotations

from typing import Any

from claimledger.records.kinds import KINDS


def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a record of a kind, as case files have it, with its ``kind``."""
    schema = KINDS[kind].model_json_schema(by_alias=True)
    figure = schema.get("$defs", {}).get("Figure")
    if figure:
        figure["properties"]["value"] = {
            "type": "string",
            "description": 'instead of low, high and qualifier: "over 1,800"',
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "properties": {"kind": {"const": kind}, **schema["properties"]},
        "required": ["kind", *schema.get("required", [])],
    }
