"""``link``, ``cite``, ``review``: how claims relate to each other, and where they were read."""

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
@click.option("--reason", metavar="TEXT", help="Why.")
@click.option(
    "--basis", type=click.Choice(["stated", "judged"]), help="[stated with --source, else judged]"
)
@click.option(
    "--source", metavar="KEY", shell_complete=complete_key, help="The source that states it."
)
@click.option("--via", multiple=True, metavar="KEY", help="Through which source it was read.")
@click.option("--locator", metavar="TEXT", help="The place in what was read.")
@click.option("--quote", metavar="TEXT", help="The words of what was read.")
@click.option("--part", metavar="MEASURE", help="The measure concerned, when not the whole claim.")
@click.option("--key", metavar="KEY", help="A key of your own for the link.")
@click.option("--note", metavar="TEXT")
@by_option
@click.pass_obj
def link(
    call: CliContext, /, type: str, from_: str, to: str, by: str | None, **options: Any
) -> None:
    """Record how the claim FROM relates to the claim TO (or, for undercuts, to a source).

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
            raise UsageError("--via, --locator and --quote go with --source")
        record = record_of(
            "link", {name: value for name, value in fields.items() if value is not None}
        )
        odd = _odd(ledger, type, from_, to)
        keys = ledger.record(record, by=who)
    if call.json:
        answer({"kind": "link", "written": keys, "recorded_by": who, "warnings": odd})
        return
    for line in odd:
        print_stderr(f"Warning: {line}")
    if keys:
        echo(f"Recorded link {keys[0]}: {from_} {type} {to}, as {who}.")
    else:
        say_known("link")


def _target(view: LedgerView, to: str) -> Any:
    """Return the target: a claim's key, or a source where only a source has the key."""
    key = to.removeprefix("source:")
    if key != to:
        return {"source": key}
    if view.get_all("claim", [to]) or view.resolve("claim", [to]):
        return to
    if view.get_all("source", [to]) or view.resolve("source", [to]):
        return {"source": to}
    return to


def _odd(view: LedgerView, type: str, from_: str, to: str) -> list[str]:
    """Return what is odd about a link and possible all the same."""
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
            warnings.append(f"{from_} was surely asserted ({late}) before {to} ({early})")
        if type == "contradicts" and record.subject != to_record.subject:
            warnings.append(f"{from_} and {to} are about different subjects")
        if type == "corroborates" and set(record.claimant) & set(to_record.claimant):
            warnings.append(f"{from_} and {to} have a claimant in common: one voice, not two")
    return warnings


@click.command(cls=Command, clocks=False)
@click.argument("key", shell_complete=complete_key)
@click.argument("source", shell_complete=complete_key)
@click.option("--locator", metavar="TEXT", help="The place in what was read: p. 12.")
@click.option("--quote", metavar="TEXT", help="The words of what was read, verbatim.")
@click.option("--via", multiple=True, metavar="KEY", help="Through which source it was read.")
@click.option("--capture", metavar="KEY", help="The kept copy.")
@click.option("--grounds", metavar="WORD", help="How the claimant knows, as read there.")
@click.option("--reason", metavar="TEXT", help="Why; kept in the log.  [read in SOURCE]")
@by_option
@click.pass_obj
def cite(call: CliContext, /, key: str, source: str, by: str | None, **options: Any) -> None:
    """Add a citation to a claim: a source in which it has now been read."""
    from claimledger.errors import RuleViolationError
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
            echo(f"How does the claimant know? One of {known}; empty if not asked.")
            grounds = click.prompt("Grounds", default="", show_default=False) or None
        cited = claim.as_json()["citations"]
        changes: dict[str, Any] = {"citations": [*cited, citation]}
        if record_of("claim", {**claim.as_json(), **changes}).as_json()["citations"][-1] in cited:
            raise RuleViolationError(
                f"{stored.key} already cites {source} so; nothing was written. `claimledger amend "
                f"{stored.key} --set ...` changes it"
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
    echo(f"Cited {source} for {done.key} with entry {done.entry}, as {who}.")
    if asking and not grounds:
        mend = f'claimledger amend {done.key} --set grounds=... --reason "..."'
        echo(f"How they know is not recorded yet: {mend}", hang=2)


@click.command(cls=Command, clocks=False)
@click.argument("claim", shell_complete=complete_key)
@click.option(
    "--reviewer", metavar="KEY", shell_complete=complete_key, help="The party that rated it."
)
@click.option("--rating", metavar="TEXT", required=True, help="The rating, in its own words.")
@click.option("--reviewed", metavar="DATE", help="When it was published.")
@click.option("--scale", metavar="TEXT", help="The scale the rating is on.")
@click.option("--summary", metavar="TEXT", help="What the review found.")
@click.option("--url", metavar="URL", help="Where it was published.")
@click.option("--key", metavar="KEY", help="A key of your own for the review.")
@click.option("--note", metavar="TEXT")
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
        echo(f"Recorded review {keys[0]} of {claim}, as {who}.")
    else:
        say_known("review")
