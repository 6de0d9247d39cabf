"""Hypothesis generates nearly valid input for each parser and damages it; the parser must accept or refuse it quickly."""

from __future__ import annotations

import gc
import io
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claimledger.errors import ClaimledgerError
from claimledger.importers.case_files import read_in_turn
from claimledger.importers.log_segments import is_segment, reading_segment
from claimledger.ledger import InvalidRecord, Ledger, entry_of, shown
from claimledger.log.entry import Payload
from claimledger.records.check import record_of
from claimledger.records.dates import Date
from claimledger.records.kinds import KINDS
from claimledger.storage.url import Address
from claimledger.text.unicode import not_unicode

ROOT = Path(__file__).parent.parent.parent
RUNS = int(os.environ.get("FUZZ", "600"))
"""Number of examples in all; the fastest parsers get the most."""

TIME_LIMIT = 1.0
"""Seconds of CPU time that an input of 10 kB may take."""


def fuzz_settings(share: int) -> settings:
    """Return settings for ``share`` percent of all examples, the same at each run in ``make test``."""
    examples = max(60, RUNS * share // 100)
    return settings(max_examples=examples, deadline=None, derandomize="FUZZ" not in os.environ)


any_text = st.text(max_size=200)
WORDS = (
    "circa about early late mid between and to from October 2022 12 10 2016/.. 19XX 2022-21 spring winter BC "
    "over some million 5.85 1.2–1.5 twenty-seven -3 +4 1e9 ½ ٣ ２ 年 月 日 ? ~ % .. / [ ] { } , : - # | & * ! ' \" \\ \t "
    "null true ~ !!python/object &a *a <<: --- - ? > | @ ` \x00 \u202e \ufeff \ud800 $1 ${x} <script> =1+1"
).split(" ")
near_valid = st.lists(st.one_of(st.sampled_from(WORDS), any_text), max_size=20).map(" ".join)


def check_reader(reader: Callable[[Any], object], value: Any) -> None:
    """Require that a reader accepts a value or raises our own error, within the time limit.

    CPU time is measured, without garbage collection: waiting on a busy machine does not count, nor does
    scanning what hypothesis remembers of a hundred thousand examples.
    """
    gc.disable()
    start = time.process_time()
    try:
        reader(value)
    except ClaimledgerError as error:
        message = str(error)
        assert message
        assert "Traceback" not in message
    finally:
        seconds = time.process_time() - start
        gc.enable()
    assert seconds < TIME_LIMIT, f"took {seconds:.1f} s"


@fuzz_settings(19)
@given(near_valid)
def test_date_parser(text: str) -> None:
    check_reader(Date.of, text)


@fuzz_settings(19)
@given(near_valid)
def test_figure_parser(text: str) -> None:
    check_reader(lambda value: record_of("claim", {
        "statement": "s", "claimant": ["p"], "subject": "t", "citations": [{"source": "s"}],
        "figures": [{"measure": "m", "value": value}]}), text)  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | near_valid,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(WORDS) | any_text, inner, max_size=5)
    ),
    max_leaves=12,
)
FIELDS = sorted(
    {name for kind in KINDS.values() for name in kind.model_fields} | {"from", "kind", "value"}
)
records = st.dictionaries(st.sampled_from(FIELDS) | any_text, JSON, max_size=8)


@fuzz_settings(4)
@given(st.sampled_from([*KINDS, "rumour"]), records)
def test_record_checks(kind: str, fields: dict[str, Any]) -> None:
    check_reader(lambda value: record_of(kind, value), fields)


def case_file_reader(suffix: str) -> Callable[[bytes], object]:
    def read(content: bytes) -> object:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"case{suffix}"
            path.write_bytes(content)
            records = list(read_in_turn([str(path)]))
        for record in records:
            if isinstance(record, InvalidRecord):
                for problem in record.problems:
                    assert str(path) in str(problem)
        return records

    return read


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """Return a strategy for a content with pieces removed, doubled or replaced."""
    position = st.integers(0, len(content))
    piece = st.one_of(
        st.binary(max_size=20), near_valid.map(lambda text: text.encode("utf-8", "surrogatepass"))
    )
    return st.lists(st.tuples(position, position, piece), min_size=1, max_size=4).map(
        lambda edits: _edit(content, edits)
    )


