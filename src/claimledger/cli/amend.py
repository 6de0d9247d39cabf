"""``amend``, ``withdraw``, ``redact`` and ``history``: every change stays visible in the log."""

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
from claimledger.cli.what_if import WITHOUT
from claimledger.errors import NotFoundError, RuleViolationError
from claimledger.importers.cli_fields import field_named, new_value
from claimledger.present.phrases import series
from claimledger.records.check import nearest
from claimledger.records.kinds import KINDS, fields_of

if TYPE_CHECKING:
    from claimledger.ledger import Change, LedgerView, StoredRecord

kind_option = click.option(
    "--kind", metavar="KIND", help="The kind of record, if several kinds have this key."
)


def require_kind(kind: str) -> None:
    """Raise :class:`UsageError` for a word that is not a kind of record."""
    if kind not in KINDS:
        near = nearest(kind, KINDS)
        hint = f"did you mean {near[0]}?" if near else f"the kinds are {', '.join(KINDS)}"
        raise UsageError(f"there is no kind of record {kind!r}; {hint}")


def only(view: LedgerView, key: str, kind: str | None) -> StoredRecord:
    """Return the record with a key.

    Raises :class:`UsageError` if records of several kinds have the key and ``kind`` is ``None``,
    :class:`RuleViolationError` if the record was withdrawn or came after the view, and
    :class:`NotFoundError` if there never was one.
    """
    if kind is not None:
        require_kind(kind)
        return view.get(kind, key)
    records = view.with_key(key)
    if len(records) > 1:
        kinds = " or ".join(stored.kind for stored in records)
        raise UsageError(f"several records have the key {key!r}; name one with --kind {kinds}")
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
                f"the {last.kind} {key!r} was recorded by entry {events[0].entry}, "
                f"after entry {view.known_at}"
            )
        what = "redacted" if last.action == "redact" else "withdrawn"
        raise RuleViolationError(
            f"the {last.kind} {key!r} was {what}; `claimledger history {key}` says why"
        )
    raise NotFoundError("record", key, view.near_keys(key))


@click.command(cls=Command, clocks=False)
@click.argument("key", shell_complete=complete_key)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="FIELD=VALUE",
    help="A field and its new value; may be repeated.",
)
@click.option(
    "--if-entry", type=int, metavar="N", help="Refuse if the record has changed since entry N."
)
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
    if not changes:
        raise UsageError("give at least one --set FIELD=VALUE")
    with call.writing() as ledger:
        who = recorder(by, ledger)
        stored = only(ledger, key, kind)
        fields = {field.name: field for field in fields_of(KINDS[stored.kind])}
        fields_given: dict[str, Any] = {}
        for change in changes:
            name, equals, text = change.partition("=")
            if not equals:
                raise UsageError(f"--set takes FIELD=VALUE, not {change!r}")
            name = field_named(stored.kind, name.strip())
            if name in fields_given:
                raise UsageError(f"--set {name} is given twice; give the complete value once")
            fields_given[name] = new_value(fields[name], text)
        done = ledger.amend(
            stored.kind,
            stored.key,
            fields_given,
            by=who,
            reason=reason,
            replaces=if_entry or stored.entry,
        )
    _print_change(call, done, who, "Amended")


def _print_change(call: CliContext, done: Change, who: str, verb: str) -> None:
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
    echo(f'{verb} the {done.kind} "{done.key}" with entry {done.entry}, as {who}.')
    for field, old, new in done.difference:
        echo(f"{field}: {_shown(old)} -> {_shown(new)}", indent=2, hang=2)
    for kind, key in done.also:
        echo(f'with it, the {kind} "{key}"', indent=2)


def _shown(value: Any) -> str:
    if value is None:
        return "(empty)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@click.command(cls=Command, clocks=False)
@click.argument("key", shell_complete=complete_key)
@click.option(
    "--replaced-by", metavar="KEY", help="The record that all references are then resolved to."
)
@click.option("--cascade", is_flag=True, help="Also withdraw every record that refers to it.")
@click.option("--yes", is_flag=True, help="Do not ask, however many records are withdrawn.")
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
        raise UsageError(
            "give --replaced-by, which keeps the records that refer to it, or --cascade, which withdraws "
            "them, not both"
        )
    with call.writing() as ledger:
        who = recorder(by, ledger)
        stored = only(ledger, key, kind)
        limit = _confirm_cascade(call, ledger, stored) if cascade and not yes else None
        done = ledger.withdraw(
            stored.kind, stored.key, by=who, reason=reason, replaced_by=replaced_by, cascade=cascade,
            limit=limit,
        )  # fmt: skip
    _print_change(call, done, who, "Withdrew")


_WITHOUT_ASKING = 10
"""The most records that a cascade withdraws if nobody can be asked."""


