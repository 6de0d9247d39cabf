"""A graph as SVG: boxes, lines distinguished by stroke and mark, a legend, and all of it in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from claimledger.render.diagrams.edges import Point, route
from claimledger.render.diagrams.layout import HEIGHT, WIDTH, place
from claimledger.render.diagrams.model import Diagram, Node
from claimledger.render.diagrams.text_width import clipped, lines_of
from claimledger.render.environment import environment

FAMILIES: dict[str, tuple[str, str]] = {
    "dispute": ("disputes", "M6,1 L6,11 M1,6 L11,6"),
    "reply": ("replies", "M6,2 a4,4 0 1 0 0.01,0"),
    "support": ("supports or agrees", "M2,2 L10,2 L10,10 L2,10 Z"),
    "provenance": ("repeats or derives from", "M1,1 L11,6 L1,11 Z"),
    "revision": ("updates or retracts", "M1,1 L11,6 L1,11"),
    "shared": ("share claims", "M6,2 a4,4 0 1 0 0.01,0"),
    "cites": ("relies on the source", ""),
}
"""Each family with its words and the mark at the end of its lines."""

_LEGEND = 86


@dataclass(frozen=True, slots=True)
class _Labels:
    """Where a box is, and its texts, each cut to the width of the box."""

    at: str
    who: str
    rows: tuple[str, ...]
    key: str


def graph_svg(scene: Diagram, *, prefix: str = "") -> str:
    """Return the diagram as one SVG document; ``prefix`` keeps ids apart if a page has several."""
    layout = place(scene)
    corners = list(layout.at.values())
    template = environment().get_template("graph.svg")
    return template.render(
        scene=scene,
        prefix=prefix,
        words=in_words(scene),
        width=round(layout.width),
        height=round(layout.height + _LEGEND),
        families=FAMILIES,
        legend=list(_legend(scene)),
        legend_top=round(layout.height) + 14,
        lines=[
            (line, route(layout.at[line.from_], layout.at[line.to], corners, lane))
            for lane, line in enumerate(scene.lines)
        ],
        boxes=[(box, _labels(box, layout.at[box.key])) for box in scene.boxes],
        box_width=WIDTH,
        box_height=HEIGHT,
    )


def _legend(scene: Diagram) -> Iterator[tuple[str, str, int]]:
    """Yield each family that the diagram has, its words, and where they begin."""
    x = 0
    for family, (words, _) in FAMILIES.items():
        if any(line.family == family for line in scene.lines):
            yield family, words, x
            x += 58 + 8 * len(words) + 20


_INNER = WIDTH - 22
_BOLD = 13.6
"""Bold letters of 12 units are as wide as plain ones of this size."""


def _labels(box: Node, at: Point) -> _Labels:
    head = [clipped(box.figures, _INNER)] if box.figures else []
    rows = [*head, *lines_of(box.statement, _INNER, (3 if box.folded else 4) - len(head))]
    return _Labels(
        at=f"{at[0]:.1f} {at[1]:.1f}",
        who=clipped(box.who or box.kind, _INNER, _BOLD),
        rows=tuple(rows),
        key=clipped(f"[{box.key.removeprefix('source:')}] {box.standing}", _INNER, 10.5),
    )


def in_words(scene: Diagram) -> str:
    """Return the whole picture in words, for who cannot see it."""
    sentences = [f"{scene.title}: {len(scene.boxes)} boxes, {len(scene.lines)} links."]
    sentences += [
        f"{box.key}: {box.who}: {box.statement} ({box.standing or box.kind})"
        + (f", repeated by {len(box.folded)}" if box.folded else "")
        for box in scene.boxes
    ]
    sentences += [f"{line.from_} {line.type} {line.to}." for line in scene.lines]
    return " ".join([*sentences, scene.note]).strip()
