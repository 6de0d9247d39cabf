"""The table of a benchmark: each piece of work at every ledger size, with its baseline and budget."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


def timed(work: Callable[[], object], times: int = 1) -> float:
    """Return the seconds that some work takes: the best of a number of runs."""
    seconds = []
    for _ in range(times):
        gc.collect()  # no run pays for the garbage of an earlier one
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


@dataclass(frozen=True)
class Cell:
    """What one piece of work took at one size, and its baseline, in the unit of the row."""

    value: float
    baseline: float | None = None

    @property
    def ratio(self) -> float | None:
        return None if self.baseline is None else self.value / self.baseline


@dataclass
class Row:
    """One piece of work at several sizes."""

    work: str
    baseline: str = ""
    """What it is compared with, in words."""

    budget: float | None = None
    """The highest acceptable ratio to the baseline."""

    unit: str = "s"
    cells: dict[int, Cell] = field(default_factory=dict)
    """What was measured, by the number of claims."""

    @property
    def within_budget(self) -> bool | None:
        """Whether the ratio is within the budget at every size; ``None`` without a budget."""
        ratios = [cell.ratio for cell in self.cells.values() if cell.ratio is not None]
        return None if self.budget is None else all(ratio <= self.budget for ratio in ratios)

    def as_json(self) -> dict[str, Any]:
        cells = {
            str(size): {"taken": cell.value, "floor": cell.baseline, "ratio": cell.ratio}
            for size, cell in self.cells.items()
        }
        return {"what": self.work, "beside": self.baseline, "budget": self.budget, "unit": self.unit,
                "held": self.within_budget, "claims": cells}  # fmt: skip


def markdown_table(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of a Markdown table: each value, with its ratio to the baseline in brackets."""
    sizes = sorted({size for row in rows for size in row.cells})
    yield f"| work | {' | '.join(f'{size:,}' for size in sizes)} | baseline | budget | result |"
    yield f"|---|{'---:|' * len(sizes)}---|---|---|"
    for row in rows:
        cells = [_cell_text(row.unit, row.cells.get(size)) for size in sizes]
        budget = "" if row.budget is None else f"{row.budget:g}"
        result = {None: "", True: "met", False: "exceeded"}[row.within_budget]
        yield f"| {row.work} | {' | '.join(cells)} | {row.baseline} | {budget} | {result} |"


def _cell_text(unit: str, cell: Cell | None) -> str:
    if cell is None:
        return ""
    if unit != "s":
        value = f"{cell.value:,.0f} {unit}"
    elif cell.value < 1:
        value = f"{cell.value * 1000:.1f} ms"
    else:
        value = f"{cell.value:.1f} s"
    return value if cell.ratio is None else f"{value} ({cell.ratio:.2f})"
