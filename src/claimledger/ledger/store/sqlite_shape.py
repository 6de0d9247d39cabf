"""Whether tables, indexes and triggers of a ledger's file are those we make."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from claimledger.ledger.store.sqlite_schema import objects
from claimledger.ledger.tables import LAYOUT


def damage(driver: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Yield what is missing, of another shape, or too much: the table or object, and what."""
    expected, found = objects(), definitions(driver)
    for name in sorted(expected.keys() - found.keys()):
        yield name, "is missing from the file"
    for name in sorted(found.keys() - expected.keys()):
        yield name, "is in the file and should not be"
    for name in sorted(expected.keys() & found.keys()):
        if expected[name] != found[name]:
            yield name, "is defined differently than this program defines it"
    (layout,) = driver.execute("PRAGMA user_version").fetchone()
    if layout != LAYOUT:
        yield "file", f"has the layout number {layout} where it should have {LAYOUT}"


def definitions(driver: sqlite3.Connection) -> dict[str, str | None]:
    """Return every table, index and trigger of a file, with its definition."""
    return dict(driver.execute("SELECT name, sql FROM sqlite_master"))
