"""Lines of a terminal or a plain file: how wide a text is there, where it may break, and how it is cut.

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
    room = max(0, columns - 1)
    if _is_plain(text):
        return text[:room].rstrip() + ELLIPSIS
    import wcwidth

    start = wcwidth.clip(text, 0, room, control_codes="ignore", propagate_sgr=False)
    while (
        cells(start) > room
    ):  # wcwidth.clip does not count the column of a virama that stands alone
        start = start[: wcwidth.grapheme_boundary_before(start, len(start))]
    return start.rstrip() + ELLIPSIS


def wrapped(text: str, columns: int, indent: int = 0, hang: int = 0) -> Iterator[str]:
    """Yield a text's lines, none wider than ``columns`` unless a single character is."""
    # Not by wcwidth.wrap: it measures what is left again for every line of a text without spaces.
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


def _breakable(text: str, room: int) -> Iterator[str]:
    """Yield the pieces of a text; of one that takes more than ``room``, parts that fit."""
    for piece in pieces(text):
        if cells(piece.rstrip()) <= room:
            yield piece
            continue
        part, used = "", 0
        for cluster in clusters(piece):
            size = cells(cluster)
            if part and used + size > room:
                yield part
                part, used = "", 0
            part += cluster
            used += size
        yield part
