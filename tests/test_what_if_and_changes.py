"""``what-if`` and ``changes`` report the same differences as a comparison of the analyses before and after."""

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
    """Draw the records of a small case."""
    keys = [f"c{n}" for n in range(draw(st.integers(2, 6)))]
    claimant = st.sampled_from(["ann", "ben", "cat"])
    cited = st.sampled_from(["s0", "s1", "s2"])
    grounds = st.sampled_from(["", "obs"])
    claims = [f"{key}: {draw(claimant)} {draw(grounds)} @{draw(cited)}" for key in keys]
    links = []
    for _ in range(draw(st.integers(0, 8))):
        left, right = draw(st.permutations(keys))[:2]
        kind = draw(st.sampled_from(TYPES))
        target = "@" + draw(cited) if kind == "undercuts" and draw(st.booleans()) else right
        links.append(f"{left} {kind} {target}")
    used = {word[1:] for claim in claims for word in claim.split() if word.startswith("@")}
    links = [link for link in links if "@" not in link or link.split("@")[1] in used]
    parties = {"ann": {}, "ben": {"part_of": draw(st.sampled_from(["ann", "cat"]))}, "cat": {}}
    return case(claims, links, parties=parties)


@pytest.mark.at_random
@trials(60)
@pytest.mark.usefixtures("store")
@given(cases(), st.data())
def test_what_if_without_a_record_equals_withdrawing_it(
    records: Records, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder, Ledger.create(new_location(folder)) as ledger:
        record_all(ledger, records)
        kinds = ("claim", "link", "source", "party")
        removable = [
            (record["kind"], record["key"]) for record in records if record["kind"] in kinds
        ]
        kind, key = data.draw(st.sampled_from(removable))
        before = analysis_of(ledger)
        expected = what_if(ledger, [(kind, key)], [])
        ledger.withdraw(kind, key, by="T", reason="r", cascade=True)
        assert expected == difference(before, analysis_of(ledger))


@pytest.mark.at_random
@trials(60)
@pytest.mark.usefixtures("store")
@given(cases(), st.data())
def test_what_if_with_a_file_equals_importing_it_and_changes_reports_the_same(
    records: Records, data: st.DataObject
) -> None:
    split = data.draw(st.integers(0, len(records)))
    head, tail = records[:split], records[split:]
    names = {(record["kind"], record["key"]) for record in head}
    recorded = [record for record in head if _is_complete(record, names)]
    with tempfile.TemporaryDirectory() as folder, Ledger.create(new_location(folder)) as ledger:
        record_all(ledger, recorded)
        since = ledger.head().size
        before = analysis_of(ledger)
        rest = [record for record in [*head, *tail] if record not in recorded]
        incoming = [RecordInput.of(record_from(record)) for record in rest]
        expected = what_if(ledger, [], incoming)
        assert ledger.head().size == since
        record_all(ledger, rest)
        assert expected == difference(before, analysis_of(ledger))
        assert changes(ledger, since) == expected


def _is_complete(record: dict[str, Any], names: set[tuple[str, str]]) -> bool:
    """Return whether every record that a record refers to is among those named."""
    references = [("party", key) for key in record.get("claimant", ())]
    references += [("source", citation["source"]) for citation in record.get("citations", ())]
    references += [(kind, record[field]) for field, kind in (("subject", "subject"), ("publisher", "party"), ("part_of", "party"),
                                        ("from", "claim")) if field in record]  # fmt: skip
    if "to" in record:
        references.append(
            ("claim", record["to"])
            if isinstance(record["to"], str)
            else next(iter(record["to"].items()))
        )
    return all(reference in names for reference in references)


def test_a_change_of_a_critic_of_a_source_changes_every_claim_that_cites_it(ledger: Ledger) -> None:
    """a ─contradicts─ critic ─undercuts→ s; only the critic is linked with the claim that is removed."""
    records = case(["a: one", "critic: two", "cites: three @s"],
                 ["a contradicts critic", "critic undercuts @s"])  # fmt: skip
    record_all(ledger, records)
    since = ledger.head().size
    expected = what_if(ledger, [("claim", "a")], [])
    assert [diff.key for diff in expected.claims] == ["a", "cites", "critic"]
    ledger.withdraw("claim", "a", by="T", reason="r", cascade=True)
    assert changes(ledger, since) == expected


def test_what_if_writes_nothing_and_changes_only_linked_claims(path: Path) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one", "b: two"]))
    before = sha256(stored_content(path)).hexdigest()
    with Ledger.open(path) as ledger:
        removal = what_if(ledger, [("claim", "a")], [])
        incoming = [
            RecordInput.of(record_from(record))
            for record in case(["c: three"], ["c contradicts a"])
        ]
        addition = what_if(ledger, [], incoming)
    assert [claim.key for claim in removal.claims] == ["a"]
    assert {claim.key for claim in addition.claims} == {"a", "c"}
    assert addition.disputes[0].how == "began"
    assert sha256(stored_content(path)).hexdigest() == before


def test_changes_since_a_term_that_splits_an_assertion_are_computed(ledger: Ledger) -> None:
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
def test_invalid_arguments_are_refused_with_a_message(
    call: Any, path: Path, words: list[str]
) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, case(["a: one"]))
    result = call(*words)
    assert result.returncode in (1, 2)
    assert result.stderr.startswith(("claimledger:", "Usage"))
    assert "Traceback" not in result.stderr
