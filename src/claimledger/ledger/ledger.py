"""The open ledger: the class through which the rest of the program writes.

Code outside this package writes through :class:`Ledger` and reads through a
:class:`~claimledger.ledger.view.LedgerView`; it never uses a store or a table. ``docs/log-format.md``
describes the format of the log.
"""

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
from claimledger.ledger.deprecation import renamed_keyword
from claimledger.ledger.log_replay import first_invalid_entry
from claimledger.ledger.maintenance import backup, migrate
from claimledger.ledger.maintenance import rebuild as rebuilding
from claimledger.ledger.progress import Progress, no_progress
from claimledger.ledger.query import time_travel
from claimledger.ledger.query.history import holders_of
from claimledger.ledger.tree_head import TreeHead
from claimledger.ledger.view import LedgerView
from claimledger.ledger.write import amend
from claimledger.ledger.write.amend import Change
from claimledger.ledger.write.appender import Appender, Clock, Salts
from claimledger.ledger.write.ingest import ImportResult, InvalidRecord, RecordInput, import_records
from claimledger.ledger.write.replicate import LogSegment, append_entries, segment_lines
from claimledger.log.canonical_json import canonical
from claimledger.log.clock import check_clock
from claimledger.log.entry import now
from claimledger.records.base import Record
from claimledger.storage.base import Result, Store, WriteConflictError
from claimledger.storage.open import create_atomically, new_store, open_store
from claimledger.storage.url import LedgerLocation
from claimledger.text.fold import words_of
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
"""Deprecated method names and their replacements. The release after 0.1 removes the old names."""


