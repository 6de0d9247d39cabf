"""The log format: old ledgers stay readable, an independent reader agrees, and entries of newer versions are preserved."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from backends import new_location
from builders import case, record_all
from claimledger.errors import ClaimledgerError
from claimledger.importers.log_segments import reading_segment
from claimledger.ledger import Ledger, LedgerLocation
from claimledger.log.canonical_json import canonical
from claimledger.log.entry import Payload, digest_of, header_of
from claimledger.log.merkle import Frontier
from claimledger.records.kinds import KINDS
from claimledger.storage.sqlite.schema import definitions, objects
from claimledger.storage.tables import LAYOUT

ROOT = Path(__file__).parent.parent
GOLDEN = sorted((ROOT / "fixtures" / "golden").glob("layout-*.db"))
READER = ROOT / "docs" / "examples" / "read_log.py"


def expected_content(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.with_suffix(".json").read_text("utf-8"))
    return content


def run_example_reader(log: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Read a log with the documentation's example, in a Python without the program or any other package."""
    command = [sys.executable, "-I", "-S", str(READER), *words]
    return subprocess.run(
        command, input=log, capture_output=True, text=True, encoding="utf-8", check=False
    )


def log_of(ledger: Ledger) -> list[dict[str, Any]]:
    from claimledger.ledger import line_of

    return [line_of(entry) for entry in ledger.entries()]


def lines(log: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in log)


def test_there_is_a_golden_ledger_of_the_current_layout() -> None:
    assert f"layout-{LAYOUT}" in [path.stem for path in GOLDEN]


def test_a_change_of_the_tables_has_a_layout_number_of_its_own() -> None:
    with sqlite3.connect(GOLDEN[-1]) as connection:
        assert definitions(connection) == objects(), "raise LAYOUT, and build a golden ledger"
    connection.close()


@pytest.mark.parametrize("golden", GOLDEN, ids=[path.stem for path in GOLDEN])
def test_an_old_ledger_can_be_read_verified_moved_and_written(
    golden: Path, tmp_path: Path, store: str
) -> None:
    expected = expected_content(golden)
    before = golden.read_bytes()
    with Ledger.open(golden) as ledger:
        assert ledger.verify().faults == ()
        records = [
            {"kind": kind, **stored.record.as_json()}
            for kind in KINDS
            for stored in ledger.records(kind)
        ]
        assert records == expected["records"]
        assert (ledger.head().size, ledger.head().root.hex()) == (
            expected["size"],
            expected["root"],
        )
        assert ledger.search("渡轮")[0].stored.key == "twelve-ferries"
        moved = new_location(tmp_path, "moved.db")
        ledger.move(moved)
    assert golden.read_bytes() == before
    copy = tmp_path / "copy.db"
    shutil.copyfile(golden, copy)
    for location in (moved, copy):
        with Ledger.open(location, writable=True) as ledger:
            assert ledger.head().root.hex() == expected["root"]
            ledger.amend("claim", "over-twenty", {"note": "a new note"}, by="T", reason="r")
            assert ledger.verify().faults == ()


@pytest.mark.parametrize("golden", GOLDEN, ids=[path.stem for path in GOLDEN])
def test_the_example_reader_reads_an_old_log(golden: Path) -> None:
    expected = expected_content(golden)
    log = golden.with_suffix(".jsonl").read_text("utf-8")
    completed = run_example_reader(log)
    assert completed.stderr == ""
    assert f"{expected['size']} entries" in completed.stdout
    assert f"root {expected['root']}" in completed.stdout
    records = [
        json.loads(line) for line in run_example_reader(log, "--records").stdout.splitlines()
    ]
    assert sorted(records, key=canonical) == sorted(expected["records"], key=canonical)


def test_the_example_reader_is_short_and_imports_only_the_standard_library() -> None:
    text = READER.read_text("utf-8")
    assert len(text.splitlines()) < 600
    imports = set(re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE))
    assert imports <= sys.stdlib_module_names


