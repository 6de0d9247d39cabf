"""The callback through which long operations report their progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with the number of entries done and the number in all."""


def no_progress(_done: int, _total: int) -> None:
    """Ignore the progress: the default of operations that nobody watches."""
