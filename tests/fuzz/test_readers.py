"""Hypothesis makes texts near to what each reader takes, spoils them, and sees how they are met."""

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
from claimledger.importers.log_segments import is_strand, reading_strand
from claimledger.ledger import InvalidRecord, Ledger, entry_of, shown
from claimledger.log.entry import Payload
from claimledger.records.check import record_of
from claimledger.records.dates import Date
from claimledger.records.kinds import KINDS
from claimledger.storage.url import Address
from claimledger.text.unicode import not_unicode

ROOT = Path(__file__).parent.parent.parent
RUNS = int(os.environ.get("FUZZ", "600"))
"""In all; what is read fast is read more often."""

LONGEST = 1.0
"""Seconds an input of 10 kB may take."""


def fuzzed(share: int) -> settings:
    """So many in a hundred of all runs, always the same ones in ``make test``."""
    runs = max(60, RUNS * share // 100)
    return settings(max_examples=runs, deadline=None, derandomize="FUZZ" not in os.environ)


anything = st.text(max_size=200)
WORDS = (
    "circa about early late mid between and to from October 2022 12 10 2016/.. 19XX 2022-21 spring winter BC "
    "over some million 5.85 1.2–1.5 twenty-seven -3 +4 1e9 ½ ٣ ２ 年 月 日 ? ~ % .. / [ ] { } , : - # | & * ! ' \" \\ \t "
    "null true ~ !!python/object &a *a <<: --- - ? > | @ ` \x00 \u202e \ufeff \ud800 $1 ${x} <script> =1+1"
).split(" ")
near = st.lists(st.one_of(st.sampled_from(WORDS), anything), max_size=20).map(" ".join)


def met(reader: Callable[[Any], object], value: Any) -> None:
    """Let a reader read; what it refuses it refuses in our own words, and soon.

    What counts is the time it works: how long it waits for a busy machine says nothing of it, nor how
    long Python looks through all that hypothesis remembers of a hundred thousand runs.
    """
    gc.disable()
    start = time.process_time()
    try:
        reader(value)
    except ClaimledgerError as error:
        output = str(error)
        assert output
        assert "Traceback" not in output
    finally:
        took = time.process_time() - start
        gc.enable()
    assert took < LONGEST, f"took {took:.1f} s"


@fuzzed(19)
@given(near)
def test_dates(text: str) -> None:
    met(Date.of, text)


@fuzzed(19)
@given(near)
def test_figures(text: str) -> None:
    met(lambda value: record_of("claim", {
        "statement": "s", "claimant": ["p"], "subject": "t", "citations": [{"source": "s"}],
        "figures": [{"measure": "m", "value": value}]}), text)  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | near,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(WORDS) | anything, inner, max_size=5)
    ),
    max_leaves=12,
)
FIELDS = sorted(
    {name for kind in KINDS.values() for name in kind.model_fields} | {"from", "kind", "value"}
)
records = st.dictionaries(st.sampled_from(FIELDS) | anything, JSON, max_size=8)


@fuzzed(4)
@given(st.sampled_from([*KINDS, "rumour"]), records)
def test_records(kind: str, fields: dict[str, Any]) -> None:
    met(lambda value: record_of(kind, value), fields)


def case_file(suffix: str) -> Callable[[bytes], object]:
    def read(content: bytes) -> object:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"case{suffix}"
            path.write_bytes(content)
            results = list(read_in_turn([str(path)]))
        for invalid in results:
            if isinstance(invalid, InvalidRecord):
                for problem in invalid.problems:
                    assert str(path) in str(problem)
        return results

    return read


def spoilt(complete: bytes) -> st.SearchStrategy[bytes]:
    """Return a text with pieces cut out, doubled or exchanged for something else."""
    place = st.integers(0, len(complete))
    piece = st.one_of(
        st.binary(max_size=20), near.map(lambda text: text.encode("utf-8", "surrogatepass"))
    )
    return st.lists(st.tuples(place, place, piece), min_size=1, max_size=4).map(
        lambda cuts: _cut(complete, cuts)
    )


