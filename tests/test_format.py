"""The format others can read: old ledgers, a reader that is not ours, and what a newer program wrote."""

from __future__ import annotations

import json
import re
import shutil
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
from claimledger.importers.log_segments import reading_strand
from claimledger.ledger import Ledger, LedgerLocation
from claimledger.log.canonical_json import canonical
from claimledger.log.entry import Payload, digest_of, header_of
from claimledger.log.merkle import Frontier
from claimledger.records.kinds import KINDS
from claimledger.storage.tables import LAYOUT

ROOT = Path(__file__).parent.parent
GOLDEN = sorted((ROOT / "fixtures" / "golden").glob("layout-*.db"))
READER = ROOT / "docs" / "examples" / "read_log.py"


def told(path: Path) -> dict[str, Any]:
    answers: dict[str, Any] = json.loads(path.with_suffix(".json").read_text("utf-8"))
    return answers


def read(log: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Read a log with the example, in a Python that has nothing of ours."""
    command = [sys.executable, "-I", "-S", str(READER), *words]
    return subprocess.run(
        command, input=log, capture_output=True, text=True, encoding="utf-8", check=False
    )


def log_of(ledger: Ledger) -> list[dict[str, Any]]:
    from claimledger.ledger import line_of

    return [line_of(entry) for entry in ledger.entries()]


def lines(log: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in log)


def test_there_is_a_golden_ledger_of_the_layout_that_is_written() -> None:
    assert f"layout-{LAYOUT}" in [path.stem for path in GOLDEN]


@pytest.mark.parametrize("golden", GOLDEN, ids=[path.stem for path in GOLDEN])
def test_an_old_ledger_is_read_proved_moved_and_written(
    golden: Path, tmp_path: Path, store: str
) -> None:
    expected = told(golden)
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
    for where in (moved, copy):
        with Ledger.open(where, writable=True) as ledger:
            assert ledger.head().root.hex() == expected["root"]
            ledger.amend("claim", "over-twenty", {"note": "once more"}, by="T", reason="r")
            assert ledger.verify().faults == ()


@pytest.mark.parametrize("golden", GOLDEN, ids=[path.stem for path in GOLDEN])
def test_an_old_log_is_read_by_the_other_reader(golden: Path) -> None:
    expected = told(golden)
    log = golden.with_suffix(".jsonl").read_text("utf-8")
    done = read(log)
    assert done.stderr == ""
    assert f"{expected['size']} entries" in done.stdout
    assert f"root {expected['root']}" in done.stdout
    results = [json.loads(line) for line in read(log, "--records").stdout.splitlines()]
    assert sorted(results, key=canonical) == sorted(expected["records"], key=canonical)


def test_the_other_reader_is_short_and_stands_alone() -> None:
    text = READER.read_text("utf-8")
    assert len(text.splitlines()) < 600
    imports = set(re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE))
    assert imports <= sys.stdlib_module_names


@pytest.fixture
def rich(ledger: Ledger) -> Ledger:
    record_all(ledger, case(["a: one obs", "b: two"], ["b contradicts a"],
                        extra={"a": {"statement": "“海外” \\ \" \u2028 \U0001f6f3 \x07"}}))  # fmt: skip
    ledger.amend("claim", "a", {"note": "n"}, by="T", reason="r")
    record_all(ledger, case(["c: one"]))
    ledger.withdraw("claim", "c", by="T", reason="r")
    ledger.redact("claim", "c", by="T", reason="r")
    return ledger


def test_both_readers_agree_on_a_log_of_either_store(rich: Ledger) -> None:
    done = read(lines(log_of(rich)))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"root {rich.head().root.hex()}" in done.stdout


SPOILT: dict[str, Callable[[list[dict[str, Any]]], object]] = {
    "an entry gone": lambda log: log.pop(3),
    "two exchanged": lambda log: log.insert(3, log.pop(4)),
    "a word changed": lambda log: log[2].update(payload=log[2]["payload"].replace("two", "tow")),
    "a header changed": lambda log: log[2].update(
        header=log[2]["header"].replace('"format"', '"fromat"')
    ),
    "another salt": lambda log: log[2].update(salt=log[3]["salt"]),
    "emptied": lambda log: log[2].update(payload=None, salt=None),
    "no line of ours": lambda log: log[2].clear(),
}


@pytest.mark.parametrize("what", list(SPOILT))
def test_the_other_reader_names_the_line_that_is_wrong(what: str, rich: Ledger) -> None:
    log = log_of(rich)
    SPOILT[what](log)
    done = read(lines(log))
    assert done.returncode == 1
    assert re.match(r"line \d+: ", done.stderr)
    assert "Traceback" not in done.stderr


# What a newer program writes


def newer(
    ledger: Ledger, where: LedgerLocation, payloads: list[dict[str, Any]], folder: Path
) -> None:
    """Append entries that a newer program wrote, as a backup of it brings them."""
    log = log_of(ledger)
    size, begins = len(log), ledger.head()
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
    head = {"claimledger": "entries", "format": 1,
            "begins": {"size": begins.size, "root": begins.root.hex()},
            "ends": {"size": size + len(rows), "root": frontier.root.hex()}}  # fmt: skip
    file = folder / "newer.jsonl"
    file.write_text(lines([head, *rows]))
    with Ledger.open(where, writable=True) as writer, reading_strand(str(file)) as strand:
        writer.append_entries(strand)


CLAIM = {
    "statement": "Sixty stations.", "claimant": ["one"], "subject": "topic", "mood": "sure",
    "citations": [{"source": "a-page", "weight": {"grams": 3}}],
    "figures": [{"measure": "stations", "low": "60", "high": "60", "shade": "grey"}],
}  # fmt: skip
NEWER: list[dict[str, Any]] = [
    {"action": "record", "kind": "claim", "key": "new", "recorded_by": "N", "record": CLAIM,
     "witnessed_by": ["someone"]},
    {"action": "record", "kind": "rumour", "key": "heard", "recorded_by": "N", "record": {"words": "x"}},
    {"action": "record", "kind": "rumour", "key": "gone", "recorded_by": "N", "record": {"words": "y"}},
]  # fmt: skip


@pytest.fixture
def from_the_future(ledger: Ledger, path: LedgerLocation, tmp_path: Path) -> Ledger:
    record_all(ledger, case(["a: one"]))
    size = ledger.head().size
    gone = {"action": "withdraw", "kind": "rumour", "key": "gone", "recorded_by": "N", "reason": "r",
            "replaces": size + 3}  # fmt: skip
    newer(ledger, path, [*NEWER, gone], tmp_path)
    return ledger


def test_what_is_not_known_is_kept_shown_around_and_passed_on(
    from_the_future: Ledger, path: LedgerLocation, tmp_path: Path, call: Callable[..., Any]
) -> None:
    ledger = from_the_future
    assert ledger.verify().faults == ()
    stored = ledger.get("claim", "new")
    assert stored.record.statement == "Sixty stations."  # type: ignore[attr-defined]
    assert stored.more == {name: CLAIM[name] for name in ("mood", "citations", "figures")}
    assert [event.action for event in ledger.history("gone")] == ["record", "withdraw"]
    exported = [json.loads(line) for line in call("export").stdout.splitlines()]
    assert {"kind": "claim", "key": "new", **CLAIM} in exported
    assert {"kind": "rumour", "key": "heard", "words": "x"} in exported
    assert not any(part["key"] == "gone" for part in exported)
    for words in (["list"], ["show", "new"], ["audit", "new"], ["report"], ["flags"], ["propose"],
                  ["search", "stations"], ["stats"], ["standings"], ["changes", "--since", "#1"]):  # fmt: skip
        done = call(*words)
        assert (done.returncode, done.stderr) == (0, ""), words
    ledger.rebuild()
    assert ledger.verify().faults == ()
    moved = new_location(tmp_path, "moved.db")
    ledger.move(moved)
    with Ledger.open(moved) as moved_ledger:
        assert moved_ledger.verify().faults == ()
        assert list(moved_ledger.entries()) == list(ledger.entries())
    assert read(lines(log_of(ledger))).returncode == 0


def test_an_amendment_keeps_what_it_does_not_know(from_the_future: Ledger) -> None:
    ledger = from_the_future
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


def test_an_unknown_action_stops_with_a_clear_word(
    ledger: Ledger, path: LedgerLocation, tmp_path: Path
) -> None:
    record_all(ledger, case(["a: one"]))
    before = ledger.head()
    action = {"action": "merge", "kind": "claim", "key": "a", "recorded_by": "N", "record": {}}
    with pytest.raises(ClaimledgerError, match=r"newer\.jsonl:2: .*'merge'.*use a newer version"):
        newer(ledger, path, [action], tmp_path)
    assert ledger.head() == before


def test_every_payload_reads_back_to_its_own_bytes() -> None:
    text = canonical(NEWER[0])
    assert Payload.decode(text).encode() == text
    assert sha256(text).hexdigest() == sha256(Payload.decode(text).encode()).hexdigest()
