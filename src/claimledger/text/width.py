"""Lines of a terminal or a plain file: how wide a text is there, and where it may break."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator


def cells(text: str) -> int:
    """Return how many columns a text takes: wide signs take two, marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        for sign in text
    )


def wrapped(text: str, columns: int, indent: int = 0, hang: int = 0) -> Iterator[str]:
    """Yield a text's lines, none wider than ``columns`` unless a single sign is."""
    lead, line, used = " " * indent, "", 0
    room = columns - indent
    for word in _breakable(text, max(8, room - hang)):
        size = cells(word.rstrip())
        if line and used + size > room:
            yield (lead + line).rstrip()
            lead, line, used = " " * (indent + hang), "", 0
            room = columns - indent - hang
        line += word
        used += cells(word)
    yield (lead + line).rstrip()


def _breakable(text: str, room: int) -> Iterator[str]:
    """Yield pieces after which a line may break: words, and signs of scripts without spaces."""
    if text.isascii():
        yield from re.findall(f"[^ ]{{0,{room - 1}}} |[^ ]{{1,{room}}}", text)
        return
    word, size = "", 0
    for sign in text:
        wide = unicodedata.east_asian_width(sign) in "WF" if sign > "\u02ff" else False
        if word and (wide or size >= room):
            yield word
            word, size = "", 0
        word += sign
        size += 2 if wide else 1
        if sign == " " or wide:
            yield word
            word, size = "", 0
    if word:
        yield word
