"""The analysis of a claim's neighbourhood gives that claim the same status as the analysis of the whole ledger."""

from __future__ import annotations

import tempfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import new_location
from builders import analysis_of, record_all, status_line
from claimledger.analysis.analysis import ALONE, Analysis
from claimledger.analysis.flags import flags
from claimledger.analysis.graph import graph_of
from claimledger.ledger import Ledger
from hypothesis_profile import trials_in

TYPES = "contradicts undercuts corroborates repeats derives_from supports answers".split()
DATES = [None, "2020", "2021-06", "2022-12-31"]


@st.composite
def ledgers(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw the records of a small ledger with nested parties, figures, dates and loops."""
    records: list[dict[str, Any]] = [{"kind": "subject", "key": "t", "label": "T"}]
    for n in range(4):
        part_of = f"p{draw(st.integers(0, n - 1))}" if n and draw(st.booleans()) else None
        kind = draw(st.sampled_from([None, "group", "unnamed", "person"]))
        fields = {"part_of": part_of, "type": kind}
        records.append({"kind": "party", "key": f"p{n}", "name": f"P{n}",
                        **{name: value for name, value in fields.items() if value}})  # fmt: skip
    for n in range(5):
        fields = {
            "publisher": draw(st.sampled_from([None, "p0", "p1", "p2", "p3"])),
            "authors": draw(st.sampled_from([None, ["P0"], ["Somebody"]])),
            "published": draw(st.sampled_from(DATES)),
        }
        records.append({"kind": "source", "key": f"s{n}", "title": f"S{n}",
                        **{name: value for name, value in fields.items() if value}})  # fmt: skip
    size = draw(st.integers(2, 8))
    for n in range(size):
        grounds = draw(st.sampled_from([None, "observed", "unstated"]))
        cited = draw(st.lists(st.integers(0, 4), min_size=1, max_size=2, unique=True))
        value = draw(st.sampled_from([None, "54", "about 54", "over 50"]))
        fields = {
            "grounds": grounds,
            "asserted": draw(st.sampled_from(DATES)),
            "figures": [{"measure": "m", "value": value}] if value else None,
        }
        records.append(
            {"kind": "claim", "key": f"c{n}", "statement": f"C{n}", "claimant": f"p{draw(st.integers(0, 3))}",
             "subject": "t", "citations": [{"source": f"s{source}"} for source in cited],
             **{name: value for name, value in fields.items() if value}}
        )  # fmt: skip
    for n in range(draw(st.integers(0, 2 * size))):
        left, right = draw(st.permutations(range(size)))[:2]
        kind = draw(st.sampled_from(TYPES))
        to: Any = f"c{right}"
        if kind == "undercuts" and draw(st.booleans()):
            to = {"source": f"s{draw(st.integers(0, 4))}"}
        records.append({"kind": "link", "key": f"l{n}", "type": kind, "from": f"c{left}", "to": to})
    return records


@pytest.mark.at_random
def test_neighbourhood_and_ledger_agree_at_every_time(store: str) -> None:
    days = st.sampled_from([None, 737_790, 738_000])
    trials_in(store, 60)(given(ledgers(), days)(require_agreement))()


def require_agreement(records: list[dict[str, Any]], as_of: int | None) -> None:
    """Raise an assertion error if the neighbourhood of a claim and the whole ledger differ about it."""
    with tempfile.TemporaryDirectory() as folder, Ledger.create(new_location(folder)) as ledger:
        record_all(ledger, records)
        ledger.withdraw("party", "p3", by="T", reason="the same as p0", replaced_by="p0")
        for known_at in (None, ledger.head().size // 2):
            analysis = analysis_of(ledger, known_at, as_of)
            for key in analysis.graph.claims:
                neighbourhood = Analysis(
                    graph_of(ledger.at(known_at=known_at).neighbourhood([key]), as_of)
                )
                assert status_line(neighbourhood, key) == status_line(analysis, key)
                assert neighbourhood.graph.known_by[key] == analysis.graph.known_by[key]
                assert flags(neighbourhood, key) == flags(analysis, key)
            linked = Analysis(graph_of(ledger.at(known_at=known_at).linked_graph()))
            timeless = analysis_of(ledger, known_at)
            for key in timeless.graph.claims:
                in_linked = linked.as_json(key) if key in linked.graph.claims else ALONE
                assert in_linked == timeless.as_json(key)
        assert ledger.verify().faults == ()
