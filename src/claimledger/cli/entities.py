"""``party``, ``source``, ``subject``, ``term``: add, list and show the records that claims refer to."""

from __future__ import annotations

from typing import Any

import click

from claimledger.cli.context import CliContext, Command, by_option, complete_key, recorder
from claimledger.cli.options import parameters_of
from claimledger.cli.output import answer, count, echo, say_known, table
from claimledger.cli.search import show_record
from claimledger.importers.cli_fields import fields_from_options
from claimledger.records.check import record_of
from claimledger.records.kinds import KINDS

_LISTED = {
    "party": ("type", "part_of"),
    "source": ("published", "publisher"),
    "subject": ("broader",),
    "term": ("of", "broader"),
}


def _group(kind: str, about: str) -> click.Group:
    group = click.Group(kind, help=about)
    group.add_command(_add(kind))
    group.add_command(_list(kind))
    group.add_command(_show(kind))
    return group


def _add(kind: str) -> click.Command:
    model = KINDS[kind]
    label = click.Argument([model.label_field])
    options = [label, *parameters_of(model, without=[model.label_field])]

    def add(by: str | None, **options: Any) -> None:
        call = click.get_current_context().find_object(CliContext)
        assert call is not None
        record = record_of(kind, fields_from_options(model, options))
        with call.writing() as ledger:
            who = recorder(by, ledger)
            keys = ledger.record(record, by=who)
        if call.json:
            answer({"kind": kind, "written": keys, "recorded_by": who})
        elif keys:
            echo(f"Recorded {kind} {keys[0]}, as {who}.")
        else:
            say_known(kind)

    command = Command("add", callback=add, params=options, help=f"Add a {kind}.", clocks=False)
    by_option(command)
    return command


def _list(kind: str) -> click.Command:
    def list_() -> None:
        call = click.get_current_context().find_object(CliContext)
        assert call is not None
        with call.reading() as view:
            records = list(view.records(kind))
        if call.json:
            answer(
                {
                    "kind": kind,
                    "records": [
                        {"key": stored.key, **stored.record.as_json()} for stored in records
                    ],
                }
            )
            return
        names = _LISTED[kind]
        rows = [
            [
                stored.key,
                stored.record.named,
                *(str(getattr(stored.record, name) or "") for name in names),
            ]
            for stored in records
        ]
        table(
            ["KEY", KINDS_LABEL[kind], *(n.upper().replace("_", " ") for n in names)],
            rows,
            stretch=1,
        )
        echo(count(len(records), kind, {"party": "parties"}.get(kind, "")) + ".")

    return Command("list", callback=list_, help=f"List all records of the kind {kind}.")


KINDS_LABEL = {"party": "NAME", "source": "TITLE", "subject": "LABEL", "term": "LABEL"}


def _show(kind: str) -> click.Command:
    def show(key: str) -> None:
        call = click.get_current_context().find_object(CliContext)
        assert call is not None
        with call.reading() as view:
            show_record(call, view, view.get(kind, key))

    argument = click.Argument(["key"], shell_complete=complete_key)
    return Command(
        "show",
        callback=show,
        params=[argument],
        help=f"Show a {kind}, the links at it and the records that refer to it.",
    )


party = _group("party", "Add, list or show parties: people and bodies that assert.")
source = _group("source", "Add, list or show sources: works in which claims are seen.")
subject = _group("subject", "Add, list or show subjects: what claims are about.")
term = _group(
    "term",
    "Add, list or show terms: names that mean the same measure or place, and what it is part of.",
)
