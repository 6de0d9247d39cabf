"""Parsed files whose values know their lines.

YAML is read as events and built here, not by the library: so every scalar stays the text it was
written as (YAML 1.2 in spirit: ``no`` is a string, dates stay text), a name given twice is refused,
nesting is bounded, and anchors cannot explode.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from claimledger.errors import InvalidInputError, Problem

DEEPEST = 40
"""Levels of nesting; a case needs six."""

MOST_VALUES = 5_000_000
"""Values in one YAML file, aliases counted each time they are used."""

MOST_ALIASED = 100_000
"""Values that aliases may add: enough for shared citations, far from an explosion."""

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Parsed:
    """A value from a file, and the line of each of its parts (from 1)."""

    value: Any
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """Return the line of a part, or of the nearest part around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse_yaml(text: str, file: str) -> Parsed:
    """Parse one YAML document; raise :class:`InvalidInputError` with the line of what is wrong."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "is not valid YAML"
        line = mark.line + 1 if mark else 0
        if "nesting" in what:  # libyaml looks ahead, and newer ones have a bound of their own
            what = f"is nested deeper than {DEEPEST} levels"
            raise InvalidInputError([Problem(what, file=file, line=line)]) from None
        raise InvalidInputError(
            [Problem(f"is not valid YAML: {what}", file=file, line=line)]
        ) from None
    except RecursionError:
        raise InvalidInputError([Problem("is nested too deeply", file=file)]) from None
    return builder.parsed


_NULL = frozenset({"", "~", "null", "Null", "NULL"})


class _Builder:
    """Builds a value from YAML events, with its own stack."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._stack: list[tuple[Any, Path, str | None, int]] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._values = self._aliased = 0
        self._documents = 0
        self._names: dict[int, str] = {}
        self.parsed = Parsed(None)

    def take(self, event: Any) -> None:
        """Take one event."""
        name = type(event).__name__
        line = event.start_mark.line + 1
        if name == "DocumentStartEvent":
            self._documents += 1
            if self._documents > 1:
                self._fail("holds a second document (---); write one list of records", line)
        elif name == "ScalarEvent":
            plain = event.style is None and event.value in _NULL and not event.tag
            self._put(None if plain else event.value, line, event.anchor)
        elif name in ("SequenceStartEvent", "MappingStartEvent"):
            self._open([] if name[0] == "S" else {}, line, event.anchor)
        elif name in ("SequenceEndEvent", "MappingEndEvent"):
            value, _, anchor, before = self._stack.pop()
            if anchor:
                self._anchors[anchor] = (value, self._values - before)
        elif name == "AliasEvent":
            if event.anchor not in self._anchors:
                self._fail(f"uses the alias *{event.anchor} before its anchor is complete", line)
            value, size = self._anchors[event.anchor]
            self._aliased += size
            self._values += size  # so that an anchor around aliases weighs what they expand to
            if self._aliased > MOST_ALIASED:
                self._fail("has aliases that multiply without bound; write the records out", line)
            self._put(value, line, None)

    def _path(self) -> Path:
        if not self._stack:
            return ()
        value, path, _, _ = self._stack[-1]
        step: str | int = (
            len(value) if isinstance(value, list) else self._names.get(len(self._stack), "")
        )
        return (*path, step)

    def _count(self, line: int) -> None:
        self._values += 1
        if self._values > MOST_VALUES:
            self._fail(f"holds more than {MOST_VALUES:,} values; use JSON Lines", line)

    def _open(self, value: Any, line: int, anchor: str | None) -> None:
        self._count(line)
        if self._expects_name():
            self._fail("has a list or an object where a name belongs", line)
        if len(self._stack) >= DEEPEST:
            self._fail(f"is nested deeper than {DEEPEST} levels", line)
        path = self._path()
        self._attach(value, line)
        self._stack.append((value, path, anchor, self._values))
        self._names.pop(len(self._stack), None)

    def _expects_name(self) -> bool:
        return bool(
            self._stack
            and isinstance(self._stack[-1][0], dict)
            and len(self._stack) not in self._names
        )

    def _put(self, value: Any, line: int, anchor: str | None) -> None:
        self._count(line)
        if self._expects_name():
            if not isinstance(value, str):
                self._fail("has a name that is not text", line)
            if value in self._stack[-1][0]:
                self._fail(f"gives {value!r} twice in one object", line)
            self._names[len(self._stack)] = value
            self.parsed.lines[self._path()] = line
            return
        if anchor:
            self._anchors[anchor] = (value, 1)
        self._attach(value, line)

    def _attach(self, value: Any, line: int) -> None:
        path = self._path()
        self.parsed.lines.setdefault(path, line)
        if not self._stack:
            self.parsed.value = value
            return
        container = self._stack[-1][0]
        if isinstance(container, list):
            container.append(value)
        else:
            container[self._names.pop(len(self._stack))] = value

    def _fail(self, what: str, line: int) -> None:
        raise InvalidInputError([Problem(what, file=self._file, line=line)])


