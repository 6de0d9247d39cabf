"""Finds out whether one text repeats another, apart from case, combining marks and punctuation.

A redaction uses this to report other records that contain a text which is to be destroyed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from claimledger.text.fold import words_of

SHORTEST = 8
"""The fewest characters of a text that is looked for: shorter texts occur everywhere by chance."""


@dataclass(frozen=True)
class Passage:
    """A text that is searched for, or searched."""

    text: str

    @cached_property
    def words(self) -> str:
        """The folded words of the text, with a space before and after each."""
        return f" {' '.join(words_of(self.text))} "

    @cached_property
    def longest_word(self) -> str:
        """The longest of the folded words."""
        return max(self.words.split(), key=len, default="")

    def contains(self, passage: Passage) -> bool:
        """Whether this passage contains another one, exactly or word for word."""
        if passage.text in self.text:
            return True
        return len(passage.words) >= SHORTEST + 2 and passage.words in self.words


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value, except the names of members."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _in_all(value.values())
    elif isinstance(value, list | tuple):
        yield from _in_all(value)


def _in_all(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        yield from texts_in(value)
