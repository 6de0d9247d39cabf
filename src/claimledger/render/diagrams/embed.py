"""The pictures of a report and of an audit, as they stand in their pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from markupsafe import Markup

from claimledger.analysis.analysis import Analysis
from claimledger.render.diagrams import svg
from claimledger.render.diagrams import timeline as time
from claimledger.render.diagrams.model import scene
from claimledger.render.diagrams.page import picture

if TYPE_CHECKING:
    from claimledger.ledger import Ledger


def pictures(
    ledger: Ledger,
    answers: Analysis,
    keys: Iterable[str],
    counted: Iterable[str],
    title: str,
    known_at: int | None = None,
    as_of: int | None = None,
) -> tuple[Markup, ...]:
    """Return the graph of some claims and, where they hold figures, these over time."""
    drawn = scene(ledger, answers, keys, title, known_at, as_of)
    found = []
    if drawn.boxes:
        found.append(picture(svg.graph_svg(drawn), svg.in_words(drawn)))
    figures = time.timeline(ledger, answers, counted, "Figures over time", None, known_at)
    if figures.panels:
        found.append(picture(time.timeline_svg(figures), time.in_words(figures)))
    return tuple(found)
