"""Search words: a long text is cut into the words that a short one is, with little memory."""

from __future__ import annotations

import tracemalloc
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claimledger.text import fold
from claimledger.text.fold import joined_words, words_of

SIGNS = st.text(
    "aZ9_ .ß\u0130\u0149\u0301\u0323\u0f73\u0344\ufdfa\u5357\uac00\u30ab\u3099\U00010450"
)


@given(SIGNS)
def test_pieces_give_the_words_of_the_whole(text: str) -> None:
    complete = words_of(text)
    with pytest.MonkeyPatch.context() as changed:
        for size in (1, 2, 7):
            changed.setattr(fold, "_PIECE", size)
            assert words_of(text) == complete


@given(SIGNS)
def test_words_are_folded_letters_and_digits(text: str) -> None:
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    bare = "".join(sign for sign in folded if not unicodedata.combining(sign))
    signs = "".join(sign for sign in bare if sign.isalnum())
    assert "".join(words_of(text)) == signs


def test_a_word_that_runs_over_many_pieces_is_cut_as_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "x" * 1000 + " end"
    monkeypatch.setattr(fold, "_PIECE", 10)
    assert words_of(text) == ["x" * fold.LONGEST, "end"]


@pytest.mark.parametrize("sign", ["\ufdfa", "ab ", "\u5357"])
def test_the_words_of_a_long_text_take_little_memory(sign: str) -> None:
    text = sign * (2_000_000 // len(sign.encode()))
    tracemalloc.start()
    result = joined_words(text)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 * len(result) + 10_000_000  # a list of the words alone takes more
