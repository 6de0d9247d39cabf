"""Full-text search in PostgreSQL: an index the server maintains, and the texts stored next to it."""

from __future__ import annotations

from collections.abc import Sequence

from claimledger.storage.postgresql.schema import FOUND


def matching(phrases: Sequence[Sequence[str]], most: int) -> tuple[str, list[object]]:
    """Return what asks for the entries whose words hold every phrase, newest first, and what is bound.

    The index finds the words; whether they are adjacent is checked in the text itself, because a vector
    knows no places past 16,383. The last word of a phrase may end in ``*``: then it is a prefix.
    """
    words = " & ".join(_lexeme(word) for phrase in phrases for word in phrase)
    query = f"SELECT entry FROM search_words WHERE {FOUND} @@ %s::tsquery"
    values: list[object] = [f"({words}) | '*'"]
    for phrase in phrases:
        end = "" if phrase[-1].endswith("*") else " "
        query += " AND position(%s in ' ' || words || ' ') > 0"
        values.append(f" {' '.join(phrase).rstrip('*')}{end}")
    return f"{query} ORDER BY entry DESC LIMIT %s", [*values, most]


def _lexeme(word: str) -> str:
    """Return a word as PostgreSQL's ``tsquery`` takes it, whatever signs it has."""
    prefix = ":*" if word.endswith("*") else ""
    bare = word.rstrip("*").replace("\\", "\\\\").replace("'", "''")
    return f"'{bare}'{prefix}"
