"""Reading what can still be read of a damaged file: row by row, past what SQLite cannot read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from claimledger.errors import StoreError
from claimledger.ledger.store.sqlite_file import connect

_BATCH = 200


class Damaged:
    """A file that need not be whole, opened for reading. Nothing in it is taken on trust."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise StoreError(f"{path} does not exist, or is no file")
        self._path = path
        self._driver = connect(path, "ro")
        self._driver.text_factory = lambda held: held.decode("utf-8", "replace")

    def __enter__(self) -> Damaged:
        return self

    def __exit__(self, *_: object) -> None:
        self._driver.close()

    def size(self) -> int:
        """Return the highest number anything in the file speaks of; raise where nothing does."""
        found = [
            rows[0][0]
            for query in (
                "SELECT max(number) FROM entry",
                "SELECT max(rowid) FROM entry",
                "SELECT number FROM entry ORDER BY number DESC LIMIT 1",
                "SELECT max(entry) FROM history",
            )
            if (rows := self._ask(query)) and isinstance(rows[0][0], int)
        ]
        if not found:
            raise StoreError(f"{self._path}: nothing of a log can be read in it")
        return max(found)

    def entries(self, count: int) -> Iterator[tuple[int, tuple[Any, ...] | None]]:
        """Yield each number up to a count with its row of the log, or nothing where it is not read."""
        query = (
            "SELECT number, header, payload, salt, nodes FROM entry WHERE number BETWEEN ? AND ?"
        )
        for first in range(1, count + 1, _BATCH):
            last = min(first + _BATCH - 1, count)
            rows = self._ask(f"{query} ORDER BY number", first, last)
            if rows is not None and len(rows) == last - first + 1:
                yield from ((row[0], row) for row in rows)
                continue
            for number in range(first, last + 1):
                alone = self._ask(query, number, number)
                yield number, alone[0] if alone else None

    def about(self, number: int) -> str:
        """Return what the views still say an entry was about; empty where they do not."""
        rows = self._ask("SELECT action, kind, key FROM history WHERE entry = ?", number)
        return " ".join(map(str, rows[0])) if rows else ""

    def _ask(self, query: str, *given: int) -> list[tuple[Any, ...]] | None:
        try:
            return self._driver.execute(query, given).fetchall()
        except (sqlite3.Error, UnicodeError):
            return None
