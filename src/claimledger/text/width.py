"""The width of a text in columns, and its division into lines, for a terminal or a plain file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator


def cells(text: str) -> int:
    """Return the number of columns of a text: wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else _cells_of(character) for character in text
    )


def _cells_of(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrapped(text: str, columns: int, indent: int = 0, hang: int = 0) -> Iterator[str]:
    """Yield the lines of a text, none wider than ``columns`` unless a single character is.

    ``indent`` is the indentation of the first line, ``hang`` the additional indentation of all others.
    """
    lead, line, used = " " * indent, "", 0
    available = columns - indent
    for word in _breakable(text, max(8, available - hang)):
        size = cells(word.rstrip())
        if line and used + size > available:
            yield (lead + line).rstrip()
            lead, line, used = " " * (indent + hang), "", 0
            available = columns - indent - hang
        line += word
        used += cells(word)
    yield (lead + line).rstrip()


def _breakable(text: str, limit: int) -> Iterator[str]:
    """Yield pieces of at most ``limit`` columns after which a line may break: words and wide characters."""
    if text.isascii():
        yield from re.findall(f"[^ ]{{0,{limit - 1}}} |[^ ]{{1,{limit}}}", text)
        return
    word, size = "", 0
    for character in text:
        wide = character > "\u02ff" and _cells_of(character) == 2
        if word and (wide or size >= limit):
            yield word
            word, size = "", 0
        word += character
        size += 2 if wide else 1
        if character == " " or wide:
            yield word
            word, size = "", 0
    if word:
        yield word
