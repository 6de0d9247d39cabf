"""The one door: everything outside ``ledger/`` goes through :class:`Ledger`, which only delegates."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from claimledger.errors import Refused, StoreError
from claimledger.ledger import log
from claimledger.ledger.head import Head
from claimledger.ledger.log import Entry
from claimledger.ledger.progress import Progress, unseen
from claimledger.ledger.reading import clocks, history, neighbourhood, search
from claimledger.ledger.reading import records as reading
from claimledger.ledger.reading.clocks import Known
from claimledger.ledger.reading.cut import Cut
from claimledger.ledger.reading.history import Event
from claimledger.ledger.reading.records import Held, Referrer
from claimledger.ledger.reading.search import Match
from claimledger.ledger.store.address import Where
from claimledger.ledger.store.base import Found, Store
from claimledger.ledger.store.opening import arriving, new_store, open_store
from claimledger.ledger.tables import ENTRY
from claimledger.ledger.writing import changing
from claimledger.ledger.writing.append import Appender, Clock, Salts
from claimledger.ledger.writing.changing import Change
from claimledger.ledger.writing.receiving import Strand, receive, strand_lines
from claimledger.ledger.writing.taking import Faulty, Given, Taken, take
from claimledger.records.base import Record
from claimledger.records.vocabulary import Vocabulary

if TYPE_CHECKING:
    from claimledger.ledger.verify import Verdict


class Ledger:
    """An open ledger. Records go in as values and come out as values.

    Open one for reading or for writing, use it as a context manager, and close it. Reading never
    changes the file. Every write is one transaction: whole or absent, log and views together.
    """

    def __init__(self, store: Store, *, clock: Clock = log.now, salts: Salts = os.urandom) -> None:
        self._store = store
        self._clock = clock
        self._salts = salts

    @classmethod
    def create(cls, where: Where, *, clock: Clock = log.now, salts: Salts = os.urandom) -> Self:
        """Make a new ledger; raise :class:`StoreError` where something is there already.

        ``where`` is a file's path, or ``postgresql://user@host/database?schema=name``.
        """
        return cls(new_store(where), clock=clock, salts=salts)

    @classmethod
    def open(
        cls,
        where: Where,
        *,
        writable: bool = False,
        clock: Clock = log.now,
        salts: Salts = os.urandom,
    ) -> Self:
        """Open a ledger; raise :class:`StoreError` where the file is none that can be used so.

        The views of one that an older version wrote are made anew: in the file where it is opened for
        writing, else in memory.
        """
        store = open_store(where, writable=writable)
        ledger = cls(store, clock=clock, salts=salts)
        if store.outdated:
            ledger.rebuild()
        return ledger

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the ledger."""
        self._store.close()

    # Writing

    def take(
        self,
        incoming: Iterable[Given | Faulty],
        *,
        by: str,
        amend: bool = False,
        reason: str | None = None,
        check: bool = False,
    ) -> Taken:
        """Take records in, all or nothing; raise :class:`BadInput` with every problem found."""

        def write() -> Taken:
            appender_of = partial(self._appender, by)
            return take(self._store, incoming, appender_of, amend=amend, reason=reason, check=check)

        # What can be gone through only once cannot be written again.
        return write() if isinstance(incoming, Iterator) else self._store.again(write)

    def together(self, write: Callable[[], Found]) -> Found:
        """Do several writes as one: all of them are written, or none.

        ``write`` is called again where a server refuses it because of other writers.
        """

        def whole() -> Found:
            with self._store.writing():
                return write()

        return self._store.again(whole)

    def record(self, *records: Record, by: str) -> list[str]:
        """Record values; return the keys of those that were written."""
        taken = self.take([Given.of(record) for record in records], by=by)
        return [key for _, key, _ in taken.written]

    def amend(
        self,
        kind: str,
        key: str,
        changes: Mapping[str, Any],
        *,
        by: str,
        reason: str,
        replaces: int | None = None,
    ) -> Change:
        """Write a new version of a record; ``None`` empties a field."""

        def write() -> Change:
            with self._store.writing():
                appender = self._appender(by)
                return changing.amend(self._store, appender, kind, key, changes, reason, replaces)

        return self._store.again(write)

    def withdraw(
        self,
        kind: str,
        key: str,
        *,
        by: str,
        reason: str,
        replaced_by: str | None = None,
        cascade: bool = False,
    ) -> Change:
        """Withdraw a record; refused while others point to it without a way out."""

        def write() -> Change:
            with self._store.writing():
                appender = self._appender(by)
                return changing.withdraw(
                    self._store,
                    appender,
                    kind,
                    key,
                    reason,
                    replaced_by=replaced_by,
                    cascade=cascade,
                )

        return self._store.again(write)

    def redact(self, kind: str, key: str, *, by: str, reason: str) -> Change:
        """Destroy the texts of a withdrawn record; return which of them stand elsewhere still."""

        def write() -> Change:
            with self._store.writing():
                return changing.redact(self._store, self._appender(by), kind, key, reason)

        change = self._store.again(write)
        self._store.scrub()
        sought = {text: _as_stored(text) for text in change.elsewhere}
        found = set(self._store.stray_bytes([form for forms in sought.values() for form in forms]))
        left = tuple(text for text, forms in sought.items() if found.intersection(forms))
        return Change(kind, key, change.entry, emptied=change.emptied, elsewhere=left)

    @property
    def writes_as(self) -> str | None:
        """The one name this ledger can be written under, where its server decides that."""
        return self._store.writes_as

    def grant(self, role: str, user: str) -> None:
        """Give a user of the server a role: reader, recorder, editor or keeper."""
        self._store.grant(role, user)

    def revoke(self, user: str) -> None:
        """Take every role from a user of the server."""
        self._store.revoke(user)

    def grants(self) -> dict[str, list[str]]:
        """Return the users of each role, by role."""
        return self._store.grants()

    def rebuild(self, progress: Progress = unseen) -> int:
        """Make every view anew from the log; return the number of entries."""
        from claimledger.ledger import rebuild as rebuilding

        return rebuilding.rebuild(self._store, progress)

    def _appender(self, by: str) -> Appender:
        if not by.strip():
            raise StoreError("a write needs a name: who records it")
        if (user := self.writes_as) is not None and by != user:
            raise Refused(f"this server's user {user} writes under no other name, and not as {by}")
        return Appender(self._store, by, self._clock, self._salts)

    def copy(self, path: Path) -> Ledger:
        """Copy the ledger as it stands into a new file, and open that for writing."""
        if not self._store.copy_to(path):
            self.move(path)
        return Ledger.open(path, writable=True)

    def move(
        self, where: Where, progress: Progress = unseen, further: Iterable[Strand] = ()
    ) -> Head:
        """Make a ledger elsewhere with the same log and root, taken ``further``; return how far it goes.

        It is there whole at the end, or not at all. Raises :class:`StoreError` where something is there.
        """
        from claimledger.ledger.writing import moving

        with arriving(where) as target:
            moving.move(self._store, target, progress)
            for strand in further:
                receive(target, strand)
            return Head.of(target)

    def backup(self, path: str | Path, progress: Progress = unseen) -> Head:
        """Write the whole ledger to a file, while others write; return how far it goes.

        The file is proved before it takes its name. A backup of this ledger that is there is brought up
        to date; raises :class:`StoreError` for one of another ledger, with the entry where they part.
        """
        from claimledger.ledger.writing import backing

        return backing.back_up(self._store, Path(path), progress)

    def strand(self, since: int) -> Iterator[dict[str, Any]]:
        """Yield the entries after one, as lines that :meth:`receive` of a copy takes."""
        return strand_lines(self._store, since)

    def receive(self, strand: Strand) -> int:
        """Append entries that another copy of this ledger holds; return how many were new."""
        return receive(self._store, strand)

    # Reading

    def reading(self) -> AbstractContextManager[None]:
        """Hold one consistent view of the ledger for several reads."""
        return self._store.reading()

    def head(self, known_at: Known = None) -> Head:
        """Return the size and root of the log, as it stood at an entry."""
        self._store.settle()
        return Head.of(self._store, known_at)

    def entry_at(self, when: str) -> int:
        """Return the last entry of a time; raise :class:`Unreadable` where it is none."""
        return clocks.entry_at(self._store, when)

    def get(self, kind: str, key: str, known_at: Known = None) -> Held:
        """Return a record, replaced keys resolved; raise :class:`NotFound` with the nearest."""
        return reading.one(self._store, kind, key, known_at)

    def get_all(self, kind: str, keys: Iterable[str], known_at: Known = None) -> dict[str, Held]:
        """Return the records of a kind with these keys that stood then, by key."""
        return reading.held(self._store, kind, keys, known_at)

    def with_key(self, key: str, known_at: Known = None) -> list[Held]:
        """Return the records with a key, one a kind at most; claims first."""
        return reading.with_key(self._store, key, known_at)

    def near_keys(self, key: str, kind: str | None = None) -> list[str]:
        """Return the keys most like a mistyped one."""
        return reading.near_keys(self._store, key, kind)

    def keys(self, kind: str, known_at: Known = None) -> list[str]:
        """Return the keys of a kind's records, in the order they were first recorded."""
        return reading.keys_of(self._store, kind, known_at)

    def records(self, kind: str, known_at: Known = None) -> Iterator[Held]:
        """Yield every record of a kind that stood then."""
        return reading.of_kind(self._store, kind, known_at)

    def foreign(self, known_at: Known = None) -> Iterator[dict[str, Any]]:
        """Yield the records of kinds that only a newer program knows, as they were written."""
        return reading.foreign(self._store, known_at)

    def resolve(self, kind: str, keys: Iterable[str], known_at: Known = None) -> dict[str, str]:
        """Return what keys resolve to, for those that were replaced."""
        return reading.replacements(self._store, kind, keys, known_at)

    def referrers(
        self, kind: str, keys: Iterable[str], known_at: Known = None
    ) -> dict[str, list[Referrer]]:
        """Return which records point to each of these."""
        return reading.referrers(self._store, kind, keys, known_at)

    def all_that_point(
        self, records: Iterable[tuple[str, str]], known_at: Known = None
    ) -> set[tuple[str, str]]:
        """Return some records, by kind and key, and all that points to them, near and far."""
        return reading.all_that_point(self._store, records, known_at)

    def at_entries(self, entries: Iterable[int]) -> dict[int, Held]:
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

    def like(self, statement: str, most: int, known_at: Known = None) -> list[str]:
        """Return the keys of the claims that share a statement's rarest words, the likest first."""
        return search.like(self._store, statement, most, known_at)

    def with_figure(
        self, low: float, high: float, known_at: Known = None, most: int = 500
    ) -> list[Held]:
        """Return the claims with a figure that has a bound in this range, so many for each bound."""
        entries = reading.with_figure(self._store, low, high, known_at, most)
        found = reading.at_entries(self._store, entries)
        return [found[entry] for entry in entries]

    def nearest_figures(self, value: float, known_at: Known = None) -> list[Held]:
        """Return the claims whose figures lie nearest to a value, nearest first."""
        entries = reading.nearest_figures(self._store, value, known_at)
        found = reading.at_entries(self._store, entries)
        return [found[entry] for entry in entries]

    def claims_about(
        self, subjects: Iterable[str], known_at: Known = None, most: int | None = 2000
    ) -> list[Held]:
        """Return the claims about these subjects, newest first; all of them where ``most`` is ``None``."""
        entries = reading.claims_about(self._store, subjects, known_at, most)
        found = reading.at_entries(self._store, entries)
        return [found[entry] for entry in entries]

    def keys_about(self, subjects: Iterable[str], known_at: Known = None) -> set[str]:
        """Return the keys of all claims about these subjects."""
        return reading.keys_about(self._store, subjects, known_at)

    def critics_about(self, subjects: Iterable[str], known_at: Known = None) -> list[Held]:
        """Return the links by which claims about these subjects undercut a source."""
        claims = reading.claims_about(self._store, subjects, known_at, most=500)
        found = reading.at_entries(
            self._store, reading.critics_among(self._store, claims, known_at)
        )
        return [found[entry] for entry in sorted(found)]

    def widest(self, subject: str, known_at: Known = None) -> str:
        """Return the widest subject that a subject is part of."""
        seen = {subject}
        while True:
            held = reading.held(self._store, "subject", [subject], known_at).get(subject)
            above = getattr(held.record, "broader", None) if held else None
            if above is None or above in seen:
                return subject
            subject = above
            seen.add(subject)

    def narrower(self, subject: str, known_at: Known = None, most: int | None = None) -> list[str]:
        """Return a subject and all subjects under it, near and far; the nearest where only so many."""
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

    def history(self, key: str, kind: str | None = None, known_at: Known = None) -> list[Event]:
        """Return every entry about the records with a key, oldest first."""
        return history.history(self._store, key, kind, known_at)

    def ever(self, kind: str, keys: Iterable[str], known_at: Known = None) -> list[Held]:
        """Return every version of some records, withdrawn ones too, in order of entry."""
        return reading.ever(self._store, kind, keys, known_at)

    def changed(self, since: int, known_at: Known = None) -> list[tuple[str, str]]:
        """Return which records entries after one are about: kind and key."""
        return history.changed(self._store, since, known_at)

    def changes_since(self, entry: int, known_at: Known = None) -> list[Event]:
        """Return the amendments, withdrawals and redactions after an entry."""
        return history.changes_since(self._store, entry, known_at)

    def search(
        self, query: str, *, kinds: Sequence[str] = (), known_at: Known = None, most: int = 20
    ) -> list[Match]:
        """Return the records that hold the words of a query, best first."""
        return search.search(self._store, query, kinds=kinds, known_at=known_at, most=most)

    def neighbourhood(self, keys: Iterable[str], known_at: Known = None) -> Cut:
        """Return the part of the ledger that answers about these claims depend on."""
        return neighbourhood.neighbourhood(self._store, keys, known_at)

    def some_links(self, entries: Iterable[int], known_at: Known = None) -> Cut:
        """Return the links that came with these entries, and the sources that state them."""
        return neighbourhood.some_links(self._store, entries, known_at)

    def linked(self, known_at: Known = None) -> Cut:
        """Return the claims that links or criticised sources bear on; every other one stands alone."""
        return neighbourhood.linked(self._store, known_at)

    def whole(self, known_at: Known = None) -> Cut:
        """Return the whole ledger as the dispute graph takes it."""
        return neighbourhood.whole(self._store, known_at)

    def vocabulary(self, known_at: Known = None) -> Vocabulary:
        """Return what the ledger's terms say: which names mean one thing, what is part of what."""
        return reading.vocabulary(self._store, known_at)

    def counts(self, known_at: Known = None) -> dict[str, int]:
        """Return how many records of each kind stood."""
        return reading.counts(self._store, known_at)

    def entries(self) -> Iterator[Entry]:
        """Yield every line of the log, in order."""
        count = clocks.size(self._store)
        for first in range(1, count + 1, 1000):
            for number, header, payload, salt, nodes in self._store.raw(ENTRY, first, first + 999):
                held = None if payload is None else payload.encode()
                yield Entry(number, header.encode(), held, salt, nodes)

    def verify(self, progress: Progress = unseen) -> Verdict:
        """Check every digest, the tree, and every view against the log."""
        from claimledger.ledger import verify as verification  # imports processes: not at a start

        return verification.verify(self._store, progress)


def _as_stored(text: str) -> list[bytes]:
    """Return the ways a text can stand in a ledger's file."""
    from claimledger.ledger.canonical import canonical
    from claimledger.ledger.words import words_of

    words = " ".join(words_of(text))
    forms = [text.encode(), canonical(text)[1:-1]]
    return [*forms, words.encode()] if len(words) >= 8 else forms
