"""A graph as one HTML page: pan, zoom, search and details, by mouse and keyboard; whole without scripts."""

from __future__ import annotations

import json
from base64 import b64encode

from markupsafe import Markup

from claimledger.render.diagrams.model import Diagram
from claimledger.render.diagrams.svg import graph_svg
from claimledger.render.diagrams.timeline import Timeline, in_words, timeline_svg
from claimledger.render.environment import environment, script
from claimledger.text.unicode import visible


def graph_page(scene: Diagram) -> str:
    """Return the page: the picture, everything in it as a list, and a script that needs nothing else."""
    details = {
        box.key: {
            "who": visible(box.who), "said": visible(box.statement), "figures": visible(box.figures),
            "detail": visible(box.detail), "folded": list(box.folded),
            "links": [
                visible(f"{line.from_} {line.type} {line.to}" + (f": {line.reason}" if line.reason else ""))
                for line in scene.lines if box.key in (line.from_, line.to)
            ],
        }
        for box in scene.boxes
    }  # fmt: skip
    # Inside a script element only "</" and "<!--" could end it early.
    data = json.dumps(details, ensure_ascii=False).replace("<", "\\u003c")
    return (
        environment()
        .get_template("graph.html")
        .render(
            title=visible(scene.title),
            svg=Markup(graph_svg(scene)),
            told=scene.note,
            boxes=scene.boxes,
            lines=scene.lines,
            data=Markup(data),
            script=script("graph.js"),
        )
    )


def timeline_page(value: Timeline) -> str:
    """Return a timeline as a page, with all of it in words."""
    page = environment().get_template("timeline.html")
    return page.render(
        title=visible(value.title), svg=Markup(timeline_svg(value)), told=in_words(value)
    )


def picture(svg: str, words: str) -> Markup:
    """Return a diagram for a page with other content: as an image, with all of it in words.

    As an image its styles and ids stay its own, and nothing of it can reach the page.
    """
    data = b64encode(svg.encode()).decode()
    return Markup(
        '<div class="picture"><img src="data:image/svg+xml;base64,{}" alt="{}"></div>'
    ).format(data, visible(words))
