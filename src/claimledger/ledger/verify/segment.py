"""Verifies one segment of the log: recomputes digests and tree, projects the records, compares the views.

Segments are independent, so that several processes can check them at the same time. The check of a segment
takes the Merkle tree (RFC 9162) before it from the stored hashes, which the check of the previous segment
verifies.
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
from claimledger.ledger.verify.faults import Fault, row_differences
from claimledger.ledger.write.appender import history_row
from claimledger.log import merkle
from claimledger.log.entry import SALT, Action, Payload
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
"""The number of faults after which checking stops: nobody reads a longer list."""


@dataclass(slots=True)
class SegmentResult:
    """The faults of a segment, and what the global checks need to know about it."""

    faults: list[Fault] = field(default_factory=list)
    changes: dict[int, Payload] = field(default_factory=dict)
    """By entry: the payload of an amendment, a withdrawal or a redaction, without its record."""

    moments: dict[int, str] = field(default_factory=dict)
    """By redacted entry: its time, which is only in its header."""

    references: int = 0
    """The number of references that the log projects to."""

    sum: int = 0
    """The sum of the hashes of those references, which does not depend on their order."""

    references_in_table: tuple[int, int] = (0, 0)
    """The same sum, and the number, of the references in the table."""

    peaks: list[bytes] = field(default_factory=list)
    """The hashes of the complete subtrees after the last entry of the segment."""

    moments_span: tuple[str, str] = ("", "")
    """The first and the last time in the segment."""


class SegmentChecker:
    """Checks the entries from ``first`` to ``last`` in order, and the rows of these ``views``."""

    def __init__(self, store: Store, first: int, last: int, views: Sequence[str]) -> None:
        self._store = store
        self._views = {name: VIEWS[name] for name in views}
        self._first = first
        self._last = last
        self._moment = ""
        self._result = SegmentResult()
        self._peaks = stored_peaks(store, first - 1)

    def check(self, progress: Progress) -> SegmentResult:
        """Check the segment and return the result; stop early after :data:`MOST` faults."""
        result = self._result
        for first in range(self._first, self._last + 1, BATCH):
            last = min(first + BATCH - 1, self._last)
            rows: Rows = defaultdict(list)
            entries = {row[0]: row for row in self._rows(ENTRY, first, last)}
            for number in range(first, last + 1):
                if number in entries:
                    self._entry(entries[number], rows)
                else:
                    # The entry exists but cannot be read, which `_rows` has reported.
                    self._extend_tree(number, bytes(merkle.SIZE))
            for name, table in self._views.items():
                if table is REFERENCE:
                    continue
                actual = self._rows(table, first, last)
                if table is HISTORY and result.moments:
                    actual = [row for row in actual if row[0] not in result.moments]
                result.faults += row_differences(table, rows[name], actual)
            result.references += len(rows["reference"])
            result.sum += sum([hash(row[:4]) for row in rows["reference"]])
            progress(last, self._last)
            if len(result.faults) > MOST:
                break
        result.peaks = self._peaks
        result.moments_span = (result.moments_span[0], self._moment)
        return result

    def _rows(self, table: Table, first: int, last: int) -> list[tuple[Any, ...]]:
        """Return the rows of a range of entries; if that fails, read them one by one and report the rest."""
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
                self._result.faults.append(
                    Fault(table.name, f"cannot be read: {error}", number, row=str(number))
                )
                if len(self._result.faults) > MOST:
                    break
        return readable

    def _entry(self, row: tuple[Any, ...], rows: Rows) -> None:
        """Check one entry, and add its projected rows to ``rows``."""
        number, header, payload, salt, nodes = row
        parsed_header = self._check_header(number, header)
        moment = parsed_header.recorded_at
        if number == self._first:
            self._result.moments_span = (moment, "")
        matches = self._matches_digest(parsed_header, payload, salt)
        self._check_nodes(
            number, header, nodes, consistent=matches or payload is None, moment=moment
        )
        if payload is None or salt is None:
            self._result.moments[number] = moment
            if payload is not None or salt is not None:
                column, rule = ("salt", "salt") if salt is None else ("payload", "canonical")
                self._fault(number, column, f"is missing (rule `{rule}`)")
            return
        decoded = self._decode_payload(number, payload)
        if not matches and parsed_header.digest:
            self._report_changed_part(number, parsed_header, decoded, salt)
        if decoded is None:
            return
        rows["history"].append(history_row(number, decoded, moment))
        if decoded.record is not None:
            try:
                project(number, decoded.kind, decoded.key, decoded.record, rows)
            except MemoryError:
                raise  # The entry may be valid; there is just not enough memory for it.
            except Exception as error:
                self._fault(number, "payload", f"does not describe a {decoded.kind}: {error!r}")
        if decoded.action != Action.RECORD:
            self._result.changes[number] = decoded._replace(record=None)

    def _check_header(self, number: int, header: object) -> Header:
        """Return the parsed header, an empty one if it is invalid."""
        try:
            parsed = check_header(header)
        except InvalidEntryError as error:
            self._fault(number, "header", str(error))
            return Header("", "")
        if parsed.recorded_at < self._moment:
            message = f"is dated {parsed.recorded_at}, before the entry preceding it (rule `time`)"
            self._fault(number, "header", message)
        self._moment = max(self._moment, parsed.recorded_at)
        return parsed

    @staticmethod
    def _matches_digest(header: Header, payload: object, salt: object) -> bool:
        """Whether payload and salt give the digest in the header."""
        if not isinstance(payload, str):
            return False
        try:
            check_digest(salt, payload, header.digest)
        except InvalidEntryError:
            return False
        return True

    def _check_nodes(
        self, number: int, header: object, nodes: object, *, consistent: bool, moment: str
    ) -> None:
        """Check the hashes that an entry stores, and report which of header and hashes was changed.

        ``consistent``: the payload does not contradict the header. ``moment``: the time in the header.
        """
        leaf = str(header).encode(errors="surrogateescape")
        expected = self._extend_tree(number, sha256(b"\x00" + leaf).digest())
        if expected == nodes:
            return
        # Either the header was changed, or the hashes over it. A header that still matches its payload, and
        # that has the same time as history, is assumed to be the original one.
        if isinstance(nodes, bytes) and nodes[: merkle.SIZE] == expected[: merkle.SIZE]:
            self._fault(
                number, "nodes", "does not follow from the entries before it (rule `nodes`)"
            )
        elif consistent and self._moment_in_history(number) == moment:
            self._fault(number, "nodes", "is not the hash of its header (rule `nodes`)")
        else:
            self._fault(
                number, "header", "was changed: the tree was built over another one (rule `nodes`)"
            )
        # Continue with the stored hash, so that the following entries do not report the same fault again.
        if isinstance(nodes, bytes) and len(nodes) == len(expected):
            self._peaks[-1] = nodes[-merkle.SIZE :]

    def _extend_tree(self, number: int, node: bytes) -> bytes:
        """Add the hash of a leaf to the tree; return the joined hashes of the subtrees that it completes."""
        # The peaks correspond to the 1 bits of the number of leaves. Adding a leaf carries over the trailing
        # 1 bits: each of these subtrees merges with its new right sibling.
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

    def _decode_payload(self, number: int, payload: object) -> Payload | None:
        try:
            return check_payload(number, payload)
        except InvalidEntryError as error:
            self._fault(number, "payload", str(error))
            return None

    def _report_changed_part(
        self, number: int, header: Header, payload: Payload | None, salt: object
    ) -> None:
        """Report payload or salt as changed, if together they do not give the digest."""
        # The views tell which: if they still agree with the payload, the salt must have been changed.
        if not isinstance(salt, bytes) or len(salt) != SALT:
            self._fault(number, "salt", f"does not have {SALT} bytes (rule `salt`)")
            return
        unchanged = payload is not None and self._agrees_with_views(number, header, payload)
        column = "salt" if unchanged else "payload"
        message = "was changed: it does not give the digest in the header (rule `digest`)"
        self._fault(number, column, message)

    def _agrees_with_views(self, number: int, header: Header, payload: Payload) -> bool:
        """Whether the views contain the rows that a payload projects to."""
        rows: Rows = defaultdict(list)
        rows["history"].append(history_row(number, payload, header.recorded_at))
        if payload.record is not None:
            project(number, payload.kind, payload.key, payload.record, rows)
        rows.pop("reference", None)
        return not any(
            fault
            for name, expected in rows.items()
            if name in self._views
            for fault in row_differences(
                VIEWS[name], expected, self._rows(VIEWS[name], number, number)
            )
        )

    def _fault(self, number: int, column: str, what: str) -> None:
        self._result.faults.append(Fault("entry", what, number, row=str(number), column=column))


def stored_peaks(store: Store, size: int) -> list[bytes]:
    """Return the stored hashes of the complete subtrees over the first ``size`` entries.

    A stored hash that is not 32 bytes long is replaced by zeros, so that the check can continue. The check
    of its own entry reports it.
    """
    lookup = store.tree_node
    peaks = []
    for level, index in merkle.peaks(size):
        node = lookup(level, index)
        intact = isinstance(node, bytes) and len(node) == merkle.SIZE
        peaks.append(node if intact else bytes(merkle.SIZE))
    return peaks
