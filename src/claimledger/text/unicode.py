"""What a text may hold, how two texts compare, and how a text is shown.

Texts are Unicode and kept as given. Comparison is in NFC (Unicode Standard Annex 15). Names, labels
and keys refuse control characters and bidirectional overrides (Unicode Standard Annex 9), because
they can make one name look like another; statements and quotes keep theirs and are shown escaped.
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
"""Never characters, and some of them not allowed in XML (XML 1.0, production 2)."""

_NONE_BEYOND = "".join(
    chr(plane * 0x10000 + last) for plane in range(1, 17) for last in (0xFFFE, 0xFFFF)
)
_HIDDEN = re.compile(f"[{_CONTROL}{_BIDI}{_MARKS}{_LONE}{_NONCHARACTERS}{_NONE_BEYOND}]")
_HIDDEN_IN_JSON = re.compile(  # the rest JSON escapes
    f"[\x7f-\x9f\u2028\u2029{_BIDI}{_MARKS}{_LONE}{_NONCHARACTERS}{_NONE_BEYOND}]"
)
_UNFIT_FOR_NAMES = re.compile(f"[{_CONTROL}{_BIDI}]")


def same(left: str, right: str) -> bool:
    """Whether two texts are equal in NFC."""
    return left == right or nfc(left) == nfc(right)


def nfc(text: str) -> str:
    """Return the text in Unicode normalisation form C.

    Of a long text whose combining marks run on for ever, that of its stream-safe form.
    """
    return text if text.isascii() else unicodedata.normalize("NFC", stream_safe(text))


_LONG = 10_000
"""Signs up to which a text of nothing but combining marks is normalised in some milliseconds."""

GRAPHEME_JOINER = "\u034f"


def stream_safe(text: str) -> str:
    """Return a text fit to be normalised: a long one has no more than 30 combining marks in a row.

    To sort a run of marks takes a time that grows with its square. It is broken up by a sign that is not
    seen: the Stream-Safe Text Format (Unicode Standard Annex 15, section 13).
    """
    return text if len(text) < _LONG else _long_run().sub(rf"\g<0>{GRAPHEME_JOINER}", text)


@lru_cache
def _long_run() -> re.Pattern[str]:
    marks = "".join(filter(unicodedata.combining, map(chr, range(0x300, 0x20000))))
    return re.compile(f"[{marks}]{{30}}(?=[{marks}])")


def visible(text: str) -> str:
    r"""Return the text with what does not show as itself written out (``\n``, ``\u202e``, ``\uffff``).

    These are control and direction characters, invisible marks, and noncharacters.
    """
    return _HIDDEN.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    sign = match.group()
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(sign)
    if short:
        return short
    number = ord(sign)
    if number > 0xFFFF:
        return f"\\U{number:08x}"
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def json_text(value: object, indent: int | None = 2) -> str:
    r"""Return a value as JSON, readable in any script, hidden characters as ``\u202e`` escapes.

    The escapes mean the same to a program; a terminal does not obey them.
    """
    compact = (",", ":") if indent is None else None
    written = json.dumps(value, ensure_ascii=False, indent=indent, separators=compact)
    return _HIDDEN_IN_JSON.sub(lambda match: json.dumps(match.group())[1:-1], written)


def not_unicode(text: str) -> str:
    """Return what keeps a text that no pattern saw from being stored; empty where nothing does."""
    if _NUL in text:
        return "holds a NUL character, which no text may"
    if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
        return "is not valid Unicode (bytes that are no UTF-8, or a lone surrogate)"
    return ""


def name_fault(text: str) -> str:
    """Return what is wrong with a text that a pattern below refused."""
    unfit = _UNFIT_FOR_NAMES.search(text)
    if _NUL in text:
        return "holds a NUL character, which no text may"
    if unfit:
        return f"holds the control or direction character {visible(unfit.group())}; leave it out"
    return "begins or ends with white space; leave it out"


# A lone surrogate never gets as far as a pattern: pydantic refuses it as no valid Unicode. Patterns are
# checked inside pydantic; Python functions would cost as much again as all else in a record.
Prose = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00]*$")]
"""Running text: a statement, a quote, a note. Any character but NUL."""

_FIT = f"[^{_CONTROL}{_BIDI}]".replace("\x00", r"\x00")
_FIT_AT_END = rf"[^\s{_CONTROL}{_BIDI}]".replace("\x00", r"\x00")

LONGEST_NAME = 1000
"""Characters in a name."""

Name = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=LONGEST_NAME, pattern=rf"^{_FIT_AT_END}(?:{_FIT}*{_FIT_AT_END})?$"
    ),
]
"""A name, label or title: one line, no control or direction characters."""