def parse_json(text: str, file: str, first_line: int = 1) -> Parsed:
    """Parse one JSON document; raise :class:`InvalidInputError` with the line of what is wrong."""
    depth = _depth(text)
    if depth > DEEPEST:
        raise InvalidInputError(
            [Problem(f"is nested deeper than {DEEPEST} levels", file=file, line=first_line)]
        )
    try:
        value = json.loads(
            text, object_pairs_hook=_once, parse_float=_refuse_number, parse_constant=_refuse_number
        )
    except json.JSONDecodeError as error:
        ended = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        what = "is cut off in the middle" if ended else "is not valid JSON"
        line = first_line + error.lineno - 1
        raise InvalidInputError([Problem(f"{what}: {error.msg}", file=file, line=line)]) from None
    except _Refused as error:
        line = first_line + _line_of(text, error.what)
        raise InvalidInputError([Problem(str(error), file=file, line=line)]) from None
    except (RecursionError, ValueError):
        raise InvalidInputError(
            [Problem("is not JSON that this program can read", file=file, line=first_line)]
        ) from None
    return Parsed(value, _json_lines(text, first_line))


class _Refused(Exception):
    def __init__(self, message: str, what: str) -> None:
        super().__init__(message)
        self.what = what


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        twice = next(
            name for name, times in Counter(name for name, _ in pairs).items() if times > 1
        )
        raise _Refused(f"gives {twice!r} twice in one object", f'"{twice}"')
    return mapping


def _refuse_number(text: str) -> Any:
    raise _Refused(f'holds the binary fraction {text}; write it as text: "{text}"', text)


def _line_of(text: str, what: str) -> int:
    place = text.rfind(what)
    return text.count("\n", 0, place) if place >= 0 else 0


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def _depth(text: str) -> int:
    deepest = depth = 0
    for token in _TOKEN.finditer(text):
        sign = token.group()
        if sign in "{[":
            depth += 1
            deepest = max(deepest, depth)
            if deepest > DEEPEST:
                break
        elif sign in "}]":
            depth -= 1
    return deepest


def _json_lines(text: str, first_line: int) -> dict[Path, int]:
    """Return the line of every part of a JSON text that is known to be well formed."""
    lines: dict[Path, int] = {}
    stack: list[list[Any]] = []
    line, seen = first_line, 0
    for token in _TOKEN.finditer(text):
        sign = token.group()
        line += text.count("\n", seen, token.start())
        seen = token.start()
        if sign in (",", ":"):
            if sign == ",":
                top = stack[-1]
                top[1] = top[1] + 1 if isinstance(top[1], int) else None
            continue
        if sign in ("}", "]"):
            stack.pop()
            continue
        if stack and stack[-1][0] == "{" and stack[-1][1] is None:
            stack[-1][1] = json.loads(sign)
            lines[tuple(step for _, step in stack)] = line
            continue
        lines.setdefault(tuple(step for _, step in stack), line)
        if sign in ("{", "["):
            stack.append([sign, None if sign == "{" else 0])
    return lines
