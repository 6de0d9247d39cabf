"""A clock that cannot be right is told before anything is written, and what one once wrote is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from backends import tamper
from builders import case, record_all
from claimledger.analysis.analysis import Analysis
from claimledger.analysis.graph import graph_of
from claimledger.errors import ClockError, ParseError, StoreError
from claimledger.ledger import Ledger, LedgerLocation
from claimledger.present.lint import oddities
from conftest import CompletedCommand

NOW = datetime(2016, 11, 20, 12, tzinfo=UTC)
"""Ten years after it is no time ahead of a server's own clock."""

WRONG = datetime(2099, 11, 26, 12, tzinfo=UTC)


def by(where: LedgerLocation, moment: datetime, *, trusted: bool = False) -> Ledger:
    """Open a ledger for writing by a clock that says so."""
    return Ledger.open(where, writable=True, clock=lambda: moment, clock_is_right=trusted)


@pytest.fixture
def begun(path: LedgerLocation) -> LedgerLocation:
    """A ledger with a claim and a withdrawn party, written now."""
    with Ledger.create(path, clock=lambda: NOW) as ledger:
        record_all(ledger, case(["a: one"]))
        record_all(ledger, [{"kind": "party", "key": "gone", "name": "Gone"}])
        ledger.withdraw("party", "gone", by="Tester", reason="r")
    return path


WRITES: dict[str, Callable[[Ledger], object]] = {
    "record": lambda ledger: record_all(ledger, [{"kind": "party", "key": "new", "name": "New"}]),
    "record numbered": lambda ledger: record_all(ledger, [{"kind": "party", "name": "New"}]),
    "amend": lambda ledger: ledger.amend("claim", "a", {"note": "n"}, by="Tester", reason="r"),
    "withdraw": lambda ledger: ledger.withdraw("claim", "a", by="Tester", reason="r"),
    "redact": lambda ledger: ledger.redact("party", "gone", by="Tester", reason="r"),
}


@pytest.mark.parametrize("name", list(WRITES))
@pytest.mark.parametrize(
    ("moment", "output"),
    [
        (WRONG, "2099-11-26 12:00 UTC: more than ten years later"),
        (NOW - timedelta(days=1, seconds=1), "one of the two is wrong"),
        (NOW + timedelta(days=3653, seconds=1), "more than ten years later"),
    ],
)
def test_a_write_by_a_clock_in_doubt_needs_a_word(
    name: str, moment: datetime, output: str, begun: LedgerLocation
) -> None:
    with by(begun, moment) as ledger:
        before = ledger.head()
        with pytest.raises(ClockError, match=output):
            WRITES[name](ledger)
        with pytest.raises(ClockError, match=output):
            ledger.check_clock()
        assert ledger.head() == before
    with by(begun, moment, trusted=True) as ledger:
        WRITES[name](ledger)
        assert ledger.head().size == before.size + 1
        assert ledger.verify().clean


@pytest.mark.parametrize("damaged", ["garbage", "2026-11-26", "2026-02-30T00:00:00.000000Z", ""])
def test_a_last_time_that_is_none_is_told(damaged: str, begun: LedgerLocation) -> None:
    header = f"""substr(header, 1, length(header) - 29) || '{damaged}"}}'"""
    tamper(
        begun,
        f"UPDATE entry SET header = {header} WHERE number = (SELECT max(number) FROM entry)",
    )
    with by(begun, NOW) as ledger:
        for write in (ledger.check_clock, lambda: WRITES["record numbered"](ledger)):
            with pytest.raises(StoreError, match=r"entry \d+ .*`claimledger verify`"):
                write()


@pytest.mark.parametrize("name", list(WRITES))
@pytest.mark.parametrize("moment", [NOW - timedelta(days=1), NOW, NOW + timedelta(days=3653)])
def test_a_clock_that_can_be_right_needs_none(
    name: str, moment: datetime, begun: LedgerLocation
) -> None:
    with by(begun, moment) as ledger:
        before = ledger.head().size
        WRITES[name](ledger)
        assert ledger.head().size == before + 1


def mends(ledger: Ledger) -> list[str]:
    answers = Analysis(graph_of(ledger.whole_graph()))
    return [finding.mend for finding in oddities(ledger, answers, answers.graph.claims)]


def found(ledger: Ledger) -> list[tuple[str, str]]:
    answers = Analysis(graph_of(ledger.whole_graph()))
    odd = oddities(ledger, answers, answers.graph.claims)
    return [(finding.key, finding.told) for finding in odd if finding.kind == "wrong clock"]


def test_what_a_wrong_clock_wrote_is_named(begun: LedgerLocation) -> None:
    with by(begun, NOW) as ledger:
        size = ledger.head().size
        assert found(ledger) == []
    with by(begun, WRONG, trusted=True) as ledger:
        record_all(ledger, [{"kind": "party", "name": "New"}])
        assert found(ledger) == []  # to this clock, which may be the right one, nothing is ahead
    with by(begun, NOW) as ledger:
        ((key, output),) = found(ledger)
        assert (key, f"entry {size + 1} is dated 2099-11-26" in output) == (f"#{size + 1}", True)
    with by(begun, NOW, trusted=True) as ledger:
        record_all(ledger, [{"kind": "party", "name": "Newer"}])
        assert f'claimledger changes --since "#{size}"' in mends(ledger)
        ((key, output),) = found(ledger)
        assert key == f"#{size + 1}"
        assert f"entry {size + 1} and the 1 after it are dated 2099-11-26" in output


def test_a_command_tells_before_it_asks_anything(
    begun: LedgerLocation, call: Callable[..., CompletedCommand], monkeypatch: pytest.MonkeyPatch
) -> None:
    with by(begun, WRONG, trusted=True) as ledger:
        record_all(ledger, [{"kind": "party", "name": "New"}])
        before = ledger.head()
    amend = ("amend", "a", "--set", "note=n", "--reason", "r")
    for words in (("record",), ("import", "-"), amend, ("party", "add", "Mill")):
        completed = call(*words, text="[]")
        assert "dated 2099-11-26 12:00 UTC" in completed.stderr
        assert "--clock-is-right" in completed.stderr
        assert (completed.stdout, completed.returncode) == ("", 1)
    with Ledger.open(begun) as ledger:
        assert ledger.head() == before
    assert call(*amend, "--clock-is-right").returncode == 0
    monkeypatch.setenv("CLAIMLEDGER_CLOCK_IS_RIGHT", "1")
    assert call(*amend[:3], "note=m", *amend[4:]).returncode == 0
    with Ledger.open(begun) as ledger:
        assert ledger.head().size == before.size + 2
    assert "wrong clock" in call("flags").stdout


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"],
)
def test_a_moment_outside_the_calendar_is_told(text: str, begun: LedgerLocation) -> None:
    with (
        Ledger.open(begun) as ledger,
        pytest.raises(ParseError, match="outside the years 1 to 9999"),
    ):
        ledger.entry_at(text)


@pytest.mark.parametrize(
    ("text", "is_complete"),
    [
        ("0001-01-01T00:00:00Z", False),
        ("0999-12-31T00:00:00Z", False),  # sorted as a number of four digits, before 2026
        ("9999-12-31T23:59:59Z", True),
    ],
)
def test_any_year_is_before_or_after(text: str, is_complete: bool, begun: LedgerLocation) -> None:
    with Ledger.open(begun) as ledger:
        assert ledger.entry_at(text) == (ledger.head().size if is_complete else 0)
