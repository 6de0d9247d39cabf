"""Divides texts in any script into folded words, which full-text search compares; the same for every store.

A text is decomposed (NFKD), stripped of combining marks and case-folded. Runs of letters and digits are
words, and each Han, Kana or Hangul character is a word by itself; a word is cut off after 64 characters. So
``hǎiwài`` and ``haiwai`` are the same word, and 服务站 is found as a phrase in a longer run.
The full-text index contains exactly these words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from claimledger.text.unicode import GRAPHEME_JOINER, stream_safe

LONGEST = 64

_SINGLE = (
    "\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3041-\u30ff\u3131-\u318e"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
)
"""The characters that are words by themselves."""

_WORD = re.compile(rf"[{_SINGLE}]|[^\W_{_SINGLE}]+")
_ALONE = re.compile(rf"[{_SINGLE}]+")


def words_of(text: str) -> list[str]:
    """Return the folded words of a text, in order."""
    return joined_words(text).split()


def joined_words(text: str) -> str:
    """Return the folded words of a text in order, separated by spaces."""
    return " ".join(filter(None, _words_in_pieces(text)))


def _words_in_pieces(text: str) -> Iterator[str]:
    """Yield the joined words of each piece of a text."""
    # A list of all words takes many times the memory of a long text, so only those of one piece exist at a
    # time. The last word of a piece may continue in the next one; it is carried over, and cut off so that a
    # text without spaces does not become one ever longer word.
    unfinished = ""
    for piece in _pieces(text):
        folded = unfinished + _fold(piece)
        words = _WORD.findall(folded)
        unfinished = ""
        if words and folded.endswith(words[-1]) and not _ALONE.fullmatch(words[-1]):
            unfinished = words.pop()[:LONGEST]
        yield " ".join([word[:LONGEST] for word in words])
    yield unfinished


def _pieces(text: str) -> Iterator[str]:
    """Yield a text in pieces that begin with no combining mark, so that each can be folded by itself."""
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
    # Case folding can produce new combining marks (from ŉ or İ), which the second pass removes.
    return unicodedata.normalize("NFKD", bare.casefold()).translate(_WITHOUT_MARKS)


class _Marks(dict[int, int | None]):
    """A table for ``str.translate`` that removes combining marks. It is filled in on demand."""

    def __missing__(self, code_point: int) -> int | None:
        self[code_point] = folded = None if unicodedata.combining(chr(code_point)) else code_point
        return folded


_WITHOUT_MARKS = _Marks()


@dataclass(frozen=True, slots=True)
class Place:
    """A folded word, with the position of its characters in the original text."""

    word: str
    start: int
    end: int


def places_of(text: str) -> Iterator[Place]:
    """Yield the folded words of a text with their positions in it, for marking matches."""
    start = None
    word = ""
    for position, character in enumerate(text):
        folded, single = _folded_character(character)
        if folded is None and start is not None and unicodedata.combining(character):
            continue  # a combining mark belongs to the word and adds nothing to it
        if start is not None and (folded is None or single):
            yield Place(word[:LONGEST], start, position)
            start, word = None, ""
        if single and folded is not None:
            yield from (Place(part, position, position + 1) for part in folded)
        elif folded is not None:
            start = position if start is None else start
            # Characters that would be cut off are not collected: appending can copy the whole word each time.
            word = word if len(word) >= LONGEST else word + folded
    if start is not None:
        yield Place(word[:LONGEST], start, len(text))


@lru_cache(maxsize=4096)
def _folded_character(character: str) -> tuple[str | None, bool]:
    """Return the letters that a character adds to a word, if any, and whether it is a word by itself."""
    folded = "".join(_WORD.findall(_fold(character)))
    return folded or None, bool(_ALONE.fullmatch(folded))
