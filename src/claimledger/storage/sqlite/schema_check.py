"""Whether tables, indexes and triggers of a ledger's file are those we make."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from claimledger.storage.sqlite.schema import definitions, objects
from claimledger.storage.tables import LAYOUT


def damage(driver: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Yield what is missing, of another shape, or too much: the table or object, and what."""
    expected, actual = objects(), definitions(driver)
    for kind, name in sorted(expected.keys() - actual.keys()):
        yield name, f"is missing from the file (a {kind})"
    for kind, name in sorted(actual.keys() - expected.keys(), key=repr):
        yield str(name), f"is in the file and should not be (a {kind})"
    for kind, name in sorted(expected.keys() & actual.keys()):
        if expected[kind, name] != actual[kind, name]:
            yield name, f"is defined differently than this program defines it (a {kind})"
    (layout,) = driver.execute("PRAGMA user_version").fetchone()
    if layout != LAYOUT:
        yield "file", f"has the layout number {layout} where it should have {LAYOUT}"
