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
from claimledger.errors import NotFoundError
from claimledger.present.audit import audit as build_audit
from claimledger.present.phrases import figures
from claimledger.records.claim import Claim
from claimledger.records.number_words import find_values
from claimledger.render import AUDIT, writer
from claimledger.render.diagrams.embed import audit_with_diagrams
from claimledger.services.find_claim import candidates, figure_in_query, with_value

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView, StoredRecord


@click.command(cls=Command)
@click.argument("what", required=False, metavar='[KEY|"54 stations"]', shell_complete=complete_key)
@click.option("--figure", metavar="NUMBER", help="Audit a claim with this number in a figure.")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(AUDIT)),
    help="The format.  [by the ending of FILE, else text]",
)
@output_option
@click.pass_context
def audit(
    ctx: click.Context, what: str | None, figure: str | None, form: str | None, output: str | None
) -> None:
    """Trace a claim back to whoever said it first, and show what was said against it."""
    from claimledger.services.output_files import writing_whole

    call = ctx.obj
    assert isinstance(call, CliContext)
    if what is not None and figure is not None:
        raise UsageError("give a claim or --figure, not both")
    if what is None and figure is None:
        raise UsageError('give a claim\'s key, words such as "54 stations", or --figure 54')
    form = form or ("json" if call.json else form_of(output, _ENDINGS))

    def written(view: LedgerView, claim: StoredRecord) -> bytes:
        value = build_audit(view, claim.key)
        if form == "html":
            value = audit_with_diagrams(view, value)
        return writer("audit", form)(value).encode()

    call.status = 1  # until there is a claim to audit
    with call.reading() as view:
        matching = _matching_claims(call, view, what, figure)
        text = written(view, matching[0]) if len(matching) == 1 else b""
    if not text:
        # The ledger is closed by now, so that a user who thinks about the answer blocks no writer.
        chosen = _choose(call, matching)
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


def _matching_claims(
    call: CliContext, view: LedgerView, what: str | None, figure: str | None
) -> list[StoredRecord]:
    """Return the claims that match, the first of each assertion; print a note if there is none."""
    if what is not None:
        resolved = view.resolve("claim", [what]).get(what, what)
        if records := view.get_all("claim", [resolved]):
            return list(records.values())
        _require_no_other_key(view, what)
        matching = candidates(view, what)
    else:
        matching = with_value(view, figure_in_query(str(figure)))
    if not matching:
        _print_nearest(call, view, what, figure)
        return []
    options = _first_of_each(view, matching)
    if not options:
        echo("The claims that match were not known yet at that time.")
    return options


def _require_no_other_key(view: LedgerView, what: str) -> None:
    """Raise :class:`NotFoundError` if a text is a party, source, subject or link key.

    Also if it is the key of a claim that was withdrawn, or was not recorded yet.
    """
    kinds = ("party", "source", "subject", "link")
    is_known = any(stored.kind in kinds for stored in view.with_key(what))
    if is_known or view.at().history(what, "claim"):
        view.get("claim", what)


def _print_nearest(
    call: CliContext, view: LedgerView, what: str | None, figure: str | None
) -> None:
    query = str(figure if what is None else what)
    values = [v.low if v.low is not None else v.high for v in find_values(query)]
    if not values or values[0] is None:
        raise NotFoundError("claim", query, view.near_keys(query, "claim"))
    near = view.claims_nearest_figure(float(values[0]))
    if call.json:
        answer({"asked": query, "matches": [], "nearest": [_option(stored) for stored in near]})
        return
    echo(f"No claim has the figure {query}." + (" The nearest are:" if near else ""))
    for stored in near:
        echo(_summary(stored), indent=2, hang=2)


def _first_of_each(view: LedgerView, records: list[StoredRecord]) -> list[StoredRecord]:
    """Return, of each assertion in view, the claim that was known first."""
    answers = view.analysis([stored.key for stored in records])
    known = answers.graph.known_by
    by_assertion: dict[str, StoredRecord] = {}
    in_view = [stored for stored in records if stored.key in known]
    for stored in sorted(in_view, key=lambda stored: (known[stored.key], stored.key)):
        by_assertion.setdefault(answers.assertions.of[stored.key], stored)
    return [stored for stored in in_view if stored in by_assertion.values()]


def _choose(call: CliContext, options: list[StoredRecord]) -> StoredRecord | None:
    """Return the claim that the user chooses; ``None`` if there is none, or nobody to ask."""
    if not options:
        return None
    if call.json:
        answer({"matches": [_option(stored) for stored in options], "nearest": []})
        return None
    echo("Several assertions match:")
    for place, stored in enumerate(options, 1):
        echo(f"{place:>3}  {_summary(stored)}", hang=5)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        echo("Name one of them: `claimledger audit KEY`.")
        return None
    number: int = click.prompt("Which one", type=click.IntRange(1, len(options)))
    return options[number - 1]


def _summary(stored: StoredRecord) -> str:
    record = stored.record
    figures_in_words = figures(record) if isinstance(record, Claim) and record.figures else ""
    return f"{stored.key}: {cut(record.named, 120)}" + (
        f" ({figures_in_words})" if figures_in_words else ""
    )


def _option(stored: StoredRecord) -> dict[str, object]:
    return {"key": stored.key, "statement": stored.record.named}
