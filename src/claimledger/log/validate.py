"""The rules of the log's format: for each entry, and for the order of entries.

``docs/log-format.md`` lists every rule under the name that it has here. ``verify``, ``restore`` and
``salvage`` trust no log and check each entry with the same functions, so that a log is valid for all of them
or for none.
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
    WRITES_VERSION,
    Action,
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
    "time": "`recorded_at` is a valid time, and never earlier than that of the preceding entry",
    "salt": "the salt is 16 bytes",
    "digest": "`digest` is the SHA-256 of the salt followed by the payload",
    "canonical": "the payload is a canonical JSON object within the limits on this page",
    "members": "the payload has the members of its action, each of its type, and none of another action",
    "action": "`action` is one of the four on this page",
    "kind": "`kind` is a name: a lowercase letter, then lowercase letters, digits and hyphens, 40 at most",
    "key": "`key` and `replaced_by` are keys of the kind",
    "record": "a record of a kind on these pages has that kind's fields, in their written form",
    "begins-once": "a key is recorded once in its kind",
    "replaces": "an amendment or a withdrawal replaces the live version",
    "fixed": "an amendment does not change the fixed fields of its kind",
    "replaced-by": "`replaced_by` names another live record of the kind",
    "redacts-own": "a redaction lists all entries of one withdrawn record, and nothing else",
    "emptied": "an entry without payload and salt is listed by one later redaction",
    "nodes": "`nodes` contains the hashes of the subtrees that the entry completes",
}
"""Every rule by name, in the words of the specification."""


class InvalidEntryError(StoreError):
    """An entry breaks a rule of the log's format: which rule, and in which column of the table of entries."""

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
    """Return the content of a header; raise :class:`InvalidEntryError` if it is not valid.

    ``before`` is the time of the preceding entry.
    """
    match = _HEADER.fullmatch(header) if isinstance(header, str) else None
    if match is None:
        raise _header_fault(header)
    digest, moment = match.groups()
    check_moment(moment)
    if moment < before:
        raise InvalidEntryError(
            "time",
            f"is dated {moment}, earlier than the preceding entry, which is dated {before}",
            "header",
        )
    return Header(digest, moment)


def check_moment(text: str) -> None:
    """Raise :class:`InvalidEntryError` if a text is not a time as the log writes it."""
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError
        datetime.fromisoformat(text[:-1])
    except ValueError:
        what = f"has the time {text[:40]!r}, which is not a time in UTC with six decimals"
        raise InvalidEntryError("time", what, "header") from None


def _header_fault(header: object) -> InvalidEntryError:
    """Return the error of an invalid header, as specific as possible."""
    try:
        members = parse(header)  # type: ignore[arg-type]
        version = members["format"]
    except (ValueError, KeyError, TypeError):
        members, version = {}, None
    if isinstance(version, int) and not isinstance(version, bool) and version > FORMAT:
        return InvalidEntryError(
            "format",
            f"has format {version}, but this version of claimledger knows only {FORMAT}: use a newer version",
            "header",
        )
    if version is not None and (version != FORMAT or isinstance(version, bool)):
        return InvalidEntryError("format", f"has the format {version!r:.40}", "header")
    return InvalidEntryError("header", f"does not have a header of format {FORMAT}", "header")


def check_digest(salt: object, payload: str, digest: str) -> None:
    """Raise :class:`InvalidEntryError` if salt and payload do not give the digest in the header."""
    if not isinstance(salt, bytes) or len(salt) != SALT:
        raise InvalidEntryError("salt", f"does not have a salt of {SALT} bytes", "salt")
    # Bytes that are not UTF-8 arrive as lone surrogates, so that the message can show them.
    if digest_of(salt, payload.encode(errors="surrogateescape")) != digest:
        raise InvalidEntryError("digest", "does not give the digest in its header")


def check_payload(number: int, text: object) -> Payload:
    """Return the content of the payload of an entry; raise :class:`InvalidEntryError` if it is not valid."""
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


_SUSPICIOUS = re.compile(r"\\u0000|[0-9]\.[0-9]|[0-9][eE][+-]?[0-9]")


def _needs_full_check(text: str) -> bool:
    """Whether a canonical text may contain a fraction, a NUL or too deep a nesting."""
    # Walking over every value of every payload is slow. This scan of the text has false positives ("1.5"
    # inside a string, many shallow lists) but no false negatives: canonical JSON writes a NUL only as
    # \u0000, a float only with a point or an exponent, and each level of nesting as one bracket.
    return bool(_SUSPICIOUS.search(text)) or text.count("[") + text.count("{") > DEEPEST


