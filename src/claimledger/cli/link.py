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
from claimledger.cli.options import options_of
from claimledger.cli.output import answer, echo, print_stderr, say_known
from claimledger.errors import RuleViolationError
from claimledger.importers.cli_fields import fields_from_options
from claimledger.present.phrases import in_words, remedy
from claimledger.records.check import record_of
from claimledger.records.citation import Citation
from claimledger.records.claim import Claim, Grounds
from claimledger.records.link import RELATIONS, Basis, Link, LinkType
from claimledger.records.review import Review

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView


@click.command(
    cls=Command,
    clocks=False,
    help="Record how the claim FROM relates to the claim TO. With undercuts, TO may also be a source.\n\n"
    f"TYPE is one of {', '.join(LinkType)}.",
)
@click.argument("type", metavar="TYPE")
@click.argument("from_", metavar="FROM", shell_complete=complete_key)
@click.argument("to", metavar="TO", shell_complete=complete_key)
@options_of(Link, without=["type", "from", "to", "rule", "basis"])
@click.option(
    "--basis",
    # click shows the names of enum members, not their values.
    type=click.Choice([str(Basis.STATED), str(Basis.JUDGED)]),
    help="Whether a source states the relation, or you infer it.  [stated with --source, else judged]",
)
@options_of(Citation)
@by_option
@click.pass_obj
def link(
    call: CliContext, /, type: str, from_: str, to: str, by: str | None, **options: Any
) -> None:
    """Record a link."""
    with call.writing() as ledger:
        who = recorder(by, ledger)
        fields = {
            "type": type,
            "from": from_,
            "to": _target(ledger, to),
            **fields_from_options(Link, options),
        }
        citation = fields_from_options(Citation, options)
        if options["source"]:
            fields["citations"] = [citation]
        elif citation:
            misplaced = " and ".join(f"--{name}" for name in citation)
            raise UsageError(f"{misplaced} {'needs' if len(citation) == 1 else 'need'} --source")
        fields.setdefault("basis", Basis.STATED if options["source"] else Basis.JUDGED)
        record = record_of("link", fields)
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
    return warnings + _equal_links(view, type, from_, to)


def _equal_links(view: LedgerView, type: str, from_: str, to: str) -> list[str]:
    """Return a warning for each link of the same type that already joins two claims."""
    references = view.references_to("claim", [from_]).get(from_, [])
    keys = {reference.key for reference in references if reference.kind == "link"}
    pairs = {(from_, to)} | ({(to, from_)} if RELATIONS[type].symmetric else set())
    return [
        f'the link "{stored.key}" already says so; `claimledger amend {stored.key}` changes it'
        for stored in view.get_all("link", sorted(keys)).values()
        if isinstance(link := stored.record, Link)
        and link.type == type
        and (link.from_, link.to.key) in pairs
    ]


@click.command(cls=Command, clocks=False)
@click.argument("key", shell_complete=complete_key)
@click.argument("source", shell_complete=complete_key)
@options_of(Citation, without=["source"])
@options_of(Claim, only=["grounds"])
@click.option("--reason", metavar="TEXT", help="Why; stays in the log.  [read in SOURCE]")
@by_option
@click.pass_obj
def cite(call: CliContext, /, key: str, source: str, by: str | None, **options: Any) -> None:
    """Add a citation to a claim, once somebody has read it in the source."""
    with call.writing() as ledger:
        who = recorder(by, ledger)
        stored = ledger.get("claim", key)
        claim = stored.record
        assert isinstance(claim, Claim)
        citation = fields_from_options(Citation, {**options, "source": source})
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
@options_of(Review, without=["claim"])
@by_option
@click.pass_obj
def review(call: CliContext, /, claim: str, by: str | None, **options: Any) -> None:
    """Record a fact-checker's published rating of a claim."""
    if not options["rating"]:
        raise UsageError("a review needs --rating TEXT, the rating in the reviewer's words")
    record = record_of("review", {"claim": claim, **fields_from_options(Review, options)})
    with call.writing() as ledger:
        who = recorder(by, ledger)
        keys = ledger.record(record, by=who)
    if call.json:
        answer({"kind": "review", "written": keys, "recorded_by": who})
    elif keys:
        echo(f'Recorded review {keys[0]} of the claim "{claim}", as {who}.')
    else:
        say_known("review")
