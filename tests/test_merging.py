"""Replaced records: every way in keeps the rules under the keys that answer for others, and exports go back in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from backends import new_location
from builders import Records, analysis_of, case, record_all
from claimledger.errors import InvalidInputError
from claimledger.ledger import Ledger, RecordInput
from claimledger.records.check import record_from
from claimledger.records.kinds import KINDS

Write = Callable[[Ledger], object]


def amending(records: Records) -> Write:
    return lambda ledger: ledger.import_records(
        [RecordInput.of(record_from(record)) for record in records], by="T", amend=True, reason="r"
    )


def replacing(kind: str, key: str, by: str) -> Write:
    return lambda ledger: ledger.withdraw(kind, key, by="T", reason="r", replaced_by=by)


def nested(kind: str, *pairs: str) -> Records:
    """Return records of a kind, each drawn as ``key`` or as ``key<parent``."""
    field, name = ("part_of", "name") if kind == "party" else ("broader", "label")
    created = []
    for pair in pairs:
        key, _, parent = pair.partition("<")
        own = {"of": "measure", "reason": "r"} if kind == "term" else {}
        created.append(
            {"kind": kind, "key": key, name: key, **own, **({field: parent} if parent else {})}
        )
    return created


PARTIES = {"desk": {"part_of": "paper"}, "paper": {}, "rival": {}, "owner": {}}
REVISED = case(["old: desk", "new: paper", "other: rival"], ["new updates old"], parties=PARTIES)
OWN = case(["a: one", "b: one", "c: one", "d: one"], ["a updates b", "c updates d"])

REFUSED: dict[str, tuple[Records, list[Write], Write, str]] = {
    "part-of-what-replaced-its-part": (
        nested("party", "a<b", "b", "c<a"), [], replacing("party", "b", "c"), "part of itself"),
    "broader-than-what-replaced-it": (
        nested("subject", "a<b", "b", "c<a"), [], replacing("subject", "b", "c"), "part of itself"),
    "a-term-broader-than-what-replaced-it": (
        nested("term", "a<b", "b", "c<a"), [], replacing("term", "b", "c"), "part of itself"),
    "replaced-by-its-own-part": (
        nested("party", "a<b", "b"), [], replacing("party", "b", "a"), "part of itself"),
    "a-ring-through-a-replaced-party": (
        nested("party", "a<b", "b", "c"), [replacing("party", "b", "c")],
        amending(nested("party", "c<a")), "part of itself"),
    "a-ring-of-revisions-closed": (
        OWN, [replacing("claim", "b", "c")],
        replacing("claim", "d", "a"), "a ring of `updates`"),
    "a-new-link-closes-a-ring-through-a-replaced-claim": (
        OWN, [replacing("claim", "b", "c")],
        amending([{"kind": "link", "key": "l9", "type": "updates", "from": "d", "to": "a"}]),
        "a ring of `updates`"),
    "both-ends-become-one": (
        case(["a: one", "b: two", "c: three"], ["a repeats b"]), [replacing("claim", "a", "c")],
        replacing("claim", "b", "c"), "link the claim c with itself; withdraw the link"),
    "a-link-with-what-replaced-it": (
        case(["a: one", "b: two"]), [replacing("claim", "a", "b")],
        amending([{"kind": "link", "key": "l9", "type": "repeats", "from": "a", "to": "b"}]),
        "link the claim b with itself"),
    "a-stranger-by-a-replaced-claim": (
        REVISED, [], replacing("claim", "old", "other"), "paper cannot update what rival said"),
    "a-stranger-by-a-replaced-party": (
        REVISED, [], replacing("party", "desk", "rival"), "paper cannot update what rival said"),
    "a-stranger-by-an-amended-claimant": (
        REVISED, [], amending([{**record, "claimant": ["rival"]} for record in REVISED if record["key"] == "old"]),
        "paper cannot update what rival said"),
    "a-stranger-by-an-amended-party": (
        REVISED, [], amending([{"kind": "party", "key": "desk", "name": "desk", "part_of": "rival"}]),
        "paper cannot update what desk said"),
    "a-stranger-by-a-party-that-leaves": (
        REVISED, [], amending([{"kind": "party", "key": "desk", "name": "desk"}]),
        "paper cannot update what desk said"),
    "a-stranger-between-two-above": (
        case(["old: desk", "new: owner"], ["new updates old"],
             parties={**PARTIES, "paper": {"part_of": "owner"}}), [],
        amending([{"kind": "party", "key": "paper", "name": "paper"}]),
        "owner cannot update what desk said"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(REFUSED))
def test_no_write_breaks_a_rule_by_what_was_replaced_or_amended(name: str, ledger: Ledger) -> None:
    records, before, write, why = REFUSED[name]
    record_all(ledger, records)
    for part in before:
        part(ledger)
    head = ledger.head()
    with pytest.raises(InvalidInputError, match=why):
        write(ledger)
    assert ledger.head() == head
    assert ledger.verify().faults == ()


def test_one_party_under_two_keys_takes_back_what_it_said(ledger: Ledger) -> None:
    """Also where each claim names it by another key, both replaced."""
    record_all(ledger, case(["old: one", "new: two"], parties={"one": {}, "two": {}, "whole": {}}))
    for key in ("one", "two"):
        ledger.withdraw("party", key, by="T", reason="one body", replaced_by="whole")
    record_all(ledger, [{"kind": "link", "type": "retracts", "from": "new", "to": "old"}])
    ledger.amend("party", "whole", {"note": "n"}, by="T", reason="r")
    assert ledger.verify().faults == ()


def exported(call: Callable[..., Any], where: Any, *words: str) -> str:
    done = call("--ledger", where, "export", *words)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def test_an_export_names_what_replaced_a_key_and_goes_in_anywhere(
    call: Callable[..., Any], ledger: Ledger, path: Any, tmp_path: Path
) -> None:
    count = {"measure": "things", "value": 5}
    extra = {
        "a": {"figures": [count]}, "b": {"figures": [count]},
        "total": {"figures": [{"measure": "things", "value": 10, "formula": "sum(a, b)"}]},
    }  # fmt: skip
    record_all(
        ledger,
        [
            *case(
                ["a: one @page", "a2: one", "b: one+two", "total: two"],
                ["total derives_from a", "total derives_from b", "b undercuts @page"],
                parties={"one": {"part_of": "body"}, "two": {}, "body": {}, "body2": {}},
                extra={**extra, "a2": {"figures": [count]}},
            ),
            {"kind": "source", "key": "page2", "title": "p"},
            {"kind": "subject", "key": "topic2", "label": "t"},
            {"kind": "review", "key": "r1", "claim": "a", "rating": "true"},
        ],
    )
    merges = ("party body body2", "party two one", "source page page2", "subject topic topic2",
              "claim a a2")  # fmt: skip
    for kind, key, by in map(str.split, merges):
        ledger.withdraw(kind, key, by="T", reason="double", replaced_by=by)
    file = tmp_path / "out.jsonl"
    file.write_text(exported(call, path))
    lines = {part["key"]: part for part in map(json.loads, file.read_text().splitlines())}
    assert lines["one"]["part_of"] == "body2"
    assert lines["b"]["claimant"] == ["one"]
    assert lines["b"]["subject"] == "topic2"
    assert lines["l3"]["to"] == {"source": "page2"}
    assert lines["r1"]["claim"] == "a2"
    assert lines["total"]["figures"][0]["formula"] == "sum(a2, b)"
    target = new_location(tmp_path, "other.db")
    Ledger.create(target).close()
    done = call("--ledger", target, "import", file, "--by", "T")
    assert done.returncode == 0, done.stderr
    assert exported(call, target) == file.read_text()
    with Ledger.open(target) as imported:
        assert analysis_of(imported).as_json("a2") == analysis_of(ledger).as_json("a2")
    # In the ledger itself nothing of it is new, with or without --amend, and a real change is one.
    for words in ([], ["--amend", "--reason", "r"]):
        done = call("--ledger", path, "import", file, "--by", "T", *words)
        assert "Recorded 0 records, " in done.stdout, done.stderr
        assert "amended" not in done.stdout
    file.write_text(json.dumps({**lines["l3"], "note": "n"}))
    done = call("--ledger", path, "import", file, "--by", "T", "--amend", "--reason", "r")
    assert "1 amended" in done.stdout, done.stderr
    assert ledger.get("link", "l3").record.as_json()["to"] == {"source": "page"}
    assert ledger.verify().faults == ()
    day = exported(call, path, "--as-of", "2099-01-01")
    assert json.loads(file.read_text())["key"] in day
    assert '"key":"r1"' in day


def test_a_formula_that_would_be_too_long_keeps_its_keys(
    call: Callable[..., Any], ledger: Ledger, path: Any, tmp_path: Path
) -> None:
    figure = {"measure": "things", "value": 5}
    formula = f"sum({', '.join(['b'] * 150)})"
    extra = {"b": {"figures": [figure]}, "total": {"figures": [{**figure, "formula": formula}]}}
    long = "z" * 95
    record_all(
        ledger,
        case(["b: one", "total: one", f"{long}: one"], ["total derives_from b"], extra=extra),
    )
    ledger.withdraw("claim", "b", by="T", reason="double", replaced_by=long)
    for words in (["show", "total"], ["audit", "total"], ["flags"], ["propose"]):
        done = call("--ledger", path, *words)
        assert "unexpected" not in done.stderr, done.stderr
        assert done.stdout
    file = tmp_path / "out.jsonl"
    file.write_text(exported(call, path))
    target = new_location(tmp_path, "other.db")
    Ledger.create(target).close()
    for where in (path, target):
        done = call("--ledger", where, "import", file, "--by", "T")
        assert done.returncode == 0, done.stderr


def test_an_export_of_a_day_has_no_disposition_of_a_dispute_to_come(
    call: Callable[..., Any], ledger: Ledger, path: Any, tmp_path: Path
) -> None:
    asserted = {"a": {"asserted": "2020"}, "b": {"asserted": "2022"}}
    record_all(ledger, [
        *case(["a: one", "b: two"], ["b contradicts a"], extra=asserted),
        {"kind": "disposition", "key": "rest", "dispute": "l1", "ending": "dormant", "reason": "r"},
    ])  # fmt: skip
    for day, is_there in (("2021-01-01", False), ("2023-01-01", True)):
        file = tmp_path / f"{day}.jsonl"
        file.write_text(exported(call, path, "--as-of", day))
        assert ('"key":"rest"' in file.read_text()) == is_there
        target = new_location(tmp_path, f"{day}.db")
        Ledger.create(target).close()
        done = call("--ledger", target, "import", file, "--by", "T")
        assert done.returncode == 0, done.stderr


def test_an_export_goes_in_after_what_it_holds_was_amended_or_withdrawn(
    call: Callable[..., Any], ledger: Ledger, path: Any, tmp_path: Path
) -> None:
    record_all(ledger, case(["a: one", "b: one"], parties={"one": {}, "new": {}}))
    ledger.withdraw("party", "one", by="T", reason="double", replaced_by="new")
    file = tmp_path / "out.jsonl"
    file.write_text(exported(call, path))
    ledger.amend("claim", "a", {"note": "n"}, by="T", reason="r")
    ledger.withdraw("claim", "b", by="T", reason="r")
    done = call("--ledger", path, "import", file, "--by", "T", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["recorded"], answer["older"], answer["withdrawn"]) == (0, 1, 1)
    done = call("--ledger", path, "import", file, "--by", "T", "--amend", "--reason", "r", "--json")
    assert json.loads(done.stdout)["amended"] == 1
    assert ledger.get("claim", "a").record.as_json()["claimant"] == ["one"]
    assert ledger.verify().faults == ()


def test_a_computed_figure_goes_on_with_what_replaced_its_input(
    call: Callable[..., Any], ledger: Ledger, path: Any
) -> None:
    figures = [{"measure": "things", "value": 5}]
    total = [{"measure": "things", "value": 10, "formula": "sum(a, b)"}]
    record_all(ledger, case(
        ["a: one", "a2: one", "b: one", "total: one"],
        ["total derives_from a", "total derives_from b"],
        extra={**{key: {"figures": figures} for key in ("a", "a2", "b")}, "total": {"figures": total}},
    ))  # fmt: skip
    before = call("--ledger", path, "show", "total").stdout
    ledger.withdraw("claim", "a", by="T", reason="double", replaced_by="a2")
    after = call("--ledger", path, "show", "total").stdout
    assert "sum(a, b)" in before
    assert "not there" not in after
    assert "sum(a2, b)" in after


def test_a_flag_sees_what_replaced_a_source(
    call: Callable[..., Any], ledger: Ledger, path: Any
) -> None:
    record_all(ledger, case(
        ["a: one @old", "b: two @new"], extra={"a": {"asserted": "2030"}}, sources={"old": {}, "new": {}}
    ))  # fmt: skip
    ledger.amend("source", "new", {"published": "2024"}, by="T", reason="r")
    assert "said after publication" not in call("--ledger", path, "flags").stdout
    ledger.withdraw("source", "old", by="T", reason="double", replaced_by="new")
    assert "said after publication" in call("--ledger", path, "flags").stdout


QUESTIONS = (
    "list --json", "list --subject overseas-stations{} --json", "list --subject purpose{} --json",
    "list --claimant radio-free-asia{}", "report --format json",
    "report --subject investigations{} --format json", "disputes --json", "standings --json", "flags --json",
    "propose --json", "origins rfa-54 --json", "origins --subject overseas-stations{} --json",
    "tally --count claims --subject overseas-stations{} --by claimant",
    "tally --count places --subject overseas-stations{} --by subject --json",
    "tally --count sources --subject number-of-stations{} --by source", "audit rfa-54", "audit sd-230000",
    "load-bearing --json", "explain rfa-54 --json", "graph --format dot", "timeline --format svg",
    "compare rfa-54 schrader-45", "graph --subject purpose{} --format dot",
)  # fmt: skip
"""Questions whose answers come from keys; ``{}`` stands for what was added to a key that was replaced."""

RENAMED = "renamed"


def thereafter() -> datetime:
    """Return a day after the worked case was recorded, the same for both ledgers."""
    return datetime(2023, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def renamed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The worked case with every party, source, subject and term replaced by a copy of itself."""
    where = tmp_path_factory.mktemp("renamed") / "a.db"
    where.write_bytes((Path(__file__).parents[1] / "ledger.db").read_bytes())
    with Ledger.open(where, writable=True, clock=thereafter) as ledger:
        for kind in ("party", "source", "subject", "term"):
            records = list(ledger.records(kind))
            copies = [
                {"kind": kind, **stored.record.as_json(), "key": stored.key + RENAMED}
                for stored in records
            ]
            record_all(ledger, copies)
            for stored in records:
                ledger.withdraw(
                    kind, stored.key, by="T", reason="renamed", replaced_by=stored.key + RENAMED
                )
        assert ledger.verify().faults == ()
    return where


