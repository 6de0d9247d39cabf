"""Canonical JSON (RFC 8785, JSON Canonicalization Scheme), for values without fractions.

orjson writes JSON as the RFC requires: no white space, the shortest escapes, UTF-8. It sorts names by code
point, the RFC by UTF-16 code unit. The two orders differ only above U+FFFF; names with such characters are
sorted here. Numbers are integers up to 2**53 - 1; decimals are strings.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

_BEYOND_FFFF = re.compile(rb"[\xf0-\xf4]")  # the lead bytes of four-byte UTF-8


def canonical(value: object) -> bytes:
    """Return the canonical JSON of a value; raise ``TypeError`` if it contains a float or another type."""
    written = orjson.dumps(
        value, default=_refuse, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
    )
    if not written.isascii() and _BEYOND_FFFF.search(written):
        return orjson.dumps(_sorted(value), default=_refuse, option=orjson.OPT_STRICT_INTEGER)
    return written


def parse(text: bytes | str) -> Any:
    """Return the value of a JSON text; raise ``ValueError`` if it is not valid JSON."""
    return orjson.loads(text)


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return {name: _sorted(value[name]) for name in names}
    if isinstance(value, list | tuple):
        return [_sorted(item) for item in value]
    return value


def _refuse(value: object) -> object:
    raise TypeError(f"canonical JSON cannot contain a {type(value).__name__}")
