"""What a ledger needs of its storage. Nothing outside this package knows which database it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from sqlalchemy import Connection, Table, select
from sqlalchemy.sql import Select

from claimledger.errors import StoreError
from claimledger.log.entry import LARGEST_PAYLOAD

Found = TypeVar("Found")


LARGEST_VALUE = 16 * LARGEST_PAYLOAD
"""The most bytes a store reads as one value. A longer value is damage, and reading it could exhaust memory.

The longest values are a record's search words: compatibility decomposition turns a text into
at most eleven times as many bytes (U+FDFA).
"""


class Tail(NamedTuple):
    """Where a log ends: its size, the last header, the roots of the complete subtrees, largest first.

    Without the roots the store itself hashes what is added into the tree.
    """

    size: int
    header: str | None
    peaks: list[bytes] | None


Question = tuple[Select[Any], Any, Sequence[Any]]
"""A query, and a column of it with the values it is to have."""


class Preconditions(NamedTuple):
    """What a write takes for granted, for the store to refuse the write where it is not so."""

    unused: Sequence[str]
    """Keys that no record has ever had."""

    standing: Sequence[tuple[str, str]]
    """Records that are live: kind and key."""

    question: Select[Any]
    """Returns which of some keys are live: kind and key."""


class WriteConflictError(StoreError):
    """Other writers conflicted with a write; nothing of it was written, and it can be retried."""

    code = "write-conflict"


class UndecodableTextError(StoreError):
    """A text in the store is not UTF-8; :meth:`Store.decode_leniently` lets it be read all the same."""

    code = "undecodable-text"


class Store(ABC):
    """An open ledger's tables, for reading or for writing."""

    connection: Connection
    writable: bool
    name = "the ledger"
    """What messages call it."""

    outdated = False
    """Whether the views were written by an older program, and must be rebuilt before they are used."""

    commits = 0
    """How many writes were committed since it was opened."""

    @property
    def enforced_author(self) -> str | None:
        """The one name that may be written under, where the store itself decides that."""
        return None

    def grant(self, role: str, user: str) -> None:  # noqa: ARG002
        """Give a user a role."""
        raise _rights_of_a_file()

    def revoke(self, user: str) -> None:  # noqa: ARG002
        """Take every role from a user."""
        raise _rights_of_a_file()

    def grants(self) -> dict[str, list[str]]:
        """Return the users of each role, by role."""
        raise _rights_of_a_file()

    @abstractmethod
    def create(self) -> None:
        """Make the tables of an empty ledger."""

    shift = 0
    """By how much the numbers of the last write's entries are larger than they were given."""

    @abstractmethod
    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the write lock for one transaction: whole at the end, absent after any error."""
        yield

    def retry(self, work: Callable[[], Found]) -> Found:
        """Do one whole write, and where a store lets others overtake it, again until it is done."""
        return work()

    @property
    @abstractmethod
    def rights(self) -> int:
        """The permission bits that files created from this ledger may have at most."""

    @abstractmethod
    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold one consistent view of the ledger for several reads."""
        yield

    def trust_clock(self) -> None:  # noqa: B027
        """Accept times ahead of the store's own clock, if it has one."""

    def expect_log(self) -> None:  # noqa: B027
        """Accept entries of a log created elsewhere, already checked, until the transaction ends."""

    @abstractmethod
    def insert(self, table: Table, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows in the order of the table's columns."""

    def insert_all(self, rows_of: Mapping[Table, Sequence[Sequence[Any]]]) -> None:
        """Insert rows into several tables."""
        for table, rows in rows_of.items():
            self.insert(table, rows)

    @abstractmethod
    def close_versions(self, ends: Mapping[Table, Sequence[Sequence[Any]]]) -> None:
        """Write into rows the entry they ended with: given are, a row, it and what ``version_of`` names."""

    def tail(self) -> Tail | None:
        """Return where the log ends, if the store knows it without being asked; inside a write."""
        return None

    def hint_queries(  # noqa: B027
        self, questions: Callable[[], Sequence[Question]], assumed: Preconditions | None
    ) -> None:
        """Take a hint: what the next write will query first, for a store where each round trip is slow.

        With what it may assume, it asks nothing else, and all of its entries are new records.
        """

    def flush_to_disk(self) -> None:  # noqa: B027
        """Wait until what this reader sees outlives a failing machine."""

    @abstractmethod
    def index_words(self, rows: Sequence[tuple[int, str]]) -> None:
        """Add records' words to the full-text index."""

    @abstractmethod
    def forget_words(self, rows: Sequence[tuple[int, str]]) -> None:
        """Take records' words out of the full-text index, so that no trace is left."""

    @abstractmethod
    def matching(self, phrases: Sequence[Sequence[str]], most: int) -> Iterator[int]:
        """Yield the entries whose words contain every phrase, newest first, at most ``most``."""

    @abstractmethod
    def empty_views(self) -> None:
        """Remove every row of every view."""

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Hold the write lock for one transaction in which all views are empty, to be filled from the log."""
        with self.writing():
            self.empty_views()
            yield

    @abstractmethod
    def vacuum(self) -> None:
        """Leave nothing of deleted texts in the store's files. Not inside a transaction."""

    def is_in(self, path: Path) -> bool:  # noqa: ARG002
        """Whether a file is the one that the ledger lies in, by whatever name."""
        return False

    @abstractmethod
    def copy_to(self, path: Path, rights: int) -> bool:
        """Copy everything into a new file with these permissions; return whether the store could.

        A store that cannot without reading everything leaves it to who asks.
        """

    def decode_leniently(self) -> None:  # noqa: B027
        """Read bytes that are not UTF-8 as lone surrogates from now on, so that they can be named."""

    @property
    @abstractmethod
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    @abstractmethod
    def unscrubbed(self) -> list[int]:
        """Return the redactions whose texts may still lie in the store's files."""

    @abstractmethod
    def reopening(self) -> Callable[[], Store] | None:
        """Return what opens the same ledger for reading in another process, if that can be."""

    @abstractmethod
    def shape_damage(self) -> Iterator[tuple[str, str]]:
        """Yield what is missing, of another shape, or too much: the table or object, and what."""

    @abstractmethod
    def damage(self) -> Iterator[tuple[str, str]]:
        """Yield what is physically wrong: where, and what."""

    @abstractmethod
    def find_residual_text(self, texts: Sequence[bytes]) -> list[bytes]:
        """Return those of the texts that are still anywhere in the store's files."""

    @abstractmethod
    def rows_by_entry(self, table: Table, first: int, last: int) -> list[tuple[Any, ...]]:
        """Return whole rows of a table, as the driver gives them, by entry (and position)."""

    def all_rows(self, table: Table) -> Iterator[tuple[Any, ...]]:
        """Yield whole rows of a table in any order, as the driver gives them."""
        yield from self.stream(select(table))

    @abstractmethod
    def search_damage(self) -> Iterator[tuple[str, str]]:
        """Yield the differences between the full-text index and the words it is built from."""

    @abstractmethod
    def close(self) -> None:
        """Close the store."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def rows(self, query: Select[Any]) -> Sequence[Any]:
        """Return a query's rows, their columns by name."""
        return self.connection.execute(query).all()

    @abstractmethod
    def tuples(self, query: Select[Any]) -> list[tuple[Any, ...]]:
        """Return a query's rows as the driver gives them."""

    @abstractmethod
    def select_in(
        self, query: Select[Any], column: Any, values: Iterable[Any]
    ) -> list[tuple[Any, ...]]:
        """Return the rows for which a column is one of the values, as the driver gives them.

        Five hundred values at least go into one statement; what is limited or ordered is so in each.
        """

    @abstractmethod
    def stream(self, query: Select[Any]) -> Iterator[tuple[Any, ...]]:
        """Yield a query's rows as the driver gives them, never all of them at once."""

    def value(self, query: Select[Any]) -> Any:
        """Return the first column of a query's first row, or ``None`` if there is no row."""
        rows = self.tuples(query)
        return rows[0][0] if rows else None


def _rights_of_a_file() -> StoreError:
    return StoreError(
        "a ledger in a file has the rights of the file: give them with chmod, chgrp or setfacl. Roles are "
        "what a ledger in PostgreSQL has (`claimledger move` takes it there)"
    )
