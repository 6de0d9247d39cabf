"""Replays a log in order, checking each entry against the rules of the format and the entries before it.

``restore`` and ``salvage`` read a log from elsewhere through a :class:`LogReplay`. ``verify`` checks the same
rules on every core at once, and reads what came before from the views.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from sqlalchemy import select

from claimledger.log.entry import Payload
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


def first_unlawful(store: Store) -> tuple[int, InvalidEntryError] | None:
    """Return the first entry of a ledger that breaks a rule, and how; ``None`` where none does."""
    replay = LogReplay()
    rows = store.stream(select(ENTRY).order_by(ENTRY.c.number))
    for place, (number, header, payload, salt, _) in enumerate(rows, 1):
        if number != place:
            return number, InvalidEntryError("number", f"stands where {place} is due")
        try:
            replay.add(number, header, payload, salt)
        except InvalidEntryError as error:
            return number, error
    return next(replay.unexplained(), None)


class Before(Protocol):
    """What a ledger has already, from which a replay continues."""

    def state(self, kind: str, key: str) -> RecordState | None:
        """Return how far a record has come there, ``None`` where no entry of it can be read."""

    def record(self, number: int) -> Mapping[str, Any] | None:
        """Return the record that this entry recorded, if it can be read."""


class LogReplay:
    """Replays a log from its first entry, or from the end of a ledger that has its beginning."""

    def __init__(self, moment: str = "", before: Before | None = None) -> None:
        self.moment = moment
        """The time of the last entry."""

        self._before = before

        self.emptied: set[int] = set()
        """Entries without a payload that no redaction has listed yet."""

        self._states: dict[tuple[str, str], RecordState | None] = {}
        self._fixed: dict[int, Mapping[str, Any]] = {}
        """By entry: the fields of a record that no amendment may change."""

        self.presumed: dict[tuple[str, str], int] = {}
        """Records that cannot be read, and the entry that names each as a live one."""

    def add(self, number: int, header: object, payload: object, salt: object) -> Payload | None:
        """Return what the next entry says, ``None`` where it is redacted.

        Raises :class:`InvalidEntryError` if it breaks a rule; the entry then counts as missing.
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
        """Yield, at the end of a log, the entries that would be lawful only with an entry that never came."""
        for number in sorted(self.emptied):
            what = "has no payload, and no redaction lists it"
            yield number, InvalidEntryError("emptied", what)
        for (kind, key), number in self.presumed.items():
            state = self.state(kind, key)
            if state is None or state.action != "redact":
                what = f"names {kind} {key} as a replacement, which does not stand"
                yield number, InvalidEntryError("replaced-by", what)

    def state(self, kind: str, key: str) -> RecordState | None:
        """Return how far a record has come, ``None`` where no entry of it can be read."""
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
            emptied=self.emptied, stands=lambda kind, key: self._stands(kind, key, number),
        )  # fmt: skip
        if payload.record is not None and payload.kind in KINDS and KINDS[payload.kind].fixed:
            if payload.action == "amend" and payload.replaces is not None:
                check_fixed(
                    payload, self._fixed.get(payload.replaces) or self._record(payload.replaces)
                )
            fixed = KINDS[payload.kind].fixed
            self._fixed[number] = {name: payload.record.get(name) for name in fixed}
        self._states[payload.kind, payload.key] = state
        self.emptied.difference_update(payload.entries)

    def _record(self, number: int) -> Mapping[str, Any] | None:
        return self._before.record(number) if self._before else None

    def _stands(self, kind: str, key: str, number: int) -> bool:
        state = self.state(kind, key)
        if state is None and self.emptied:
            # Its own entries may be among those that came without a payload.
            self.presumed[kind, key] = number
            return True
        return state is not None and state.stands