@pytest.fixture
def varied_ledger(ledger: Ledger) -> Ledger:
    record_all(ledger, case(["a: one obs", "b: two"], ["b contradicts a"],
                        extra={"a": {"statement": "“海外” \\ \" \u2028 \U0001f6f3 \x07"}}))  # fmt: skip
    ledger.amend("claim", "a", {"note": "n"}, by="T", reason="r")
    record_all(ledger, case(["c: one"]))
    ledger.withdraw("claim", "c", by="T", reason="r")
    ledger.redact("claim", "c", by="T", reason="r")
    return ledger


def test_both_readers_agree_on_a_log_of_either_store(varied_ledger: Ledger) -> None:
    completed = run_example_reader(lines(log_of(varied_ledger)))
    assert (completed.returncode, completed.stderr) == (0, "")
    assert f"root {varied_ledger.head().root.hex()}" in completed.stdout


DAMAGE: dict[str, Callable[[list[dict[str, Any]]], object]] = {
    "missing entry": lambda log: log.pop(3),
    "entries swapped": lambda log: log.insert(3, log.pop(4)),
    "payload changed": lambda log: log[2].update(payload=log[2]["payload"].replace("two", "tow")),
    "header changed": lambda log: log[2].update(
        header=log[2]["header"].replace('"format"', '"fromat"')
    ),
    "wrong salt": lambda log: log[2].update(salt=log[3]["salt"]),
    "payload removed": lambda log: log[2].update(payload=None, salt=None),
    "empty line": lambda log: log[2].clear(),
}


@pytest.mark.parametrize("damage", list(DAMAGE))
def test_the_example_reader_names_the_damaged_line(damage: str, varied_ledger: Ledger) -> None:
    log = log_of(varied_ledger)
    DAMAGE[damage](log)
    completed = run_example_reader(lines(log))
    assert completed.returncode == 1
    assert re.match(r"line \d+: ", completed.stderr)
    assert "Traceback" not in completed.stderr


# Entries of newer versions


def append_newer_entries(
    ledger: Ledger, location: LedgerLocation, payloads: list[dict[str, Any]], folder: Path
) -> None:
    """Append payloads of a newer program to a ledger, as a log segment from its backup."""
    log = log_of(ledger)
    size, old_head = len(log), ledger.head()
    frontier = Frontier()
    for line in log:
        frontier.append(line["header"].encode())
    moment = json.loads(log[-1]["header"])["recorded_at"]
    rows = []
    for number, payload in enumerate(payloads, size + 1):
        text, salt = canonical(payload), bytes(16)
        header = header_of(moment, digest_of(salt, text))
        frontier.append(header)
        rows.append({"number": number, "header": header.decode(), "payload": text.decode(),
                     "salt": "AAAAAAAAAAAAAAAAAAAAAA=="})  # fmt: skip
    first_line = {"claimledger": "entries", "format": 1,
            "begins": {"size": old_head.size, "root": old_head.root.hex()},
            "ends": {"size": size + len(rows), "root": frontier.root.hex()}}  # fmt: skip
    file = folder / "newer.jsonl"
    file.write_text(lines([first_line, *rows]))
    with Ledger.open(location, writable=True) as writer, reading_segment(str(file)) as segment:
        writer.append_entries(segment)


CLAIM = {
    "statement": "Sixty stations.", "claimant": ["one"], "subject": "topic", "mood": "sure",
    "citations": [{"source": "a-page", "weight": {"grams": 3}}],
    "figures": [{"measure": "stations", "low": "60", "high": "60", "shade": "grey"}],
}  # fmt: skip
NEWER: list[dict[str, Any]] = [
    {"action": "record", "kind": "claim", "key": "new", "recorded_by": "N", "record": CLAIM,
     "witnessed_by": ["a witness"]},
    {"action": "record", "kind": "rumour", "key": "heard", "recorded_by": "N", "record": {"words": "x"}},
    {"action": "record", "kind": "rumour", "key": "gone", "recorded_by": "N", "record": {"words": "y"}},
]  # fmt: skip


