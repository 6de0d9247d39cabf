"""What a ledger needs of its storage. No other package knows which database it is, or sees a connection.

A :class:`Store` opens, begins transactions, selects, inserts, and closes versions. What only some callers
need stands apart: full-text search, maintenance and access control, each a small protocol of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from sqlalchemy import Delete, Engine, Table, Update, func, select
from sqlalchemy.sql import Select

from claimledger.errors import StoreError
from claimledger.log import merkle
from claimledger.log.entry import LARGEST_PAYLOAD
from claimledger.storage.tables import ENTRY

Result = TypeVar("Result")

LARGEST_VALUE = 16 * LARGEST_PAYLOAD
"""The most bytes a store reads as one value. A longer value is damage, and reading it could exhaust memory.

The longest values are a record's search words: compatibility decomposition turns a text into
at most eleven times as many bytes (U+FDFA).
"""


class WriteConflictError(StoreError):
    """Other writers conflicted with a write; nothing of it was written, and it can be retried."""

    code = "write-conflict"


class UndecodableTextError(StoreError):
    """A text in the store is not UTF-8; :meth:`Maintenance.decode_leniently` lets it be read all the same."""

    code = "undecodable-text"


class LogTail(NamedTuple):
    """Where a log ends."""

    size: int
    header: str | None
    """The header of the last entry; ``None`` if the log is empty."""

    peaks: list[bytes]
    """The roots of the complete subtrees of the log's Merkle tree, largest first."""


class FullText(Protocol):
    """The full-text index over the words of every record."""

    def add(self, rows: Sequence[tuple[int, str]]) -> None:
        """Add the words of records, given by entry."""

    def remove(self, rows: Sequence[tuple[int, str]]) -> None:
        """Remove the words of records so that no trace of them is left."""

    def matching(self, phrases: Sequence[Sequence[str]], limit: int) -> Iterator[int]:
        """Yield the entries whose words contain every phrase, newest first, at most ``limit``.

        A phrase is a sequence of adjacent words; the last word may end in ``*``, and is then a prefix.
        """

    def damage(self) -> Iterator[tuple[str, str]]:
        """Yield the differences between the index and the words it is built from: the table, and what."""


class Maintenance(Protocol):
    """What backup, rebuild, redaction and verification need beyond reading and writing rows."""

    @property
    def rights(self) -> int:
        """The permission bits that files created from this ledger may have at most."""

    def is_in(self, path: Path) -> bool:
        """Return whether a file is the one that contains the ledger, by whatever name."""

    def copy_to(self, path: Path, rights: int) -> bool:
        """Copy everything into a new file with these permissions.

        Returns ``False``, and does nothing, if the store would have to read every row for that.
        """

    def reopening(self) -> Callable[[], Store] | None:
        """Return what opens the same ledger for reading in another process; ``None`` if nothing can."""

    def renewing(self) -> AbstractContextManager[None]:
        """Hold the write lock for one transaction in which all views are empty, to be filled from the log."""

    def flush_to_disk(self) -> None:
        """Wait until everything this reader sees is on the disk."""

    def vacuum(self) -> None:
        """Remove deleted texts from the store's files. Not inside a transaction."""

    def unscrubbed(self) -> list[int]:
        """Return the redactions whose texts may still be in the store's files."""

    def find_residual_text(self, texts: Sequence[bytes]) -> list[bytes]:
        """Return those of the texts that are still anywhere in the store's files."""

    def decode_leniently(self) -> None:
        """Read bytes that are not UTF-8 as lone surrogates from now on, so that they can be reported."""

    def shape_damage(self) -> Iterator[tuple[str, str]]:
        """Yield what is missing, of another shape, or superfluous: the table or object, and what."""

    def damage(self) -> Iterator[tuple[str, str]]:
        """Yield what is physically damaged: where, and what."""


