"""The formats of the report and the audit: one module for each format, and a registry of them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

REPORT = {"html": "html", "markdown": "markdown", "json": "json", "csv": "csv"}
"""The formats of the report, each with the module that writes it."""

AUDIT = {"text": "text", "markdown": "markdown", "html": "html", "json": "json"}
"""The formats of the audit, each with the module that writes it."""


def writer(what: str, name: str) -> Callable[[Any], str]:
    """Return the function that writes a report or an audit in a format.

    ``what`` is ``report`` or ``audit``; ``name`` is a format of :data:`REPORT` or :data:`AUDIT`.
    """
    module = {"report": REPORT, "audit": AUDIT}[what][name]
    renderer = import_module(f"claimledger.render.{module}")
    write: Callable[[Any], str] = getattr(renderer, what)
    return write
