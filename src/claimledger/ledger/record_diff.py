"""How two versions of a record differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from claimledger.log.canonical_json import canonical
from claimledger.text.unicode import nfc

Fields = dict[str, Any]


def difference(old: Fields, new: Fields) -> Iterator[tuple[str, Any, Any]]:
    """Yield the fields in which two records differ, with both values; absent ones are ``None``."""
    for name in dict.fromkeys((*old, *new)):
        if not equal({name: old.get(name)}, {name: new.get(name)}):
            yield name, old.get(name), new.get(name)


def equal(left: Fields | None, right: Fields) -> bool:
    """Whether two records say the same, their texts compared in NFC."""
    if left is None:
        return False
    return left == right or nfc(canonical(left).decode()) == nfc(canonical(right).decode())