def _walk(value: object, depth: int) -> None:
    """Raise :class:`InvalidEntryError` if a value contains a fraction or a NUL, or is nested too deeply."""
    if isinstance(value, float):
        raise InvalidEntryError("canonical", f"contains {value!r}, which is not a whole number")
    if isinstance(value, str) and "\x00" in value:
        raise InvalidEntryError("canonical", "contains a NUL character")
    if not isinstance(value, dict | list):
        return
    if depth > DEEPEST:
        raise InvalidEntryError("canonical", f"is nested more than {DEEPEST} levels deep")
    if isinstance(value, dict):
        for name in value:
            _walk(name, depth)
        value = list(value.values())
    for item in value:
        _walk(item, depth + 1)


_KIND = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)
_TEXTS = ("action", "kind", "key", "recorded_by")
_WITH: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    Action.RECORD: (frozenset({"record"}), frozenset({"reason"})),
    # Amendments through the library once needed no reason. Logs with such entries remain valid.
    Action.AMEND: (frozenset({"record", "replaces"}), frozenset({"reason"})),
    Action.WITHDRAW: (frozenset({"replaces", "reason"}), frozenset({"replaced_by"})),
    Action.REDACT: (frozenset({"entries", "reason"}), frozenset({"replaced_by"})),
}
"""The members of each action: those it must have, and those it may have."""

_OF_ACTIONS = frozenset().union(*(needed | possible for needed, possible in _WITH.values()))


def _check_members(number: int, members: Mapping[str, Any]) -> None:
    for name in _TEXTS:
        if not isinstance(members.get(name), str):
            raise InvalidEntryError("members", f"does not have a text `{name}`")
    action, kind = members["action"], members["kind"]
    if action not in ACTIONS:
        raise InvalidEntryError(
            "action",
            f"has the action {action[:40]!r}, which this version of claimledger does not know, so it cannot "
            "determine which records are live; use a newer version",
        )
    if not _KIND.fullmatch(kind):
        raise InvalidEntryError(
            "kind", f"has the kind {kind[:60]!r}, which is not a valid name of a kind"
        )
    needed, possible = _WITH[action]
    present = members.keys() & _OF_ACTIONS
    if not needed <= present or not present <= needed | possible:
        missing, surplus = sorted(needed - present), sorted(present - needed - possible)
        what, verb = (
            (f"lacks `{missing[0]}`", "needs")
            if missing
            else (f"has `{surplus[0]}`", "cannot have")
        )
        message = f"{what}, which an entry with the action {action} {verb}"
        raise InvalidEntryError("members", message)
    if not members["recorded_by"].strip():
        raise InvalidEntryError("members", "has an empty `recorded_by`")
    if not isinstance(members.get("reason", ""), str):
        raise InvalidEntryError("members", "has a `reason` that is not text")
    if "record" in present and not isinstance(members["record"], dict):
        raise InvalidEntryError("members", "has a `record` that is not an object")
    if "replaces" in present and not _is_before(members["replaces"], number):
        raise InvalidEntryError("members", "has a `replaces` that is not an earlier entry")
    if "entries" in present:
        _check_entries(number, members["entries"])
    for name in {"key", "replaced_by"} & members.keys():
        if not isinstance(members[name], str) or not _is_key_of(kind, members[name]):
            what = f"has the `{name}` {members[name]!r:.120}, which is not a key of a {kind}"
            raise InvalidEntryError("key", what)


def _check_entries(number: int, entries: object) -> None:
    """Raise :class:`InvalidEntryError` unless these are two or more earlier entries, in ascending order."""
    in_order = (
        isinstance(entries, list)
        and len(entries) > 1
        and all(_is_before(entry, number) for entry in entries)
        and all(left < right for left, right in pairwise(entries))
    )
    if not in_order:
        what = "has `entries` that are not two or more earlier entries in ascending order"
        raise InvalidEntryError("members", what)


def _is_key_of(kind: str, text: str) -> bool:
    """Whether a text is a valid key of a kind: a numbered key begins with the letter of its kind."""
    return is_key(text) and not (
        text[0].isupper() and kind in KINDS and text[0] != KINDS[kind].letter
    )


