"""What every store offers for reading a log that need not be whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Self

ReadEntry = tuple[int, int, tuple[Any, ...] | None]
"""A first and a last number, with the row of the log that is read there; without one where none is."""


class RawReader(ABC):
    """The log of a ledger that need not be whole, read row by row past what cannot be read."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close the store without changing it."""

    @property
    def rights(self) -> int:
        """The permission bits that files created from it may have at most."""
        return 0o600

    @abstractmethod
    def size(self) -> int:
        """Return the number of the last entry; raise :class:`StoreError` if nothing can be read."""

    def end_is_missing(self) -> str:
        """Return what shows that there was more at the end than can be counted; empty where nothing does."""
        return ""

    @abstractmethod
    def entries(self, count: int) -> Iterator[ReadEntry]:
        """Yield what is read of each entry up to a count, in order."""

    @abstractmethod
    def beyond(self, count: int) -> Iterator[tuple[Any, ...]]:
        """Yield rows of the log that no number from 1 up to a count belongs to."""

    @abstractmethod
    def subject_of(self, number: int) -> str:
        """Return what the views still say an entry was about; empty where they do not."""
