"""Saving what can be saved of a damaged file, and saying exactly what was lost.

The log up to the first entry that cannot be proved is kept as it is: same numbers, same tree. What stands
behind it cannot keep its place, because the tree goes over what is lost; entries there that give the digest
in their own header are authentic each for itself, and their records are handed out to be taken in anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from claimledger.errors import StoreError
from claimledger.ledger import rebuild, tree
from claimledger.ledger.canonical import canonical, parse
from claimledger.ledger.log import FORMAT, Payload, digest_of
from claimledger.ledger.progress import Progress, unseen
from claimledger.ledger.store.address import Where
from claimledger.ledger.store.opening import arriving
from claimledger.ledger.store.sqlite_damaged import Damaged
from claimledger.ledger.tables import ENTRY


@dataclass(frozen=True, slots=True)
class Lost:
    """An entry that cannot be proved: its number, why, and what the views still say it was about."""

    number: int
    why: str
    about: str


@dataclass(slots=True)
class Survey:
    """What of a damaged log can be read."""

    size: int = 0
    whole: int = 0
    """Entries from the first on that are proved, without a gap."""

    root: str = ""
    """The root of the tree over those."""

    lost: list[Lost] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    """The rows of the log that are whole, as a new one takes them."""

    behind: list[Payload] = field(default_factory=list)
    """What entries behind the first loss say, each authentic for itself."""

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the last version of each record that only entries behind the first loss hold."""
        last: dict[tuple[str, str], dict[str, Any] | None] = {}
        for said in self.behind:
            last.pop((said.kind, said.key), None)
            last[said.kind, said.key] = (
                None if said.action in ("withdraw", "redact") else said.record
            )
        for (kind, key), record in last.items():
            if record is not None:
                yield {"kind": kind, "key": key, **record}


def survey(path: Path, progress: Progress = unseen) -> Survey:
    """Read a damaged file's log entry by entry, and prove each; raise where nothing can be read."""
    found = Survey()
    frontier = tree.Frontier()
    emptied: set[int] = set()
    with Damaged(path) as damaged:
        found.size = damaged.size()
        moment, unbroken = "", True
        for number, row in damaged.entries(found.size):
            why, said, told = _proved(row, moment)
            if why:
                unbroken = False
                found.lost.append(Lost(number, why, damaged.about(number)))
            elif unbroken and row is not None:
                moment = told
                found.rows.append((*row[:4], frontier.append(row[1].encode())))
                if said is None:
                    emptied.add(number)
                elif said.action == "redact":
                    emptied -= set(said.entries)
            elif said is not None:
                found.behind.append(said)
            progress(number, found.size)
        if (
            emptied
        ):  # emptied, and what would say why is behind the loss: they cannot be told from lost
            first = min(emptied)
            found.lost += [Lost(n, "is empty, and no entry that can be read redacts it", "")
                           for n in sorted(emptied)]  # fmt: skip
            kept, behind = found.rows[: first - 1], found.rows[first - 1 :]
            found.rows = kept
            found.behind = [
                Payload.decode(row[2]) for row in behind if row[2] is not None
            ] + found.behind
            frontier = tree.Frontier()
            for row in kept:
                frontier.append(row[1].encode())
    found.lost.sort(key=lambda one: one.number)
    found.whole, found.root = len(found.rows), frontier.root.hex()
    return found


def salvage(path: Path, where: Where, progress: Progress = unseen) -> Survey:
    """Make a ledger of what of a damaged one is whole; return what was found, lost and left over."""
    found = survey(path, progress)
    if not found.whole:
        raise StoreError(f"{path}: not even its first entry can be proved; nothing was written")
    with arriving(where) as target:
        target.insert(ENTRY, found.rows)
        rebuild.rebuild(target)
    return found


def _proved(row: tuple[Any, ...] | None, before: str) -> tuple[str, Payload | None, str]:
    """Return why an entry cannot be proved (or nothing), what it says, and its time."""
    if row is None:
        return "cannot be read", None, ""
    _, header, payload, salt, nodes = row
    try:
        head = parse(header)
        moment, digest = head["recorded_at"], head["digest"]
        if canonical(head).decode() != header or head["format"] > FORMAT or moment < before:
            return "has a header that does not fit", None, ""
        if nodes[: tree.SIZE] != tree.leaf_hash(header.encode()):
            return "has a header that the tree was not built over", None, ""
        if payload is None and salt is None:
            return "", None, moment
        if digest_of(salt, payload.encode()) != digest:
            return "does not give the digest in its header", None, ""
        return "", Payload.decode(payload), moment
    except (ValueError, KeyError, TypeError, AttributeError, StoreError):
        return "is not an entry any more", None, ""
