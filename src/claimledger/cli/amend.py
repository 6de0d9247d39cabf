"""``amend``, ``withdraw``, ``redact``, ``history``: changes in the open."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from claimledger.cli.context import (
    CliContext,
    Command,
    UsageError,
    by_option,
    complete_key,
    reason_option,
    recorder,
)
from claimledger.cli.output import answer, count, cut, echo

if TYPE_CHECKING:
    from claimledger.ledger import Change, LedgerView, StoredRecord

kind_option = click.option("--kind", metavar="KIND", help="Which kind, where two share the key.")


def require_kind(kind: str) -> None:
    """Raise :class:`UsageError` for a word that is not a kind of record."""
    from claimledger.records.check import nearest
    from claimledger.records.kinds import KINDS

    if kind not in KINDS:
        near = nearest(kind, KINDS)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"--kind is one of {', '.join(KINDS)}, not {kind!r}{hint}")


def only(view: LedgerView, key: str, kind: str | None) -> StoredRecord:
    """Return the one record with a key; two kinds with one key ask for ``--kind``."""
    from claimledger.errors import NotFoundError, RuleViolationError

    if kind is not None:
        require_kind(kind)
        return view.get(kind, key)
    records = view.with_key(key)
    if len(records) > 1:
        kinds = " or ".join(stored.kind for stored in records)
        raise UsageError(f"{key} is the key of several records: say --kind {kinds}")
    if records:
        return records[0]
    events = view.at().history(key)  # also what came after the view
    for event in events:
        if event.replaced_by:
            return view.get(event.kind, key)
    if events:
        last = events[-1]
        if view.known_at is not None and events[0].entry > view.known_at:
            raise RuleViolationError(
                f"{key} came with entry {events[0].entry}, after entry {view.known_at}"
            )
        what = "redacted" if last.action == "redact" else "withdrawn"
        raise RuleViolationError(
            f"{last.kind} {key} was {what}; `claimledger history {key}` says why"
        )
    raise NotFoundError("record", key, view.near_keys(key))


@click.command(cls=Command, clocks=False)
@click.argument("key", shell_complete=complete_key)
@click.option("--set", "changes", multiple=True, metavar="FIELD=VALUE", help="May be repeated.")
@click.option("--if-entry", type=int, metavar="N", help="Refuse if the record is not of entry N.")
@reason_option
@kind_option
@by_option
@click.pass_obj
def amend(
    call: CliContext,
    key: str,
    changes: tuple[str, ...],
    if_entry: int | None,
    reason: str,
    kind: str | None,
    by: str | None,
) -> None:
    """Correct a record. An empty value empties the field; lists and objects are JSON."""
    from claimledger.importers.cli_fields import field_named, new_value
    from claimledger.records.kinds import KINDS, fields_of

    if not changes:
        raise UsageError("amend needs --set FIELD=VALUE")
    with call.writing() as ledger:
        who = recorder(by, ledger)
        stored = only(ledger, key, kind)
        fields = {field.name: field for field in fields_of(KINDS[stored.kind])}
        fields_given: dict[str, Any] = {}
        for change in changes:
            name, equals, text = change.partition("=")
            if not equals:
                raise UsageError(f"--set {change!r} is not FIELD=VALUE")
            name = field_named(stored.kind, name.strip())
            if name in fields_given:
                raise UsageError(f"--set {name} is given twice; give the whole value in one")
            fields_given[name] = new_value(fields[name], text)
        done = ledger.amend(
            stored.kind,
            stored.key,
            fields_given,
            by=who,
            reason=reason,
            replaces=if_entry or stored.entry,
        )
    _told(call, done, who, "Amended")


def _told(call: CliContext, done: Change, who: str, verb: str) -> None:
    if call.json:
        answer(
            {
                "kind": done.kind,
                "key": done.key,
                "entry": done.entry,
                "recorded_by": who,
                "changes": [
                    {"field": f, "old": old, "new": new} for f, old, new in done.difference
                ],
                "also": [{"kind": kind, "key": key} for kind, key in done.also],
            }
        )
        return
    echo(f"{verb} {done.kind} {done.key} with entry {done.entry}, as {who}.")
    for field, old, new in done.difference:
        echo(f"{field}: {_shown(old)} -> {_shown(new)}", indent=2, hang=2)
    for kind, key in done.also:
        echo(f"also {kind} {key}", indent=2)


def _shown(value: Any) -> str:
    if value is None:
        return "(empty)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@click.command(cls=Command, clocks=False)
@click.argument("key", shell_complete=complete_key)
@click.option("--replaced-by", metavar="KEY", help="The record all references then resolve to.")
@click.option("--cascade", is_flag=True, help="Withdraw all that points to it, too.")
@click.option("--yes", is_flag=True, help="Withdraw however many records go along; ask nothing.")
@reason_option
@kind_option
@by_option
@click.pass_obj
def withdraw(
    call: CliContext,
    key: str,
    replaced_by: str | None,
    cascade: bool,
    yes: bool,
    reason: str,
    kind: str | None,
    by: str | None,
) -> None:
    """Withdraw a record that should not have been recorded. It stays in the log."""
    if replaced_by and cascade:
        raise UsageError("--replaced-by keeps what points to it, --cascade withdraws it: give one")
    with call.writing() as ledger:
        who = recorder(by, ledger)
        stored = only(ledger, key, kind)
        most = _agree_to_cascade(call, ledger, stored) if cascade and not yes else None
        done = ledger.withdraw(
            stored.kind, stored.key, by=who, reason=reason, replaced_by=replaced_by, cascade=cascade,
            most=most,
        )  # fmt: skip
    _told(call, done, who, "Withdrew")


_UNASKED = 10
"""Records that a cascade withdraws where nobody can be asked."""


def _agree_to_cascade(call: CliContext, view: LedgerView, stored: StoredRecord) -> int:
    """Ask on a terminal whether all that points to a record is to be withdrawn with it; return how many go.

    Raises :class:`RuleViolationError` if nobody can be asked and
    more records would go than a slip should cost.
    """
    from claimledger.cli.what_if import WITHOUT
    from claimledger.errors import RuleViolationError

    record = (stored.kind, stored.key)
    others = view.dependents([record]) - {record}
    if not others:
        return 1
    by_kind = Counter(kind for kind, _ in sorted(others))
    named = ", ".join(
        count(number, kind, "parties" if kind == "party" else "")
        for kind, number in by_kind.items()
    )
    message = (
        f"{count(len(others) + 1, 'record')} would be withdrawn: {stored.kind} {stored.key}, and {named} "
        "that point to it, near and far."
    )
    if stored.kind in WITHOUT:
        message += (
            f" `claimledger what-if --without {stored.kind}:{stored.key}` shows what would change."
        )
    if not call.json and sys.stdin.isatty() and sys.stdout.isatty():
        echo(message)
        click.confirm("Withdraw them all?", abort=True)
    elif len(others) >= _UNASKED:
        raise RuleViolationError(f"{message} Say --yes to withdraw them all; nothing was written")
    return len(others) + 1


@click.command(cls=Command, clocks=False)
@click.argument("key", shell_complete=complete_key)
@reason_option
@kind_option
@by_option
@click.pass_context
def redact(ctx: click.Context, key: str, reason: str, kind: str | None, by: str | None) -> None:
    """Destroy the texts of a withdrawn record. The log's root stays what it was.

    Status 1 if they may still lie in the ledger's files, because somebody reads or the disk is full: to
    redact again finishes it.
    """
    from claimledger.errors import NotFoundError

    call = ctx.obj
    assert isinstance(call, CliContext)

    with call.writing() as ledger:
        who = recorder(by, ledger)
        kinds = {event.kind for event in ledger.history(key)}
        if not kinds:
            raise NotFoundError("record", key, ledger.near_keys(key))
        if kind is None and len(kinds) > 1:
            raise UsageError(f"{key} is the key of several records: say --kind")
        done = ledger.redact(kind or kinds.pop(), key, by=who, reason=reason)
    call.status = 1 if done.unscrubbed else 0
    if call.json:
        emptied = list(done.emptied)
        answer({"kind": done.kind, "key": done.key, "entry": done.entry, "emptied": emptied,
                "elsewhere": list(done.elsewhere), "held_by": _held_by(done), "scrubbed": not done.unscrubbed,
                "why_not": done.unscrubbed or None, "recorded_by": who})  # fmt: skip
    else:
        _say_redacted(done, who)
    ctx.exit(call.status)


def _held_by(done: Change) -> list[list[dict[str, str]]]:
    return [[{"kind": kind, "key": key} for kind, key in holders] for holders in done.holders]


def _say_redacted(done: Change, who: str) -> None:
    record = f"{done.kind} {done.key}"
    if done.taken_up:
        echo(f"{record} was redacted already, by entry {done.entry}; nothing was recorded.")
    else:
        echo(f"Redacted {record} with entry {done.entry}, as {who}.")
        echo(f"Emptied {count(len(done.emptied), 'entry', 'entries')}.")
    if done.unscrubbed:
        echo(f"Redacted, not yet scrubbed: {done.unscrubbed}.", hang=2)
        echo(
            "The texts are gone from the log and every view, and may still lie in the ledger's files. "
            f"`claimledger redact {done.key} --reason TEXT` again finishes it."
        )
    elif done.taken_up:
        echo("The ledger's files are scrubbed now.")
    else:
        echo("The ledger's files were scrubbed and searched for its texts.")
    for text, holders in zip(done.elsewhere, done.holders, strict=True):
        where = ", ".join(f"{kind} {key}" for kind, key in holders) or "the ledger's files"
        echo(f"still there, in {where}: {cut(text, 60)}", indent=2, hang=2)
    if any(done.holders):
        echo(
            "`claimledger history KEY` shows what these records hold. To destroy it there too, withdraw and "
            "redact them, and record them again without it."
        )
    echo("Backups and copies of this ledger still hold them; redact there too.")


@click.command(cls=Command)
@click.argument("key", shell_complete=complete_key)
@kind_option
@click.pass_obj
def history(call: CliContext, key: str, kind: str | None) -> None:
    """Show every entry about a record: what changed, when, by whom and why."""
    from claimledger.errors import NotFoundError

    if kind is not None:
        require_kind(kind)
    with call.reading() as view:
        events = view.history(key, kind)
        if not events:
            if later := view.at().history(key, kind):
                why = f"it came with entry {later[0].entry}, after entry {view.known_at}"
                raise NotFoundError(kind or "record", key, why=why)
            raise NotFoundError("record", key, view.near_keys(key))
    if call.json:
        answer({"key": key, "entries": [_event(event) for event in events]})
        return
    for event in events:
        who = f" by {event.recorded_by}" if event.recorded_by else ""
        echo(
            f"{event.entry:>6}  {event.recorded_at[:19]}Z  {event.action} {event.kind}{who}", hang=8
        )
        for field, old, new in event.changes:
            echo(f"{field}: {_shown(old)} -> {_shown(new)}", indent=8, hang=2)
        if event.replaced_by:
            echo(f"replaced by {event.replaced_by}", indent=8)
        if event.reason:
            echo(f"reason: {event.reason}", indent=8, hang=2)


def _event(event: Any) -> dict[str, Any]:
    return {
        "entry": event.entry,
        "kind": event.kind,
        "key": event.key,
        "action": event.action,
        "recorded_at": event.recorded_at,
        "recorded_by": event.recorded_by,
        "reason": event.reason,
        "replaced_by": event.replaced_by,
        "changes": [{"field": f, "old": old, "new": new} for f, old, new in event.changes],
    }
