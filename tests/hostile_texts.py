"""Texts that attack the program that shows them (injection, control characters, size), and a ledger full of them."""

from __future__ import annotations

import csv
import io

from builders import case, record_all
from claimledger.errors import InvalidInputError
from claimledger.ledger import Ledger
from claimledger.records.check import record_from

HOSTILE_TEXTS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "=HYPERLINK(\"http://evil\")",
    "@SUM(1+1)",
    "+1-1|cmd",
    "\u202egnirts\u202c desrever",
    "\x1b[31mred\x1b[0m\x07",
    "](javascript:alert(1)) `code` **bold** | cell |\n# heading",
    "{{ 7*7 }} {% raw %}",
    "&lt;b&gt; &amp;",
    "A" * 1_000_000,
    "نص 中文 ไทย 👩‍👩‍👧‍👦",
    "a\nb\r\nc\td\x0be\x0cf\x85g\u2028h\u2029i",
    "\x9b31mC1\x9b0m\x90q\x9c",
    "\\\"; DROP TABLE entry; -- \\N \\l %s $1 :x",
    "AT&T & <b> &amp; 1. 2) # -",
    "water\ufffemills\uffff\ufdd0\U0001ffff\U0010fffe",
    "\u3000=1+1",
    "\u2003\t\uff0b1",
    "]]></text></svg><svg onload=alert(1)>",
]  # fmt: skip


def csv_rows(text: str) -> list[list[str]]:
    """Parse a CSV file, with cells longer than the limit of Python's reader."""
    limit = csv.field_size_limit(2 * max(map(len, HOSTILE_TEXTS)))
    try:
        return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    finally:
        csv.field_size_limit(limit)


def is_valid_name(text: str) -> bool:
    """Return whether a text is valid as a name: one line without control characters."""
    try:
        record_from({"kind": "party", "key": "p", "name": text})
    except InvalidInputError:
        return False
    return True


def add_hostile_records(ledger: Ledger, texts: list[str] = HOSTILE_TEXTS) -> Ledger:
    """Record claims, links and reviews with each text in every field that accepts it; all dispute one claim."""
    records = case(["a: one obs", "b: two", "c: three"], ["b contradicts a", "c undercuts @a-page"])
    for number, text in enumerate(texts):
        key = f"h-{number}"
        records.append(
            {"kind": "claim", "key": key, "statement": text, "claimant": f"p-{number}", "subject": "topic", "note": text,
             "citations": [{"source": "a-page", "locator": text, "quote": text}], "scope": {"place": text},
             "figures": [{"measure": "m", "value": "54"}]}
        )  # fmt: skip
        records.append(
            {
                "kind": "link",
                "type": "contradicts",
                "from": key,
                "to": "a",
                "reason": text,
                "note": text,
            }
        )
        records.append({"kind": "review", "claim": key, "summary": text})
        name = text if is_valid_name(text) else f"n{number}"
        records.append({"kind": "party", "key": f"p-{number}", "name": name, "note": text})
        records.append({"kind": "source", "key": f"s-{number}", "title": name, "note": text})
    records.append(
        {"kind": "source", "key": "bad-url", "title": "<b>", "url": "javascript:alert(1)"}
    )
    records.append({"kind": "claim", "key": "z", "statement": "z", "claimant": "two", "subject": "topic",
                  "citations": [{"source": "bad-url"}]})  # fmt: skip
    records.append({"kind": "link", "type": "contradicts", "from": "z", "to": "a"})
    record_all(ledger, records)
    return ledger
