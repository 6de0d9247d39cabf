"""The workers of these tests are forked from a server process that has imported the program."""

from __future__ import annotations

from multiprocessing.context import BaseContext

import pytest


@pytest.fixture(autouse=True)
def forked(launcher: BaseContext) -> None:
    """Start the fork server."""