class Ledger(LedgerView):
    """An open ledger: a view of its newest state, with the methods that write.

    Every write is one transaction over the log and the views: it takes effect completely or not at all.
    Reading never changes the file.

    >>> with Ledger.open("ledger.db", writable=True) as ledger:  # doctest: +SKIP
    ...     ledger.record(Party(key="pbs", name="PBS"), by="Ana")
    ['pbs']
    """

    _caches_records = False  # the next write can replace a cached record

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
            store.access.trust_clock()

    @classmethod
    def create(
        cls, where: LedgerLocation, *, clock: Clock = now, salts: Salts = os.urandom
    ) -> Self:
        """Create a ledger and return it, open for writing.

        ``where`` is the path of a file, or ``postgresql://user@host/database?schema=name``. Raises
        :class:`StoreError` if something already exists there.
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
        """Open an existing ledger, by default for reading only.

        A write raises :class:`ClockError` if the clock is more than a day behind the last entry, or more than
        ten years ahead of it; ``clock_is_right`` allows the write. Views that an older version of the program
        wrote are rebuilt: in the file if it is opened for writing, else in memory. Raises
        :class:`StoreError` if there is no ledger at ``where``, or it cannot be opened in this mode.
        """
        store = open_store(where, writable=writable)
        ledger = cls(store, clock=clock, salts=salts, clock_is_right=clock_is_right)
        if store.outdated:
            ledger.rebuild()
        return ledger

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Return the method that replaces a deprecated one, with a :class:`DeprecationWarning`."""
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
        """Close the ledger and release its file or connection."""
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
        """Import records in one transaction; return what was written and what was skipped.

        A record that differs from the live one under its key is a problem, unless ``amend`` is set: then it
        becomes an amendment, for ``reason``. With ``check`` the import is rolled back at the end. Raises
        :class:`InvalidInputError` with every problem found; nothing is then written.
        """

        return self._import(incoming, by, amend=amend, reason=reason, check=check)

    def _import(
        self, incoming: Iterable[RecordInput | InvalidRecord], by: str, **options: Any
    ) -> ImportResult:
        def write() -> ImportResult:
            return import_records(self._store, incoming, partial(self._appender, by), **options)

        # An iterator is used up by the first attempt, so that attempt cannot be repeated.
        return write() if isinstance(incoming, Iterator) else self._store.retry(write)

    def transaction(self, write: Callable[[], Result]) -> Result:
        """Run ``write`` in one transaction and return its result: all its writes take effect, or none.

        ``write`` is called again if the server aborts the transaction because of concurrent writers, so it
        must have no effect outside the ledger.

        >>> ledger.transaction(lambda: [ledger.record(r, by="Ana") for r in records])  # doctest: +SKIP
        """

        def write_in_transaction() -> Result:
            with self._store.transaction():
                return write()

        result = self._store.retry(write_in_transaction)
        self.scrub()
        return result

    def record(self, *records: Record, by: str) -> list[str]:
        """Record some records; return the keys of those written, in order.

        A record without a key gets the next number of its kind; a record that the ledger already has is
        skipped. Raises :class:`InvalidInputError` with every problem, such as a key that is in use or was
        withdrawn; nothing is then written.
        """
        result = self._import([RecordInput.of(record) for record in records], by, by_hand=True)
        return [key for _, key, _ in result.written]

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
        """Write a new version of a record; return the change with its difference.

        ``changes`` has the new value of each field; ``None`` empties a field. ``replaces`` is the entry that
        the caller last read: :class:`ConflictError` is raised if the record has been amended since. Raises
        :class:`NotFoundError`, :class:`RuleViolationError` or :class:`InvalidInputError` if the amendment is
        not allowed.

        >>> ledger.amend("claim", "a", {"note": None}, by="Ana", reason="typo")  # doctest: +SKIP
        """

        def write() -> Change:
            with self._store.transaction():
                appender = self._appender(by)
                return amend.amend(self._store, appender, kind, key, changes, reason, replaces)

        return self._store.retry(write)

    @renamed_keyword("most", "limit")
    def withdraw(
        self,
        kind: str,
        key: str,
        *,
        by: str,
        reason: str,
        replaced_by: str | None = None,
        cascade: bool = False,
        limit: int | None = None,
    ) -> Change:
        """Withdraw a record; return the change, with the records that were withdrawn along with it.

        If other records refer to it, name the record that replaces it (``replaced_by``), or withdraw all
        its dependents too (``cascade``). ``limit`` is the number of records that a cascade may withdraw at
        most, including the record itself. Raises :class:`NotFoundError` if there is no such record, and
        :class:`RuleViolationError` if neither is given or a cascade exceeds ``limit``.
        """

        def write() -> Change:
            with self._store.transaction():
                appender = self._appender(by)
                return amend.withdraw(
                    self._store,
                    appender,
                    kind,
                    key,
                    reason,
                    replaced_by=replaced_by,
                    cascade=cascade,
                    limit=limit,
                )

        return self._store.retry(write)

    def redact(self, kind: str, key: str, *, by: str, reason: str) -> Change:
        """Destroy the texts of a withdrawn record; return which of them other records still contain.

        One transaction removes the texts from the log and the views; a second step scrubs their bytes from
        the store's files. If the second step fails (another process is reading, or the disk is full),
        ``unscrubbed`` of the result says why, and redacting the record again completes it. Raises
        :class:`RuleViolationError` if the record is live, or ``reason`` repeats a text to be destroyed.
        """

        def write() -> Change:
            with self._store.transaction():
                return amend.redact(self._store, self._appender(by), kind, key, reason)

        change = self._store.retry(write)
        unscrubbed = self.scrub()
        if unscrubbed:
            # A text still found in the files may belong to the redacted record itself.
            return replace(change, elsewhere=(), unscrubbed=unscrubbed)
        forms_by_text = {text: _stored_forms(text) for text in change.elsewhere}
        residual = set(
            self._store.maintenance.find_residual_text(
                [form for forms in forms_by_text.values() for form in forms]
            )
        )
        holders = holders_of(self._store, forms_by_text)
        remaining = [
            text
            for text, forms in forms_by_text.items()
            if holders[text] or residual.intersection(forms)
        ]
        return replace(
            change,
            elsewhere=tuple(remaining),
            holders=tuple(holders[text] for text in remaining),
        )

    def scrub(self) -> str:
        """Remove the texts of redacted records from the store's files, if any may be left there.

        Returns the reason if it cannot remove them, else an empty string. Within a transaction it does
        nothing: :meth:`transaction` scrubs at the end.
        """
        if self._store.in_transaction:
            return "the transaction that redacts them is not finished"
        try:
            if self._store.maintenance.unscrubbed():
                if not amend.is_redacted_in_views(
                    self._store, amend.unscrubbed_redactions(self._store)
                ):
                    self.rebuild()
                self._store.maintenance.vacuum()
        except StoreError as error:
            # Nothing was written by the scrub, but the redaction itself is in the log.
            return str(error).replace("; nothing was written", "")
        return ""

    @property
    def enforced_author(self) -> str | None:
        """The only name that this user can record under, if the server enforces one; else ``None``."""
        return self._store.access.enforced_author

    def grant(self, role: str, user: str) -> None:
        """Grant a server user a role: ``reader``, ``recorder``, ``editor`` or ``keeper``.

        Raises :class:`StoreError` if the ledger is a file.
        """
        self._store.access.grant(role, user)

    def revoke(self, user: str) -> None:
        """Revoke every role of a server user. Raises :class:`StoreError` if the ledger is a file."""
        self._store.access.revoke(user)

    def grants(self) -> dict[str, list[str]]:
        """Return the server users that have each role, by role; raise :class:`StoreError` for a file."""
        return self._store.access.grants()

    def rebuild(self, progress: Progress = no_progress) -> int:
        """Rebuild every view from the log; return the number of entries.

        Raises :class:`StoreError`, which names the entry, if an entry breaks a rule of the log's format.
        """
        with self._naming_invalid_entry():
            return rebuilding.rebuild(self._store, progress)

    @contextmanager
    def _naming_invalid_entry(self) -> Iterator[None]:
        """Turn an exception that an invalid entry causes into a :class:`StoreError` that names the entry."""
        try:
            yield
        except (OSError, WriteConflictError, RuleViolationError):
            raise
        except Exception:
            # Rebuilding trusts the log, so an invalid entry can make it fail with any exception.
            with self._store.reading():
                invalid = first_invalid_entry(self._store)
            if invalid is None:
                raise
            number, error = invalid
            raise StoreError(
                f"entry {number} {error}; nothing was written. `claimledger salvage` writes a new ledger "
                "without such entries, and lists what it left out"
            ) from None

    def _appender(self, by: str) -> Appender:
        if not by.strip():
            raise StoreError("a write needs the name of the person who records it")
        if (user := self.enforced_author) is not None and by != user:
            raise RuleViolationError(
                f"{user} is logged in to this server, and can record only as {user}, not as {by}"
            )
        return Appender(
            store=self._store,
            by=by,
            clock=self._clock,
            salts=self._salts,
            clock_is_right=self._clock_is_right,
        )

    @property
    def written(self) -> bool:
        """Whether anything was written since this ledger was opened."""
        return self._store.commits > 0

    def check_clock(self) -> None:
        """Raise :class:`ClockError` if a write would raise it: call it before asking a person for input."""
        if not self._clock_is_right:
            check_clock(self._clock(), time_travel.last_moment(self._store))

    def move(
        self,
        where: LedgerLocation,
        progress: Progress = no_progress,
        further: Iterable[LogSegment] = (),
    ) -> TreeHead:
        """Copy the ledger to another place, with the same log and root; return the copy's tree head.

        ``further`` are log segments that continue this ledger; they are appended to the copy. The copy is
        created atomically. Raises :class:`StoreError` if something already exists at ``where``.
        """
        with (
            self._naming_invalid_entry(),
            create_atomically(where, self._store.maintenance.rights) as target,
        ):
            migrate.move(self._store, target, progress)
            for segment in further:
                append_entries(target, segment)
            return TreeHead.of(target)

    def backup(self, path: str | Path, progress: Progress = no_progress) -> TreeHead:
        """Write the whole ledger to a file, without blocking writers; return its tree head.

        The copy is verified before it is renamed to ``path``. An older backup of this ledger at ``path`` is
        replaced. Raises :class:`StoreError` if the ledger is damaged, or if ``path`` is a different ledger, a
        fork (the error names the first entry that differs) or a newer backup.
        """
        with self._naming_invalid_entry():
            return backup.back_up(self._store, Path(path), progress)

    def entries_since(self, since: int) -> Iterator[dict[str, Any]]:
        """Yield a header and the entries after ``since``, as the JSON objects of a log segment.

        A copy of the ledger that ends at ``since`` can append them with :meth:`append_entries`.
        """
        return segment_lines(self._store, since)

    def append_entries(self, segment: LogSegment) -> int:
        """Append the entries of another copy of this ledger; return the number of new ones.

        A redaction in the segment is carried out here too. If its texts cannot be scrubbed from the files,
        :meth:`verify` reports that, and :meth:`scrub` tries again. Raises :class:`StoreError` if an entry is
        invalid or the segment does not continue this ledger; nothing is then written.
        """
        new = append_entries(self._store, segment)
        self.scrub()
        return new


def _stored_forms(text: str) -> list[bytes]:
    """Return the byte sequences that represent a text in a ledger's file: plain, in JSON, and as words."""
    words = " ".join(words_of(text))
    forms = [text.encode(), canonical(text)[1:-1]]
    return [*forms, words.encode()] if len(words) >= SHORTEST else forms
