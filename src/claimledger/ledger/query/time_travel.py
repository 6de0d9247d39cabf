"""The ledger's clock: finds the last entry at a given time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time
from typing import NamedTuple

from sqlalchemy import func, select

from claimledger.errors import NotFoundError, ParseError, StoreError
from claimledger.log.entry import timestamp
from claimledger.log.validate import InvalidEntryError, check_header
from claimledger.records.dates import Date, day_text
from claimledger.storage.base import Store
from claimledger.storage.tables import ENTRY, HISTORY

_SIZE = select(func.max(ENTRY.c.number))


def size(store: Store) -> int:
    """Return the number of entries in the log."""
    return store.value(_SIZE) or 0


class DatedAhead(NamedTuple):
    """The entries at the end of a log that are dated ahead of a clock."""

    first: int
    last: int
    moment: str
    """The time of the first."""


def moment_at(store: Store, number: int) -> str:
    """Return the time of an entry."""
    return str(store.value(select(HISTORY.c.recorded_at).where(HISTORY.c.entry == number)) or "")


def last_moment(store: Store) -> str:
    """Return the time of the last entry; empty if there is none."""
    number = size(store)
    header = store.value(select(ENTRY.c.header).where(ENTRY.c.number == number))
    return moment_in(number, header) if number else ""


def moment_in(number: int, header: object) -> str:
    """Return the time in the header of an entry; raise :class:`StoreError` if the header is not valid."""
    try:
        return check_header(header).recorded_at
    except InvalidEntryError as error:
        raise StoreError(
            f"entry {number} {error}; nothing was written. `claimledger verify` reports what else is damaged"
        ) from None


def dated_ahead(store: Store, since: str) -> DatedAhead | None:
    """Return the entries dated later than a time, or ``None``."""
    last = size(store)
    before = entry_at(store, since)
    return None if before == last else DatedAhead(before + 1, last, moment_at(store, before + 1))


def entry_at(store: Store, when: str) -> int:
    """Return the last entry at a time: an entry number, a timestamp, or a day in EDTF or words.

    A day means its end. Raises :class:`ParseError` for anything else, and :class:`NotFoundError` for an entry
    that does not exist.
    """
    text = when.strip()
    if re.fullmatch(r"[0-9]{1,3}|[0-9]{5,15}|#[0-9]{1,15}", text):
        number, last = int(text.lstrip("#")), size(store)
        if number > last:
            raise NotFoundError(
                "entry", str(number), known_by="number", why=f"the ledger ends at entry {last}"
            )
        return number
    moment = _moment(text)
    low, high = 0, size(store)
    while low < high:  # a binary search, because recorded_at never decreases along the log
        middle = (low + high + 1) // 2
        recorded_at = store.value(select(HISTORY.c.recorded_at).where(HISTORY.c.entry == middle))
        low, high = (
            (middle, high) if recorded_at is None or recorded_at <= moment else (low, middle - 1)
        )
    return low


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text) if "T" in text or ":" in text else None
    except ValueError:
        moment = None
    if moment is not None:
        try:
            return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        except OverflowError:
            raise ParseError(f"{text!r} is, in UTC, outside the years 1 to 9999") from None
    try:
        day = Date.of(text).latest
        if day is None or not 1 <= day < 3_652_059:
            raise ParseError("has no last day")
        return timestamp(datetime.combine(datetime.fromisoformat(day_text(day)), time.max, UTC))
    except ParseError as error:
        raise ParseError(
            f"{text!r} {error}. A ledger time is an entry number (#12), a timestamp "
            "(2022-10-31T12:00:00Z) or a day"
        ) from None
