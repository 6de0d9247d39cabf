"""Parsed files whose values know their lines; JSON here, YAML in :mod:`claimledger.importers.yaml`.

In JSON too a name given twice is refused, nesting is bounded, and no number becomes a binary fraction.
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
