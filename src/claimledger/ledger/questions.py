"""What can be asked of an open ledger: each question is answered by the room it belongs to.

``known_at`` is the ledger's clock: an entry's number, and only what stood at it counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from claimledger.ledger.progress import Progress, unseen
from claimledger.ledger.query import history, key_resolution, search, subgraph, time_travel
from claimledger.ledger.query import records as reading
from claimledger.ledger.query.history import HistoryEntry
from claimledger.ledger.query.records import Reference, StoredRecord
from claimledger.ledger.query.search import SearchHit
from claimledger.ledger.query.time_travel import Known
from claimledger.ledger.tree_head import TreeHead
from claimledger.log.entry import Entry
from claimledger.records.graph_data import GraphData
from claimledger.records.vocabulary import Vocabulary
from claimledger.storage.base import Store
from claimledger.storage.tables import ENTRY

if TYPE_CHECKING:
    from claimledger.ledger.verify.result import VerificationResult


class Questions:
    """The part of a ledger that reads. It never writes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def reading(self) -> AbstractContextManager[None]:
        """Hold one consistent view of the ledger for several reads."""
        return self._store.reading()

    def head(self, known_at: Known = None) -> TreeHead:
        """Return the size and root of the log, as it stood at an entry."""
        self._store.flush_to_disk()
        return TreeHead.of(self._store, known_at)

    def entry_at(self, when: str) -> int:
        """Return the last entry of a time; raise :class:`ParseError` where it is none."""
        return time_travel.entry_at(self._store, when)

    def get(self, kind: str, key: str, known_at: Known = None) -> StoredRecord:
        """Return a record, replaced keys resolved; raise :class:`NotFoundError` with the nearest."""
        return reading.one(self._store, kind, key, known_at)

    def get_all(
        self, kind: str, keys: Iterable[str], known_at: Known = None
    ) -> dict[str, StoredRecord]:
        """Return the records of a kind with these keys that stood then, by key."""
        return reading.held(self._store, kind, keys, known_at)

    def with_key(self, key: str, known_at: Known = None) -> list[StoredRecord]:
        """Return the records with a key, one a kind at most; claims first."""
        return reading.with_key(self._store, key, known_at)

    def near_keys(self, key: str, kind: str | None = None) -> list[str]:
        """Return the keys most like a mistyped one."""
        return reading.near_keys(self._store, key, kind)

    def keys(self, kind: str, known_at: Known = None) -> list[str]:
        """Return the keys of a kind's records, in the order they were first recorded."""
        return reading.keys_of(self._store, kind, known_at)

    def records(self, kind: str, known_at: Known = None) -> Iterator[StoredRecord]:
        """Yield every record of a kind that stood then."""
        return reading.of_kind(self._store, kind, known_at)

    def foreign(self, known_at: Known = None) -> Iterator[dict[str, Any]]:
        """Yield the records of kinds that only a newer program knows, as they were written."""
        return reading.foreign(self._store, known_at)

    def resolve(self, kind: str, keys: Iterable[str], known_at: Known = None) -> dict[str, str]:
        """Return what keys resolve to, for those that were replaced."""
        return reading.replacements(self._store, kind, keys, known_at)

    def resolved(
        self, kind: str, records: Iterable[Mapping[str, Any]], known_at: Known = None
    ) -> Iterator[Mapping[str, Any]]:
        """Yield records of a kind in their JSON form, with every replaced key in them resolved."""
        return key_resolution.resolved(self._store, kind, records, known_at)

    def resolved_records(
        self, held: Iterable[StoredRecord], known_at: Known = None
    ) -> list[StoredRecord]:
        """Return records with every replaced key in them resolved, as answers compare them."""
        return key_resolution.resolved_records(self._store, held, known_at)

    def referrers(
        self, kind: str, keys: Iterable[str], known_at: Known = None
    ) -> dict[str, list[Reference]]:
        """Return which records point to each of these."""
        return reading.referrers(self._store, kind, keys, known_at)

    def dependents(
        self, records: Iterable[tuple[str, str]], known_at: Known = None
    ) -> set[tuple[str, str]]:
        """Return some records, by kind and key, and all that points to them, near and far."""
        return reading.dependents(self._store, records, known_at)

    def at_entries(self, entries: Iterable[int]) -> dict[int, StoredRecord]:
        """Return the record versions that came with these entries."""
        return reading.at_entries(self._store, entries)

    def newest_pointing(
        self, kind: str, key: str, field: str, most: int, known_at: Known = None
    ) -> set[str]:
        """Return the keys of the newest claims that point to a record through a field."""
        return reading.newest_pointing(self._store, kind, key, field, most, known_at)

    def tallies(self, known_at: Known = None) -> list[str]:
        """Return the keys of the claims with a figure that the ledger itself counted."""
        return reading.tallies(self._store, known_at)

    def similar_claims(self, statement: str, most: int, known_at: Known = None) -> list[str]:
        """Return the keys of the claims that share a statement's rarest words, the likest first."""
        return search.similar_claims(self._store, statement, most, known_at)

    def with_figure(
        self, low: float, high: float, known_at: Known = None, most: int = 500
    ) -> list[StoredRecord]:
        """Return the claims with a figure that has a bound in this range, so many for each bound."""
        entries = reading.with_figure(self._store, low, high, known_at, most)
        found = reading.at_entries(self._store, entries)
        return [found[entry] for entry in entries]

    def nearest_figures(self, value: float, known_at: Known = None) -> list[StoredRecord]:
        """Return the claims whose figures lie nearest to a value, nearest first."""
        entries = reading.nearest_figures(self._store, value, known_at)
        found = reading.at_entries(self._store, entries)
        return [found[entry] for entry in entries]

    def claims_about(
        self, subjects: Iterable[str], known_at: Known = None, most: int | None = 2000
    ) -> list[StoredRecord]:
        """Return the claims about these subjects, newest first; all of them where ``most`` is ``None``."""
        entries = reading.claims_about(self._store, subjects, known_at, most)
        found = reading.at_entries(self._store, entries)
        return self.resolved_records([found[entry] for entry in entries], known_at)

    def keys_about(self, subjects: Iterable[str], known_at: Known = None) -> set[str]:
        """Return the keys of all claims about these subjects."""
        return reading.keys_about(self._store, subjects, known_at)

    def critics_about(self, subjects: Iterable[str], known_at: Known = None) -> list[StoredRecord]:
        """Return the links by which claims about these subjects undercut a source."""
        claims = reading.claims_about(self._store, subjects, known_at, most=500)
        found = reading.at_entries(
            self._store, reading.critics_among(self._store, claims, known_at)
        )
        return self.resolved_records([found[entry] for entry in sorted(found)], known_at)

    def root_subject(self, subject: str, known_at: Known = None) -> str:
        """Return the widest subject that a subject is part of."""
        seen: set[str] = set()
        while True:
            subject = self.resolve("subject", [subject], known_at).get(subject, subject)
            seen.add(subject)
            held = reading.held(self._store, "subject", [subject], known_at).get(subject)
            above = getattr(held.record, "broader", None) if held else None
            if above is None or above in seen:
                return subject
            subject = above

    def narrower(self, subject: str, known_at: Known = None, most: int | None = None) -> list[str]:
        """Return a subject and all subjects under it, near and far; the nearest where only so many."""
        subject = self.resolve("subject", [subject], known_at).get(subject, subject)
        found, ask = [subject], [subject]
        while ask and (most is None or len(found) < most):
            under = reading.referrers(self._store, "subject", ask, known_at)
            ask = [
                one.key
                for listed in under.values()
                for one in listed
                if one.kind == "subject" and one.key not in found
            ]
            found += ask
        return found[:most]

    def history(
        self, key: str, kind: str | None = None, known_at: Known = None
    ) -> list[HistoryEntry]:
        """Return every entry about the records with a key, oldest first."""
        return history.history(self._store, key, kind, known_at)

    def versions(
        self, kind: str, keys: Iterable[str], known_at: Known = None
    ) -> list[StoredRecord]:
        """Return every version of some records, withdrawn ones too, in order of entry."""
        return reading.versions(self._store, kind, keys, known_at)

    def records_changed_since(self, since: int, known_at: Known = None) -> list[tuple[str, str]]:
        """Return which records entries after one are about: kind and key."""
        return history.records_changed_since(self._store, since, known_at)

    def changes_since(self, entry: int, known_at: Known = None) -> list[HistoryEntry]:
        """Return the amendments, withdrawals and redactions after an entry."""
        return history.changes_since(self._store, entry, known_at)

    def search(
        self, query: str, *, kinds: Sequence[str] = (), known_at: Known = None, most: int = 20
    ) -> list[SearchHit]:
        """Return the records that hold the words of a query, best first."""
        return search.search(self._store, query, kinds=kinds, known_at=known_at, most=most)

    def neighbourhood(self, keys: Iterable[str], known_at: Known = None) -> GraphData:
        """Return the part of the ledger that answers about these claims depend on."""
        return subgraph.neighbourhood(self._store, keys, known_at)

    def some_links(self, entries: Iterable[int], known_at: Known = None) -> GraphData:
        """Return the links that came with these entries, and the sources that state them."""
        return subgraph.some_links(self._store, entries, known_at)

    def linked(self, known_at: Known = None) -> GraphData:
        """Return the claims that links or criticised sources bear on; every other one stands alone."""
        return subgraph.linked(self._store, known_at)

    def whole(self, known_at: Known = None) -> GraphData:
        """Return the whole ledger as the dispute graph takes it."""
        return subgraph.whole(self._store, known_at)

    def vocabulary(self, known_at: Known = None) -> Vocabulary:
        """Return what the ledger's terms say: which names mean one thing, what is part of what."""
        return reading.vocabulary(self._store, known_at)

    def counts(self, known_at: Known = None) -> dict[str, int]:
        """Return how many records of each kind stood."""
        return reading.counts(self._store, known_at)

    def entries(self) -> Iterator[Entry]:
        """Yield every line of the log, in order."""
        count = time_travel.size(self._store)
        for first in range(1, count + 1, 1000):
            for number, header, payload, salt, nodes in self._store.rows_by_entry(
                ENTRY, first, first + 999
            ):
                held = None if payload is None else payload.encode()
                yield Entry(number, header.encode(), held, salt, nodes)

    @property
    def rights(self) -> int:
        """The permission bits that files made of this ledger may have at most."""
        return self._store.rights

    def verify(
        self, progress: Progress = unseen, earlier: TreeHead | None = None
    ) -> VerificationResult:
        """Check every rule of the log, the tree, and every view; return what is wrong, and the root.

        ``earlier`` is a size and root kept elsewhere: the log must be that one, or one that goes on from it.
        """
        from claimledger.ledger.verify import verification  # imports processes: not at a start

        return verification.verify(self._store, progress, earlier)