@pytest.fixture(scope="module")
def taken_in(renamed: Path) -> Path:
    """The same, exported and imported into a new ledger, in which no key was ever replaced."""
    where = renamed.with_name("b.db")
    with Ledger.open(renamed) as old, Ledger.create(where, clock=thereafter) as new:
        for kind in KINDS:
            plain = (stored.record.as_json() for stored in old.records(kind))
            resolved = old.resolve_json(kind, plain)
            new.import_records(
                [RecordInput.of(record_from({"kind": kind, **record})) for record in resolved],
                by="T",
            )
    return where


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_answer_sees_one_thing_under_one_name(
    question: str, renamed: Path, taken_in: Path, call: Callable[..., Any]
) -> None:
    expected = call("--ledger", taken_in, *question.format(RENAMED).split())
    assert len(expected.stdout) > 20, expected.stderr
    for added in ("", RENAMED):
        answered = call("--ledger", renamed, *question.format(added).split())
        assert in_common(answered.stdout) == in_common(expected.stdout), answered.stderr


def in_common(text: str) -> str:
    """Return an answer without that in which two ledgers with the same records differ.

    These are roots, entries and the list of what was withdrawn, the keys' ends, and where lines break.
    """
    if text.startswith("{"):
        text = json.dumps({**json.loads(text), "corrections": None})
    same = text.replace(RENAMED, "")
    varying = r"[0-9a-f]{64}|\b\d{3} entries|\"(entry|size)\": \d+|[Ee]ntry \d+"
    return " ".join(re.sub(varying, "", same).split())