@pytest.fixture
def ledger_of_newer_version(ledger: Ledger, path: LedgerLocation, tmp_path: Path) -> Ledger:
    record_all(ledger, case(["a: one"]))
    size = ledger.head().size
    withdrawal = {"action": "withdraw", "kind": "rumour", "key": "gone", "recorded_by": "N", "reason": "r",
            "replaces": size + 3}  # fmt: skip
    append_newer_entries(ledger, path, [*NEWER, withdrawal], tmp_path)
    return ledger


def test_unknown_fields_and_kinds_are_stored_exported_and_moved(
    ledger_of_newer_version: Ledger, path: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    ledger = ledger_of_newer_version
    assert ledger.verify().faults == ()
    stored = ledger.get("claim", "new")
    assert stored.record.statement == "Sixty stations."  # type: ignore[attr-defined]
    assert stored.more == {name: CLAIM[name] for name in ("mood", "citations", "figures")}
    assert [event.action for event in ledger.history("gone")] == ["record", "withdraw"]
    exported = [json.loads(line) for line in call("export").stdout.splitlines()]
    assert {"kind": "claim", "key": "new", **CLAIM} in exported
    assert {"kind": "rumour", "key": "heard", "words": "x"} in exported
    assert not any(record["key"] == "gone" for record in exported)
    for words in (["list"], ["show", "new"], ["audit", "new"], ["report"], ["flags"], ["propose"],
                  ["search", "stations"], ["stats"], ["standings"], ["changes", "--since", "#1"]):  # fmt: skip
        completed = call(*words)
        assert (completed.returncode, completed.stderr) == (0, ""), words
    ledger.rebuild()
    assert ledger.verify().faults == ()
    moved = new_location(tmp_path, "moved.db")
    ledger.move(moved)
    with Ledger.open(moved) as moved_ledger:
        assert moved_ledger.verify().faults == ()
        assert list(moved_ledger.entries()) == list(ledger.entries())
    assert run_example_reader(lines(log_of(ledger))).returncode == 0


def test_an_amendment_keeps_unknown_fields(ledger_of_newer_version: Ledger) -> None:
    ledger = ledger_of_newer_version
    change = ledger.amend("claim", "new", {"note": "n"}, by="T", reason="r")
    assert [name for name, _, _ in change.difference] == ["note"]
    payload = Payload.decode(list(ledger.entries())[-1].payload or b"")
    assert payload.record == {**CLAIM, "note": "n"}
    figures = [{"measure": "stations", "value": "61"}]
    ledger.amend("claim", "new", {"figures": figures}, by="T", reason="r")
    assert ledger.get("claim", "new").more.keys() == {"mood", "citations"}
    assert ledger.verify().faults == ()
    ledger.withdraw("claim", "new", by="T", reason="r")
    ledger.redact("claim", "new", by="T", reason="r")
    ledger.rebuild()
    assert ledger.verify().faults == ()


def test_an_unknown_action_is_refused_with_a_clear_message(
    ledger: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    record_all(ledger, case(["a: one"]))
    before = ledger.head()
    payload = {"action": "merge", "kind": "claim", "key": "a", "recorded_by": "N", "record": {}}
    with pytest.raises(ClaimledgerError, match=r"newer\.jsonl:2: .*'merge'.*use a newer version"):
        append_newer_entries(ledger, path, [payload], tmp_path)
    assert ledger.head() == before


def test_a_decoded_payload_encodes_to_the_same_bytes() -> None:
    encoded = canonical(NEWER[0])
    assert Payload.decode(encoded).encode() == encoded
    assert sha256(encoded).hexdigest() == sha256(Payload.decode(encoded).encode()).hexdigest()
