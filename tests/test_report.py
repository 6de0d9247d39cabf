"""Report and audit: complete, reproducible byte for byte, and safe with hostile texts."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from builders import analysis_of, case, record_all
from claimledger.ledger import Ledger
from claimledger.present.audit import audit
from claimledger.present.report import report
from claimledger.records.dates import Date
from claimledger.render import AUDIT, REPORT, writer
from claimledger.render.csv import safe
from hostile_texts import HOSTILE_TEXTS, add_hostile_records, csv_rows


@pytest.fixture
def hostile(ledger: Ledger) -> Ledger:
    """Return a ledger whose records contain hostile texts."""
    return add_hostile_records(ledger)


def pages(ledger: Ledger) -> dict[str, str]:
    """Return the report and two audits of a ledger, in every format."""
    value = report(ledger)
    rendered = {f"report.{name}": writer("report", name)(value) for name in REPORT}
    for key in ("h-0", "a"):
        audited = audit(ledger, key)
        rendered |= {f"audit.{key}.{name}": writer("audit", name)(audited) for name in AUDIT}
    return rendered


class TagCollector(HTMLParser):
    """Collects the tags, attributes and ids of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value or "" for name, value in attrs if name == "id"]


def test_no_text_of_a_record_becomes_markup_or_control_characters(hostile: Ledger) -> None:
    for name, text in pages(hostile).items():
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text), (
            name
        )
        if name.endswith(".html"):
            parser = TagCollector()
            parser.feed(text)
            assert not {"script", "img", "iframe", "object"} & set(parser.tags), name
            assert not [name for name, _ in parser.attributes if name.startswith("on")], name
            links = [url or "" for attribute, url in parser.attributes if attribute == "href"]
            assert all(link.startswith(("#", "https:", "http:")) for link in links), name
            assert len(parser.ids) == len(set(parser.ids)), name
            inside = {link[1:] for link in links if link.startswith("#")}
            assert inside <= set(parser.ids), name
        if name.endswith(".markdown"):
            assert "<script" not in text
            assert "](javascript" not in text
            assert not re.search(r"^# heading", text, re.MULTILINE)


def test_csv_cells_are_never_formulas(hostile: Ledger) -> None:
    rows = csv_rows(pages(hostile)["report.csv"])
    assert len(rows) > len(HOSTILE_TEXTS)
    assert len({len(row) for row in rows}) == 1
    for cell in (cell for row in rows for cell in row):
        assert cell[:1] not in set("=+-@\t\r"), cell[:40]
    assert safe("  =1+1").startswith("'")
    assert safe("a = b") == "a = b"


def test_the_same_ledger_gives_the_same_bytes(hostile: Ledger) -> None:
    assert pages(hostile) == pages(hostile)


@pytest.fixture
def worked() -> Ledger:
    """Return the ledger of the worked case."""
    return Ledger.open(Path(__file__).parent.parent / "ledger.db")


def test_every_claim_under_attack_is_in_the_report(worked: Ledger) -> None:
    analysis = analysis_of(worked)
    attacked = {key for key in analysis.graph.claims if analysis.attacks.contested(key)}
    value = report(worked)
    shown = {
        claim.key
        for section in (*value.disputes, *value.criticised)
        for claim in (
            *section.claims,
            *section.beside,
            *section.reached,
            *(attack.attacker for attack in section.against),
        )
    }
    assert attacked
    assert attacked <= shown
    assert value.under_attack == len(attacked)
    assert (value.size, value.root) == (worked.head().size, worked.head().root.hex())
    worked.close()


def test_stated_and_judged_attacks_are_counted_separately(ledger: Ledger) -> None:
    records = case(["a: one", "b: two", "c: three"], ["b contradicts a"])
    records.append({"kind": "link", "key": "s", "type": "contradicts", "from": "c", "to": "a",
                  "basis": "stated", "citations": [{"source": "c-page"}]})  # fmt: skip
    record_all(ledger, records)
    value = report(ledger)
    assert (value.stated, value.judged) == (1, 1)
    assert len(value.disputes) == 1


def test_ten_outlets_that_repeat_one_denial_count_as_one_origin(ledger: Ledger) -> None:
    outlets = [f"o{n}" for n in range(10)]
    links = [f"{outlet} repeats denial" for outlet in outlets]
    links += [f"{outlet} contradicts a" for outlet in outlets]
    record_all(
        ledger,
        case(
            ["a: one", "denial: ministry", *(f"{outlet}: p-{outlet}" for outlet in outlets)], links
        ),
    )
    (section,) = report(ledger).disputes
    assert section.attackers_origins == "1 independent origin"
    assert len(section.against) == 10


def test_the_report_on_a_subject_includes_narrower_subjects(worked: Ledger) -> None:
    full, part = report(worked), report(worked, subject="purpose")
    assert {section.head for section in part.disputes} <= {
        section.head for section in full.disputes
    }
    assert part.subject == "What the stations are for"
    assert 0 < part.recorded < full.recorded
    assert not report(worked, subject="taiwan-school").disputes
    worked.close()


def test_the_report_lists_corrections(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one"]))
    size = ledger.head().size
    ledger.amend("claim", "a", {"note": "new"}, by="T", reason="a slip")
    ledger.withdraw("claim", "a", by="T", reason="double")
    assert [correction.action for correction in report(ledger).corrections] == [
        "amended",
        "withdrawn",
    ]
    assert [correction.action for correction in report(ledger, since=size + 1).corrections] == [
        "withdrawn"
    ]


def test_the_audit_of_the_worked_case_names_counts_and_the_weakest_step(worked: Ledger) -> None:
    value = audit(worked, "rfa-54")
    assert value.standing.startswith("one origin; no recorded claim disputes it")
    assert [line.key for line in value.other_counts] == ["article-69", "schrader-45"]
    assert [line.text for line in value.nearby] == [
        "Jeremy Daum, 3 November 2022: criticises “110 Overseas” [sd-110-overseas]"
    ]
    assert value.weakest is not None
    assert (value.weakest.claim, value.weakest.why) == ("rfa-54", "unread")
    assert value.weakest.detail == (
        "Nobody here has read the article; the claim is known only through others."
    )
    assert value.weakest.mend == "claimledger cite rfa-54 rfa-2022"
    printed = json.loads(writer("audit", "json")(value))
    assert printed["way"][0]["grounds"] == "not checked"
    worked.close()


def test_the_audit_says_that_a_claim_is_contested_only_through_a_source(worked: Ledger) -> None:
    value = audit(worked, "sd-230000")
    assert "Jeremy Daum criticised “110 Overseas”" in value.standing
    assert "no record says that they disputed this claim" in value.standing
    assert {line.key for line in value.critics} == {
        "daum-mistranslation", "daum-yunnan", "daum-domestic-actions"
    }  # fmt: skip
    worked.close()


def test_an_audit_as_of_a_day_shows_nothing_later(worked: Ledger) -> None:
    day = Date.of("2022-10-31").latest
    value = audit(worked.at(as_of=day), "rfa-54")
    assert [line.key for line in value.other_counts] == ["schrader-45"]
    assert not value.nearby
    later = audit(worked.at(as_of=Date.of("2022-11-30").latest), "sd-harassment")
    assert {line.key for line in later.replies} == {"china-services", "china-fraud"}
    assert "official-persuasion" in {line.key for line in later.supports}
    early = audit(worked.at(as_of=Date.of("2022-09-30").latest), "sd-harassment")
    assert not early.replies
    assert not early.supports
    worked.close()
