"""Appends entries from another copy of the same ledger, after checking them as ``verify`` does.

Entries have the format of ``export --log``, one JSON object per line (``docs/log-format.md``). None of them
is trusted: the numbers must be consecutive, each entry must satisfy the rules of
:mod:`claimledger.log.validate`, and the Merkle root at the end must be the one that the segment declares.
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
from claimledger.log import merkle
from claimledger.log.entry import FORMAT, Action, Entry, Payload
from claimledger.log.validate import InvalidEntryError, RecordState, check_digest, check_header
from claimledger.storage.base import Store
from claimledger.storage.tables import ENTRY, HISTORY, PENDING_SCRUB


@dataclass(frozen=True, slots=True)
class LogSegment:
    """The entries of a log between two tree heads, as read from a file."""

    name: str
    """The file, for error messages."""

    begins: TreeHead
    """The tree head before the first entry: that of the ledger that the segment continues."""

    ends: TreeHead
    """The tree head after the last entry."""

    entries: Iterable[tuple[str, Entry]]
    """The entries in order, each with the place it was read from."""


def line_of(entry: Entry) -> dict[str, Any]:
    """Return an entry as the JSON object that ``export --log`` writes; :func:`entry_of` reads it back."""
    return {
        "number": entry.number,
        "header": entry.header.decode(),
        "payload": None if entry.payload is None else entry.payload.decode(),
        "salt": None if entry.salt is None else base64.b64encode(entry.salt).decode(),
    }


def entry_of(line: Any, place: str) -> Entry:
    """Parse an entry in the format of ``export --log``.

    Raises :class:`StoreError`, naming the ``place`` it was read from, if ``line`` is not such an entry.
    """
    try:
        number, header = line["number"], line["header"]
        payload, salt = line["payload"], line["salt"]
        if type(number) is not int or not isinstance(header, str):
            raise ValueError("`number` must be an integer and `header` a text")
        encoded = None if payload is None else payload.encode()
        raw_salt = None if salt is None else base64.b64decode(salt, validate=True)
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise StoreError(f"{place}: is not a log entry ({error}); nothing was written") from None
    return Entry(number=number, header=header.encode(), payload=encoded, salt=raw_salt, nodes=b"")


def append_entries(store: Store, segment: LogSegment) -> int:
    """Append the entries of a segment that the ledger does not have yet; return their number.

    The segment may overlap the ledger: entries that the ledger already has are compared. Raises
    :class:`StoreError` if the segment belongs to another ledger or a fork of this one, leaves a gap, is
    truncated, or contains an invalid entry; nothing is then written.
    """
    with store.transaction():
        count = size(store)
        if segment.begins.size > count:
            raise StoreError(
                f"{segment.name} begins after entry {segment.begins.size}, but the ledger ends at entry "
                f"{count}: restore the entries between them first; nothing was written"
            )
        if TreeHead.of(store, segment.begins.size) != segment.begins:
            raise StoreError(
                f"{segment.name} belongs to another ledger, or to a fork of this one: after entry "
                f"{segment.begins.size}, where it begins, the roots differ; nothing was written"
            )
        store.access.expect_log()
        replication = _Replication(store, segment, count)
        replication.run()
        if replication.last != segment.ends.size:
            raise StoreError(
                f"{segment.name} is truncated: it ends with entry {replication.last}, but its first line "
                f"declares entries up to {segment.ends.size}; nothing was written"
            )
        if TreeHead.of(store, segment.ends.size) != segment.ends:
            raise StoreError(
                f"{segment.name} was altered: its entries do not give the root in its first line; nothing "
                "was written"
            )
        if replication.redactions:
            # A redaction also removes rows of earlier entries, so replaying the new ones is not enough.
            rebuild.rebuild(store)
        else:
            rebuild.replay(store, count + 1, replication.last)
        return max(replication.last - count, 0)


class _Replication:
    """Checks the entries of one segment and inserts the new ones; also the :class:`PriorState` of the replay.

    ``count`` is the number of entries in the ledger.
    """

    # The prior state is read from the views, not from a replay of the whole log, so that the cost depends on
    # the segment alone. The views do not change during the replay: they are extended or rebuilt only after
    # the size and the root at the end were checked, and all of it is one transaction.

    def __init__(self, store: Store, segment: LogSegment, count: int) -> None:
        self._store = store
        self._segment = segment
        self._count = count
        self._frontier = merkle.Frontier.read(count, store.tree_node)
        self._places: dict[int, str] = {}
        """By entry that needs a later entry to be valid: the place where it was read."""

        self._without_payload: dict[int, str] = {}
        """By entry that the ledger has, but that has no payload in the segment: where it was read."""

        self._pending: list[tuple[Any, ...]] = []
        self.last = segment.begins.size
        """The last entry read so far."""

        self.redactions: list[int] = []
        """The new entries that are redactions."""

        last = self._header(count) if count else None
        self._replay = LogReplay(moment_in(count, last) if last else "", self)

    def _header(self, number: int) -> str | None:
        query = select(ENTRY.c.header).where(ENTRY.c.number == number)
        header: str | None = self._store.value(query)
        return header

    def run(self) -> None:
        """Compare the entries that the ledger has, and insert the others.

        Raises :class:`StoreError` at the first entry that differs or is invalid.
        """
        for place, entry in self._segment.entries:
            if entry.number != self.last + 1:
                raise StoreError(
                    f"{place}: is entry {entry.number}, but entry {self.last + 1} must come next (rule "
                    "`number`); nothing was written"
                )
            self.last = entry.number
            if entry.number <= self._count:
                self._compare(place, entry)
            else:
                self._add(place, entry)
        self._flush()
        # An entry without a payload is valid only if a later redaction lists it, so this has to wait for the
        # end.
        for number, error in self._replay.unexplained():
            raise _invalid_entry(self._places.get(number, self._segment.name), number, error)
        self._require_redacted()

    def _compare(self, place: str, entry: Entry) -> None:
        """Require that an entry equals the one that the ledger has with this number."""
        header = entry.header.decode()
        if self._header(entry.number) != header:
            raise StoreError(
                f"{self._segment.name} and the ledger differ from entry {entry.number} on: one of them is a "
                "fork; nothing was written"
            )
        if entry.payload is None and entry.salt is None:
            self._without_payload[entry.number] = place
            return
        try:
            digest = check_header(header).digest
            check_digest(entry.salt, (entry.payload or b"").decode(), digest)
        except InvalidEntryError as error:
            raise _invalid_entry(place, entry.number, error) from None

    def _require_redacted(self) -> None:
        """Require that the ledger, too, has no payload for the entries that have none in the segment.

        The reverse is valid: the ledger may have redacted an entry after the segment was written.
        """
        unredacted = select(ENTRY.c.number).where(ENTRY.c.payload.is_not(None))
        for (number,) in self._store.select_in(
            unredacted, ENTRY.c.number, list(self._without_payload)
        ):
            error = InvalidEntryError("emptied", "has no payload, and no redaction lists it")
            raise _invalid_entry(self._without_payload[number], number, error)

    def _add(self, place: str, entry: Entry) -> None:
        """Check a new entry and queue it for insertion; carry out a redaction at once."""
        number, header = entry.number, entry.header.decode()
        text = None if entry.payload is None else entry.payload.decode()
        presumed_before = len(self._replay.presumed)
        try:
            payload = self._replay.add(number, header, text, entry.salt)
        except InvalidEntryError as error:
            raise _invalid_entry(place, number, error) from None
        if payload is None or len(self._replay.presumed) > presumed_before:
            self._places[number] = place
        self._pending.append(
            (number, header, text, entry.salt, self._frontier.append(entry.header))
        )
        if payload is not None and payload.action == Action.REDACT:
            # The triggers of the store allow an entry to be emptied only while the newest entry is the
            # redaction that lists it.
            self._flush()
            self.redactions.append(number)
            self._store.insert({PENDING_SCRUB: [(number,)]})
            self._store.change(
                update(ENTRY)
                .where(ENTRY.c.number.in_(payload.entries))
                .values(payload=None, salt=None)
            )
        elif len(self._pending) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        self._store.insert({ENTRY: self._pending})
        self._pending.clear()

    def state(self, kind: str, key: str) -> RecordState | None:
        """Return the state of a record in the ledger before the segment."""
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
        """Return the record that an entry of the ledger recorded; ``None`` if it was redacted."""
        payload = self._store.value(select(ENTRY.c.payload).where(ENTRY.c.number == number))
        return None if payload is None else Payload.decode(payload).record


def _invalid_entry(place: str, number: int, error: InvalidEntryError) -> StoreError:
    return StoreError(f"{place}: entry {number} {error}; nothing was written")


_BATCH = 1000


def first_difference(left: Store, right: Store) -> int | None:
    """Return the first entry in which two logs differ; ``None`` if one is a prefix of the other.

    A binary search: the roots over the first n entries are equal exactly if those entries are.
    """
    low, high = 0, min(size(left), size(right))
    ours, theirs = left.tree_node, right.tree_node
    if merkle.root(high, ours) == merkle.root(high, theirs):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        same = merkle.root(middle, ours) == merkle.root(middle, theirs)
        low, high = (middle, high) if same else (low, middle)
    return high


def segment_lines(store: Store, since: int) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a log segment: first its two tree heads, then the entries after ``since``."""
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
            yield line_of(
                Entry(
                    number=number, header=header.encode(), payload=encoded, salt=salt, nodes=nodes
                )
            )
