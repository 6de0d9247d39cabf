"""Case files are imported all or nothing; each problem names its file, line, field, value and remedy."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from builders import case
from claimledger.errors import InvalidInputError
from claimledger.importers.case_files import read_files, read_in_turn
from claimledger.importers.positions import Parsed, parse_json
from claimledger.importers.prefetch import ahead
from claimledger.importers.yaml import parse_yaml
from claimledger.ledger import ImportResult, Ledger, RecordInput
from claimledger.records.check import record_from

GOOD = """
defaults:
  claim: {subject: topic, claimant: one}
records:
- {kind: claim, key: early, statement: no, asserted: 2022-10, citations: page}
- {kind: party, key: one, name: One}
- {kind: subject, key: topic, label: Topic}
- {kind: source, key: page, title: 54}
""".replace("citations: page", "citations: {source: page}")


def import_files(ledger: Ledger, *files: Path, **options: Any) -> ImportResult:
    return ledger.import_records(read_files([str(file) for file in files]), by="T", **options)


def write(folder: Path, name: str, text: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def import_problems(ledger: Ledger, *files: Path, **options: Any) -> list[str]:
    """Return the problems for which an import is refused; require that nothing was written."""
    with pytest.raises(InvalidInputError) as error:
        import_files(ledger, *files, **options)
    assert ledger.head().size == 0
    return [str(problem) for problem in error.value.problems]


def test_yaml_scalars_stay_texts_and_references_may_point_forward(
    ledger: Ledger, tmp_path: Path
) -> None:
    result = import_files(ledger, write(tmp_path, "a.yaml", GOOD))
    assert len(result.written) == 4
    assert ledger.get("claim", "early").record.as_json()["statement"] == "no"
    assert ledger.get("claim", "early").record.as_json()["asserted"] == "2022-10"
    assert ledger.get("source", "page").record.as_json()["title"] == "54"


def test_references_may_point_to_records_in_other_files(ledger: Ledger, tmp_path: Path) -> None:
    records = case(["a: one", "b: two"], ["a repeats b"])
    first = write(tmp_path, "a.json", json.dumps(records[-3:]))
    second = write(tmp_path, "b.jsonl", "\n".join(json.dumps(record) for record in records[:-3]))
    assert len(import_files(ledger, first, second).written) == len(records)


def test_json_json_lines_and_yaml_give_the_same_records(tmp_path: Path) -> None:
    records = case(["a: one obs", "b: two"], ["a repeats b"])
    roots = []
    for name, text in {
        "x.json": json.dumps({"records": records}, indent=1),
        "x.jsonl": "\n".join(json.dumps(record) for record in records),
        "x.yaml": json.dumps(records),
    }.items():
        with Ledger.create(tmp_path / f"{name}.db") as ledger:
            import_files(ledger, write(tmp_path, name, text))
            roots.append([stored.record for stored in ledger.records("claim")])
    assert roots[0] == roots[1] == roots[2]


def test_importing_unchanged_or_older_records_writes_nothing(
    ledger: Ledger, tmp_path: Path
) -> None:
    file = write(tmp_path, "a.yaml", GOOD)
    import_files(ledger, file)
    ledger.amend("claim", "early", {"note": "later"}, by="T", reason="r")
    size = ledger.head().size
    result = import_files(ledger, file)
    assert (result.written, result.unchanged, ledger.head().size) == ([], 3, size)
    assert result.older == [("claim", "early")]


def test_import_with_amend_restores_an_older_version(ledger: Ledger, tmp_path: Path) -> None:
    file = write(tmp_path, "a.yaml", GOOD)
    import_files(ledger, file)
    ledger.amend("claim", "early", {"note": "later", "statement": "wrong"}, by="T", reason="r")
    result = import_files(ledger, file, amend=True, reason="restore")
    assert (result.amended, result.unchanged, result.older) == (1, 3, [])
    stored = ledger.get("claim", "early").record.as_json()
    assert (stored["statement"], "note" in stored) == ("no", False)
    assert ledger.verify().clean


def test_records_without_a_key_are_counted_as_unchanged_older_or_withdrawn(ledger: Ledger) -> None:
    parties = [record_from({"kind": "party", "name": name}) for name in ("one", "two", "three")]
    inputs = [RecordInput.of(party) for party in parties]
    ledger.import_records(inputs, by="T")
    ledger.amend("party", "P2", {"note": "n"}, by="T", reason="r")
    ledger.withdraw("party", "P3", by="T", reason="r")
    # A record without a key identifies no record, so it amends none.
    for options in ({}, {"amend": True, "reason": "r"}):
        result = ledger.import_records(inputs, by="T", **options)
        assert (result.written, result.unchanged) == ([], 1)
        assert (result.older, result.withdrawn) == ([("party", "P2")], [("party", "P3")])
    # A record whose current version is equal is preferred to one with an equal older version.
    ledger.amend("party", "P1", {"name": "two"}, by="T", reason="r")
    assert ledger.import_records(inputs[1:2], by="T").unchanged == 1


def test_recording_an_older_version_by_hand_is_refused(ledger: Ledger) -> None:
    party = record_from({"kind": "party", "key": "mill", "name": "Mill"})
    ledger.record(party, by="T")
    ledger.amend("party", "mill", {"note": "n"}, by="T", reason="r")
    with pytest.raises(
        InvalidInputError, match=r"party mill: the key is in use: .Mill. has it; choose another"
    ):
        ledger.record(party, by="T")


def test_an_import_reports_what_it_left_out(
    call: Callable[..., subprocess.CompletedProcess[str]], ledger: Ledger, tmp_path: Path
) -> None:
    records = case([f"c{number}: one" for number in range(7)])
    file = write(tmp_path, "a.jsonl", "\n".join(json.dumps(record) for record in records))
    import_files(ledger, file)
    ledger.amend("party", "one", {"note": "n"}, by="T", reason="r")
    for number in range(6):
        ledger.withdraw("claim", f"c{number}", by="T", reason="r")
    completed = call("import", "a.jsonl")
    assert (completed.returncode, completed.stderr) == (0, "")
    lines = " ".join(completed.stdout.split())
    assert "Recorded nothing new. 9 records are already in the ledger." in lines
    assert (
        '6 records are withdrawn and not recorded again: the claim "c0", the claim "c1", the claim "c2", '
        'the claim "c3", the claim "c4" and 1 more.' in lines
    )
    assert '1 record is older than in the ledger and not recorded: the party "one".' in lines
    answer = json.loads(call("import", "a.jsonl", "--json").stdout)
    assert (answer["unchanged"], answer["withdrawn"], answer["older"]) == (9, 6, 1)


def test_a_changed_record_is_refused_with_its_difference_or_amended(
    ledger: Ledger, tmp_path: Path
) -> None:
    import_files(ledger, write(tmp_path, "a.yaml", GOOD))
    changed = write(tmp_path, "b.yaml", GOOD.replace("statement: no", "statement: yes"))
    with pytest.raises(
        InvalidInputError, match=r'b.yaml:5.*statement is "no" there.*found: "yes".*--amend'
    ):
        import_files(ledger, changed)
    result = import_files(ledger, changed, amend=True, reason="it says yes")
    assert (result.amended, result.unchanged) == (1, 3)
    assert ledger.history("early")[-1].reason == "it says yes"
    assert ledger.verify().faults == ()


def test_check_writes_nothing(ledger: Ledger, tmp_path: Path) -> None:
    result = import_files(ledger, write(tmp_path, "a.yaml", GOOD), check=True)
    assert len(result.written) == 4
    assert ledger.head().size == 0


def test_every_problem_names_its_file_and_line(ledger: Ledger, tmp_path: Path) -> None:
    text = """
