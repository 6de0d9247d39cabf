"""``record``: record a claim, at a prompt or with options."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from claimledger.cli.context import (
    CliContext,
    Command,
    UsageError,
    by_option,
    recorder,
)
from claimledger.cli.options import options_of
from claimledger.cli.output import answer, cut, echo, say_known
from claimledger.errors import ClaimledgerError, InvalidInputError, ParseError
from claimledger.importers.prompt import (
    Draft,
    DraftFile,
    free_key,
    last_used,
    matches,
    most_like,
    proposed_dates,
    proposed_figures,
)
from claimledger.present.phrases import series
from claimledger.records.check import nearest, record_from, record_of
from claimledger.records.citation import Citation
from claimledger.records.claim import Claim, Grounds
from claimledger.records.dates import Date
from claimledger.records.figure import Figure
from claimledger.records.kinds import KINDS, fields_of

if TYPE_CHECKING:
    from claimledger.importers.prompt import Draft, DraftFile
    from claimledger.ledger import Ledger


@click.command(cls=Command, clocks=False)
@options_of(Claim)
@click.option(
    "--figure",
    "figures",
    multiple=True,
    metavar="MEASURE=VALUE",
    help='A figure in it, such as "reports=over 1,800"; may be repeated.',
)
@options_of(Citation)
@by_option
@click.pass_obj
def record(call: CliContext, /, by: str | None, **options: Any) -> None:
    """Record a claim. Without options, the command asks for everything and proposes answers."""
    with call.writing() as ledger:
        who = recorder(by, ledger)
        if any(options.values()):
            _by_options(call, ledger, options, who)
            return
        if not sys.stdin.isatty() and call.json:
            raise UsageError("record asks its questions at a prompt; to use --json, give options")
        _Dialogue(call, ledger, who).run()


def _by_options(call: CliContext, ledger: Ledger, options: dict[str, Any], who: str) -> None:
    from claimledger.importers.cli_fields import fields_from_options, figure

    required = [
        field
        for field in (*fields_of(Claim), *fields_of(Citation))
        if field.required and field.form != "parts"
    ]
    missing = [
        f"--{field.name} {'KEY' if field.points_to else 'TEXT'}"
        for field in required
        if options[field.name] in (None, ())
    ]
    if missing:
        raise UsageError(f"a claim needs {series(missing)}; without any option, record asks")
    fields = fields_from_options(Claim, options)
    fields["citations"] = [fields_from_options(Citation, options)]
    if options["figures"]:
        fields["figures"] = [figure(text) for text in options["figures"]]
    keys = ledger.record(record_of("claim", fields), by=who)
    if call.json:
        answer({"kind": "claim", "written": keys, "recorded_by": who})
    elif keys:
        echo(f"Recorded claim {keys[0]}, as {who}.")
    else:
        say_known("claim")


class _Dialogue:
    """The questions about one claim. Every answer is saved in the draft at once."""

    def __init__(self, call: CliContext, ledger: Ledger, who: str) -> None:
        self._ledger = ledger
        self._who = who
        self._draft: Draft = Draft()
        self._file: DraftFile = DraftFile(call.path)
        self._last = last_used(ledger)

    def run(self) -> None:
        """Ask the open questions, show the records, and write them if the user confirms.

        Raises :class:`InvalidInputError` if the ledger refuses them; the draft then keeps the other answers.
        """
        from claimledger.errors import InvalidInputError

        self._resume()
        try:
            for name, question in self._questions():
                if name not in self._draft.fields:
                    question()
                    self._file.save(self._draft)
            self._finish()
        except (click.exceptions.Abort, KeyboardInterrupt, EOFError):
            click.echo()
            if self._draft.fields and self._file.save(self._draft):
                echo(
                    "Stopped; nothing was written. `claimledger record` continues with this claim."
                )
            else:
                echo("Stopped; nothing was written.")
            raise click.exceptions.Exit(1) from None
        except InvalidInputError as error:
            for problem in error.problems:
                self._draft.fields.pop(re.split(r"[.\[]", problem.field)[0], None)
            if self._file.save(self._draft):
                echo("`claimledger record` asks again for what was refused, and keeps the rest.")
            raise

    def _resume(self) -> None:
        draft = self._file.load()
        if draft is None or not draft.fields:
            return
        echo(
            f"There is an unfinished claim: {cut(str(draft.fields.get('statement', '')), 60)}",
            hang=2,
        )
        if click.confirm("Continue with it?", default=True):
            self._draft = draft
        else:
            self._file.discard()

    def _questions(self) -> list[tuple[str, Callable[[], None]]]:
        return [
            ("statement", self._statement),
            ("figures", self._figures),
            ("claimant", lambda: self._pick("party", "claimant", "Who says so")),
            ("subject", lambda: self._pick("subject", "subject", "About what")),
            ("citations", self._citation),
            ("asserted", self._asserted),
            ("about", self._about),
            ("grounds", self._grounds),
        ]

    def _ask(self, label: str, default: str = "") -> str:
        shown: str = click.prompt(label, default=default, show_default=bool(default))
        return shown.strip()

    def _statement(self) -> None:
        while not (statement := self._ask("Statement (what is asserted, in neutral words)")):
            echo("A claim needs a statement.")
        self._draft.fields["statement"] = statement
        like = list(most_like(self._ledger, statement))
        if like:
            echo("The most similar claims are:")
        for stored in like:
            echo(f"{stored.key}: {cut(stored.record.named, 100)}", indent=2, hang=2)

    def _figures(self) -> None:
        figures = proposed_figures(self._draft.fields["statement"])
        proposed = "; ".join(f"{figure.measure}={figure.value}" for figure in figures)
        while True:
            text = self._ask("Figures (measure=value; - for none)", proposed)
            if text in ("", "-"):
                self._draft.fields["figures"] = []
                return
            if self._accept("figures", [part for part in text.split(";") if part.strip()]):
                return

    def _accept(self, name: str, parts: list[str]) -> bool:
        from pydantic import ValidationError

        from claimledger.importers.cli_fields import figure

        try:
            figures = [figure(part) for part in parts]
            for figure_fields in figures:
                Figure.model_validate(figure_fields)
        except ClaimledgerError as error:
            echo(str(error).splitlines()[0], indent=2, hang=2)
            return False
        except ValidationError as error:
            echo(error.errors()[0]["msg"], indent=2, hang=2)
            return False
        self._draft.fields[name] = figures
        return True

    def _pick(self, kind: str, name: str, label: str) -> None:
        key = self._picked(kind, label, self._last.get(name, ""))
        self._draft.fields[name] = [key] if name == "claimant" else key

    def _picked(self, kind: str, label: str, default: str) -> str:
        """Return the key of the record that a few letters mean, or of one created now."""
        while True:
            typed = self._ask(f"{label} (a few letters; + NAME adds a new {kind})", default)
            if typed and typed == default:
                return default
            if not typed:
                echo(f"A claim needs a {kind}.", indent=2)
            elif key := self._choose(kind, typed):
                return key

    def _choose(self, kind: str, typed: str) -> str | None:
        """Return the key that a few letters mean; the user chooses if they mean several records."""
        if typed.startswith("+"):
            return self._add(kind, typed[1:].strip())
        if any(record["kind"] == kind and record["key"] == typed for record in self._draft.records):
            return typed
        records = matches(self._ledger, kind, typed)
        if not records:
            question = f"No {kind} matches {typed!r}. Add it?"
            return self._add(kind, typed) if click.confirm(question, default=False) else None
        if len(records) == 1 or records[0].key == typed:
            echo(f"{records[0].key}: {cut(records[0].record.named, 70)}", indent=2)
            return records[0].key
        for place, stored in enumerate(records, 1):
            echo(f"{place}  {stored.key}: {cut(stored.record.named, 66)}", indent=2, hang=3)
        number: int = click.prompt(
            "Which one (0 for none of them)", default=1, type=click.IntRange(0, len(records))
        )
        return records[number - 1].key if number else None

    def _add(self, kind: str, name: str) -> str | None:
        if not name:
            name = self._ask(f"Name of the new {kind}")
        key = free_key(self._ledger, kind, name) or ""
        while not key or self._ledger.history(key, kind):
            taken = f"; {key} is in use" if key else ""
            key = self._ask(f"Key (a-z, 0-9 and hyphens{taken}; empty to add nothing)")
            if not key:
                return None
        fields = {"kind": kind, "key": key, KINDS[kind].label_field: name}
        try:
            record_from(fields)
        except InvalidInputError as error:
            echo(str(error.problems[0]), indent=2, hang=2)
            return None
        self._draft.records.append(fields)
        echo(f"New {kind} {key}: {name}", indent=2)
        return key

    def _citation(self) -> None:
        source = self._picked("source", "In which source is it", self._last.get("source", ""))
        citation: dict[str, Any] = {"source": source}
        if via := self._via():
            citation["via"] = [via]
        locator = self._ask("Where in it (such as p. 12; empty for no place)")
        if locator:
            citation["locator"] = locator
        self._draft.fields["citations"] = [citation]

    def _via(self) -> str | None:
        """Return the key of the source in which the user read the cited source; ``None`` if there is none."""
        while True:
            typed = self._ask(
                "Did you read it there? Press Enter for yes, or type the source in which you read it"
            )
            if typed.lower() in ("", "y", "yes"):
                return None
            if typed.lower() in ("n", "no"):
                typed = self._ask("In which source did you read it (empty to go back)")
            if typed and (key := self._choose("source", typed)):
                return key

    def _date(self, name: str, label: str, default: str) -> None:
        while True:
            typed = self._ask(label, default)
            if typed in ("", "-"):
                self._draft.fields[name] = None
                return
            try:
                date = Date.of(typed)
            except ParseError as error:
                echo(str(error), indent=2, hang=2)
                default = ""
                continue
            if date.edtf != typed:
                echo(f"read as {date.edtf}", indent=2)
            self._draft.fields[name] = date.edtf
            return

    def _asserted(self) -> None:
        self._date("asserted", "When did they say it (a date in any words; empty if unknown)", "")

    def _about(self) -> None:
        dates = proposed_dates(self._draft.fields["statement"])
        proposed = dates[0].edtf if dates else ""
        self._date("about", "Which time is it about (- for none)", proposed)

    def _grounds(self) -> None:
        if all("via" in citation for citation in self._draft.fields["citations"]):
            self._draft.fields["grounds"] = None
            return
        known = list(map(str, Grounds))
        while True:
            typed = self._ask(f"How do they know ({', '.join(known)}; empty if nobody has asked)")
            near = [word for word in known if typed and word.startswith(typed)] or nearest(
                typed, known
            )
            if not typed or near:
                self._draft.fields["grounds"] = near[0] if typed else None
                return
            echo(f"{typed!r} is not one of these words.", indent=2)

    def _finish(self) -> None:
        fields = {name: value for name, value in self._draft.fields.items() if value}
        records = [record_from(fields_of_record) for fields_of_record in self._draft.records]
        claim = record_of("claim", fields)
        echo()
        echo("This will be recorded:")
        for record in (*records, claim):
            for name, value in record.as_json().items():
                echo(f"{record.kind} {name}: {_plain(value)}", indent=2, hang=4)
        if not click.confirm(f"Write it, as {self._who}?", default=True):
            raise click.exceptions.Abort
        keys = self._ledger.record(*records, claim, by=self._who)
        self._file.discard()
        echo(
            f"Recorded claim {keys[-1]}, as {self._who}."
            if keys
            else "The ledger already contains this claim."
        )


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(_plain(part) for part in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    return str(value)