def _edit(content: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for start, end, piece in edits:
        content = content[: min(start, end)] + piece + content[max(start, end) :]
    return content


YAML = (ROOT / "fixtures" / "golden" / "case.yaml").read_bytes()
LOG = (ROOT / "fixtures" / "golden" / "layout-103.jsonl").read_bytes()


@fuzz_settings(10)
@given(damaged(YAML) | near_valid.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_case_files_in_yaml(content: bytes) -> None:
    check_reader(case_file_reader(".yaml"), content)


@fuzz_settings(2)
@given(st.lists(records, max_size=4).map(lambda records: json.dumps(records).encode()), st.data())
def test_case_files_in_json(content: bytes, data: st.DataObject) -> None:
    check_reader(case_file_reader(".json"), data.draw(damaged(content)))
    check_reader(
        case_file_reader(".jsonl"),
        data.draw(damaged(content.replace(b"}, {", b"}\n{").strip(b"[]"))),
    )


@fuzz_settings(8)
@given(JSON)
def test_log_lines(line: Any) -> None:
    check_reader(lambda value: entry_of(value, "here:1"), line)


@fuzz_settings(15)
@given(st.one_of(st.binary(max_size=200), damaged(LOG.splitlines()[3])))
def test_payloads(text: bytes) -> None:
    check_reader(Payload.decode, text)


@fuzz_settings(2)
@given(damaged(LOG))
def test_exported_entries(content: bytes) -> None:
    root = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    first_line = {"claimledger": "entries", "format": 1, "begins": {"size": 0, "root": root},
            "ends": {"size": 25, "root": root}}  # fmt: skip

    def append_segment(lines: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "segment.jsonl"
            path.write_bytes(json.dumps(first_line).encode() + b"\n" + lines)
            if not is_segment(str(path)):
                return
            with Ledger.create(Path(folder) / "l.db") as ledger:
                try:
                    with reading_segment(str(path)) as segment:
                        ledger.append_entries(segment)
                finally:
                    assert ledger.verify().faults == ()

    check_reader(append_segment, content)


@fuzz_settings(15)
@given(st.one_of(
    near_valid.map("postgresql://{}".format),
    st.tuples(any_text, any_text, any_text).map(
        lambda parts: f"postgres://u{parts[0]}:hunter2@{parts[1]}/db?schema={parts[2]}"
    ),
))  # fmt: skip
def test_addresses(text: str) -> None:
    check_reader(Address.of, text)
    assert "hunter2" not in shown(text) or text.count("hunter2") > 1


ARGUMENTS = st.lists(
    st.one_of(
        st.sampled_from(
            "show list search audit origins explain history compare disputes standings flags propose changes --json "
            "--as-of --known-at --subject --figure --since --standing --claimant --limit --kind rfa-54 stations 54 "
            "2022 #12 sd-harassment --by --reason --format svg text timeline graph tally --count claims stats schema "
            "claim load-bearing what-if --without export verify term party source add --help --version".split()
        ),
        near_valid,
    ),
    max_size=6,
)


@fuzz_settings(6)
@given(ARGUMENTS)
def test_command_lines(words: list[str]) -> None:
    """Commands that only read, on the worked case, without a terminal."""
    from claimledger.cli.main import main

    if any(not_unicode(word) and "\x00" in word for word in words):
        return  # the argument of a process cannot contain NUL
    if {"accept", "decline", "record", "init", "-o", "--output"} & set(words):
        return
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    start = time.process_time()
    with (
        tempfile.TemporaryDirectory() as folder, chdir(folder),
        mock.patch.object(sys, "argv", ["claimledger", *words]),
        mock.patch.dict(os.environ, {"CLAIMLEDGER_DB": str(ROOT / "ledger.db"), "CLAIMLEDGER_BY": "F"}),
        redirect_stdout(out), redirect_stderr(err), mock.patch("sys.stdin", io.StringIO("")),
        pytest.raises(SystemExit) as ended,
    ):  # fmt: skip
        main()
    assert ended.value.code in (0, 1, 2), (words, err.getvalue())
    assert "Traceback" not in err.getvalue()
    assert time.process_time() - start < 20 * TIME_LIMIT


def test_a_large_hostile_input_is_read_in_bounded_time_and_memory() -> None:
    """Ten kilobytes of the worst input for each parser."""
    deep = b"[" * 5000 + b"]" * 5000
    worst_inputs = [
        (case_file_reader(".yaml"), b"a: &a [x, x]\n" + b"".join(b"b%d: &b%d [*a, *a]\n" % (n, n) for n in range(500))),
        (case_file_reader(".yaml"), deep), (case_file_reader(".json"), deep), (case_file_reader(".jsonl"), deep),
        (case_file_reader(".yaml"), b"- " * 5000), (case_file_reader(".yaml"), b"? " * 5000), (case_file_reader(".yaml"), b"!" * 10_000),
        (case_file_reader(".yaml"), b"'" + b"x" * 10_000), (case_file_reader(".jsonl"), b"\xff" * 10_000),
        (Date.of, "1" * 10_000), (Date.of, "October " * 1200), (Date.of, "(" * 10_000), (Date.of, "2022-" * 2000),
        (Payload.decode, deep), (Payload.decode, b'{"a":' * 2000), (Address.of, "postgresql://" + "@" * 10_000),
        (Address.of, "postgresql://" + "a:" * 5000 + "@"), (shown, "postgresql://" + "a:@" * 3000),
    ]  # fmt: skip
    for text in (
        "1" * 10_000,
        "over " * 2000,
        "1–" * 5000,
        "1e" + "9" * 9000,
        "twenty-" * 1400,
        "." * 10_000,
    ):
        worst_inputs.append(
            (
                lambda value: record_of("claim", {"figures": [{"measure": "m", "value": value}]}),
                text,
            )
        )  # type: ignore[arg-type]
    memory_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for reader, content in worst_inputs:
        check_reader(reader, content)
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_before < 300 * 1024
    )  # kilobytes