class AccessControl(Protocol):
    """Who may do what, where the store itself enforces it."""

    @property
    def enforced_author(self) -> str | None:
        """The only name that may be written under; ``None`` if any may."""

    def grant(self, role: str, user: str) -> None:
        """Give a user a role. Raises :class:`StoreError` if the store has no roles."""

    def revoke(self, user: str) -> None:
        """Take every role from a user."""

    def grants(self) -> dict[str, list[str]]:
        """Return the users of each role, by role."""

    def trust_clock(self) -> None:
        """Accept entry times that are ahead of the store's own clock, if it has one."""

    def expect_log(self) -> None:
        """Accept entries of a log created elsewhere, already checked, until the transaction ends."""


class Store(ABC):
    """An open ledger's tables, for reading or for writing."""

    name: str
    """What messages call it."""

    writable: bool
    outdated = False
    """Whether the views were written by an older program, and must be rebuilt before they are used."""

    commits = 0
    """How many writes were committed since the store was opened."""

    fulltext: FullText
    maintenance: Maintenance
    access: AccessControl

    # Transactions

    @property
    @abstractmethod
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    @abstractmethod
    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the write lock for one transaction: whole at the end, absent after any error.

        Inside another transaction this is part of it.
        """
        yield

    @abstractmethod
    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold one consistent view of the ledger for several reads."""
        yield

    def retry(self, write: Callable[[], Result]) -> Result:
        """Call ``write``, one whole transaction, again while the store refuses it because of others."""
        return write()

    def tail(self) -> LogTail:
        """Return where the log ends; inside a transaction."""
        size = self.value(_SIZE) or 0
        header = self.value(select(ENTRY.c.header).where(ENTRY.c.number == size)) if size else None
        return LogTail(size, header, merkle.Frontier.read(size, self.tree_node).peaks)

    def tree_node(self, level: int, index: int) -> bytes:
        """Return the stored hash of a complete subtree of the log, by its level and index.

        Each entry stores the hashes of the subtrees that it completes, so the tree needs no table.
        """
        ((_, nodes),) = self.select_in(_NODES, ENTRY.c.number, [(index + 1) << level])
        hashes: bytes = nodes[level * merkle.SIZE : (level + 1) * merkle.SIZE]
        return hashes

    # Rows

    @abstractmethod
    def insert(self, rows_of: Mapping[Table, Sequence[Sequence[Any]]]) -> None:
        """Insert rows into tables, each in the order of its table's columns."""

    @abstractmethod
    def close_versions(self, ends: Mapping[Table, Sequence[Sequence[Any]]]) -> None:
        """Write into rows the entry that ended them, given as that entry and the values of ``version_of``."""

    @abstractmethod
    def change(self, statement: Update | Delete) -> None:
        """Update or delete a few rows. Only a redaction does: other writes add rows and close versions."""

    @abstractmethod
    def tuples(self, query: Select[Any]) -> list[tuple[Any, ...]]:
        """Return a query's rows as the driver gives them."""

    @abstractmethod
    def select_in(
        self, query: Select[Any], column: Any, values: Iterable[Any]
    ) -> list[tuple[Any, ...]]:
        """Return the rows in which a column is one of the values, as the driver gives them.

        Values are sent in batches of at least five hundred; a limit or an order applies to each batch.
        """

    @abstractmethod
    def stream(self, query: Select[Any]) -> Iterator[tuple[Any, ...]]:
        """Yield a query's rows as the driver gives them, never all of them at once."""

    @abstractmethod
    def rows_by_entry(self, table: Table, first: int, last: int) -> list[tuple[Any, ...]]:
        """Return whole rows of a table from one entry to another, by entry (and position)."""

    def all_rows(self, table: Table) -> Iterator[tuple[Any, ...]]:
        """Yield whole rows of a table in any order, as the driver gives them."""
        yield from self.stream(select(table))

    def value(self, query: Select[Any]) -> Any:
        """Return the first column of a query's first row, or ``None`` if there is no row."""
        rows = self.tuples(query)
        return rows[0][0] if rows else None

    @abstractmethod
    def querying(self) -> AbstractContextManager[Engine]:
        """Hold one consistent view, and return a read-only SQLAlchemy engine for queries of users' own."""

    @abstractmethod
    def close(self) -> None:
        """Close the store."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_SIZE = select(func.max(ENTRY.c.number))
_NODES = select(ENTRY.c.number, ENTRY.c.nodes)
