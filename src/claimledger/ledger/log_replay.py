"""Replays a log in order, and checks each entry against the format and the entries before it.

The rules are those of ``docs/log-format.md``, implemented in :mod:`claimledger.log.validate`. ``restore`` and
``salvage`` read a log from elsewhere through a :class:`LogReplay`. ``verify`` checks the same rules on all
cores at once, and takes the state before each entry from the views.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from sqlalchemy import select

from claimledger.log.entry import Action, Payload
from claimledger.log.validate import (
    InvalidEntryError,
    RecordState,
    check_digest,
    check_fixed,
    check_header,
    check_payload,
    follow,
)
from claimledger.records.kinds import KINDS
from claimledger.storage.base import Store
from claimledger.storage.tables import ENTRY


def first_invalid_entry(store: Store) -> tuple[int, InvalidEntryError] | None:
    """Return the number of the first entry that breaks a rule, with the error; ``None`` if none does."""
    replay = LogReplay()
    rows = store.stream(select(ENTRY).order_by(ENTRY.c.number))
    for expected, (number, header, payload, salt, _) in enumerate(rows, 1):
        if number != expected:
            return number, InvalidEntryError("number", f"is in the place of entry {expected}")
        try:
            replay.add(number, header, payload, salt)
        except InvalidEntryError as error:
            return number, error
    return next(replay.unexplained(), None)


class PriorState(Protocol):
    """The state of a ledger from which a replay continues."""

    def state(self, kind: str, key: str) -> RecordState | None:
        """Return the state of a record there; ``None`` if no entry of it can be read."""

    def record(self, number: int) -> Mapping[str, Any] | None:
        """Return the record that this entry recorded; ``None`` if it cannot be read."""


class LogReplay:
    """Replays a log from its first entry, or continues from a ledger that has the beginning of the log.

    ``moment`` is the time of the last entry before the replay; ``before`` is the ledger's state then.

    A redacted entry has no payload, so the entries of a record can be unreadable until the redaction that
    lists them arrives. Two checks are therefore postponed to :meth:`unexplained`: that each entry without a
    payload is listed by a redaction, and that a replacement whose entries cannot be read was live.
    """

    def __init__(self, moment: str = "", before: PriorState | None = None) -> None:
        self.moment = moment
        """The time of the last entry that was added."""

        self._before = before

        self.emptied: set[int] = set()
        """Entries without a payload that no redaction has listed so far."""

        self._states: dict[tuple[str, str], RecordState | None] = {}
        self._fixed: dict[int, Mapping[str, Any]] = {}
        """By entry: the fields of a record that an amendment must not change."""

        self.presumed: dict[tuple[str, str], int] = {}
        """Unreadable records, each with the entry that names it as a live record."""

    def add(self, number: int, header: object, payload: object, salt: object) -> Payload | None:
        """Check the next entry and return its payload; ``None`` if the entry is redacted.

        Raises :class:`InvalidEntryError` if the entry breaks a rule; the replay can then continue with the
        next entry, as if this one were missing.
        """
        head = check_header(header, self.moment)
        if payload is None and salt is None:
            self.emptied.add(number)
            decoded = None
        else:
            decoded = check_payload(number, self._text(payload, salt, head.digest))
            self._follow(number, decoded)
        self.moment = head.recorded_at
        return decoded

    def unexplained(self) -> Iterator[tuple[int, InvalidEntryError]]:
        """Yield, at the end of the log, each entry that only a missing later entry would have made valid."""
        for number in sorted(self.emptied):
            message = "has no payload, and no redaction lists it"
            yield number, InvalidEntryError("emptied", message)
        for (kind, key), number in self.presumed.items():
            state = self.state(kind, key)
            if state is None or state.action != Action.REDACT:
                message = f"names {kind} {key} as a replacement, which is not a live record"
                yield number, InvalidEntryError("replaced-by", message)

    def state(self, kind: str, key: str) -> RecordState | None:
        """Return the current state of a record; ``None`` if no entry of it can be read."""
        if (kind, key) not in self._states:
            self._states[kind, key] = self._before.state(kind, key) if self._before else None
        return self._states[kind, key]

    @staticmethod
    def _text(payload: object, salt: object, digest: str) -> str:
        if not isinstance(payload, str):
            raise InvalidEntryError("canonical", "has a payload that is not text")
        check_digest(salt, payload, digest)
        return payload

    def _follow(self, number: int, payload: Payload) -> None:
        state = follow(
            self.state(payload.kind, payload.key), number, payload,
            emptied=self.emptied, is_live=lambda kind, key: self._is_live(kind, key, number),
        )  # fmt: skip
        if payload.record is not None and payload.kind in KINDS and KINDS[payload.kind].fixed:
            if payload.action == Action.AMEND and payload.replaces is not None:
                check_fixed(
                    payload, self._fixed.get(payload.replaces) or self._record(payload.replaces)
                )
            fixed = KINDS[payload.kind].fixed
            self._fixed[number] = {name: payload.record.get(name) for name in fixed}
        self._states[payload.kind, payload.key] = state
        self.emptied.difference_update(payload.entries)

    def _record(self, number: int) -> Mapping[str, Any] | None:
        return self._before.record(number) if self._before else None

    def _is_live(self, kind: str, key: str, number: int) -> bool:
        """Whether entry ``number`` may name a record as a replacement."""
        state = self.state(kind, key)
        if state is None and self.emptied:
            # The record's own entries may be redacted. `unexplained` reports the entry if they are not.
            self.presumed[kind, key] = number
            return True
        return state is not None and state.is_live
