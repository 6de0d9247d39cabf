"""Imports records, one from a prompt or a million from files, in one transaction.

Records arrive in any order and may refer to later ones. Each is compared with every version that the ledger
has under its key, or with the records of the same content if it has no key:

- if the ledger has it already, or has withdrawn it, nothing is written;
- if it is an earlier version of a live record it is only counted, because a file that is imported again is
  often older than the ledger;
- if it differs from the live record that is a problem, unless the caller wants to amend.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from claimledger.errors import InvalidInputError, Problem
from claimledger.ledger.gc_pause import paused_gc
from claimledger.ledger.record_diff import difference, equal
from claimledger.ledger.write import constraints
from claimledger.ledger.write.appender import Appender
from claimledger.ledger.write.constraints import Revision
from claimledger.ledger.write.existing import (
    RecordVersion,
    SameContent,
    find_by_content,
    versions_of,
    with_keys_resolved,
    with_live_keys,
)
from claimledger.log.canonical_json import canonical
from claimledger.log.entry import Action, Payload
from claimledger.records.base import Record
from claimledger.records.check import shown
from claimledger.records.kinds import KINDS
from claimledger.storage.base import Store
from claimledger.storage.projection import ReferenceKey, content_digest, number_in, pointers

MOST_PROBLEMS = 100
"""Problems after which an import stops checking."""

_CHUNK = 1000


class RecordInput(NamedTuple):
    """A valid record to import: its JSON fields without ``kind`` and ``key``, and where it was read."""

    kind: str
    key: str | None
    fields: dict[str, Any]
    file: str = ""
    line: int = 0

    @classmethod
    def of(cls, record: Record, file: str = "", line: int = 0) -> RecordInput:
        """Return the input for a record, read from this place if one is given."""
        fields = record.as_json()
        key = fields.pop("key", None)
        return cls(record.kind, key, fields, file, line)


@dataclass(frozen=True, slots=True)
class InvalidRecord:
    """An input that is not a valid record: its problems, and its kind and key if they are known."""

    problems: tuple[Problem, ...]
    kind: str = ""
    key: str = ""


@dataclass(slots=True)
class ImportResult:
    """The records that an import wrote, and those that it skipped."""

    written: list[tuple[str, str, int]] = field(default_factory=list)
    """Kind, key and entry of each record written, in order."""

    amended: int = 0
    """The number of records written that amended a live record."""

    unchanged: int = 0
    """The number of records that the ledger already had."""

    withdrawn: list[tuple[str, str]] = field(default_factory=list)
    """Kind and key of each record skipped because it was withdrawn."""

    older: list[tuple[str, str]] = field(default_factory=list)
    """Kind and key of each record skipped because the ledger has a newer version."""


class _RollbackError(Exception):
    """Rolls back the transaction of an import that is only a check."""


def import_records(
    store: Store,
    incoming: Iterable[RecordInput | InvalidRecord],
    appender_of: Any,
    *,
    amend: bool = False,
    reason: str | None = None,
    check: bool = False,
    by_hand: bool = False,
) -> ImportResult:
    """Import records in one transaction; return what was written and what was skipped.

    ``appender_of`` creates the :class:`Appender` once the transaction has begun. ``check`` rolls the
    transaction back at the end. ``by_hand``: a person enters these records and expects them to be live, so
    a key that was withdrawn is a problem; importing a file again skips it. Raises
    :class:`InvalidInputError` with all problems found; nothing is then written.
    """
    source = iter(incoming)
    # Some readers read all their input before they yield the first record. Let them do that before the
    # write lock is taken.
    first = list(islice(source, 1))
    try:
        with paused_gc(), store.transaction():
            ingest = _Ingest(store, appender_of(), amend=amend, reason=reason, by_hand=by_hand)
            while chunk := first + list(islice(source, _CHUNK - len(first))):
                first = []
                ingest.add_chunk(chunk)
            ingest.finish()
            if check:
                raise _RollbackError
    except _RollbackError:
        pass
    return ingest.result


class _Ingest:
    """One transaction of an import."""

    def __init__(
        self,
        store: Store,
        appender: Appender,
        *,
        amend: bool,
        reason: str | None,
        by_hand: bool,
    ) -> None:
        self._store = store
        self._appender = appender
        self._amend = amend
        self._reason = reason
        self._by_hand = by_hand
        self._was_empty = appender.number == 0
        self._new: dict[tuple[str, str], tuple[int, str, int]] = {}
        """By kind and key of each record so far: hash of its content (0 if invalid), file and line."""

        self._contents: set[bytes] = set()
        """Content digests of the records of this import that came without a key."""

        self._unresolved: dict[tuple[str, str], list[Problem]] = {}
        """By reference target: the places that refer to it, checked in :meth:`finish`."""

        self._nested: dict[str, list[str]] = defaultdict(list)
        """By kind: the keys of the records written that have a parent."""

        self._changed: dict[str, dict[str, None]] = defaultdict(dict)
        """By kind: the keys of amended records that may make other records break a rule."""

        self._revisions: list[Revision] = []
        self._resolved: dict[int, list[dict[str, Any]]] = {}
        """For the current chunk, by ``id`` of the input: its stored versions and itself, keys resolved."""

        self.problems: list[Problem] = []
        self.result = ImportResult()

    def add_chunk(self, chunk: list[RecordInput | InvalidRecord]) -> None:
        """Import some records; rules that need the whole import are checked in :meth:`finish`."""
        if len(self.problems) >= MOST_PROBLEMS:
            return
        inputs = [item for item in chunk if isinstance(item, RecordInput)]
        for item in chunk:
            if isinstance(item, InvalidRecord):
                self.problems.extend(item.problems)
                if item.key:
                    self._new.setdefault((item.kind, item.key), (0, "", 0))
        for item in inputs:
            if item.key is not None and item.key[0].isupper():
                self._appender.reserve_number(item.kind, number_in(item.kind, item.key) or 0)
        # The queries below must see the records of earlier chunks.
        self._appender.flush()
        versions, contents = self._load_existing(inputs)
        for item in inputs:
            self._add(item, item.fields, versions, contents)

    def _load_existing(
        self, inputs: list[RecordInput]
    ) -> tuple[dict[tuple[str, str], list[RecordVersion]], dict[bytes, SameContent]]:
        """Return the stored versions by incoming key, and stored records by content of keyless inputs."""
        if self._was_empty:
            return {}, {}
        versions = versions_of(self._store, [record.key for record in inputs if record.key])
        known = [
            (record, versions[record.kind, record.key])
            for record in inputs
            if record.key and (record.kind, record.key) in versions
        ]
        forms = with_keys_resolved(
            self._store, [(record.kind, record.fields, existing) for record, existing in known]
        )
        self._resolved = {id(record): form for (record, _), form in zip(known, forms, strict=False)}
        contents = {
            content_digest(record.kind, record.fields) for record in inputs if record.key is None
        }
        return versions, find_by_content(self._store, contents)

    def _add(
        self,
        record_input: RecordInput,
        record: dict[str, Any],
        existing: dict[tuple[str, str], list[RecordVersion]],
        contents: dict[bytes, SameContent],
    ) -> None:
        kind, key = record_input.kind, record_input.key
        if key is None:
            content = content_digest(kind, record)
            if content in self._contents:
                self.result.unchanged += 1
                return
            if same := contents.get(content):
                # Without a key it cannot amend a record, so it is only counted.
                self._count_skipped(same.kind, same.key, same.is_current, same.is_live)
                return
            self._contents.add(content)
            key = self._appender.next_key(kind, KINDS[kind].letter)
        elif (kind, key) in self._new:
            self._add_repeated(record_input, record, key)
            return
        elif versions := existing.get((kind, key)):
            self._add_known(record_input, record, versions)
            return
        self._write(record_input, key, record, None)

    def _write(
        self, record_input: RecordInput, key: str, record: dict[str, Any], replaces: int | None
    ) -> None:
        kind = record_input.kind
        if problem := constraints.blank_label(kind, record):
            self._add_problem(record_input, key, problem.message, problem.expected, problem.field)
        canonical_record = canonical(record)
        self._new[kind, key] = (hash(canonical_record), record_input.file, record_input.line)
        if self.problems:
            # The import will be refused. Go on only to find the other problems.
            self._defer_checks(record_input, key, pointers(kind, record))
            return
        payload = Payload(
            kind=kind,
            key=key,
            action=Action.RECORD if replaces is None else Action.AMEND,
            recorded_by=self._appender.by,
            record=record,
            reason=self._reason,
            replaces=replaces,
        )
        entry = self._appender.append(payload, canonical_record)
        self._defer_checks(record_input, key, self._appender.pointed)
        self.result.written.append((kind, key, entry))

    def _defer_checks(
        self, record_input: RecordInput, key: str, references: set[ReferenceKey]
    ) -> None:
        """Note the references, nesting and revisions of a record, which :meth:`finish` checks."""
        kind = record_input.kind
        for to, target, field_name in references:
            if (to, target) in self._new:
                continue
            places = self._unresolved.setdefault((to, target), [])
            if len(places) < MOST_PROBLEMS:
                record = f"{kind} {key}"
                places.append(
                    Problem(
                        "",
                        field_name,
                        file=record_input.file,
                        line=record_input.line,
                        record=record,
                    )
                )
        if kind in constraints.NESTING:
            if any(field_name == constraints.NESTING[kind] for _, _, field_name in references):
                self._nested[kind].append(key)
        elif kind == "link" and record_input.fields["type"] in constraints.REVISIONS:
            fields = record_input.fields
            self._revisions.append(Revision(fields["type"], fields["from"], fields["to"]))

    def _add_repeated(self, record_input: RecordInput, record: dict[str, Any], key: str) -> None:
        """Handle a record whose key an earlier record of the same import has."""
        content, file, line = self._new[record_input.kind, key]
        if not content or content == hash(canonical(record)):
            self.result.unchanged += 1
            return
        if file:
            message = f"duplicate key: another {record_input.kind} at {file}:{line} has it"
        else:
            message = f"duplicate key: an earlier {record_input.kind} has it"
        self._add_problem(record_input, key, message, "give each its own key")

    def _add_known(
        self, record_input: RecordInput, record: dict[str, Any], versions: list[RecordVersion]
    ) -> None:
        """Handle a record whose key the ledger has, live or withdrawn: skip it, amend, or add a problem."""
        key = record_input.key or ""
        live = next((version for version in versions if version.live), None)
        if any(version.action in (Action.REDACT, "redacted") for version in versions):
            self._add_problem(
                record_input, key, "was redacted and cannot be imported again", "leave it out"
            )
            return
        known = any(equal(version.record, record) for version in versions)
        current = live is not None and equal(live.record, record)
        if not known and (resolved := self._resolved.get(id(record_input))):
            # The records may differ only in that one names the replacement of a record, not the record.
            *resolved_versions, resolved_record = resolved
            known = any(equal(version, resolved_record) for version in resolved_versions)
            if live is not None and live.record is not None:
                resolved_live = resolved_versions[versions.index(live)]
                record = with_live_keys(live.record, resolved_live, record, resolved_record)
                current = equal(live.record, record)
        is_older = known and not self._by_hand and not (self._amend and live is not None)
        if current or is_older:
            self._count_skipped(record_input.kind, key, current, live is not None)
            return
        if live is None:
            self._add_problem(
                record_input,
                key,
                "was withdrawn, and its key cannot be used again",
                "record it under a new key",
            )
            return
        if self._amend:
            self._amend_live(record_input, key, record, live)
            return
        if self._by_hand:
            label = (live.record or {}).get(KINDS[record_input.kind].label_field)
            self._add_problem(
                record_input,
                key,
                f"the key is in use: {shown(label)} has it",
                f"choose another, or correct that record: `claimledger amend {key} --set FIELD=VALUE`",
            )
            return
        for name, old, new in difference(live.record or {}, record):
            self._add_problem(
                record_input,
                key,
                f"differs from the ledger: {name} is {_shown(old)} there",
                "if the new value is right, import with --amend and --reason",
                name,
                _shown(new),
            )

    def _count_skipped(self, kind: str, key: str, is_current: bool, is_live: bool) -> None:
        """Count a record that is not written, by the state of the record that the ledger has."""
        if is_current:
            self.result.unchanged += 1
        elif is_live:
            self.result.older.append((kind, key))
        else:
            self.result.withdrawn.append((kind, key))

    def _amend_live(
        self, record_input: RecordInput, key: str, record: dict[str, Any], live: RecordVersion
    ) -> None:
        """Write an incoming record as an amendment of the live one, or add a problem."""
        for name in KINDS[record_input.kind].fixed:
            if (live.record or {}).get(name) != record.get(name):
                self._add_problem(
                    record_input,
                    key,
                    f"`{name}` cannot be amended",
                    f"withdraw the {record_input.kind} and record a new one",
                    name,
                )
                return
        self._write(record_input, key, record, live.entry)
        rule_field = constraints.RULE_FIELDS.get(record_input.kind, "")
        if (live.record or {}).get(rule_field) != record.get(rule_field):
            self._changed[record_input.kind][key] = None
        if not self.problems:
            entry = self.result.written[-1][2]
            stored = {"key": key, **(live.record or {})}
            self._appender.end(record_input.kind, live.entry, stored, entry)
            self.result.amended += 1

    def _add_problem(
        self,
        record_input: RecordInput,
        key: str,
        message: str,
        expected: str,
        name: str = "",
        value: str = "",
    ) -> None:
        record = f"{record_input.kind} {key}"
        self.problems.append(
            Problem(
                message=message,
                field=name,
                value=value,
                expected=expected,
                record=record,
                file=record_input.file,
                line=record_input.line,
            )
        )

    def finish(self) -> None:
        """Check the rules that need the whole import; raise :class:`InvalidInputError` if one is broken.

        The error lists at most ``MOST_PROBLEMS`` problems, in the order of the files.
        """
        missing = {
            target: places for target, places in self._unresolved.items() if target not in self._new
        }
        ended_references = constraints.ended_references(self._store, missing)
        self.problems.extend(
            constraints.missing_references(self._store, ended_references, missing, self._new)
        )
        if not self.problems:
            self.problems.extend(
                self._check_relations(constraints.replacing_claims(ended_references))
            )
        if self.problems:
            raise InvalidInputError(list(_sorted_problems(self.problems)))
        self._appender.flush()

    def _check_relations(self, merged: set[str]) -> Iterator[Problem]:
        """Yield the problems of the imported records with each other and with stored records.

        ``merged`` are the claims to which references to replaced claims resolve.
        """
        # The checks read the imported records from the store.
        if merged or self._nested or self._revisions or self._changed:
            self._appender.flush()
        yield from constraints.faults_of_merged_claims(self._store, merged)
        nested = {
            kind: [key for key in keys if key not in self._changed[kind]]
            for kind, keys in self._nested.items()
        }
        yield from constraints.nesting_cycles(self._store, nested)
        yield from constraints.faults_of_revisions(self._store, self._revisions)
        yield from constraints.faults_of_changes(self._store, self._changed)


def _shown(value: Any) -> str:
    return "empty" if value is None else shown(value)


def _sorted_problems(problems: list[Problem]) -> Iterator[Problem]:
    """Yield the first problems by file and line, then the number of the others."""
    yield from sorted(problems[:MOST_PROBLEMS], key=lambda problem: (problem.file, problem.line))
    if len(problems) > MOST_PROBLEMS:
        yield Problem(f"and {len(problems) - MOST_PROBLEMS} more problems")
