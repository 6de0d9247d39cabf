"""The contents of a ledger as they were after one entry. All queries use this for the ledger's clock.

Each row of a view has the entry that created it and, once it is superseded or withdrawn, the entry that
ended it. A row is live at an entry if it was created by then and had not ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Table, and_, or_

from claimledger.storage.base import Store
from claimledger.storage.compiled import cached_query
from claimledger.storage.tables import HISTORY


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The contents of a store after entry ``known_at``; ``None`` means after the newest entry."""

    store: Store
    known_at: int | None = None

    def live(self, query: Select[Any], table: Table) -> Select[Any]:
        """Return the query restricted to rows of ``table`` that were live at this entry.

        The same query gives the same object each time, so that its compiled form is reused.
        """
        return _live(query, table, self.known_at)

    def recorded(self, query: Select[Any]) -> Select[Any]:
        """Return a query over ``HISTORY`` restricted to entries up to this one, ended versions included."""
        return _recorded(query, self.known_at)


@cached_query
def _live(query: Select[Any], table: Table, known_at: int | None) -> Select[Any]:
    if known_at is None:
        return query.where(table.c.ended_by.is_(None))
    ended_later = or_(table.c.ended_by.is_(None), table.c.ended_by > known_at)
    return query.where(and_(table.c.entry <= known_at, ended_later))


@cached_query
def _recorded(query: Select[Any], known_at: int | None) -> Select[Any]:
    return query if known_at is None else query.where(HISTORY.c.entry <= known_at)
