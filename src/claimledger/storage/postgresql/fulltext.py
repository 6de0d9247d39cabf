"""Full-text search in PostgreSQL: an index that the server maintains, and the texts stored next to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from claimledger.storage.postgresql.connection import server_errors
from claimledger.storage.postgresql.schema import SEARCH_VECTOR
from claimledger.storage.postgresql.session import Session
from claimledger.storage.url import Address


class PostgresFullText:
    """Implements :class:`~claimledger.storage.base.FullText` with a GIN index over an expression."""

    def __init__(self, session: Session, address: Address) -> None:
        self._session = session
        self._address = address

    def add(self, rows: Sequence[tuple[int, str]]) -> None:
        """Do nothing: the server builds the index from the table of words."""

    def remove(self, rows: Sequence[tuple[int, str]]) -> None:
        """Do nothing: words leave the index with their row, and its pages with ``Maintenance.vacuum``."""

    def matching(self, phrases: Sequence[Sequence[str]], limit: int) -> Iterator[int]:
        """Yield the entries whose words contain every phrase, newest first, at most ``limit``.

        The index finds the words. Whether they are adjacent is checked in the text itself, because a vector
        stores no positions beyond 16,383.
        """
        words = " & ".join(_lexeme(word) for phrase in phrases for word in phrase)
        query = f"SELECT entry FROM search_words WHERE {SEARCH_VECTOR} @@ %s::tsquery"
        values: list[object] = [f"({words}) | '*'"]
        for phrase in phrases:
            end = "" if phrase[-1].endswith("*") else " "
            query += " AND position(%s in ' ' || words || ' ') > 0"
            values.append(f" {' '.join(phrase).rstrip('*')}{end}")
        query += " ORDER BY entry DESC LIMIT %s"
        with server_errors(self._address):
            rows = self._session.execute(query, [*values, limit]).fetchall()
        for (entry,) in rows:
            yield entry

    def damage(self) -> Iterator[tuple[str, str]]:
        """Yield nothing: the server builds the index from the words, which are compared with the log."""
        yield from ()


def _lexeme(word: str) -> str:
    """Return a word as PostgreSQL's ``tsquery`` takes it, whatever characters it has."""
    prefix = ":*" if word.endswith("*") else ""
    bare = word.rstrip("*").replace("\\", "\\\\").replace("'", "''")
    return f"'{bare}'{prefix}"
