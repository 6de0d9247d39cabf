"""Reading what can still be read of a damaged file: row by row, past what SQLite cannot read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from claimledger.errors import StoreError
from claimledger.ledger.store.damaged import Damaged, ReadEntry
from claimledger.ledger.store.sqlite_file import connect, rights_of

_BATCH = 200
_LEAST_BYTES = 100
"""Bytes that an entry takes at least: a header alone has more."""

_ROWS = "SELECT number, header, payload, salt, nodes FROM entry WHERE number"


class DamagedFile(Damaged):
    """A file that need not be whole, opened for reading. Nothing in it is taken on trust."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise StoreError(f"{path} does not exist, or is no file")
        self._path = path
        self._driver = connect(path, "ro")
        self._driver.text_factory = lambda held: held.decode("utf-8", "replace")

    @property
    def rights(self) -> int:
        """Those of the file."""
        return rights_of(self._path)

    def close(self) -> None:
        """Close the file."""
        self._driver.close()

    def size(self) -> int:
        """Return the highest number anything in the file gives an entry; raise where nothing does.

        A number for which a file of this size has no room is not one of its entries.
        """
        room = self._path.stat().st_size // _LEAST_BYTES
        found = [
            rows[0][0]
            for query in (
                "SELECT max(number) FROM entry WHERE number <= ?",
                "SELECT number FROM entry WHERE number <= ? ORDER BY number DESC LIMIT 1",
                "SELECT max(entry) FROM history WHERE entry <= ?",
            )
            if (rows := self._ask(query, room)) and isinstance(rows[0][0], int)
        ]
        if not found:
            raise StoreError(f"{self._path}: nothing of a log can be read in it")
        return max(found)

    def entries(self, count: int) -> Iterator[ReadEntry]:
        """Yield what is read of each entry up to a count; see :data:`ReadEntry`."""
        number = 1
        while number <= count:
            last = min(number + _BATCH - 1, count)
            rows = self._ask(f"{_ROWS} BETWEEN ? AND ? ORDER BY number", number, last)
            if rows is None:
                for one in range(number, last + 1):
                    alone = self._ask(f"{_ROWS} = ?", one)
                    yield one, one, alone[0] if alone else None
                number = last + 1
                continue
            for row in rows:
                if row[0] > number:
                    yield number, row[0] - 1, None
                yield row[0], row[0], row
                number = row[0] + 1
            if number <= last:
                following = self._ask("SELECT min(number) FROM entry WHERE number > ?", last)
                # Where even that cannot be read, the next stretch is tried entry by entry.
                until = min(following[0][0] or count + 1, count + 1) if following else last + 1
                yield number, until - 1, None
                number = until

    def beyond(self, count: int) -> Iterator[tuple[Any, ...]]:
        """Yield rows of the log that no number from 1 up to a count belongs to."""
        yield from self._ask(f"{_ROWS} < 1") or ()
        yield from self._ask(f"{_ROWS} > ? ORDER BY number", count) or ()

    def about(self, number: int) -> str:
        """Return what the views still say an entry was about; empty where they do not."""
        rows = self._ask("SELECT action, kind, key FROM history WHERE entry = ?", number)
        return " ".join(map(str, rows[0])) if rows else ""

    def _ask(self, query: str, *given: int) -> list[tuple[Any, ...]] | None:
        try:
            return self._driver.execute(query, given).fetchall()
        except (sqlite3.Error, UnicodeError, MemoryError):
            return None
