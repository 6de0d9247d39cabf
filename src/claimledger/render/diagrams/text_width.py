"""The width of a text without a font: never underestimated, so that no label leaves its box."""

from __future__ import annotations

import unicodedata

from claimledger.text.unicode import visible

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
    clipped_text, used = "", width("…", size)
    for sign in shown:
        used += _sign(sign) * size
        if used > room:
            break
        clipped_text += sign
    return clipped_text.rstrip() + "…"


def lines_of(text: str, room: float, most: int, size: float = 12.0) -> list[str]:
    """Return a text in at most ``most`` lines of a width, the last one cut if more is left."""
    shown = " ".join(visible(text).split(" "))
    lines: list[str] = []
    line = ""
    rest = _pieces(shown[:2000])
    for place, piece in enumerate(rest):
        if line and width(line + piece.rstrip(), size) > room:
            if len(lines) == most - 1:
                lines.append(clipped(line + "".join(rest[place:]), room, size))
                return lines
            lines.append(clipped(line.rstrip(), room, size))
            line = ""
        line += piece
    return [*lines, clipped(line.rstrip(), room, size)][:most]


def _pieces(text: str) -> list[str]:
    """Return words with the space after them; signs of scripts without spaces separately."""
    pieces: list[str] = [""]
    for sign in text:
        wide = unicodedata.east_asian_width(sign) in "WF"
        if wide and pieces[-1]:
            pieces.append("")
        pieces[-1] += sign
        if sign == " " or wide:
            pieces.append("")
    return [piece for piece in pieces if piece]
