"""``link``, ``cite`` and ``review``: how claims relate, where they were read, and how others rated them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from claimledger.cli.context import (
    CliContext,
    Command,
    UsageError,
    by_option,
    complete_key,
    recorder,
)
from claimledger.cli.output import answer, echo, print_stderr, say_known

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView


def _citation(
    source: str, via: tuple[str, ...], locator: str | None, quote: str | None
) -> dict[str, Any]:
    fields = {"source": source, "via": list(via), "locator": locator, "quote": quote}
    return {name: value for name, value in fields.items() if value}


@click.command(cls=Command, clocks=False)
@click.argument("type", metavar="TYPE")
@click.argument("from_", metavar="FROM", shell_complete=complete_key)
@click.argument("to", metavar="TO", shell_complete=complete_key)
@click.option("--reason", metavar="TEXT", help="Why the claims relate in this way.")
@click.option(
    "--basis",
    type=click.Choice(["stated", "judged"]),
    help="Whether a source states the relation, or you infer it.  [stated with --source, else judged]",
)
@click.option(
    "--source",
    metavar="KEY",
    shell_complete=complete_key,
    help="The source that states the relation.",
)
@click.option(
    "--via", multiple=True, metavar="KEY", help="The source through which that source was read."
)
@click.option("--locator", metavar="TEXT", help="The place in the source that was read.")
@click.option("--quote", metavar="TEXT", help="The words of the source that was read.")
@click.option(
    "--part", metavar="MEASURE", help="The measure that the link is about, if not the whole claim."
)
@click.option("--key", metavar="KEY", help="A key for the link.  [L1, L2, ...]")
@click.option("--note", metavar="TEXT", help="Anything else worth knowing.")
@by_option
@click.pass_obj
def link(
    call: CliContext, /, type: str, from_: str, to: str, by: str | None, **options: Any
) -> None:
    """Record how the claim FROM relates to the claim TO. With undercuts, TO may also be a source.

    TYPE is contradicts, undercuts, answers, corroborates, supports, repeats, derives_from, updates or
    retracts.
    """
    from claimledger.records.check import record_of

    with call.writing() as ledger:
        who = recorder(by, ledger)
        fields = {
            "type": type,
            "from": from_,
            "to": _target(ledger, to),
            "part": options["part"],
            "reason": options["reason"],
            "key": options["key"],
            "note": options["note"],
            "basis": options["basis"] or ("stated" if options["source"] else "judged"),
        }
        if options["source"]:
            fields["citations"] = [
                _citation(options["source"], options["via"], options["locator"], options["quote"])
            ]
        elif options["via"] or options["locator"] or options["quote"]:
            raise UsageError("--via, --locator and --quote need --source")
        record = record_of(
            "link", {name: value for name, value in fields.items() if value is not None}
        )
        warnings = _warnings(ledger, type, from_, to)
        keys = ledger.record(record, by=who)
    if call.json:
        answer({"kind": "link", "written": keys, "recorded_by": who, "warnings": warnings})
        return
    for line in warnings:
        print_stderr(f"Warning: {line}")
    if keys:
        echo(f"Recorded link {keys[0]}: {from_} {type} {to}, as {who}.")
    else:
        say_known("link")


def _target(view: LedgerView, to: str) -> Any:
    """Return the target of a link: a claim's key, or a source if no claim has the key."""
    key = to.removeprefix("source:")
    if key != to:
        return {"source": key}
    if view.get_all("claim", [to]) or view.resolve("claim", [to]):
        return to
    if view.get_all("source", [to]) or view.resolve("source", [to]):
        return {"source": to}
    return to


def _warnings(view: LedgerView, type: str, from_: str, to: str) -> list[str]:
    """Return what is unusual about a link that is recorded nevertheless."""
    from claimledger.present.phrases import in_words
    from claimledger.records.claim import Claim

    claims = view.get_all("claim", [from_, to]).values()
    records = {stored.key: stored for stored in view.resolve_records(claims)}
    record, to_record = (records[key].record if key in records else None for key in (from_, to))
    warnings = []
    if isinstance(record, Claim) and isinstance(to_record, Claim):
        late, early = record.asserted, to_record.asserted
        follows = type in ("repeats", "derives_from", "updates")
        ends = (late.latest, early.earliest) if follows and late and early else (None, None)
        if ends[0] is not None and ends[1] is not None and ends[0] < ends[1]:
            warnings.append(
                f'the claim "{from_}" ({in_words(str(late))}) was asserted before the claim "{to}" '
                f"({in_words(str(early))})"
            )
        if type == "contradicts" and record.subject != to_record.subject:
            warnings.append(f'the claims "{from_}" and "{to}" are about different subjects')
        if type == "corroborates" and set(record.claimant) & set(to_record.claimant):
            warnings.append(
                f'the claims "{from_}" and "{to}" share a claimant, so they count as one voice'
            )
    return warnings


