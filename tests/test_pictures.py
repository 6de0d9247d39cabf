"""Pictures: nothing collides, nothing runs out of its box, everything is told in words too."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from functools import partial
from importlib.util import find_spec
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import resvg_py

from builders import analysis_of, case, record_all
from claimledger.errors import ParseError
from claimledger.ledger import Ledger
from claimledger.render.diagrams import export
from claimledger.render.diagrams.layout import HEIGHT, WIDEST, WIDTH, place
from claimledger.render.diagrams.model import MOST, Diagram, around, scene
from claimledger.render.diagrams.page import graph_page
from claimledger.render.diagrams.svg import FAMILIES, graph_svg, in_words
from claimledger.render.diagrams.text_width import clipped, lines_of, width
from claimledger.render.diagrams.timeline import timeline, timeline_svg

ROOT = Path(__file__).parent.parent
HOSTILE = '</text><script>alert(1)</script>\u202e"\x1b[31m海外' + "W" * 300
SVG = "{http://www.w3.org/2000/svg}"


def drawn(ledger: Ledger) -> Diagram:
    answers = analysis_of(ledger)
    return scene(ledger, answers, answers.graph.claims, "All")


@pytest.fixture
def crowded(ledger: Ledger) -> Ledger:
    """A star, a chain, two who disagree, a criticised source, one alone, hostile text."""
    names = [f"a{n}" for n in range(40)]
    links = [f"{left} contradicts hub" for left in names[:20]]
    links += [f"{left} supports {right}" for left, right in pairwise(names)]
    drawn_case = case(
        [*(f"{name}: who{name}" for name in names), "hub: hubert", "old: x", "new: x", "alone: y",
         *(f"copy{n}: z{n}" for n in range(7)), "critic: k"],
        [*links, "new updates old", *(f"copy{n} repeats hub" for n in range(7)), "critic undercuts @hub-page"],
        extra={"hub": {"statement": HOSTILE, "figures": [{"measure": "stations", "value": "54"}]},
               "new": {"figures": [{"measure": "stations", "value": "over 60"}], "about": "2022"},
               "old": {"figures": [{"measure": "stations", "value": "40–50"}], "about": "2021~"}},
    )  # fmt: skip
    record_all(ledger, drawn_case)
    return ledger


def test_no_two_boxes_overlap_and_all_lie_on_the_page(crowded: Ledger) -> None:
    value = drawn(crowded)
    placed = place(value)
    assert placed.at.keys() == {box.key for box in value.boxes}
    for (ax, ay), (bx, by) in combinations(placed.at.values(), 2):
        assert abs(ax - bx) >= WIDTH or abs(ay - by) >= HEIGHT
    for x, y in placed.at.values():
        assert 0 <= x <= placed.width - WIDTH
        assert 0 <= y <= placed.height - HEIGHT
    assert placed.width <= WIDEST + 2 * WIDTH


def along(path: str) -> list[tuple[float, float]]:
    """Points along a path of straight lines or of one cubic curve."""
    numbers = [float(number) for number in re.findall(r"-?[0-9.]+", path)]
    points = list(zip(numbers[::2], numbers[1::2], strict=True))
    steps = [step / 60 for step in range(61)]
    if "C" not in path:
        return [
            (ax + (bx - ax) * t, ay + (by - ay) * t)
            for (ax, ay), (bx, by) in pairwise(points) for t in steps
        ]  # fmt: skip
    weights = [((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3) for t in steps]
    return [tuple(sum(w * p[axis] for w, p in zip(four, points, strict=True)) for axis in (0, 1))
            for four in weights]  # type: ignore[misc]  # fmt: skip


def test_no_line_runs_under_a_box_which_would_seem_to_join_others(crowded: Ledger) -> None:
    with Ledger.open(ROOT / "ledger.db") as worked:
        answers = analysis_of(worked)
        disputed = [key for key in answers.graph.claims if answers.attacks.contested(key)]
        disputed += [link.from_ for key in disputed for link in answers.graph.to("undercuts", key)]
        for value in (drawn(crowded), scene(worked, answers, disputed, "Disputed")):
            placed = place(value)
            tree = ET.fromstring(graph_svg(value))
            lines = [element for element in tree.iter(f"{SVG}path") if element.get("data-one")]
            assert len(lines) == len(value.lines) > 5
            for line in lines:
                for x, y in along(str(line.get("d"))):
                    for key, (left, top) in placed.at.items():
                        inside = left + 1 < x < left + WIDTH - 1 and top + 1 < y < top + HEIGHT - 1
                        assert not inside, (
                            f"{line.get('data-one')} to {line.get('data-other')} under {key}"
                        )


def test_no_label_runs_out_of_its_box(crowded: Ledger) -> None:
    tree = ET.fromstring(graph_svg(drawn(crowded)))
    for node in tree.iter(f"{SVG}g"):
        if node.get("class") == "node":
            for text in node.iter(f"{SVG}text"):
                size = 13.6 if text.get("class") == "who" else 10.5 if text.get("class") else 12
                assert float(str(text.get("x"))) + width("".join(text.itertext()), size) <= WIDTH
                assert float(str(text.get("y"))) <= HEIGHT


def test_repeats_are_folded_into_what_they_repeat_with_a_count(crowded: Ledger) -> None:
    value = drawn(crowded)
    hub = next(box for box in value.boxes if box.key == "hub")
    assert hub.folded == tuple(f"copy{n}" for n in range(7))
    assert "+ 7 that repeat it" in graph_svg(value)
    assert "7 claims that only repeat another are not drawn separately." in in_words(value)


def test_every_family_has_a_line_and_a_mark_of_its_own() -> None:
    marks = [mark for family, (_, mark) in FAMILIES.items() if family not in ("shared", "cites")]
    assert len(set(marks)) == len(marks)
    style = graph_svg(Diagram("x", (), (), ""))
    for family in FAMILIES:
        assert family in ("shared",) or f".{family}-line" in style


def test_past_a_hundred_boxes_each_dispute_is_one(ledger: Ledger) -> None:
    pairs = [(f"a{n}", f"b{n}") for n in range(60)]
    record_all(ledger, case([f"{key}: by{key}" for pair in pairs for key in pair],
                        [f"{left} contradicts {right}" for left, right in pairs]))  # fmt: skip
    value = drawn(ledger)
    assert len(value.boxes) == 60 <= MOST
    assert {box.kind for box in value.boxes} == {"dispute"}
    assert "each of 60 disputes is one" in value.note


def test_depth_goes_so_many_links_away(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one", "b: two", "c: three", "d: four"],
                        ["b contradicts a", "c repeats b", "d derives_from c"]))  # fmt: skip
    answers = analysis_of(ledger)
    assert [len(around(answers, "a", depth)) for depth in (1, 2, 3)] == [2, 3, 4]


@pytest.mark.parametrize("face", ["svg", "html", "dot", "graphml", "timeline"])
def test_hostile_text_stays_text_in_every_face(crowded: Ledger, face: str) -> None:
    value, answers = drawn(crowded), analysis_of(crowded)
    rendered = {
        "svg": lambda: graph_svg(value), "html": lambda: graph_page(value), "dot": lambda: export.dot(value),
        "graphml": lambda: export.graphml(value),
        "timeline": lambda: timeline_svg(timeline(crowded, answers, answers.graph.claims, HOSTILE)),
    }[face]()  # fmt: skip
    assert "<script>alert" not in rendered or face == "dot"  # a quoted string there, and no markup
    assert "\u202e" not in rendered
    assert "\x1b" not in rendered
    assert "海外" in rendered or face not in ("svg", "html")
    if face in ("svg", "graphml", "timeline"):
        ET.fromstring(rendered)


def test_the_page_loads_nothing_and_its_data_is_whole(crowded: Ledger) -> None:
    page = graph_page(drawn(crowded))
    assert not re.findall(r'(?:src|href)="(?!#)', page)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data
    assert json.loads(data.group(1))["hub"]["folded"] == [f"copy{n}" for n in range(7)]


def test_graphml_is_read_back_by_networkx(crowded: Ledger) -> None:
    value = drawn(crowded)
    graph = nx.parse_graphml(export.graphml(value))
    assert graph.number_of_nodes() == len(value.boxes)
    assert graph.number_of_edges() == len(value.lines)
    assert graph.nodes["new"]["standing"] == "single-origin"


def test_png_shows_letters(crowded: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a font that comes with the tests: a machine need not have one."""
    fonts = str(Path(str(find_spec("font_source_sans_pro").origin)).parent)  # type: ignore[union-attr]
    render = partial(resvg_py.svg_to_bytes, skip_system_fonts=True)
    svg = graph_svg(drawn(crowded))
    mute = bytes(render(svg_string=svg, zoom=0.5))
    monkeypatch.setattr(resvg_py, "svg_to_bytes", partial(render, font_dirs=[fonts]))
    picture = export.png(svg, 0.5)
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 1.2 * len(mute)  # letters are most of a picture


