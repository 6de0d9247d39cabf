"""``what-if`` and ``changes``: which answers would change, and which did."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from claimledger.cli.context import CliContext, Command, UsageError, complete_key
from claimledger.cli.output import answer, count, echo
from claimledger.present.phrases import origin_count
from claimledger.services.what_if import changes as compare_changes
from claimledger.services.what_if import what_if as compare_what_if

if TYPE_CHECKING:
    from claimledger.analysis.diff import AnalysisDiff, ClaimStatus
    from claimledger.ledger import LedgerView

WITHOUT = ("claim", "link", "source", "party")
"""The kinds of record that ``what-if`` can leave out."""


@click.command("what-if", cls=Command)
@click.option(
    "--without", "gone", multiple=True, metavar="KEY", shell_complete=complete_key,
    help="Leave out this claim, link, source or party (KIND:KEY if several have the key).",
)  # fmt: skip
@click.option(
    "--with", "files", multiple=True, metavar="FILE", help="Add the records of this case file."
)
@click.pass_obj
def what_if(call: CliContext, gone: tuple[str, ...], files: tuple[str, ...]) -> None:
    """Show every answer that would change, before and after. Nothing is written.

    A record is left out together with everything that refers to it, directly or through others, as
    `withdraw --cascade` does.
    """
    from claimledger.importers.case_files import read_files

    if not gone and not files:
        raise UsageError("give --without KEY or --with FILE")
    if files and call.known_at:
        raise UsageError("--with adds records to the ledger as it is now; leave out --known-at")
    with call.reading() as view:
        removed = [record for key in gone for record in _resolve_removed(view, key)]
        incoming = list(read_files(files)) if files else []
        diff = compare_what_if(view, removed, incoming)
    _print_diff(call, diff, ("now", "then"), "would change")


def _resolve_removed(view: LedgerView, key: str) -> list[tuple[str, str]]:
    kind, _, plain = key.rpartition(":")
    kinds = (kind,) if kind else WITHOUT
    records = []
    for of_kind in kinds:
        if of_kind not in WITHOUT:
            raise UsageError(
                f"--without takes a claim, link, source or party, not the kind {of_kind!r}"
            )
        resolved = view.resolve(of_kind, [plain]).get(plain, plain)
        if view.get_all(of_kind, [resolved]):
            records.append((of_kind, resolved))
    if not records:
        view.get(kind or "claim", plain)
    if len(records) > 1:
        named = ", ".join(f"{of_kind}:{found_key}" for of_kind, found_key in records)
        raise UsageError(f"several records have the key {plain!r}; name one: {named}")
    return records


@click.command(cls=Command)
@click.option(
    "--since",
    required=True,
    metavar="ENTRY|DATE",
    help="The number of an entry, a timestamp or a day.",
)
@click.pass_obj
def changes(call: CliContext, since: str) -> None:
    """Show which standings, origins and disputes changed since an entry or a day."""
    with call.reading() as view:
        first = view.entry_at(since)
        diff = compare_changes(view, first)
    _print_diff(call, diff, (f"at entry {first}", "now"), "changed")


def _print_diff(call: CliContext, diff: AnalysisDiff, names: tuple[str, str], verb: str) -> None:
    """Print what differs; ``names`` are what the earlier and the later state are called."""
    from claimledger.present.phrases import named, series

    if call.json:
        answer({"claims": [asdict(claim_diff) for claim_diff in diff.claims],
                "disputes": [asdict(dispute_diff) for dispute_diff in diff.disputes]})  # fmt: skip
        return
    for claim_diff in diff.claims:
        before, after = claim_diff.before, claim_diff.after
        # Most changes leave it alone, and it is an analyst's word: it is printed only where it changed.
        is_formal = (
            before is not None
            and after is not None
            and before["acceptability"] != after["acceptability"]
        )
        echo(
            f"{claim_diff.key}: {names[0]} {_status(before, is_formal)}; "
            f"{names[1]} {_status(after, is_formal)}",
            hang=2,
        )
    for dispute_diff in diff.disputes:
        parts = [
            f"{verb} {named('link', keys)}"
            for verb, keys in (("gained", dispute_diff.gained), ("lost", dispute_diff.lost))
            if keys
        ]
        echo(
            f'The dispute "{dispute_diff.key}" about "{dispute_diff.head}" {dispute_diff.how}: '
            f"it {' and '.join(parts)}.",
            hang=2,
        )
    totals = [(len(diff.claims), "claim"), (len(diff.disputes), "dispute")]
    changed = [count(number, noun) for number, noun in totals if number]
    echo(f"{series(changed) or 'Nothing'} {verb}.")


def _status(status: ClaimStatus | None, is_formal: bool) -> str:
    """Return a claim's standing and range of origins in a few words, and its acceptability if asked."""
    if status is None:
        return "not in the ledger"

    parts = [str(status["standing"])]
    if (status["standing"], status["at_most"]) != ("single-origin", 1):
        parts.insert(1, origin_count(int(status["at_least"]), int(status["at_most"])))
    if is_formal:
        parts.append(f"acceptability {status['acceptability']}")
    return ", ".join(parts)
