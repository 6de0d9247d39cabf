"""``graph`` and ``timeline``: claims as pictures."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import click

from claimledger.analysis.disputes import disputes
from claimledger.cli.context import (
    CliContext,
    Command,
    UsageError,
    complete_key,
    form_of,
    output_option,
)
from claimledger.cli.output import print_stderr
from claimledger.errors import NotFoundError
from claimledger.records.check import nearest
from claimledger.render.diagrams import export
from claimledger.render.diagrams.model import around, scene
from claimledger.render.diagrams.page import graph_page, timeline_page
from claimledger.render.diagrams.svg import graph_svg
from claimledger.render.diagrams.timeline import timeline as build_timeline
from claimledger.render.diagrams.timeline import timeline_svg
from claimledger.services.visibility import require_known

if TYPE_CHECKING:
    from claimledger.analysis.analysis import Analysis
    from claimledger.ledger import LedgerView

_ENDINGS_OF_TIMELINES = {".svg": "svg", ".png": "png", ".html": "html", ".htm": "html"}
_ENDINGS = {**_ENDINGS_OF_TIMELINES, ".dot": "dot", ".gv": "dot", ".graphml": "graphml"}

subject_option = click.option(
    "--subject",
    metavar="KEY",
    shell_complete=complete_key,
    help="Only claims about this subject and narrower ones.",
)


@click.command(cls=Command)
@click.argument("key", required=False, shell_complete=complete_key)
@subject_option
@click.option(
    "--depth",
    type=click.IntRange(1, 20),
    default=2,
    help="How many links away from KEY to draw.  [2]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["svg", "png", "dot", "graphml", "html"]),
    help="The format.  [by the ending of FILE, else svg]",
)
@output_option
@click.pass_obj
def graph(
    call: CliContext,
    key: str | None,
    subject: str | None,
    depth: int,
    form: str | None,
    output: str | None,
) -> None:
    """Draw claims and the links between them: around KEY, about a subject, or in all disputes.

    Claims that only repeat another are not drawn. With more than a hundred boxes, each dispute is one box.
    """
    if key and subject:
        raise UsageError("give KEY or --subject, not both")
    form = form or form_of(output, _ENDINGS)
    with call.reading() as view:
        answers, keys, title = _claims_to_draw(view, key, subject, depth)
        value = scene(view, answers, keys, title)
    faces = {"svg": graph_svg, "dot": export.dot, "graphml": export.graphml, "html": graph_page}
    if form == "png":
        _write(call, export.png(graph_svg(value)), output)
    else:
        _write(call, faces[form](value).encode(), output)


def _claims_to_draw(
    view: LedgerView, key: str | None, subject: str | None, depth: int
) -> tuple[Analysis, list[str], str]:
    if key is not None:
        stored = view.get("claim", key)
        answers = view.analysis([stored.key])
        require_known(answers, stored.key)
        return answers, around(answers, stored.key, depth), f"Around {stored.key}"
    if subject is not None:
        answers, keys = view.analysis_about(subject)
        return answers, keys, f"Claims about {subject}"
    return *_disputed(view), "What is disputed"


def _disputed(view: LedgerView) -> tuple[Analysis, list[str]]:
    answers = view.analysis()
    keys: dict[str, None] = {}
    for dispute in disputes(answers):
        keys |= dict.fromkeys(
            (*dispute.claims, *dispute.attackers, *dispute.contested_allies, *dispute.reached)
        )
    return answers, list(keys)


@click.command(cls=Command)
@subject_option
@click.option("--measure", metavar="NAME", help="Only figures with this measure, such as stations.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["svg", "png", "html"]),
    help="The format.  [by the ending of FILE, else svg]",
)
@output_option
@click.pass_obj
def timeline(
    call: CliContext, subject: str | None, measure: str | None, form: str | None, output: str | None
) -> None:
    """Draw figures over time: one mark per figure, one line per claimant; conflicts are joined."""
    form = form or form_of(output, _ENDINGS_OF_TIMELINES)
    with call.reading() as view:
        if subject is not None:
            answers, keys = view.analysis_about(subject)
        else:
            answers = view.analysis()
            keys = list(answers.graph.claims)
        title = f"Figures about {subject}" if subject else "Figures over time"
        value = build_timeline(view, answers, keys, title, measure)
        if measure is not None and not value.panels:
            _raise_no_figures(measure, build_timeline(view, answers, keys, title, None).measures)
    svg = timeline_svg(value)
    if form == "png":
        _write(call, export.png(svg), output)
    elif form == "html":
        page = timeline_page(value)
        _write(call, page.encode(), output)
    else:
        _write(call, svg.encode(), output)


def _raise_no_figures(measure: str, known: tuple[str, ...]) -> NoReturn:
    near = nearest(measure, known) or list(known[:8])
    raise NotFoundError("figure here", measure, near, known_by="measure")


def _write(call: CliContext, data: bytes, output: str | None) -> None:
    from claimledger.services.output_files import writing_whole

    if output in (None, "-"):
        if output is None and sys.stdout.isatty():
            raise UsageError("a terminal cannot show this picture; name a file with -o")
        sys.stdout.buffer.write(data)
        return
    with writing_whole(str(output), call.path) as stream:
        stream.write(data)
    print_stderr(f"Wrote {output}")
