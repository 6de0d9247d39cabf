"""Checks before each write that the machine's clock can be right, given the time of the last entry.

Times in the log never decrease, so a time that a wrong clock writes determines those of all later entries.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from claimledger.errors import ClockError
from claimledger.log.entry import timestamp

BEHIND = timedelta(days=1)
"""How far a clock may be behind the last entry, because the clocks of machines differ; see decision 19."""

AHEAD = timedelta(days=3653)
"""How far a clock may be ahead of the last entry, because nobody may write to a ledger for years."""


def check_clock(now: datetime, last: str) -> None:
    """Raise :class:`ClockError` if a clock is far from the time of the last entry."""
    if not last:
        return
    then = datetime.fromisoformat(last)
    if then - now > BEHIND:
        doubt = "one of the two is wrong, and a new entry would permanently have the date of the last one"
    elif now - then > AHEAD:
        doubt = "it is more than ten years ahead; if it is wrong, all later entries permanently have its date"
    else:
        return
    raise ClockError(
        f"the last entry is dated {_minute(last)}, and this machine's clock says {_minute(timestamp(now))}: "
        f"{doubt}. Nothing was written. If this clock is right, use --clock-is-right"
    )


def _minute(moment: str) -> str:
    return f"{moment[:10]} {moment[11:16]} UTC"


def earliest_in_doubt(now: datetime) -> str:
    """Return the time from which an entry is so far ahead of a clock that one of them must be wrong."""
    last = datetime.max.replace(tzinfo=UTC)
    return timestamp(now + BEHIND if now < last - BEHIND else last)
