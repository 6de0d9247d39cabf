"""Report and audit: complete, the same bytes each time, and safe with whatever a text holds."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from builders import case, record_all
from claimledger.ledger import Ledger
from claimledger.present.audit import audit
from claimledger.present.report import report
from claimledger.render import AUDIT, REPORT, writer
from claimledger.render.csv import safe
from hostile_texts import HOSTILE_TEXTS, add_hostile_records, csv_rows


@pytest.fixture
def hostile(ledger: Ledger) -> Ledger:
    return add_hostile_records(ledger)


def pages(ledger: Ledger) -> dict[str, str]:
    value = report(ledger)
    answers = {f"report.{name}": writer("report", name)(value) for name in REPORT}
    for key in ("h-0", "a"):
        audited = audit(ledger, key)
        answers |= {f"audit.{key}.{name}": writer("audit", name)(audited) for name in AUDIT}
    return answers


class Tags(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value or "" for name, value in attrs if name == "id"]


def test_no_text_of_a_record_does_anything(hostile: Ledger) -> None:
    for name, text in pages(hostile).items():
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text), (
            name
        )
        if name.endswith(".html"):
            seen = Tags()
            seen.feed(text)
            assert not {"script", "img", "iframe", "object"} & set(seen.tags), name
            assert not [a for a, _ in seen.attributes if a.startswith("on")], name
            links = [value or "" for a, value in seen.attributes if a == "href"]
            assert all(link.startswith(("#", "https:", "http:")) for link in links), name
            assert len(seen.ids) == len(set(seen.ids)), name
            inside = {link[1:] for link in links if link.startswith("#")}
            assert inside <= set(seen.ids), name
        if name.endswith(".markdown"):
            assert "<script" not in text
            assert "](javascript" not in text
            assert not re.search(r"^# heading", text, re.MULTILINE)


def test_csv_cells_are_no_formulas(hostile: Ledger) -> None:
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
    return Ledger.open(Path(__file__).parent.parent / "ledger.db")


def test_every_claim_under_attack_is_in_the_report(worked: Ledger) -> None:
    from builders import analysis_of

    answers = analysis_of(worked)
    attacked = {key for key in answers.graph.claims if answers.attacks.contested(key)}
    value = report(worked)
    messages = {
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
    assert attacked <= messages
    assert value.under_attack == len(attacked)
    assert (value.size, value.root) == (worked.head().size, worked.head().root.hex())
    worked.close()


def test_stated_and_judged_are_counted_apart(ledger: Ledger) -> None:
    drawn = case(["a: one", "b: two", "c: three"], ["b contradicts a"])
    drawn.append({"kind": "link", "key": "s", "type": "contradicts", "from": "c", "to": "a",
                  "basis": "stated", "citations": [{"source": "c-page"}]})  # fmt: skip
    record_all(ledger, drawn)
    value = report(ledger)
    assert (value.stated, value.judged) == (1, 1)
    assert len(value.disputes) == 1


def test_ten_outlets_with_one_denial_are_one_denial(ledger: Ledger) -> None:
    outlets = [f"o{n}" for n in range(10)]
    links = [f"{o} repeats denial" for o in outlets] + [f"{o} contradicts a" for o in outlets]
    record_all(
        ledger, case(["a: one", "denial: ministry", *(f"{o}: p-{o}" for o in outlets)], links)
    )
    (section,) = report(ledger).disputes
    assert section.attackers_origins == "1 independent origin"
    assert len(section.against) == 10


def test_the_report_on_a_subject_takes_its_narrower_ones(worked: Ledger) -> None:
    full_report, part = report(worked), report(worked, subject="purpose")
    assert {section.head for section in part.disputes} <= {
        section.head for section in full_report.disputes
    }
    assert part.subject == "What the stations are for"
    assert 0 < part.recorded < full_report.recorded
    assert not report(worked, subject="taiwan-school").disputes
    worked.close()


def test_corrections_are_told(ledger: Ledger) -> None:
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


def test_the_audit_of_the_figure(worked: Ledger) -> None:
    value = audit(worked, "rfa-54")
    assert value.standing.startswith("one origin found (1..1)")
    assert [line.key for line in value.other_counts] == ["article-69", "schrader-45"]
    assert [line.text for line in value.nearby] == [
        "Jeremy Daum, 2022-11-03, criticises 110 Overseas"
    ]
    assert value.weakest is not None
    assert (value.weakest.claim, value.weakest.why) == ("rfa-54", "unread")
    assert value.weakest.mend == "claimledger cite rfa-54 rfa-2022"
    answer = json.loads(writer("audit", "json")(value))
    assert answer["way"][0]["grounds"] == "not checked"
    worked.close()


def test_a_claim_contested_only_through_a_source_says_so(worked: Ledger) -> None:
    value = audit(worked, "sd-230000")
    assert "Jeremy Daum is not recorded as disputing this claim" in value.standing
    assert {line.key for line in value.critics} == {
        "daum-mistranslation", "daum-yunnan", "daum-domestic-actions"
    }  # fmt: skip
    worked.close()


def test_an_audit_as_of_a_day_tells_nothing_later(worked: Ledger) -> None:
    from claimledger.records.dates import Date

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
