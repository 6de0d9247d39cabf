"""Search words: a long text is split piece by piece, with the same result and little memory."""

from __future__ import annotations

import tracemalloc
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claimledger.text import fold
from claimledger.text.fold import joined_words, words_of

TEXTS = st.text(
    "aZ9_ .ß\u0130\u0149\u0301\u0323\u0f73\u0344\ufdfa\u5357\uac00\u30ab\u3099\U00010450"
)


@given(TEXTS)
def test_splitting_in_pieces_gives_the_same_words(text: str) -> None:
    expected = words_of(text)
    with pytest.MonkeyPatch.context() as patched:
        for size in (1, 2, 7):
            patched.setattr(fold, "_PIECE", size)
            assert words_of(text) == expected


@given(TEXTS)
def test_words_are_folded_letters_and_digits(text: str) -> None:
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    unmarked = "".join(char for char in folded if not unicodedata.combining(char))
    expected = "".join(char for char in unmarked if char.isalnum())
    assert "".join(words_of(text)) == expected


def test_a_word_longer_than_a_piece_is_cut_at_the_usual_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "x" * 1000 + " end"
    monkeypatch.setattr(fold, "_PIECE", 10)
    assert words_of(text) == ["x" * fold.LONGEST, "end"]


@pytest.mark.parametrize("repeated", ["\ufdfa", "ab ", "\u5357"])
def test_the_words_of_a_long_text_take_little_memory(repeated: str) -> None:
    text = repeated * (2_000_000 // len(repeated.encode()))
    tracemalloc.start()
    words = joined_words(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * len(words) + 10_000_000  # a list of the words alone takes more
