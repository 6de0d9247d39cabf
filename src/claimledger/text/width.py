"""Lines of a terminal or a plain file: the width of a text, where it may break, and how it is cut.

wcwidth knows the width of a character and what belongs to it: combining marks, joined emoji, flags. It takes
as long to import as a short command runs, so texts of the characters most in use never need it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_PLAIN = re.compile("[ -~\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027]*")
"""Texts whose every character takes one column: Latin letters, signs, dashes and quotation marks."""

ELLIPSIS = "…"


def cells(text: str) -> int:
    """Return how many columns a text takes: East Asian letters and emoji take two, marks none."""
    if _is_plain(text):
        return len(text)
    import wcwidth

    return wcwidth.width(text, control_codes="ignore")


def clusters(text: str) -> Iterable[str]:
    """Return the parts of a text that are seen as one character (Unicode Standard Annex 29)."""
    if _is_plain(text):
        return text
    import wcwidth

    return wcwidth.iter_graphemes(text)


def _is_plain(text: str) -> bool:
    return text.isascii() or _PLAIN.fullmatch(text) is not None


def shortened(text: str, columns: int) -> str:
    """Return a text that takes at most ``columns``, with an ellipsis if it was cut."""
    if cells(text) <= columns:
        return text
    available = max(0, columns - 1)
    if _is_plain(text):
        return text[:available].rstrip() + ELLIPSIS
    import wcwidth

    start = wcwidth.clip(text, 0, available, control_codes="ignore", propagate_sgr=False)
    # wcwidth.clip does not count the column of a virama that has no letter.
    while cells(start) > available:
        start = start[: wcwidth.grapheme_boundary_before(start, len(start))]
    return start.rstrip() + ELLIPSIS


def wrapped(text: str, columns: int, indent: int = 0, hang: int = 0) -> Iterator[str]:
    """Yield the lines of a text, none wider than ``columns`` unless a single character is.

    ``indent`` is the indentation of the first line, ``hang`` the additional indentation of all others.
    """
    # Not by wcwidth.wrap: it measures what is left again for every line of a text without spaces.
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


def pieces(text: str) -> Iterator[str]:
    """Yield the parts between which a line may break.

    They are words with a space after them, and each character of the scripts that write none.
    """
    if _is_plain(text):
        yield from re.findall("[^ ]* |[^ ]+", text)
        return
    word = ""
    for cluster in clusters(text):
        wide = cells(cluster) > 1
        if wide and word:
            yield word
            word = ""
        word += cluster
        if wide or cluster == " ":
            yield word
            word = ""
    if word:
        yield word


def _breakable(text: str, available: int) -> Iterator[str]:
    """Yield the pieces of a text; of one that takes more than ``available``, parts that fit."""
    for piece in pieces(text):
        if cells(piece.rstrip()) <= available:
            yield piece
            continue
        part, used = "", 0
        for cluster in clusters(piece):
            size = cells(cluster)
            if part and used + size > available:
                yield part
                part, used = "", 0
            part += cluster
            used += size
        yield part
