"""Every reader of a log enforces every rule of the log format: one or more forgeries per rule, and random logs.

The readers are the program's commands and the reader of the documentation, ``docs/examples/read_log.py``.
"""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backends import LedgerTemplate
from builders import case, record_all
from claimledger.errors import StoreError
from claimledger.ledger import Ledger, LedgerLocation, salvage, survey
from claimledger.ledger.log_replay import LogReplay
from claimledger.log.validate import RULES, InvalidEntryError
from claimledger.records.kinds import KINDS
from forged import (
    ROOT,
    Forgery,
    Line,
    append_segment,
    example_reader_error,
    forged_line,
    insert_unchecked,
    last_entry_number,
    lines_of,
    payload_members,
    payload_of,
    without_payload,
    write_segment_file,
)
from hypothesis_profile import TRIALS_FACTOR, seed_for
from log_records import record_table, rule_table
from test_docs import UPDATING

SPECIFICATION = ROOT / "docs" / "log-format.md"


def record_every_action(ledger: Ledger) -> None:
    """Record every action, a replacement and a redaction."""
    record_all(ledger, case(["a: one obs", "b: two", "c: three"], ["a contradicts b"]))
    link = {"kind": "link", "key": "tie", "type": "repeats", "from": "c", "to": "a"}
    record_all(ledger, [link, {"kind": "party", "key": "body", "name": "Body"}])
    ledger.amend("party", "body", {"note": "n"}, by="T", reason="r")
    record_all(ledger, [{"kind": "party", "key": key, "name": key} for key in ("slip", "secret")])
    ledger.withdraw("party", "slip", by="T", reason="r", replaced_by="body")
    ledger.withdraw("party", "secret", by="T", reason="r", replaced_by="body")
    ledger.redact("party", "secret", by="T", reason="r")


VALID = LedgerTemplate.filled(record_every_action)


@pytest.fixture
def valid(store: str, tmp_path: Path) -> LedgerLocation:
    """Return the location of a ledger with a valid log."""
    return VALID.copy(tmp_path)


def appending(payload: dict[str, Any] | str, **more: Any) -> Forgery:
    """Return a forgery that appends one entry to a log."""
    return lambda log: [*log, forged_line(len(log) + 1, payload, **more)]


def party_payload(key: str = "new", **fields: Any) -> dict[str, Any]:
    """Return the payload of an entry that records a party."""
    return payload_members("record", "party", key, record={"name": "New", **fields})


def changing_party(action: str, key: str, after: str, **more: Any) -> Forgery:
    """Return a forgery that appends a change of a party, which replaces its last entry with the action ``after``."""

    def forge(log: list[Line]) -> list[Line]:
        payload = payload_members(
            action, "party", key, replaces=last_entry_number(log, after, key), **more
        )
        return [*log, forged_line(len(log) + 1, payload)]

    return forge


def amending_a_link_end(log: list[Line]) -> list[Line]:
    """Append an amendment that changes the end of a link."""
    number = last_entry_number(log, "record", "tie")
    record = payload_of(log[number - 1])["record"] | {"to": "b"}
    payload = payload_members("amend", "link", "tie", record=record, replaces=number, reason="r")
    return [*log, forged_line(len(log) + 1, payload)]


def redacting_part_of_a_record(log: list[Line]) -> list[Line]:
    """Append a record with three entries and a redaction of the last two."""
    size = len(log)
    log = [
        *log,
        forged_line(size + 1, party_payload("half")),
        forged_line(
            size + 2,
            payload_members("amend", "party", "half", record={"name": "H"}, replaces=size + 1),
        ),
        forged_line(
            size + 3, payload_members("withdraw", "party", "half", replaces=size + 2, reason="r")
        ),
    ]
    entries = [size + 2, size + 3]
    payload = payload_members("redact", "party", "half", entries=entries, reason="r")
    return [
        *log[: size + 1],
        *map(without_payload, log[size + 1 :]),
        forged_line(size + 4, payload),
    ]


def redacting_again(log: list[Line]) -> list[Line]:
    """Append a redaction of entries that another redaction emptied, under another key."""
    entries = [line["number"] for line in log if line["payload"] is None]
    payload = payload_members("redact", "party", "never-was", entries=entries, reason="r")
    return [*log, forged_line(len(log) + 1, payload)]


