"""The two clocks: valid time (``as_of``: asserted by a day) and transaction time (``known_at``: recorded by an entry)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from builders import analysis_of, case, record_all, status_line
from claimledger.cli.main import cli
from claimledger.errors import NotFoundError, ParseError
from claimledger.ledger import Ledger
from claimledger.present.audit import audit
from claimledger.present.report import report
from claimledger.records.dates import Date, day_text


def day(text: str) -> int:
    latest = Date.of(text).latest
    assert latest is not None
    return latest


def test_known_by_is_the_earliest_sign_of_a_claim(ledger: Ledger) -> None:
    sources = {
        "dated": {"published": "2022-10", "accessed": "2022-11-05"},
        "read": {"accessed": "2022-10-29"},
        "silent": {},
    }
    extra = {"said": {"asserted": "2022-09"}}
    records = case(
        ["said: a @dated", "printed: b @dated", "seen: c @read", "original: d @silent", "lone: e @silent"],
        ["seen repeats original"], sources=sources, extra=extra,
    )  # fmt: skip
    record_all(ledger, records)
    known = {key: day_text(last) for key, last in analysis_of(ledger).graph.known_by.items()}
    today = datetime.now(UTC).date().isoformat()
    assert known == {
        "said": "2022-09-30", "printed": "2022-10-31", "seen": "2022-10-29", "original": "2022-10-29",
        "lone": today,
    }  # fmt: skip


def test_as_of_a_day_shows_the_claims_known_by_then_and_their_inputs(ledger: Ledger) -> None:
    extra = {"early": {"asserted": "2022-10-01"}, "late": {"asserted": "2022-12-01"},
             "input": {"asserted": "2023-01-01"}}  # fmt: skip
    records = case(
        ["early: a", "late: b", "input: c"],
        ["late contradicts early", "early derives_from input"], extra=extra,
    )  # fmt: skip
    record_all(ledger, records)
    analysis = analysis_of(ledger, as_of=day("2022-10-31"))
    assert set(analysis.graph.claims) == {"early", "input"}
    assert status_line(analysis, "early").startswith("single-origin")
    assert status_line(analysis_of(ledger, as_of=day("2022-12-01")), "early").startswith(
        "contested"
    )


def test_a_stated_link_counts_from_the_publication_of_its_source(ledger: Ledger) -> None:
    extra = {"a": {"asserted": "2022-01-01"}, "b": {"asserted": "2022-01-01"}}
    sources = {"review": {"published": "2022-06-30"}}
    records = case(["a: one", "b: two"], extra=extra, sources=sources)
    records.append({"kind": "link", "key": "l", "type": "contradicts", "from": "a", "to": "b",
                  "basis": "stated", "citations": [{"source": "review"}]})  # fmt: skip
    record_all(ledger, records)
    assert not analysis_of(ledger, as_of=day("2022-06-29")).attacks.on("a")
    assert analysis_of(ledger, as_of=day("2022-06-30")).attacks.on("a")


@pytest.mark.parametrize(("as_of", "visible"), [("2022-06-29", False), ("2022-06-30", True)])
def test_every_output_shows_a_stated_reply_from_the_publication_of_its_source(
    path: Path, capfd: pytest.CaptureFixture[str], as_of: str, visible: bool
) -> None:
    extra = {key: {"asserted": "2022-01-01"} for key in "abc"}
    records = case(["a: one", "b: two", "c: three"], ["c contradicts a"], extra=extra,
                 sources={"paper": {"published": "2022-06-30"}})  # fmt: skip
    records += [
        {"kind": "link", "key": "reply", "type": "answers", "from": "b", "to": "a",
         "basis": "stated", "citations": [{"source": "paper"}]},
        {"kind": "review", "key": "rated", "claim": "a", "reviewed": "2022-06-30", "rating": "half"},
    ]  # fmt: skip
    with Ledger.create(path) as ledger:
        record_all(ledger, records)
        trail = audit(ledger.at(as_of=day(as_of)), "a")
        assert bool(trail.replies) is bool(trail.reviews) is visible
        contents = report(ledger.at(as_of=day(as_of))).as_json()
        assert bool(contents["disputes"][0]["replies"]) is visible
    for words in (["show", "a"], ["export"]):
        cli.main(["--ledger", str(path), *words, "--as-of", as_of], standalone_mode=False)
        assert ("reply" in capfd.readouterr().out) is visible
    cli.main(["--ledger", str(path), "export", "--as-of", as_of], standalone_mode=False)
    assert ('"review"' in capfd.readouterr().out) is visible


def test_known_at_gives_the_answers_of_the_ledger_at_that_entry(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one obs", "b: two obs"], ["a corroborates b"]))
    before = ledger.head().size
    record_all(
        ledger, [{"kind": "link", "key": "l2", "type": "contradicts", "from": "a", "to": "b"}]
    )
    ledger.withdraw("link", "l1", by="T", reason="r")
    assert status_line(analysis_of(ledger, before), "a") == "corroborated 2..2 in"
    assert status_line(analysis_of(ledger), "a").startswith("contested")
    assert not analysis_of(ledger, 1).graph.claims
    assert ledger.at(known_at=before).head().root != ledger.head().root


def test_recorded_at_never_decreases(path: Path) -> None:
    moments = iter([datetime(2023, 1, 2, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC)])
    with Ledger.create(path, clock=lambda: next(moments)) as ledger:
        record_all(ledger, case(["a: one"]))
        ledger.amend("claim", "a", {"note": "n"}, by="T", reason="r")
        assert [event.recorded_at[:10] for event in ledger.history("a", "claim")] == [
            "2023-01-02"
        ] * 2
        assert ledger.verify().clean


def test_a_point_in_the_ledger_is_an_entry_a_timestamp_or_a_day(path: Path) -> None:
    start = datetime(2023, 1, 1, 12, tzinfo=UTC)
    times = iter(start + timedelta(days=n) for n in range(10))
    with Ledger.create(path, clock=lambda: next(times)) as ledger:
        for name in ("one", "two", "three"):
            record_all(ledger, [{"kind": "party", "key": name, "name": name}])
        entries = [ledger.entry_at(when) for when in
                 ("2", "#3", "2022-12-31", "2023-01-01", "1 January 2023",
                  "2023-01-02T11:59:59Z", "2023-01-02T12:00:00+00:00", "2024")]  # fmt: skip
        assert entries == [2, 3, 0, 1, 1, 1, 2, 3]
        with pytest.raises(ParseError, match="entry number"):
            ledger.entry_at("recently")
        for beyond in ("4", "99", "#1000"):
            number = beyond.lstrip("#")
            with pytest.raises(NotFoundError, match=f"no entry with .* '{number}': .*at entry 3"):
                ledger.entry_at(beyond)
