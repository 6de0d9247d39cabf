"""Full-text search in a ledger's file: an external-content FTS5 table and its words (decision 4)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from claimledger.storage.sqlite.files import limit_values, sqlite_errors


class SqliteFullText:
    """Implements :class:`~claimledger.storage.base.FullText` with an external-content FTS5 table."""

    def __init__(self, driver: sqlite3.Connection, path: Path, *, writable: bool) -> None:
        self._driver = driver
        self._path = path
        self._writable = writable

    def add(self, rows: Sequence[tuple[int, str]]) -> None:
        """Add the words of records, given by entry."""
        self._driver.executemany("INSERT INTO search (rowid, words) VALUES (?, ?)", rows)

    def remove(self, rows: Sequence[tuple[int, str]]) -> None:
        """Remove words and merge the index into one segment, which drops every trace of them."""
        self._driver.executemany(
            "INSERT INTO search (search, rowid, words) VALUES ('delete', ?, ?)", rows
        )
        self._driver.execute("INSERT INTO search (search) VALUES ('optimize')")

    def matching(self, phrases: Sequence[Sequence[str]], limit: int) -> Iterator[int]:
        """Yield the entries whose words contain every phrase, newest first, at most ``limit``."""
        query = " AND ".join(_phrase(words) for words in phrases)
        with sqlite_errors(self._path):
            rows = self._driver.execute(
                "SELECT rowid FROM search WHERE search MATCH ? ORDER BY rowid DESC LIMIT ?",
                (query, limit),
            )
            for (entry,) in rows:
                yield entry

    def damage(self) -> Iterator[tuple[str, str]]:
        """Yield the differences between the index and the words it is built from.

        FTS5 compares them itself, but only on a connection that may write. A reader therefore checks a copy
        of the pages in memory, so that reading never changes the file.
        """
        target = self._driver
        copy: sqlite3.Connection | None = None
        try:
            if not self._writable:
                copy = limit_values(sqlite3.connect(""))
                self._driver.backup(copy)
                target = copy
            target.execute("INSERT INTO search (search, rank) VALUES ('integrity-check', 1)")
            options = target.execute("SELECT k, v FROM search_config").fetchall()
            if options != [("version", 4)]:
                yield "search_config", f"holds {options!r}"
            yield from _superfluous_rows(target)
            yield from _unreachable_word(target)
        except sqlite3.DatabaseError as error:
            yield "search", f"does not hold the words of search_words: {error}"
        finally:
            if copy is not None:
                copy.close()


def _phrase(words: Sequence[str]) -> str:
    prefix = "*" if words[-1].endswith("*") else ""
    return '"' + " ".join(words).rstrip("*") + '"' + prefix


def _superfluous_rows(driver: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Yield rows in the index's own tables that FTS5 never reads, and that its own check ignores."""
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
"""By how many bits the segment is shifted in a row's number."""

_SEGMENT_LIMIT = 2000
"""The most segments that an index can have (``FTS5_MAX_SEGMENT``)."""

_PAGE = 0x7FFFFFFF
"""Mask of the page in a row's number."""


def _segments(structure: bytes) -> list[tuple[int, int]]:
    """Return the segments that the structure record lists: their numbers, and their last pages."""
    numbers = _varints(structure[4:])  # after a cookie
    levels, _, _ = next(numbers), next(numbers), next(numbers)
    segments = []
    for _ in range(min(levels, _SEGMENT_LIMIT)):
        _, count = next(numbers), next(numbers)
        for _ in range(min(count, _SEGMENT_LIMIT)):
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


def _unreachable_word(driver: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Yield a word that is in the index but that a search does not find: FTS5's own check misses this."""
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