def appending_line(**changed: Any) -> Forgery:
    """Return a forgery that appends an entry whose line is changed."""
    return lambda log: [*log, {**forged_line(len(log) + 1, party_payload()), **changed}]


DEEP = "[" * 70 + "]" * 70
FORGERIES: dict[str, list[Forgery]] = {
    "number": [lambda log: [*log, forged_line(len(log) + 2, party_payload())]],
    "header": [appending(party_payload(), header={"more": 1}), appending(party_payload(), header={"digest": "A" * 64})],
    "format": [appending(party_payload(), header={"format": 2}), appending(party_payload(), header={"format": "1"})],
    "time": [
        appending(party_payload(), moment="2001-01-01T00:00:00.000000Z"),
        appending(party_payload(), moment="2099-02-30T00:00:00.000000Z"),
        appending(party_payload(), moment="2099-01-01T24:00:00.000000Z"),
        appending(party_payload(), moment="2099-01-01T00:00:00Z"),
        appending(party_payload(), moment="2099-01-01T00:00:00.000000+00:00"),
        appending(party_payload(), moment="soon"),
    ],
    "salt": [appending(party_payload(), salt=b"short"), appending_line(salt=None)],
    "digest": [appending_line(payload=forged_line(1, party_payload("other"))["payload"])],
    "canonical": [
        appending(json.dumps(party_payload())),
        appending('{"action":"record","action":"record","key":"new","kind":"party","recorded_by":"M"}'),
        appending(party_payload(more=1.5)),
        appending(forged_line(1, party_payload(more=1))["payload"].replace(":1", ":9007199254740992")),
        appending(party_payload(note="a\0b")),
        appending(party_payload(more=json.loads(DEEP))),
        appending("[]"),
        appending("{}x"),
        appending('{"action":"\\ud800"}'),
        appending("[" * 100_000 + "]" * 100_000),
        appending_line(payload=None),
    ],
    "members": [
        appending(payload_members("record", "party", "new")),
        appending({"action": "record", "kind": "party", "key": "new", "record": {"name": "New"}}),
        appending({**party_payload(), "recorded_by": " "}),
        appending({**party_payload(), "entries": [1, 2]}),
        appending({**party_payload(), "reason": 1}),
        appending({**party_payload(), "reason": None}),
        appending({**party_payload(), "record": "New"}),
        appending({**party_payload(), "action": None}),
        appending(payload_members("withdraw", "party", "body", replaces=1)),
        appending(payload_members("withdraw", "party", "body", reason="r")),
        appending(payload_members("withdraw", "party", "body", reason="r", replaces="1")),
        appending(payload_members("withdraw", "party", "body", reason="r", replaces=True)),
        appending(payload_members("withdraw", "party", "body", reason="r", replaces=10**9)),
        appending(payload_members("withdraw", "party", "body", reason="r", replaces=0)),
        appending(payload_members("redact", "party", "body", reason="r", entries=[1])),
        appending(payload_members("redact", "party", "body", reason="r", entries=[2, 1])),
        appending(payload_members("redact", "party", "body", reason="r", entries=[1, 10**9])),
        appending(payload_members("redact", "party", "body", reason="r", entries="all")),
    ],
    "action": [appending(payload_members("erase", "party", "body")), appending(payload_members("", "party", "body"))],
    "kind": [
        appending(payload_members("record", "", "new", record={})),
        appending(payload_members("record", "Party", "new", record={})),
        appending(payload_members("record", "p" * 41, "new", record={})),
        appending(payload_members("record", "a b", "new", record={})),
    ],
    "key": [
        appending(party_payload("P999999999999999999")),
        appending(party_payload("P0")),
        appending(party_payload("C1")),
        appending(party_payload("Body")),
        appending(party_payload("")),
        appending(party_payload("x" * 101)),
        appending(party_payload("a\n")),
        appending(payload_members("withdraw", "party", "body", replaces=1, reason="r", replaced_by="S1")),
        appending(payload_members("withdraw", "party", "body", replaces=1, reason="r", replaced_by=None)),
        appending(payload_members("record", "from-later", "P1234567890", record={})),
    ],
    "record": [
        appending(payload_members("record", "party", "new", record={})),
        appending(payload_members("record", "party", "new", record={"name": "N", "key": "other"})),
        appending(payload_members("record", "party", "new", record={"name": "N", "kind": "party"})),
        appending(party_payload(note=None)),
        appending(party_payload(note="")),
        appending(party_payload(note=["n"])),
        appending(party_payload(aliases=[])),
        appending(party_payload(aliases="one")),
        appending(party_payload(type="king")),
        appending(party_payload(name=" New")),
        appending(party_payload(name="a\u202eb")),
        appending(party_payload(name="x" * 1001)),
        appending(party_payload(wikidata="q1")),
        appending(payload_members("record", "source", "new", record={"title": "T", "published": "October 2022"})),
        appending(payload_members("record", "source", "new", record={"title": "T", "published": "2022-02-30"})),
        appending(payload_members("record", "source", "new", record={"title": "T", "url": "no address"})),
        appending(payload_members("record", "claim", "new", record={
            "statement": "s", "claimant": ["two"], "subject": "topic", "citations": [{"source": "b-page"}],
            "figures": [{"measure": f"m{place}", "low": "1"} for place in range(501)]})),
        appending(payload_members("record", "link", "new", record={"type": "repeats", "from": "a", "to": "a"})),
        appending(payload_members("record", "link", "new", record={"type": "repeats", "from": "a", "to": {"source": "s"}})),
    ],
    "begins-once": [appending(party_payload("body")), appending(party_payload("slip")), appending(party_payload("secret"))],
    "replaces": [
        changing_party("amend", "body", "record", record={"name": "N"}, reason="r"),
        changing_party("withdraw", "body", "record", reason="r"),
        changing_party("withdraw", "slip", "withdraw", reason="r"),
        changing_party("amend", "slip", "record", record={"name": "N"}, reason="r"),
        appending(payload_members("withdraw", "party", "nobody", replaces=1, reason="r")),
        appending(payload_members("withdraw", "party", "secret", replaces=1, reason="r")),
    ],
    "fixed": [amending_a_link_end],
    "replaced-by": [
        changing_party("withdraw", "body", "amend", reason="r", replaced_by="body"),
        changing_party("withdraw", "body", "amend", reason="r", replaced_by="slip"),
        changing_party("withdraw", "body", "amend", reason="r", replaced_by="nobody"),
        changing_party("withdraw", "body", "amend", reason="r", replaced_by="secret"),
    ],
    "redacts-own": [
        appending(payload_members("redact", "party", "body", entries=[1, 2], reason="r")),
        appending(payload_members("redact", "party", "slip", entries=[1, 2], reason="r")),
        appending(payload_members("redact", "party", "never-was", entries=[1, 2], reason="r")),
        redacting_part_of_a_record,
        redacting_again,
    ],
    "emptied": [lambda log: [*log, without_payload(forged_line(len(log) + 1, party_payload()))]],
}  # fmt: skip
ALL_FORGERIES = [
    pytest.param(rule, forge, id=f"{rule}-{place}")
    for rule, forgeries in FORGERIES.items()
    for place, forge in enumerate(forgeries)
]


