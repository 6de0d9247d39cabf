"""Case files: records in YAML, JSON or JSON Lines, one file or many, ``-`` for standard input.

A YAML or JSON file is a list of records, or an object with ``records`` and, if they repeat,
``defaults``: by kind (``claim: {subject: ...}``) or for every record (``kind: claim``). In JSON Lines a
line ``{"defaults": ...}`` counts from there on. Nothing is read whole but YAML and JSON files, which
are bounded in size; a line of JSON Lines is bounded too, so memory is.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import orjson

from claimledger.errors import InvalidInputError, Problem
from claimledger.importers.positions import Parsed, parse_json
from claimledger.importers.prefetch import ahead, worth_it
from claimledger.ledger import InvalidRecord, RecordInput
from claimledger.records.check import record_from, shown
from claimledger.records.kinds import KINDS, fields_of
from claimledger.text.unicode import json_text

LARGEST_FILE = 64 * 1024 * 1024
"""Bytes in a YAML or JSON file; beyond, JSON Lines has no bound."""

LARGEST_LINE = 16 * 1024 * 1024
"""Bytes in a line of JSON Lines: enough for a statement of millions of characters."""

LARGEST_DEFAULTS = 20_000
"""Signs of JSON in ``defaults``: they count for every record of a file."""

FORMS = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".jsonl": "lines", ".ndjson": "lines"}

Incoming = RecordInput | InvalidRecord


def read_files(paths: Iterable[str]) -> Iterator[Incoming]:
    """Yield the records of files, and what is wrong with those that are none, in order.

    Large files are read and checked ahead, in a process of their own, while the ledger writes.
    """
    names = list(paths)
    return ahead(read_in_turn, names) if worth_it(names) else read_in_turn(names)


def read_in_turn(paths: Iterable[str]) -> Iterator[Incoming]:
    """Yield the records of files, in this process.

    All that can be read only as a whole, or only as fast as somebody else writes it, is read before the first
    record is yielded, so that a writer who takes them in keeps nobody waiting for it.
    """
    with ExitStack() as opened:
        readings = [_open_input(path, opened) for path in paths]
        for reading in readings:
            yield from _with_problems(reading)


@dataclass(frozen=True, slots=True)
class _Lines:
    """A file of JSON Lines, to be read line by line: opened when it is needed, or a copy of a stream."""

    name: str
    copied: BinaryIO | None = None

    def __iter__(self) -> Iterator[Incoming]:
        if self.copied is not None:
            yield from _lines(self.copied, self.name)
            return
        with open(self.name, "rb") as stream:
            yield from _lines(stream, self.name)


def _open_input(path: str, opened: ExitStack) -> Iterable[Incoming]:
    """Read a file as far as it must be read before the others; return its records."""
    try:
        if path != "-" and Path(path).is_file():
            with open(path, "rb") as stream:
                form = FORMS.get(Path(path).suffix.lower()) or _form_of(stream)
                return _Lines(path) if form == "lines" else list(_document(stream, path, form))
        name = "standard input" if path == "-" else path
        copied = opened.enter_context(_copied(path))
        form = FORMS.get(Path(path).suffix.lower()) or _form_of(copied)
        return _Lines(name, copied) if form == "lines" else list(_document(copied, name, form))
    except (InvalidInputError, OSError) as error:
        return [_unreadable(path, error)]


def _with_problems(reading: Iterable[Incoming]) -> Iterator[Incoming]:
    try:
        yield from reading
    except (InvalidInputError, OSError) as error:
        yield _unreadable(reading.name if isinstance(reading, _Lines) else "", error)


def _unreadable(path: str, error: InvalidInputError | OSError) -> InvalidRecord:
    """Return what is wrong with a file that cannot be read, or not to its end."""
    if isinstance(error, InvalidInputError):
        return InvalidRecord(error.problems)
    if isinstance(error, IsADirectoryError):
        right = f"name the files in it, as in {Path(path) / '*.yaml'}"
        return InvalidRecord((Problem("is a folder", file=path, expected=right),))
    return InvalidRecord((Problem(f"cannot be read: {error.strerror}", file=path),))


@contextmanager
def _copied(path: str) -> Iterator[BinaryIO]:
    """Copy standard input or a pipe, to its end, into a file without a name."""
    with TemporaryFile() as copy:
        with ExitStack() as opened:
            stream = sys.stdin.buffer if path == "-" else opened.enter_context(open(path, "rb"))
            shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield copy


def _document(stream: BinaryIO, name: str, form: str) -> Iterator[Incoming]:
    content = stream.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        size = LARGEST_FILE // 1024**2
        raise InvalidInputError(
            [Problem(f"is larger than {size} MiB", file=name, expected="use JSON Lines (.jsonl)")]
        )
    text = _decoded(content, name, 1)
    if form == "yaml":
        from claimledger.importers.yaml import parse_yaml  # JSON should not wait for PyYAML

        parsed = parse_yaml(text, name)
    else:
        parsed = parse_json(text, name)
    yield from _records(parsed, name)


def _form_of(stream: BinaryIO) -> str:
    """Detect the form of unnamed input from its first line, and rewind it."""
    head = stream.readline(LARGEST_LINE + 1)
    stream.seek(0)
    start = head.lstrip()
    if start.startswith(b"{"):
        try:
            orjson.loads(head)
            return "lines"
        except ValueError:
            return "json"
    return "json" if start.startswith(b"[") else "yaml"


def _decoded(content: bytes, name: str, line: int) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = line + content.count(b"\n", 0, error.start)
        value = f"byte 0x{content[error.start]:02x}"
        problem = Problem(
            "is not UTF-8", value=value, expected="save it as UTF-8", file=name, line=at
        )
        raise InvalidInputError([problem]) from None


def _records(parsed: Parsed, name: str) -> Iterator[Incoming]:
    value: Any = parsed.value
    path: tuple[str | int, ...] = ()
    defaults: dict[str, Any] = {}
    if isinstance(value, dict) and "kind" not in value:
        unknown = [field for field in value if field not in ("records", "defaults")]
        if unknown or "records" not in value:
            what = f"has {shown(unknown[0])} beside its records" if unknown else "has no `records`"
            line = parsed.line((unknown[0],)) if unknown else 1
            right = "a case file is a list of records, or an object of `defaults` and `records`"
            raise InvalidInputError([Problem(what, expected=right, file=name, line=line)])
        defaults = _defaults(value.get("defaults"), name, parsed.line(("defaults",)))
        value, path = value["records"], ("records",)
    if isinstance(value, dict):
        value = [value]
        parsed = Parsed(value, {(0, *p): line for p, line in parsed.lines.items()})
    if not isinstance(value, list):
        right = "YAML, JSON or JSON Lines: a list of records, each an object with its `kind`"
        raise InvalidInputError([Problem("holds no records", expected=right, file=name, line=1)])
    for place, record in enumerate(value):
        yield _record(record, defaults, name, parsed, (*path, place))


def _defaults(defaults: Any, name: str, line: int) -> dict[str, Any]:
    if defaults is None:
        return {}
    if not isinstance(defaults, dict):
        raise InvalidInputError([Problem("must be an object", "defaults", file=name, line=line)])
    known = {field.name for kind in KINDS for field in fields_of(KINDS[kind])} | {"kind"}
    by_kind = {kind for kind in defaults if kind in KINDS and isinstance(defaults[kind], dict)}
    fields = [(field, field) for field in defaults if field not in by_kind]
    fields += [(f"{kind}.{field}", field) for kind in by_kind for field in defaults[kind]]
    for place, field in fields:
        if field not in known:
            raise InvalidInputError(
                [Problem("unknown field", f"defaults.{place}", file=name, line=line)]
            )
    if len(json_text(defaults)) > LARGEST_DEFAULTS:
        what = f"are longer than {LARGEST_DEFAULTS:,} signs, which every record would hold"
        raise InvalidInputError([Problem(what, "defaults", file=name, line=line)])
    return defaults


def _with_defaults(record: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    if not defaults:
        return record
    general = {
        n: value for n, value in defaults.items() if not (n in KINDS and isinstance(value, dict))
    }
    kind = record.get("kind", general.get("kind"))
    if not isinstance(kind, str) or kind not in KINDS:
        return {**record, "kind": kind} if kind is not None else record
    fields = {field.name for field in fields_of(KINDS[kind])} | {"kind"}
    own = defaults.get(kind)
    fitting = {name: value for name, value in general.items() if name in fields}
    return {**fitting, **(own if isinstance(own, dict) else {}), **record}


def _record(
    record: Any, defaults: dict[str, Any], name: str, parsed: Parsed, path: tuple[str | int, ...]
) -> Incoming:
    line = parsed.line(path)
    if not isinstance(record, dict):
        right = "a record is an object with its `kind`"
        return InvalidRecord(
            (Problem("is not a record", value=shown(record), expected=right, file=name, line=line),)
        )
    fields = _with_defaults(record, defaults)
    try:
        return RecordInput.of(record_from(fields), name, line)
    except InvalidInputError as error:
        problems = tuple(
            problem.at(file=name, line=_line_of(parsed, path, problem.field))
            for problem in error.problems
        )
        return _faulty(problems, fields)


def _line_of(parsed: Parsed, path: tuple[str | int, ...], field: str) -> int:
    steps = (int(step) if step.isdecimal() else step for step in field.split(".") if step)
    return parsed.line((*path, *steps))


def _faulty(problems: tuple[Problem, ...], record: dict[str, Any]) -> InvalidRecord:
    kind, key = record.get("kind"), record.get("key")
    return InvalidRecord(
        problems, kind if isinstance(kind, str) else "", key if isinstance(key, str) else ""
    )


def _lines(stream: BinaryIO, name: str) -> Iterator[Incoming]:
    defaults: dict[str, Any] = {}
    number = 0
    while line := stream.readline(LARGEST_LINE + 1):
        number += 1
        if len(line) > LARGEST_LINE:
            size = LARGEST_LINE // 1024**2
            problem = Problem(f"is a line longer than {size} MiB", file=name, line=number)
            yield InvalidRecord((problem,))
            return
        if line.isspace():
            continue
        record: Any = None
        try:
            record = _parsed_line(line, name, number)
            if isinstance(record, dict) and set(record) == {"defaults"}:
                defaults = _defaults(record["defaults"], name, number)
                continue
            if not isinstance(record, dict):
                right = "a record is an object with its `kind`"
                raise InvalidInputError(
                    [Problem("is not a record", value=shown(record), expected=right)]
                )
            record = _with_defaults(record, defaults) if defaults else record
            yield RecordInput.of(record_from(record), name, number)
        except InvalidInputError as error:
            problems = tuple(problem.at(file=name, line=number) for problem in error.problems)
            yield _faulty(problems, record if isinstance(record, dict) else {})


def _parsed_line(line: bytes, name: str, number: int) -> Any:
    try:
        record = orjson.loads(line)
    except ValueError:
        text = _decoded(line, name, number)
        return parse_json(text, name, number).value
    # orjson keeps the last of two equal names without a word. Written again, such a line has fewer
    # names; a line that only looks so (odd spaces, odd escapes) is read slowly, once more.
    if line.count(b'":') + line.count(b'" :') != orjson.dumps(record).count(b'":'):
        return parse_json(_decoded(line, name, number), name, number).value
    return record
