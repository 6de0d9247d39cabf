"""``audit``: where a figure came from."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from claimledger.cli.context import (
    CliContext,
    Command,
    UsageError,
    complete_key,
    form_of,
    output_option,
)
from claimledger.cli.output import answer, cut, echo, print_stderr
from claimledger.render import AUDIT

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView, StoredRecord


@click.command(cls=Command)
@click.argument("what", required=False, metavar='[KEY|"54 stations"]', shell_complete=complete_key)
@click.option("--figure", metavar="NUMBER", help="The claims that hold this number.")
@click.option("--format", "form", type=click.Choice(list(AUDIT)), help="[text, or by -o's name]")
@output_option
@click.pass_context
def audit(
    ctx: click.Context, what: str | None, figure: str | None, form: str | None, output: str | None
) -> None:
    """Trace a claim back to whoever said it first, and show what was said against it."""
    from claimledger.present.audit import audit as build_audit
    from claimledger.render import writer
    from claimledger.services.output_files import writing_whole

    call = ctx.obj
    assert isinstance(call, CliContext)
    if what is not None and figure is not None:
        raise UsageError(f"audit takes one of the two, {what!r} or --figure {figure}")
    if what is None and figure is None:
        raise UsageError('audit needs a claim\'s key, words like "54 stations", or --figure 54')
    form = form or ("json" if call.json else form_of(output, _ENDINGS))

    def written(view: LedgerView, claim: StoredRecord) -> bytes:
        value = build_audit(view, claim.key)
        if form == "html":
            from claimledger.render.diagrams.embed import audit_with_diagrams  # imports jinja2

            value = audit_with_diagrams(view, value)
        return writer("audit", form)(value).encode()

    call.status = 1  # until there is a claim to audit
    with call.reading() as view:
        meant = _meant(call, view, what, figure)
        text = written(view, meant[0]) if len(meant) == 1 else b""
    if not text:
        # The ledger is closed by now: while a person thinks, nobody has to wait.
        chosen = _chosen(call, meant)
        if chosen is None:
            ctx.exit(call.status)
        with call.reading() as view:
            text = written(view, chosen)
    call.status = 0
    if output in (None, "-"):
        sys.stdout.buffer.write(text)
        return
    with writing_whole(str(output), call.path) as stream:
        stream.write(text)
    print_stderr(f"Wrote {output}")


_ENDINGS = {
    ".txt": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".json": "json",
}


def _meant(
    call: CliContext, view: LedgerView, what: str | None, figure: str | None
) -> list[StoredRecord]:
    """Return the claims that match, the first of each assertion; say so if there is none."""
    from claimledger.services.find_claim import candidates, figure_asked, with_value

    if what is not None:
        resolved = view.resolve("claim", [what]).get(what, what)
        if records := view.get_all("claim", [resolved]):
            return list(records.values())
        _require_no_other_key(view, what)
        matching = candidates(view, what)
    else:
        matching = with_value(view, figure_asked(str(figure)))
    if not matching:
        _nearest(call, view, what, figure)
        return []
    options = _firsts(view, matching)
    if not options:
        echo("What matches was not known yet at that time.")
    return options


def _require_no_other_key(view: LedgerView, what: str) -> None:
    """Raise :class:`NotFoundError` if a text is a party, source, subject or link key.

    Also if it is the key of a claim that was withdrawn, or was not recorded yet.
    """
    kinds = ("party", "source", "subject", "link")
    is_known = any(stored.kind in kinds for stored in view.with_key(what))
    if is_known or view.at().history(what, "claim"):
        view.get("claim", what)


def _nearest(call: CliContext, view: LedgerView, what: str | None, figure: str | None) -> None:
    from claimledger.errors import NotFoundError
    from claimledger.records.number_words import find_values

    query = str(figure if what is None else what)
    values = [v.low if v.low is not None else v.high for v in find_values(query)]
    if not values or values[0] is None:
        raise NotFoundError("claim", query, view.near_keys(query, "claim"))
    near = view.claims_nearest_figure(float(values[0]))
    if call.json:
        answer({"asked": query, "matches": [], "nearest": [_option(stored) for stored in near]})
        return
    echo(f"No claim holds the figure {query}." + (" Nearest are:" if near else ""))
    for stored in near:
        echo(_told(stored), indent=2, hang=2)


def _firsts(view: LedgerView, records: list[StoredRecord]) -> list[StoredRecord]:
    """Return the claims that were in view, of each assertion the one that was known first."""
    answers = view.analysis([stored.key for stored in records])
    known = answers.graph.known_by
    by_assertion: dict[str, StoredRecord] = {}
    in_view = [stored for stored in records if stored.key in known]
    for stored in sorted(in_view, key=lambda stored: (known[stored.key], stored.key)):
        by_assertion.setdefault(answers.assertions.of[stored.key], stored)
    return [stored for stored in in_view if stored in by_assertion.values()]


def _chosen(call: CliContext, options: list[StoredRecord]) -> StoredRecord | None:
    """Let a person choose among several claims; return nothing if there are none, or nobody to ask."""
    if not options:
        return None
    if call.json:
        answer({"matches": [_option(stored) for stored in options], "nearest": []})
        return None
    echo("Several assertions match:")
    for place, stored in enumerate(options, 1):
        echo(f"{place:>3}  {_told(stored)}", hang=5)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        echo("Name the one you mean: `claimledger audit KEY`.")
        return None
    number: int = click.prompt("Which", type=click.IntRange(1, len(options)))
    return options[number - 1]


def _told(stored: StoredRecord) -> str:
    from claimledger.present.phrases import figures
    from claimledger.records.claim import Claim

    record = stored.record
    figures_in_words = figures(record) if isinstance(record, Claim) and record.figures else ""
    return f"{stored.key}: {cut(record.named, 120)}" + (
        f" ({figures_in_words})" if figures_in_words else ""
    )


def _option(stored: StoredRecord) -> dict[str, object]:
    return {"key": stored.key, "statement": stored.record.named}