def test_each_rule_has_a_forgery() -> None:
    assert [*FORGERIES, "nodes"] == list(RULES)


@pytest.mark.parametrize(("marker", "table"), [("rules", rule_table), ("records", record_table)])
def test_the_specification_lists_the_rules_and_records_of_the_program(
    marker: str, table: Any
) -> None:
    text = SPECIFICATION.read_text("utf-8")
    block = re.search(rf"<!-- {marker} -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert block
    if UPDATING:
        text = text.replace(block[0], f"<!-- {marker} -->\n{table()}\n<!-- end -->")
        SPECIFICATION.write_text(text, "utf-8")
    else:
        assert block[1].strip() == table()


def names_rule(rule: str, text: str) -> bool:
    """Return whether a message names the rule as broken."""
    return f"(rule `{rule}`)" in text


@pytest.mark.parametrize(("rule", "forge"), ALL_FORGERIES)
def test_the_documented_reader_names_the_rule(
    rule: str, forge: Forgery, valid: LedgerLocation
) -> None:
    with Ledger.open(valid) as ledger:
        log = lines_of(ledger)
    assert example_reader_error(log) == ""
    assert names_rule(rule, example_reader_error(forge(log))), example_reader_error(forge(log))


@pytest.mark.parametrize(("rule", "forge"), ALL_FORGERIES)
def test_restore_names_the_rule_and_writes_nothing(
    rule: str, forge: Forgery, valid: LedgerLocation, tmp_path: Path
) -> None:
    with Ledger.open(valid) as ledger:
        log, before = lines_of(ledger), ledger.head()
    file = write_segment_file(forge(log), len(log), tmp_path / "forged.jsonl")
    with pytest.raises(StoreError, match=re.escape("forged.jsonl")) as raised:
        append_segment(valid, file)
    assert names_rule(rule, str(raised.value)), raised.value
    assert "nothing was written" in str(raised.value)
    with Ledger.open(valid) as ledger:
        assert ledger.head() == before
        assert ledger.verify().faults == ()
        assert lines_of(ledger) == log


@pytest.mark.parametrize(("rule", "forge"), ALL_FORGERIES)
def test_verify_and_salvage_name_the_rule_and_salvage_omits_the_entry(
    rule: str, forge: Forgery, valid: LedgerLocation, tmp_path: Path
) -> None:
    with Ledger.open(valid) as ledger:
        log, before = lines_of(ledger), ledger.head()
    insert_unchecked(valid, forge(log), len(log))
    with Ledger.open(valid) as ledger:
        verification = ledger.verify()
    assert any(names_rule(rule, str(fault)) for fault in verification.faults), verification.faults
    report = salvage(valid, tmp_path / "saved.db")
    assert any(names_rule(rule, lost.why) for lost in report.lost), report.lost
    with Ledger.open(tmp_path / "saved.db", writable=True) as saved:
        assert saved.at(known_at=before.size).head() == before
        assert saved.verify().faults == ()
        record_all(saved, [{"kind": "party", "name": "Next"}])


OPERATIONS: dict[str, Callable[[Ledger, Path], object]] = {
    "rebuild": lambda ledger, _: ledger.rebuild(),
    "move": lambda ledger, folder: ledger.move(folder / "moved.db"),
    "backup": lambda ledger, folder: ledger.backup(folder / "backup.db"),
    "reading": lambda ledger, _: [list(ledger.records(kind)) for kind in KINDS],
}


@pytest.mark.parametrize(("rule", "forge"), ALL_FORGERIES)
def test_every_command_that_fails_on_an_invalid_entry_says_why(
    rule: str, forge: Forgery, valid: LedgerLocation, tmp_path: Path
) -> None:
    with Ledger.open(valid) as ledger:
        log = lines_of(ledger)
    insert_unchecked(valid, forge(log), len(log))
    errors = {}
    for name, operation in OPERATIONS.items():
        with Ledger.open(valid, writable=True) as ledger:
            try:
                operation(ledger, tmp_path)
            except StoreError as error:
                errors[name] = str(error)
    assert "backup" in errors  # a backup is verified before it is renamed into place
    assert not (tmp_path / "backup.db").exists()
    assert (tmp_path / "moved.db").exists() == ("move" not in errors)
    for name, text in errors.items():
        assert names_rule(rule, text) or (name == "reading" and "claimledger salvage" in text), text


def test_verify_and_salvage_name_wrong_tree_nodes(valid: LedgerLocation) -> None:
    with Ledger.open(valid) as ledger:
        log = lines_of(ledger)
    line = {**forged_line(len(log) + 1, party_payload()), "nodes": bytes(32)}
    insert_unchecked(valid, [*log, line], len(log))
    with Ledger.open(valid) as ledger:
        assert any(names_rule("nodes", str(fault)) for fault in ledger.verify().faults)
    assert any(names_rule("nodes", lost.why) for lost in survey(valid).lost)


VALUES: list[Any] = [
    None, True, 0, 1, 2, 3, -1, 2**53, 10**30, 1.5, "", " ", "x", "body", "P1", "C12", "P0", "2022", "2022-13",
    "2022-02-29", "2022-02-28T24:00:00", "2022-02-28T23:59:59-14:59", "2024-02-29", "201X", "20XX-XX", "2022~/..", "2022/2021", "Y17000", "-0044", "2022-24/2023-02-28",
    "54", "054", "-0", "1.50", "over", "under", "sum(a)", "sum(a,b)", "sum(a, b)", "share(a/x, b)", "count(places, t)",
    "count(places, t, p=NLD)", "ratio(a)", "en", "zh-CN", "https://e.example", "mailto:x y", "Q42", "ab" * 32,
    "text/html", "text", [], ["x"], ["x", ""], {}, {"p": "q"}, {"P": "q"}, {"source": "s"}, {"claim": "s"},
    {"edtf": "2022", "printed": "x"}, {"edtf": "2022", "printed": ""}, {"source": "s", "via": ["a"]}, "\u3000x", "a\nb", "a\u2028b",
    "é", "e\u0301", "record", "amend", "party", "claim", "link", "undercuts", "observed", [{"source": "s"}], "\x1f",
]  # fmt: skip
"""Values that are valid in one field and invalid in most others."""


def mutate(value: Any, rng: random.Random) -> Any:
    """Return a JSON value with one random part of it replaced, removed or added."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        name = rng.choice(sorted(value))
        roll = rng.random()
        if roll < 0.12:
            return {key: value for key, value in value.items() if key != name}
        if roll < 0.2:
            return {**value, rng.choice(MEMBERS): rng.choice(VALUES)}
        return {**value, name: mutate(value[name], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        if rng.random() < 0.2:
            return value[:place] + value[place + 1 :]
        return [*value[:place], mutate(value[place], rng), *value[place + 1 :]]
    return rng.choice(VALUES)


MEMBERS = [
    "note", "record", "replaces", "replaced_by", "entries", "reason", "low", "high", "qualifier", "unit",
    "formula", "grounds", "asserted", "citations", "aliases", "scope", "from-later", "key", "kind", "to", "via",
]  # fmt: skip


def mutated_log(log: list[Line], rng: random.Random) -> list[Line]:
    """Return a log with one or two entries changed, and digests and roots that match the change."""
    payloads = [None if line["payload"] is None else payload_of(line) for line in log]
    for _ in range(rng.choice((1, 1, 1, 2))):
        place = rng.randrange(len(payloads))
        roll = rng.random()
        if roll < 0.8:
            payloads[place] = mutate(payloads[place], rng)
        elif roll < 0.87:
            del payloads[place]
        elif roll < 0.94:
            payloads.insert(place, payloads[rng.randrange(len(payloads))])
        else:
            payloads[place] = None
    return [
        without_payload(forged_line(number, {}))
        if payload is None
        else forged_line(
            number, json.dumps(payload) if _must_be_written_as_is(payload) else payload
        )
        for number, payload in enumerate(payloads, 1)
    ]


def _must_be_written_as_is(payload: Any) -> bool:
    """Return whether a payload has a number that canonical JSON cannot write."""
    return any(text in json.dumps(payload) for text in ("1.5", str(10**30), str(2**53)))


def program_error(log: list[Line]) -> str:
    """Return the message with which the program rejects a log, or an empty text for a valid log."""
    replay = LogReplay()
    try:
        for line in log:
            salt = None if line["salt"] is None else base64.b64decode(line["salt"])
            replay.add(line["number"], line["header"], line["payload"], salt)
        for _, error in replay.unexplained():
            return str(error)
    except InvalidEntryError as error:
        return str(error)
    return ""


def golden_log() -> list[Line]:
    """Return the log of the golden ledger of the newest layout."""
    path = sorted((ROOT / "fixtures" / "golden").glob("layout-*.jsonl"))[-1]
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.at_random
def test_the_program_and_the_documented_reader_agree_on_every_log() -> None:
    log = golden_log()
    assert program_error(log) == example_reader_error(log) == ""
    rng = random.Random(seed_for("logs"))
    outcomes = set()
    for _ in range(1500 * TRIALS_FACTOR):
        changed = mutated_log(log, rng)
        error, documented = program_error(changed), example_reader_error(changed)
        assert bool(error) == bool(documented), (error, documented, changed)
        outcomes.add(re.sub(r".*\(rule `(.*)`\)", r"\1", error, flags=re.DOTALL))
    assert len(outcomes) > 8  # valid logs occur too, and most rules are broken
