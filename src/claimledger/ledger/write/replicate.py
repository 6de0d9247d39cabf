"""Entries that come from another copy of the same ledger: checked as ``verify`` would, then appended.

They come as ``export --log`` writes them, one object a line. Nothing in them is taken on trust: numbers
follow each other, every entry keeps the rules of the format (see :mod:`claimledger.log.validate`), and
the root at the end is the one that was promised.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from claimledger.errors import StoreError
from claimledger.ledger.log_replay import LogReplay
from claimledger.ledger.maintenance import rebuild
from claimledger.ledger.query.time_travel import moment_in, size
from claimledger.ledger.tree_head import TreeHead
from claimledger.ledger.write.appender import stored_hashes
from claimledger.log import merkle
from claimledger.log.entry import FORMAT, Entry, Payload
from claimledger.log.validate import InvalidEntryError, RecordState, check_digest, check_header
from claimledger.storage.base import Store
from claimledger.storage.tables import ENTRY, HISTORY, PENDING_SCRUB


@dataclass(frozen=True, slots=True)
class LogSegment:
    """Entries of a log from one size to another, each with the place it was read from."""

    name: str
    begins: TreeHead
    ends: TreeHead
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
        if type(number) is not int or not isinstance(header, str):
            raise ValueError("a number and the text of a header belong to an entry")
        encoded = None if payload is None else payload.encode()
        bare = None if salt is None else base64.b64decode(salt, validate=True)
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise StoreError(
            f"{place}: is not an entry of a log ({error}); nothing was written"
        ) from None
    return Entry(number, header.encode(), encoded, bare, b"")


def append_entries(store: Store, strand: LogSegment) -> int:
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
        if TreeHead.of(store, strand.begins.size) != strand.begins:
            raise StoreError(
                f"{strand.name} is of another ledger, or of one that forked: up to entry "
                f"{strand.begins.size}, where it begins, the two have different roots"
            )
        store.expect_log()
        receiving = _Replication(store, strand, count)
        receiving.all()
        if receiving.last != strand.ends.size:
            raise StoreError(
                f"{strand.name} is not whole: it ends with entry {receiving.last}, and its first line "
                f"says that it goes to {strand.ends.size}; nothing was written"
            )
        if TreeHead.of(store, strand.ends.size) != strand.ends:
            raise StoreError(
                f"{strand.name} was altered: its entries do not give the root in its first line; nothing "
                "was written"
            )
        if receiving.redactions:
            rebuild.rebuild(store)
        else:
            rebuild.replay(store, count + 1, receiving.last)
        return max(receiving.last - count, 0)


class _Replication:
    """One segment on its way in: every entry is checked against the format before it is written."""

    def __init__(self, store: Store, strand: LogSegment, count: int) -> None:
        self._store = store
        self._strand = strand
        self._count = count
        self._frontier = merkle.Frontier.read(count, stored_hashes(store))
        self._places: dict[int, str] = {}
        """Where an entry was read that a later one must still explain."""

        self._without_payload: dict[int, str] = {}
        """Entries that the ledger has and the segment gives without a payload: where each was read."""

        self._pending: list[tuple[Any, ...]] = []
        self.last = strand.begins.size
        self.redactions: list[int] = []
        last = self._header(count) if count else None
        self._replay = LogReplay(moment_in(count, last) if last else "", self)

    def _header(self, number: int) -> str | None:
        query = select(ENTRY.c.header).where(ENTRY.c.number == number)
        header: str | None = self._store.value(query)
        return header

    def all(self) -> None:
        """Append what is new; entries that exist must be the same."""
        for place, entry in self._strand.entries:
            if entry.number != self.last + 1:
                raise StoreError(
                    f"{place}: is entry {entry.number} where {self.last + 1} is due (rule `number`); "
                    "nothing was written"
                )
            self.last = entry.number
            if entry.number <= self._count:
                self._compare(place, entry)
            else:
                self._add(place, entry)
        self._flush()
        for number, error in self._replay.unexplained():
            raise _unlawful(self._places.get(number, self._strand.name), number, error)
        self._require_redacted()

    def _compare(self, place: str, entry: Entry) -> None:
        """Refuse an entry that the ledger has already, if the two differ."""
        header = entry.header.decode()
        if self._header(entry.number) != header:
            raise StoreError(
                f"{self._strand.name} and the ledger part at entry {entry.number}: one of them forked; "
                "nothing was written"
            )
        if entry.payload is None and entry.salt is None:
            self._without_payload[entry.number] = place
            return
        try:
            digest = check_header(header).digest
            check_digest(entry.salt, (entry.payload or b"").decode(), digest)
        except InvalidEntryError as error:
            raise _unlawful(place, entry.number, error) from None

    def _require_redacted(self) -> None:
        """Refuse a strand that lacks a payload which no redaction took away.

        The other way round is lawful: the ledger may have redacted an entry since the strand was written.
        """
        unredacted = select(ENTRY.c.number).where(ENTRY.c.payload.is_not(None))
        for (number,) in self._store.select_in(
            unredacted, ENTRY.c.number, list(self._without_payload)
        ):
            error = InvalidEntryError("emptied", "has no payload, and no redaction lists it")
            raise _unlawful(self._without_payload[number], number, error)

    def _add(self, place: str, entry: Entry) -> None:
        number, header = entry.number, entry.header.decode()
        text = None if entry.payload is None else entry.payload.decode()
        waiting = len(self._replay.presumed)
        try:
            payload = self._replay.add(number, header, text, entry.salt)
        except InvalidEntryError as error:
            raise _unlawful(place, number, error) from None
        if payload is None or len(self._replay.presumed) > waiting:
            self._places[number] = place
        self._pending.append(
            (number, header, text, entry.salt, self._frontier.append(entry.header))
        )
        if payload is not None and payload.action == "redact":
            # The store empties an entry only while the redaction that lists it is the newest.
            self._flush()
            self.redactions.append(number)
            self._store.insert(PENDING_SCRUB, [(number,)])
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

    def state(self, kind: str, key: str) -> RecordState | None:
        """Return how far a record had come in the ledger."""
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

    def record(self, number: int) -> Mapping[str, Any] | None:
        """Return the record of an entry that the ledger has, if it can be read."""
        payload = self._store.value(select(ENTRY.c.payload).where(ENTRY.c.number == number))
        return None if payload is None else Payload.decode(payload).record


def _unlawful(place: str, number: int, error: InvalidEntryError) -> StoreError:
    return StoreError(f"{place}: entry {number} {error}; nothing was written")


_BATCH = 1000


def parting(left: Store, right: Store) -> int | None:
    """Return the first entry in which two logs differ, ``None`` where one begins with the other."""
    low, high = 0, min(size(left), size(right))
    ours, theirs = stored_hashes(left), stored_hashes(right)
    if merkle.root(high, ours) == merkle.root(high, theirs):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        same = merkle.root(middle, ours) == merkle.root(middle, theirs)
        low, high = (middle, high) if same else (low, middle)
    return high


def segment_lines(store: Store, since: int) -> Iterator[dict[str, Any]]:
    """Yield the lines of a strand: where it begins and ends, then its entries."""
    ends = TreeHead.of(store)
    begins = TreeHead.of(store, since)
    yield {
        "claimledger": "entries", "format": FORMAT,
        "begins": {"size": begins.size, "root": begins.root.hex()},
        "ends": {"size": ends.size, "root": ends.root.hex()},
    }  # fmt: skip
    for first in range(since + 1, ends.size + 1, 1000):
        last = min(first + 999, ends.size)
        for number, header, payload, salt, nodes in store.rows_by_entry(ENTRY, first, last):
            encoded = None if payload is None else payload.encode()
            yield line_of(Entry(number, header.encode(), encoded, salt, nodes))
