"""The characters that texts may contain, the comparison of texts, and how texts are displayed.

Texts are Unicode and are stored unchanged. They are compared in NFC (Unicode Standard Annex 15). Names,
labels and keys must not contain control characters or bidirectional overrides (Unicode Standard Annex 9),
because these can make one name look like another. Statements and quotes may contain them, and are displayed
escaped.
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache
from typing import Annotated

from pydantic import StringConstraints

_NUL = "\x00"
_CONTROL = "\x00-\x1f\x7f-\x9f\u2028\u2029"
_BIDI = "\u202a-\u202e\u2066-\u2069"
_MARKS = "\u200b\u200e\u200f\u061c\ufeff\ufff9-\ufffb"
_LONE = "\ud800-\udfff"
_NONCHARACTERS = "\ufdd0-\ufdef\ufffe\uffff"
"""Code points that are not characters; XML does not allow some of them (XML 1.0, production 2)."""

_NONE_BEYOND = "".join(
    chr(plane * 0x10000 + last) for plane in range(1, 17) for last in (0xFFFE, 0xFFFF)
)
_HIDDEN = re.compile(f"[{_CONTROL}{_BIDI}{_MARKS}{_LONE}{_NONCHARACTERS}{_NONE_BEYOND}]")
_HIDDEN_IN_JSON = re.compile(  # JSON escapes the other ones
    f"[\x7f-\x9f\u2028\u2029{_BIDI}{_MARKS}{_LONE}{_NONCHARACTERS}{_NONE_BEYOND}]"
)
_UNFIT_FOR_NAMES = re.compile(f"[{_CONTROL}{_BIDI}]")


def same(left: str, right: str) -> bool:
    """Whether two texts are equal in NFC."""
    return left == right or nfc(left) == nfc(right)


def nfc(text: str) -> str:
    """Return the NFC of a text, which is made stream-safe first; see :func:`stream_safe`."""
    return text if text.isascii() else unicodedata.normalize("NFC", stream_safe(text))


_LONG = 10_000
"""Up to this many characters, even a text of combining marks alone is normalised in milliseconds."""

GRAPHEME_JOINER = "\u034f"


def stream_safe(text: str) -> str:
    """Return a text that can be normalised quickly: a long text has at most 30 combining marks in a row.

    Normalisation sorts each run of marks, in time that grows with the square of its length. An invisible
    character divides long runs: the Stream-Safe Text Format (Unicode Standard Annex 15, section 13).
    """
    return text if len(text) < _LONG else _long_run().sub(rf"\g<0>{GRAPHEME_JOINER}", text)


@lru_cache
def _long_run() -> re.Pattern[str]:
    marks = "".join(filter(unicodedata.combining, map(chr, range(0x300, 0x20000))))
    return re.compile(f"[{marks}]{{30}}(?=[{marks}])")


def visible(text: str) -> str:
    r"""Return a text with its hidden characters escaped (``\n``, ``\u202e``, ``\uffff``).

    These are control and direction characters, invisible marks, and noncharacters.
    """
    return _HIDDEN.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character)
    if short:
        return short
    number = ord(character)
    if number > 0xFFFF:
        return f"\\U{number:08x}"
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def json_text(value: object, indent: int | None = 2) -> str:
    r"""Return a value as JSON with characters of any script as they are, and hidden ones escaped
    (``\u202e``).

    The escapes mean the same to a program, but a terminal does not act on them.
    """
    compact = (",", ":") if indent is None else None
    written = json.dumps(value, ensure_ascii=False, indent=indent, separators=compact)
    return _HIDDEN_IN_JSON.sub(lambda match: json.dumps(match.group())[1:-1], written)


def not_unicode(text: str) -> str:
    """Return why a text that no pattern has checked cannot be stored; empty if it can."""
    if _NUL in text:
        return _HAS_NUL
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "is not valid Unicode (it has bytes that are not UTF-8, or a lone surrogate)"
    return ""


_HAS_NUL = "contains a NUL character, which is not allowed in texts"


def name_fault(text: str) -> str:
    """Return what is wrong with a text that does not match the pattern of :data:`Name` or :data:`Prose`."""
    unfit = _UNFIT_FOR_NAMES.search(text)
    if _NUL in text:
        return _HAS_NUL
    if unfit:
        return f"contains the control or direction character {visible(unfit.group())}; leave it out"
    return "begins or ends with white space; leave it out"


# pydantic refuses a lone surrogate before it checks a pattern. It checks patterns itself: with Python
# functions, checking a record would take twice as long.
Prose = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00]*$")]
"""Running text, such as a statement, a quote or a note, with any character except NUL."""

_FIT = f"[^{_CONTROL}{_BIDI}]".replace("\x00", r"\x00")
_FIT_AT_END = rf"[^\s{_CONTROL}{_BIDI}]".replace("\x00", r"\x00")

LONGEST_NAME = 1000
"""The most characters in a name."""

Name = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=LONGEST_NAME, pattern=rf"^{_FIT_AT_END}(?:{_FIT}*{_FIT_AT_END})?$"
    ),
]
"""A name, label or title: one line without control or direction characters."""
