"""Records withdrawn in favour of another: rules hold for the replacement, and exports can be imported again.

After ``withdraw A --replaced-by B`` the key A resolves to B wherever it is used.
"""

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
    """Return a write that imports records and amends those that exist."""
    return lambda ledger: ledger.import_records(
        [RecordInput.of(record_from(record)) for record in records], by="T", amend=True, reason="r"
    )


def replacing(kind: str, key: str, by: str) -> Write:
    """Return a write that withdraws a record in favour of another."""
    return lambda ledger: ledger.withdraw(kind, key, by="T", reason="r", replaced_by=by)


def nested(kind: str, *pairs: str) -> Records:
    """Return records of a kind, each written ``key`` or ``key<parent``."""
    field, name = ("part_of", "name") if kind == "party" else ("broader", "label")
    records_of_kind = []
    for pair in pairs:
        key, _, parent = pair.partition("<")
        required = {"of": "measure", "reason": "r"} if kind == "term" else {}
        records_of_kind.append(
            {"kind": kind, "key": key, name: key, **required, **({field: parent} if parent else {})}
        )
    return records_of_kind


PARTIES = {"desk": {"part_of": "paper"}, "paper": {}, "rival": {}, "owner": {}}
REVISED = case(["old: desk", "new: paper", "other: rival"], ["new updates old"], parties=PARTIES)
OWN = case(["a: one", "b: one", "c: one", "d: one"], ["a updates b", "c updates d"])

