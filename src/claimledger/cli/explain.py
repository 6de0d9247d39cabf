"""``explain`` and ``flags``: why an answer is what it is, and what is odd."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import click

from claimledger.cli.context import CliContext, Command, complete_key
from claimledger.cli.output import answer, count, echo


@click.command(cls=Command)
@click.argument("key", shell_complete=complete_key)
@click.pass_obj
def explain(call: CliContext, key: str) -> None:
    """Explain a claim's standing, origins and acceptability, down to records and reasons."""
    from claimledger.present.explanation import explain as build_explanation
    from claimledger.services.visibility import require_known

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
@click.option("--kind", metavar="NAME", help="Only this kind of oddity.")
@click.option("--severity", type=click.Choice(["grave", "notable", "minor"]), help="Only of this.")
@click.option(
    "--subject", metavar="KEY", shell_complete=complete_key, help="Only this and narrower ones."
)
@click.option("-n", "--most", type=click.IntRange(1), default=5, help="So many of each kind.  [5]")
@click.pass_obj
def flags(
    call: CliContext, kind: str | None, severity: str | None, subject: str | None, most: int
) -> None:
    """Everything odd in the ledger, the gravest first, each with the command that would mend it."""
    from claimledger.errors import InvalidInputError, Problem
    from claimledger.present.lint import KINDS, oddities
    from claimledger.records.check import nearest

    if kind is not None and kind not in KINDS:
        near = nearest(kind, KINDS)
        right = f"did you mean {near[0]}?" if near else f"one of {', '.join(KINDS)}"
        raise InvalidInputError(
            [Problem("unknown kind of oddity", "kind", kind, right)], outcome=""
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
        if printed[finding.kind] <= most:
            echo(f"{finding.key}: {finding.told}", indent=2, hang=2)
            echo(f"→ {finding.mend}", indent=4, hang=2)
        elif printed[finding.kind] == most + 1:
            echo(f'and {numbers[finding.kind] - most:,} more: claimledger flags --kind "{finding.kind}" -n '
                f"{numbers[finding.kind]}", indent=2, hang=2)  # fmt: skip
    echo(f"{count(len(findings), 'flag')}.")
