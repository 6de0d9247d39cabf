"""A write is refused if the machine's clock cannot be right, and entries dated by a wrong clock are flagged."""

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
from claimledger.present.lint import LintFinding, oddities
from conftest import CompletedCommand

NOW = datetime(2016, 11, 20, 12, tzinfo=UTC)
"""Ten years after it are still in the past of a server's real clock."""

WRONG = datetime(2099, 11, 26, 12, tzinfo=UTC)


def open_at(location: LedgerLocation, moment: datetime, *, trusted: bool = False) -> Ledger:
    """Open a ledger for writing, with a clock that shows ``moment``."""
    return Ledger.open(location, writable=True, clock=lambda: moment, clock_is_right=trusted)


@pytest.fixture
def location(path: LedgerLocation) -> LedgerLocation:
    """A ledger with a claim and a withdrawn party, written at ``NOW``."""
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
    ("moment", "hint"),
    [
        (WRONG, "2099-11-26 12:00 UTC: it is more than ten years ahead"),
        (NOW - timedelta(days=1, seconds=1), "one of the two is wrong"),
        (NOW + timedelta(days=3653, seconds=1), "more than ten years ahead"),
    ],
)
def test_a_write_by_a_doubtful_clock_is_refused_until_confirmed(
    name: str, moment: datetime, hint: str, location: LedgerLocation
) -> None:
    with open_at(location, moment) as ledger:
        before = ledger.head()
        with pytest.raises(ClockError, match=hint):
            WRITES[name](ledger)
        with pytest.raises(ClockError, match=hint):
            ledger.check_clock()
        assert ledger.head() == before
    with open_at(location, moment, trusted=True) as ledger:
        WRITES[name](ledger)
        assert ledger.head().size == before.size + 1
        assert ledger.verify().clean


@pytest.mark.parametrize("damaged", ["garbage", "2026-11-26", "2026-02-30T00:00:00.000000Z", ""])
def test_an_invalid_time_of_the_last_entry_is_reported(
    damaged: str, location: LedgerLocation
) -> None:
    header = f"""substr(header, 1, length(header) - 29) || '{damaged}"}}'"""
    tamper(
        location,
        f"UPDATE entry SET header = {header} WHERE number = (SELECT max(number) FROM entry)",
    )
    with open_at(location, NOW) as ledger:
        for write in (ledger.check_clock, lambda: WRITES["record numbered"](ledger)):
            with pytest.raises(StoreError, match=r"entry \d+ .*`claimledger verify`"):
                write()


@pytest.mark.parametrize("name", list(WRITES))
@pytest.mark.parametrize("moment", [NOW - timedelta(days=1), NOW, NOW + timedelta(days=3653)])
def test_a_plausible_clock_needs_no_confirmation(
    name: str, moment: datetime, location: LedgerLocation
) -> None:
    with open_at(location, moment) as ledger:
        before = ledger.head().size
        WRITES[name](ledger)
        assert ledger.head().size == before + 1


def lint_findings(ledger: Ledger) -> list[LintFinding]:
    analysis = Analysis(graph_of(ledger.whole_graph()))
    return oddities(ledger, analysis, analysis.graph.claims)


def suggested_commands(ledger: Ledger) -> list[str]:
    return [finding.mend for finding in lint_findings(ledger)]


def wrong_clock_findings(ledger: Ledger) -> list[tuple[str, str]]:
    findings = lint_findings(ledger)
    return [(finding.key, finding.told) for finding in findings if finding.kind == "wrong clock"]


def test_entries_dated_by_a_wrong_clock_are_flagged(location: LedgerLocation) -> None:
    with open_at(location, NOW) as ledger:
        size = ledger.head().size
        assert wrong_clock_findings(ledger) == []
    with open_at(location, WRONG, trusted=True) as ledger:
        record_all(ledger, [{"kind": "party", "name": "New"}])
        # By this clock, which may be the right one, no entry is in the future.
        assert wrong_clock_findings(ledger) == []
    with open_at(location, NOW) as ledger:
        ((key, message),) = wrong_clock_findings(ledger)
        assert (key, f"entry {size + 1} is dated 26 November 2099" in message) == (
            f"#{size + 1}",
            True,
        )
    with open_at(location, NOW, trusted=True) as ledger:
        record_all(ledger, [{"kind": "party", "name": "Newer"}])
        assert f'claimledger changes --since "#{size}"' in suggested_commands(ledger)
        ((key, message),) = wrong_clock_findings(ledger)
        assert key == f"#{size + 1}"
        assert f"entry {size + 1} and the 1 after it are dated 26 November 2099" in message


def test_a_command_reports_a_doubtful_clock_before_it_prompts(
    location: LedgerLocation, call: Callable[..., CompletedCommand], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_at(location, WRONG, trusted=True) as ledger:
        record_all(ledger, [{"kind": "party", "name": "New"}])
        before = ledger.head()
    amend = ("amend", "a", "--set", "note=n", "--reason", "r")
    for words in (("record",), ("import", "-"), amend, ("party", "add", "Mill")):
        completed = call(*words, text="[]")
        assert "dated 2099-11-26 12:00 UTC" in completed.stderr
        assert "--clock-is-right" in completed.stderr
        assert (completed.stdout, completed.returncode) == ("", 1)
    with Ledger.open(location) as ledger:
        assert ledger.head() == before
    assert call(*amend, "--clock-is-right").returncode == 0
    monkeypatch.setenv("CLAIMLEDGER_CLOCK_IS_RIGHT", "1")
    assert call(*amend[:3], "note=m", *amend[4:]).returncode == 0
    with Ledger.open(location) as ledger:
        assert ledger.head().size == before.size + 2
    assert "wrong clock" in call("flags").stdout


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"],
)
def test_a_moment_outside_the_calendar_is_refused(text: str, location: LedgerLocation) -> None:
    with (
        Ledger.open(location) as ledger,
        pytest.raises(ParseError, match="outside the years 1 to 9999"),
    ):
        ledger.entry_at(text)


@pytest.mark.parametrize(
    ("text", "is_after_every_entry"),
    [
        ("0001-01-01T00:00:00Z", False),
        ("0999-12-31T00:00:00Z", False),  # four digits, so that it sorts before 2026
        ("9999-12-31T23:59:59Z", True),
    ],
)
def test_moments_compare_in_time_order_for_years_of_any_size(
    text: str, is_after_every_entry: bool, location: LedgerLocation
) -> None:
    with Ledger.open(location) as ledger:
        assert ledger.entry_at(text) == (ledger.head().size if is_after_every_entry else 0)
