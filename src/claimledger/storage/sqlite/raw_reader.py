"""Reading what can still be read of a damaged file: row by row, past what SQLite cannot read."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from claimledger.errors import StoreError
from claimledger.storage.raw_reader import RawReader, ReadEntry
from claimledger.storage.sqlite.files import connect, open_database, rights_of
from claimledger.storage.sqlite.schema import APPLICATION_ID, schema

_BATCH = 200
_LEAST_BYTES = 100
"""The fewest bytes an entry takes: its header alone has more."""

_MOST_TRIES = 100_000
"""How many numbers are tried if nothing shows how many entries there are."""

_ROWS = "SELECT number, header, payload, salt, nodes FROM entry WHERE number"


class SqliteRawReader(RawReader):
    """A possibly damaged file, opened for reading. Nothing in it is trusted."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise StoreError(f"{path} does not exist, or is not a file")
        self._path = path
        self._driver = _leniently(connect(path, "ro"))
        if not self._query("SELECT 1 FROM sqlite_master WHERE name = 'entry'"):
            self._driver.close()
            self._driver = _leniently(_with_a_new_list_of_tables(path))

    @property
    def rights(self) -> int:
        """The permission bits of the file."""
        return rights_of(self._path)

    def close(self) -> None:
        """Close the file."""
        self._driver.close()

    def size(self) -> int:
        """Return the highest number that anything in the file gives an entry.

        A number that is too large for a file of this size is not one of its entries. Raises
        :class:`StoreError` if nothing in the file has a number.
        """
        room = self._path.stat().st_size // _LEAST_BYTES
        numbers = [
            rows[0][0]
            for query in (
                "SELECT max(number) FROM entry WHERE number <= ?",
                "SELECT number FROM entry WHERE number <= ? ORDER BY number DESC LIMIT 1",
                "SELECT max(entry) FROM history WHERE entry <= ?",
            )
            if (rows := self._query(query, room)) and isinstance(rows[0][0], int)
        ]
        if numbers:
            return max(numbers)
        # The ends of both tables are lost: use the highest entry that can be read.
        step = room // _MOST_TRIES + 1
        for number in range(room, 0, -step):
            if self._query("SELECT number FROM entry WHERE number = ?", number):
                return max(self._numbers(number, number + step))
        raise _without_log(self._path)

    def _numbers(self, first: int, last: int) -> Iterator[int]:
        for number in range(first, last):
            if self._query("SELECT number FROM entry WHERE number = ?", number):
                yield number

    def end_is_missing(self) -> str:
        """Return how many of its pages the file has, if its header lists more; else an empty text."""
        with self._path.open("rb") as file:
            head = file.read(100)
        page = int.from_bytes(head[_PAGE_SIZE], "big")
        if page not in _PAGE_SIZES or head[_CHANGES] != head[_CHANGES_WHEN_COUNTED]:
            return ""
        stored_pages, due = (
            self._path.stat().st_size // page,
            int.from_bytes(head[_NUMBER_OF_PAGES], "big"),
        )
        return (
            f"the file was cut off, and has {stored_pages} of {due} pages"
            if stored_pages < due
            else ""
        )

    def entries(self, count: int) -> Iterator[ReadEntry]:
        """Yield what is read of each entry up to a count; see :data:`ReadEntry`."""
        number = 1
        while number <= count:
            last = min(number + _BATCH - 1, count)
            rows = self._query(f"{_ROWS} BETWEEN ? AND ? ORDER BY number", number, last)
            if rows is None:
                for entry_number in range(number, last + 1):
                    alone = self._query(f"{_ROWS} = ?", entry_number)
                    yield entry_number, entry_number, alone[0] if alone else None
                number = last + 1
                continue
            for row in rows:
                if row[0] > number:
                    yield number, row[0] - 1, None
                yield row[0], row[0], row
                number = row[0] + 1
            if number <= last:
                following = self._query("SELECT min(number) FROM entry WHERE number > ?", last)
                # If even that cannot be read, the next batch is tried entry by entry.
                until = min(following[0][0] or count + 1, count + 1) if following else last + 1
                yield number, until - 1, None
                number = until

    def beyond(self, count: int) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of the log whose number is not from 1 to ``count``."""
        yield from self._query(f"{_ROWS} < 1") or ()
        yield from self._query(f"{_ROWS} > ? ORDER BY number", count) or ()

    def subject_of(self, number: int) -> str:
        """Return action, kind and key of an entry, as the views still have them; empty if they do not."""
        rows = self._query("SELECT action, kind, key FROM history WHERE entry = ?", number)
        return " ".join(map(str, rows[0])) if rows else ""

    def _query(self, query: str, *values: int) -> list[tuple[Any, ...]] | None:
        try:
            return self._driver.execute(query, values).fetchall()
        except (sqlite3.Error, UnicodeError, MemoryError):
            return None


def _leniently(driver: sqlite3.Connection) -> sqlite3.Connection:
    """Make a connection read past damage; return it."""
    # Otherwise SQLite refuses a file that lacks pages at its end, or whose list of tables is damaged.
    driver.execute("PRAGMA writable_schema = ON")
    driver.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return driver


def _with_a_new_list_of_tables(path: Path) -> sqlite3.Connection:
    """Open a copy of a file whose list of tables is replaced by one that has the log alone.

    The list begins on the first page and continues, in a ledger that was scrubbed, at the end of the file.
    If either were lost, an intact log would be lost too. The log is the first table created, and begins on
    page 2.
    """
    with path.open("rb") as file:
        head = file.read(100)
    page = int.from_bytes(head[_PAGE_SIZE], "big")
    page = page if page in _PAGE_SIZES else _USUAL_PAGE_SIZE
    pages = path.stat().st_size // page
    foreign = head.startswith(b"SQLite format 3\0") and head[_APPLICATION] != _OURS
    if foreign or pages < 2:
        raise _without_log(path)
    try:
        with TemporaryDirectory(prefix="claimledger-", ignore_cleanup_errors=True) as folder:
            copy, new = Path(folder) / "copy.db", Path(folder) / "new.db"
            shutil.copyfile(path, copy)
            first = bytearray(_first_page(new, page))
            first[_NUMBER_OF_PAGES] = pages.to_bytes(4, "big")
            with copy.open("r+b") as file:
                file.write(first)
            # A file that is open outlives its name.
            driver = connect(copy, "ro")
            open_database(driver)
            return driver
    except OSError as error:
        raise StoreError(f"{path} cannot be copied to be read: {error.strerror}") from None
    except sqlite3.Error:
        raise _without_log(path) from None


def _without_log(path: Path) -> StoreError:
    return StoreError(f"{path}: nothing of a log can be read in it")


def _first_page(path: Path, size: int) -> bytes:
    """Return the first page of a new database file that has the log as its only table."""
    driver = sqlite3.connect(path)
    try:
        driver.execute(f"PRAGMA page_size = {int(size)}")
        driver.execute(next(line for line in schema() if line.startswith("CREATE TABLE entry ")))
    finally:
        driver.close()
    return path.read_bytes()[:size]


_PAGE_SIZE, _CHANGES, _NUMBER_OF_PAGES = slice(16, 18), slice(24, 28), slice(28, 32)
_APPLICATION, _CHANGES_WHEN_COUNTED = slice(68, 72), slice(92, 96)
"""Where these are in a file's first bytes (sqlite.org/fileformat2.html)."""

_PAGE_SIZES = [1 << bits for bits in range(9, 16)]
_USUAL_PAGE_SIZE = 4096
_OURS = APPLICATION_ID.to_bytes(4, "big")
