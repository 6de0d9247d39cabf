"""What was measured: one line a piece of work, at every size of ledger, beside its floor and budget."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


def timed(work: Callable[[], object], times: int = 1) -> float:
    """Return the seconds some work takes, the best of some times."""
    taken = []
    for _ in range(times):
        gc.collect()
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


@dataclass(frozen=True)
class Cell:
    """What one piece of work took at one size, and its floor, in seconds unless the line says otherwise."""

    taken: float
    floor: float | None = None

    @property
    def ratio(self) -> float | None:
        return None if self.floor is None else self.taken / self.floor


@dataclass
class Line:
    """One piece of work at several sizes."""

    what: str
    beside: str = ""
    budget: float | None = None
    unit: str = "s"
    cells: dict[int, Cell] = field(default_factory=dict)

    @property
    def held(self) -> bool | None:
        """Whether every size is within the budget, if there is one."""
        ratios = [cell.ratio for cell in self.cells.values() if cell.ratio is not None]
        return None if self.budget is None else all(ratio <= self.budget for ratio in ratios)

    def as_json(self) -> dict[str, Any]:
        cells = {
            str(size): {"taken": cell.taken, "floor": cell.floor, "ratio": cell.ratio}
            for size, cell in self.cells.items()
        }
        return {"what": self.what, "beside": self.beside, "budget": self.budget, "unit": self.unit,
                "held": self.held, "claims": cells}  # fmt: skip


def page(lines: list[Line]) -> Iterator[str]:
    """Yield a table in Markdown: what each took, and in brackets how many times its floor."""
    sizes = sorted({size for line in lines for size in line.cells})
    yield f"| work | {' | '.join(f'{size:,}' for size in sizes)} | baseline | budget | result |"
    yield f"|---|{'---:|' * len(sizes)}---|---|---|"
    for line in lines:
        cells = [told(line, line.cells.get(size)) for size in sizes]
        budget = "" if line.budget is None else f"{line.budget:g}"
        value = {None: "", True: "met", False: "exceeded"}[line.held]
        yield f"| {line.what} | {' | '.join(cells)} | {line.beside} | {budget} | {value} |"


def told(line: Line, cell: Cell | None) -> str:
    """Return what a cell says: a time as people read it, and its ratio."""
    if cell is None:
        return ""
    if line.unit != "s":
        took = f"{cell.taken:,.0f} {line.unit}"
    elif cell.taken < 1:
        took = f"{cell.taken * 1000:.1f} ms"
    else:
        took = f"{cell.taken:.1f} s"
    return took if cell.ratio is None else f"{took} ({cell.ratio:.2f})"
