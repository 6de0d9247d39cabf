"""Looks up the records that an answer names, each once, and gives a name even to a withdrawn one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from claimledger.records.claim import Claim
from claimledger.records.link import Link
from claimledger.records.party import Party
from claimledger.records.source import Source
from claimledger.records.subject import Subject

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView, StoredRecord


class RecordCache:
    """The records of one view by kind and key; a replaced record is found under its old key."""

    def __init__(self, view: LedgerView) -> None:
        self._view = view
        self._records: dict[tuple[str, str], StoredRecord | None] = {}

    def learn(self, kind: str, keys: Iterable[str]) -> None:
        """Look up several records of a kind in one query, for later calls."""
        unread = [key for key in dict.fromkeys(keys) if (kind, key) not in self._records]
        if not unread:
            return
        records = self._view.get_all(kind, unread)
        replaced = self._view.resolve(kind, [k for k in unread if k not in records])
        records |= {
            key: after
            for key, to in replaced.items()
            if (after := self._view.get_all(kind, [to]).get(to))
        }
        for key in unread:
            self._records[kind, key] = records.get(key)

    def find(self, kind: str, key: str) -> StoredRecord | None:
        """Return a record, or ``None`` if it was withdrawn."""
        self.learn(kind, [key])
        return self._records[kind, key]

    def claim(self, key: str) -> Claim:
        """Return a claim that is in view."""
        stored = self.find("claim", key)
        assert stored is not None
        assert isinstance(stored.record, Claim)
        return stored.record

    def link(self, key: str) -> Link:
        """Return a link that is in view."""
        stored = self.find("link", key)
        assert stored is not None
        assert isinstance(stored.record, Link)
        return stored.record

    def source(self, key: str) -> Source | None:
        """Return a source, or ``None`` if it was withdrawn."""
        stored = self.find("source", key)
        return stored.record if stored and isinstance(stored.record, Source) else None

    def subject(self, key: str) -> str:
        """Return a subject's label, or its key if it was withdrawn."""
        stored = self.find("subject", key)
        return stored.record.label if stored and isinstance(stored.record, Subject) else key

    def party(self, key: str) -> str:
        """Return a party's name, or its key if it was withdrawn."""
        stored = self.find("party", key)
        return stored.record.name if stored and isinstance(stored.record, Party) else key

    def claimants(self, claim: Claim) -> str:
        """Return the names of a claim's claimants: ``A and B``."""
        self.learn("party", claim.claimant)
        return " and ".join(self.party(key) for key in claim.claimant)

    def title(self, key: str) -> str:
        """Return a source's title, or its key if it was withdrawn."""
        source = self.source(key)
        return source.title if source else key
