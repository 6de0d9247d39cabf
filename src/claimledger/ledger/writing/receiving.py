"""Entries that come from another copy of the same ledger: checked as ``verify`` would, then appended.

They come as ``export --log`` writes them, one object a line. Nothing in them is taken on trust: numbers
follow each other, times do not go back, payloads give the digests in their headers, and the root at the
end is the one that was told.
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
from claimledger.ledger.canonical import canonical, parse
from claimledger.ledger.head import Head
from claimledger.ledger.log import FORMAT, Entry, Payload, digest_of
from claimledger.ledger.reading.clocks import size
from claimledger.ledger.store.base import Store
from claimledger.ledger.tables import ENTRY
from claimledger.ledger.writing.append import moment_of, stored_hashes


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
        if receiving.redacted:
            rebuild.rebuild(store)
        else:
            rebuild.replay(store, count + 1, receiving.last)
        return receiving.last - count


class _Receiving:
    """One strand on its way in."""

    def __init__(self, store: Store, strand: Strand, count: int) -> None:
        self._store = store
        self._strand = strand
        self._count = count
        self._frontier = tree.Frontier.read(count, stored_hashes(store))
        self.last = strand.begins.size
        self.redacted = False
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
            self._one(place, entry)

    def _one(self, place: str, entry: Entry) -> None:
        said = _checked(place, entry, self._moment)
        self._moment = moment_of(entry.header)
        nodes = self._frontier.append(entry.header)
        payload = None if entry.payload is None else entry.payload.decode()
        row = (entry.number, entry.header.decode(), payload, entry.salt, nodes)
        self._store.insert(ENTRY, [row])
        if said is not None and said.action == "redact":
            self.redacted = True
            self._store.connection.execute(
                update(ENTRY)
                .where(ENTRY.c.number.in_(said.entries))
                .values(payload=None, salt=None)
            )


def _checked(place: str, entry: Entry, before: str) -> Payload | None:
    """Return what an entry says; raise :class:`StoreError` where it cannot be an entry of a log."""
    try:
        header = parse(entry.header)
        digest, moment, form = header["digest"], header["recorded_at"], header["format"]
        if canonical(header) != entry.header:
            raise ValueError("it is not canonical")
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{place}: has no header of a log ({error}); nothing was written"
        ) from None
    if not isinstance(form, int) or form > FORMAT:
        raise StoreError(
            f"{place}: is of format {form}, and this claimledger knows {FORMAT}: use a newer one"
        )
    if not isinstance(moment, str) or moment < before:
        raise StoreError(
            f"{place}: goes back in time, to {moment} from {before}; nothing was written"
        )
    if entry.payload is None or entry.salt is None:
        return None
    if digest_of(entry.salt, entry.payload) != digest:
        raise StoreError(f"{place}: does not give the digest in its header; nothing was written")
    try:
        return Payload.decode(entry.payload)
    except StoreError as error:
        raise StoreError(f"{place}: {error}; nothing was written") from None


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
