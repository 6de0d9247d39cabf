"""The rules of the log's format: what an entry must be, and what may follow what.

``docs/log-format.md`` states every rule under the name it has here. Whatever takes a log on trust from
nobody (``verify``, ``restore``, ``salvage``) holds each entry to the same functions, so that a log is
either lawful for all of them or for none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from claimledger.errors import InvalidInputError, StoreError
from claimledger.log.canonical_json import canonical, parse
from claimledger.log.entry import (
    ACTIONS,
    DEEPEST,
    FORMAT,
    LARGEST_PAYLOAD,
    SALT,
    Payload,
    digest_of,
)
from claimledger.records.check import record_of
from claimledger.records.keys import is_key
from claimledger.records.kinds import KINDS
from claimledger.records.unknown_fields import split

RULES = {
    "number": "entries are numbered 1, 2, 3, ... without gaps",
    "header": "the header is canonical JSON of exactly `digest`, `format` and `recorded_at`",
    "format": "`format` is 1",
    "time": "`recorded_at` is a moment that exists, and never earlier than that of the entry before",
    "salt": "the salt is 16 bytes",
    "digest": "`digest` is the SHA-256 of the salt followed by the payload",
    "canonical": "the payload is a canonical JSON object within the bounds of this page",
    "members": "the payload has the members of its action, each of its type, and no other of these",
    "action": "`action` is one of the four of this page",
    "kind": "`kind` is a name: a lowercase letter, then lowercase letters, digits and hyphens, 40 at most",
    "key": "`key` and `replaced_by` are keys of the kind",
    "record": "a record of a kind on these pages has that kind's fields, in their written form",
    "begins-once": "a key is recorded once in its kind",
    "replaces": "an amendment or a withdrawal replaces the version that stands",
    "fixed": "an amendment leaves the fixed fields of its kind as they were",
    "replaced-by": "`replaced_by` names another record of the kind that stands",
    "redacts-own": "a redaction lists all entries of one withdrawn record, and nothing else",
    "emptied": "an entry without payload and salt is listed by one later redaction",
    "nodes": "`nodes` holds the hashes of the subtrees that the entry completes",
}
"""Every rule by its name, as the specification words it."""


class InvalidEntryError(StoreError):
    """An entry breaks a rule of the log's format; says which rule, and in which column."""

    code = "invalid-entry"

    def __init__(self, rule: str, message: str, column: str = "payload") -> None:
        assert rule in RULES
        self.rule = rule
        self.message = message
        self.column = column
        super().__init__(f"{message} (rule `{rule}`)")


class Header(NamedTuple):
    """The content of a header, without the format."""

    digest: str
    recorded_at: str


_HEADER = re.compile(r'\{"digest":"([0-9a-f]{64})","format":1,"recorded_at":"([^"\\]*)"\}')
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\.[0-9]{6}Z", re.ASCII
)


def check_header(header: object, before: str = "") -> Header:
    """Return the content of a header; raise :class:`InvalidEntryError` if it is not one.

    ``before`` is the time of the entry in front.
    """
    match = _HEADER.fullmatch(header) if isinstance(header, str) else None
    if match is None:
        raise _header_fault(header)
    digest, moment = match.groups()
    check_moment(moment)
    if moment < before:
        raise InvalidEntryError("time", f"goes back in time, to {moment} from {before}", "header")
    return Header(digest, moment)


def check_moment(text: str) -> None:
    """Raise :class:`InvalidEntryError` if a text is not a time as the log writes it."""
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError
        datetime.fromisoformat(text[:-1])
    except ValueError:
        what = f"has the time {text[:40]!r}, which is not a moment in UTC with six decimals"
        raise InvalidEntryError("time", what, "header") from None


def _header_fault(header: object) -> InvalidEntryError:
    """Return what is wrong with a header, as exactly as can be said."""
    try:
        members = parse(header)  # type: ignore[arg-type]
        version = members["format"]
    except (ValueError, KeyError, TypeError):
        members, version = {}, None
    if isinstance(version, int) and not isinstance(version, bool) and version > FORMAT:
        return InvalidEntryError(
            "format",
            f"is of format {version}, and this claimledger knows {FORMAT}: use a newer version",
            "header",
        )
    if version is not None and (version != FORMAT or isinstance(version, bool)):
        return InvalidEntryError("format", f"has the format {version!r:.40}", "header")
    return InvalidEntryError("header", f"does not have a header of format {FORMAT}", "header")


def check_digest(salt: object, payload: str, digest: str) -> None:
    """Raise :class:`InvalidEntryError` if salt and payload do not give the digest in the header."""
    if not isinstance(salt, bytes) or len(salt) != SALT:
        raise InvalidEntryError("salt", f"does not have a salt of {SALT} bytes", "salt")
    # Bytes that are not UTF-8 reach this as lone surrogates, so that they can be named.
    if digest_of(salt, payload.encode(errors="surrogateescape")) != digest:
        raise InvalidEntryError("digest", "does not give the digest in its header")


