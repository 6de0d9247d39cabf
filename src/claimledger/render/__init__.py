"""The formats of the report and the audit: one file per format, and one registry of them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

REPORT = {"html": "html", "markdown": "markdown", "json": "json", "csv": "csv"}
"""The formats of the report, with the module that writes each."""

AUDIT = {"text": "text", "markdown": "markdown", "html": "html", "json": "json"}
"""The formats of the audit, with the module that writes each."""


def writer(what: str, name: str) -> Callable[[Any], str]:
    """Return the function that writes a report or an audit (``what``) in a format."""
    module = {"report": REPORT, "audit": AUDIT}[what][name]
    renderer = import_module(f"claimledger.render.{module}")
    write: Callable[[Any], str] = getattr(renderer, what)
    return write
