"""A graph for other programs: DOT (Graphviz) and GraphML."""

from __future__ import annotations

from collections.abc import Iterator

from claimledger.render.diagrams.model import Diagram
from claimledger.text.unicode import visible

_DOT = {
    "dispute": "color=red, penwidth=2, arrowhead=tee",
    "reply": "style=dotted, arrowhead=odot",
    "support": "style=dashed, arrowhead=obox",
    "provenance": "color=blue, arrowhead=normal",
    "revision": "style=dashed, color=purple, arrowhead=vee",
    "cites": "style=dotted, arrowhead=none",
    "shared": "style=dotted, arrowhead=none",
}


def dot(scene: Diagram) -> str:
    """Return the scene in Graphviz' DOT."""
    return "\n".join(_dot(scene)) + "\n"


def _dot(scene: Diagram) -> Iterator[str]:
    yield f"digraph {_quoted(scene.title)} {{"
    yield "  node [shape=box, fontname=sans]; edge [fontname=sans];"
    for box in scene.boxes:
        label = "\n".join(
            part for part in (box.who, box.figures or box.statement, f"[{box.key}]") if part
        )
        thick = ", penwidth=3" if box.standing == "contested" else ""
        yield f"  {_quoted(box.key)} [label={_quoted(label)}, tooltip={_quoted(box.statement)}{thick}];"
    for line in scene.lines:
        both = ", dir=both" if line.symmetric else ""
        label = f"label={_quoted(line.type)}, {_DOT[line.family]}{both}"
        yield f"  {_quoted(line.from_)} -> {_quoted(line.to)} [{label}];"
    yield "}"


def _quoted(text: str) -> str:
    shown = "\n".join(visible(part) for part in text.split("\n"))
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def graphml(scene: Diagram) -> str:
    """Return the scene as GraphML, as networkx writes it."""
    import networkx as nx

    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(title=visible(scene.title))
    for box in scene.boxes:
        graph.add_node(
            box.key, kind=box.kind, who=visible(box.who), statement=visible(box.statement),
            figures=visible(box.figures), standing=box.standing, repeated_by=len(box.folded),
        )  # fmt: skip
    for line in scene.lines:
        graph.add_edge(
            line.from_,
            line.to,
            key=line.key,
            type=line.type,
            family=line.family,
            reason=visible(line.reason),
        )
    return "\n".join(nx.generate_graphml(graph)) + "\n"


FAMILIES = (
    "DejaVu Sans", "Noto Sans", "Liberation Sans", "Arial", "Helvetica", "Segoe UI", "Ubuntu", "Cantarell",
    "Source Sans Pro", "Roboto", "Open Sans", "FreeSans", "Nimbus Sans", "Verdana",
)  # fmt: skip
"""What a machine's plain font may be called: resvg knows ``sans-serif`` by one name, and asks no system."""


def png(svg: str, zoom: float = 2.0) -> bytes:
    """Return an SVG as PNG; raise :class:`MissingFontError` if the machine has no font."""
    import resvg_py

    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=zoom, sans_serif_family=_family()))


def _family() -> str:
    """Return a font that this machine draws letters with.

    Without one the letters would be left out silently.
    """
    import resvg_py

    from claimledger.errors import MissingFontError

    probe = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20">{}</svg>'
    letters = probe.format('<text y="15" font-family="sans-serif">claim</text>')
    empty = bytes(resvg_py.svg_to_bytes(svg_string=probe.format("")))
    for family in FAMILIES:
        if bytes(resvg_py.svg_to_bytes(svg_string=letters, sans_serif_family=family)) != empty:
            return family
    raise MissingFontError("this machine has no font to draw letters with; use --format svg")