REFUSED: dict[str, tuple[Records, list[Write], Write, str]] = {
    "a-ring-of-parties-by-a-replacement": (
        nested("party", "a<b", "b", "c<a"), [], replacing("party", "b", "c"), "part of itself"),
    "a-ring-of-subjects-by-a-replacement": (
        nested("subject", "a<b", "b", "c<a"), [], replacing("subject", "b", "c"), "part of itself"),
    "a-ring-of-terms-by-a-replacement": (
        nested("term", "a<b", "b", "c<a"), [], replacing("term", "b", "c"), "part of itself"),
    "a-party-replaced-by-its-own-part": (
        nested("party", "a<b", "b"), [], replacing("party", "b", "a"), "part of itself"),
    "a-ring-by-an-amendment-through-a-replaced-party": (
        nested("party", "a<b", "b", "c"), [replacing("party", "b", "c")],
        amending(nested("party", "c<a")), "part of itself"),
    "a-ring-of-updates-by-a-replacement": (
        OWN, [replacing("claim", "b", "c")],
        replacing("claim", "d", "a"), "the `updates` links would form a cycle"),
    "a-ring-of-updates-by-a-link-through-a-replaced-claim": (
        OWN, [replacing("claim", "b", "c")],
        amending([{"kind": "link", "key": "l9", "type": "updates", "from": "d", "to": "a"}]),
        "the `updates` links would form a cycle"),
    "a-link-whose-ends-become-the-same": (
        case(["a: one", "b: two", "c: three"], ["a repeats b"]), [replacing("claim", "a", "c")],
        replacing("claim", "b", "c"), "link the claim c to itself; withdraw the link"),
    "a-link-between-a-claim-and-its-replacement": (
        case(["a: one", "b: two"]), [replacing("claim", "a", "b")],
        amending([{"kind": "link", "key": "l9", "type": "repeats", "from": "a", "to": "b"}]),
        "link the claim b to itself"),
    "an-update-by-a-stranger-after-a-claim-is-replaced": (
        REVISED, [], replacing("claim", "old", "other"), "paper cannot update what rival said"),
    "an-update-by-a-stranger-after-a-party-is-replaced": (
        REVISED, [], replacing("party", "desk", "rival"), "paper cannot update what rival said"),
    "an-update-by-a-stranger-after-the-claimant-changes": (
        REVISED, [], amending([{**record, "claimant": ["rival"]} for record in REVISED if record["key"] == "old"]),
        "paper cannot update what rival said"),
    "an-update-by-a-stranger-after-a-party-moves": (
        REVISED, [], amending([{"kind": "party", "key": "desk", "name": "desk", "part_of": "rival"}]),
        "paper cannot update what desk said"),
    "an-update-by-a-stranger-after-a-party-leaves": (
        REVISED, [], amending([{"kind": "party", "key": "desk", "name": "desk"}]),
        "paper cannot update what desk said"),
    "an-update-by-a-stranger-after-a-parent-leaves": (
        case(["old: desk", "new: owner"], ["new updates old"],
             parties={**PARTIES, "paper": {"part_of": "owner"}}), [],
        amending([{"kind": "party", "key": "paper", "name": "paper"}]),
        "owner cannot update what desk said"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(REFUSED))
def test_a_write_that_would_break_a_rule_through_a_replacement_is_refused(
    name: str, ledger: Ledger
) -> None:
    records, preparations, write, message = REFUSED[name]
    record_all(ledger, records)
    for preparation in preparations:
        preparation(ledger)
    head = ledger.head()
    with pytest.raises(InvalidInputError, match=message):
        write(ledger)
    assert ledger.head() == head
    assert ledger.verify().faults == ()


def test_a_party_merged_from_two_keys_can_retract_its_claims(ledger: Ledger) -> None:
    """The two claims name the party by different keys, both of them replaced."""
    record_all(ledger, case(["old: one", "new: two"], parties={"one": {}, "two": {}, "merged": {}}))
    for key in ("one", "two"):
        ledger.withdraw("party", key, by="T", reason="one body", replaced_by="merged")
    record_all(ledger, [{"kind": "link", "type": "retracts", "from": "new", "to": "old"}])
    ledger.amend("party", "merged", {"note": "n"}, by="T", reason="r")
    assert ledger.verify().faults == ()


def exported(call: Callable[..., Any], where: Any, *words: str) -> str:
    """Return what ``export`` prints."""
    result = call("--ledger", where, "export", *words)
    assert result.returncode == 0, result.stderr
    return str(result.stdout)


def test_an_export_uses_the_keys_of_replacements_and_can_be_imported_anywhere(
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
    lines = {record["key"]: record for record in map(json.loads, file.read_text().splitlines())}
    assert lines["one"]["part_of"] == "body2"
    assert lines["b"]["claimant"] == ["one"]
    assert lines["b"]["subject"] == "topic2"
    assert lines["l3"]["to"] == {"source": "page2"}
    assert lines["r1"]["claim"] == "a2"
    assert lines["total"]["figures"][0]["formula"] == "sum(a2, b)"
    target = new_location(tmp_path, "other.db")
    Ledger.create(target).close()
    result = call("--ledger", target, "import", file, "--by", "T")
    assert result.returncode == 0, result.stderr
    assert exported(call, target) == file.read_text()
    with Ledger.open(target) as imported:
        assert analysis_of(imported).as_json("a2") == analysis_of(ledger).as_json("a2")
    # In the exporting ledger nothing in the export is new, even with --amend; a real change is still amended.
    for words in ([], ["--amend", "--reason", "r"]):
        result = call("--ledger", path, "import", file, "--by", "T", *words)
        assert "Recorded nothing new." in result.stdout, result.stderr
        assert "mended" not in result.stdout
    file.write_text(json.dumps({**lines["l3"], "note": "n"}))
    result = call("--ledger", path, "import", file, "--by", "T", "--amend", "--reason", "r")
    assert "Amended 1 record" in result.stdout, result.stderr
    assert ledger.get("link", "l3").record.as_json()["to"] == {"source": "page"}
    assert ledger.verify().faults == ()
    day = exported(call, path, "--as-of", "2099-01-01")
    assert json.loads(file.read_text())["key"] in day
    assert '"key":"r1"' in day


def test_a_formula_that_would_become_too_long_keeps_its_original_keys(
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
        result = call("--ledger", path, *words)
        assert "unexpected" not in result.stderr, result.stderr
        assert result.stdout
    file = tmp_path / "out.jsonl"
    file.write_text(exported(call, path))
    target = new_location(tmp_path, "other.db")
    Ledger.create(target).close()
    for where in (path, target):
        result = call("--ledger", where, "import", file, "--by", "T")
        assert result.returncode == 0, result.stderr


def test_an_export_of_a_day_omits_the_disposition_of_a_later_dispute(
    call: Callable[..., Any], ledger: Ledger, path: Any, tmp_path: Path
) -> None:
    asserted = {"a": {"asserted": "2020"}, "b": {"asserted": "2022"}}
    record_all(ledger, [
        *case(["a: one", "b: two"], ["b contradicts a"], extra=asserted),
        {"kind": "disposition", "key": "rest", "dispute": "l1", "ending": "dormant", "reason": "r"},
    ])  # fmt: skip
    for day, expected in (("2021-01-01", False), ("2023-01-01", True)):
        file = tmp_path / f"{day}.jsonl"
        file.write_text(exported(call, path, "--as-of", day))
        assert ('"key":"rest"' in file.read_text()) == expected
        target = new_location(tmp_path, f"{day}.db")
        Ledger.create(target).close()
        result = call("--ledger", target, "import", file, "--by", "T")
        assert result.returncode == 0, result.stderr


def test_an_export_can_be_imported_after_its_records_were_amended_or_withdrawn(
    call: Callable[..., Any], ledger: Ledger, path: Any, tmp_path: Path
) -> None:
    record_all(ledger, case(["a: one", "b: one"], parties={"one": {}, "new": {}}))
    ledger.withdraw("party", "one", by="T", reason="double", replaced_by="new")
    file = tmp_path / "out.jsonl"
    file.write_text(exported(call, path))
    ledger.amend("claim", "a", {"note": "n"}, by="T", reason="r")
    ledger.withdraw("claim", "b", by="T", reason="r")
    result = call("--ledger", path, "import", file, "--by", "T", "--json")
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert (summary["recorded"], summary["older"], summary["withdrawn"]) == (0, 1, 1)
    result = call(
        "--ledger", path, "import", file, "--by", "T", "--amend", "--reason", "r", "--json"
    )
    assert json.loads(result.stdout)["amended"] == 1
    assert ledger.get("claim", "a").record.as_json()["claimant"] == ["one"]
    assert ledger.verify().faults == ()


def test_a_computed_figure_uses_the_replacement_of_its_input(
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


def test_a_flag_looks_at_the_replacement_of_a_source(
    call: Callable[..., Any], ledger: Ledger, path: Any
) -> None:
    record_all(ledger, case(
        ["a: one @old", "b: two @new"], extra={"a": {"asserted": "2030"}}, sources={"old": {}, "new": {}}
    ))  # fmt: skip
    ledger.amend("source", "new", {"published": "2024"}, by="T", reason="r")
    assert "said after publication" not in call("--ledger", path, "flags").stdout
    ledger.withdraw("source", "old", by="T", reason="double", replaced_by="new")
    assert "said after publication" in call("--ledger", path, "flags").stdout


COMMANDS = (
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
"""Commands whose output depends on keys; ``{}`` is the suffix of a replacement's key, or nothing."""

SUFFIX = "renamed"


def later_clock() -> datetime:
    """Return a moment after the worked case was recorded, the same for both ledgers."""
    return datetime(2023, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def renamed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The worked case with every party, source, subject and term replaced by a copy of itself."""
    where = tmp_path_factory.mktemp("renamed") / "a.db"
    where.write_bytes((Path(__file__).parents[1] / "ledger.db").read_bytes())
    with Ledger.open(where, writable=True, clock=later_clock) as ledger:
        for kind in ("party", "source", "subject", "term"):
            records = list(ledger.records(kind))
            copies = [
                {"kind": kind, **stored.record.as_json(), "key": stored.key + SUFFIX}
                for stored in records
            ]
            record_all(ledger, copies)
            for stored in records:
                ledger.withdraw(
                    kind, stored.key, by="T", reason="renamed", replaced_by=stored.key + SUFFIX
                )
        assert ledger.verify().faults == ()
    return where


@pytest.fixture(scope="module")
def imported_copy(renamed: Path) -> Path:
    """The same records, exported and imported into a new ledger, in which no key was ever replaced."""
    where = renamed.with_name("b.db")
    with Ledger.open(renamed) as old, Ledger.create(where, clock=later_clock) as new:
        for kind in KINDS:
            plain = (stored.record.as_json() for stored in old.records(kind))
            resolved = old.resolve_json(kind, plain)
            new.import_records(
                [RecordInput.of(record_from({"kind": kind, **record})) for record in resolved],
                by="T",
            )
    return where


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_prints_the_same_for_a_replaced_key_and_its_replacement(
    command: str, renamed: Path, imported_copy: Path, call: Callable[..., Any]
) -> None:
    expected = call("--ledger", imported_copy, *command.format(SUFFIX).split())
    assert len(expected.stdout) > 20, expected.stderr
    for suffix in ("", SUFFIX):
        actual = call("--ledger", renamed, *command.format(suffix).split())
        assert comparable(actual.stdout) == comparable(expected.stdout), actual.stderr


def comparable(text: str) -> str:
    """Return an output without the parts in which two ledgers with the same records may differ.

    These are tree roots, entry numbers, the list of withdrawals, the suffix of replaced keys and line breaks.
    """
    if text.startswith("{"):
        text = json.dumps({**json.loads(text), "corrections": None})
    same = text.replace(SUFFIX, "")
    varying = r"[0-9a-f]{64}|\b\d{3} entries|\"(entry|size)\": \d+|[Ee]ntry \d+"
    return " ".join(re.sub(varying, "", same).split())
