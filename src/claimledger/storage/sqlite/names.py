"""Which files are SQLite databases, and which names SQLite uses for the files next to one."""

from __future__ import annotations

from pathlib import Path

from claimledger.errors import StoreError

_DATABASES = (
    b"SQLite format 3\x00",
    b"\x37\x7f\x06\x82",
    b"\x37\x7f\x06\x83",  # write-ahead logs (www.sqlite.org/fileformat.html, section 4.1)
    b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7",  # a rollback journal (section 3)
)
"""First bytes of a database, a write-ahead log and a rollback journal."""

_OF_A_LEDGER = b"CREATE TRIGGER entry_is_only_redacted"
"""Found in the first pages of every ledger, so that one with a damaged header is recognised too."""

_JOURNALS = ("-wal", "-journal")
BESIDE = (*_JOURNALS, "-shm")
"""Suffixes of the files that SQLite keeps next to a database."""


def is_database(file: Path) -> bool:
    """Whether a file is an SQLite database, a write-ahead log or a rollback journal."""
    with file.open("rb") as content:
        beginning = content.read(1 << 20)
    return beginning.startswith(_DATABASES) or _OF_A_LEDGER in beginning


def database_beside(file: Path) -> Path | None:
    """Return the existing database for which SQLite would use a file of this name, if there is one."""
    for end in BESIDE:
        name = file.name.removesuffix(end)
        if name in ("", file.name):  # of no database, or of another kind of file
            continue
        database = file.with_name(name)
        if database.is_file() and is_database(database):
            return database
    return None


def require_unambiguous_name(path: Path, display_path: Path) -> None:
    """Raise :class:`StoreError` if SQLite would confuse a new database with files next to it.

    ``display_path`` is the name the user gave.
    """
    database = database_beside(path)
    if database is not None:
        raise StoreError(
            f"{display_path}: SQLite keeps a part of {database.name} under this name, and would remove it; "
            "name another file"
        )
    for end in _JOURNALS:
        if Path(f"{path}{end}").exists():
            raise StoreError(
                f"{display_path}: beside it lies {path.name}{end}, which SQLite would take for a part of it; "
                "move that away, or name another file"
            )
