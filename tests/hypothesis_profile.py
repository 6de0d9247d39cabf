"""How many random examples tests try: few and always the same in ``make test``, many new ones in ``make fuzz``."""

from __future__ import annotations

import os
import random

from hypothesis import settings

TRIALS_FACTOR = int(os.environ.get("TRIALS", "1"))
"""The factor by which ``make fuzz`` multiplies the number of examples."""


def trials(number: int) -> settings:
    """Return settings for hypothesis that try ``number`` examples, the same at each run.

    With ``TRIALS`` in the environment they try ``TRIALS`` times as many, other ones at each run.
    """
    return settings(max_examples=number * TRIALS_FACTOR, derandomize="TRIALS" not in os.environ)


def trials_in(store: str, number: int) -> settings:
    """Return settings that try ``number`` examples on a file, and a quarter of them on a server, which takes
    ten times as long: both stores must obey one law, and the tests of each statement run on both."""
    return trials(number if store == "file" else number // 4)


def seed_for(name: str) -> str:
    """Return a random seed: the same at each run in ``make test``, another one at each run in ``make fuzz``."""
    return name if TRIALS_FACTOR == 1 else f"{name} {random.random()}"