def _cut(complete: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    for start, end, piece in cuts:
        complete = complete[: min(start, end)] + piece + complete[max(start, end) :]
    return complete


YAML = (ROOT / "fixtures" / "golden" / "case.yaml").read_bytes()
LOG = (ROOT / "fixtures" / "golden" / "layout-103.jsonl").read_bytes()


@fuzzed(10)
@given(spoilt(YAML) | near.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_case_files_in_yaml(content: bytes) -> None:
    met(case_file(".yaml"), content)


@fuzzed(2)
@given(st.lists(records, max_size=4).map(lambda records: json.dumps(records).encode()), st.data())
def test_case_files_in_json(content: bytes, data: st.DataObject) -> None:
    met(case_file(".json"), data.draw(spoilt(content)))
    met(case_file(".jsonl"), data.draw(spoilt(content.replace(b"}, {", b"}\n{").strip(b"[]"))))


@fuzzed(8)
@given(JSON)
def test_lines_of_a_log(line: Any) -> None:
    met(lambda value: entry_of(value, "here:1"), line)


@fuzzed(15)
@given(st.one_of(st.binary(max_size=200), spoilt(LOG.splitlines()[3])))
def test_payloads(text: bytes) -> None:
    met(Payload.decode, text)


@fuzzed(2)
@given(spoilt(LOG))
def test_exported_entries(content: bytes) -> None:
    root = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    head = {"claimledger": "entries", "format": 1, "begins": {"size": 0, "root": root},
            "ends": {"size": 25, "root": root}}  # fmt: skip

    def receive(lines: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "strand.jsonl"
            path.write_bytes(json.dumps(head).encode() + b"\n" + lines)
            if not is_strand(str(path)):
                return
            with Ledger.create(Path(folder) / "l.db") as ledger:
                try:
                    with reading_strand(str(path)) as strand:
                        ledger.append_entries(strand)
                finally:
                    assert ledger.verify().faults == ()

    met(receive, content)


@fuzzed(15)
@given(st.one_of(
    near.map("postgresql://{}".format),
    st.tuples(anything, anything, anything).map(lambda t: f"postgres://u{t[0]}:hunter2@{t[1]}/db?schema={t[2]}"),
))  # fmt: skip
def test_addresses(text: str) -> None:
    met(Address.of, text)
    assert "hunter2" not in shown(text) or text.count("hunter2") > 1


ARGUMENTS = st.lists(
    st.one_of(
        st.sampled_from(
            "show list search audit origins explain history compare disputes standings flags propose changes --json "
            "--as-of --known-at --subject --figure --since --standing --claimant --limit --kind rfa-54 stations 54 "
            "2022 #12 sd-harassment --by --reason --format svg text timeline graph tally --count claims stats schema "
            "claim load-bearing what-if --without export verify term party source add --help --version".split()
        ),
        near,
    ),
    max_size=6,
)


@fuzzed(6)
@given(ARGUMENTS)
def test_command_lines(words: list[str]) -> None:
    """Against a copy that may not be written; the terminal is none."""
    from claimledger.cli.main import main

    if any(not_unicode(word) and "\x00" in word for word in words):
        return  # no argument of a process holds a NUL
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
    assert time.process_time() - start < 20 * LONGEST


def test_a_large_hostile_input_is_met_soon_and_in_little_room() -> None:
    """Ten kilobytes of what is worst for each reader."""
    deep = b"[" * 5000 + b"]" * 5000
    worst = [
        (case_file(".yaml"), b"a: &a [x, x]\n" + b"".join(b"b%d: &b%d [*a, *a]\n" % (n, n) for n in range(500))),
        (case_file(".yaml"), deep), (case_file(".json"), deep), (case_file(".jsonl"), deep),
        (case_file(".yaml"), b"- " * 5000), (case_file(".yaml"), b"? " * 5000), (case_file(".yaml"), b"!" * 10_000),
        (case_file(".yaml"), b"'" + b"x" * 10_000), (case_file(".jsonl"), b"\xff" * 10_000),
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
        worst.append(
            (
                lambda value: record_of("claim", {"figures": [{"measure": "m", "value": value}]}),
                text,
            )
        )  # type: ignore[arg-type]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for reader, content in worst:
        met(reader, content)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024  # kilobytes
