"""Each rule of the log's format is held by all who read a log: one forgery a rule, and logs at random."""

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


def fill(ledger: Ledger) -> None:
    """Have every action, a replacement, and records of all sorts."""
    record_all(ledger, case(["a: one obs", "b: two", "c: three"], ["a contradicts b"]))
    link = {"kind": "link", "key": "tie", "type": "repeats", "from": "c", "to": "a"}
    record_all(ledger, [link, {"kind": "party", "key": "body", "name": "Body"}])
    ledger.amend("party", "body", {"note": "n"}, by="T", reason="r")
    record_all(ledger, [{"kind": "party", "key": key, "name": key} for key in ("slip", "secret")])
    ledger.withdraw("party", "slip", by="T", reason="r", replaced_by="body")
    ledger.withdraw("party", "secret", by="T", reason="r", replaced_by="body")
    ledger.redact("party", "secret", by="T", reason="r")


LAWFUL = LedgerTemplate(fill)


@pytest.fixture
def lawful(store: str, tmp_path: Path) -> LedgerLocation:
    """Return a ledger with a lawful log."""
    return LAWFUL.copy(tmp_path)


def add(payload: dict[str, Any] | str, **more: Any) -> Forgery:
    """Put one entry behind a log."""
    return lambda log: [*log, forged_line(len(log) + 1, payload, **more)]


def party(key: str = "new", **fields: Any) -> dict[str, Any]:
    """Return an entry that records a party."""
    return payload_members("record", "party", key, record={"name": "New", **fields})


def change(action: str, key: str, after: str, **more: Any) -> Forgery:
    """Put a change of a record behind a log, which replaces its last entry of an action."""

    def forge(log: list[Line]) -> list[Line]:
        payload = payload_members(
            action, "party", key, replaces=last_entry_number(log, after, key), **more
        )
        return [*log, forged_line(len(log) + 1, payload)]

    return forge


def other_end(log: list[Line]) -> list[Line]:
    """Have a link point elsewhere by an amendment."""
    number = last_entry_number(log, "record", "tie")
    changed = payload_of(log[number - 1])["record"] | {"to": "b"}
    payload = payload_members("amend", "link", "tie", record=changed, replaces=number, reason="r")
    return [*log, forged_line(len(log) + 1, payload)]


def redacting_a_part(log: list[Line]) -> list[Line]:
    """Redact the end of a record and leave its beginning."""
    size = len(log)
    log = [
        *log,
        forged_line(size + 1, party("half")),
        forged_line(
            size + 2,
            payload_members("amend", "party", "half", record={"name": "H"}, replaces=size + 1),
        ),
        forged_line(
            size + 3, payload_members("withdraw", "party", "half", replaces=size + 2, reason="r")
        ),
    ]
    rows = [size + 2, size + 3]
    payload = payload_members("redact", "party", "half", entries=rows, reason="r")
    return [
        *log[: size + 1],
        *map(without_payload, log[size + 1 :]),
        forged_line(size + 4, payload),
    ]


def redacting_again(log: list[Line]) -> list[Line]:
    """Redact what another redaction has emptied, under another name."""
    rows = [line["number"] for line in log if line["payload"] is None]
    payload = payload_members("redact", "party", "never-was", entries=rows, reason="r")
    return [*log, forged_line(len(log) + 1, payload)]


def first_changed(**changed: Any) -> Forgery:
    """Change the line of an entry behind the log."""
    return lambda log: [*log, {**forged_line(len(log) + 1, party()), **changed}]


