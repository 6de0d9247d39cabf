"""The comparison of two versions of a record, field by field.

Texts are compared in Unicode normalization form C (UAX #15), so that a file that another system
re-encoded does not count as a change.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from claimledger.log.canonical_json import canonical
from claimledger.text.unicode import nfc

Fields = dict[str, Any]


def difference(old: Fields, new: Fields) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name, old value and new value of each field that differs; an absent value is ``None``.

    >>> list(difference({"name": "PBS"}, {"name": "PBS", "note": "x"}))
    [('note', None, 'x')]
    """
    for name in dict.fromkeys((*old, *new)):
        if not equal({name: old.get(name)}, {name: new.get(name)}):
            yield name, old.get(name), new.get(name)


def equal(left: Fields | None, right: Fields) -> bool:
    """Whether two records are equal once their texts are normalized to NFC."""
    if left is None:
        return False
    return left == right or nfc(canonical(left).decode()) == nfc(canonical(right).decode())
