"""Entries: the lines of the log. Each has a permanent header, and a payload that can be redacted.

The header contains the format, the time, and the SHA-256 of a random salt followed by the payload; the
headers are the leaves of the Merkle tree. So a payload can be destroyed together with its salt: the
remaining digest does not reveal what the payload was, and the tree and all proofs over it remain valid.
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
"""The format of the entries that this program writes; it reads this format and all older ones."""


class Action(StrEnum):
    """The effect of an entry on a record."""

    RECORD = "record"
    AMEND = "amend"
    WITHDRAW = "withdraw"
    REDACT = "redact"


ACTIONS = frozenset(Action)

WRITES_VERSION = (Action.RECORD, Action.AMEND)
"""The actions that write a version of a record; the others end it."""

SALT = 16
"""The number of bytes in a salt."""

LARGEST_PAYLOAD = 16 * 1024 * 1024
"""The largest number of bytes in a payload."""

DEEPEST = 64
"""The deepest nesting of lists and objects in a payload."""


class Payload(NamedTuple):
    """The content of an entry: the record, what was done to it, by whom and why."""

    kind: str
    key: str
    action: str
    recorded_by: str
    record: dict[str, Any] | None = None
    reason: str | None = None
    replaces: int | None = None
    """For an amendment or a withdrawal: the entry of the version that it ends."""

    replaced_by: str | None = None
    """For a withdrawal, and a redaction of it: the key to which references resolve from then on."""

    entries: tuple[int, ...] = ()
    """For a redaction: the numbers of the entries whose payloads it destroyed."""

    more: dict[str, Any] | None = None
    """The members that a newer version of the program wrote and this one does not know."""

    def encode(self, record: bytes | None = None) -> bytes:
        """Return the payload's canonical JSON, without empty fields.

        ``record`` is the canonical JSON of the record, if the caller has it already.
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
        """Return the payload that a text encodes; raise :class:`StoreError` if it is not a payload."""
        try:
            payload = cls.of(parse(text))
        except (ValueError, TypeError, AttributeError) as error:
            raise StoreError(f"the payload does not have format {FORMAT}: {error}") from None
        if payload.action not in ACTIONS:
            raise StoreError(
                f"the payload has the action {payload.action!r}, which this version of claimledger does not "
                "know, so it cannot determine which records are live; use a newer version"
            )
        return payload

    @classmethod
    def of(cls, members: dict[str, Any]) -> Payload:
        """Return the payload with these members of a JSON object, which are not checked."""
        members["entries"] = tuple(members.get("entries", ()))
        if not members.keys() <= _FIELDS:
            members["more"] = {name: members.pop(name) for name in members.keys() - _FIELDS}
        return cls(**members)


_FIELDS = frozenset(Payload._fields) - {"more"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log as stored; ``payload`` and ``salt`` are ``None`` if it was redacted."""

    number: int
    header: bytes
    payload: bytes | None
    salt: bytes | None
    nodes: bytes = field(repr=False)
    """The joined hashes of the subtrees that this entry completes in the tree, the smallest first."""


def digest_of(salt: bytes, payload: bytes) -> str:
    """Return the digest that the header of a payload with this salt contains."""
    return sha256(salt + payload).hexdigest()


def header_of(recorded_at: str, digest: str) -> bytes:
    """Return the canonical JSON of a header."""
    # Composed by hand, because every write does this; a test compares the result with that of canonical().
    return f'{{"digest":"{digest}","format":{FORMAT},"recorded_at":"{recorded_at}"}}'.encode()


def timestamp(moment: datetime) -> str:
    """Return a moment as the log writes it: RFC 3339 in UTC, with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)