DEEP = "[" * 70 + "]" * 70
FORGERIES: dict[str, list[Forgery]] = {
    "number": [lambda log: [*log, forged_line(len(log) + 2, party())]],
    "header": [add(party(), header={"more": 1}), add(party(), header={"digest": "A" * 64})],
    "format": [add(party(), header={"format": 2}), add(party(), header={"format": "1"})],
    "time": [
        add(party(), moment="2001-01-01T00:00:00.000000Z"),
        add(party(), moment="2099-02-30T00:00:00.000000Z"),
        add(party(), moment="2099-01-01T24:00:00.000000Z"),
        add(party(), moment="2099-01-01T00:00:00Z"),
        add(party(), moment="2099-01-01T00:00:00.000000+00:00"),
        add(party(), moment="soon"),
    ],
    "salt": [add(party(), salt=b"short"), first_changed(salt=None)],
    "digest": [first_changed(payload=forged_line(1, party("other"))["payload"])],
    "canonical": [
        add(json.dumps(party())),
        add('{"action":"record","action":"record","key":"new","kind":"party","recorded_by":"M"}'),
        add(party(more=1.5)),
        add(forged_line(1, party(more=1))["payload"].replace(":1", ":9007199254740992")),
        add(party(note="a\0b")),
        add(party(more=json.loads(DEEP))),
        add("[]"),
        add("{}x"),
        add('{"action":"\\ud800"}'),
        add("[" * 100_000 + "]" * 100_000),
        first_changed(payload=None),
    ],
    "members": [
        add(payload_members("record", "party", "new")),
        add({"action": "record", "kind": "party", "key": "new", "record": {"name": "New"}}),
        add({**party(), "recorded_by": " "}),
        add({**party(), "entries": [1, 2]}),
        add({**party(), "reason": 1}),
        add({**party(), "reason": None}),
        add({**party(), "record": "New"}),
        add({**party(), "action": None}),
        add(payload_members("withdraw", "party", "body", replaces=1)),
        add(payload_members("withdraw", "party", "body", reason="r")),
        add(payload_members("withdraw", "party", "body", reason="r", replaces="1")),
        add(payload_members("withdraw", "party", "body", reason="r", replaces=True)),
        add(payload_members("withdraw", "party", "body", reason="r", replaces=10**9)),
        add(payload_members("withdraw", "party", "body", reason="r", replaces=0)),
        add(payload_members("redact", "party", "body", reason="r", entries=[1])),
        add(payload_members("redact", "party", "body", reason="r", entries=[2, 1])),
        add(payload_members("redact", "party", "body", reason="r", entries=[1, 10**9])),
        add(payload_members("redact", "party", "body", reason="r", entries="all")),
    ],
    "action": [add(payload_members("erase", "party", "body")), add(payload_members("", "party", "body"))],
    "kind": [
        add(payload_members("record", "", "new", record={})),
        add(payload_members("record", "Party", "new", record={})),
        add(payload_members("record", "p" * 41, "new", record={})),
        add(payload_members("record", "a b", "new", record={})),
    ],
    "key": [
        add(party("P999999999999999999")),
        add(party("P0")),
        add(party("C1")),
        add(party("Body")),
        add(party("")),
        add(party("x" * 101)),
        add(party("a\n")),
        add(payload_members("withdraw", "party", "body", replaces=1, reason="r", replaced_by="S1")),
        add(payload_members("withdraw", "party", "body", replaces=1, reason="r", replaced_by=None)),
        add(payload_members("record", "from-later", "P1234567890", record={})),
    ],
    "record": [
        add(payload_members("record", "party", "new", record={})),
        add(payload_members("record", "party", "new", record={"name": "N", "key": "other"})),
        add(payload_members("record", "party", "new", record={"name": "N", "kind": "party"})),
        add(party(note=None)),
        add(party(note="")),
        add(party(note=["n"])),
        add(party(aliases=[])),
        add(party(aliases="one")),
        add(party(type="king")),
        add(party(name=" New")),
        add(party(name="a\u202eb")),
        add(party(name="x" * 1001)),
        add(party(wikidata="q1")),
        add(payload_members("record", "source", "new", record={"title": "T", "published": "October 2022"})),
        add(payload_members("record", "source", "new", record={"title": "T", "published": "2022-02-30"})),
        add(payload_members("record", "source", "new", record={"title": "T", "url": "no address"})),
        add(payload_members("record", "claim", "new", record={
            "statement": "s", "claimant": ["two"], "subject": "topic", "citations": [{"source": "b-page"}],
            "figures": [{"measure": f"m{place}", "low": "1"} for place in range(501)]})),
        add(payload_members("record", "link", "new", record={"type": "repeats", "from": "a", "to": "a"})),
        add(payload_members("record", "link", "new", record={"type": "repeats", "from": "a", "to": {"source": "s"}})),
    ],
    "begins-once": [add(party("body")), add(party("slip")), add(party("secret"))],
    "replaces": [
        change("amend", "body", "record", record={"name": "N"}, reason="r"),
        change("withdraw", "body", "record", reason="r"),
        change("withdraw", "slip", "withdraw", reason="r"),
        change("amend", "slip", "record", record={"name": "N"}, reason="r"),
        add(payload_members("withdraw", "party", "nobody", replaces=1, reason="r")),
        add(payload_members("withdraw", "party", "secret", replaces=1, reason="r")),
    ],
    "fixed": [other_end],
    "replaced-by": [
        change("withdraw", "body", "amend", reason="r", replaced_by="body"),
        change("withdraw", "body", "amend", reason="r", replaced_by="slip"),
        change("withdraw", "body", "amend", reason="r", replaced_by="nobody"),
        change("withdraw", "body", "amend", reason="r", replaced_by="secret"),
    ],
    "redacts-own": [
        add(payload_members("redact", "party", "body", entries=[1, 2], reason="r")),
        add(payload_members("redact", "party", "slip", entries=[1, 2], reason="r")),
        add(payload_members("redact", "party", "never-was", entries=[1, 2], reason="r")),
        redacting_a_part,
        redacting_again,
    ],
    "emptied": [lambda log: [*log, without_payload(forged_line(len(log) + 1, party()))]],
}  # fmt: skip
EACH = [
    pytest.param(rule, forge, id=f"{rule}-{place}")
    for rule, forgeries in FORGERIES.items()
    for place, forge in enumerate(forgeries)
]


