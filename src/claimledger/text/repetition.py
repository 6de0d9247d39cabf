"""Whether a text that is to be destroyed is repeated in another: case, marks and punctuation do not count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from claimledger.text.fold import words_of

SHORTEST = 8
"""Characters: shorter texts occur everywhere by chance, so finding one again shows nothing."""


@dataclass(frozen=True)
class Passage:
    """A text that is looked for, or looked into."""

    text: str

    @cached_property
    def words(self) -> str:
        """The folded words of the text, with a blank between and around them."""
        return f" {' '.join(words_of(self.text))} "

    @cached_property
    def longest_word(self) -> str:
        """The longest of the folded words."""
        return max(self.words.split(), key=len, default="")

    def holds(self, sought: Passage) -> bool:
        """Whether this passage contains another, exactly or word for word."""
        if sought.text in self.text:
            return True
        return len(sought.words) >= SHORTEST + 2 and sought.words in self.words


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value; names of members are none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _in_all(value.values())
    elif isinstance(value, list | tuple):
        yield from _in_all(value)


def _in_all(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        yield from texts_in(value)
