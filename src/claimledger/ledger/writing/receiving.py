"""Entries that come from another copy of the same ledger: checked as ``verify`` would, then appended.

They come as ``export --log`` writes them, one object a line. Nothing in them is taken on trust: numbers
follow each other, every entry keeps the rules of the format (see :mod:`claimledger.ledger.validate`), and
the root at the end is the one that was promised.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from claimledger.errors import StoreError
from claimledger.ledger import rebuild, tree
from claimledger.ledger.head import Head
from claimledger.ledger.log import FORMAT, Entry, Payload
from claimledger.ledger.reading.clocks import size
from claimledger.ledger.store.base import Store
from claimledger.ledger.tables import ENTRY, HISTORY, PENDING_SCRUB
from claimledger.ledger.validate import (
    InvalidEntryError,
    RecordState,
    check_digest,
    check_fixed,
    check_header,
    check_payload,
    follow,
)
from claimledger.ledger.writing.append import moment_of, stored_hashes
from claimledger.records.kinds import KINDS


@dataclass(frozen=True, slots=True)
class Strand:
    """Entries of a log between two stands, each with the place it was read from."""

    name: str
    begins: Head
    ends: Head
    entries: Iterable[tuple[str, Entry]]


def line_of(entry: Entry) -> dict[str, Any]:
    """Return an entry as ``export --log`` writes it."""
    return {
        "number": entry.number,
        "header": entry.header.decode(),
        "payload": None if entry.payload is None else entry.payload.decode(),
        "salt": None if entry.salt is None else base64.b64encode(entry.salt).decode(),
    }


def entry_of(line: Any, place: str) -> Entry:
    """Read an entry as ``export --log`` writes it; raise :class:`StoreError` naming the place."""
    try:
        number, header = line["number"], line["header"]
        payload, salt = line["payload"], line["salt"]
        right = isinstance(number, int) and isinstance(header, str) and not isinstance(number, bool)
        if not right or (payload is None) != (salt is None):
            raise ValueError("number, header, payload and salt belong to an entry")
        held = None if payload is None else payload.encode()
        bare = None if salt is None else base64.b64decode(salt, validate=True)
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise StoreError(f"{place}: is no entry of a log ({error}); nothing was written") from None
    return Entry(number, header.encode(), held, bare, b"")


def receive(store: Store, strand: Strand) -> int:
    """Append the entries of a strand that the ledger does not hold yet; return how many those are.

    Raises :class:`StoreError` with the entry where the two part, where the strand is not of this ledger.
    """
    with store.writing():
        count = size(store)
        if strand.begins.size > count:
            raise StoreError(
                f"{strand.name} goes on from entry {strand.begins.size}, and the ledger ends at "
                f"{count}: take what comes between first"
            )
        if Head.of(store, strand.begins.size) != strand.begins:
            raise StoreError(
                f"{strand.name} is of another ledger, or of one that forked: up to entry "
                f"{strand.begins.size}, where it begins, the two have different roots"
            )
        receiving = _Receiving(store, strand, count)
        receiving.all()
        if Head.of(store) != strand.ends and receiving.last > count:
            raise StoreError(
                f"{strand.name} does not give the root that it tells; nothing was written"
            )
        if receiving.redactions:
            store.insert(PENDING_SCRUB, [(entry,) for entry in receiving.redactions])
            rebuild.rebuild(store)
        else:
            rebuild.replay(store, count + 1, receiving.last)
        return receiving.last - count


class _Receiving:
    """One strand on its way in: every entry is held to the rules of the format before it is written."""

    def __init__(self, store: Store, strand: Strand, count: int) -> None:
        self._store = store
        self._strand = strand
        self._count = count
        self._frontier = tree.Frontier.read(count, stored_hashes(store))
        self._states: dict[tuple[str, str], RecordState | None] = {}
        self._emptied: dict[int, str] = {}
        """Entries that came without a payload and are listed by no redaction yet, with their places."""

        self._ever_emptied: set[int] = set()
        self._presumed: set[tuple[str, str]] = set()
        """Records that are said to replace others, and must turn out to be redacted by a later entry."""

        self._pending: list[tuple[Any, ...]] = []
        self.last = strand.begins.size
        self.redactions: list[int] = []
        last = self._header(count) if count else None
        self._moment = moment_of(last) if last else ""

    def _header(self, number: int) -> str | None:
        query = select(ENTRY.c.header).where(ENTRY.c.number == number)
        header: str | None = self._store.value(query)
        return header

    def all(self) -> None:
        """Take in what is new; what is there already must be the same."""
        for place, entry in self._strand.entries:
            if entry.number != self.last + 1:
                raise StoreError(
                    f"{place}: is entry {entry.number} where {self.last + 1} is due; nothing was written"
                )
            self.last = entry.number
            if entry.number <= self._count:
                if self._header(entry.number) != entry.header.decode():
                    raise StoreError(
                        f"{self._strand.name} and the ledger part at entry {entry.number}: one of "
                        "them forked; nothing was written"
                    )
                continue
            self._add(place, entry)
        self._flush()
        for number, place in self._emptied.items():
            raise StoreError(
                f"{place}: entry {number} has no payload, and no redaction lists it (rule `emptied`); "
                "nothing was written"
            )
        for kind, key in self._presumed:
            if (self._state(kind, key) or _NEVER).action != "redact":
                raise StoreError(
                    f"{self._strand.name}: a withdrawal names {kind} {key}, which does not stand (rule "
                    "`replaced-by`); nothing was written"
                )

    def _add(self, place: str, entry: Entry) -> None:
        try:
            payload = self._checked(place, entry)
        except InvalidEntryError as error:
            raise StoreError(
                f"{place}: entry {entry.number} {error}; nothing was written"
            ) from None
        text = None if entry.payload is None else entry.payload.decode()
        nodes = self._frontier.append(entry.header)
        self._pending.append((entry.number, entry.header.decode(), text, entry.salt, nodes))
        if payload is not None and payload.action == "redact":
            # The store empties an entry only while the redaction that lists it is the newest.
            self._flush()
            self.redactions.append(entry.number)
            self._store.connection.execute(
                update(ENTRY)
                .where(ENTRY.c.number.in_(payload.entries))
                .values(payload=None, salt=None)
            )
        elif len(self._pending) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        self._store.insert(ENTRY, self._pending)
        self._pending.clear()

    def _checked(self, place: str, entry: Entry) -> Payload | None:
        """Return what an entry says; raise :class:`InvalidEntryError` where it may not stand here."""
        header = check_header(entry.header.decode(), self._moment)
        self._moment = header.recorded_at
        if entry.payload is None or entry.salt is None:
            self._emptied[entry.number] = place
            self._ever_emptied.add(entry.number)
            return None
        check_digest(entry.salt, entry.payload.decode(), header.digest)
        payload = check_payload(entry.number, entry.payload.decode())
        what = payload.kind, payload.key
        self._states[what] = follow(
            self._state(*what), entry.number, payload,
            emptied=self._ever_emptied, stands=self._stands,
        )  # fmt: skip
        if payload.action == "amend":
            self._check_fixed(payload)
        if payload.action == "redact":
            for number in payload.entries:
                self._emptied.pop(number, None)
        return payload

    def _state(self, kind: str, key: str) -> RecordState | None:
        """Return how far a record has come, in the ledger and in what was taken in since."""
        if (kind, key) not in self._states:
            self._states[kind, key] = self._stored_state(kind, key)
        return self._states[kind, key]

    def _stored_state(self, kind: str, key: str) -> RecordState | None:
        if not self._count:
            return None
        query = select(HISTORY.c.entry, HISTORY.c.action, HISTORY.c.replaced_by)
        of_record = query.where(HISTORY.c.kind == kind, HISTORY.c.key == key)
        rows = sorted(self._store.tuples(of_record.where(HISTORY.c.entry <= self._count)))
        readable = [row for row in rows if row[1] != "redacted"]
        if not readable:
            return None
        _, action, replaced_by = readable[-1]
        return RecordState(tuple(entry for entry, _, _ in readable), action, replaced_by)

    def _stands(self, kind: str, key: str) -> bool:
        state = self._state(kind, key)
        if state is None and self._emptied:
            self._presumed.add(
                (kind, key)
            )  # its own entries may be those that came without a payload
            return True
        return state is not None and state.stands

    def _check_fixed(self, payload: Payload) -> None:
        if payload.kind not in KINDS or not KINDS[payload.kind].fixed:
            return
        self._flush()
        query = select(ENTRY.c.payload).where(ENTRY.c.number == payload.replaces)
        before = self._store.value(query)
        check_fixed(payload, None if before is None else Payload.decode(before).record)


_BATCH = 1000
_NEVER = RecordState((), "")


def parting(one: Store, other: Store) -> int | None:
    """Return the first entry in which two logs differ, ``None`` where one begins with the other."""
    low, high = 0, min(size(one), size(other))
    ours, theirs = stored_hashes(one), stored_hashes(other)
    if tree.root(high, ours) == tree.root(high, theirs):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        same = tree.root(middle, ours) == tree.root(middle, theirs)
        low, high = (middle, high) if same else (low, middle)
    return high


def strand_lines(store: Store, since: int) -> Iterator[dict[str, Any]]:
    """Yield the lines of a strand: where it begins and ends, then its entries."""
    ends = Head.of(store)
    begins = Head.of(store, since)
    yield {
        "claimledger": "entries", "format": FORMAT,
        "begins": {"size": begins.size, "root": begins.root.hex()},
        "ends": {"size": ends.size, "root": ends.root.hex()},
    }  # fmt: skip
    for first in range(since + 1, ends.size + 1, 1000):
        last = min(first + 999, ends.size)
        for number, header, payload, salt, nodes in store.raw(ENTRY, first, last):
            held = None if payload is None else payload.encode()
            yield line_of(Entry(number, header.encode(), held, salt, nodes))
