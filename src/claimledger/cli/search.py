"""``list``, ``search``, ``show``: finding records, and seeing everything about one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from claimledger.cli.amend import kind_option, only, require_kind
from claimledger.cli.context import CliContext, Command, complete_key
from claimledger.cli.output import answer, coloured, count, cut, echo, printable, table

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView, StoredRecord


@click.command("list", cls=Command)
@click.option("--claimant", metavar="KEY", shell_complete=complete_key, help="Made by this party.")
@click.option(
    "--source", metavar="KEY", shell_complete=complete_key, help="Cited from this source."
)
@click.option(
    "--subject", metavar="KEY", shell_complete=complete_key, help="About this or narrower."
)
@click.option("--standing", metavar="NAME", help="With this standing.")
@click.option("--figure", metavar="NUMBER", help="With this number in it.")
@click.option("--from", "first", metavar="DATE", help="Known by this day or later.")
@click.option("--to", "last", metavar="DATE", help="Known by this day or earlier.")
@click.pass_obj
def list_(call: CliContext, /, **filters: str | None) -> None:
    """List claims; filters narrow each other."""
    from claimledger.services.claim_filter import Selection, select_claims

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
    "--kind", "kinds", multiple=True, metavar="KIND", help="Only this kind; may be repeated."
)
@click.option(
    "-n", "--most", type=click.IntRange(1, 1000), default=20, help="At most so many.  [20]"
)
@click.pass_obj
def search(call: CliContext, words: tuple[str, ...], kinds: tuple[str, ...], most: int) -> None:
    """Find records by their words, in any script and with or without marks: haiwai, hǎiwài, 海外."""
    for kind in kinds:
        require_kind(kind)
    query = " ".join(words)
    with call.reading() as view:
        hits = view.search(query, kinds=kinds, most=most)
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
        _say_marked(hit.text, hit.marks)
    if not hits:
        echo(f"Nothing found for {query}.")


def _say_marked(text: str, marks: tuple[tuple[int, int], ...]) -> None:
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
    from claimledger.cli.output import width
    from claimledger.text.width import wrapped

    for line in wrapped(lead + shown + tail, width(), 4):
        click.echo(line.replace("\x02", "\x1b[1m").replace("\x03", "\x1b[0m"))


@click.command(cls=Command)
@click.argument("key", shell_complete=complete_key)
@kind_option
@click.pass_obj
def show(call: CliContext, key: str, kind: str | None) -> None:
    """Show everything about one record; of a claim also its standing, and why."""
    with call.reading() as view:
        if kind is None:
            records = view.with_key(key)
            stored = records[0] if records else only(view, key, None)
        else:
            stored = only(view, key, kind)
        show_record(call, view, stored)


def show_record(call: CliContext, view: LedgerView, stored: StoredRecord) -> None:
    """Print one record with what points to it."""
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
        from claimledger.analysis.flags import flags
        from claimledger.present.phrases import standing

        value |= answers.as_json(stored.key)
        value["why"] = standing(answers, stored.key)
        value["flags"] = [str(flag) for flag in flags(answers, stored.key)]
        if any(figure.get("formula") for figure in value["record"].get("figures", ())):
            from claimledger.present.derivation_view import computed
            from claimledger.records.claim import Claim

            assert isinstance(stored.record, Claim)
            derivations = computed(view, answers, stored.key, stored.record)
            value["computed"] = [
                {"told": derivation.told, "holds": derivation.holds} for derivation in derivations
            ]
    if call.json:
        answer(value)
        return
    _say_record(stored)
    if "standing" in value:
        echo(f"Standing: {value['why']}", hang=2)
        echo(f"Formally: {value['acceptability']}")
        if value["flags"]:
            echo("Flags: " + ", ".join(value["flags"]), hang=2)
    for computed_figure in value.get("computed", ()):
        echo(f"Computed: {computed_figure['told']}", hang=2)
    for line in links:
        echo(line, hang=2)
    others = [reference for reference in pointing if reference.kind != "link"]
    if others:
        named = [f"{reference.kind} {reference.key}" for reference in others[:12]]
        more = f" and {len(others) - 12} more" if len(others) > 12 else ""
        echo("Pointed to by " + ", ".join(dict.fromkeys(named)) + more, hang=2)
    echo(f"Entry {stored.entry}, {stored.recorded_at[:19]}Z, by {stored.recorded_by}")


def _in_view(view: LedgerView, pointing: list[Any]) -> list[Any]:
    """Leave out the links and claims that were not there yet on the day asked about."""
    if view.as_of is None:
        return pointing
    from claimledger.services.visibility import links_in_view

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


def _say_record(stored: StoredRecord) -> None:
    from claimledger.records.kinds import fields_of

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
    from claimledger.records.link import Link

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
            why = f": {cut(link.reason, 160)}" if link.reason else ""
            lines.append(f"{verb} {end} ({link.basis}, {link.key}){why}")
    return lines
