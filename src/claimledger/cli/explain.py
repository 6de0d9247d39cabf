"""``explain`` and ``flags``: why a claim has its standing, and what is odd in the ledger."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import click

from claimledger.cli.context import CliContext, Command, complete_key
from claimledger.cli.output import answer, count, echo
from claimledger.errors import InvalidInputError, Problem
from claimledger.present.explanation import explain as build_explanation
from claimledger.present.lint import KINDS, Severity, oddities
from claimledger.records.check import nearest
from claimledger.services.visibility import require_known


@click.command(cls=Command)
@click.argument("key", shell_complete=complete_key)
@click.pass_obj
def explain(call: CliContext, key: str) -> None:
    """Explain a claim's standing, origins and acceptability in sentences that name their records."""
    with call.reading() as view:
        key = view.get("claim", key).key
        answers = view.analysis([key])
        require_known(answers, key)
        value = build_explanation(view, answers, key)
    if call.json:
        answer(value.as_json())
        return
    for sentence in value.sentences:
        echo(f"{sentence.text} [{', '.join(dict.fromkeys(sentence.records))}]", hang=2)


@click.command(cls=Command)
@click.option("--kind", metavar="NAME", help="Only flags of this kind.")
@click.option(
    "--severity",
    type=click.Choice([str(severity) for severity in Severity]),
    help="Only flags of this severity.",
)
@click.option(
    "--subject",
    metavar="KEY",
    shell_complete=complete_key,
    help="Only claims about this subject and narrower ones.",
)
@click.option(
    "-n",
    "--most",
    "limit",
    type=click.IntRange(1),
    default=5,
    help="List at most this many of each kind.  [5]",
)
@click.pass_obj
def flags(
    call: CliContext, kind: str | None, severity: str | None, subject: str | None, limit: int
) -> None:
    """List everything odd in the ledger, the gravest first, each with a command that would fix it."""
    if kind is not None and kind not in KINDS:
        near = nearest(kind, KINDS)
        right = f"did you mean {near[0]}?" if near else f"one of {', '.join(KINDS)}"
        raise InvalidInputError(
            [Problem(message="unknown kind of oddity", field="kind", value=kind, expected=right)],
            outcome="",
        )
    with call.reading() as view:
        if subject:
            answers, keys = view.analysis_about(subject)
        else:
            answers = view.analysis()
            keys = list(answers.graph.claims)
        findings = [
            finding
            for finding in oddities(view, answers, keys)
            if kind in (None, finding.kind) and severity in (None, finding.severity)
        ]
    if call.json:
        answer({"flags": [asdict(finding) for finding in findings]})
        return
    numbers = Counter(finding.kind for finding in findings)
    printed: Counter[str] = Counter()
    for finding in findings:
        if not printed[finding.kind]:
            meaning = KINDS[finding.kind][1]
            echo(
                f"{finding.severity}: {finding.kind}, {numbers[finding.kind]:,} ({meaning})", hang=2
            )
        printed[finding.kind] += 1
        if printed[finding.kind] <= limit:
            echo(f"{finding.key}: {finding.told}", indent=2, hang=2)
            echo(f"→ {finding.mend}", indent=4, hang=2)
        elif printed[finding.kind] == limit + 1:
            echo(f'and {numbers[finding.kind] - limit:,} more: claimledger flags --kind "{finding.kind}" -n '
                f"{numbers[finding.kind]}", indent=2, hang=2)  # fmt: skip
    echo(f"{count(len(findings), 'flag')}." if findings else "Nothing odd was found.")
