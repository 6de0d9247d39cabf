"""Whether the machine's clock can be right, given where the log ends; asked before anything is written.

The log's times never go back: what a wrong clock writes dates every later entry, for good.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from claimledger.errors import ClockError
from claimledger.log.entry import timestamp

BEHIND = timedelta(days=1)
"""How far a clock may be behind the last entry, as clocks of machines differ: see decision 19."""

AHEAD = timedelta(days=3653)
"""How far a clock may be ahead of the last entry; a ledger may lie at rest for years."""


def check_clock(now: datetime, last: str) -> None:
    """Raise :class:`ClockError` if a clock is far from the time of the last entry."""
    if not last:
        return
    then = datetime.fromisoformat(last)
    if then - now > BEHIND:
        doubt = "one of the two is wrong, and what is written now would be dated like the entry, for good"
    elif now - then > AHEAD:
        doubt = "more than ten years later; if this clock is wrong, all that follows stays dated so for good"
    else:
        return
    raise ClockError(
        f"the last entry is dated {_minute(last)}, and this machine's clock says {_minute(timestamp(now))}: "
        f"{doubt}. Nothing was written. If this clock is right, say --clock-is-right"
    )


def _minute(moment: str) -> str:
    return f"{moment[:10]} {moment[11:16]} UTC"


def earliest_in_doubt(now: datetime) -> str:
    """Return from when on an entry is so far ahead of a clock that one of the two is wrong."""
    last = datetime.max.replace(tzinfo=UTC)
    return timestamp(now + BEHIND if now < last - BEHIND else last)