def _is_before(value: object, number: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < number


def _check_record(payload: Payload) -> None:
    """Raise :class:`InvalidEntryError` unless the record is valid and in its written form."""
    if payload.record is None or payload.kind not in KINDS:
        return
    try:
        fields, _ = split(payload.kind, payload.record)
        if "key" in payload.record or "kind" in payload.record:
            raise InvalidEntryError("record", "has a record with a `key` or a `kind` of its own")
        written = record_of(payload.kind, {"key": payload.key, **fields}).as_json()
    except InvalidInputError as error:
        raise InvalidEntryError(
            "record", f"has a record that is not valid: {error.problems[0]}"
        ) from None
    except (TypeError, AttributeError, ValueError) as error:
        what = f"has a record that is not a {payload.kind}: {error!s:.200}"
        raise InvalidEntryError("record", what) from None
    for name, value in fields.items():
        if name not in written or not _as_written(value, written[name]):
            what = f"has a record whose `{name}` is not in its written form"
            raise InvalidEntryError("record", what)


def _as_written(value: object, written: object) -> bool:
    """Whether a value is in its written form; a part may omit fields that have their default value."""
    if type(value) is type(written) and value == written:
        return True
    if isinstance(value, dict) and isinstance(written, dict):
        return all(name in written and _as_written(value[name], written[name]) for name in value)
    if isinstance(value, list) and isinstance(written, list):
        return len(value) == len(written) and all(map(_as_written, value, written))
    return False


class RecordState(NamedTuple):
    """The state of one record after some entries."""

    entries: tuple[int, ...]
    """The entries about it that can be read, in order."""

    action: str
    """The action of the last of them."""

    replaced_by: str | None = None
    """If that is a withdrawal: the key to which references resolve from then on."""

    @property
    def is_live(self) -> bool:
        """Whether the record has a live version."""
        return self.action in WRITES_VERSION


def follow(
    state: RecordState | None,
    number: int,
    payload: Payload,
    *,
    emptied: Container[int],
    is_live: Callable[[str, str], bool],
) -> RecordState:
    """Return the state of a record after one more entry; raise :class:`InvalidEntryError` if it is invalid.

    ``state`` is the state after the record's earlier entries, ``None`` before the first. ``emptied`` are the
    entries without a payload that no redaction has listed yet. ``is_live`` returns whether the record with a
    kind and a key is live at this entry.
    """
    name = f"{payload.kind} {payload.key}"
    if payload.action == Action.RECORD:
        if state is not None:
            what = f"records {name} a second time, after entry {state.entries[0]}"
            raise InvalidEntryError("begins-once", what)
        return RecordState((number,), Action.RECORD)
    if payload.action == Action.REDACT:
        _check_redaction(state, payload, name, emptied)
        return RecordState((number,), Action.REDACT, payload.replaced_by)
    if state is None or not state.is_live:
        raise InvalidEntryError(
            "replaces", f"has the action {payload.action}, but {name} is not live"
        )
    if payload.replaces != state.entries[-1]:
        what = (
            f"replaces entry {payload.replaces}, but the live version is entry {state.entries[-1]}"
        )
        raise InvalidEntryError("replaces", what)
    if payload.replaced_by is not None and (
        payload.replaced_by == payload.key or not is_live(payload.kind, payload.replaced_by)
    ):
        what = f"replaces {name} by {payload.replaced_by}, which is the same record or not live"
        raise InvalidEntryError("replaced-by", what)
    return RecordState((*state.entries, number), payload.action, payload.replaced_by)


def _check_redaction(
    state: RecordState | None, payload: Payload, name: str, emptied: Container[int]
) -> None:
    if state is not None and state.action == Action.REDACT:
        raise InvalidEntryError(
            "redacts-own", f"redacts {name} again, after entry {state.entries[0]}"
        )
    readable = tuple(entry for entry in payload.entries if entry not in emptied)
    if readable != (state.entries if state else ()):
        raise InvalidEntryError("redacts-own", f"lists entries that are not all those of {name}")
    if state is None or readable[-1] != payload.entries[-1]:
        return  # the withdrawal was emptied, so nothing can be compared with it
    if state.action != Action.WITHDRAW:
        raise InvalidEntryError("redacts-own", f"redacts {name}, which is live")
    if payload.replaced_by != state.replaced_by:
        what = (
            f"says that {name} was replaced by {payload.replaced_by}, but its withdrawal names "
            f"{state.replaced_by}"
        )
        raise InvalidEntryError("redacts-own", what)


def check_fixed(payload: Payload, before: Mapping[str, Any] | None) -> None:
    """Raise :class:`InvalidEntryError` if an amendment changes a fixed field of the record ``before`` it."""
    if payload.action != Action.AMEND or payload.kind not in KINDS or before is None:
        return
    for name in KINDS[payload.kind].fixed:
        if (payload.record or {}).get(name) != before.get(name):
            what = f"changes `{name}` of {payload.kind} {payload.key}, which an amendment must not change"
            raise InvalidEntryError("fixed", what)
