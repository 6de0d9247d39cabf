"""Taking records in: one at a prompt or a million from files, all or nothing.

Records come one after another and may refer forward. Each is compared with what the ledger has had
under its key (or, without a key, with the same content). What it has, or has withdrawn, writes nothing.
A difference from a live record is refused, unless amending was requested; but an
earlier version of a live record is only counted, since a file that is imported again is often older.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from claimledger.errors import InvalidInputError, Problem
from claimledger.ledger.gc_pause import paused_gc
from claimledger.ledger.record_diff import difference, equal
from claimledger.ledger.write import constraints
from claimledger.ledger.write.appender import Appender
from claimledger.ledger.write.constraints import Revision
from claimledger.ledger.write.existing import (
    CONTENTS,
    VERSIONS,
    RecordVersion,
    SameContent,
    namesakes_of,
    versions_of,
    with_keys_kept,
    with_keys_resolved,
)
from claimledger.log.canonical_json import canonical
from claimledger.log.entry import Payload
from claimledger.records.base import Record
from claimledger.records.check import shown
from claimledger.records.kinds import KINDS
from claimledger.storage.base import Preconditions, Store
from claimledger.storage.projection import ReferenceKey, content_digest, number_in, pointers
from claimledger.storage.tables import HISTORY

MOST_PROBLEMS = 100
_CHUNK = 1000


class RecordInput(NamedTuple):
    """A checked record as it came in: its plain fields, without ``kind`` and ``key``, and its place."""

    kind: str
    key: str | None
    fields: dict[str, Any]
    file: str = ""
    line: int = 0

    @classmethod
    def of(cls, record: Record, file: str = "", line: int = 0) -> RecordInput:
        """Return a record in the form in which it is imported."""
        fields = record.as_json()
        key = fields.pop("key", None)
        return cls(record.kind, key, fields, file, line)


@dataclass(frozen=True, slots=True)
class InvalidRecord:
    """An input that is not a record: its problems, and the key it would have had."""

    problems: tuple[Problem, ...]
    kind: str = ""
    key: str = ""


@dataclass(slots=True)
class ImportResult:
    """What an import did."""

    written: list[tuple[str, str, int]] = field(default_factory=list)
    """Kind, key and entry of each record written, in order."""

    amended: int = 0
    unchanged: int = 0
    """Records that the ledger has already, unchanged."""

    withdrawn: list[tuple[str, str]] = field(default_factory=list)
    """Kind and key of each record that was withdrawn, and is not recorded again."""

    older: list[tuple[str, str]] = field(default_factory=list)
    """Kind and key of each record that was left out, because the ledger has a newer version."""


class _RollbackError(Exception):
    """Leaves a transaction that was only a check."""


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
    """Take records in within one transaction; raise :class:`InvalidInputError` with all problems found.

    ``appender_of`` makes an :class:`Appender` for the transaction. With ``check`` everything is done
    and undone again. A file that is read again leaves what was withdrawn withdrawn; ``by_hand`` that is a
    problem, because a person who records one record wants it to be live.
    """
    source = iter(incoming)
    # What must be read as a whole is read for the first record: before the write lock is taken.
    first = list(islice(source, 1))
    if isinstance(incoming, Sequence) and len(incoming) <= _FORESEEN:
        inputs = [item for item in incoming if isinstance(item, RecordInput)]
        plain = not amend and len(inputs) == len(incoming) <= _ASSUMED
        store.hint_queries(partial(_questions, inputs), _assumed(inputs) if plain else None)
    try:
        with paused_gc(), store.writing():
            taking = _Ingest(store, appender_of(), amend=amend, reason=reason, by_hand=by_hand)
            while chunk := first + list(islice(source, _CHUNK - len(first))):
                first = []
                taking.chunk(chunk)
            taking.finish()
            if check:
                raise _RollbackError
    except _RollbackError:
        pass
    taken = taking.taken
    if store.shift:
        taken.written = [(kind, key, entry + store.shift) for kind, key, entry in taken.written]
    return taken


_FORESEEN = 50
"""Up to this many records a write is so small that round trips cost more than queries."""


_ASSUMED = 20
"""Records up to which a write is so small that it is sent whole, before the store was asked anything."""


def _questions(inputs: list[RecordInput]) -> list[tuple[Any, Any, list[Any]]]:
    """Return what taking these in will ask: the versions there are, and what is pointed to."""
    keys = dict.fromkeys(record.key for record in inputs if record.key)
    contents = {
        content_digest(record.kind, record.fields) for record in inputs if record.key is None
    }
    pointed = {key for record in inputs for _, key, _ in pointers(record.kind, record.fields)}
    hints = (
        (VERSIONS, HISTORY.c.key, list(keys)),
        (CONTENTS, HISTORY.c.content, sorted(contents)),
        (constraints.LIVE, HISTORY.c.key, sorted(pointed)),
    )
    return [hint for hint in hints if hint[2]]


def _assumed(inputs: list[RecordInput]) -> Preconditions | None:
    """Return what new records take for granted, where that is all they depend on."""
    coming = {(record.kind, record.key) for record in inputs}
    for record in inputs:
        nested = (
            record.kind in constraints.NESTING and constraints.NESTING[record.kind] in record.fields
        )
        revises = record.kind == "link" and record.fields["type"] in constraints.REVISIONS
        # Numbers are assigned in order; a cycle can run through any record.
        if record.key is None or record.key[0].isupper() or nested or revises:
            return None
    pointed = {
        (to, key) for record in inputs for to, key, _ in pointers(record.kind, record.fields)
    }
    unused = [record.key for record in inputs if record.key]
    return Preconditions(unused, sorted(pointed - coming), constraints.LIVE)


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
        self._contents: set[bytes] = set()
        self._wanted: dict[tuple[str, str], list[Problem]] = {}
        self._nested: dict[str, list[str]] = defaultdict(list)
        self._changed: dict[str, dict[str, None]] = defaultdict(dict)
        """By kind the keys of amended records on which it rests whether others keep the rules."""

        self._revisions: list[Revision] = []
        self._resolved: dict[int, list[dict[str, Any]]] = {}
        """Of a batch, by the identity of the input: its stored versions and the input, with keys resolved."""

        self.problems: list[Problem] = []
        self.taken = ImportResult()

    def chunk(self, chunk: list[RecordInput | InvalidRecord]) -> None:
        """Import some records."""
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
        # What came before may be looked up, so the store must have it.
        self._appender.flush()
        versions, contents = self._existing(inputs)
        for item in inputs:
            self._one(item, item.fields, versions, contents)

    def _existing(
        self, inputs: list[RecordInput]
    ) -> tuple[dict[tuple[str, str], list[RecordVersion]], dict[bytes, SameContent]]:
        """Return the versions under the incoming keys, and the records with the contents of keyless ones."""
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
        return versions, namesakes_of(self._store, contents)

    def _one(
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
                self.taken.unchanged += 1
                return
            if namesake := contents.get(content):
                # It names no record, so that it amends none.
                self._count(namesake.kind, namesake.key, namesake.is_current, namesake.is_live)
                return
            self._contents.add(content)
            key = self._appender.next_key(kind, KINDS[kind].letter)
        elif (kind, key) in self._new:
            self._again(record_input, record, key)
            return
        elif versions := existing.get((kind, key)):
            self._known(record_input, record, versions)
            return
        self._write(record_input, key, record, None)

    def _write(
        self, record_input: RecordInput, key: str, record: dict[str, Any], replaces: int | None
    ) -> None:
        kind = record_input.kind
        if problem := constraints.blank_label(kind, record):
            self._problem(record_input, key, problem.message, problem.expected, problem.field)
        written = canonical(record)
        self._new[kind, key] = (hash(written), record_input.file, record_input.line)
        if self.problems:
            self._note(record_input, key, pointers(kind, record))
            return
        payload = Payload(
            kind,
            key,
            "record" if replaces is None else "amend",
            self._appender.by,
            record,
            self._reason,
            replaces,
        )
        entry = self._appender.append(payload, written)
        self._note(record_input, key, self._appender.pointed)
        self.taken.written.append((kind, key, entry))

    def _note(self, record_input: RecordInput, key: str, pointed: set[ReferenceKey]) -> None:
        """Remember what can only be checked when everything has come in."""
        kind = record_input.kind
        for to, target, field_name in pointed:
            if (to, target) in self._new:
                continue
            places = self._wanted.setdefault((to, target), [])
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
            if any(field_name == constraints.NESTING[kind] for _, _, field_name in pointed):
                self._nested[kind].append(key)
        elif kind == "link" and record_input.fields["type"] in constraints.REVISIONS:
            fields = record_input.fields
            self._revisions.append(Revision(fields["type"], fields["from"], fields["to"]))

    def _again(self, record_input: RecordInput, record: dict[str, Any], key: str) -> None:
        """A key that came before in this very import."""
        content, file, line = self._new[record_input.kind, key]
        if not content or content == hash(canonical(record)):
            self.taken.unchanged += 1
            return
        before = f"{file}:{line}" if file else "earlier"
        self._problem(
            record_input,
            key,
            f"duplicate key: another {record_input.kind} at {before} has it",
            "give each its own key",
        )

    def _known(
        self, record_input: RecordInput, record: dict[str, Any], versions: list[RecordVersion]
    ) -> None:
        """A key that the ledger has, or has had."""
        key = record_input.key or ""
        live = next((version for version in versions if version.live), None)
        if any(version.action in ("redact", "redacted") for version in versions):
            self._problem(record_input, key, "was redacted and is not taken again", "leave it out")
            return
        known = any(equal(version.record, record) for version in versions)
        current = live is not None and equal(live.record, record)
        if not known and (forms := self._resolved.get(id(record_input))):
            *before, after = forms
            known = any(equal(version, after) for version in before)
            if live is not None and live.record is not None:
                record = with_keys_kept(live.record, before[versions.index(live)], record, after)
                current = equal(live.record, record)
        old = known and not self._by_hand and not (self._amend and live is not None)
        if current or old:
            self._count(record_input.kind, key, current, live is not None)
            return
        if live is None:
            self._problem(
                record_input,
                key,
                "was withdrawn; its key is not used again",
                "record it with a new key",
            )
            return
        if self._amend:
            self._amendment(record_input, key, record, live)
            return
        if self._by_hand:
            label = (live.record or {}).get(KINDS[record_input.kind].label_field)
            self._problem(
                record_input,
                key,
                f"the key is taken by {shown(label)}",
                f"choose another, or correct that record: `claimledger amend {key} --set FIELD=VALUE`",
            )
            return
        for name, old, new in difference(live.record or {}, record):
            self._problem(
                record_input,
                key,
                f"differs from the ledger: {name} is {_shown(old)} there",
                "import with --amend --reason, if the new one is right",
                name,
                _shown(new),
            )

    def _count(self, kind: str, key: str, is_current: bool, is_live: bool) -> None:
        """Count a record that is not written, by what the ledger has of it."""
        if is_current:
            self.taken.unchanged += 1
        elif is_live:
            self.taken.older.append((kind, key))
        else:
            self.taken.withdrawn.append((kind, key))

    def _amendment(
        self, record_input: RecordInput, key: str, record: dict[str, Any], live: RecordVersion
    ) -> None:
        for name in KINDS[record_input.kind].fixed:
            if (live.record or {}).get(name) != record.get(name):
                self._problem(
                    record_input,
                    key,
                    f"`{name}` cannot be amended",
                    "withdraw it and record another",
                    name,
                )
                return
        self._write(record_input, key, record, live.entry)
        rested_on = constraints.RESTED_ON.get(record_input.kind, "")
        if (live.record or {}).get(rested_on) != record.get(rested_on):
            self._changed[record_input.kind][key] = None
        if not self.problems:
            entry = self.taken.written[-1][2]
            stored = {"key": key, **(live.record or {})}
            self._appender.end(record_input.kind, live.entry, stored, entry)
            self.taken.amended += 1

    def _problem(
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
            Problem(message, name, value, expected, record, record_input.file, record_input.line)
        )

    def finish(self) -> None:
        """Check what needed everything to be there; raise :class:`InvalidInputError` if anything is wrong."""
        missing = {what: places for what, places in self._wanted.items() if what not in self._new}
        ended_references = constraints.ended_references(self._store, missing)
        self.problems.extend(
            constraints.missing_references(self._store, ended_references, missing, self._new)
        )
        if not self.problems:
            self.problems.extend(
                self._faults_beyond(constraints.replacing_claims(ended_references))
            )
        if self.problems:
            raise InvalidInputError(list(_in_order(self.problems)))
        self._appender.flush()

    def _faults_beyond(self, merged: set[str]) -> Iterator[Problem]:
        """Yield what is wrong with how the imported records relate to each other and to those stored."""
        if merged or self._nested or self._revisions or self._changed:
            self._appender.flush()
        yield from constraints.faults_of_merged_claims(self._store, merged)
        nested = {
            kind: [key for key in keys if key not in self._changed[kind]]
            for kind, keys in self._nested.items()
        }
        yield from constraints.rings_of_nesting(self._store, nested)
        yield from constraints.faults_of_revisions(self._store, self._revisions)
        yield from constraints.faults_of_changes(self._store, self._changed)


def _shown(value: Any) -> str:
    return "empty" if value is None else shown(value)


def _in_order(problems: list[Problem]) -> Iterator[Problem]:
    shown_ones = sorted(problems[:MOST_PROBLEMS], key=lambda problem: (problem.file, problem.line))
    yield from shown_ones
    if len(problems) > MOST_PROBLEMS:
        yield Problem(f"and {len(problems) - MOST_PROBLEMS} more problems")
