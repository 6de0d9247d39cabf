"""What a text can do, tried in every output by its name: nothing."""

from __future__ import annotations

import html
import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from claimledger.errors import InvalidInputError
from claimledger.ledger import Ledger, LedgerLocation
from claimledger.records.check import record_of
from claimledger.render.markdown import safe
from claimledger.text.unicode import visible
from hostile_texts import HOSTILE_TEXTS, add_hostile_records, csv_rows

Call = Callable[..., Any]

ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
    "\ufdd0-\ufdef\ufffe\uffff\U0001fffe\U0001ffff\U0010fffe\U0010ffff]"
)
"""What a terminal, a browser or an editor obeys instead of showing it; a tab and a line's end it may."""

TOLD = (
    "list", "show h-{}", "history h-{}", "search script", "disputes", "compare h-{} a", "origins h-{}",
    "load-bearing", "standings", "explain h-{}", "flags", "what-if --without h-{}", "changes --since 1", "propose",
    "audit h-{}", "stats", "party list", "source list", "party show p-{}", "source show s-{}",
    "tally --subject topic --count places", "verify",
)  # fmt: skip

PICKED = (0, 5, 6, 7, HOSTILE_TEXTS.index("A" * 1_000_000), 12, 13)
"""The texts a command that shows one record is tried with."""

MARKS = "\\`*_{}[]()<>#+-.!|~&$^=:@;'\"1aw /amp \n\t"
"""What Markdown reads as more than a sign, and what it needs beside that to do so."""

MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})

PAGES = (
    "report.html", "report.markdown", "report.json", "report.csv", "audit.html", "audit.markdown", "audit.text",
    "audit.json", "graph.html", "graph.svg", "graph.dot", "graph.graphml", "timeline.html", "timeline.svg",
)  # fmt: skip


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with all of them; it is only read."""
    path = tmp_path_factory.mktemp("hostile") / "ledger.db"
    with Ledger.create(path) as ledger:
        add_hostile_records(ledger)
    return path


# In a file: that both stores give the same bytes is seen in tests of its own.


@pytest.mark.parametrize("words", TOLD)
def test_a_terminal_obeys_no_text(hostile: Path, call: Call, words: str) -> None:
    for number in PICKED if "{}" in words else [0]:
        for more in ([], ["--json"]):
            answer = call("--ledger", hostile, *words.format(number).split(), *more)
            assert answer.returncode == (1 if words == "compare" else 0), answer.stderr
            for text in (answer.stdout, answer.stderr):
                assert not ACTS.search(text), (words, number, more)
            assert more == [] or json.loads(answer.stdout)


def page(call: Call, path: Path, name: str, folder: Path, key: str) -> str:
    what, form = name.split(".")
    file = folder / name
    shown = {"audit": [key], "timeline": []}.get(what, [])
    answer = call("--ledger", path, what, *shown, "--format", form, "-o", file)
    assert answer.returncode == 0, answer.stderr
    return file.read_bytes().decode()


PICTURE = "data:image/svg+xml;base64,"
"""How a page holds a picture of ours."""


class ParsedPage(HTMLParser):
    """What a browser would make of a page: its tags, what they do, where they lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.policies: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if ("http-equiv", "Content-Security-Policy") in attrs:
            self.policies += [value or "" for name, value in attrs if name == "content"]