def test_each_rule_has_a_forgery() -> None:
    assert [*FORGERIES, "nodes"] == list(RULES)


@pytest.mark.parametrize(("marker", "table"), [("rules", rule_table), ("records", record_table)])
def test_the_specification_tells_the_rules_and_the_records_as_they_are_held(
    marker: str, table: Any
) -> None:
    text = SPECIFICATION.read_text("utf-8")
    marked = re.search(rf"<!-- {marker} -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert marked
    if UPDATING:
        text = text.replace(marked[0], f"<!-- {marker} -->\n{table()}\n<!-- end -->")
        SPECIFICATION.write_text(text, "utf-8")
    else:
        assert marked[1].strip() == table()


def names(rule: str, text: str) -> bool:
    """Whether a text names a rule as broken."""
    return f"(rule `{rule}`)" in text


@pytest.mark.parametrize(("rule", "forge"), EACH)
def test_the_second_reader_names_the_rule(
    rule: str, forge: Forgery, lawful: LedgerLocation
) -> None:
    with Ledger.open(lawful) as ledger:
        log = lines_of(ledger)
    assert example_reader_error(log) == ""
    assert names(rule, example_reader_error(forge(log))), example_reader_error(forge(log))


@pytest.mark.parametrize(("rule", "forge"), EACH)
def test_restore_refuses_it_naming_the_rule_and_writes_nothing(
    rule: str, forge: Forgery, lawful: LedgerLocation, tmp_path: Path
) -> None:
    with Ledger.open(lawful) as ledger:
        log, before = lines_of(ledger), ledger.head()
    file = write_segment_file(forge(log), len(log), tmp_path / "forged.jsonl")
    with pytest.raises(StoreError, match=re.escape("forged.jsonl")) as refused:
        append_segment(lawful, file)
    assert names(rule, str(refused.value)), refused.value
    assert "nothing was written" in str(refused.value)
    with Ledger.open(lawful) as ledger:
        assert ledger.head() == before
        assert ledger.verify().faults == ()
        assert lines_of(ledger) == log


@pytest.mark.parametrize(("rule", "forge"), EACH)
def test_verify_and_salvage_name_it_in_a_ledger_and_salvage_leaves_it_out(
    rule: str, forge: Forgery, lawful: LedgerLocation, tmp_path: Path
) -> None:
    with Ledger.open(lawful) as ledger:
        log, before = lines_of(ledger), ledger.head()
    insert_unchecked(lawful, forge(log), len(log))
    with Ledger.open(lawful) as ledger:
        verdict = ledger.verify()
    assert any(names(rule, str(fault)) for fault in verdict.faults), verdict.faults
    report = salvage(lawful, tmp_path / "saved.db")
    assert any(names(rule, lost.why) for lost in report.lost), report.lost
    with Ledger.open(tmp_path / "saved.db", writable=True) as saved:
        assert saved.at(known_at=before.size).head() == before
        assert saved.verify().faults == ()
        record_all(saved, [{"kind": "party", "name": "Goes on"}])


WORK: dict[str, Callable[[Ledger, Path], object]] = {
    "rebuild": lambda ledger, _: ledger.rebuild(),
    "move": lambda ledger, folder: ledger.move(folder / "moved.db"),
    "backup": lambda ledger, folder: ledger.backup(folder / "backup.db"),
    "reading": lambda ledger, _: [list(ledger.records(kind)) for kind in KINDS],
}


@pytest.mark.parametrize(("rule", "forge"), EACH)
def test_no_command_fails_on_an_unlawful_entry_without_a_word(
    rule: str, forge: Forgery, lawful: LedgerLocation, tmp_path: Path
) -> None:
    with Ledger.open(lawful) as ledger:
        log = lines_of(ledger)
    insert_unchecked(lawful, forge(log), len(log))
    messages = {}
    for name, work in WORK.items():
        with Ledger.open(lawful, writable=True) as ledger:
            try:
                work(ledger, tmp_path)
            except StoreError as error:
                messages[name] = str(error)
    assert "backup" in messages  # which is proved before it takes its name
    assert not (tmp_path / "backup.db").exists()
    assert (tmp_path / "moved.db").exists() == ("move" not in messages)
    for name, text in messages.items():
        assert names(rule, text) or (name == "reading" and "claimledger salvage" in text), text


def test_nodes_that_do_not_fit_are_named_by_verify_and_salvage(lawful: LedgerLocation) -> None:
    with Ledger.open(lawful) as ledger:
        log = lines_of(ledger)
    line = {**forged_line(len(log) + 1, party()), "nodes": bytes(32)}
    insert_unchecked(lawful, [*log, line], len(log))
    with Ledger.open(lawful) as ledger:
        assert any(names("nodes", str(fault)) for fault in ledger.verify().faults)
    assert any(names("nodes", lost.why) for lost in survey(lawful).lost)


POOL: list[Any] = [
    None, True, 0, 1, 2, 3, -1, 2**53, 10**30, 1.5, "", " ", "x", "body", "P1", "C12", "P0", "2022", "2022-13",
    "2022-02-29", "2022-02-28T24:00:00", "2022-02-28T23:59:59-14:59", "2024-02-29", "201X", "20XX-XX", "2022~/..", "2022/2021", "Y17000", "-0044", "2022-24/2023-02-28",
    "54", "054", "-0", "1.50", "over", "under", "sum(a)", "sum(a,b)", "sum(a, b)", "share(a/x, b)", "count(places, t)",
    "count(places, t, p=NLD)", "ratio(a)", "en", "zh-CN", "https://e.example", "mailto:x y", "Q42", "ab" * 32,
    "text/html", "text", [], ["x"], ["x", ""], {}, {"p": "q"}, {"P": "q"}, {"source": "s"}, {"claim": "s"},
    {"edtf": "2022", "printed": "x"}, {"edtf": "2022", "printed": ""}, {"source": "s", "via": ["a"]}, "\u3000x", "a\nb", "a\u2028b",
    "é", "e\u0301", "record", "amend", "party", "claim", "link", "undercuts", "observed", [{"source": "s"}], "\x1f",
]  # fmt: skip
"""Values that are right in one place of a record and wrong in most others."""


def spoil(value: Any, chance: random.Random) -> Any:
    """Return a JSON value with one thing in it changed."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        name = chance.choice(sorted(value))
        how = chance.random()
        if how < 0.12:
            return {key: value for key, value in value.items() if key != name}
        if how < 0.2:
            return {**value, chance.choice(NAMES): chance.choice(POOL)}
        return {**value, name: spoil(value[name], chance)}
    if isinstance(value, list) and value and chance.random() < 0.8:
        place = chance.randrange(len(value))
        if chance.random() < 0.2:
            return value[:place] + value[place + 1 :]
        return [*value[:place], spoil(value[place], chance), *value[place + 1 :]]
    return chance.choice(POOL)


NAMES = [
    "note", "record", "replaces", "replaced_by", "entries", "reason", "low", "high", "qualifier", "unit",
    "formula", "grounds", "asserted", "citations", "aliases", "scope", "from-later", "key", "kind", "to", "via",
]  # fmt: skip


def spoilt(log: list[Line], chance: random.Random) -> list[Line]:
    """Return a log with something in it changed, under digests and roots that fit the change."""
    payloads = [None if line["payload"] is None else payload_of(line) for line in log]
    for _ in range(chance.choice((1, 1, 1, 2))):
        place = chance.randrange(len(payloads))
        how = chance.random()
        if how < 0.8:
            payloads[place] = spoil(payloads[place], chance)
        elif how < 0.87:
            del payloads[place]
        elif how < 0.94:
            payloads.insert(place, payloads[chance.randrange(len(payloads))])
        else:
            payloads[place] = None
    return [
        without_payload(forged_line(number, {}))
        if payload is None
        else forged_line(number, json.dumps(payload) if _unfit(payload) else payload)
        for number, payload in enumerate(payloads, 1)
    ]


def _unfit(payload: Any) -> bool:
    return any(text in json.dumps(payload) for text in ("1.5", str(10**30), str(2**53)))


def first_opinion(log: list[Line]) -> str:
    """Return what the program says is wrong with a log; nothing where it is lawful."""
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


def golden() -> list[Line]:
    path = sorted((ROOT / "fixtures" / "golden").glob("layout-*.jsonl"))[-1]
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.at_random
def test_program_and_second_reader_agree_on_every_log() -> None:
    log = golden()
    assert first_opinion(log) == example_reader_error(log) == ""
    chance = random.Random(seed_for("logs"))
    outcomes = set()
    for _ in range(1500 * TRIALS_FACTOR):
        changed = spoilt(log, chance)
        ours, theirs = first_opinion(changed), example_reader_error(changed)
        assert bool(ours) == bool(theirs), (ours, theirs, changed)
        outcomes.add(re.sub(r".*\(rule `(.*)`\)", r"\1", ours, flags=re.DOTALL))
    assert len(outcomes) > 8  # it does meet lawful logs, and most of the rules
