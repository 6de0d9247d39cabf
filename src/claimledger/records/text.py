"""What a text may hold, how two texts compare, and how a text is shown.

Texts are Unicode and kept as given. Comparison is in NFC (Unicode Standard Annex 15). Names, labels
and keys refuse control characters and bidirectional overrides (Unicode Standard Annex 9), because
they can make one name look like another; statements and quotes keep theirs and are shown escaped.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError

_NUL = "\x00"
_CONTROL = "\x00-\x1f\x7f-\x9f\u2028\u2029"
_BIDI = "\u202a-\u202e\u2066-\u2069"
_HIDDEN = re.compile(f"[{_CONTROL}{_BIDI}\u200b\u200e\u200f\u061c\ufeff\ufff9-\ufffb]")
_UNFIT_FOR_NAMES = re.compile(f"[{_CONTROL}{_BIDI}]")


def same(one: str, other: str) -> bool:
    """Whether two texts are equal in NFC."""
    return one == other or nfc(one) == nfc(other)


def nfc(text: str) -> str:
    """Return the text in Unicode normalisation form C."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def visible(text: str) -> str:
    r"""Return the text with control and direction characters written out (``\n``, ``\u202e``)."""
    return _HIDDEN.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    sign = match.group()
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(sign)
    return short or (f"\\x{ord(sign):02x}" if ord(sign) < 256 else f"\\u{ord(sign):04x}")


def _prose(text: str) -> str:
    # A lone surrogate never gets here: pydantic refuses it as no valid Unicode.
    if _NUL in text:
        raise PydanticCustomError("text", "holds a NUL character, which no text may")
    return text


def _name(text: str) -> str:
    found = _UNFIT_FOR_NAMES.search(text)
    if found:
        sign = visible(found.group())
        raise PydanticCustomError(
            "name", "holds the control or direction character {sign}; leave it out", {"sign": sign}
        )
    if text != text.strip():
        raise PydanticCustomError("name", "begins or ends with white space; leave it out")
    return text


Prose = Annotated[str, StringConstraints(min_length=1), AfterValidator(_prose)]
"""Running text: a statement, a quote, a note. Any character but NUL."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_name)]
"""A name, label or title: one line, no control or direction characters."""