- {kind: party, key: one, name: One}
- {kind: partie, name: Two}
- kind: claim
  key: bad
  statement: x
  claimant: nobody
  subject: one
  asserted: 03/04/2022
  grounds: hearsay
  colour: red
  citations:
  - source: page
    locatr: p. 1
- {kind: party, key: one, name: Other}
- just a text
- {kind: claim, key: lost, statement: x, claimant: nobdy, subject: one, citations: {source: page}}
- {kind: party, key: nobody, name: N}
- {kind: source, key: page, title: P}
"""
    problems = import_problems(ledger, write(tmp_path, "bad.yaml", text))
    file = str(tmp_path / "bad.yaml")
    expected = [
        (3, "unknown kind", "did you mean party?"),
        (9, "asserted", "two ways"),
        (10, "grounds", "is not one of the allowed values"),
        (11, "colour", "unknown field"),
        (14, "citations.0.locatr", "did you mean locator?"),
        (15, "duplicate key", "bad.yaml:2"),
        (16, "is not a record", "just a text"),
        (17, "claimant", "no party with this key"),
        (17, "subject", "is a party, not a subject"),
    ]
    for line, *words in expected:
        matches = [
            problem
            for problem in problems
            if problem.startswith(f"{file}:{line}:") and all(word in problem for word in words)
        ]
        assert matches, (line, words, problems)


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("a.yaml", b"- {kind: party, name: caf\xe9}", "is not UTF-8"),
        ("a.jsonl", b'{"kind": "party", "name": "caf\xe9"}\n', "is not UTF-8"),
        ("a.json", '[{"kind": "party", "na', "cut off in the middle"),
        ("a.jsonl", '{"kind": "party", "name": "A"}\n{"kind": "par', "a.jsonl:2: is cut off"),
        ("a.yaml", "- {kind: party, name: [", "is not valid YAML"),
        ("a.json", "[" * 100_000, "nested deeper than 40"),
        ("a.yaml", "[" * 100_000, "nested deeper than 40"),
        ("a.jsonl", '{"a":' * 100_000, "nested deeper than 40"),
        ("a.json", '[{"kind": "party", "name": "A", "name": "B"}]', "gives 'name' twice"),
        ("a.jsonl", '{"kind": "party", "name": "A", "name": "B"}', "gives 'name' twice"),
        ("a.yaml", "- {kind: party, name: A, name: B}", "gives 'name' twice"),
        ("a.json", '[{"kind": "claim", "figures": [{"measure": "m", "low": 1.5}]}]', "binary fraction"),
        ("a.yaml", "records: []\nmore: 1", "has \"more\" beside its records"),
        ("a.yaml", "hello", "holds no records"),
        ("a.yaml", "", "holds no records"),
        ("a.yaml", "- {kind: party, name: A}\n---\n- {kind: party, name: B}", "second document"),
        ("a.yaml", "defaults: {colour: red}\nrecords: []", "defaults.colour"),
        ("a.jsonl", '{"kind": "party", "name": "\\ud800"}', "surrogate"),
        ("missing.yaml", None, "cannot be read"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused(
    ledger: Ledger, tmp_path: Path, name: str, text: Any, hint: str
) -> None:
    file = tmp_path / name
    if text is not None:
        write(tmp_path, name, text)
    assert any(hint in problem for problem in import_problems(ledger, file)), hint


def test_exponentially_nested_yaml_anchors_are_refused(ledger: Ledger, tmp_path: Path) -> None:
    bomb = "- &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"- &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(12)
    )
    assert (
        "multiply without bound" in import_problems(ledger, write(tmp_path, "bomb.yaml", bomb))[0]
    )


def test_ordinary_yaml_anchors_work() -> None:
    text = "- &c {source: page}\n- {citations: [*c, *c]}\n"
    assert parse_yaml(text, "f").value[1]["citations"] == [{"source": "page"}] * 2


def test_only_a_plain_null_of_yaml_is_empty() -> None:
    text = (
        "- [null, ~, Null, NULL, ]\n- a:\n  b: '~'\n  c: !!str null\n  d: nUll\n  e: no\n  f: ! ~\n"
    )
    empty, fields = parse_yaml(text, "f").value
    assert empty == [None] * 4
    assert fields == {"a": None, "b": "~", "c": "null", "d": "nUll", "e": "no", "f": "~"}


YAML_LINES = """\
records:
- &first
  kind: party
  name:
    A long name
