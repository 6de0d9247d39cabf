"""``what-if`` and ``changes``: what would move, and what did."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from claimledger.cli.context import CliContext, Command, UsageError, complete_key
from claimledger.cli.output import answer, count, echo

if TYPE_CHECKING:
    from claimledger.analysis.diff import AnalysisDiff, ClaimStatus
    from claimledger.ledger import LedgerView

WITHOUT = ("claim", "link", "source", "party")
"""The kinds of record that ``what-if`` can leave out."""


@click.command("what-if", cls=Command)
@click.option(
    "--without", "gone", multiple=True, metavar="KEY", shell_complete=complete_key,
    help="Without this claim, link, source or party (kind:KEY where several bear the key).",
)  # fmt: skip
@click.option(
    "--with", "files", multiple=True, metavar="FILE", help="With the records of a case file."
)
@click.pass_obj
def what_if(call: CliContext, gone: tuple[str, ...], files: tuple[str, ...]) -> None:
    """Show every answer that would move, before and after; nothing is written.

    With a record goes all that points to it, near and far, as with withdraw --cascade.
    """
    from claimledger.importers.case_files import read_files
    from claimledger.services.what_if import what_if as compare_what_if

    if not gone and not files:
        raise UsageError("what-if needs --without KEY or --with FILE")
    if files and call.known_at:
        raise UsageError("--with adds to the ledger as it is now; leave out --known-at")
    with call.reading() as view:
        removed = [record for key in gone for record in _meant(view, key)]
        incoming = list(read_files(files)) if files else []
        diff = compare_what_if(view, removed, incoming)
    _tell(call, diff, ("now", "then"))


def _meant(view: LedgerView, key: str) -> list[tuple[str, str]]:
    kind, _, plain = key.rpartition(":")
    kinds = (kind,) if kind else WITHOUT
    records = []
    for of_kind in kinds:
        if of_kind not in WITHOUT:
            raise UsageError(f"--without takes a claim, link, source or party, not a {of_kind}")
        resolved = view.resolve(of_kind, [plain]).get(plain, plain)
        if view.get_all(of_kind, [resolved]):
            records.append((of_kind, resolved))
    if not records:
        view.get(kind or "claim", plain)
    if len(records) > 1:
        named = ", ".join(f"{of_kind}:{found_key}" for of_kind, found_key in records)
        raise UsageError(f"several records have the key {plain}; name one: {named}")
    return records


@click.command(cls=Command)
@click.option(
    "--since", required=True, metavar="ENTRY|DATE", help="An entry's number, a timestamp or a day."
)
@click.pass_obj
def changes(call: CliContext, since: str) -> None:
    """What moved since an entry or a day: standings, origins, disputes."""
    from claimledger.services.what_if import changes as compare_changes

    with call.reading() as view:
        first = view.entry_at(since)
        diff = compare_changes(view, first)
    _tell(call, diff, (f"at entry {first}", "now"))


def _tell(call: CliContext, diff: AnalysisDiff, names: tuple[str, str]) -> None:
    if call.json:
        answer({"claims": [asdict(claim_diff) for claim_diff in diff.claims],
                "disputes": [asdict(dispute_diff) for dispute_diff in diff.disputes]})  # fmt: skip
        return
    for moved in diff.claims:
        echo(
            f"{moved.key}: {names[0]} {_four(moved.before)}; {names[1]} {_four(moved.after)}",
            hang=2,
        )
    for dispute_diff in diff.disputes:
        parts = [
            f"{word} {', '.join(keys)}"
            for word, keys in (("gained", dispute_diff.gained), ("lost", dispute_diff.lost))
            if keys
        ]
        echo(
            f"dispute {dispute_diff.key} ({dispute_diff.head}) {dispute_diff.how}: {'; '.join(parts)}",
            hang=2,
        )
    if diff.claims or diff.disputes:
        echo(
            f"{count(len(diff.claims), 'claim')} and {count(len(diff.disputes), 'dispute')} moved."
        )
    else:
        echo("Nothing moved.")


def _four(four: ClaimStatus | None) -> str:
    if four is None:
        return "not there"
    return f"{four['standing']} {four['at_least']}..{four['at_most']} {four['acceptability']}"
