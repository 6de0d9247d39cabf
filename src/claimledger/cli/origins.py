"""``origins`` and ``load-bearing``: how many independent voices there are, and what depends on whom."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from claimledger.analysis.flags import flags
from claimledger.analysis.impact import ImpactIndex
from claimledger.analysis.origins import MergerReason
from claimledger.analysis.uncertainty import open_questions, origin_ranges, origins_without
from claimledger.cli.context import CliContext, Command, UsageError, complete_key
from claimledger.cli.output import answer, count, echo, table
from claimledger.cli.output import origins as span
from claimledger.present import phrases
from claimledger.services.record_cache import RecordCache
from claimledger.services.visibility import require_known

if TYPE_CHECKING:
    from claimledger.analysis.analysis import Analysis
    from claimledger.ledger import LedgerView

_MOST_QUESTIONS = 10


@click.command(cls=Command)
@click.argument("key", required=False, shell_complete=complete_key)
@click.option(
    "--subject", metavar="KEY", shell_complete=complete_key,
    help="Count the origins of every assertion about this subject and narrower ones.",
)  # fmt: skip
@click.option(
    "--set-aside", "aside", multiple=True, metavar="REASON:KEY",
    help="Count apart what this reason merges, such as source:rfa-2022 or claimant:china.",
)  # fmt: skip
@click.pass_obj
def origins(call: CliContext, key: str | None, subject: str | None, aside: tuple[str, ...]) -> None:
    """Count the independent origins of a claim or of each assertion about a subject, with the reasons."""
    if key is not None and subject is not None:
        raise UsageError("give a claim's key or --subject, not both")
    if key is None and subject is None:
        raise UsageError("give a claim's key or --subject")
    ties = [_tie(tie) for tie in aside]
    if key is not None:
        _of_claim(call, key, ties)
    else:
        _of_subject(call, str(subject), ties)


def _tie(text: str) -> tuple[str, str]:
    reason, _, shared = text.partition(":")
    reasons = list(MergerReason)
    if reason not in reasons or (not shared and reason != MergerReason.NAMELESS):
        raise UsageError(
            f"--set-aside takes REASON:KEY, not {text!r}; REASON is one of {', '.join(reasons)}"
        )
    return reason, shared


def _of_claim(call: CliContext, key: str, ties: list[tuple[str, str]]) -> None:
    with call.reading() as view:
        key = view.get("claim", key).key
        answers = view.analysis([key])
        require_known(answers, key)
        _check_ties(answers, key, ties)
        names = RecordCache(view)
        origins = answers.origin_finder(ties).of(key)
        roots = [phrases.root(root, names) for root in origins.roots]
        mergers = [
            (merged, phrases.merger(merged, names), origins_without(answers, key, merged))
            for merged in (*origins.same, *origins.perhaps)
        ]
        flag_names = [str(flag) for flag in flags(answers, key)]
        members = answers.assertions.members[answers.assertions.of[key]]
        settling = open_questions(answers, [key])
        questions = [phrases.settling(question, names) for question in settling]
    if call.json:
        answer(
            {
                "key": key,
                "at_least": origins.at_least,
                "at_most": origins.at_most,
                "assertion": list(members),
                "roots": [root.as_json() for root in origins.roots],
                "same": [asdict(merger) for merger in origins.same],
                "perhaps": [asdict(merger) for merger in origins.perhaps],
                "set_aside": [list(tie) for tie in ties],
                "settle": [asdict(question) for question in settling],
                "flags": flag_names,
            }
        )
        return
    echo(f'The claim "{key}" has {phrases.origins(origins)}.', hang=2)
    if len(members) > 1:
        echo(f"These claims say the same: {', '.join(members)}", indent=2, hang=2)
    for line in roots:
        echo(f"Origin: {line}", indent=2, hang=2)
    for merged, line, freed in mergers:
        voice = "One voice" if merged in origins.same else "Perhaps one voice"
        apart = ""
        if (freed.at_least, freed.at_most) != (origins.at_least, origins.at_most):
            apart = f"; without this reason: {phrases.origins(freed)}"
        echo(f"{voice}: {line}{apart}", indent=2, hang=2)
    if flag_names:
        echo("Flags: " + ", ".join(flag_names), indent=2, hang=2)
    for line in questions[:_MOST_QUESTIONS]:
        echo(f"To narrow the range, {line}", indent=2, hang=2)


def _check_ties(answers: Analysis, key: str, ties: list[tuple[str, str]]) -> None:
    plain = answers.origins(key)
    merged_for = [f"{merged.reason}:{merged.shared}" for merged in (*plain.same, *plain.perhaps)]
    for reason, shared in ties:
        if f"{reason}:{shared}" not in merged_for:
            raise UsageError(
                f"no origins are merged for the reason {reason}:{shared}; "
                + (
                    f"the reasons here are {', '.join(merged_for)}"
                    if merged_for
                    else "no origins of this claim are merged at all"
                )
            )


def _of_subject(call: CliContext, subject: str, ties: list[tuple[str, str]]) -> None:
    with call.reading() as view:
        answers, keys = view.analysis_about(subject)
        names = RecordCache(view)
        finder = answers.origin_finder(ties)
        ranges = origin_ranges(answers, keys)
        origins_of = {assertion.head: finder.of(assertion.head) for assertion in ranges}
        settling = open_questions(answers, [assertion.head for assertion in ranges])[
            :_MOST_QUESTIONS
        ]
        names.learn("claim", [assertion.head for assertion in ranges])
        questions = [phrases.settling(question, names) for question in settling]
        rows = [
            [assertion.head, span(origins_of[assertion.head].at_least, origins_of[assertion.head].at_most),
             str(len(assertion.claims)), names.claim(assertion.head).statement]
            for assertion in ranges
        ]  # fmt: skip
    if call.json:
        assertions: list[dict[str, Any]] = [
            {"head": assertion.head, "claims": list(assertion.claims),
             "at_least": origins_of[assertion.head].at_least, "at_most": origins_of[assertion.head].at_most}
            for assertion in ranges
        ]  # fmt: skip
        answer(
            {
                "subject": subject,
                "assertions": assertions,
                "settle": [asdict(question) for question in settling],
            }
        )
        return
    table(["CLAIM", "ORIGINS", "SAID BY", "STATEMENT"], rows, stretch=3)
    echo(f"{count(len(rows), 'assertion')}.")
    for line in questions:
        echo(f"To narrow a range, {line}", hang=2)


@click.command("load-bearing", cls=Command)
@click.argument("key", required=False, shell_complete=complete_key)
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
    type=click.IntRange(1, 1000),
    default=15,
    help="List at most this many.  [15]",
)
@click.pass_obj
def load_bearing(call: CliContext, key: str | None, subject: str | None, limit: int) -> None:
    """Rank claims, sources and parties by how many other claims would lose every origin without them.

    KEY is a claim, a source or a party. Without a source, the claims that cite no other source are lost;
    without a party, the claims that only it and the parties under it make.
    """
    with call.reading() as view:
        answers = view.analysis_about(subject)[0] if subject else view.analysis()
        loads = ImpactIndex(answers)
        kinds = ("claim", "source", "party")
        if key is None:
            impacts = loads.heaviest(limit)
        else:
            resolved = [label for kind in kinds if (label := _resolve(view, kind, key))]
            if not resolved:
                view.get("claim", key)
            impacts = [loads.of(*label) for label in resolved]
        rest = {
            (impact.kind, impact.key): loads.others(impact.kind, impact.key) for impact in impacts
        }
    if call.json:
        rows_as_json = [
            {**asdict(impact), "claims": rest[impact.kind, impact.key]} for impact in impacts
        ]
        answer({"load_bearing": rows_as_json})
        return
    if key is None:
        rows = [
            [impact.kind, impact.key, f"{impact.own:,}", f"{impact.others:,}"] for impact in impacts
        ]
        table(["KIND", "KEY", "OWN CLAIMS", "OTHERS LEFT WITHOUT ORIGIN"], rows, stretch=1)
        return
    for impact in impacts:
        own = "" if impact.kind == "claim" else f"its own {count(impact.own, 'claim')} and "
        others = count(impact.others, "other claim") if impact.others else "no other claim"
        echo(
            f'Without the {impact.kind} "{impact.key}", {own}{others} would be left without an origin.',
            hang=2,
        )
        for claim in rest[impact.kind, impact.key][:100]:
            echo(claim, indent=2)


def _resolve(view: LedgerView, kind: str, key: str) -> tuple[str, str] | None:
    resolved = view.resolve(kind, [key]).get(key, key)
    return (kind, resolved) if view.get_all(kind, [resolved]) else None
