"""The two clocks: what the world had heard by a day, what the ledger held at an entry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from builders import analysis_of, case, record_all, status_line
from claimledger.cli.main import cli
from claimledger.errors import ParseError
from claimledger.ledger import Ledger
from claimledger.present.audit import audit
from claimledger.present.report import report
from claimledger.records.dates import Date, day_text


def day(text: str) -> int:
    answer = Date.of(text).latest
    assert answer is not None
    return answer


def test_known_by_is_the_earliest_sign_of_a_claim(ledger: Ledger) -> None:
    sources = {
        "dated": {"published": "2022-10", "accessed": "2022-11-05"},
        "read": {"accessed": "2022-10-29"},
        "silent": {},
    }
    extra = {"said": {"asserted": "2022-09"}}
    drawn = case(
        ["said: a @dated", "printed: b @dated", "seen: c @read", "told: d @silent", "lone: e @silent"],
        ["seen repeats told"], sources=sources, extra=extra,
    )  # fmt: skip
    record_all(ledger, drawn)
    known = {key: day_text(answer) for key, answer in analysis_of(ledger).graph.known_by.items()}
    today = datetime.now(UTC).date().isoformat()
    assert known == {
        "said": "2022-09-30", "printed": "2022-10-31", "seen": "2022-10-29", "told": "2022-10-29",
        "lone": today,
    }  # fmt: skip


def test_as_of_a_day_only_what_was_known_and_what_it_rests_on(ledger: Ledger) -> None:
    extra = {"early": {"asserted": "2022-10-01"}, "late": {"asserted": "2022-12-01"},
             "input": {"asserted": "2023-01-01"}}  # fmt: skip
    drawn = case(
        ["early: a", "late: b", "input: c"],
        ["late contradicts early", "early derives_from input"], extra=extra,
    )  # fmt: skip
    record_all(ledger, drawn)
    before = analysis_of(ledger, as_of=day("2022-10-31"))
    assert set(before.graph.claims) == {"early", "input"}
    assert status_line(before, "early").startswith("single-origin")
    assert status_line(analysis_of(ledger, as_of=day("2022-12-01")), "early").startswith(
        "contested"
    )


def test_a_stated_link_enters_with_its_source(ledger: Ledger) -> None:
    extra = {"a": {"asserted": "2022-01-01"}, "b": {"asserted": "2022-01-01"}}
    sources = {"review": {"published": "2022-06-30"}}
    drawn = case(["a: one", "b: two"], extra=extra, sources=sources)
    drawn.append({"kind": "link", "key": "l", "type": "contradicts", "from": "a", "to": "b",
                  "basis": "stated", "citations": [{"source": "review"}]})  # fmt: skip
    record_all(ledger, drawn)
    assert not analysis_of(ledger, as_of=day("2022-06-29")).attacks.on("a")
    assert analysis_of(ledger, as_of=day("2022-06-30")).attacks.on("a")


@pytest.mark.parametrize(("last", "right"), [("2022-06-29", False), ("2022-06-30", True)])
def test_a_stated_reply_enters_every_answer_with_its_source(
    path: Path, capfd: pytest.CaptureFixture[str], last: str, right: bool
) -> None:
    extra = {key: {"asserted": "2022-01-01"} for key in "abc"}
    drawn = case(["a: one", "b: two", "c: three"], ["c contradicts a"], extra=extra,
                 sources={"paper": {"published": "2022-06-30"}})  # fmt: skip
    drawn += [
        {"kind": "link", "key": "reply", "type": "answers", "from": "b", "to": "a",
         "basis": "stated", "citations": [{"source": "paper"}]},
        {"kind": "review", "key": "rated", "claim": "a", "reviewed": "2022-06-30", "rating": "half"},
    ]  # fmt: skip
    with Ledger.create(path) as ledger:
        record_all(ledger, drawn)
        value = audit(ledger.at(as_of=day(last)), "a")
        assert bool(value.replies) is bool(value.reviews) is right
        page = report(ledger.at(as_of=day(last))).as_json()
        assert bool(page["disputes"][0]["replies"]) is right
    for words in (["show", "a"], ["export"]):
        cli.main(["--ledger", str(path), *words, "--as-of", last], standalone_mode=False)
        assert ("reply" in capfd.readouterr().out) is right
    cli.main(["--ledger", str(path), "export", "--as-of", last], standalone_mode=False)
    assert ('"review"' in capfd.readouterr().out) is right


def test_any_answer_as_the_ledger_stood_then(ledger: Ledger) -> None:
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


def test_recorded_at_never_goes_back(path: Path) -> None:
    moments = iter([datetime(2023, 1, 2, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC)])
    with Ledger.create(path, clock=lambda: next(moments)) as ledger:
        record_all(ledger, case(["a: one"]))
        ledger.amend("claim", "a", {"note": "n"}, by="T", reason="r")
        assert [event.recorded_at[:10] for event in ledger.history("a", "claim")] == [
            "2023-01-02"
        ] * 2
        assert ledger.verify().clean


def test_a_ledger_time_is_an_entry_a_timestamp_or_a_day(path: Path) -> None:
    start = datetime(2023, 1, 1, 12, tzinfo=UTC)
    times = iter(start + timedelta(days=n) for n in range(10))
    with Ledger.create(path, clock=lambda: next(times)) as ledger:
        for name in ("one", "two", "three"):
            record_all(ledger, [{"kind": "party", "key": name, "name": name}])
        results = [ledger.entry_at(when) for when in
                 ("2", "#3", "2022-12-31", "2023-01-01", "1 January 2023",
                  "2023-01-02T11:59:59Z", "2023-01-02T12:00:00+00:00", "2024")]  # fmt: skip
        assert results == [2, 3, 0, 1, 1, 1, 2, 3]
        with pytest.raises(ParseError, match="entry number"):
            ledger.entry_at("recently")
        for beyond in ("4", "99", "#1000"):
            with pytest.raises(
                ParseError, match=f"no entry {beyond.lstrip('#')} yet; .*at entry 3"
            ):
                ledger.entry_at(beyond)
