"""Texts are measured, cut and wrapped as a terminal shows them."""

from __future__ import annotations

import sys
import time

import pytest
import wcwidth
from hypothesis import given
from hypothesis import strategies as st

from claimledger.cli.output import cut
from claimledger.render.diagrams.text_width import clipped, lines_of
from claimledger.text import width as text_width
from claimledger.text.unicode import visible
from claimledger.text.width import cells, clusters, pieces, shortened, wrapped

FAMILY = "👩\u200d👩\u200d👧"
FLAG = "🇳🇱"
VIRAMA = "\u094d"

AS_WRITTEN = [
    *f"ab — é 統計 א 한 ｶﾞ {FAMILY} {FLAG} 👍🏽 ❤\ufe0f 1\ufe0f\u20e3 e\u0301 का क्ष ஸ்ரீ \u1100\u1161 א\u05b0\u200f".split(),
    " ",
]
"""Characters as people write them, of one code point or several."""

any_text = st.lists(
    st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from(AS_WRITTEN),
    max_size=60,
).map("".join)
written_text = st.lists(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Mn", "Mc", "Me"])
    | st.sampled_from(AS_WRITTEN),
    max_size=60,
).map("".join)
"""Without joiners and marks that stand alone: wcwidth counts them together with what follows, others alone."""


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("claim", 5),
        ("1.2–1.5 “Straße” …", 18),
        ("統計局", 6),
        ("e\u0301te\u0301", 3),
        (FAMILY, 2),
        (FLAG, 2),
        ("❤\ufe0f", 2),
        ("\u200bא\u200f", 1),
        ("क्ष", 1 if cells("क्ष") == 1 else 2),
    ],
)
def test_a_text_takes_the_columns_that_a_terminal_gives_it(text: str, columns: int) -> None:
    assert cells(text) == columns


def test_the_shortcut_for_plain_texts_agrees_with_wcwidth() -> None:
    plain = [sign for sign in map(chr, range(0x20, 0x3000)) if text_width._PLAIN.fullmatch(sign)]
    assert len(plain) > 600
    assert all(wcwidth.width(sign, control_codes="ignore") == 1 for sign in plain)
    assert list(wcwidth.iter_graphemes("".join(plain))) == plain


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("abc def", 5, "abc…"),
        ("ab", 1, "…"),
        ("統計局", 6, "統計局"),
        ("統計局", 5, "統計…"),
        ("統計局", 4, "統…"),
        ("e\u0301" * 4, 3, "e\u0301" * 2 + "…"),
        (FAMILY * 3, 5, FAMILY * 2 + "…"),
        (FAMILY * 3, 4, FAMILY + "…"),
        (FLAG * 3, 4, FLAG + "…"),
        ("א\u05b0" * 4, 3, "א\u05b0" * 2 + "…"),
        ("a\u202eb", 12, "a\\u202eb"),
        ("a\u202eb", 5, "a\\u2…"),
    ],
)
def test_a_text_is_cut_between_characters(text: str, columns: int, expected: str) -> None:
    assert cut(text, columns) == expected


@given(any_text, st.integers(1, 40))
def test_a_cut_text_fits_and_ends_between_characters(text: str, columns: int) -> None:
    shown = shortened(text, columns)
    assert cells(shown) <= columns
    if shown != text:
        boundaries, start = {""}, ""
        for cluster in wcwidth.iter_graphemes(text):
            start += cluster
            boundaries.add(start.rstrip())
        assert shown.endswith("…")
        assert shown[:-1] in boundaries


@given(written_text, st.integers(8, 40), st.integers(0, 4), st.integers(0, 4))
def test_wrapped_lines_fit_and_hold_the_whole_text(
    text: str, columns: int, indent: int, hang: int
) -> None:
    lines = list(wrapped(text, columns + indent + hang, indent, hang))
    for line in lines:
        assert cells(line) <= columns + indent + hang
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(any_text)
def test_the_parts_of_a_text_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == "".join(clusters(text)) == text


@given(any_text, st.floats(20, 300))
def test_a_label_is_cut_between_characters(text: str, room: float) -> None:
    label = clipped(text, room)
    if label != visible(text):
        boundaries, start = {""}, ""
        for cluster in wcwidth.iter_graphemes(visible(text)):
            start += cluster
            boundaries.add(start.rstrip())
        assert label[:-1] in boundaries
    assert lines_of(FAMILY * 3, 80, 1) == [FAMILY + "…"]


def test_a_long_text_without_spaces_is_wrapped_at_once() -> None:
    """wcwidth's own wrap takes 20 seconds for a fourth of this text."""
    start = time.process_time()
    assert len(list(wrapped("統計" * 80_000, 80))) == 4000
    assert time.process_time() - start < 5


def test_plain_texts_need_no_wcwidth() -> None:
    code = (
        "import sys; from claimledger.text.width import *; shortened('“1–2” é…', 5); list(wrapped('é ' * 99, 80));"
        "sys.exit('wcwidth' in sys.modules)"
    )
    import subprocess

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
