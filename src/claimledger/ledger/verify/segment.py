"""A stretch of the log: digests and tree recomputed, records projected, and the views compared.

Stretches can be checked apart, and by several processes at once: the tree before a stretch is taken from
what is stored, and the check of the segment before verifies that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import Table, select

from claimledger.errors import StoreError
from claimledger.ledger.progress import Progress
from claimledger.ledger.verify.faults import Fault, compared
from claimledger.ledger.write.appender import history_row, stored_hashes
from claimledger.log import merkle
from claimledger.log.entry import SALT, Payload
from claimledger.log.validate import (
    Header,
    InvalidEntryError,
    check_digest,
    check_header,
    check_payload,
)
from claimledger.storage.base import Store, UndecodableTextError
from claimledger.storage.projection import Rows, project
from claimledger.storage.tables import ENTRY, HISTORY, REFERENCE, VIEWS

BATCH = 5000
MOST = 200
"""Faults after which checking further would show nothing more."""


@dataclass(slots=True)
class SegmentResult:
    """What a pass over a stretch of the log learns."""

    faults: list[Fault] = field(default_factory=list)
    changes: dict[int, Payload] = field(default_factory=dict)
    """By entry: what an amendment, a withdrawal or a redaction says, without its record."""

    moments: dict[int, str] = field(default_factory=dict)
    """For emptied entries: their time, which only the header still has."""

    references: int = 0
    """How many references there should be."""

    sum: int = 0
    """A sum over the references that does not depend on their order."""

    references_in_table: tuple[int, int] = (0, 0)
    """The sum and the number of the references there are."""

    peaks: list[bytes] = field(default_factory=list)
    """The frontier of the tree behind the last entry."""

    moments_span: tuple[str, str] = ("", "")
    """The first and the last time in the stretch."""


class SegmentChecker:
    """Reads a stretch of the log in order: recomputes digests and tree, projects, and compares."""

    def __init__(self, store: Store, first: int, last: int, views: Sequence[str]) -> None:
        self._store = store
        self._views = {name: VIEWS[name] for name in views}
        self._first = first
        self._last = last
        self._moment = ""
        self._learned = SegmentResult()
        # The stored tree before this segment is verified by the check of the previous segment.
        self._peaks = stored_peaks(store, first - 1)

    def check(self, progress: Progress) -> SegmentResult:
        """Check the stretch and return what was learned."""
        learned = self._learned
        for first in range(self._first, self._last + 1, BATCH):
            last = min(first + BATCH - 1, self._last)
            rows: Rows = defaultdict(list)
            entries = {row[0]: row for row in self._rows(ENTRY, first, last)}
            for number in range(first, last + 1):
                if number in entries:
                    self._entry(entries[number], rows)
                else:  # it is there and cannot be read, which is named by now
                    self._grow(number, bytes(merkle.SIZE))
            for name, table in self._views.items():
                if table is REFERENCE:
                    continue
                actual = self._rows(table, first, last)
                if table is HISTORY and learned.moments:
                    actual = [row for row in actual if row[0] not in learned.moments]
                learned.faults += compared(table, rows[name], actual)
            learned.references += len(rows["reference"])
            learned.sum += sum([hash(row[:4]) for row in rows["reference"]])
            progress(last, self._last)
            if len(learned.faults) > MOST:
                break
        learned.peaks = self._peaks
        learned.moments_span = (learned.moments_span[0], self._moment)
        return learned

    def _rows(self, table: Table, first: int, last: int) -> list[tuple[Any, ...]]:
        """Return a table's rows by entry; where they cannot be read at once, each that can be alone."""
        try:
            return self._store.rows_by_entry(table, first, last)
        except UndecodableTextError:
            raise
        except StoreError:
            pass
        readable: list[tuple[Any, ...]] = []
        for number in range(first, last + 1):
            try:
                readable += self._store.rows_by_entry(table, number, number)
            except StoreError as error:
                self._learned.faults.append(
                    Fault(table.name, f"cannot be read: {error}", number, row=str(number))
                )
                if len(self._learned.faults) > MOST:
                    break
        return readable

    def _entry(self, row: tuple[Any, ...], rows: Rows) -> None:
        """Check an entry and add to ``rows`` what it projects to."""
        number, header, payload, salt, nodes = row
        read = self._header(number, header)
        if number == self._first:
            self._learned.moments_span = (read.recorded_at, "")
        fits = self._fits(read, payload, salt)
        self._tree(number, header, nodes, speaks=fits or payload is None, moment=read.recorded_at)
        if payload is None or salt is None:
            self._learned.moments[number] = read.recorded_at
            if payload is not None or salt is not None:
                column, rule = ("salt", "salt") if salt is None else ("payload", "canonical")
                self._fault(number, column, f"is missing (rule `{rule}`)")
            return
        decoded = self._payload(number, payload)
        if not fits and read.digest:
            self._blame(number, read, decoded, salt)
        if decoded is None:
            return
        rows["history"].append(history_row(number, decoded, read.recorded_at))
        if decoded.record is not None:
            try:
                project(number, decoded.kind, decoded.key, decoded.record, rows)
            except MemoryError:
                raise  # which says nothing of the entry
            except Exception as error:
                self._fault(number, "payload", f"does not describe a {decoded.kind}: {error!r}")
        if decoded.action != "record":
            self._learned.changes[number] = decoded._replace(record=None)

    def _header(self, number: int, header: object) -> Header:
        try:
            read = check_header(header)
        except InvalidEntryError as error:
            self._fault(number, "header", str(error))
            return Header("", "")
        if read.recorded_at < self._moment:
            what = f"goes back in time, to {read.recorded_at} from {self._moment} (rule `time`)"
            self._fault(number, "header", what)
        self._moment = max(self._moment, read.recorded_at)
        return read

    @staticmethod
    def _fits(header: Header, payload: object, salt: object) -> bool:
        """Whether a payload matches the digest in its header."""
        if not isinstance(payload, str):
            return False
        try:
            check_digest(salt, payload, header.digest)
        except InvalidEntryError:
            return False
        return True

    def _tree(
        self, number: int, header: object, nodes: object, *, speaks: bool, moment: str
    ) -> None:
        """Check what an entry stores of the tree. ``speaks``: its payload does not contradict its header."""
        leaf = str(header).encode(errors="surrogateescape")
        expected = self._grow(number, sha256(b"\x00" + leaf).digest())
        if expected == nodes:
            return
        # The leaf was changed, or what is stored of the tree. A leaf that still fits its payload, and
        # whose time is the one in history, speaks for the leaf.
        if isinstance(nodes, bytes) and nodes[: merkle.SIZE] == expected[: merkle.SIZE]:
            self._fault(
                number, "nodes", "does not follow from the entries before it (rule `nodes`)"
            )
        elif speaks and self._moment_in_history(number) == moment:
            self._fault(number, "nodes", "is not the hash of its header (rule `nodes`)")
        else:
            self._fault(
                number, "header", "was changed: the tree was built over another one (rule `nodes`)"
            )
        # Continue from what is stored, so that one fault is reported once.
        if isinstance(nodes, bytes) and len(nodes) == len(expected):
            self._peaks[-1] = nodes[-merkle.SIZE :]

    def _grow(self, number: int, node: bytes) -> bytes:
        """Add a leaf's hash to the tree; return the hashes of the subtrees it completes, joined."""
        completed = node
        left = number - 1
        while left & 1:
            node = sha256(b"\x01" + self._peaks.pop() + node).digest()
            completed += node
            left >>= 1
        self._peaks.append(node)
        return completed

    def _moment_in_history(self, number: int) -> str | None:
        if HISTORY.name not in self._views:
            return None
        query = select(HISTORY.c.recorded_at).where(HISTORY.c.entry == number)
        moment: str | None = self._store.value(query)
        return moment

    def _payload(self, number: int, payload: object) -> Payload | None:
        try:
            return check_payload(number, payload)
        except InvalidEntryError as error:
            self._fault(number, "payload", str(error))
            return None

    def _blame(self, number: int, header: Header, payload: Payload | None, salt: object) -> None:
        """Name what of an entry was changed, where payload and salt do not give the digest."""
        if not isinstance(salt, bytes) or len(salt) != SALT:
            self._fault(number, "salt", f"does not have {SALT} bytes (rule `salt`)")
            return
        as_it_was = payload is not None and self._agrees_with_views(number, header, payload)
        column = "salt" if as_it_was else "payload"
        what = "was changed: it does not give the digest in the header (rule `digest`)"
        self._fault(number, column, what)

    def _agrees_with_views(self, number: int, header: Header, payload: Payload) -> bool:
        rows: Rows = defaultdict(list)
        rows["history"].append(history_row(number, payload, header.recorded_at))
        if payload.record is not None:
            project(number, payload.kind, payload.key, payload.record, rows)
        rows.pop("reference", None)
        return not any(
            fault
            for name, expected in rows.items()
            if name in self._views
            for fault in compared(VIEWS[name], expected, self._rows(VIEWS[name], number, number))
        )

    def _fault(self, number: int, column: str, what: str) -> None:
        self._learned.faults.append(Fault("entry", what, number, row=str(number), column=column))


def stored_peaks(store: Store, size: int) -> list[bytes]:
    """Return the tree's complete subtrees before an entry as stored, wrong ones cut or padded to size.

    What is not 32 bytes is named where its entry is checked; here it only must not stop the rest.
    """
    lookup = stored_hashes(store)
    peaks = []
    for level, index in merkle.peaks(size):
        node = lookup(level, index)
        intact = isinstance(node, bytes) and len(node) == merkle.SIZE
        peaks.append(node if intact else bytes(merkle.SIZE))
    return peaks
