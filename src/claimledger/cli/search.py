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
def list_(call: CliContext, /, **wanted: str | None) -> None:
    """List claims; filters narrow each other."""
    from claimledger.services.claim_filter import Selection, select_claims

    with call.reading() as view:
        chosen = select_claims(view, Selection(**wanted))
    if call.json:
        answer({"claims": [one.as_json() for one in chosen]})
        return
    rows = [[one.key, one.known_by, one.standing, one.statement] for one in chosen]
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
        found = view.search(query, kinds=kinds, most=most)
        if view.as_of is not None:
            claims = [one.stored.key for one in found if one.stored.kind == "claim"]
            known = view.analysis(claims).graph.claims
            found = [one for one in found if one.stored.kind != "claim" or one.stored.key in known]
    if call.json:
        rows = [
            {"kind": one.stored.kind, "key": one.stored.key, "text": one.text, "score": round(one.score, 4),
             "marks": [list(mark) for mark in one.marks]}
            for one in found
        ]  # fmt: skip
        answer({"query": query, "matches": rows})
        return
    for one in found:
        echo(f"{one.stored.kind} {one.stored.key}", hang=2)
        _say_marked(one.text, one.marks)
    if not found:
        echo(f"Nothing found for {query}.")


def _say_marked(text: str, marks: tuple[tuple[int, int], ...]) -> None:
    """Print a text with what matches in bold, or between asterisks where there is no colour."""
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
            found = view.with_key(key)
            held = found[0] if found else only(view, key, None)
        else:
            held = only(view, key, kind)
        show_record(call, view, held)


def show_record(call: CliContext, view: LedgerView, held: StoredRecord) -> None:
    """Print one record with what points to it."""
    answers = view.analysis([held.key]) if held.kind == "claim" else None
    pointing = view.references_to(held.kind, [held.key]).get(held.key, [])
    pointing = _in_view(view, pointing)
    links = _links(view, held, pointing)
    value: dict[str, Any] = {
        "kind": held.kind,
        "key": held.key,
        "entry": held.entry,
        "recorded_at": held.recorded_at,
        "recorded_by": held.recorded_by,
        "record": held.record.as_json(),
        "pointed_to_by": [
            {"kind": one.kind, "key": one.key, "field": one.field} for one in pointing[:1000]
        ],
    }
    if answers is not None and held.key in answers.graph.claims:
        from claimledger.analysis.flags import flags
        from claimledger.present.phrases import standing

        value |= answers.as_json(held.key)
        value["why"] = standing(answers, held.key)
        value["flags"] = [str(flag) for flag in flags(answers, held.key)]
        if any(figure.get("formula") for figure in value["record"].get("figures", ())):
            from claimledger.present.derivation_view import computed
            from claimledger.records.claim import Claim

            assert isinstance(held.record, Claim)
            told = computed(view, answers, held.key, held.record)
            value["computed"] = [{"told": one.told, "holds": one.holds} for one in told]
    if call.json:
        answer(value)
        return
    _say_record(held)
    if "standing" in value:
        echo(f"Standing: {value['why']}", hang=2)
        echo(f"Formally: {value['acceptability']}")
        if value["flags"]:
            echo("Flags: " + ", ".join(value["flags"]), hang=2)
    for one in value.get("computed", ()):
        echo(f"Computed: {one['told']}", hang=2)
    for line in links:
        echo(line, hang=2)
    others = [one for one in pointing if one.kind != "link"]
    if others:
        named = [f"{one.kind} {one.key}" for one in others[:12]]
        more = f" and {len(others) - 12} more" if len(others) > 12 else ""
        echo("Pointed to by " + ", ".join(dict.fromkeys(named)) + more, hang=2)
    echo(f"Entry {held.entry}, {held.recorded_at[:19]}Z, by {held.recorded_by}")


def _in_view(view: LedgerView, pointing: list[Any]) -> list[Any]:
    """Leave out the links and claims that were not there yet on the day asked about."""
    if view.as_of is None:
        return pointing
    from claimledger.services.visibility import links_in_view

    links = [one.entry for one in pointing if one.kind == "link"]
    seen = links_in_view(view, links)
    claims = view.analysis([one.key for one in pointing if one.kind == "claim"]).graph.claims
    return [
        one
        for one in pointing
        if (one.kind != "link" or one.entry in seen) and (one.kind != "claim" or one.key in claims)
    ]


def _say_record(held: StoredRecord) -> None:
    from claimledger.records.kinds import fields_of

    echo(f"{held.kind} {held.key}")
    written = held.record.as_json()
    names = [f.name for f in fields_of(type(held.record)) if f.name in written and f.name != "key"]
    for name in names:
        for line in _field_lines(written[name]):
            echo(f"{name.replace('_', ' ')}: {line}", indent=2, hang=2)


def _field_lines(value: Any) -> list[str]:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [_object(one) for one in value]
    if isinstance(value, list):
        return [", ".join(map(str, value))]
    return [_object(value) if isinstance(value, dict) else str(value)]


def _object(value: dict[str, Any]) -> str:
    if set(value) == {"edtf", "printed"}:
        return f"{value['edtf']} (printed {value['printed']})"
    parts = []
    for name, held in value.items():
        shown = _object(held) if isinstance(held, dict) else held
        parts.append(f"{name}: {', '.join(held) if isinstance(held, list) else shown}")
    return "; ".join(parts)


def _links(view: LedgerView, held: StoredRecord, pointing: list[Any]) -> list[str]:
    from claimledger.records.link import Link

    entries = [one.entry for one in pointing if one.kind == "link" and one.field in ("from", "to")]
    lines = []
    for other in list(view.at_entries(entries[:200]).values()):
        link = other.record
        if isinstance(link, Link):
            outward = held.kind == "claim" and link.from_ == held.key
            verb = link.relation.reads if outward else link.relation.reversed
            end = link.to.key if outward else link.from_
            why = f": {cut(link.reason, 160)}" if link.reason else ""
            lines.append(f"{verb} {end} ({link.basis}, {link.key}){why}")
    return lines