def check_payload(number: int, text: object) -> Payload:
    """Return the content of a payload; raise :class:`InvalidEntryError` if it is not lawful."""
    if not isinstance(text, str):
        raise InvalidEntryError("canonical", "is not text")
    members = _canonical_object(text)
    _check_members(number, members)
    payload = Payload.of(members)
    _check_record(payload)
    return payload


def _canonical_object(text: str) -> dict[str, Any]:
    try:
        if 4 * len(text) > LARGEST_PAYLOAD and len(text.encode()) > LARGEST_PAYLOAD:
            raise ValueError(f"it is longer than {LARGEST_PAYLOAD:,} bytes")
        members = parse(text)
        if not isinstance(members, dict) or canonical(members).decode() != text:
            raise ValueError("it is not canonical JSON (RFC 8785) of an object")
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidEntryError("canonical", f"cannot be read: {error!s:.200}") from None
    if _needs_full_check(text):
        _walk(members, 1)
    return members


_UNSOUND = re.compile(r"\\u0000|[0-9]\.[0-9]|[0-9][eE][+-]?[0-9]")


def _needs_full_check(text: str) -> bool:
    """Whether a canonical text may hold what only a look at every value in it can rule out."""
    return bool(_UNSOUND.search(text)) or text.count("[") + text.count("{") > DEEPEST


def _walk(value: object, depth: int) -> None:
    """Raise :class:`InvalidEntryError` for a fraction, a NUL, or what is nested too deeply."""
    if isinstance(value, float):
        raise InvalidEntryError("canonical", f"holds {value!r}, which is not a whole number")
    if isinstance(value, str) and "\x00" in value:
        raise InvalidEntryError("canonical", "holds a NUL character")
    if not isinstance(value, dict | list):
        return
    if depth > DEEPEST:
        raise InvalidEntryError("canonical", f"is nested more than {DEEPEST} deep")
    if isinstance(value, dict):
        for name in value:
            _walk(name, depth)
        value = list(value.values())
    for item in value:
        _walk(item, depth + 1)


_KIND = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)
_TEXTS = ("action", "kind", "key", "recorded_by")
_WITH: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "record": (frozenset({"record"}), frozenset({"reason"})),
    # An amendment made through the library once had no reason: such logs stay lawful.
    "amend": (frozenset({"record", "replaces"}), frozenset({"reason"})),
    "withdraw": (frozenset({"replaces", "reason"}), frozenset({"replaced_by"})),
    "redact": (frozenset({"entries", "reason"}), frozenset({"replaced_by"})),
}
"""The members of each action: those it must have, and those it may have."""

_OF_ACTIONS = frozenset().union(*(needed | possible for needed, possible in _WITH.values()))


def _check_members(number: int, members: Mapping[str, Any]) -> None:
    for name in _TEXTS:
        if not isinstance(members.get(name), str):
            raise InvalidEntryError("members", f"has no text `{name}`")
    action, kind = members["action"], members["kind"]
    if action not in ACTIONS:
        raise InvalidEntryError(
            "action",
            f"has the action {action[:40]!r}, which this claimledger does not know: what stands cannot "
            "be told without it; use a newer version",
        )
    if not _KIND.fullmatch(kind):
        raise InvalidEntryError("kind", f"has the kind {kind[:60]!r}, which is not a name of one")
    needed, possible = _WITH[action]
    present = members.keys() & _OF_ACTIONS
    if not needed <= present or not present <= needed | possible:
        odd = sorted(needed - present) or sorted(present - needed - possible)
        what = "lacks" if needed - present else "has"
        raise InvalidEntryError("members", f"{what} `{odd[0]}`, being an entry that says {action}")
    if not members["recorded_by"].strip():
        raise InvalidEntryError("members", "has a `recorded_by` that is empty")
    if not isinstance(members.get("reason", ""), str):
        raise InvalidEntryError("members", "has a `reason` that is not text")
    if "record" in present and not isinstance(members["record"], dict):
        raise InvalidEntryError("members", "has a `record` that is not an object")
    if "replaces" in present and not _is_before(members["replaces"], number):
        raise InvalidEntryError("members", "has a `replaces` that is not an entry before it")
    if "entries" in present:
        _check_entries(number, members["entries"])
    for name in {"key", "replaced_by"} & members.keys():
        if not isinstance(members[name], str) or not _is_key_of(kind, members[name]):
            what = f"has the `{name}` {members[name]!r:.120}, which is not a key of a {kind}"
            raise InvalidEntryError("key", what)


def _check_entries(number: int, entries: object) -> None:
    """Raise unless entries are a list of at least two numbers before an entry, in ascending order."""
    in_order = (
        isinstance(entries, list)
        and len(entries) > 1
        and all(_is_before(entry, number) for entry in entries)
        and all(left < right for left, right in pairwise(entries))
    )
    if not in_order:
        what = "has `entries` that are not two or more entries before it, in ascending order"
        raise InvalidEntryError("members", what)


