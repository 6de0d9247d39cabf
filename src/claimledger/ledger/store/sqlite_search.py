"""Finding words in a ledger's file: a contentless FTS5 table, its words beside it (decision 4)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence


def index(driver: sqlite3.Connection, rows: Sequence[tuple[int, str]]) -> None:
    """Add records' words to the index."""
    driver.executemany("INSERT INTO search (rowid, words) VALUES (?, ?)", rows)


def forget(driver: sqlite3.Connection, rows: Sequence[tuple[int, str]]) -> None:
    """Take words out of the index and merge it whole, which drops what was taken out."""
    driver.executemany("INSERT INTO search (search, rowid, words) VALUES ('delete', ?, ?)", rows)
    driver.execute("INSERT INTO search (search) VALUES ('optimize')")


def matching(
    driver: sqlite3.Connection, phrases: Sequence[Sequence[str]], most: int
) -> Iterator[int]:
    """Yield the entries whose words hold every phrase, newest first; a last ``*`` is a prefix."""
    query = " AND ".join(_phrase(words) for words in phrases)
    found = driver.execute(
        "SELECT rowid FROM search WHERE search MATCH ? ORDER BY rowid DESC LIMIT ?", (query, most)
    )
    for (entry,) in found:
        yield entry


def _phrase(words: Sequence[str]) -> str:
    prefix = "*" if words[-1].endswith("*") else ""
    return '"' + " ".join(words).rstrip("*") + '"' + prefix


def damage(driver: sqlite3.Connection, *, writable: bool) -> Iterator[tuple[str, str]]:
    """Yield what differs between the index and the words it is made from.

    FTS5 compares them itself, but only on a connection that may write: it is done on a copy of
    the pages in memory, so that reading never changes the file.
    """
    target = driver
    copy: sqlite3.Connection | None = None
    try:
        if not writable:
            copy = sqlite3.connect("")
            driver.backup(copy)
            target = copy
        target.execute("INSERT INTO search (search, rank) VALUES ('integrity-check', 1)")
        options = target.execute("SELECT k, v FROM search_config").fetchall()
        if options != [("version", 4)]:
            yield "search_config", f"holds {options!r}"
    except sqlite3.DatabaseError as error:
        yield "search", f"does not hold the words of search_words: {error}"
    finally:
        if copy is not None:
            copy.close()
