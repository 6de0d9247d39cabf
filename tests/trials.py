"""How much is tried where whatever comes is tried: a little in ``make test``, much in ``make fuzz``."""

from __future__ import annotations

import os

from hypothesis import settings

TIMES = int(os.environ.get("TRIALS", "1"))


def trials(number: int) -> settings:
    """So many, always the same ones, in ``make test``; ``TRIALS`` times as many, always others, with it."""
    return settings(max_examples=number * TIMES, derandomize="TRIALS" not in os.environ)