@click.command(cls=Command, clocks=False)
@click.argument("key", shell_complete=complete_key)
@click.argument("source", shell_complete=complete_key)
@click.option(
    "--locator", metavar="TEXT", help="The place in the source that was read, such as p. 12."
)
@click.option("--quote", metavar="TEXT", help="The words of the source that was read, verbatim.")
@click.option(
    "--via", multiple=True, metavar="KEY", help="The source through which that source was read."
)
@click.option("--capture", metavar="KEY", help="The capture: the copy of the source that was kept.")
@click.option("--grounds", metavar="WORD", help="How the claimant knows, according to the source.")
@click.option("--reason", metavar="TEXT", help="Why; stays in the log.  [read in SOURCE]")
@by_option
@click.pass_obj
def cite(call: CliContext, /, key: str, source: str, by: str | None, **options: Any) -> None:
    """Add a citation to a claim, once somebody has read it in the source."""
    from claimledger.errors import RuleViolationError
    from claimledger.present.phrases import remedy
    from claimledger.records.check import record_of
    from claimledger.records.claim import Claim, Grounds

    with call.writing() as ledger:
        who = recorder(by, ledger)
        stored = ledger.get("claim", key)
        claim = stored.record
        assert isinstance(claim, Claim)
        citation = _citation(source, options["via"], options["locator"], options["quote"])
        if options["capture"]:
            citation["capture"] = options["capture"]
        grounds = options["grounds"]
        asking = not options["via"] and claim.grounds is None and grounds is None
        if asking and sys.stdin.isatty() and sys.stdout.isatty() and not call.json:
            known = ", ".join(Grounds)
            echo(f"How does the claimant know? Type {known}, or nothing if nobody has asked.")
            grounds = click.prompt("Grounds", default="", show_default=False) or None
        cited = claim.as_json()["citations"]
        changes: dict[str, Any] = {"citations": [*cited, citation]}
        if record_of("claim", {**claim.as_json(), **changes}).as_json()["citations"][-1] in cited:
            raise RuleViolationError(
                f'the claim "{stored.key}" already has this citation of "{source}"; nothing was written. To '
                f"change it, use `claimledger amend {stored.key} --set citations=...`"
            )
        if grounds:
            changes["grounds"] = grounds
        reason = options["reason"] or f"read in {source}"
        done = ledger.amend(
            "claim", stored.key, changes, by=who, reason=reason, replaces=stored.entry
        )
    if call.json:
        answer({"kind": "claim", "key": done.key, "entry": done.entry, "recorded_by": who})
        return
    echo(f'Cited "{source}" for the claim "{done.key}" with entry {done.entry}, as {who}.')
    if asking and not grounds:
        echo(f"How they know is not recorded yet. Next: {remedy('grounds', done.key)}", hang=2)


@click.command(cls=Command, clocks=False)
@click.argument("claim", shell_complete=complete_key)
@click.option(
    "--reviewer", metavar="KEY", shell_complete=complete_key, help="The party that rated the claim."
)
@click.option(
    "--rating", metavar="TEXT", required=True, help="The rating, in the reviewer's words."
)
@click.option("--reviewed", metavar="DATE", help="When the review was published.")
@click.option("--scale", metavar="TEXT", help="The scale that the rating is on.")
@click.option("--summary", metavar="TEXT", help="What the review found.")
@click.option("--url", metavar="URL", help="Where the review was published.")
@click.option("--key", metavar="KEY", help="A key for the review.  [R1, R2, ...]")
@click.option("--note", metavar="TEXT", help="Anything else worth knowing.")
@by_option
@click.pass_obj
def review(call: CliContext, /, claim: str, by: str | None, **options: Any) -> None:
    """Record a fact-checker's published rating of a claim."""
    from claimledger.records.check import record_of

    fields = {name: value for name, value in options.items() if value is not None}
    record = record_of("review", {"claim": claim, **fields})
    with call.writing() as ledger:
        who = recorder(by, ledger)
        keys = ledger.record(record, by=who)
    if call.json:
        answer({"kind": "review", "written": keys, "recorded_by": who})
    elif keys:
        echo(f'Recorded review {keys[0]} of the claim "{claim}", as {who}.')
    else:
        say_known("review")
