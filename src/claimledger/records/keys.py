"""Keys: the names of records, which people type and cite.

A key is a lowercase slug that the user chose, or the capital letter of its kind and a number. Slugs have only
``a-z``, ``0-9`` and hyphens, so the two forms are always distinct.
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
"""The highest number in a key that the log's format allows."""


def is_key(text: str) -> bool:
    """Whether a text has the form of a key of any kind."""
    return bool(_SLUG.fullmatch(text) or _NUMBERED.fullmatch(text))


def number_of(key: str, letter: str) -> int:
    """Return the number in a key such as ``C12``; 0 if the key does not begin with the letter of the kind."""
    match = _NUMBERED.fullmatch(key)
    return int(match.group(2)) if match and match.group(1) == letter else 0


def slug(text: str) -> str:
    """Return a slug from the ASCII letters and digits of a text; empty if it has none."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    return "-".join(words)[:60].strip("-")


def key_fault(text: str) -> str:
    """Return why a text is not a valid key, with a suggestion if there is one."""
    hint = f"; {slug(text)!r} would be one" if slug(text) else ""
    return (
        f"is not a key: a key has only a-z, 0-9 and hyphens, at most {LONGEST} characters, or is the letter "
        f"of a kind and a number up to {HIGHEST_NUMBER:,}{hint}"
    )


# pydantic checks the pattern itself; with a Python function, checking a claim would take twice as long.
KEY_PATTERN = f"^(?:{_SLUG.pattern}|{_NUMBERED.pattern})$"
Key = Annotated[str, StringConstraints(pattern=KEY_PATTERN)]
"""The key of a record: unique in its kind, never changed and never reused."""


@dataclass(frozen=True, slots=True)
class RefersTo:
    """Marks a field that contains the key of another record; ``to`` is the kind of that record."""

    to: str


PartyKey = Annotated[Key, RefersTo("party")]
SourceKey = Annotated[Key, RefersTo("source")]
SubjectKey = Annotated[Key, RefersTo("subject")]
ClaimKey = Annotated[Key, RefersTo("claim")]
CaptureKey = Annotated[Key, RefersTo("capture")]
LinkKey = Annotated[Key, RefersTo("link")]
TermKey = Annotated[Key, RefersTo("term")]
