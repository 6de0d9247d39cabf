"""Reads the log of a ledger on a server row by row, past values that the program would refuse to read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from claimledger.errors import StoreError
from claimledger.storage.postgresql.connection import connect, server_errors
from claimledger.storage.postgresql.sql import oversized
from claimledger.storage.raw_reader import RawReader, ReadEntry
from claimledger.storage.tables import ENTRY, HISTORY
from claimledger.storage.url import Address

_BATCH = 1000
_ROWS = f"SELECT number, header, payload, salt, nodes FROM entry WHERE NOT {oversized(ENTRY)} AND number"
"""A value longer than any that the program writes is not read: it could exhaust memory."""


class PostgresRawReader(RawReader):
    """The tables of a ledger on a server, in one snapshot; only the log and its history are asked."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._driver = connect(address, writable=False)
        with server_errors(address):
            self._driver.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def close(self) -> None:
        """Close the connection."""
        self._driver.close()

    def size(self) -> int:
        """Return how far the log goes: the number of its rows, or the last before a gap as wide again."""
        with server_errors(self._address):
            (rows,) = self._driver.execute("SELECT count(*) FROM entry").fetchall()[0]
            query = "SELECT max(number) FROM entry WHERE number BETWEEN 1 AND %s"
            (last,) = self._driver.execute(query, (2 * rows,)).fetchall()[0]
        if not last:
            raise StoreError(f"{self._address}: nothing of a log can be read in it")
        return int(last)

    def entries(self, count: int) -> Iterator[ReadEntry]:
        """Yield what is read of each entry up to a count; see :data:`ReadEntry`."""
        number = 1
        for row in self._rows("BETWEEN 1 AND %s", count):
            if row[0] > number:
                yield number, row[0] - 1, None
            yield row[0], row[0], row
            number = row[0] + 1
        if number <= count:
            yield number, count, None

    def beyond(self, count: int) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of the log whose number is not from 1 to ``count``."""
        yield from self._rows("NOT BETWEEN 1 AND %s", count)

    def subject_of(self, number: int) -> str:
        """Return action, kind and key of an entry, as the views still have them; empty if they do not."""
        readable = f"NOT {oversized(HISTORY)}"
        query = f"SELECT action, kind, key FROM history WHERE entry = %s AND {readable}"
        with server_errors(self._address):
            row = self._driver.execute(query, (number,)).fetchone()
        return " ".join(map(str, row)) if row else ""

    def _rows(self, where: str, count: int) -> Iterator[tuple[Any, ...]]:
        with server_errors(self._address), self._driver.cursor(name="damaged") as cursor:
            cursor.itersize = _BATCH
            cursor.execute(f"{_ROWS} {where} ORDER BY number", (count,))
            yield from cursor
