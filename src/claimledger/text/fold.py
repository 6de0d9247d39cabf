"""Search words: one way to cut any text into words, in any script, the same on every store.

NFKD, marks off, case folded; letters and digits make words, each Han, Kana or Hangul sign is a word of
its own; a word is cut at 64 characters. So ``hǎiwài`` and ``haiwai`` are one word, and 服务站 is found
inside a run of signs as a phrase. The full-text index contains exactly these words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from claimledger.text.unicode import GRAPHEME_JOINER, stream_safe

LONGEST = 64

_SIGNS = (
    "\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3041-\u30ff\u3131-\u318e"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_SIGNS}]|[^\W_{_SIGNS}]+")
_ALONE = re.compile(rf"[{_SIGNS}]+")


def words_of(text: str) -> list[str]:
    """Return the folded words of a text, in order."""
    return joined_words(text).split()


def joined_words(text: str) -> str:
    """Return the folded words of a text in order, a space between each two."""
    return " ".join(filter(None, _words_in_pieces(text)))


def _words_in_pieces(text: str) -> Iterator[str]:
    """Yield the words of a text, joined, those of some thousand signs at once: a list of all is larger."""
    begun = ""
    for piece in _pieces(text):
        folded = begun + _fold(piece)
        words = _WORD.findall(folded)
        begun = ""
        if words and folded.endswith(words[-1]) and not _ALONE.fullmatch(words[-1]):
            begun = words.pop()[:LONGEST]  # it may continue in the next piece
        yield " ".join([word[:LONGEST] for word in words])
    yield begun


def _pieces(text: str) -> Iterator[str]:
    """Yield a text in pieces that fold alone as they do together: none begins with a combining mark."""
    start = 0
    while len(text) - start > _PIECE:
        end = start + _PIECE
        while end < len(text) and unicodedata.combining(text[end]):
            end += 1
        yield text[start:end]
        start = end
    yield text[start:]


_PIECE = 1 << 16


def _fold(text: str) -> str:
    if text.isascii():
        return text.lower()
    safe = stream_safe(text)
    bare = unicodedata.normalize("NFKD", safe).translate(_WITHOUT_MARKS)
    if safe is not text:
        bare = bare.replace(GRAPHEME_JOINER, "")
    # Folding can bring marks back (ŉ, İ): a second pass takes them off.
    return unicodedata.normalize("NFKD", bare.casefold()).translate(_WITHOUT_MARKS)


class _Marks(dict[int, int | None]):
    """Maps a combining mark to nothing and any other sign to itself, learning of them as they come up."""

    def __missing__(self, sign: int) -> int | None:
        self[sign] = folded = None if unicodedata.combining(chr(sign)) else sign
        return folded


_WITHOUT_MARKS = _Marks()


@dataclass(frozen=True, slots=True)
class Place:
    """A word of a text, with its position."""

    word: str
    start: int
    end: int


def places_of(text: str) -> Iterator[Place]:
    """Yield the words of a text with their places in the text as given, for marking a match."""
    start = None
    word = ""
    for position, sign in enumerate(text):
        folded, single = _folded_sign(sign)
        if folded is None and start is not None and unicodedata.combining(sign):
            continue  # a mark behind its letter belongs to the word and adds nothing to it
        if start is not None and (folded is None or single):
            yield Place(word[:LONGEST], start, position)
            start, word = None, ""
        if single and folded is not None:
            yield from (Place(part, position, position + 1) for part in folded)
        elif folded is not None:
            start = position if start is None else start
            # What is cut off anyway is not collected: a text that grows is copied, at times, with each sign.
            word = word if len(word) >= LONGEST else word + folded
    if start is not None:
        yield Place(word[:LONGEST], start, len(text))


@lru_cache(maxsize=4096)
def _folded_sign(sign: str) -> tuple[str | None, bool]:
    """Return what a sign adds to a word, if anything, and whether it forms a word by itself."""
    folded = "".join(_WORD.findall(_fold(sign)))
    return folded or None, bool(_ALONE.fullmatch(folded))