def _confirm_cascade(call: CliContext, view: LedgerView, stored: StoredRecord) -> int:
    """Ask, at a terminal, whether to withdraw a record with everything that refers to it.

    Returns how many records that are, so that the ledger can refuse if others have come since. Raises
    :class:`RuleViolationError` if nobody can be asked and there are more than :data:`_WITHOUT_ASKING`.
    """
    record = (stored.kind, stored.key)
    others = view.dependents([record]) - {record}
    if not others:
        return 1
    by_kind = Counter(kind for kind, _ in sorted(others))
    named = series(
        [
            count(number, kind, "parties" if kind == "party" else "")
            for kind, number in by_kind.items()
        ]
    )
    refer = "refers" if len(others) == 1 else "refer"
    message = (
        f'{count(len(others) + 1, "record")} would be withdrawn: the {stored.kind} "{stored.key}", and '
        f"{named} that {refer} to it, directly or through others."
    )
    if stored.kind in WITHOUT:
        message += (
            f" `claimledger what-if --without {stored.kind}:{stored.key}` shows what would change."
        )
    if not call.json and sys.stdin.isatty() and sys.stdout.isatty():
        echo(message)
        click.confirm("Withdraw them all?", abort=True)
    elif len(others) >= _WITHOUT_ASKING:
        raise RuleViolationError(f"{message} Give --yes to withdraw them all; nothing was written")
    return len(others) + 1


@click.command(cls=Command, clocks=False)
@click.argument("key", shell_complete=complete_key)
@reason_option
@kind_option
@by_option
@click.pass_context
def redact(ctx: click.Context, key: str, reason: str, kind: str | None, by: str | None) -> None:
    """Destroy the texts of a withdrawn record. The root of the log does not change.

    The status is 1 if the ledger's files may still contain the texts, because somebody is reading them or
    the disk is full. Redact the record again to finish.
    """
    call = ctx.obj
    assert isinstance(call, CliContext)

    with call.writing() as ledger:
        who = recorder(by, ledger)
        kinds = {event.kind for event in ledger.history(key)}
        if not kinds:
            raise NotFoundError("record", key, ledger.near_keys(key))
        if kind is None and len(kinds) > 1:
            raise UsageError(f"several records have the key {key!r}; name one with --kind")
        done = ledger.redact(kind or kinds.pop(), key, by=who, reason=reason)
    call.status = 1 if done.unscrubbed else 0
    if call.json:
        emptied = list(done.emptied)
        answer({"kind": done.kind, "key": done.key, "entry": done.entry, "emptied": emptied,
                "elsewhere": list(done.elsewhere), "held_by": _holders_as_json(done),
                "scrubbed": not done.unscrubbed,
                "why_not": done.unscrubbed or None, "recorded_by": who})  # fmt: skip
    else:
        _print_redacted(done, who)
    ctx.exit(call.status)


def _holders_as_json(done: Change) -> list[list[dict[str, str]]]:
    return [[{"kind": kind, "key": key} for kind, key in holders] for holders in done.holders]


def _print_redacted(done: Change, who: str) -> None:
    """Print what was destroyed, and every place in which the texts remain."""
    if done.taken_up:
        echo(
            f'Entry {done.entry} has already redacted the {done.kind} "{done.key}"; nothing was recorded.'
        )
    else:
        echo(f'Redacted the {done.kind} "{done.key}" with entry {done.entry}, as {who}.')
        echo(f"Emptied {count(len(done.emptied), 'entry', 'entries')}.")
    if done.unscrubbed:
        echo(f"Redacted, not yet scrubbed: {done.unscrubbed}.", hang=2)
        echo(
            "The log and the views no longer contain the texts, but the ledger's files may. To finish, "
            f"repeat `claimledger redact {done.key} --reason TEXT`."
        )
    elif done.taken_up:
        echo("The ledger's files are now scrubbed.")
    else:
        echo("The ledger's files were scrubbed and searched for its texts.")
    for text, holders in zip(done.elsewhere, done.holders, strict=True):
        records = [f'the {kind} "{key}"' for kind, key in holders]
        where = series(records) or "the ledger's files"
        echo(f"A text is still in {where}: {cut(text, 60)}", indent=2, hang=2)
    if any(done.holders):
        echo(
            "`claimledger history KEY` shows these records. To destroy the text there too, withdraw and "
            "redact them, and record them again without it."
        )
    echo("Backups and copies of this ledger still contain the texts; redact the record there too.")


@click.command(cls=Command)
@click.argument("key", shell_complete=complete_key)
@kind_option
@click.pass_obj
def history(call: CliContext, key: str, kind: str | None) -> None:
    """Show every entry about a record: what changed, when, by whom and why."""
    if kind is not None:
        require_kind(kind)
    with call.reading() as view:
        events = view.history(key, kind)
        if not events:
            if later := view.at().history(key, kind):
                why = f"it was recorded by entry {later[0].entry}, after entry {view.known_at}"
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
            echo(f'replaced by the {event.kind} "{event.replaced_by}"', indent=8)
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