def _is_key_of(kind: str, text: str) -> bool:
    """Whether a text is a key that a record of a kind may have; a kind's numbers bear its letter."""
    return is_key(text) and not (
        text[0].isupper() and kind in KINDS and text[0] != KINDS[kind].letter
    )


def _is_before(value: object, number: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < number


def _check_record(payload: Payload) -> None:
    """Hold the record of a known kind to its declaration: read, and written again, it is the same."""
    if payload.record is None or payload.kind not in KINDS:
        return
    try:
        fields, _ = split(payload.kind, payload.record)
        if "key" in payload.record or "kind" in payload.record:
            raise InvalidEntryError("record", "has a record with a `key` or a `kind` of its own")
        written = record_of(payload.kind, {"key": payload.key, **fields}).as_json()
    except InvalidInputError as error:
        raise InvalidEntryError(
            "record", f"has a record that is not lawful: {error.problems[0]}"
        ) from None
    except (TypeError, AttributeError, ValueError) as error:
        what = f"has a record that is not a {payload.kind}: {error!s:.200}"
        raise InvalidEntryError("record", what) from None
    for name, value in fields.items():
        if name not in written or not _as_written(value, written[name]):
            what = f"has a record whose `{name}` is not in its written form"
            raise InvalidEntryError("record", what)


def _as_written(value: object, written: object) -> bool:
    """Whether a value is what would be written; what has a usual value may be left out of a part."""
    if type(value) is type(written) and value == written:
        return True
    if isinstance(value, dict) and isinstance(written, dict):
        return all(name in written and _as_written(value[name], written[name]) for name in value)
    if isinstance(value, list) and isinstance(written, list):
        return len(value) == len(written) and all(map(_as_written, value, written))
    return False


class RecordState(NamedTuple):
    """How far the entries of one record have come."""

    entries: tuple[int, ...]
    """Its entries that can be read, in order."""

    action: str
    """What the last of them did."""

    replaced_by: str | None = None
    """What the last of them, a withdrawal, says references then resolve to."""

    @property
    def stands(self) -> bool:
        """Whether the record has a live version."""
        return self.action in ("record", "amend")


def follow(
    state: RecordState | None,
    number: int,
    payload: Payload,
    *,
    emptied: Container[int],
    stands: Callable[[str, str], bool],
) -> RecordState:
    """Return how far a record has come with one entry more; raise where that may not follow.

    ``state`` is the result of its entries so far, ``None`` before the first; ``emptied`` are the entries
    without a payload that no redaction has listed yet; ``stands`` says of a kind and key whether that
    record is live at this entry.
    """
    name = f"{payload.kind} {payload.key}"
    if payload.action == "record":
        if state is not None:
            what = f"records {name} a second time, after entry {state.entries[0]}"
            raise InvalidEntryError("begins-once", what)
        return RecordState((number,), "record")
    if payload.action == "redact":
        _check_redaction(state, payload, name, emptied)
        return RecordState((number,), "redact", payload.replaced_by)
    if state is None or not state.stands:
        raise InvalidEntryError("replaces", f"says {payload.action}, and no {name} stands")
    if payload.replaces != state.entries[-1]:
        what = (
            f"replaces entry {payload.replaces}, and {name} stands as of entry {state.entries[-1]}"
        )
        raise InvalidEntryError("replaces", what)
    if payload.replaced_by is not None and (
        payload.replaced_by == payload.key or not stands(payload.kind, payload.replaced_by)
    ):
        what = f"replaces {name} by {payload.replaced_by}, which is itself, or does not stand"
        raise InvalidEntryError("replaced-by", what)
    return RecordState((*state.entries, number), payload.action, payload.replaced_by)


def _check_redaction(
    state: RecordState | None, payload: Payload, name: str, emptied: Container[int]
) -> None:
    if state is not None and state.action == "redact":
        raise InvalidEntryError(
            "redacts-own", f"redacts {name} again, after entry {state.entries[0]}"
        )
    readable = tuple(entry for entry in payload.entries if entry not in emptied)
    if readable != (state.entries if state else ()):
        raise InvalidEntryError("redacts-own", f"lists entries that are not all those of {name}")
    if state is None or readable[-1] != payload.entries[-1]:
        return  # the withdrawal is emptied: what it said cannot be seen any more
    if state.action != "withdraw":
        raise InvalidEntryError("redacts-own", f"redacts {name}, which stands")
    if payload.replaced_by != state.replaced_by:
        what = (
            f"says {name} is replaced by {payload.replaced_by}, its withdrawal {state.replaced_by}"
        )
        raise InvalidEntryError("redacts-own", what)


def check_fixed(payload: Payload, before: Mapping[str, Any] | None) -> None:
    """Raise where an amendment changes what no amendment may; ``before`` is the record it replaces."""
    if payload.action != "amend" or payload.kind not in KINDS or before is None:
        return
    for name in KINDS[payload.kind].fixed:
        if (payload.record or {}).get(name) != before.get(name):
            what = f"changes `{name}` of {payload.kind} {payload.key}, which no amendment may"
            raise InvalidEntryError("fixed", what)
