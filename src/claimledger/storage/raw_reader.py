"""What every store offers for reading a log that may be damaged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Self

ReadEntry = tuple[int, int, tuple[Any, ...] | None]
"""First and last number of a range, and the row that was read there; ``None`` if the range is lost."""


class RawReader(ABC):
    """A possibly damaged log, read row by row past what cannot be read."""

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
        """Return what shows that entries are missing at the end; empty if nothing does."""
        return ""

    @abstractmethod
    def entries(self, count: int) -> Iterator[ReadEntry]:
        """Yield what is read of each entry up to a count, in order."""

    @abstractmethod
    def beyond(self, count: int) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of the log whose number is not from 1 to ``count``."""

    @abstractmethod
    def subject_of(self, number: int) -> str:
        """Return action, kind and key of an entry, as the views still have them; empty if they do not."""
