"""How long operations report their progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with how many are done, of how many."""


def unseen(_done: int, _of: int) -> None:
    """Show nobody how far long work has come."""
