"""A read-only view of a ledger, as it was at one moment of both clocks.

``known_at`` is the ledger's clock: only what had been recorded by that entry counts. ``as_of`` is the world's
clock: only what had been asserted by that day counts. The view holds both, so that functions which take a
view need no arguments for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.graph import graph_of
from claimledger.errors import ParseError, StoreError
from claimledger.ledger.deprecation import renamed_keyword
from claimledger.ledger.maintenance import migrate
from claimledger.ledger.progress import Progress, no_progress
from claimledger.ledger.query import history, key_resolution, records, search, subgraph, time_travel
from claimledger.ledger.query.history import HistoryEntry
from claimledger.ledger.query.records import Reference, StoredRecord
from claimledger.ledger.query.search import SearchHit
from claimledger.ledger.query.snapshot import Snapshot
from claimledger.ledger.query.time_travel import DatedAhead
from claimledger.ledger.tree_head import TreeHead
from claimledger.ledger.verify import verification
from claimledger.ledger.write.appender import Clock
from claimledger.log.clock import earliest_in_doubt
from claimledger.log.entry import Entry, now
from claimledger.records.dates import Date
from claimledger.records.graph_data import GraphData
from claimledger.records.vocabulary import Vocabulary
from claimledger.storage.base import Store
from claimledger.storage.open import create_atomically
from claimledger.storage.tables import ENTRY

if TYPE_CHECKING:
    from sqlmodel import Session

    from claimledger.analysis.analysis import Analysis
    from claimledger.ledger.verify.result import VerificationResult


class LedgerView:
    """A view of the records that a ledger contained at one entry, and of those asserted by one day.

    A view never writes, and caches the records that it has read: after a write, take a new one with
    :meth:`at`.

    >>> view = ledger.at(as_of="October 2022", known_at="#147")  # doctest: +SKIP
    >>> view.analysis(["rfa-54"]).standing("rfa-54")  # doctest: +SKIP
    'single-origin'
    """

    def __init__(
        self,
        store: Store,
        *,
        as_of: int | None = None,
        known_at: int | None = None,
        clock: Clock = now,
    ) -> None:
        self._store = store
        self._clock = clock
        self._snapshot = Snapshot(store, known_at)
        self.as_of = as_of
        """The last day that counts, as a proleptic Gregorian ordinal; ``None`` sets no limit."""

        self._records: dict[tuple[str, str], StoredRecord | None] = {}
        self._analyses: dict[frozenset[str] | None, Analysis] = {}

    _caches_records = True

    @property
    def known_at(self) -> int | None:
        """The last entry that counts; ``None`` means the newest."""
        return self._snapshot.known_at

    def at(
        self, *, as_of: str | int | None = None, known_at: str | int | None = None
    ) -> LedgerView:
        """Return a view of this ledger at another moment of both clocks.

        ``as_of`` is a day in EDTF or words, or its ordinal; ``known_at`` is an entry (``12``, ``"#12"``), a
        timestamp or a day. Raises :class:`ParseError` for anything else.
        """
        day = last_day(as_of) if isinstance(as_of, str) else as_of
        entry = self.entry_at(known_at) if isinstance(known_at, str) else known_at
        return LedgerView(self._store, as_of=day, known_at=entry, clock=self._clock)

    def reading(self) -> AbstractContextManager[None]:
        """Return a context manager within which all reads see the same state of the ledger."""
        return self._store.reading()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Yield a read-only SQLModel session on the ledger's tables, which sees one consistent state.

        :mod:`claimledger.models` has the class of each table. Tables keep every version of a record;
        :func:`claimledger.models.live` selects those that are live at the view's ``known_at``. Raises
        :class:`StoreError` inside a transaction of a ledger that is open for writing, and for a view with
        ``as_of``, which no query of a table can apply.
        """
        from sqlmodel import Session  # imported late: it takes a quarter of a second

        if self._store.writable and self._store.in_transaction:
            raise StoreError("a session cannot be opened inside a transaction that may write")
        if self.as_of is not None:
            raise StoreError("a session has no `as_of`; open it on a view without one")
        with (
            self._store.querying() as engine,
            Session(engine, info={"known_at": self.known_at}) as session,
        ):
            yield session

    # The log

    def head(self) -> TreeHead:
        """Return the tree head: the size and the root of the log at ``known_at``."""
        self._store.maintenance.flush_to_disk()
        return TreeHead.of(self._store, self.known_at)

    def entry_at(self, when: str) -> int:
        """Return the last entry at a time: an entry number, a timestamp, or a day in EDTF or words.

        A day means its end. Raises :class:`ParseError` for anything else, and :class:`NotFoundError` for an
        entry that does not exist.
        """
        return time_travel.entry_at(self._store, when)

    def entries(self) -> Iterator[Entry]:
        """Yield every entry of the log, in order, whatever the view's clocks."""
        size = time_travel.size(self._store)
        for first in range(1, size + 1, 1000):
            for row in self._store.rows_by_entry(ENTRY, first, first + 999):
                number, header, payload, salt, nodes = row
                encoded = None if payload is None else payload.encode()
                yield Entry(
                    number=number, header=header.encode(), payload=encoded, salt=salt, nodes=nodes
                )

    def dated_ahead(self) -> DatedAhead | None:
        """Return the entries at the end of the log that are dated ahead of this clock, or ``None``."""
        return time_travel.dated_ahead(self._store, earliest_in_doubt(self._clock()))

    def verify(
        self, progress: Progress = no_progress, earlier: TreeHead | None = None
    ) -> VerificationResult:
        """Check the log, its Merkle tree and every view; return the faults and the root.

        ``earlier`` is a tree head that was stored elsewhere; the log must have that root at that size. A
        damaged ledger raises no error: the damage is among the faults.
        """
        return verification.verify(self._store, progress, earlier)

    def copy_to(self, path: Path) -> None:
        """Copy the whole ledger into a new file, whatever the view's clocks.

        Raises :class:`StoreError` if the file exists.
        """
        if not self._store.maintenance.copy_to(path, self._store.maintenance.rights):
            with create_atomically(path, self._store.maintenance.rights) as target:
                migrate.move(self._store, target)

    @property
    def permissions(self) -> int:
        """The permission bits of the ledger; files created from it get no others."""
        return self._store.maintenance.rights

    # Records

    def get(self, kind: str, key: str) -> StoredRecord:
        """Return the live record with a key, or the record that replaced it.

        Raises :class:`NotFoundError` with the reason or the nearest keys.
        """
        stored = self.get_all(kind, [key]).get(key)
        return stored or records.get_record(self._snapshot, kind, key)

    def get_all(self, kind: str, keys: Iterable[str]) -> dict[str, StoredRecord]:
        """Return the live records of a kind with these keys, by key. Replaced keys are not resolved."""
        if not self._caches_records:
            return records.records_by_key(self._snapshot, kind, keys)
        unique_keys = list(dict.fromkeys(keys))
        unread = [key for key in unique_keys if (kind, key) not in self._records]
        if unread:
            stored = records.records_by_key(self._snapshot, kind, unread)
            self._records |= {(kind, key): stored.get(key) for key in unread}
        return {
            key: record for key in unique_keys if (record := self._records[kind, key]) is not None
        }

    def with_key(self, key: str) -> list[StoredRecord]:
        """Return the live records with a key: at most one of each kind, a claim first."""
        return records.with_key(self._snapshot, key)

    def near_keys(self, key: str, kind: str | None = None) -> list[str]:
        """Return at most three live keys that are similar to a mistyped one, the most similar first."""
        return records.near_keys(self._snapshot, key, kind)

    def keys(self, kind: str) -> list[str]:
        """Return the keys of a kind's live records, in the order they were recorded."""
        return records.keys_of_kind(self._snapshot, kind)

    def records(self, kind: str) -> Iterator[StoredRecord]:
        """Yield every live record of a kind, in order of entry."""
        return records.records_of_kind(self._snapshot, kind)

    def unknown_records(self) -> Iterator[dict[str, Any]]:
        """Yield the records of kinds that only a newer version of the program knows, as they were written."""
        return records.unknown_records(self._snapshot)

    def at_entries(self, entries: Iterable[int]) -> dict[int, StoredRecord]:
        """Return the versions of records that these entries recorded, by entry."""
        return records.at_entries(self._store, entries)

    def versions(self, kind: str, keys: Iterable[str]) -> list[StoredRecord]:
        """Return every version of some records, withdrawn ones too, in order of entry."""
        return records.versions(self._snapshot, kind, keys)

    def counts(self) -> dict[str, int]:
        """Return the number of live records of each kind."""
        return records.counts(self._snapshot)

    def vocabulary(self) -> Vocabulary:
        """Return the vocabulary of the ledger's terms: synonyms, and which names are part of others."""
        return records.vocabulary(self._snapshot)

    # Keys and references

    def resolve(self, kind: str, keys: Iterable[str]) -> dict[str, str]:
        """Return, for each of these keys that was replaced, the key that it resolves to."""
        return records.replacements(self._snapshot, kind, keys)

    def resolve_json(
        self, kind: str, values: Iterable[Mapping[str, Any]]
    ) -> Iterator[Mapping[str, Any]]:
        """Yield records of a kind, in their JSON form, with every replaced key in them resolved."""
        return key_resolution.resolve_json(self._snapshot, kind, values)

    def resolve_records(self, stored: Iterable[StoredRecord]) -> list[StoredRecord]:
        """Return records with every replaced key in them resolved, in the same order."""
        return key_resolution.resolve_records(self._snapshot, stored)

    def references_to(self, kind: str, keys: Iterable[str]) -> dict[str, list[Reference]]:
        """Return the references to each of these records, including those through keys that it replaced."""
        return records.references_to(self._snapshot, kind, keys)

    @renamed_keyword("named", "targets")
    def dependents(self, targets: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return the kind and key of these records and of all that refer to them, directly or indirectly."""
        return records.dependents(self._snapshot, targets)

    # Claims

    @renamed_keyword("most", "limit")
    def similar_claims(self, statement: str, limit: int) -> list[str]:
        """Return the keys of the claims that share a statement's rarest words, the most similar first."""
        return search.similar_claims(self._snapshot, statement, limit)

    @renamed_keyword("most", "limit")
    def search(self, query: str, *, kinds: Sequence[str] = (), limit: int = 20) -> list[SearchHit]:
        """Return the records that contain every word of a query, the best matches first.

        Words in quotation marks must occur together. ``kinds`` are the kinds of record to search; if it is
        empty, all kinds.
        """
        return search.search(self._snapshot, query, kinds=kinds, limit=limit)

    @renamed_keyword("most", "limit")
    def claims_with_figure(self, low: float, high: float, limit: int = 500) -> list[StoredRecord]:
        """Return the claims with a figure that has a bound from ``low`` to ``high``.

        ``limit`` applies to the lower and the upper bounds separately.
        """
        return self._at(records.with_figure(self._snapshot, low, high, limit))

    def claims_nearest_figure(self, value: float) -> list[StoredRecord]:
        """Return the five claims whose figures lie nearest to a value, the nearest first."""
        return self._at(records.nearest_figures(self._snapshot, value))

    @renamed_keyword("most", "limit")
    def claims_about(self, subjects: Iterable[str], limit: int | None = 2000) -> list[StoredRecord]:
        """Return the claims about these subjects, the newest first; all of them if ``limit`` is ``None``."""
        entries = records.claims_about(self._snapshot, subjects, limit)
        return self.resolve_records(self._at(entries))

    def keys_about(self, subjects: Iterable[str]) -> set[str]:
        """Return the keys of all claims about these subjects."""
        return records.keys_about(self._snapshot, subjects)

    def critics_about(self, subjects: Iterable[str]) -> list[StoredRecord]:
        """Return the links by which claims about these subjects undercut a source."""
        claims = records.claims_about(self._snapshot, subjects, limit=500)
        links = records.critics_among(self._snapshot, claims)
        return self.resolve_records(self._at(sorted(links)))

    @renamed_keyword("most", "limit")
    def newest_claims_with(self, kind: str, key: str, field: str, limit: int) -> set[str]:
        """Return the keys of the newest claims that refer to a record through a field.

        ``field`` is a path such as ``citations.source``.
        """
        return records.newest_claims_with(self._snapshot, kind, key, field, limit)

    def tallies(self) -> list[str]:
        """Return the keys of the claims with a figure that counts records of the ledger."""
        return records.tallies(self._snapshot)

    def _at(self, entries: Iterable[int]) -> list[StoredRecord]:
        entries = list(entries)
        by_entry = records.at_entries(self._store, entries)
        return [by_entry[entry] for entry in entries if entry in by_entry]

    # Subjects

    def root_subject(self, subject: str) -> str:
        """Return the broadest subject that a subject is part of: itself if it is part of none."""
        seen: set[str] = set()
        while True:
            subject = self.resolve("subject", [subject]).get(subject, subject)
            seen.add(subject)
            stored = self.get_all("subject", [subject]).get(subject)
            broader = getattr(stored.record, "broader", None) if stored else None
            if broader is None or broader in seen:
                return subject
            subject = broader

    @renamed_keyword("most", "limit")
    def narrower_subjects(self, subject: str, limit: int | None = None) -> list[str]:
        """Return the keys of a subject and all subjects under it; with ``limit``, only of the nearest."""
        subject = self.resolve("subject", [subject]).get(subject, subject)
        subjects = frontier = [subject]
        while frontier and (limit is None or len(subjects) < limit):
            frontier = [
                reference.key
                for references in self.references_to("subject", frontier).values()
                for reference in references
                if reference.kind == "subject" and reference.key not in subjects
            ]
            subjects = subjects + frontier
        return subjects[:limit]

    # History

    def history(self, key: str, kind: str | None = None) -> list[HistoryEntry]:
        """Return every entry about the records with a key, the oldest first; ``kind`` limits them."""
        return history.history(self._snapshot, key, kind)

    def records_changed_since(self, since: int) -> list[tuple[str, str]]:
        """Return the kind and key of each record that an entry after ``since`` is about."""
        return history.records_changed_since(self._snapshot, since)

    def changes_since(self, entry: int) -> list[HistoryEntry]:
        """Return the amendments, withdrawals and redactions after an entry."""
        return history.changes_since(self._snapshot, entry)

    # The graph

    def neighbourhood(self, keys: Iterable[str]) -> GraphData:
        """Return the graph data that answers about these claims depend on: the claims and all linked ones."""
        return subgraph.neighbourhood(self._snapshot, keys)

    def links_only(self, entries: Iterable[int]) -> GraphData:
        """Return the links that these entries recorded and the sources that state them; no claims."""
        return subgraph.links_only(self._snapshot, entries)

    def linked_graph(self) -> GraphData:
        """Return the graph data of the claims that have links or cite a criticised source."""
        return subgraph.linked_graph(self._snapshot)

    def whole_graph(self) -> GraphData:
        """Return the graph data of the whole ledger."""
        return subgraph.whole_graph(self._snapshot)

    def analysis(self, keys: Iterable[str] | None = None) -> Analysis:
        """Return the analysis of some claims and what they depend on; without ``keys``, of all claims.

        A claim that was not known by ``as_of`` is not in ``analysis.graph.claims``.
        """
        which = None if keys is None else frozenset(keys)
        analysis = self._analyses.get(which)
        if analysis is None:
            analysis = self.analysis_of(
                self.whole_graph() if which is None else self.neighbourhood(which)
            )
            if self._caches_records:
                self._analyses[which] = analysis
        return analysis

    def linked_analysis(self) -> Analysis:
        """Return the analysis of every claim that has a link or cites a criticised source.

        With ``as_of``, the analysis covers all claims, because any source can decide when a claim was known.
        """
        if self.as_of is not None:
            return self.analysis()
        return self.analysis_of(self.linked_graph())

    def analysis_of(self, graph_data: GraphData) -> Analysis:
        """Return the analysis of some graph data of this ledger, limited to what was known by ``as_of``."""
        return Analysis(graph_of(graph_data, self.as_of))

    def analysis_about(self, subject: str) -> tuple[Analysis, list[str]]:
        """Return the analysis of a subject and all narrower ones, and the keys of the claims about them.

        Raises :class:`NotFoundError` if there is no such subject.
        """
        subject = self.get("subject", subject).key
        keys = self.keys_about(self.narrower_subjects(subject))
        analysis = self.analysis(keys)
        return analysis, [key for key in analysis.graph.claims if key in keys]


def last_day(text: str) -> int:
    """Return the last day of a date in EDTF or words, as an ordinal.

    Raises :class:`ParseError` if the text is not a date, or the date has no last day.
    """
    day = Date.of(text).latest
    if day is None:
        raise ParseError("has no last day")
    return day
