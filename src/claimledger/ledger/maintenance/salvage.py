"""Recovers the intact part of a damaged ledger, and reports exactly which entries were lost.

The entries before the first one that is damaged or breaks a rule of ``docs/log-format.md`` are copied with
their numbers and their tree. Later entries cannot keep their numbers, because the tree covers the lost
entry too. Those that match the digest in their own header are still authentic, and their records are
returned so that they can be imported.
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
from claimledger.log.entry import WRITES_VERSION, Action, Payload
from claimledger.log.validate import InvalidEntryError, check_digest, check_header, check_payload
from claimledger.storage.open import create_atomically, damaged_store
from claimledger.storage.tables import ENTRY
from claimledger.storage.url import LedgerLocation, shown


@dataclass(frozen=True, slots=True)
class LostEntry:
    """An entry that cannot be verified, or a range of them."""

    number: int
    """The entry, or the first of the range."""

    last: int
    """The last entry of the range; equal to ``number`` for a single entry."""

    why: str
    """The reason, as a phrase that continues "entry 12"."""

    about: str
    """The record that the entry is about, as the views have it; empty if they do not have it."""


@dataclass(slots=True)
class SalvageReport:
    """The part of a damaged ledger that can be recovered, and the entries that were lost."""

    size: int = 0
    """The number of entries that the log should have."""

    intact: int = 0
    """The number of entries before the first lost one; all of them are verified."""

    root: str = ""
    """The Merkle root over the intact entries, in hexadecimal."""

    rights: int = 0o600
    """The permission bits that files created from this ledger may have at most."""

    lost: list[LostEntry] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    """The rows of the intact entries, ready to be inserted into a new log."""

    behind: list[Payload] = field(default_factory=list)
    """The payloads of the authentic entries after the first lost one."""

    def undone(self) -> list[Payload]:
        """Return the withdrawals after the first lost entry whose records are live in the intact part.

        The new ledger does not contain these withdrawals, so the records are live in it again.
        """
        is_live: dict[tuple[str, str], bool] = {}
        for row in self.rows:
            if row[2] is not None:
                payload = Payload.decode(row[2])
                is_live[payload.kind, payload.key] = payload.action in WRITES_VERSION
        return [
            payload
            for payload in self.behind
            if payload.action == Action.WITHDRAW and is_live.get((payload.kind, payload.key))
        ]

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the last version of each record found after the first lost entry, ready for import."""
        last: dict[tuple[str, str], dict[str, Any] | None] = {}
        for payload in self.behind:
            last.pop((payload.kind, payload.key), None)
            last[payload.kind, payload.key] = (
                None if payload.action in (Action.WITHDRAW, Action.REDACT) else payload.record
            )
        for (kind, key), record in last.items():
            if record is not None:
                yield {"kind": kind, "key": key, **record}


def survey(where: LedgerLocation, progress: Progress = no_progress) -> SalvageReport:
    """Read a damaged ledger entry by entry, verify each entry, and return what can be recovered.

    Nothing is written. Raises :class:`StoreError` if the ledger cannot be read at all.
    """
    report = SalvageReport()
    with damaged_store(where) as damaged:
        report.size = damaged.size()
        report.rights = damaged.rights
        scan = _SalvageScan(report, damaged.subject_of)
        for first, last, row in damaged.entries(report.size):
            if row is None:
                scan.add_missing(first, last)
            else:
                scan.add_row(first, row)
            progress(last, report.size)
        for number, header, payload, salt, _ in damaged.beyond(report.size):
            why = f"is beyond the end of the log, which has {report.size} entries (rule `number`)"
            report.lost.append(
                LostEntry(number=number, last=number, why=why, about=damaged.subject_of(number))
            )
            scan.add_behind(number, header, payload, salt)
        scan.finish()
        if reason := damaged.end_is_missing():
            after = report.size + 1
            why = f"and later entries may have existed: {reason}"
            report.lost.append(LostEntry(number=after, last=after, why=why, about=""))
    return report


_LONGEST_LISTED_RANGE = 1000
"""Up to this many consecutive missing entries are listed one by one, with the record that each is about."""


class _SalvageScan:
    """Sorts the entries of a damaged log into intact, lost, and authentic but after the first lost one.

    ``about`` returns the record that an entry is about, as the views have it.
    """

    def __init__(self, report: SalvageReport, about: Callable[[int], str]) -> None:
        self._report = report
        self._about = about
        self._replay = LogReplay()
        self._frontier = merkle.Frontier()

    def add_missing(self, first: int, last: int) -> None:
        """Add a range of entries that are missing or cannot be read."""
        if last - first >= _LONGEST_LISTED_RANGE:
            why = "are missing or cannot be read (rule `number`)"
            self._report.lost.append(LostEntry(number=first, last=last, why=why, about=""))
            return
        for number in range(first, last + 1):
            self._add_lost(number, "is missing or cannot be read (rule `number`)")

    def add_row(self, number: int, row: tuple[Any, ...]) -> None:
        """Verify the row that was read for an entry, and add it where it belongs."""
        _, header, payload, salt, nodes = row
        leaf = merkle.leaf_hash(header.encode()) if isinstance(header, str) else b""
        if not isinstance(nodes, bytes) or nodes[: merkle.SIZE] != leaf:
            self._add_lost(number, "has a header that the tree was not built over (rule `nodes`)")
        elif self._report.lost:
            self.add_behind(number, header, payload, salt)
        else:
            try:
                self._replay.add(number, header, payload, salt)
            except InvalidEntryError as error:
                self._add_lost(number, str(error))
            else:
                self._report.rows.append((*row[:4], self._frontier.append(header.encode())))

    def add_behind(self, number: int, header: object, payload: object, salt: object) -> None:
        """Add an entry after the first lost one: its payload if it matches its header, else as lost."""
        if payload is None and salt is None:
            return
        try:
            head = check_header(header)
            if not isinstance(payload, str):
                raise InvalidEntryError("canonical", "has a payload that is not text")
            check_digest(salt, payload, head.digest)
            self._report.behind.append(check_payload(number, payload))
        except InvalidEntryError as error:
            self._add_lost(number, str(error))

    def finish(self) -> None:
        """Cut the intact part before the first entry that only a lost one would have made valid."""
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
                LostEntry(number=number, last=number, why=str(error), about=self._about(number))
                for number, error in unexplained.items()
            ]
            self._frontier = merkle.Frontier()
            for row in report.rows:
                self._frontier.append(row[1].encode())
        report.lost.sort(key=lambda lost: lost.number)
        report.intact, report.root = len(report.rows), self._frontier.root.hex()

    def _add_lost(self, number: int, why: str) -> None:
        self._report.lost.append(
            LostEntry(number=number, last=number, why=why, about=self._about(number))
        )


def salvage(
    damaged: LedgerLocation, where: LedgerLocation, progress: Progress = no_progress
) -> SalvageReport:
    """Create a new ledger from the intact entries of a damaged one; return the report.

    The report has the records after the first lost entry, which the new ledger does not contain. If the
    first entry is lost, the new ledger is empty. Raises :class:`StoreError` if nothing can be recovered, or
    something already exists at ``where``.
    """
    report = survey(damaged, progress)
    if not report.intact and not any(report.records()):
        first = f"entry 1 {report.lost[0].why}" if report.lost else "it has no entries"
        raise StoreError(
            f"{shown(damaged)}: nothing can be recovered: {first}; nothing was written"
        )
    with create_atomically(where, report.rights) as target:
        target.insert({ENTRY: report.rows})
        rebuild.rebuild(target)
    return report
