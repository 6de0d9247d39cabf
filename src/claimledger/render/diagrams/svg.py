"""A graph as SVG: boxes, lines distinguished by stroke and mark, a legend, and all of it in words."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from claimledger.render.diagrams.edges import Point, route
from claimledger.render.diagrams.layout import HEIGHT, WIDTH, Layout, place
from claimledger.render.diagrams.model import Diagram, Edge, Node
from claimledger.render.diagrams.text_width import clipped, lines_of
from claimledger.text.unicode import visible

FAMILIES: dict[str, tuple[str, str]] = {
    "dispute": ("speaks against", "M6,1 L6,11 M1,6 L11,6"),
    "reply": ("replies", "M6,2 a4,4 0 1 0 0.01,0"),
    "support": ("supports or agrees", "M2,2 L10,2 L10,10 L2,10 Z"),
    "provenance": ("passes on, derives from", "M1,1 L11,6 L1,11 Z"),
    "revision": ("renews or takes back", "M1,1 L11,6 L1,11"),
    "shared": ("share claims", "M6,2 a4,4 0 1 0 0.01,0"),
    "cites": ("stands on the source", ""),
}
"""Each family with its words and the mark at the end of its lines."""

STYLE = """
.page{fill:#fff}.box{fill:#fff;stroke:#444;stroke-width:1.2}.box.source{fill:#f1f1f1;stroke-dasharray:2 2}
.box.contested{stroke:#8a1c1c;stroke-width:3.2}.box.superseded{stroke-dasharray:7 4}
.box.retracted{stroke-dasharray:2 4}.box.dispute{fill:#faf3ea}
.bar{fill:#8a1c1c}.gone{stroke:#666;stroke-width:1}
text{font-family:system-ui,"DejaVu Sans","Noto Sans","Noto Sans CJK SC",sans-serif;font-size:12px;fill:#1a1a1a}
.key{font-size:10.5px;fill:#555}.who{font-weight:600}.fold{font-size:10.5px;fill:#333}
.line{fill:none;stroke-linejoin:round;stroke:#555;stroke-width:1.4}.dispute-line{stroke:#8a1c1c;stroke-width:2.6}
.reply-line{stroke-dasharray:1.5 5;stroke-width:2;stroke-linecap:round}.support-line{stroke:#1d5c33;stroke-dasharray:9 3}
.provenance-line{stroke:#2d4f8a}.cites-line{stroke-dasharray:1 3}.revision-line{stroke:#6b3f8a;stroke-dasharray:12 3 2 3}
.mark{fill:none;stroke:#333;stroke-width:1.6}.full{fill:#2d4f8a}
.node:focus .box{stroke-width:4.5}.node{cursor:pointer}.dim{opacity:.25}
@media (prefers-color-scheme:dark){.page{fill:#15171a}.box{fill:#1f2327;stroke:#aaa}.box.source{fill:#2a2f35}
.box.dispute{fill:#302a22}.box.contested{stroke:#f08a7a}.bar{fill:#f08a7a}text{fill:#eee}.key,.fold{fill:#bbb}
.line{stroke:#aaa}.dispute-line{stroke:#f08a7a}.support-line{stroke:#7fd19b}.provenance-line{stroke:#8fb4f0}
.cites-line{stroke-dasharray:1 3}.revision-line{stroke:#cfa6ee}.mark{stroke:#ddd}.full{fill:#8fb4f0}}
"""

_LEGEND = 86


def graph_svg(scene: Diagram, *, prefix: str = "") -> str:
    """Return the diagram as one SVG document; ``prefix`` keeps ids apart if a page has several."""
    return "\n".join(_parts(scene, place(scene), prefix)) + "\n"


def safe(text: str) -> str:
    """Return a text for markup: escaped, hidden characters written out."""
    return escape(visible(text))


def _parts(scene: Diagram, placed: Layout, prefix: str) -> Iterator[str]:
    width, height = round(placed.width), round(placed.height + _LEGEND)
    name = f"{prefix}graph"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-labelledby="{name}-title {name}-desc">'
    )
    yield f'<title id="{name}-title">{safe(scene.title)}</title>'
    yield f'<desc id="{name}-desc">{safe(in_words(scene))}</desc>'
    yield f"<style>{STYLE}</style>"
    yield f"<defs>{''.join(_markers(prefix))}</defs>"
    yield f'<rect class="page" width="{width}" height="{height}"/>'
    yield from _legend(scene, placed.height, prefix)
    yield '<g class="lines">'
    corners = list(placed.at.values())
    for lane, line in enumerate(scene.lines):
        path = route(placed.at[line.from_], placed.at[line.to], corners, lane)
        yield _line(line, path, prefix)
    yield "</g>"
    yield '<g class="boxes">'
    for box in scene.boxes:
        yield from _box(box, placed.at[box.key])
    yield "</g></svg>"


def _markers(prefix: str) -> Iterator[str]:
    for family, (_, mark) in FAMILIES.items():
        full = " full" if family == "provenance" else ""
        yield (
            f'<marker id="{prefix}m-{family}" viewBox="-1 -1 14 14" refX="13" '
            f'refY="6" markerWidth="13" markerHeight="13" markerUnits="userSpaceOnUse" '
            f'orient="auto-start-reverse"><path class="mark{full}" d="{mark}"/></marker>'
        )


def _legend(scene: Diagram, top: float, prefix: str) -> Iterator[str]:
    used = [family for family in FAMILIES if any(line.family == family for line in scene.lines)]
    y = round(top) + 14
    yield f'<g class="legend" transform="translate(24 {y})">'
    x = 0
    for family in used:
        yield (
            f'<path class="line {family}-line" d="M{x},0 L{x + 46},0" marker-end="url(#{prefix}m-{family})"/>'
            f'<text x="{x + 58}" y="4">{FAMILIES[family][0]}</text>'
        )
        x += 58 + 8 * len(FAMILIES[family][0]) + 20
    keys = '<rect class="box contested" x="0" y="16" width="30" height="16"/><text x="38" y="28">contested</text>'
    keys += '<rect class="box superseded" x="130" y="16" width="30" height="16"/><text x="168" y="28">renewed</text>'
    keys += '<rect class="box retracted" x="250" y="16" width="30" height="16"/><text x="288" y="28">taken back</text>'
    keys += '<rect class="box source" x="380" y="16" width="30" height="16"/><text x="418" y="28">a source</text>'
    yield keys
    yield f'<text class="fold" x="0" y="54">{safe(scene.note)}</text></g>'


def _line(line: Edge, path: str, prefix: str) -> str:
    mark = f"url(#{prefix}m-{line.family})"
    both = f' marker-start="{mark}"' if line.symmetric else ""
    title = f"{line.from_} {line.type} {line.to}" + (f": {line.reason}" if line.reason else "")
    return (
        f'<path class="line {line.family}-line" data-one="{line.from_}" data-other="{line.to}" d="{path}"'
        f' marker-end="{mark}"{both}><title>{safe(title)}</title></path>'
    )


_INNER = WIDTH - 22
_BOLD = 13.6
"""Bold letters of 12 units are as wide as plain ones of this size."""


def _box(box: Node, at: Point) -> Iterator[str]:
    x, y = at
    title = f"{box.who}: {box.statement}. {box.detail}"
    yield (
        f'<g class="node" id="node-{safe(box.key)}" data-key="{safe(box.key)}" tabindex="0" role="button" '
        f'aria-label="{safe(title)}" transform="translate({x:.1f} {y:.1f})"><title>{safe(title)}</title>'
    )
    shape = (
        f'<rect class="box {box.kind} {box.standing}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
    )
    if box.standing == "contested":
        shape += f'<rect class="bar" width="7" height="{HEIGHT}" rx="3"/>'
    if box.standing == "retracted":
        shape += f'<path class="gone" d="M4,{HEIGHT - 4} L{WIDTH - 4},4"/>'
    yield shape
    yield f'<text class="who" x="14" y="18">{safe(clipped(box.who or box.kind, _INNER, _BOLD))}</text>'
    rows = 3 if box.folded else 4
    head = [clipped(box.figures, _INNER)] if box.figures else []
    body = lines_of(box.statement, _INNER, rows - len(head))
    for place_, row in enumerate([*head, *body]):
        yield f'<text x="14" y="{34 + 14 * place_}">{safe(row)}</text>'
    if box.folded:
        count = len(box.folded)
        yield f'<text class="fold" x="14" y="78">+ {count:,} that {"repeats" if count == 1 else "repeat"} it</text>'
    key = box.key.removeprefix("source:")
    yield f'<text class="key" x="14" y="{HEIGHT - 7}">{safe(clipped(f"[{key}] {box.standing}", _INNER, 10.5))}</text></g>'


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
