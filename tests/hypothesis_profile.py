"""How much is tried where whatever comes is tried: a little in ``make test``, much in ``make fuzz``."""

from __future__ import annotations

import os
import random

from hypothesis import settings

TRIALS_FACTOR = int(os.environ.get("TRIALS", "1"))


def trials(number: int) -> settings:
    """So many, always the same ones, in ``make test``; ``TRIALS`` times as many, always others, with it."""
    return settings(max_examples=number * TRIALS_FACTOR, derandomize="TRIALS" not in os.environ)


def seed_for(what: str) -> str:
    """Return what chance begins with: always the same in ``make test``, always another in ``make fuzz``."""
    return what if TRIALS_FACTOR == 1 else f"{what} {random.random()}"
