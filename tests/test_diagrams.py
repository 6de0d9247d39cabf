"""Diagrams and timelines: nothing overlaps, labels stay in their boxes, and a text describes what is drawn."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import resvg_py

from builders import analysis_of, case, record_all
from claimledger.errors import MissingFontError
from claimledger.ledger import Ledger
from claimledger.render.diagrams import export
from claimledger.render.diagrams.layout import HEIGHT, WIDEST, WIDTH, place
from claimledger.render.diagrams.model import MOST, Diagram, Edge, Node, around, scene
from claimledger.render.diagrams.page import graph_page
from claimledger.render.diagrams.svg import FAMILIES, graph_svg, in_words
from claimledger.render.diagrams.text_width import clipped, lines_of, width
from claimledger.render.diagrams.timeline import Timeline, timeline, timeline_svg

ROOT = Path(__file__).parent.parent
HOSTILE = '</text><script>alert(1)</script>\u202e"\x1b[31m海外' + "W" * 300
SVG = "{http://www.w3.org/2000/svg}"


def diagram_of(ledger: Ledger) -> Diagram:
    """Return the diagram of all claims of a ledger."""
    analysis = analysis_of(ledger)
    return scene(ledger, analysis, analysis.graph.claims, "All")


@pytest.fixture
def crowded(ledger: Ledger) -> Ledger:
    """Return a ledger with a star, a chain, an update, a criticised source, an isolated claim and hostile text."""
    names = [f"a{n}" for n in range(40)]
    links = [f"{left} contradicts hub" for left in names[:20]]
    links += [f"{left} supports {right}" for left, right in pairwise(names)]
    records = case(
        [*(f"{name}: who{name}" for name in names), "hub: hubert", "old: x", "new: x", "alone: y",
         *(f"copy{n}: z{n}" for n in range(7)), "critic: k"],
        [*links, "new updates old", *(f"copy{n} repeats hub" for n in range(7)), "critic undercuts @hub-page"],
        extra={"hub": {"statement": HOSTILE, "figures": [{"measure": "stations", "value": "54"}]},
               "new": {"figures": [{"measure": "stations", "value": "over 60"}], "about": "2022"},
               "old": {"figures": [{"measure": "stations", "value": "40–50"}], "about": "2021~"}},
    )  # fmt: skip
    record_all(ledger, records)
    return ledger


def test_no_two_boxes_overlap_and_all_are_on_the_page(crowded: Ledger) -> None:
    diagram = diagram_of(crowded)
    layout = place(diagram)
    assert layout.at.keys() == {box.key for box in diagram.boxes}
    for (ax, ay), (bx, by) in combinations(layout.at.values(), 2):
        assert abs(ax - bx) >= WIDTH or abs(ay - by) >= HEIGHT
    for x, y in layout.at.values():
        assert 0 <= x <= layout.width - WIDTH
        assert 0 <= y <= layout.height - HEIGHT
    assert layout.width <= WIDEST + 2 * WIDTH


def points_along(path: str) -> list[tuple[float, float]]:
    """Return points along a path of straight lines or of one cubic Bézier curve."""
    numbers = [float(number) for number in re.findall(r"-?[0-9.]+", path)]
    points = list(zip(numbers[::2], numbers[1::2], strict=True))
    fractions = [step / 60 for step in range(61)]
    if "C" not in path:
        return [
            (ax + (bx - ax) * t, ay + (by - ay) * t)
            for (ax, ay), (bx, by) in pairwise(points) for t in fractions
        ]  # fmt: skip
    weights = [((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3) for t in fractions]
    return [tuple(sum(w * point[axis] for w, point in zip(row, points, strict=True)) for axis in (0, 1))
            for row in weights]  # type: ignore[misc]  # fmt: skip


def test_no_line_runs_behind_a_box(crowded: Ledger) -> None:
    with Ledger.open(ROOT / "ledger.db") as worked:
        analysis = analysis_of(worked)
        disputed = [key for key in analysis.graph.claims if analysis.attacks.contested(key)]
        disputed += [link.from_ for key in disputed for link in analysis.graph.to("undercuts", key)]
        for diagram in (diagram_of(crowded), scene(worked, analysis, disputed, "Disputed")):
            layout = place(diagram)
            tree = ET.fromstring(graph_svg(diagram))
            lines = [element for element in tree.iter(f"{SVG}path") if element.get("data-one")]
            assert len(lines) == len(diagram.lines) > 5
            for line in lines:
                for x, y in points_along(str(line.get("d"))):
                    for key, (left, top) in layout.at.items():
                        inside = left + 1 < x < left + WIDTH - 1 and top + 1 < y < top + HEIGHT - 1
                        assert not inside, (
                            f"{line.get('data-one')} to {line.get('data-other')} under {key}"
                        )


def test_every_label_fits_into_its_box(crowded: Ledger) -> None:
    tree = ET.fromstring(graph_svg(diagram_of(crowded)))
    for node in tree.iter(f"{SVG}g"):
        if node.get("class") == "node":
            for text in node.iter(f"{SVG}text"):
                size = 13.6 if text.get("class") == "who" else 10.5 if text.get("class") else 12
                assert float(str(text.get("x"))) + width("".join(text.itertext()), size) <= WIDTH
                assert float(str(text.get("y"))) <= HEIGHT


def test_repeating_claims_are_not_drawn_but_counted(crowded: Ledger) -> None:
    diagram = diagram_of(crowded)
    hub = next(box for box in diagram.boxes if box.key == "hub")
    assert hub.folded == tuple(f"copy{n}" for n in range(7))
    assert "+ 7 that repeat it" in graph_svg(diagram)
    assert "7 claims that only repeat another are not drawn separately." in in_words(diagram)


def test_every_family_has_its_own_line_and_mark() -> None:
    marks = [mark for family, (_, mark) in FAMILIES.items() if family not in ("shared", "cites")]
    assert len(set(marks)) == len(marks)
    style = graph_svg(Diagram("x", (), (), ""))
    for family in FAMILIES:
        assert family in ("shared",) or f".{family}-line" in style


def test_with_more_than_a_hundred_claims_each_dispute_is_one_box(ledger: Ledger) -> None:
    pairs = [(f"a{n}", f"b{n}") for n in range(60)]
    record_all(ledger, case([f"{key}: by{key}" for pair in pairs for key in pair],
                        [f"{left} contradicts {right}" for left, right in pairs]))  # fmt: skip
    diagram = diagram_of(ledger)
    assert len(diagram.boxes) == 60 <= MOST
    assert {box.kind for box in diagram.boxes} == {"dispute"}
    assert "each of 60 disputes is one" in diagram.note


def test_the_depth_limits_the_number_of_links_to_a_claim(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one", "b: two", "c: three", "d: four"],
                        ["b contradicts a", "c repeats b", "d derives_from c"]))  # fmt: skip
    analysis = analysis_of(ledger)
    assert [len(around(analysis, "a", depth)) for depth in (1, 2, 3)] == [2, 3, 4]


@pytest.mark.parametrize("format", ["svg", "html", "dot", "graphml", "timeline"])
def test_hostile_text_stays_text_in_every_format(crowded: Ledger, format: str) -> None:
    diagram, analysis = diagram_of(crowded), analysis_of(crowded)
    rendered = {
        "svg": lambda: graph_svg(diagram), "html": lambda: graph_page(diagram), "dot": lambda: export.dot(diagram),
        "graphml": lambda: export.graphml(diagram),
        "timeline": lambda: timeline_svg(timeline(crowded, analysis, analysis.graph.claims, HOSTILE)),
    }[format]()  # fmt: skip
    # DOT quotes the text and has no markup.
    assert "<script>alert" not in rendered or format == "dot"
    assert "\u202e" not in rendered
    assert "\x1b" not in rendered
    assert "海外" in rendered or format not in ("svg", "html")
    if format in ("svg", "graphml", "timeline"):
        ET.fromstring(rendered)


def test_a_text_reads_in_a_picture_as_it_was_written() -> None:
    text = """a "quoted" & 'quoted' <b>text</b> &amp; {{ 7 * 7 }} {% raw %} ${x}"""
    box = Node("k\"'<&", "claim", text, text, "", "contested", text)
    line = Edge("l", "contradicts", "dispute", box.key, "b", text)
    boxes = (box, replace(box, key="b"))
    tree = ET.fromstring(graph_svg(Diagram(text, boxes, (line,), text)))
    shown = {str(element.text) for element in tree.iter() if element.text}
    group = next(element for element in tree.iter(f"{SVG}g") if element.get("class") == "node")
    assert {text, f"{text}: {text}. {text}", f"{box.key} contradicts b: {text}"} <= shown
    assert group.get("data-key") == box.key
    assert group.get("aria-label") == f"{text}: {text}. {text}"
    title = next(ET.fromstring(timeline_svg(Timeline(text, (), (), text))).iter(f"{SVG}title"))
    assert title.text == text


def test_the_page_loads_no_other_resource_and_contains_its_data(crowded: Ledger) -> None:
    page = graph_page(diagram_of(crowded))
    assert not re.findall(r'(?:src|href)="(?!#)', page)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data
    assert json.loads(data.group(1))["hub"]["folded"] == [f"copy{n}" for n in range(7)]


def test_networkx_reads_the_graphml(crowded: Ledger) -> None:
    diagram = diagram_of(crowded)
    graph = nx.parse_graphml(export.graphml(diagram))
    assert graph.number_of_nodes() == len(diagram.boxes)
    assert graph.number_of_edges() == len(diagram.lines)
    assert graph.nodes["new"]["standing"] == "single-origin"


def test_a_png_shows_its_text(crowded: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The font comes with a package that the tests require, since a system may have none."""
    fonts = str(Path(str(find_spec("font_source_sans_pro").origin)).parent)  # type: ignore[union-attr]
    render = partial(resvg_py.svg_to_bytes, skip_system_fonts=True)
    svg = graph_svg(diagram_of(crowded))
    without_text = bytes(render(svg_string=svg, zoom=0.5))
    monkeypatch.setattr(resvg_py, "svg_to_bytes", partial(render, font_dirs=[fonts]))
    image = export.png(svg, 0.5)
    assert image.startswith(b"\x89PNG")
    assert len(image) > 1.2 * len(without_text)  # the text is most of the picture