def test_without_a_font_png_is_refused_in_words(
    crowded: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = partial(resvg_py.svg_to_bytes, skip_system_fonts=True)
    monkeypatch.setattr(resvg_py, "svg_to_bytes", without)
    with pytest.raises(ParseError, match="no font"):
        export.png(graph_svg(drawn(crowded)))


def test_a_timeline_holds_every_figure_as_it_is(crowded: Ledger) -> None:
    answers = analysis_of(crowded)
    value = timeline(crowded, answers, answers.graph.claims, "All", "stations")
    (panel,) = value.panels
    by_key = {point.key: point for point in panel.points}
    assert (by_key["new"].low, by_key["new"].high, by_key["new"].renews) == (60, None, "old")
    assert (by_key["old"].low, by_key["old"].high) == (40, 50)
    assert by_key["old"].first < by_key["old"].last
    assert by_key["hub"].contested
    tree = ET.fromstring(timeline_svg(value))
    classes = [str(element.get("class")) for element in tree.iter()]
    assert classes.count("mark") == 3 + 2  # a mark a figure, and one a claimant in the key
    assert {"join", "span", "range", "contested"} <= set(classes)


@pytest.mark.parametrize("text", ["", "x" * 500, "海外服务站" * 40, HOSTILE, "a b " * 100])
def test_texts_are_cut_to_their_room(text: str) -> None:
    assert width(clipped(text, 100)) <= 100
    for line in lines_of(text, 150, 3):
        assert width(line) <= 150
    assert len(lines_of(text, 150, 3)) <= 3


def test_the_same_ledger_gives_the_same_picture() -> None:
    with Ledger.open(ROOT / "ledger.db") as ledger:
        assert graph_svg(drawn(ledger)) == graph_svg(drawn(ledger))


def test_report_and_audit_pages_hold_their_pictures(call: Any) -> None:
    for words in (["report"], ["audit", "sd-harassment"]):
        page = call("--ledger", ROOT / "ledger.db", *words, "--format", "html").stdout
        assert page.count('<img src="data:image/svg+xml;base64,') >= 1
        assert re.search(r'alt="[^"]*contradicts|alt="[^"]*repeated by', page)
