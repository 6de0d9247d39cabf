"""What works here is forked from a process that has the program's imports behind it."""

from __future__ import annotations

from multiprocessing.context import BaseContext

import pytest


@pytest.fixture(autouse=True)
def forked(launcher: BaseContext) -> None:
    """Have that process there."""
