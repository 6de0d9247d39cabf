"""The schema of a ledger's SQLite file: its tables, its search index, the triggers of its log.

The triggers make the log append-only in the store itself: they refuse DELETE, any UPDATE but the
emptying of a payload that the newest entry redacts, and any INSERT but that of the next number (without
which ``INSERT OR REPLACE`` would overwrite an entry unseen).
"""

from __future__ import annotations

import sqlite3
from functools import lru_cache

from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from claimledger.storage.tables import ENTRY, PENDING_SCRUB, VIEWS

APPLICATION_ID = 0x434C6467
"""``CLdg`` in the file's header: distinguishes a ledger from any other SQLite file."""

_TRIGGERS = {
    "entry_is_next": """
CREATE TRIGGER entry_is_next BEFORE INSERT ON entry
WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM entry)
BEGIN SELECT RAISE(ABORT, 'the log is append-only: an entry takes the next number'); END""",
    "entry_stays": """
CREATE TRIGGER entry_stays BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'the log is append-only: no entry is deleted'); END""",
    "entry_is_only_redacted": """
CREATE TRIGGER entry_is_only_redacted BEFORE UPDATE ON entry
WHEN NOT (
  NEW.number IS OLD.number AND NEW.header IS OLD.header AND NEW.nodes IS OLD.nodes
  AND NEW.payload IS NULL AND NEW.salt IS NULL
  AND EXISTS (
    SELECT 1 FROM entry AS newest, json_each(newest.payload, '$.entries') AS listed
    WHERE newest.number = (SELECT max(number) FROM entry)
    AND json_extract(newest.payload, '$.action') = 'redact' AND listed.value = OLD.number
  )
)
BEGIN SELECT RAISE(ABORT, 'the log is append-only: only a redaction empties a payload'); END""",
}
# The words are folded already; the ascii tokenizer leaves them unchanged.
_SEARCH = (
    "CREATE VIRTUAL TABLE search USING fts5("
    "words, content='search_words', content_rowid='entry', tokenize='ascii')"
)


@lru_cache
def schema() -> tuple[str, ...]:
    """Return the statements that create a ledger's tables, in order."""
    to_sqlite = sqlite_dialect()
    statements = []
    for table in (ENTRY, *VIEWS.values(), PENDING_SCRUB):
        statements.append(str(CreateTable(table).compile(dialect=to_sqlite)).strip())
        for index in sorted(table.indexes, key=lambda indexed: str(indexed.name)):
            statements.append(str(CreateIndex(index).compile(dialect=to_sqlite)).strip())
    return (*statements, _SEARCH, *(sql.strip() for sql in _TRIGGERS.values()))


Definitions = dict[tuple[str, str], tuple[str, str | None]]
"""Every table, index, trigger and view of a file, by type and name: the table it is of, and its SQL.

A trigger may have the name of a table, so that the name alone would hide one behind the other.
"""


@lru_cache
def objects() -> Definitions:
    """Return the objects that a ledger's file should contain."""
    plain = sqlite3.connect(":memory:", isolation_level=None)
    for statement in schema():
        plain.execute(statement)
    return definitions(plain)


def definitions(driver: sqlite3.Connection) -> Definitions:
    """Return the objects of a file."""
    rows = driver.execute("SELECT type, name, tbl_name, sql FROM sqlite_master")
    return {(kind, name): (table, sql) for kind, name, table, sql in rows}
