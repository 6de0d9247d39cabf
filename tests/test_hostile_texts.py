"""Hostile texts stay inert in every output: terminal, HTML, SVG, Markdown, CSV, DOT and JSON."""

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

CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
    "\ufdd0-\ufdef\ufffe\uffff\U0001fffe\U0001ffff\U0010fffe\U0010ffff]"
)
"""Characters that a terminal, browser or editor obeys instead of showing; tabs and line ends are allowed."""

COMMANDS = (
    "list", "show h-{}", "history h-{}", "search script", "disputes", "compare h-{} a", "origins h-{}",
    "load-bearing", "standings", "explain h-{}", "flags", "what-if --without h-{}", "changes --since 1", "propose",
    "audit h-{}", "stats", "party list", "source list", "party show p-{}", "source show s-{}",
    "tally --subject topic --count places", "verify",
)  # fmt: skip

SAMPLE = (0, 5, 6, 7, HOSTILE_TEXTS.index("A" * 1_000_000), 12, 13)
"""The indexes of the texts that are tried with commands about one record."""

MARKS = "\\`*_{}[]()<>#+-.!|~&$^=:@;'\"1aw /amp \n\t"
"""Characters that Markdown interprets, and characters that complete its syntax."""

MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})

PAGES = (
    "report.html", "report.markdown", "report.json", "report.csv", "audit.html", "audit.markdown", "audit.text",
    "audit.json", "graph.html", "graph.svg", "graph.dot", "graph.graphml", "timeline.html", "timeline.svg",
)  # fmt: skip


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ledger with every hostile text; tests only read it."""
    path = tmp_path_factory.mktemp("hostile") / "ledger.db"
    with Ledger.create(path) as ledger:
        add_hostile_records(ledger)
    return path


# On a file only: other tests check that both stores give the same bytes.


@pytest.mark.parametrize("command", COMMANDS)
def test_no_text_controls_the_terminal(hostile: Path, call: Call, command: str) -> None:
    for number in SAMPLE if "{}" in command else [0]:
        for options in ([], ["--json"]):
            answer = call("--ledger", hostile, *command.format(number).split(), *options)
            assert answer.returncode == (1 if command == "compare" else 0), answer.stderr
            for text in (answer.stdout, answer.stderr):
                assert not CONTROLS.search(text), (command, number, options)
            assert options == [] or json.loads(answer.stdout)


def read_output(call: Call, path: Path, name: str, folder: Path, key: str) -> str:
    command, form = name.split(".")
    file = folder / name
    arguments = {"audit": [key], "timeline": []}.get(command, [])
    answer = call("--ledger", path, command, *arguments, "--format", form, "-o", file)
    assert answer.returncode == 0, answer.stderr
    return file.read_bytes().decode()


DIAGRAM_URL = "data:image/svg+xml;base64,"
"""The URL with which a page embeds one of our diagrams."""


class ParsedPage(HTMLParser):
    """A page as a browser parses it: its tags, their attributes and its content security policy."""

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


def check_html(text: str) -> None:
    parsed = ParsedPage(text)
    (policy,) = parsed.policies
    assert "default-src 'none'; base-uri 'none'; form-action 'none'" in policy
    for script in re.findall(r"<script>(.*?)</script>", text, re.S):
        digest = b64encode(sha256(script.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in policy
    assert policy.count("unsafe-inline") == 1  # styles
    assert not {"iframe", "object", "embed", "base", "form"} & parsed.tags
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]
    links = [value for name, value in parsed.attributes if name in ("href", "src", "xlink:href")]
    for link in links:
        if link.startswith(DIAGRAM_URL):
            check_xml(b64decode(link.removeprefix(DIAGRAM_URL)).decode())
        else:
            assert link.startswith(("#", "https:", "http:"))
    assert "alert(1)" not in "".join(
        re.findall(r"<script(?! type=.application/json)[^>]*>(.*?)</script>", text, re.S)
    )


def check_xml(text: str) -> None:
    names = {str(element.tag).rpartition("}")[2] for element in ET.fromstring(text).iter()}
    assert not {"script", "img", "foreignObject", "image", "use"} & names
    assert not [
        name
        for element in ET.fromstring(text).iter()
        for name in element.attrib
        if name.startswith("on")
    ]


def check_markdown(text: str) -> None:
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
def test_escaped_markdown_renders_as_the_original_text(text: str) -> None:
    # Markdown strips white space at the ends of a paragraph.
    rendered = MARKDOWN.render(safe(text))
    shown = html.unescape(re.sub(r"</?p>", "", rendered)).strip()
    assert shown == visible(text).strip(), (safe(text), rendered)


def check_csv(text: str) -> None:
    rows = csv_rows(text)
    assert len({len(row) for row in rows}) == 1
    for cell in (cell for row in rows for cell in row):
        first = unicodedata.normalize("NFKC", cell.lstrip()[:1])
        assert cell[:1] == "'" or first not in set("=+-@|%\t\r"), cell[:40]


def check_dot(text: str) -> None:
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", text, flags=re.S)
    assert not re.search(r"alert|DROP|script|HYPERLINK", outside)


CHECKS = {
    "html": check_html, "svg": check_xml, "graphml": check_xml, "markdown": check_markdown, "csv": check_csv, "dot": check_dot,
    "json": json.loads, "text": str,
}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_no_text_is_active_in_an_output_file(
    hostile: Path, call: Call, tmp_path: Path, name: str
) -> None:
    for number in SAMPLE if name.startswith("audit") else [0]:
        text = read_output(call, hostile, name, tmp_path, f"h-{number}")
        assert "alert" in text or number not in (0, 7), "the text is shown, not left out"
        assert not CONTROLS.search(text.replace("\r\n", "\n").removeprefix("\ufeff"))
        CHECKS[name.split(".")[1]](text)


@pytest.mark.parametrize("command", ["export", "export --log"])
def test_an_export_contains_every_text_unchanged(
    ledger: Ledger, path: LedgerLocation, call: Call, tmp_path: Path, command: str
) -> None:
    add_hostile_records(ledger)
    file = tmp_path / "out.jsonl"
    assert call("--ledger", str(path), *command.split(), "-o", file).returncode == 0
    statements = set()
    for line in file.read_bytes().split(b"\n")[:-1]:
        assert not CONTROLS.search(line.decode())
        payload = json.loads(line)
        if "payload" in payload:
            payload = json.loads(payload["payload"])["record"]
        statements.add(payload.get("statement"))
    assert set(HOSTILE_TEXTS) <= statements


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b", "\udfff"])
@pytest.mark.parametrize("field", ["statement", "note", "subject", "claimant", "locator", "scope"])
def test_nul_and_surrogates_are_refused_in_every_field(text: str, field: str) -> None:
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
