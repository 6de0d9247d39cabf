"""Saving what can be saved of a damaged ledger, and saying exactly what was lost.

The log up to the first entry that cannot be proved, or that breaks a rule of the format, is kept as it
is: same numbers, same tree. What stands behind it cannot keep its place, because the tree goes over what is
lost; entries there that give the digest in their own header are authentic each for itself, and their records
are handed out to be imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from claimledger.errors import StoreError
from claimledger.ledger.log_replay import LogReplay
from claimledger.ledger.maintenance import rebuild
from claimledger.ledger.progress import Progress, no_progress
from claimledger.log import merkle
from claimledger.log.entry import Payload
from claimledger.log.validate import InvalidEntryError, check_digest, check_header, check_payload
from claimledger.storage.open import create_atomically, damaged_store
from claimledger.storage.tables import ENTRY
from claimledger.storage.url import LedgerLocation, shown


@dataclass(frozen=True, slots=True)
class LostEntry:
    """An entry that cannot be proved, or many in a row: why, and what the views still say of it."""

    number: int
    last: int
    """The last of them; the same number for one entry."""

    why: str
    about: str


@dataclass(slots=True)
class SalvageReport:
    """What of a damaged log can be read."""

    size: int = 0
    intact: int = 0
    """Entries from the first on that are proved, without a gap."""

    root: str = ""
    """The root of the tree over those."""

    rights: int = 0o600
    """The permission bits that files created from it may have at most."""

    lost: list[LostEntry] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    """The rows of the log that are whole, as a new one takes them."""

    behind: list[Payload] = field(default_factory=list)
    """What entries behind the first loss say, each authentic for itself."""

    def undone(self) -> list[Payload]:
        """Return the withdrawals behind the first loss, of records that are live in the intact part.

        They are not in what is saved, so such a record is live there again.
        """
        standing: dict[tuple[str, str], bool] = {}
        for row in self.rows:
            if row[2] is not None:
                payload = Payload.decode(row[2])
                standing[payload.kind, payload.key] = payload.action in ("record", "amend")
        return [
            payload
            for payload in self.behind
            if payload.action == "withdraw" and standing.get((payload.kind, payload.key))
        ]

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the last version of each record that only entries behind the first loss hold."""
        last: dict[tuple[str, str], dict[str, Any] | None] = {}
        for payload in self.behind:
            last.pop((payload.kind, payload.key), None)
            last[payload.kind, payload.key] = (
                None if payload.action in ("withdraw", "redact") else payload.record
            )
        for (kind, key), record in last.items():
            if record is not None:
                yield {"kind": kind, "key": key, **record}


def survey(where: LedgerLocation, progress: Progress = no_progress) -> SalvageReport:
    """Read a damaged ledger's log entry by entry, and prove each; raise where nothing can be read."""
    report = SalvageReport()
    with damaged_store(where) as damaged:
        report.size = damaged.size()
        report.rights = damaged.rights
        surveying = _SalvageScan(report, damaged.about)
        for first, last, row in damaged.entries(report.size):
            if row is None:
                surveying.missing(first, last)
            else:
                surveying.entry(first, row)
            progress(last, report.size)
        for number, header, payload, salt, _ in damaged.beyond(report.size):
            why = f"stands where no entry can be: the log ends at {report.size} (rule `number`)"
            report.lost.append(LostEntry(number, number, why, damaged.about(number)))
            surveying.behind(number, header, payload, salt)
        surveying.end()
        if how := damaged.end_is_missing():
            after = report.size + 1
            why = f"and any after it may have been there: {how}"
            report.lost.append(LostEntry(after, after, why, ""))
    return report


_MOST_APART = 1000
"""Entries missing in a row up to which each is looked up in what the views still say."""


class _SalvageScan:
    """Sorts the entries of a damaged log into those that are proved, those that are not, and the rest."""

    def __init__(self, report: SalvageReport, about: Callable[[int], str]) -> None:
        self._report = report
        self._about = about
        self._replay = LogReplay()
        self._frontier = merkle.Frontier()

    def missing(self, first: int, last: int) -> None:
        """Note that entries are missing or cannot be read."""
        why = "missing, or cannot be read (rule `number`)"
        if last - first >= _MOST_APART:
            self._report.lost.append(LostEntry(first, last, f"are {why}", ""))
            return
        for number in range(first, last + 1):
            self._lose(number, f"is {why}")

    def entry(self, number: int, row: tuple[Any, ...]) -> None:
        """Take in a row that was read in place of an entry."""
        _, header, payload, salt, nodes = row
        leaf = merkle.leaf_hash(header.encode()) if isinstance(header, str) else b""
        if not isinstance(nodes, bytes) or nodes[: merkle.SIZE] != leaf:
            self._lose(number, "has a header that the tree was not built over (rule `nodes`)")
        elif self._report.lost:
            self.behind(number, header, payload, salt)
        else:
            try:
                self._replay.add(number, header, payload, salt)
            except InvalidEntryError as error:
                self._lose(number, str(error))
            else:
                self._report.rows.append((*row[:4], self._frontier.append(header.encode())))

    def behind(self, number: int, header: object, payload: object, salt: object) -> None:
        """Keep what an entry behind the first loss says, where it proves by itself."""
        if payload is None and salt is None:
            return
        try:
            head = check_header(header)
            if not isinstance(payload, str):
                raise InvalidEntryError("canonical", "has a payload that is not text")
            check_digest(salt, payload, head.digest)
            self._report.behind.append(check_payload(number, payload))
        except InvalidEntryError as error:
            self._lose(number, str(error))

    def end(self) -> None:
        """Drop what only a lost entry would have made lawful, and note how far the log is intact."""
        report = self._report
        unexplained = dict(self._replay.unexplained())
        if unexplained:
            last_explained = min(unexplained) - 1
            report.rows, cut = report.rows[:last_explained], report.rows[last_explained:]
            report.behind = [
                Payload.decode(row[2])
                for row in cut
                if row[2] is not None and row[0] not in unexplained
            ] + report.behind
            report.lost += [
                LostEntry(number, number, str(error), self._about(number))
                for number, error in unexplained.items()
            ]
            self._frontier = merkle.Frontier()
            for row in report.rows:
                self._frontier.append(row[1].encode())
        report.lost.sort(key=lambda lost: lost.number)
        report.intact, report.root = len(report.rows), self._frontier.root.hex()

    def _lose(self, number: int, why: str) -> None:
        self._report.lost.append(LostEntry(number, number, why, self._about(number)))


def salvage(
    damaged: LedgerLocation, where: LedgerLocation, progress: Progress = no_progress
) -> SalvageReport:
    """Make a ledger of what of a damaged one is whole; return what was found, lost and left over.

    Where the first entry is lost it is empty, and all that is left is left over. Raises :class:`StoreError`
    where nothing is.
    """
    report = survey(damaged, progress)
    if not report.intact and not any(report.records()):
        first = f"entry 1 {report.lost[0].why}" if report.lost else "it has no entries"
        raise StoreError(f"{shown(damaged)}: nothing can be saved: {first}; nothing was written")
    with create_atomically(where, report.rights) as target:
        target.insert(ENTRY, report.rows)
        rebuild.rebuild(target)
    return report
