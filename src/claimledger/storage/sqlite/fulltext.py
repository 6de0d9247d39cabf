"""Full-text search in a ledger's file: an external-content FTS5 table and its words (decision 4)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from claimledger.storage.sqlite.files import limit_values


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
    rows = driver.execute(
        "SELECT rowid FROM search WHERE search MATCH ? ORDER BY rowid DESC LIMIT ?", (query, most)
    )
    for (entry,) in rows:
        yield entry


def _phrase(words: Sequence[str]) -> str:
    prefix = "*" if words[-1].endswith("*") else ""
    return '"' + " ".join(words).rstrip("*") + '"' + prefix


def damage(driver: sqlite3.Connection, *, writable: bool) -> Iterator[tuple[str, str]]:
    """Yield the differences between the index and the words it is built from.

    FTS5 compares them itself, but only on a connection that may write: it is done on a copy of
    the pages in memory, so that reading never changes the file.
    """
    target = driver
    copy: sqlite3.Connection | None = None
    try:
        if not writable:
            copy = limit_values(sqlite3.connect(""))
            driver.backup(copy)
            target = copy
        target.execute("INSERT INTO search (search, rank) VALUES ('integrity-check', 1)")
        options = target.execute("SELECT k, v FROM search_config").fetchall()
        if options != [("version", 4)]:
            yield "search_config", f"holds {options!r}"
        yield from _too_much(target)
        yield from _not_found(target)
    except sqlite3.DatabaseError as error:
        yield "search", f"does not hold the words of search_words: {error}"
    finally:
        if copy is not None:
            copy.close()


def _too_much(driver: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Yield the rows of the index's own tables that FTS5 never reads, and that its own check passes over."""
    row = driver.execute(f"SELECT block FROM search_data WHERE id = {_STRUCTURE}").fetchone()
    if row is None or not isinstance(row[0], bytes):
        yield "search_data", "lacks the list of the index's segments"
        return
    segments = _segments(row[0])
    pages = " OR ".join(
        f"id >> {_SEGMENT} = {segment} AND id & {_PAGE} <= {last}" for segment, last in segments
    )
    for table, fitting in {
        "search_data": f"typeof(block) = 'blob' AND (id IN (1, {_STRUCTURE}) OR {pages or 'false'})",
        "search_idx": f"segid IN ({', '.join(str(segment) for segment, _ in segments)})",
        "search_docsize": "typeof(sz) = 'blob'",
    }.items():
        (count,) = driver.execute(
            f"SELECT count(*) FROM {table} WHERE ({fitting}) IS NOT true"
        ).fetchone()
        if count:
            yield table, f"holds {count:,} rows that are not of the index"


_STRUCTURE = 10
"""The row of search_data that lists the segments (``FTS5_STRUCTURE_ROWID`` in SQLite's fts5_index.c)."""

_SEGMENT = 37
"""Bits of a row's number behind those of its segment."""

_MOST = 2000
"""Segments that an index can have (``FTS5_MAX_SEGMENT``)."""

_PAGE = 0x7FFFFFFF
"""Bits of a row's number that are those of its page."""


def _segments(structure: bytes) -> list[tuple[int, int]]:
    """Return the segments that the structure record lists: their numbers, and their last pages."""
    numbers = _varints(structure[4:])  # after a cookie
    levels, _, _ = next(numbers), next(numbers), next(numbers)
    segments = []
    for _ in range(min(levels, _MOST)):
        _, count = next(numbers), next(numbers)
        for _ in range(min(count, _MOST)):
            segment, _, last = next(numbers), next(numbers), next(numbers)
            segments.append((segment, last))
    return segments


def _varints(data: bytes) -> Iterator[int]:
    """Yield the variable-length integers of SQLite that some bytes hold, then zeros without end."""
    number, length = 0, 0
    for byte in data:
        length += 1
        if length == 9:
            yield number << 8 | byte
            number = length = 0
        else:
            number = number << 7 | byte & 0x7F
            if byte < 0x80:
                yield number
                number = length = 0
    while True:
        yield 0


def _not_found(driver: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Yield a word that is in the index and that a search does not find: FTS5's own check misses this."""
    driver.execute("CREATE VIRTUAL TABLE temp.held_words USING fts5vocab (main, search, row)")
    try:
        lost = driver.execute(
            "SELECT term FROM held_words AS held WHERE doc IS NOT "
            "(SELECT doc FROM held_words AS sought WHERE sought.term = held.term) LIMIT 1"
        ).fetchone()
    finally:
        driver.execute("DROP TABLE temp.held_words")
    if lost is not None:
        yield "search_idx", f"does not lead to the word {lost[0]!r}, which the index holds"
