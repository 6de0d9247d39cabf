"""``flags`` finds every kind of oddity once, with its severity and a command that repairs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builders import Records, analysis_of, case, record_all
from claimledger.cli.commands import COMMANDS
from claimledger.ledger import Ledger
from claimledger.present.lint import KINDS, LintFinding, oddities

FIGURE = {"figures": [{"measure": "m", "value": "54"}]}

EXAMPLES: dict[str, tuple[Records, str]] = {
    "circular": (case(["a: one", "b: two"], ["a repeats b", "b repeats a"]), "a"),
    "anachronism": (
        case(["a: one", "b: two"], ["a repeats b"],
             extra={"a": {"asserted": "2020"}, "b": {"asserted": "2022"}}), "a"),
    "at odds": (case(["a: one", "b: two"], ["a corroborates b", "a contradicts b"]), "a"),
    "before the fact": (case(["a: one"], extra={"a": {"asserted": "2020", "about": "2022"}}), "a"),
    "formula fails": (
        case(["a: one", "s: two"], ["s derives_from a"],
             extra={"a": FIGURE, "s": {"figures": [{"measure": "m", "value": "60", "formula": "sum(a)"}]}}),
        "s"),
    "tally stale": (
        case(["a: one", "t: two"], ["t derives_from a"],
             extra={"t": {"figures": [{"measure": "m", "value": "7", "formula": "count(claims, topic)"}]}}),
        "t"),
    "one name, two terms": (
        [{"kind": "term", "key": "x", "of": "measure", "label": "m"},
         {"kind": "term", "key": "y", "of": "measure", "label": "n", "aliases": ["m"]}], "y"),
    "every claim contested": (
        case(["a: one @page", "b: one @page", "c: two"], ["c undercuts @page"]), "page"),
    "carries many": (
        case(["a: one", *(f"p{n}: x{n}" for n in range(5))], [f"p{n} repeats a" for n in range(5)]), "a"),
    "quote without its figure": (
        case(["a: one"], extra={"a": {**FIGURE, "citations": [{"source": "a-page", "quote": "some 45 of them"}]}}),
        "a"),
    "review of a fallen claim": (
        [*case(["a: one", "b: one"], ["b retracts a"]), {"kind": "review", "key": "r", "claim": "a"}], "r"),
    "said after publication": (
        case(["a: one"], sources={"a-page": {"published": "2022-05"}}, extra={"a": {"asserted": "2022-06"}}), "a"),
    "published later": (case(["a: one"], sources={"a-page": {"published": "9999"}}), "a-page"),
    "attribution questioned": (case(["a: one", "b: two @a-page", "c: three"], ["c undercuts @a-page"]), "b"),
    "attributed by": (case(["a: one", "b: two @a-page"]), "b"),
    "removed source": (case(["a: one"], sources={"a-page": {"publisher": "one", "removed": "2023"}}), "a-page"),
    "second-hand": (
        case(["a: one"], sources={"other": {}},
             extra={"a": {"citations": [{"source": "a-page", "via": ["other"]}]}}), "a"),
    "unstated": (case(["a: one unstated"]), "a"),
    "not checked": (case(["a: one"]), "a"),
    "undated source": (case(["a: one"]), "a-page"),
    "no capture": (case(["a: one"]), "a-page"),
}  # fmt: skip


def findings_in(ledger: Ledger) -> list[LintFinding]:
    """Return the findings about every claim of a ledger."""
    analysis = analysis_of(ledger)
    return oddities(ledger, analysis, analysis.graph.claims)


def test_a_claim_asserted_in_the_month_of_publication_has_no_finding(ledger: Ledger) -> None:
    sources = {"a-page": {"published": "2022-05"}}
    record_all(ledger, case(["a: one"], sources=sources, extra={"a": {"asserted": "2022-05-31"}}))
    assert {"said after publication", "published later"}.isdisjoint(
        finding.kind for finding in findings_in(ledger)
    )


def test_every_kind_has_an_example() -> None:
    # The example of a wrong clock is in test_wrong_clock.
    assert {*EXAMPLES, "wrong clock"} == set(KINDS)


@pytest.mark.parametrize("kind", list(EXAMPLES))
def test_each_kind_is_found_once_with_a_command_that_repairs_it(ledger: Ledger, kind: str) -> None:
    records, key = EXAMPLES[kind]
    record_all(ledger, records)
    findings = [
        finding for finding in findings_in(ledger) if finding.kind == kind and finding.key == key
    ]
    assert len(findings) == 1
    assert findings[0].severity == KINDS[kind][0]
    assert findings[0].mend.split()[:1] == ["claimledger"]
    assert findings[0].mend.split()[1].rstrip(",") in COMMANDS


def test_a_complete_record_has_no_findings(ledger: Ledger) -> None:
    records = case(["a: one obs"], sources={"a-page": {"publisher": "one", "published": "2022"}},
                 extra={"a": {**FIGURE, "citations": [{"source": "a-page", "quote": "54 of them"}]}})  # fmt: skip
    records.append({"kind": "capture", "key": "k", "source": "a-page", "sha256": "ab" * 32,
                  "captured_at": "2023", "media_type": "text/html", "path": "x"})  # fmt: skip
    record_all(ledger, records)
    assert findings_in(ledger) == []


def test_the_command_prints_the_gravest_first_and_counts_the_rest(call: Any, path: Path) -> None:
    with Ledger.create(path) as ledger:
        for records, _ in (EXAMPLES["circular"], EXAMPLES["one name, two terms"]):
            record_all(ledger, records)
    output = call("flags", "-n", "1").stdout
    assert (
        output.index("grave: circular, 1")
        < output.index("grave: one name")
        < output.index("minor: ")
    )
    assert "and 1 more: claimledger flags --kind" in output
    assert "did you mean circular?" in call("flags", "--kind", "circlar").stderr
