"""The positions of a graph's boxes: in layers, by fast-sugiyama; no two overlap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import fast_sugiyama

from claimledger.render.diagrams.model import Diagram

WIDTH, HEIGHT = 232, 96
ACROSS, DOWN = 268, 156
"""From box to box, and from layer to layer, in user units."""

MARGIN = 24
WIDEST = 2400


@dataclass(frozen=True, slots=True)
class Layout:
    """The left upper corner of each box, and the size of the whole."""

    at: Mapping[str, tuple[float, float]]
    width: float
    height: float


def place(scene: Diagram) -> Layout:
    """Return the position of each box: each part in layers, the parts next to and below each other."""
    parts = [*_parts(scene), *_alone(scene)]
    at: dict[str, tuple[float, float]] = {}
    left, top, tallest, root_subject = float(MARGIN), float(MARGIN), 0.0, 0.0
    for part in parts:
        width = max(x for x, _ in part.values()) + WIDTH
        height = max(y for _, y in part.values()) + HEIGHT
        if left > MARGIN and left + width > WIDEST:
            left, top, tallest = float(MARGIN), top + tallest + DOWN - HEIGHT, 0.0
        at |= {key: (left + x, top + y) for key, (x, y) in part.items()}
        left += width + ACROSS - WIDTH
        tallest, root_subject = max(tallest, height), max(root_subject, left)
    return Layout(at, max(root_subject, 640.0), top + tallest + MARGIN)


def _parts(scene: Diagram) -> list[dict[str, tuple[float, float]]]:
    """Return the linked parts, the largest first, each with its own corners from 0, 0."""
    number = {box.key: place for place, box in enumerate(scene.boxes)}
    keys = list(number)
    # From the older to the newer, which are drawn below.
    ends = ((number[edge.from_], number[edge.to]) for edge in scene.lines if edge.from_ != edge.to)
    edges: list[tuple[int | str, int | str]] = sorted({(min(pair), max(pair)) for pair in ends})
    if not edges:
        return []
    positions = []
    for nodes, _, _, _ in fast_sugiyama.from_edges(edges, vertex_spacing=72, dummy_vertices=False):
        layers: dict[float, list[tuple[float, str]]] = {}
        for node, (x, y) in nodes:
            layers.setdefault(-y, []).append((x, keys[int(node)]))
        positions.append(dict(_rows([sorted(layers[y]) for y in sorted(layers)])))
    return sorted(positions, key=lambda part: (-len(part), min(part)))


def _rows(layers: list[list[tuple[float, str]]]) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield the positions of a part's boxes: a layer too wide for a page is broken into rows."""
    least = min(x for layer in layers for x, _ in layer)
    room = max(1, WIDEST // ACROSS)
    top = 0.0
    most = max(x for layer in layers for x, _ in layer)
    wide = any(len(layer) > room for layer in layers) or (most - least) / 72 * ACROSS > WIDEST
    for layer in layers:
        for first in range(0, len(layer), room if wide else len(layer)):
            row = layer[first : first + room] if wide else layer
            for place, (x, key) in enumerate(row):
                yield key, (place * ACROSS if wide else (x - least) / 72 * ACROSS, top)
            top += DOWN


def _alone(scene: Diagram) -> list[dict[str, tuple[float, float]]]:
    linked = {end for edge in scene.lines for end in (edge.from_, edge.to)}
    return [{box.key: (0.0, 0.0)} for box in scene.boxes if box.key not in linked]
