"""The prompt of ``record`` proposes figures and dates that it finds in a statement."""

from __future__ import annotations

import pytest

from claimledger.importers.prompt import proposed_dates, proposed_figures


@pytest.mark.parametrize(
    ("statement", "figures", "dates"),
    [
        ("As of October 2022, 54 stations in 30 countries.", ["54 stations", "30 countries"], ["../2022-10"]),
        ("Over 1,800 reports by late 2023.", ["Over 1,800 reports"], ["2023-09/2023-12"]),
        ("Between April 2021 and July 2022, 230,000 suspects returned.", ["230,000 suspects"],
         ["2021-04/2022-07"]),
        ("On 12 October 2022 nothing was counted.", [], ["2022-10-12"]),
        ("2022年10月有54 stations", ["54 stations"], ["2022-10"]),
        ("Nobody knows.", [], []),
    ],
)  # fmt: skip
def test_figures_and_dates_are_proposed_from_a_statement(
    statement: str, figures: list[str], dates: list[str]
) -> None:
    assert [f"{figure.value} {figure.measure}" for figure in proposed_figures(statement)] == figures
    assert [date.edtf for date in proposed_dates(statement)] == dates
