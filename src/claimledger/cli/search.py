"""``list``, ``search``, ``show``: finding records, and seeing everything about one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from claimledger.analysis.flags import flags
from claimledger.cli.amend import kind_option, only, require_kind
from claimledger.cli.context import CliContext, Command, complete_key
from claimledger.cli.output import answer, coloured, count, cut, echo, printable, table, width
from claimledger.present.derivation_view import computed
from claimledger.present.phrases import ACCEPTABILITY, basis, in_words, named, series, standing
from claimledger.records.claim import Claim
from claimledger.records.kinds import fields_of
from claimledger.records.link import Link
from claimledger.services.claim_filter import Selection, select_claims
from claimledger.services.record_cache import RecordCache
from claimledger.services.visibility import links_in_view
from claimledger.text.width import wrapped

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView, StoredRecord


@click.command("list", cls=Command)
@click.option(
    "--claimant", metavar="KEY", shell_complete=complete_key, help="Only claims by this party."
)
@click.option(
    "--source",
    metavar="KEY",
    shell_complete=complete_key,
    help="Only claims that cite this source.",
)
@click.option(
    "--subject",
    metavar="KEY",
    shell_complete=complete_key,
    help="Only claims about this subject or a narrower one.",
)
@click.option("--standing", metavar="NAME", help="Only claims with this standing.")
@click.option("--figure", metavar="NUMBER", help="Only claims with this number in a figure.")
@click.option(
    "--from", "first", metavar="DATE", help="Only claims known by this day or a later one."
)
@click.option(
    "--to", "last", metavar="DATE", help="Only claims known by this day or an earlier one."
)
@click.pass_obj
def list_(call: CliContext, /, **filters: str | None) -> None:
    """List claims. A claim is listed if it fits every option that is given."""
    with call.reading() as view:
        chosen = select_claims(view, Selection(**filters))
    if call.json:
        answer({"claims": [row.as_json() for row in chosen]})
        return
    rows = [[row.key, row.known_by, row.standing, row.statement] for row in chosen]
    table(["KEY", "KNOWN BY", "STANDING", "STATEMENT"], rows, stretch=3)
    echo(count(len(rows), "claim") + ".")


@click.command(cls=Command)
@click.argument("words", nargs=-1, required=True)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    metavar="KIND",
    help="Only records of this kind; may be repeated.",
)
@click.option(
    "-n",
    "--most",
    "limit",
    type=click.IntRange(1, 1000),
    default=20,
    help="List at most this many.  [20]",
)
@click.pass_obj
def search(call: CliContext, words: tuple[str, ...], kinds: tuple[str, ...], limit: int) -> None:
    """Find records by their words, in any script, with or without accents: haiwai, hǎiwài, 海外."""
    for kind in kinds:
        require_kind(kind)
    query = " ".join(words)
    with call.reading() as view:
        hits = view.search(query, kinds=kinds, limit=limit)
        if view.as_of is not None:
            claims = [hit.stored.key for hit in hits if hit.stored.kind == "claim"]
            known = view.analysis(claims).graph.claims
            hits = [hit for hit in hits if hit.stored.kind != "claim" or hit.stored.key in known]
    if call.json:
        rows = [
            {"kind": hit.stored.kind, "key": hit.stored.key, "text": hit.text, "score": round(hit.score, 4),
             "marks": [list(mark) for mark in hit.marks]}
            for hit in hits
        ]  # fmt: skip
        answer({"query": query, "matches": rows})
        return
    for hit in hits:
        echo(f"{hit.stored.kind} {hit.stored.key}", hang=2)
        _print_marked(hit.text, hit.marks)
    if not hits:
        echo(f"No record contains {query}.")


def _print_marked(text: str, marks: tuple[tuple[int, int], ...]) -> None:
    """Print a text with its matches in bold, or between asterisks if there is no colour."""
    opening, closing = ("\x02", "\x03") if coloured() else ("*", "*")
    shown, at = "", 0
    first = max(0, marks[0][0] - 60) if marks else 0
    for start, end in marks:
        if start < at or start - first > 300:
            continue
        shown += (
            printable(text[max(at, first) : start]) + opening + printable(text[start:end]) + closing
        )
        at = end
    shown += printable(text[max(at, first) : max(at, first) + 120])
    lead = "…" if first else ""
    tail = "…" if max(at, first) + 120 < len(text) else ""

    for line in wrapped(lead + shown + tail, width(), 4):
        click.echo(line.replace("\x02", "\x1b[1m").replace("\x03", "\x1b[0m"))


@click.command(cls=Command)
@click.argument("key", shell_complete=complete_key)
@kind_option
@click.pass_obj
def show(call: CliContext, key: str, kind: str | None) -> None:
    """Show everything about one record; for a claim also its standing and the reason for it."""
    with call.reading() as view:
        if kind is None:
            records = view.with_key(key)
            stored = records[0] if records else only(view, key, None)
        else:
            stored = only(view, key, kind)
        show_record(call, view, stored)


def show_record(call: CliContext, view: LedgerView, stored: StoredRecord) -> None:
    """Print one record, the links at it, and the records that refer to it."""
    answers = view.analysis([stored.key]) if stored.kind == "claim" else None
    pointing = view.references_to(stored.kind, [stored.key]).get(stored.key, [])
    pointing = _in_view(view, pointing)
    links = _links(view, stored, pointing)
    value: dict[str, Any] = {
        "kind": stored.kind,
        "key": stored.key,
        "entry": stored.entry,
        "recorded_at": stored.recorded_at,
        "recorded_by": stored.recorded_by,
        "record": stored.record.as_json(),
        "pointed_to_by": [
            {"kind": reference.kind, "key": reference.key, "field": reference.field}
            for reference in pointing[:1000]
        ],
    }
    if answers is not None and stored.key in answers.graph.claims:
        value |= answers.as_json(stored.key)
        value["why"] = standing(answers, stored.key, RecordCache(view))
        value["flags"] = [str(flag) for flag in flags(answers, stored.key)]
        if any(figure.get("formula") for figure in value["record"].get("figures", ())):
            assert isinstance(stored.record, Claim)
            derivations = computed(view, answers, stored.key, stored.record)
            value["computed"] = [
                {"told": derivation.told, "holds": derivation.holds} for derivation in derivations
            ]
    if call.json:
        answer(value)
        return
    _print_record(stored)
    _print_answers(value)
    for line in links:
        echo(line, hang=2)
    _print_references(reference for reference in pointing if reference.kind != "link")
    when = in_words(stored.recorded_at[:10])
    echo(f"Recorded by {stored.recorded_by} on {when} (entry {stored.entry}).")


def _print_answers(value: dict[str, Any]) -> None:
    """Print a claim's standing, acceptability, flags and computed figures, as far as it has them."""
    if "standing" in value:
        echo(f"Standing: {value['why']}", hang=2)
        echo(f"Acceptability: {ACCEPTABILITY[value['acceptability']]}", hang=2)
        if value["flags"]:
            echo("Flags: " + ", ".join(value["flags"]), hang=2)
    for computed_figure in value.get("computed", ()):
        echo(f"Computed: {computed_figure['told']}", hang=2)


