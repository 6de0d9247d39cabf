"""The callback through which long operations report their progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""A callback that takes the number of entries processed so far, and the number of all entries."""


def no_progress(_done: int, _total: int) -> None:
    """Ignore the progress: the default of all operations."""
