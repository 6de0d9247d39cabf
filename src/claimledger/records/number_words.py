"""Parses numbers as people write them: "over 1,800", "some 230,000", "1.2–1.5 billion", "twenty-seven".

:func:`read_value` turns one such text into bounds and a qualifier; :func:`find_values` finds such texts in a
sentence. Both use the same grammar. Commas or (thin, no-break) spaces separate thousands, and a point
separates decimals; a text that could be read in another way is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from claimledger.errors import ParseError

FORMS = (
    'write a number ("54", "1,800", "5.85 million", "twenty-seven"), a range ("1.2–1.5 billion") or '
    'one with over, at least, about, at most, under ("over 1,800"); write what is counted in `measure`'
)

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_UNITS = {word: n for n, word in enumerate(_SMALL)} | {
    word: 20 + 10 * n for n, word in enumerate(_TENS)
}
_SCALES = {
    "hundred": 100,
    "thousand": 1000,
    "k": 1000,
    "万": 10**4,
    "million": 10**6,
    "m": 10**6,
    "mn": 10**6,
    "亿": 10**8,
    "billion": 10**9,
    "bn": 10**9,
    "trillion": 10**12,
}
_QUALIFIERS = {
    "over": ("over", "more than", "above", "exceeding", "upwards of", ">"),
    "at least": ("at least", "no fewer than", "no less than", "not less than", "≥", ">="),
    "under": ("under", "less than", "fewer than", "below", "<"),
    "at most": ("at most", "up to", "no more than", "not more than", "≤", "<="),
    "about": (
        *("about", "around", "approximately", "some", "roughly", "circa", "nearly", "almost"),
        *("approx.", "ca.", "~", "约"),
    ),
    "exact": ("exactly", "precisely", "="),
}
_BY_PHRASE = {phrase: name for name, phrases in _QUALIFIERS.items() for phrase in phrases}

_DIGITS = r"[-−]?(?:\d{1,3}(?:[,\u00a0\u2009\u202f ]\d{3})+|\d{1,30})(?:\.\d{1,30})?"
_WORD = "(?:" + "|".join([*_TENS, *sorted(_SMALL, key=len, reverse=True)]) + ")"
_BIG = r"(?:hundred|thousand|million|billion)"
_WORDS = rf"{_WORD}(?:[\s-]+(?:{_WORD}|{_BIG}(?:\s+and(?=\s+{_WORD}))?))*"
_SCALE = r"(?:\s*(?:hundred|thousand|million|billion|trillion|mn|bn|[km]|万|亿)(?![a-z]))"
_NUMBER = rf"(?:{_DIGITS}{_SCALE}?|{_WORDS})"
_PHRASES = "|".join(re.escape(phrase) for phrase in sorted(_BY_PHRASE, key=len, reverse=True))
_PATTERN = re.compile(
    rf"(?:(?P<phrase>{_PHRASES})\s*)?(?:between\s+)?(?P<low>{_NUMBER})"
    rf"(?:\s*(?:–|—|-|to|and)\s*(?P<high>{_NUMBER}))?"
    r"(?P<tail>\s+or\s+(?:more|fewer|less)|\+)?(?:\s*(?P<percent>%|percent\b|per cent\b))?",
    re.IGNORECASE,
)
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Value:
    """A number in a text: its bounds, qualifier and unit (``%`` or none), and its position in the text."""

    low: Decimal | None
    high: Decimal | None
    qualifier: str
    unit: str | None
    start: int = 0
    end: int = 0


def read_value(text: str) -> Value:
    """Return the value that a whole text states; raise :class:`ParseError` if it is not one."""
    stripped = text.strip()
    match = _PATTERN.fullmatch(stripped) if len(stripped) <= _LONGEST else None
    value = _value(match) if match else None
    if value is None:
        raise ParseError(f"is not understood as a number; {FORMS}")
    return value


def find_values(text: str) -> Iterator[Value]:
    """Yield the values in a text in order, with their positions."""
    for match in _PATTERN.finditer(text):
        before, after = text[: match.start()][-1:], text[match.end() :][:1]
        if _joins_a_word(before) or _joins_a_word(after) or before in (".", "-"):
            continue
        value = _value(match)
        if value is not None:
            yield value


def _joins_a_word(character: str) -> bool:
    """Whether a character next to a number makes it part of a word; in scripts without spaces, none does."""
    return character.isalnum() and ord(character) < 0x2E80


def _value(match: re.Match[str]) -> Value | None:
    low_text, high_text = match["low"], match["high"]
    if high_text is not None:
        low_text = _shared_scale(low_text, high_text)
    low = _number(low_text)
    high = _number(high_text) if high_text is not None else None
    if low is None or (high_text is not None and high is None):
        return None
    unit = "%" if match["percent"] else None
    qualifier = _BY_PHRASE.get((match["phrase"] or "").lower(), "")
    tail = (match["tail"] or "").strip().lower()
    if high is not None:
        if tail or qualifier not in ("", "exact", "about") or low > high:
            return None
        return Value(
            low=low,
            high=high,
            qualifier=qualifier if qualifier == "about" else "between",
            unit=unit,
            start=match.start(),
            end=match.end(),
        )
    if tail:
        if qualifier:
            return None
        qualifier = "at least" if tail in ("+", "or more") else "at most"
    return Value(
        low=None if qualifier in ("under", "at most") else low,
        high=None if qualifier in ("over", "at least") else low,
        qualifier=qualifier or "exact",
        unit=unit,
        start=match.start(),
        end=match.end(),
    )


def _shared_scale(low: str, high: str) -> str:
    """Return the low end of a range with the scale of the high end: "1.2 billion" for "1.2–1.5 billion"."""
    scale = re.search(_SCALE + "$", high, re.IGNORECASE)
    bare = re.fullmatch(_DIGITS, low)
    return low + scale.group() if scale and bare else low


def _number(text: str) -> Decimal | None:
    text = text.strip().lower().replace("−", "-")
    match = re.fullmatch(rf"({_DIGITS})\s*([^\d\s.,]*)", text)
    if match:
        digits = Decimal(re.sub(r"[,\u00a0\u2009\u202f ]", "", match[1]))
        return scaled(digits, _SCALES[match[2]] if match[2] else 1)
    return _spelled(re.split(r"[\s-]+", text))


def _spelled(words: list[str]) -> Decimal | None:
    total = group = 0
    last = 1000
    for word in words:
        if word == "and":
            continue
        if word in _UNITS:
            if _UNITS[word] >= last:
                return None  # "five six" is two numbers, not one
            group += _UNITS[word]
            last = 10 if _UNITS[word] >= 20 else 0
        elif word == "hundred":
            group, last = (group or 1) * 100, 100
        else:
            total, group, last = total + (group or 1) * _SCALES[word], 0, 1000
    return Decimal(total + group)


def scaled(number: Decimal, factor: int) -> Decimal:
    """Return the exact product, written without an exponent."""
    if factor == 1:
        return number
    sign, digits, exponent = number.as_tuple()
    product = int("".join(map(str, digits))) * factor
    exact = Decimal((sign, tuple(map(int, str(product))), int(exponent)))
    plain = format(exact, "f")
    return Decimal(plain.rstrip("0").rstrip(".") if "." in plain else plain)