def see_html(text: str) -> None:
    seen = ParsedPage(text)
    (policy,) = seen.policies
    assert "default-src 'none'; base-uri 'none'; form-action 'none'" in policy
    for script in re.findall(r"<script>(.*?)</script>", text, re.S):
        digest = b64encode(sha256(script.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in policy
    assert policy.count("unsafe-inline") == 1  # styles
    assert not {"iframe", "object", "embed", "base", "form"} & seen.tags
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    links = [value for name, value in seen.attributes if name in ("href", "src", "xlink:href")]
    for link in links:
        if link.startswith(PICTURE):
            see_xml(b64decode(link.removeprefix(PICTURE)).decode())
        else:
            assert link.startswith(("#", "https:", "http:"))
    assert "alert(1)" not in "".join(
        re.findall(r"<script(?! type=.application/json)[^>]*>(.*?)</script>", text, re.S)
    )


def see_xml(text: str) -> None:
    names = {str(element.tag).rpartition("}")[2] for element in ET.fromstring(text).iter()}
    assert not {"script", "img", "foreignObject", "image", "use"} & names
    assert not [
        name
        for element in ET.fromstring(text).iter()
        for name in element.attrib
        if name.startswith("on")
    ]


def see_markdown(text: str) -> None:
    for line in text.splitlines():
        assert not re.match(r"\s*# heading", line)
        bare = re.sub(r"\\.", "", line)
        assert not re.search(r"<(?:script|img|svg)", bare)
        assert "](javascript" not in bare


@given(
    st.text(
        alphabet=st.one_of(st.sampled_from(MARKS), st.characters(exclude_categories=["Cs"])),
        max_size=60,
    )
)
def test_markdown_shows_a_text_as_it_is(text: str) -> None:
    # As a paragraph: white space at its ends is nobody's, and a run of it is shown as one.
    rendered = MARKDOWN.render(safe(text))
    shown = html.unescape(re.sub(r"</?p>", "", rendered)).strip()
    assert shown == visible(text).strip(), (safe(text), rendered)


def see_csv(text: str) -> None:
    rows = csv_rows(text)
    assert len({len(row) for row in rows}) == 1
    for cell in (cell for row in rows for cell in row):
        begins = unicodedata.normalize("NFKC", cell.lstrip()[:1])
        assert cell[:1] == "'" or begins not in set("=+-@|%\t\r"), cell[:40]


def see_dot(text: str) -> None:
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", text, flags=re.S)
    assert not re.search(r"alert|DROP|script|HYPERLINK", outside)


LOOKED = {
    "html": see_html, "svg": see_xml, "graphml": see_xml, "markdown": see_markdown, "csv": see_csv, "dot": see_dot,
    "json": json.loads, "text": str,
}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_a_file_does_nothing_where_it_is_opened(
    hostile: Path, call: Call, tmp_path: Path, name: str
) -> None:
    for number in PICKED if name.startswith("audit") else [0]:
        text = page(call, hostile, name, tmp_path, f"h-{number}")
        assert "alert" in text or number not in (0, 7), "the text is told, not left out"
        assert not ACTS.search(text.replace("\r\n", "\n").removeprefix("\ufeff"))
        LOOKED[name.split(".")[1]](text)


@pytest.mark.parametrize("what", ["export", "export --log"])
def test_what_is_exported_is_the_text_itself(
    ledger: Ledger, path: LedgerLocation, call: Call, tmp_path: Path, what: str
) -> None:
    add_hostile_records(ledger)
    file = tmp_path / "out.jsonl"
    assert call("--ledger", str(path), *what.split(), "-o", file).returncode == 0
    statements = set()
    for line in file.read_bytes().split(b"\n")[:-1]:
        assert not ACTS.search(line.decode())
        payload = json.loads(line)
        if "payload" in payload:
            payload = json.loads(payload["payload"])["record"]
        statements.add(payload.get("statement"))
    assert set(HOSTILE_TEXTS) <= statements


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b", "\udfff"])
@pytest.mark.parametrize("field", ["statement", "note", "subject", "claimant", "locator", "scope"])
def test_what_no_file_can_hold_comes_in_nowhere(text: str, field: str) -> None:
    fields: dict[str, Any] = {
        "statement": "s",
        "claimant": "p",
        "subject": "t",
        "citations": [{"source": "s"}],
    }
    if field == "locator":
        fields["citations"] = [{"source": "s", "locator": text}]
    else:
        fields[field] = {"place": text} if field == "scope" else text
    with pytest.raises(InvalidInputError) as raised:
        record_of("claim", fields)
    assert not re.search("[\x00\ud800-\udfff]", str(raised.value))
