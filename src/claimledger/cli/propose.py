"""``propose``, ``accept`` and ``decline``: rules propose links, and people answer."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from claimledger.analysis.proposals.engine import RULES
from claimledger.cli.context import CliContext, Command, UsageError, by_option, recorder
from claimledger.cli.output import answer, count, cut, echo
from claimledger.errors import NotFoundError, RuleViolationError
from claimledger.records.check import nearest
from claimledger.records.decision import Outcome
from claimledger.services.decide import decide
from claimledger.services.propose import propose as find_proposals
from claimledger.services.record_cache import RecordCache

if TYPE_CHECKING:
    from claimledger.analysis.proposals.rule import Proposal
    from claimledger.ledger import Ledger, LedgerView

since_option = click.option(
    "--since",
    metavar="ENTRY|DATE",
    help="Only proposals about what changed since then.  [everything]",
)
rule_option = click.option("--rule", metavar="NAME", help="Only proposals of this rule.")


@click.command(cls=Command)
@since_option
@rule_option
@click.option(
    "-n",
    "--most",
    "limit",
    type=click.IntRange(1, 10000),
    default=20,
    help="List at most this many.  [20]",
)
@click.option("--rules", "listing", is_flag=True, help="List the rules instead.")
@click.pass_obj
def propose(
    call: CliContext, since: str | None, rule: str | None, limit: int, listing: bool
) -> None:
    """Propose links that nobody has recorded: figures that agree or conflict, updates, copies, duplicates.

    Each proposal is a question with its rule, its evidence and a score. Answer with accept or decline.
    """
    if listing:
        _print_rules(call)
        return
    with call.reading() as view:
        proposals = _find_proposals(view, since, rule)
        names = RecordCache(view)
        if call.json:
            answer(
                {"proposals": [{"id": proposal.id, **asdict(proposal)} for proposal in proposals]}
            )
            return
        for proposal in proposals[:limit]:
            _print_proposal(proposal, names)
    if len(proposals) > limit:
        echo(f"and {len(proposals) - limit:,} more; `-n {len(proposals)}` lists them all")
    echo(
        f"{count(len(proposals), 'question')}. Answer with `claimledger accept ID` or "
        "`claimledger decline ID`."
        if proposals
        else "There is nothing to propose."
    )


def _print_rules(call: CliContext) -> None:
    if call.json:
        answer({"rules": {name: rule.meaning for name, rule in RULES.items()}})
        return
    for name, rule in RULES.items():
        echo(f"{name}: {rule.meaning}", hang=2)


def _find_proposals(view: LedgerView, since: str | None, rule: str | None) -> list[Proposal]:
    if rule is not None and rule not in RULES:
        near = nearest(rule, RULES)
        hint = f"did you mean {near[0]}?" if near else f"the rules are {', '.join(RULES)}"
        raise UsageError(f"there is no rule {rule!r}; {hint}")
    first = view.entry_at(since) if since else None
    return find_proposals(view, first, rule=rule)


def _print_proposal(proposal: Proposal, names: Any) -> None:
    asks = proposal.asks.format(one=proposal.one, other=proposal.other)
    echo(f"{asks}  (score {proposal.score:.2f})", hang=2)
    for key in dict.fromkeys((proposal.one, proposal.other)):
        stored = names.find(proposal.kind, key)
        if stored is not None:
            echo(f"{key}: {cut(stored.record.named, 150)}", indent=4, hang=2)
    echo(f"Evidence: {'; '.join(proposal.evidence)}", indent=4, hang=2)
    if proposal.also:
        echo(
            f"The answer also covers these claims, which say the same: {', '.join(proposal.also)}",
            indent=4,
            hang=2,
        )
    echo(f"ID: {proposal.id}", indent=4, hang=2)


def _answering(name: str, outcome: Outcome, about: str) -> click.Command:
    """Return the command that answers proposals in one way."""

    @click.command(name, cls=Command, clocks=False, help=about)
    @click.argument("ids", nargs=-1, metavar="[ID...]")
    @click.option(
        "--reason", metavar="TEXT", help="Why; stays in the log.  [the prompt asks for it]"
    )
    @since_option
    @rule_option
    @by_option
    @click.pass_obj
    def answering(call: CliContext, /, ids: tuple[str, ...], **options: Any) -> None:
        _answer(call, outcome, ids, options)

    return answering


_PROMPT = "by their IDs. Without an ID, answer all proposals at a prompt, one after another."
accept = _answering("accept", Outcome.ACCEPTED, f"Accept proposals {_PROMPT}")
decline = _answering("decline", Outcome.DECLINED, f"Decline proposals {_PROMPT}")


def _answer(
    call: CliContext, outcome: Outcome, ids: tuple[str, ...], options: dict[str, Any]
) -> None:
    if not ids:
        _one_after_another(call, options)
        return
    if not options["reason"]:
        raise UsageError(f"give --reason TEXT: why these proposals are {outcome}")

    with call.writing() as ledger:
        who = recorder(options["by"], ledger)
        proposals = {
            proposal.id: proposal
            for proposal in _find_proposals(ledger, options["since"], options["rule"])
        }
        for proposal_id in ids:
            if proposal_id not in proposals:
                near = nearest(proposal_id, proposals)
                why = "" if near else "`claimledger propose` lists them"
                raise NotFoundError("open proposal", proposal_id, near, known_by="ID", why=why)
        links = ledger.transaction(
            lambda: {
                proposal_id: decide(
                    ledger, proposals[proposal_id], outcome, options["reason"], by=who
                )
                for proposal_id in ids
            }
        )
    if call.json:
        answer({"outcome": outcome, "made": links, "recorded_by": who})
        return
    for proposal_id, link in links.items():
        echo(
            f"{outcome.capitalize()} {proposal_id}"
            + (f": link {link}" if link else "")
            + f", as {who}.",
            hang=2,
        )


def _one_after_another(call: CliContext, options: dict[str, Any]) -> None:
    if call.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("name the IDs of the proposals, or run the command at a terminal")
    answered = 0
    with call.writing() as ledger:
        who = recorder(options["by"], ledger)
        proposals = _find_proposals(ledger, options["since"], options["rule"])
        try:
            for place, proposal in enumerate(proposals, 1):
                click.echo()
                echo(f"Question {place} of {len(proposals)}")
                answered += _ask(ledger, proposal, options["reason"], who)
        except (click.Abort, _StopAsking):
            click.echo()
            echo(
                f"Stopped; {count(answered, 'answer')} {'was' if answered == 1 else 'were'} recorded."
            )
            return
    echo("No more questions." if proposals else "There are no questions.")


class _StopAsking(Exception):
    """The user stops answering."""


def _ask(ledger: Ledger, proposal: Proposal, reason: str | None, who: str) -> bool:
    """Ask one question at the prompt and record the answer at once; return whether there was one."""
    answers: dict[str, Outcome] = {"a": Outcome.ACCEPTED, "d": Outcome.DECLINED}
    _print_proposal(proposal, RecordCache(ledger))
    choice = click.prompt("a: accept, d: decline, s: skip, q: quit", default="s", show_default=False,
                          type=click.Choice(["a", "d", "s", "q"]), show_choices=False)  # fmt: skip
    if choice == "q":
        raise _StopAsking
    if choice not in answers:
        return False
    try:
        new_link = decide(ledger, proposal, answers[choice], reason or click.prompt("Why"), by=who)
    except RuleViolationError as error:
        echo(str(error), hang=2)
        return False
    echo(answers[choice].capitalize() + (f": link {new_link}" if new_link else "") + f", as {who}.")
    return True
