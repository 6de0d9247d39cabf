"""``disputes``, ``origins``, ``standings``: what the graph says."""

from __future__ import annotations

from dataclasses import asdict

import click

from claimledger.cli.call import Call, Command, complete_key
from claimledger.cli.output import answer, count, cut, say, table
from claimledger.cli.output import origins as span


@click.command(cls=Command)
@click.option(
    "--subject", metavar="KEY", shell_complete=complete_key, help="Only this and narrower ones."
)
@click.pass_obj
def disputes(call: Call, subject: str | None) -> None:
    """What is disputed, by whom, through what, stated or judged, since when."""
    from claimledger.publish.report import report as made

    with call.reading() as ledger:
        value = made(ledger, known_at=call.known, as_of=call.day, subject=subject)
    if call.json:
        told = value.as_json()
        answer({"disputes": told["disputes"], "criticised_sources": told["criticised"]})
        return
    for section in (*value.disputes, *value.criticised):
        what = "source criticised: " if section.source else ""
        say(f"{what}{section.title}  [{section.head}]", hang=2)
        kinds = f"{section.stated} stated, {section.judged} judged"
        if section.source:
            say(
                f"since {section.since}; {kinds}; contests {count(len(section.claims), 'claim')}",
                indent=2,
            )
        else:
            say(f"since {section.since}; {kinds}; behind it {section.origins}; against it "
                f"{section.attackers_origins}", indent=2, hang=2)  # fmt: skip
        for one in section.against:
            past = " (past)" if one.past else ""
            say(f"{one.type} {one.at}{past}, {one.basis} [{one.link}]: {one.attacker.who}: "
                f"{cut(one.attacker.statement, 160)}  [{one.attacker.key}]", indent=4, hang=2)  # fmt: skip
            if one.compared:
                say(one.compared, indent=6, hang=2)
        if section.beside:
            say("with it " + ", ".join(claim.key for claim in section.beside), indent=4, hang=2)
        if section.reached:
            say("reaches " + ", ".join(claim.key for claim in section.reached), indent=4, hang=2)
        for reply in section.replies:
            say(
                f"answered by {reply.who}: {cut(reply.statement, 120)}  [{reply.key}]",
                indent=4,
                hang=2,
            )
    say(f"{count(len(value.disputes), 'dispute')}, "
        f"{count(len(value.criticised), 'criticised source')}.")  # fmt: skip


@click.command(cls=Command)
@click.argument("key", shell_complete=complete_key)
@click.pass_obj
def origins(call: Call, key: str) -> None:
    """How many independent voices there are behind a claim, as a range, and why."""
    from claimledger.disputes.flags import flags
    from claimledger.errors import Unreadable
    from claimledger.publish import words
    from claimledger.publish.names import Names

    with call.reading() as ledger:
        key = ledger.get("claim", key, call.known).key
        answers = call.answers(ledger, [key])
        if key not in answers.graph.claims:
            raise Unreadable(f"the claim {key} was not known yet at that time")
        names = Names(ledger, call.known)
        found = answers.origins(key)
        roots = [words.root(root, names) for root in found.roots]
        same = [words.merger(one, names) for one in found.same]
        perhaps = [words.merger(one, names) for one in found.perhaps]
        told = [str(flag) for flag in flags(answers, key)]
        members = answers.assertions.members[answers.assertions.of[key]]
    if call.json:
        answer(
            {
                "key": key,
                "at_least": found.at_least,
                "at_most": found.at_most,
                "assertion": list(members),
                "roots": [asdict(root) for root in found.roots],
                "same": [asdict(merger) for merger in found.same],
                "perhaps": [asdict(merger) for merger in found.perhaps],
                "flags": told,
            }
        )
        return
    say(f"{key}: {words.origins(found)} ({span(found.at_least, found.at_most)})")
    if len(members) > 1:
        say(f"the assertion: {', '.join(members)}", indent=2, hang=2)
    for line in roots:
        say(f"root {line}", indent=2, hang=2)
    for line in same:
        say(f"one voice, for {line}", indent=2, hang=2)
    for line in perhaps:
        say(f"perhaps one voice, for {line}", indent=2, hang=2)
    if told:
        say("flags: " + ", ".join(told), indent=2, hang=2)


@click.command(cls=Command)
@click.pass_obj
def standings(call: Call) -> None:
    """Every claim with its standing, its origins and its acceptability."""
    with call.reading() as ledger:
        answers = call.answers(ledger)
        found = {key: answers.as_json(key) for key in answers.graph.claims}
        if call.json:
            answer(found)
            return
        statements = {held.key: held.record.named for held in ledger.records("claim", call.known)}
    rows = [
        [key, str(one["standing"]), span(int(one["at_least"]), int(one["at_most"])),
         str(one["acceptability"]), statements[key]]
        for key, one in found.items()
    ]  # fmt: skip
    table(["KEY", "STANDING", "ORIGINS", "FORMALLY", "STATEMENT"], rows, stretch=4)
    say(count(len(rows), "claim") + ".")
