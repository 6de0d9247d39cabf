"""Records by key as a page needs them: looked up once, and named even where they are gone."""

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
    """The records an answer speaks of, at one clock."""

    def __init__(self, view: LedgerView) -> None:
        self._view = view
        self._held: dict[tuple[str, str], StoredRecord | None] = {}

    def learn(self, kind: str, keys: Iterable[str]) -> None:
        """Look up records in one go."""
        wanted = [key for key in dict.fromkeys(keys) if (kind, key) not in self._held]
        if not wanted:
            return
        found = self._view.get_all(kind, wanted)
        replaced = self._view.resolve(kind, [k for k in wanted if k not in found])
        found |= {
            key: after
            for key, to in replaced.items()
            if (after := self._view.get_all(kind, [to]).get(to))
        }
        for key in wanted:
            self._held[kind, key] = found.get(key)

    def held(self, kind: str, key: str) -> StoredRecord | None:
        """Return a record as held, ``None`` where it is gone."""
        self.learn(kind, [key])
        return self._held[kind, key]

    def claim(self, key: str) -> Claim:
        """Return a claim that is in view."""
        held = self.held("claim", key)
        assert held is not None
        assert isinstance(held.record, Claim)
        return held.record

    def link(self, key: str) -> Link:
        """Return a link that is in view."""
        held = self.held("link", key)
        assert held is not None
        assert isinstance(held.record, Link)
        return held.record

    def source(self, key: str) -> Source | None:
        """Return a source."""
        held = self.held("source", key)
        return held.record if held and isinstance(held.record, Source) else None

    def subject(self, key: str) -> str:
        """Return a subject's label."""
        held = self.held("subject", key)
        return held.record.label if held and isinstance(held.record, Subject) else key

    def party(self, key: str) -> str:
        """Return a party's name."""
        held = self.held("party", key)
        return held.record.name if held and isinstance(held.record, Party) else key

    def claimants(self, claim: Claim) -> str:
        """Return the names of those who make a claim."""
        self.learn("party", claim.claimant)
        return " and ".join(self.party(key) for key in claim.claimant)

    def title(self, key: str) -> str:
        """Return a source's title."""
        held = self.source(key)
        return held.title if held else key
