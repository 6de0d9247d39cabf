"""Keys: what people type, cite and link to.

A key is a lowercase slug the user chose, or its kind's capital letter and the next number. Slugs are
``a-z``, ``0-9`` and hyphens, so the two never meet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import StringConstraints

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,99}", re.ASCII)
_NUMBERED = re.compile(r"([A-Z])([1-9][0-9]{0,8})", re.ASCII)

LONGEST = 100
HIGHEST_NUMBER = 999_999_999
"""The highest number a key may have: the log's format bounds it, so that there is always a next one."""


def is_key(text: str) -> bool:
    """Whether the text has the form of a key, of whatever kind."""
    return bool(_SLUG.fullmatch(text) or _NUMBERED.fullmatch(text))


def number_of(key: str, letter: str) -> int:
    """Return the number in a key such as ``C12`` of the kind with this letter, else 0."""
    match = _NUMBERED.fullmatch(key)
    return int(match.group(2)) if match and match.group(1) == letter else 0


def slug(text: str) -> str:
    """Return a slug of the text's ASCII letters and digits; empty if it has none."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    return "-".join(words)[:60].strip("-")


def key_fault(text: str) -> str:
    """Return what is wrong with a text that is not a valid key, and what would be right."""
    hint = f"; {slug(text)!r} would do" if slug(text) else ""
    return (
        f"is not a key: a-z, 0-9 and hyphens, at most {LONGEST} characters, or a kind's letter and a "
        f"number up to {HIGHEST_NUMBER:,}{hint}"
    )


# The pattern is checked inside pydantic; a Python function would double the cost of a claim.
KEY_PATTERN = f"^(?:{_SLUG.pattern}|{_NUMBERED.pattern})$"
Key = Annotated[str, StringConstraints(pattern=KEY_PATTERN)]
"""A record's key, unique in its kind, never changed or used again."""


@dataclass(frozen=True, slots=True)
class RefersTo:
    """Marks a field that contains the key of another record, and of which kind."""

    to: str


PartyKey = Annotated[Key, RefersTo("party")]
SourceKey = Annotated[Key, RefersTo("source")]
SubjectKey = Annotated[Key, RefersTo("subject")]
ClaimKey = Annotated[Key, RefersTo("claim")]
CaptureKey = Annotated[Key, RefersTo("capture")]
LinkKey = Annotated[Key, RefersTo("link")]
TermKey = Annotated[Key, RefersTo("term")]
