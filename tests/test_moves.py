"""What would move and what did: held to really doing it."""

from __future__ import annotations

import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import new_location, stored_content
from builders import Records, analysis_of, case, record_all
from claimledger.analysis.diff import AnalysisDiff, difference
from claimledger.ledger import Ledger, RecordInput
from claimledger.records.check import record_from
from claimledger.services.what_if import changes, what_if
from hypothesis_profile import trials

TYPES = [
    "contradicts",
    "undercuts",
    "corroborates",
    "repeats",
    "derives_from",
    "supports",
    "answers",
]


@st.composite
def cases(draw: st.DrawFn) -> Records:
    keys = [f"c{n}" for n in range(draw(st.integers(2, 6)))]
    who = st.sampled_from(["ann", "ben", "cat"])
    cited = st.sampled_from(["s0", "s1", "s2"])
    grounds = st.sampled_from(["", "obs"])
    claims = [f"{key}: {draw(who)} {draw(grounds)} @{draw(cited)}" for key in keys]
    links = []
    for _ in range(draw(st.integers(0, 8))):
        left, right = draw(st.permutations(keys))[:2]
        kind = draw(st.sampled_from(TYPES))
        at = "@" + draw(cited) if kind == "undercuts" and draw(st.booleans()) else right
        links.append(f"{left} {kind} {at}")
    used = {word[1:] for claim in claims for word in claim.split() if word.startswith("@")}
    links = [link for link in links if "@" not in link or link.split("@")[1] in used]
    parties = {"ann": {}, "ben": {"part_of": draw(st.sampled_from(["ann", "cat"]))}, "cat": {}}
    return case(claims, links, parties=parties)


@pytest.mark.at_random
@trials(60)
@pytest.mark.usefixtures("store")
@given(cases(), st.data())
def test_without_a_record_is_as_if_it_had_been_withdrawn(
    drawn: Records, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder, Ledger.create(new_location(folder)) as ledger:
        record_all(ledger, drawn)
        kinds = ("claim", "link", "source", "party")
        some = [(record["kind"], record["key"]) for record in drawn if record["kind"] in kinds]
        kind, key = data.draw(st.sampled_from(some))
        before = analysis_of(ledger)
        expected = what_if(ledger, [(kind, key)], [])
        ledger.withdraw(kind, key, by="T", reason="r", cascade=True)
        assert expected == difference(before, analysis_of(ledger))


@pytest.mark.at_random
@trials(60)
@pytest.mark.usefixtures("store")
@given(cases(), st.data())
def test_with_a_file_is_as_if_it_had_been_imported_and_changes_tells_the_same(
    drawn: Records, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(drawn)))
    head, tail = drawn[:first], drawn[first:]
    records = {(record["kind"], record["key"]) for record in head}
    plain = [record for record in head if _fits(record, records)]
    with tempfile.TemporaryDirectory() as folder, Ledger.create(new_location(folder)) as ledger:
        record_all(ledger, plain)
        since = ledger.head().size
        before = analysis_of(ledger)
        rest = [record for record in [*head, *tail] if record not in plain]
        incoming = [RecordInput.of(record_from(record)) for record in rest]
        expected = what_if(ledger, [], incoming)
        assert ledger.head().size == since
        record_all(ledger, rest)
        assert expected == difference(before, analysis_of(ledger))
        assert changes(ledger, since) == expected


def _fits(record: dict[str, Any], records: set[tuple[str, str]]) -> bool:
    """Whether all that a record points to stands among the first ones."""
    expected = [("party", key) for key in record.get("claimant", ())]
    expected += [("source", citation["source"]) for citation in record.get("citations", ())]
    expected += [(k, record[f]) for f, k in (("subject", "subject"), ("publisher", "party"), ("part_of", "party"),
                                        ("from", "claim")) if f in record]  # fmt: skip
    if "to" in record:
        expected.append(
            ("claim", record["to"])
            if isinstance(record["to"], str)
            else next(iter(record["to"].items()))
        )
    return all(target in records for target in expected)


def test_what_moves_a_critic_of_a_source_moves_all_that_cite_it(ledger: Ledger) -> None:
    """a ─contradicts─ critic ─undercuts→ s; only the critic is linked with the claim that goes."""
    drawn = case(["a: one", "critic: two", "cites: three @s"],
                 ["a contradicts critic", "critic undercuts @s"])  # fmt: skip
    record_all(ledger, drawn)
    since = ledger.head().size
    expected = what_if(ledger, [("claim", "a")], [])
    assert [moved.key for moved in expected.claims] == ["a", "cites", "critic"]
    ledger.withdraw("claim", "a", by="T", reason="r", cascade=True)
    assert changes(ledger, since) == expected


def test_nothing_is_written_and_nothing_moves_where_nothing_is_linked(path: Path) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one", "b: two"]))
    before = sha256(stored_content(path)).hexdigest()
    with Ledger.open(path) as ledger:
        diff = what_if(ledger, [("claim", "a")], [])
        extra = [
            RecordInput.of(record_from(record))
            for record in case(["c: three"], ["c contradicts a"])
        ]
        more = what_if(ledger, [], extra)
    assert [moved.key for moved in diff.claims] == ["a"]
    assert {moved.key for moved in more.claims} == {"a", "c"}
    assert more.disputes[0].how == "began"
    assert sha256(stored_content(path)).hexdigest() == before


def test_a_term_that_splits_an_assertion_is_told_as_a_change(ledger: Ledger) -> None:
    extra = {"a": {"figures": [{"measure": "stations", "value": "54"}]},
             "b": {"figures": [{"measure": "posts", "value": "60"}]}}  # fmt: skip
    record_all(ledger, case(["a: one", "b: two"], ["b repeats a"], extra=extra))
    since = ledger.head().size
    assert analysis_of(ledger).assertions.same("a", "b")
    record_all(
        ledger,
        [{"kind": "term", "key": "m", "of": "measure", "label": "stations", "aliases": ["posts"]}],
    )
    assert not analysis_of(ledger).assertions.same("a", "b")
    assert isinstance(changes(ledger, since), AnalysisDiff)


@pytest.mark.parametrize("words", [["what-if"], ["what-if", "--without", "ghost"], ["changes", "--since", "x"],
                                   ["what-if", "--without", "foo:a"]])  # fmt: skip
def test_what_cannot_be_asked_is_told(call: Any, path: Path, words: list[str]) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
    done = call(*words)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith(("claimledger:", "Usage"))
    assert "Traceback" not in done.stderr