def test_without_a_font_a_png_is_refused_with_the_reason(
    crowded: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = partial(resvg_py.svg_to_bytes, skip_system_fonts=True)
    monkeypatch.setattr(resvg_py, "svg_to_bytes", without)
    with pytest.raises(MissingFontError, match="no font"):
        export.png(graph_svg(diagram_of(crowded)))


def test_a_timeline_shows_every_figure_with_its_bounds(crowded: Ledger) -> None:
    analysis = analysis_of(crowded)
    diagram = timeline(crowded, analysis, analysis.graph.claims, "All", "stations")
    (panel,) = diagram.panels
    by_key = {point.key: point for point in panel.points}
    assert (by_key["new"].low, by_key["new"].high, by_key["new"].renews) == (60, None, "old")
    assert (by_key["old"].low, by_key["old"].high) == (40, 50)
    assert by_key["old"].first < by_key["old"].last
    assert by_key["hub"].contested
    tree = ET.fromstring(timeline_svg(diagram))
    classes = [str(element.get("class")) for element in tree.iter()]
    # One mark for each figure, and one for each claimant in the legend.
    assert classes.count("mark") == 3 + 2
    assert {"join", "span", "range", "contested"} <= set(classes)


@pytest.mark.parametrize("text", ["", "x" * 500, "海外服务站" * 40, HOSTILE, "a b " * 100])
def test_texts_are_cut_to_the_width_available(text: str) -> None:
    assert width(clipped(text, 100)) <= 100
    for line in lines_of(text, 150, 3):
        assert width(line) <= 150
    assert len(lines_of(text, 150, 3)) <= 3


def test_the_same_ledger_gives_the_same_diagram() -> None:
    with Ledger.open(ROOT / "ledger.db") as ledger:
        assert graph_svg(diagram_of(ledger)) == graph_svg(diagram_of(ledger))


def test_report_and_audit_pages_contain_their_diagrams(call: Any) -> None:
    for words in (["report"], ["audit", "sd-harassment"]):
        page = call("--ledger", ROOT / "ledger.db", *words, "--format", "html").stdout
        assert page.count('<img src="data:image/svg+xml;base64,') >= 1
        assert re.search(r'alt="[^"]*contradicts|alt="[^"]*repeated by', page)
