"""How the rows of a ledger in PostgreSQL are read: by query, by values, by entry, or all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import psycopg
from sqlalchemy import Select, Table

from claimledger.errors import StoreError
from claimledger.storage.base import Store
from claimledger.storage.postgresql.connection import named
from claimledger.storage.postgresql.session import Session
from claimledger.storage.postgresql.sql import by_entry, oversized_entry, oversized_row
from claimledger.storage.url import Address

_BATCH = 20_000
"""Values that one statement asks for at once."""


class PostgresRows(Store):
    """The reading half of a store: what a subclass needs to have is a connection to talk through."""

    driver: psycopg.Connection[Any]
    address: Address
    talk: Session

    def tuples(self, query: Select[Any]) -> list[tuple[Any, ...]]:
        """Return a query's rows as the driver gives them."""
        with named(self.address):
            return self.talk.rows(query)

    def select_in(
        self, query: Select[Any], column: Any, values: Iterable[Any]
    ) -> list[tuple[Any, ...]]:
        """Return the rows for which a column is one of the values: one statement for very many."""
        keys = list(values)
        rows: list[tuple[Any, ...]] = []
        with named(self.address):
            for start in range(0, len(keys), _BATCH):
                rows += self.talk.rows_by(query, column, keys[start : start + _BATCH])
        return rows

    def stream(self, query: Select[Any]) -> Iterator[tuple[Any, ...]]:
        """Yield a query's rows as the driver gives them, never all of them at once."""
        with named(self.address), self.reading():
            yield from self.talk.stream(query)

    def rows_by_entry(self, table: Table, first: int, last: int) -> list[tuple[Any, ...]]:
        """Return whole rows of a table by entry, both ends included."""
        self.talk.send()
        with named(self.address), self.driver.cursor(binary=True) as cursor:
            self._require_readable(table, oversized_entry(table), first, last)
            return cursor.execute(by_entry(table), (first, last)).fetchall()

    def all_rows(self, table: Table) -> Iterator[tuple[Any, ...]]:
        """Yield whole rows of a table in any order, as the driver gives them."""
        with named(self.address):
            self._require_readable(table, oversized_row(table))
        yield from super().all_rows(table)

    def _require_readable(self, table: Table, query: str, *span: int) -> None:
        """Raise :class:`StoreError` if a query finds an entry with a value too long to be read."""
        row = self.talk.execute(query, span).fetchone()
        if row is not None:
            raise StoreError(
                f"{self.address}: entry {row[0]} has a value in {table.name} that is longer than any that "
                "claimledger writes"
            )
