"""The diagrams that a report and an audit have in their HTML pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from markupsafe import Markup

from claimledger.analysis.analysis import Analysis
from claimledger.present.audit import Audit
from claimledger.present.report import Report
from claimledger.render.diagrams import svg
from claimledger.render.diagrams import timeline as time
from claimledger.render.diagrams.model import around, scene
from claimledger.render.diagrams.page import picture

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView


def report_with_diagrams(view: LedgerView, report: Report) -> Report:
    """Return the report with a diagram of all claims in dispute, and of their figures over time."""
    sections = [*report.disputes, *report.criticised]
    keys = [
        claim.key
        for section in sections
        for claim in (*section.claims, *section.beside, *section.reached)
    ]
    keys += [attack.attacker.key for section in sections for attack in section.against]
    return replace(
        report, pictures=_diagrams(view, view.analysis(keys), keys, keys, "What is disputed")
    )


def audit_with_diagrams(view: LedgerView, audit: Audit) -> Audit:
    """Return the audit with a diagram of the claim and those near it, and of figures over time."""
    near = around(view.analysis([audit.key]), audit.key, 2)
    with_figures = [
        audit.key,
        *(item.key for item in (*audit.other_counts, *audit.otherwise)),
    ]
    answers = view.analysis([*near, *with_figures])
    title = f"Around {audit.key}"
    return replace(audit, pictures=_diagrams(view, answers, near, with_figures, title))


def _diagrams(
    view: LedgerView,
    answers: Analysis,
    keys: Iterable[str],
    with_figures: Iterable[str],
    title: str,
) -> tuple[Markup, ...]:
    graph = scene(view, answers, keys, title)
    diagrams = []
    if graph.boxes:
        diagrams.append(picture(svg.graph_svg(graph), svg.in_words(graph)))
    figures = time.timeline(view, answers, with_figures, "Figures over time", None)
    if figures.panels:
        diagrams.append(picture(time.timeline_svg(figures), time.in_words(figures)))
    return tuple(diagrams)
