"""``report``: the contested-claims report."""

from __future__ import annotations

import sys

import click

from claimledger.cli.context import CliContext, Command, complete_key, form_of, output_option
from claimledger.cli.output import print_stderr
from claimledger.present.report import report as build_report
from claimledger.render import REPORT, writer
from claimledger.render.diagrams.embed import report_with_diagrams


@click.command(cls=Command)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(REPORT)),
    help="The format.  [by the ending of FILE, else markdown]",
)
@output_option
@click.option(
    "--subject",
    metavar="KEY",
    shell_complete=complete_key,
    help="Only claims about this subject and narrower ones.",
)
@click.option(
    "--since", metavar="TIME", help="List corrections since this entry, timestamp or day."
)
@click.pass_obj
def report(
    call: CliContext, form: str | None, output: str | None, subject: str | None, since: str | None
) -> None:
    """Write the contested-claims report. The same ledger always gives the same bytes."""
    from claimledger.services.output_files import writing_whole

    form = form or ("json" if call.json else form_of(output, _ENDINGS))
    with call.reading() as view:
        value = build_report(
            view,
            subject=subject,
            since=view.entry_at(since) if since else None,
            since_said=since or "",
        )
        if form == "html":
            value = report_with_diagrams(view, value)
    text = writer("report", form)(value).encode()
    if output in (None, "-"):
        sys.stdout.buffer.write(text)
    else:
        with writing_whole(str(output), call.path) as stream:
            stream.write(text)
        print_stderr(f"Wrote {output}: {value.summary[0]}")


_ENDINGS = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "markdown",
    ".html": "html",
    ".htm": "html",
    ".json": "json",
    ".csv": "csv",
}