def _print_references(references: Iterable[Any]) -> None:
    """Print which records refer to a record, by kind."""
    by_kind: dict[str, dict[str, None]] = {}
    for reference in references:
        by_kind.setdefault(reference.kind, {})[reference.key] = None
    if by_kind:
        records = series([named(kind, keys, 12) for kind, keys in by_kind.items()])
        echo(f"Referred to by {records}.", hang=2)


def _in_view(view: LedgerView, pointing: list[Any]) -> list[Any]:
    """Return the references without those from links and claims that came after the view's day."""
    if view.as_of is None:
        return pointing

    links = [reference.entry for reference in pointing if reference.kind == "link"]
    seen = links_in_view(view, links)
    claims = view.analysis(
        [reference.key for reference in pointing if reference.kind == "claim"]
    ).graph.claims
    return [
        reference
        for reference in pointing
        if (reference.kind != "link" or reference.entry in seen)
        and (reference.kind != "claim" or reference.key in claims)
    ]


def _print_record(stored: StoredRecord) -> None:
    echo(f"{stored.kind} {stored.key}")
    written = stored.record.as_json()
    names = [
        f.name for f in fields_of(type(stored.record)) if f.name in written and f.name != "key"
    ]
    for name in names:
        for line in _field_lines(written[name]):
            echo(f"{name.replace('_', ' ')}: {line}", indent=2, hang=2)


def _field_lines(value: Any) -> list[str]:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [_object(part) for part in value]
    if isinstance(value, list):
        return [", ".join(map(str, value))]
    return [_object(value) if isinstance(value, dict) else str(value)]


def _object(value: dict[str, Any]) -> str:
    if set(value) == {"edtf", "printed"}:
        return f"{value['edtf']} (printed {value['printed']})"
    parts = []
    for name, part in value.items():
        shown = _object(part) if isinstance(part, dict) else part
        parts.append(f"{name}: {', '.join(part) if isinstance(part, list) else shown}")
    return "; ".join(parts)


def _links(view: LedgerView, stored: StoredRecord, pointing: list[Any]) -> list[str]:
    entries = [
        reference.entry
        for reference in pointing
        if reference.kind == "link" and reference.field in ("from", "to")
    ]
    lines = []
    for linked in list(view.at_entries(entries[:200]).values()):
        link = linked.record
        if isinstance(link, Link):
            outward = stored.kind == "claim" and link.from_ == stored.key
            verb = link.relation.reads if outward else link.relation.reversed
            end = link.to.key if outward else link.from_
            end_kind = link.to.kind if outward else "claim"
            why = f": {cut(link.reason, 160)}" if link.reason else ""
            lines.append(
                f'{verb} {named(end_kind, [end])} ({basis(link.basis)}; link "{link.key}"){why}'
            )
    return lines
