"""Entries: the lines of the log. A header that stays for ever, and a payload that can be redacted.

The header holds the format, the time and the SHA-256 of a random salt followed by the payload; headers
are the leaves of the tree. So a payload can be destroyed with its salt, which leaves a digest that
confirms nothing, while the tree and every proof of the rest stay what they were.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple

from orjson import Fragment

from claimledger.errors import StoreError
from claimledger.log.canonical_json import canonical, parse

FORMAT = 1
"""The format of the entries this program writes; it reads this and all older ones."""


class Action(StrEnum):
    """What an entry does to a record."""

    RECORD = "record"
    AMEND = "amend"
    WITHDRAW = "withdraw"
    REDACT = "redact"


ACTIONS = frozenset(Action)

WRITES_VERSION = (Action.RECORD, Action.AMEND)
"""The actions that write a version of a record; the others end it."""

SALT = 16
"""Bytes in a salt."""

LARGEST_PAYLOAD = 16 * 1024 * 1024
"""Bytes in a payload, at most."""

DEEPEST = 64
"""How deep lists and objects of a payload are nested, at most."""


class Payload(NamedTuple):
    """What an entry says: which record, what was done to it, by whom and why."""

    kind: str
    key: str
    action: str
    recorded_by: str
    record: dict[str, Any] | None = None
    reason: str | None = None
    replaces: int | None = None
    """For an amendment and a withdrawal: the entry of the version it ends."""

    replaced_by: str | None = None
    """For a withdrawal (and a redaction of it): the key all references then resolve to."""

    entries: tuple[int, ...] = ()
    """For a redaction: the numbers of the entries whose payloads it destroys."""

    more: dict[str, Any] | None = None
    """What a newer program wrote and this one does not know."""

    def encode(self, record: bytes | None = None) -> bytes:
        """Return the payload's canonical JSON, without empty fields.

        ``record`` is the canonical JSON of the record, where the caller has it already.
        """
        payload: dict[str, Any] = {
            "action": self.action,
            "key": self.key,
            "kind": self.kind,
            "recorded_by": self.recorded_by,
        }
        if self.record is not None:
            payload["record"] = self.record if record is None else Fragment(record)
        if self.reason is not None:
            payload["reason"] = self.reason
        if self.replaces is not None:
            payload["replaces"] = self.replaces
        if self.replaced_by is not None:
            payload["replaced_by"] = self.replaced_by
        if self.entries:
            payload["entries"] = list(self.entries)
        return canonical({**self.more, **payload} if self.more else payload)

    @classmethod
    def decode(cls, text: bytes | str) -> Payload:
        """Decode a payload; raise :class:`StoreError` if it is not one."""
        try:
            payload = cls.of(parse(text))
        except (ValueError, TypeError, AttributeError) as error:
            raise StoreError(f"the payload is not one of format {FORMAT}: {error}") from None
        if payload.action not in ACTIONS:
            raise StoreError(
                f"the payload has the action {payload.action!r}, which this claimledger does not know: what "
                "stands cannot be told without it; use a newer version"
            )
        return payload

    @classmethod
    def of(cls, members: dict[str, Any]) -> Payload:
        """Return the payload that has these members of a JSON object; they are not checked."""
        members["entries"] = tuple(members.get("entries", ()))
        if not members.keys() <= _FIELDS:
            members["more"] = {name: members.pop(name) for name in members.keys() - _FIELDS}
        return cls(**members)


_FIELDS = frozenset(Payload._fields) - {"more"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log as stored. ``payload`` and ``salt`` are ``None`` once redacted."""

    number: int
    header: bytes
    payload: bytes | None
    salt: bytes | None
    nodes: bytes = field(repr=False)
    """The hashes of the subtrees of the tree that this entry completes, smallest first."""


def digest_of(salt: bytes, payload: bytes) -> str:
    """Return the digest of its payload that a header contains."""
    return sha256(salt + payload).hexdigest()


def header_of(recorded_at: str, digest: str) -> bytes:
    """Return a header's canonical JSON."""
    # Written out because it is the innermost step of every write; a test compares it with canonical().
    return f'{{"digest":"{digest}","format":{FORMAT},"recorded_at":"{recorded_at}"}}'.encode()


def timestamp(moment: datetime) -> str:
    """Return a moment as the log writes it: RFC 3339 in UTC, with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)
