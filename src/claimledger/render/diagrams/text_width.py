"""The width of a text without a font: never underestimated, so that no label leaves its box.

Each character counts, also in joined emoji and Indic syllables: a font may draw them one beside the other.
"""

from __future__ import annotations

import unicodedata

from claimledger.text.unicode import visible
from claimledger.text.width import ELLIPSIS, clusters, pieces

_NARROW = set("iljtfrI.,:;'|!()[] ")
_WIDE = set("mwMW@%—…")


def width(text: str, size: float = 12.0) -> float:
    """Return how wide a text runs at most, in the units of its size."""
    return sum(map(_sign, text)) * size


def _sign(sign: str) -> float:
    if sign in _NARROW:
        return 0.42
    if sign in _WIDE:
        return 1.02
    if sign.isascii():
        return 0.72 if sign.isupper() else 0.64
    if unicodedata.combining(sign):
        return 0.0
    return 1.05 if unicodedata.east_asian_width(sign) in "WF" else 0.8


def clipped(text: str, room: float, size: float = 12.0) -> str:
    """Return a text cut to a width, with an ellipsis if it was cut."""
    shown = visible(text)
    if width(shown, size) <= room:
        return shown
    clipped_text, used = "", width(ELLIPSIS, size)
    for cluster in clusters(shown):
        used += width(cluster, size)
        if used > room:
            break
        clipped_text += cluster
    return clipped_text.rstrip() + ELLIPSIS


def lines_of(text: str, room: float, most: int, size: float = 12.0) -> list[str]:
    """Return a text in at most ``most`` lines of a width, the last one cut if more is left."""
    lines: list[str] = []
    line = ""
    rest = list(pieces(visible(text)[:2000]))
    for place, piece in enumerate(rest):
        if line and width(line + piece.rstrip(), size) > room:
            if len(lines) == most - 1:
                lines.append(clipped(line + "".join(rest[place:]), room, size))
                return lines
            lines.append(clipped(line.rstrip(), room, size))
            line = ""
        line += piece
    return [*lines, clipped(line.rstrip(), room, size)][:most]
