"""A stretch of the log: digests and tree recomputed, records projected, and the views compared.

Stretches can be checked apart, and by several processes at once: the tree before a stretch is taken from
what is stored, which is proved by whoever checks the stretch before.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import select

from claimledger.errors import StoreError
from claimledger.ledger import tree
from claimledger.ledger.canonical import canonical, parse
from claimledger.ledger.log import FORMAT, Payload, digest_of, header_of
from claimledger.ledger.progress import Progress
from claimledger.ledger.projection import Rows, project
from claimledger.ledger.store.base import Store
from claimledger.ledger.tables import ENTRY, HISTORY, POINTER, VIEWS
from claimledger.ledger.verifying.faults import Fault, compared
from claimledger.ledger.writing.append import history_row, stored_hashes

BATCH = 5000
MOST = 200
"""Faults after which looking on tells nothing more."""


@dataclass(slots=True)
class Learned:
    """What a pass over a stretch of the log learns."""

    faults: list[Fault] = field(default_factory=list)
    ended: dict[int, int] = field(default_factory=dict)
    """Entries of versions that ended, with the entry that ended them."""

    moments: dict[int, str] = field(default_factory=dict)
    """For emptied entries: their time, which only the header still has."""

    redactions: list[tuple[int, Payload]] = field(default_factory=list)
    references: int = 0
    """How many references there should be."""

    sum: int = 0
    """A sum over the references that does not depend on their order."""

    held: tuple[int, int] = (0, 0)
    """The sum and the number of the references there are."""

    peaks: list[bytes] = field(default_factory=list)
    """The frontier of the tree behind the last entry."""

    moments_span: tuple[str, str] = ("", "")
    """The first and the last time in the stretch."""


class Stretch:
    """Reads a stretch of the log in order: recomputes digests and tree, projects, and compares."""

    def __init__(self, store: Store, first: int, last: int) -> None:
        self._store = store
        self._first = first
        self._last = last
        self._moment = ""
        self._learned = Learned()
        # What was stored of the tree before this stretch is proved by whoever checks that.
        before = tree.Frontier.read(first - 1, stored_hashes(store))
        self._peaks = before.peaks

    def check(self, progress: Progress) -> Learned:
        """Check the stretch and return what was learned."""
        learned = self._learned
        for first in range(self._first, self._last + 1, BATCH):
            last = min(first + BATCH - 1, self._last)
            rows: Rows = defaultdict(list)
            self._entries(first, last, rows)
            for name, table in VIEWS.items():
                if table is HISTORY:
                    found = self._store.raw(table, first, last)
                    if learned.moments:
                        found = [row for row in found if row[0] not in learned.moments]
                    learned.faults += compared(table, rows[name], found)
                elif table is not POINTER:
                    held = self._store.raw(table, first, last)
                    learned.faults += compared(table, rows[name], held)
            learned.references += len(rows["reference"])
            learned.sum += sum([hash(row[:4]) for row in rows["reference"]])
            progress(last, self._last)
            if len(learned.faults) > MOST:
                break
        learned.peaks = self._peaks
        learned.moments_span = (learned.moments_span[0], self._moment)
        return learned

    def _entries(self, first: int, last: int, rows: Rows) -> None:
        """Check some entries and add to ``rows`` what they project to."""
        found = self._store.raw(ENTRY, first, last)
        if len(found) != last - first + 1:
            held = {row[0] for row in found}
            missing = next(number for number in range(first, last + 1) if number not in held)
            raise StoreError(
                f"entry {missing} is missing from the log (table entry, row {missing}, column "
                "number): the rest cannot be proved"
            )
        for row in found:
            self._entry(row, rows)

    def _entry(self, row: tuple[Any, ...], rows: Rows) -> None:
        number, header, payload, salt, nodes = row
        # As this program writes it, header and payload are proved by writing the header again.
        try:
            digest = sha256(salt + payload.encode()).hexdigest()
            moment = header[-29:-2]
            plain = header == header_of(moment, digest).decode() and moment >= self._moment
        except (TypeError, AttributeError):
            digest = moment = ""
            plain = False
        if not plain:
            moment, digest = self._header(number, header)
        self._moment = max(self._moment, moment)
        if number == self._first:
            self._learned.moments_span = (moment, "")
        self._tree(number, header, nodes, plain=plain, row=row)
        if payload is None or salt is None:
            self._learned.moments[number] = moment
            if payload is not None or salt is not None:
                self._fault(number, "salt" if salt is None else "payload", "is missing")
            return
        said = self._payload(number, payload, salt, digest, plain=plain)
        if said is None:
            return
        rows["history"].append(history_row(number, said, moment))
        if said.record is not None:
            try:
                project(number, said.kind, said.key, said.record, rows)
            except Exception as error:
                self._fault(number, "payload", f"does not describe a {said.kind}: {error!r}")
        if said.replaces is not None:
            self._learned.ended[said.replaces] = number
        if said.action == "redact":
            self._learned.redactions.append((number, said))

    def _header(self, number: int, header: str) -> tuple[str, str]:
        try:
            held = parse(header)
            moment, digest = str(held["recorded_at"]), str(held["digest"])
            if held["format"] > FORMAT or canonical(held).decode() != header:
                raise ValueError
        except (ValueError, KeyError, TypeError):
            self._fault(number, "header", f"is not a header of format {FORMAT}")
            return "", ""
        if moment < self._moment:
            self._fault(number, "header", f"goes back in time, to {moment} from {self._moment}")
        return moment, digest

    def _tree(
        self, number: int, header: str, nodes: bytes, *, plain: bool, row: tuple[Any, ...]
    ) -> None:
        expected = node = sha256(b"\x00" + header.encode()).digest()
        left = number - 1
        while left & 1:
            node = sha256(b"\x01" + self._peaks.pop() + node).digest()
            expected += node
            left >>= 1
        if expected == nodes:
            self._peaks.append(node)
            return
        # The leaf was changed, or what is stored of the tree. A leaf that still fits its payload, and
        # whose time is the one in history, speaks for the leaf.
        if isinstance(nodes, bytes) and nodes[: tree.SIZE] == expected[: tree.SIZE]:
            self._fault(number, "nodes", "does not follow from the entries before it")
        elif (plain or row[2] is None) and self._moment_in_history(number) == self._moment:
            self._fault(number, "nodes", "is not the hash of its header")
        else:
            self._fault(number, "header", "was changed: the tree was built over another one")
        # Go on from what is stored, so that one fault is told once.
        whole = isinstance(nodes, bytes) and len(nodes) == len(expected)
        self._peaks.append(nodes[-tree.SIZE :] if whole else node)

    def _moment_in_history(self, number: int) -> str | None:
        query = select(HISTORY.c.recorded_at).where(HISTORY.c.entry == number)
        found: str | None = self._store.value(query)
        return found

    def _payload(
        self, number: int, payload: str, salt: bytes, digest: str, *, plain: bool
    ) -> Payload | None:
        try:
            said = Payload.decode(payload)
            if plain:
                return said
            whole = said.encode().decode() == payload
        except (StoreError, AttributeError) as error:
            self._fault(number, "payload", str(error))
            return None
        if digest_of(salt, payload.encode()) != digest:
            as_it_was = whole and self._agrees_with_views(number, said)
            column = "salt" if as_it_was else "payload"
            self._fault(number, column, "was changed: it does not give the digest in the header")
        elif not whole:
            self._fault(number, "payload", "is not canonical")
        return said

    def _agrees_with_views(self, number: int, said: Payload) -> bool:
        rows: Rows = defaultdict(list)
        rows["history"].append(history_row(number, said, self._moment))
        if said.record is not None:
            project(number, said.kind, said.key, said.record, rows)
        del rows["reference"]
        return not any(
            fault
            for name, expected in rows.items()
            for fault in compared(
                VIEWS[name], expected, self._store.raw(VIEWS[name], number, number)
            )
        )

    def _fault(self, number: int, column: str, what: str) -> None:
        self._learned.faults.append(Fault("entry", what, number, row=str(number), column=column))
