"""How a line runs from box to box: between the boxes, never under one, which would seem to join others."""

from __future__ import annotations

from collections.abc import Iterable

from claimledger.render.diagrams.layout import DOWN, HEIGHT, WIDTH

Point = tuple[float, float]

_GAP = (DOWN - HEIGHT) / 2
"""Half of the free band between two layers."""

_CLEAR = 14.0
"""How far a line that passes boxes keeps from them."""


def route(from_box: Point, to_box: Point, boxes: Iterable[Point], lane: int = 0) -> str:
    """Return the path from one box to another, given the corners of all boxes.

    ``lane`` sets lines that pass the same boxes a little apart.
    """
    (ax, ay), (bx, by) = from_box, to_box
    if ay == by:
        return _beside(from_box, to_box)
    down = by > ay
    start = (ax + WIDTH / 2, ay + (HEIGHT if down else 0))
    end = (bx + WIDTH / 2, by + (0 if down else HEIGHT))
    top, bottom = sorted((start[1], end[1]))
    passed = [x for x, y in boxes if y < bottom and y + HEIGHT > top]
    if not passed:
        middle = (start[1] + end[1]) / 2
        return f"M{_at(start)} C{_at((start[0], middle))} {_at((end[0], middle))} {_at(end)}"
    across = _corridor(passed, start[0], end[0]) + (lane % 5 - 2) * 2
    turn = _GAP if down else -_GAP
    points = [
        start,
        (start[0], start[1] + turn),
        (across, start[1] + turn),
        (across, end[1] - turn),
        (end[0], end[1] - turn),
        end,
    ]
    return "M" + " L".join(map(_at, points))


def _beside(from_box: Point, to_box: Point) -> str:
    """Two of one layer: a bow through the free band under them."""
    start, end = ((x + WIDTH / 2, y + HEIGHT) for x, y in (from_box, to_box))
    low = start[1] + _GAP
    return f"M{_at(start)} C{_at((start[0], low))} {_at((end[0], low))} {_at(end)}"


def _corridor(passed: list[float], start: float, end: float) -> float:
    """Return where a line can go straight past some boxes, with the least way round."""
    free = [start, end]
    free += [edge for x in passed for edge in (x - _CLEAR - 4, x + WIDTH + _CLEAR + 4)]
    clear = [at for at in free if not any(x - _CLEAR < at < x + WIDTH + _CLEAR for x in passed)]
    return min(clear, key=lambda at: (abs(at - start) + abs(at - end), at))


def _at(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"