- - x
  - *first
- {kind: party,
   name: B, 'note': *first}
"""


def test_the_line_of_every_yaml_value_is_known() -> None:
    parsed = parse_yaml(YAML_LINES, "f")
    lines = {
        (): 1,
        ("records",): 1,
        ("records", 0): 2,
        ("records", 0, "kind"): 3,
        ("records", 0, "name"): 4,  # a field is where its name is
        ("records", 1): 6,
        ("records", 1, 0): 6,
        ("records", 1, 1): 7,
        ("records", 2): 8,
        ("records", 2, "kind"): 8,
        ("records", 2, "name"): 9,
        ("records", 2, "note"): 9,
    }
    assert parsed.lines == lines
    assert (
        parsed.line(("records", 1, 1, "kind")) == 7
    )  # what an alias repeats is where the alias is
    assert parsed.value["records"][1][1] == parsed.value["records"][2]["note"]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("- x\n- {a: &a 1, a: 2}", 2, "gives 'a' twice in one object"),
        ("- &a a\n- b: 1\n  a: 1\n  *a : 2", 4, "gives 'a' twice in one object"),
        ("- x\n- &a [*a]", 2, "uses the alias *a before its anchor is complete"),
        ("- x\n- *a", 2, "uses the alias *a before its anchor is complete"),
        ("- x\n- {[a]: b}", 2, "has a list or an object where a name belongs"),
        ("- &a [x]\n- *a : b", 2, "has a name that is not text"),
        ("- x\n- {~: b}", 2, "has a name that is not text"),
        ("- x\n- " + "[" * 40 + "]" * 40, 2, "is nested deeper than 40 levels"),
        ("- x\n- y\n---\n- z", 3, "holds a second document (---); write one list of records"),
        ("- x\n- \x07", 2, "is not valid YAML: {} characters are not allowed"),
        ("- x\n- 'y", 2, "is not valid YAML: found unexpected end of stream"),
    ],
)
def test_yaml_that_is_no_case_file_is_refused_at_its_line(text: str, line: int, what: str) -> None:
    for parser, character in ((parse_yaml, "control"), (_pure_python(), "special")):
        with pytest.raises(InvalidInputError) as error:
            parser(text, "f")
        assert [str(problem) for problem in error.value.problems] == [
            f"f:{line}: {what.format(character)}"
        ]
    depth = "[" * 39 + "x" + "]" * 39
    assert parse_yaml(f"- {depth}", "f").line((0,) * 40) == 1


def _pure_python() -> Callable[[str, str], Parsed]:
    """Return the parser as it is where PyYAML was installed without libyaml."""
    spec = importlib.util.find_spec("claimledger.importers.yaml")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch("yaml.__with_libyaml__", False):
        spec.loader.exec_module(module)
    return module.parse_yaml  # type: ignore[no-any-return]


def test_yaml_is_the_same_without_libyaml() -> None:
    for text in (YAML_LINES, GOOD, "- [~, null, '~', !!str ~, ]", ""):
        assert _pure_python()(text, "f") == parse_yaml(text, "f")


def test_the_line_of_every_json_value_is_known() -> None:
    text = '{\n "records": [\n  {"kind": "party",\n   "name": "A"}\n ]\n}'
    parsed = parse_json(text, "f")
    assert parsed.line(("records", 0, "name")) == 4
    assert parsed.line(("records", 0)) == 3


_SMALL_MEMORY = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (900 * 1024**2, 900 * 1024**2))
from claimledger.cli.main import main
main()
"""


