"""Which files are SQLite databases, and which SQLite takes for parts of one because of their names."""

from __future__ import annotations

from pathlib import Path

from claimledger.errors import StoreError

_DATABASES = (
    b"SQLite format 3\x00",
    b"\x37\x7f\x06\x82",
    b"\x37\x7f\x06\x83",  # write-ahead logs (www.sqlite.org/fileformat.html, section 4.1)
    b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7",  # a rollback journal (section 3)
)
"""How the files of an SQLite database begin."""

_OF_A_LEDGER = b"CREATE TRIGGER entry_is_only_redacted"
"""Stands near the beginning of a ledger's file, also of one whose first bytes are damaged."""

_JOURNALS = ("-wal", "-journal")
BESIDE = (*_JOURNALS, "-shm")
"""How the names of the files that SQLite keeps beside a database end."""


def is_database(file: Path) -> bool:
    """Whether a file is a database, or what SQLite keeps beside one."""
    with file.open("rb") as content:
        beginning = content.read(1 << 20)
    return beginning.startswith(_DATABASES) or _OF_A_LEDGER in beginning


def database_beside(file: Path) -> Path | None:
    """Return the database of which SQLite would take a file of this name, there or not, for a part."""
    for end in BESIDE:
        database = file.with_name(file.name.removesuffix(end))
        if database != file and database.is_file() and is_database(database):
            return database
    return None


def check_name(path: Path, given: Path) -> None:
    """Raise :class:`StoreError` where SQLite would mix up a new database with what lies beside it."""
    database = database_beside(path)
    if database is not None:
        raise StoreError(
            f"{given}: SQLite keeps a part of {database.name} under this name, and would remove it; name "
            "another file"
        )
    for end in _JOURNALS:
        if Path(f"{path}{end}").exists():
            raise StoreError(
                f"{given}: beside it lies {path.name}{end}, which SQLite would take for a part of it; move "
                "that away, or name another file"
            )
