"""An open ledger. Everything outside this folder writes through :class:`Ledger` and reads through a view."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from claimledger.errors import RuleViolationError, StoreError
from claimledger.ledger.log_replay import first_unlawful
from claimledger.ledger.progress import Progress, unseen
from claimledger.ledger.query import time_travel
from claimledger.ledger.query.history import holders_of
from claimledger.ledger.tree_head import TreeHead
from claimledger.ledger.view import LedgerView
from claimledger.ledger.write import amend
from claimledger.ledger.write.amend import Change
from claimledger.ledger.write.appender import Appender, Clock, Salts
from claimledger.ledger.write.ingest import ImportResult, InvalidRecord, RecordInput, import_records
from claimledger.ledger.write.replicate import LogSegment, append_entries, segment_lines
from claimledger.log.clock import check_clock
from claimledger.log.entry import now
from claimledger.records.base import Record
from claimledger.storage.base import Found, Store, WriteConflictError
from claimledger.storage.open import create_atomically, new_store, open_store
from claimledger.storage.url import LedgerLocation
from claimledger.text.repetition import SHORTEST

_RENAMED_METHODS = {
    "all_that_point": "dependents",
    "changed": "records_changed_since",
    "ever": "versions",
    "like": "similar_claims",
    "receive": "append_entries",
    "strand": "entries_since",
    "take": "import_records",
    "together": "transaction",
    "widest": "root_subject",
    "writes_as": "enforced_author",
}
"""Methods of before 0.1, each with the name that replaces it; they go with the release after 0.1."""


class Ledger(LedgerView):
    """An open ledger: the view of its newest state, and everything that writes.

    Open one for reading or for writing, use it as a context manager, and close it. Reading never
    changes the file. Every write is one transaction: whole or absent, log and views together.
    """

    _keeps_what_it_read = False  # what was read may be superseded by the next write

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock = now,
        salts: Salts = os.urandom,
        clock_is_right: bool = False,
    ) -> None:
        super().__init__(store, clock=clock)
        self._salts = salts
        self._clock_is_right = clock_is_right
        if clock_is_right:
            store.trust_clock()

    @classmethod
    def create(
        cls, where: LedgerLocation, *, clock: Clock = now, salts: Salts = os.urandom
    ) -> Self:
        """Create a new ledger; raise :class:`StoreError` if something exists there already.

        ``where`` is a file's path, or ``postgresql://user@host/database?schema=name``.
        """
        return cls(new_store(where), clock=clock, salts=salts)

    @classmethod
    def open(
        cls,
        where: LedgerLocation,
        *,
        writable: bool = False,
        clock: Clock = now,
        salts: Salts = os.urandom,
        clock_is_right: bool = False,
    ) -> Self:
        """Open a ledger; raise :class:`StoreError` if the file is not a ledger that can be used this way.

        A write raises :class:`ClockError` if the clock is more than a day behind the last entry, or more than
        ten years ahead of it; ``clock_is_right`` allows the write nevertheless.

        Views that an older version wrote are rebuilt: in the file if it is opened for
        writing, else in memory.
        """
        store = open_store(where, writable=writable)
        ledger = cls(store, clock=clock, salts=salts, clock_is_right=clock_is_right)
        if store.outdated:
            ledger.rebuild()
        return ledger

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Return the method that replaces a deprecated one, with a warning."""
            if name not in _RENAMED_METHODS:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            replacement = _RENAMED_METHODS[name]
            warnings.warn(
                f"Ledger.{name} is now Ledger.{replacement}", DeprecationWarning, stacklevel=2
            )
            return getattr(self, replacement)

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
        """Close the ledger."""
        self._store.close()

    def import_records(
        self,
        incoming: Iterable[RecordInput | InvalidRecord],
        *,
        by: str,
        amend: bool = False,
        reason: str | None = None,
        check: bool = False,
    ) -> ImportResult:
        """Take records in, all or nothing; raise :class:`InvalidInputError` with every problem found."""

        return self._take(incoming, by, amend=amend, reason=reason, check=check)

    def _take(
        self, incoming: Iterable[RecordInput | InvalidRecord], by: str, **options: Any
    ) -> ImportResult:
        def write() -> ImportResult:
            return import_records(self._store, incoming, partial(self._appender, by), **options)

        # What can be gone through only once cannot be written again.
        return write() if isinstance(incoming, Iterator) else self._store.retry(write)

    def transaction(self, write: Callable[[], Found]) -> Found:
        """Do several writes as one: all of them are written, or none.

        ``write`` is called again where a server refuses it because of other writers.
        """

        def whole() -> Found:
            with self._store.writing():
                return write()

        done = self._store.retry(whole)
        self.scrub()
        return done

    def record(self, *records: Record, by: str) -> list[str]:
        """Record values; return the keys of those that were written.

        Raises :class:`InvalidInputError` with every problem, one of which is a key that was withdrawn.
        """
        taken = self._take([RecordInput.of(record) for record in records], by, by_hand=True)
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
                return amend.amend(self._store, appender, kind, key, changes, reason, replaces)

        return self._store.retry(write)

    def withdraw(
        self,
        kind: str,
        key: str,
        *,
        by: str,
        reason: str,
        replaced_by: str | None = None,
        cascade: bool = False,
        most: int | None = None,
    ) -> Change:
        """Withdraw a record; refused while others point to it without a way out.

        ``most`` is the number of records that may go in all: where more point to it by now, it is refused.
        """

        def write() -> Change:
            with self._store.writing():
                appender = self._appender(by)
                return amend.withdraw(
                    self._store,
                    appender,
                    kind,
                    key,
                    reason,
                    replaced_by=replaced_by,
                    cascade=cascade,
                    most=most,
                )

        return self._store.retry(write)

    def redact(self, kind: str, key: str, *, by: str, reason: str) -> Change:
        """Destroy the texts of a withdrawn record; return which of them are still elsewhere in the ledger.

        It has two halves: the log and the views, in one transaction, and the bytes of the store's files.
        Where the second cannot be done (somebody reads, the disk is full), ``unscrubbed`` of what is
        returned says why, and redacting again finishes it.
        """

        def write() -> Change:
            with self._store.writing():
                return amend.redact(self._store, self._appender(by), kind, key, reason)

        change = self._store.retry(write)
        unscrubbed = self.scrub()
        if unscrubbed:
            # What still lies in the files may be the redacted record's own.
            return replace(change, elsewhere=(), unscrubbed=unscrubbed)
        sought = {text: _as_stored(text) for text in change.elsewhere}
        residual = set(
            self._store.find_residual_text([form for forms in sought.values() for form in forms])
        )
        holders = holders_of(self._store, sought)
        left = [
            text for text, forms in sought.items() if holders[text] or residual.intersection(forms)
        ]
        return replace(change, elsewhere=tuple(left), holders=tuple(holders[text] for text in left))

    def scrub(self) -> str:
        """Do the second half of redactions that are in the log: leave nothing of their texts in the files.

        Returns why that could not be done, nothing where it is done. Within a transaction it is put off.
        """
        if self._store.in_transaction:
            return "the write that it belongs to has not ended"
        try:
            if self._store.unscrubbed():
                if not amend.is_redacted_in_views(
                    self._store, amend.unscrubbed_redactions(self._store)
                ):
                    self.rebuild()
                self._store.vacuum()
        except StoreError as error:
            # Of the scrub that is so; the redaction itself was written before.
            return str(error).replace("; nothing was written", "")
        return ""

    @property
    def enforced_author(self) -> str | None:
        """The one name this ledger can be written under, where its server decides that."""
        return self._store.enforced_author

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
        """Rebuild every view from the log; return the number of entries."""
        from claimledger.ledger.maintenance import rebuild as rebuilding

        with self._naming_unlawful_entries():
            return rebuilding.rebuild(self._store, progress)

    @contextmanager
    def _naming_unlawful_entries(self) -> Iterator[None]:
        """Name the unlawful entry, if work on the whole log fails because of one."""
        try:
            yield
        except (OSError, WriteConflictError, RuleViolationError):
            raise
        except Exception:  # whatever an unlawful entry does to code that trusts the log
            with self._store.reading():
                unlawful = first_unlawful(self._store)
            if unlawful is None:
                raise
            number, error = unlawful
            raise StoreError(
                f"entry {number} {error}; nothing was written. `claimledger salvage` makes a ledger without "
                "such entries, and says what it left out"
            ) from None

    def _appender(self, by: str) -> Appender:
        if not by.strip():
            raise StoreError("a write needs a name: who records it")
        if (user := self.enforced_author) is not None and by != user:
            raise RuleViolationError(
                f"this server's user {user} writes under no other name, and not as {by}"
            )
        return Appender(
            self._store, by, self._clock, self._salts, clock_is_right=self._clock_is_right
        )

    @property
    def written(self) -> bool:
        """Whether anything was written since the ledger was opened."""
        return self._store.commits > 0

    def check_clock(self) -> None:
        """Raise :class:`ClockError` if a write would raise it, before the write is prepared."""
        if not self._clock_is_right:
            check_clock(self._clock(), time_travel.last_moment(self._store))

    def move(
        self, where: LedgerLocation, progress: Progress = unseen, further: Iterable[LogSegment] = ()
    ) -> TreeHead:
        """Make a ledger elsewhere with the same log and root, taken ``further``; return how far it goes.

        It exists as a whole at the end, or not at all. Raises :class:`StoreError` if something exists there.
        """
        from claimledger.ledger.maintenance import migrate

        with (
            self._naming_unlawful_entries(),
            create_atomically(where, self._store.rights) as target,
        ):
            migrate.move(self._store, target, progress)
            for strand in further:
                append_entries(target, strand)
            return TreeHead.of(target)

    def backup(self, path: str | Path, progress: Progress = unseen) -> TreeHead:
        """Write the whole ledger to a file, while others write; return how far it goes.

        The file is proved before it takes its name. A backup of this ledger that is there is brought up
        to date; raises :class:`StoreError` for one of another ledger, with the entry where they part.
        """
        from claimledger.ledger.maintenance import backup

        with self._naming_unlawful_entries():
            return backup.back_up(self._store, Path(path), progress)

    def entries_since(self, since: int) -> Iterator[dict[str, Any]]:
        """Yield the entries after one, as lines that :meth:`append_entries` of a copy takes."""
        return segment_lines(self._store, since)

    def append_entries(self, strand: LogSegment) -> int:
        """Append entries that another copy of this ledger has; return how many were new.

        Raises :class:`StoreError` for entries that are not lawful or not of this ledger; nothing is then
        written. What was redacted there is redacted here: where its texts could not be scrubbed from the
        files, :meth:`verify` says so and :meth:`scrub` does it again.
        """
        new = append_entries(self._store, strand)
        self.scrub()
        return new


def _as_stored(text: str) -> list[bytes]:
    """Return the forms that a text can have in a ledger's file."""
    from claimledger.log.canonical_json import canonical
    from claimledger.text.fold import words_of

    words = " ".join(words_of(text))
    forms = [text.encode(), canonical(text)[1:-1]]
    return [*forms, words.encode()] if len(words) >= SHORTEST else forms