@pytest.mark.parametrize("name", ["huge.jsonl", "huge.json", "huge.yaml"])
def test_a_line_of_a_gigabyte_is_refused_in_little_memory(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    with file.open("wb") as out:
        out.write(b'{"kind": "party", "name": "')
        out.truncate(1024**3)  # a sparse file: a gigabyte to read, nothing on the disk
    ledger = tmp_path / "l.db"
    Ledger.create(ledger).close()
    completed = subprocess.run(
        [sys.executable, "-c", _SMALL_MEMORY, "--ledger", str(ledger), "import", str(file)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert completed.returncode == 1
    assert "MiB" in completed.stderr
    assert "Traceback" not in completed.stderr


def test_a_text_of_a_million_characters_is_imported(ledger: Ledger, tmp_path: Path) -> None:
    record = {"kind": "party", "key": "one", "name": "One", "note": "é" * 1_000_000}
    import_files(ledger, write(tmp_path, "a.jsonl", json.dumps(record)))
    assert len(ledger.get("party", "one").record.as_json()["note"]) == 1_000_000


def test_prefetching_gives_the_same_records_as_reading_sequentially(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [json.dumps(record) for record in case([f"c{n}: one" for n in range(900)])]
    lines[400:400] = ['{"kind": "party"}', "no record", '{"kind": "partie", "name": "x"}']
    file = write(tmp_path, "a.jsonl", "\n".join(lines))
    sequential = list(read_files([str(file), str(tmp_path / "none.yaml")]))
    monkeypatch.setattr("claimledger.importers.prefetch._LARGE", 1)
    monkeypatch.setattr("claimledger.importers.prefetch.may_fork", lambda: True)
    assert list(read_files([str(file), str(tmp_path / "none.yaml")])) == sequential
    assert len(sequential) == len(lines) + 1


def test_a_reader_process_that_dies_is_reported_and_nothing_is_written(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_and_die(paths: list[str]) -> Any:
        yield from read_in_turn(paths)
        os._exit(9)

    file = write(tmp_path, "a.yaml", GOOD)
    with pytest.raises(InvalidInputError, match=r"reads the files ended early \(status 9\)"):
        ledger.import_records(ahead(read_and_die, [str(file)]), by="T")
    assert ledger.head().size == 0
