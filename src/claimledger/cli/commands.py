"""Every command: its group in the help, the function that runs it, a line about it and an example."""

from __future__ import annotations

import re
from difflib import get_close_matches
from importlib import import_module
from typing import NamedTuple

import click


class CommandInfo(NamedTuple):
    """What the help says about a command, and where its function is."""

    target: str
    """The module in ``claimledger.cli`` and the function in it, as ``module:function``."""

    summary: str
    example: str


GROUPS: dict[str, dict[str, CommandInfo]] = {
    "Record": {
        "init": CommandInfo(
            "init:init", "Create a new, empty ledger.", "claimledger --ledger mine.db init"
        ),
        "record": CommandInfo(
            "record:record",
            "Record a claim, at a prompt or with options.",
            'claimledger record --statement "There are 110 stations." '
            "--claimant safeguard-defenders --subject overseas-stations --source sd-patrol-persuade",
        ),
        "party": CommandInfo(
            "entities:party",
            "Add, list or show parties: people and bodies that assert.",
            'claimledger party add "Quay Desk" --key quay',
        ),
        "source": CommandInfo(
            "entities:source",
            "Add, list or show sources: works in which claims are seen.",
            'claimledger source add "Log book" --key log --published 2019',
        ),
        "subject": CommandInfo(
            "entities:subject",
            "Add, list or show subjects: what claims are about.",
            'claimledger subject add "Ferries" --key ferries',
        ),
        "term": CommandInfo(
            "entities:term",
            "Add, list or show terms: names that mean the same measure or place.",
            "claimledger term list",
        ),
        "link": CommandInfo(
            "link:link",
            "Link a claim to another claim, or to a source.",
            "claimledger link contradicts article-69 rfa-54",
        ),
        "cite": CommandInfo(
            "link:cite",
            "Add a citation to a claim, once somebody has read the source.",
            "claimledger cite rfa-54 abc-2022",
        ),
        "review": CommandInfo(
            "link:review",
            "Record a published rating of a claim.",
            'claimledger review rfa-54 --rating "half true"',
        ),
        "import": CommandInfo(
            "import_export:import_",
            "Import case files: YAML, JSON or JSON Lines.",
            "claimledger import --check fixtures/every-link/case.yaml",
        ),
        "amend": CommandInfo(
            "amend:amend",
            "Correct a record; the log keeps the earlier version.",
            'claimledger amend rfa-54 --set note="checked" --reason "read again"',
        ),
        "withdraw": CommandInfo(
            "amend:withdraw",
            "Withdraw a record that should not have been recorded.",
            'claimledger withdraw C12 --reason "recorded twice"',
        ),
        "redact": CommandInfo(
            "amend:redact",
            "Destroy the texts of a withdrawn record.",
            'claimledger redact C12 --reason "a private address"',
        ),
        "close": CommandInfo(
            "disputes:close",
            "Close a dispute; new activity reopens it.",
            'claimledger close sd-110-overseas --as definition --reason "two definitions"',
        ),
        "propose": CommandInfo(
            "propose:propose",
            "Propose links that nobody has recorded yet, with evidence.",
            "claimledger propose -n 3",
        ),
        "accept": CommandInfo(
            "propose:accept",
            "Accept proposals: the links are recorded.",
            'claimledger accept ID --reason "the same report"',
        ),
        "decline": CommandInfo(
            "propose:decline",
            "Decline proposals: they return only if their evidence changes.",
            'claimledger decline ID --reason "another year"',
        ),
    },
    "Analyse": {
        "list": CommandInfo(
            "search:list_",
            "List claims by claimant, source, subject, standing, figure or date.",
            "claimledger list --figure 54",
        ),
        "search": CommandInfo(
            "search:search",
            "Find records by their words, in any script.",
            "claimledger search 服务站",
        ),
        "show": CommandInfo(
            "search:show",
            "Show everything about one record, and why it has its standing.",
            "claimledger show rfa-54",
        ),
        "history": CommandInfo(
            "amend:history",
            "Show every entry about a record: what, when, who and why.",
            "claimledger history rfa-54",
        ),
        "disputes": CommandInfo(
            "disputes:disputes",
            "List what is disputed, by whom, on what basis and since when.",
            "claimledger disputes --open",
        ),
        "origins": CommandInfo(
            "origins:origins",
            "Count the independent origins of a claim.",
            "claimledger origins rfa-54",
        ),
        "compare": CommandInfo(
            "compare:compare",
            "Compare the figures of two claims.",
            "claimledger compare rfa-54 article-69",
        ),
        "tally": CommandInfo(
            "tally:tally",
            "Count what the ledger contains, and compare it with stated totals.",
            "claimledger tally --subject locations --count places",
        ),
        "standings": CommandInfo(
            "disputes:standings",
            "List every claim with its standing, origins and acceptability.",
            "claimledger standings --json",
        ),
        "explain": CommandInfo(
            "explain:explain",
            "Explain a claim's standing in sentences that name their records.",
            "claimledger explain rfa-54",
        ),
        "flags": CommandInfo(
            "explain:flags",
            "List what is odd, by severity, with a command that fixes it.",
            "claimledger flags -n 1",
        ),
        "load-bearing": CommandInfo(
            "origins:load_bearing",
            "Rank claims, sources and parties by what depends on them.",
            "claimledger load-bearing -n 5",
        ),
        "what-if": CommandInfo(
            "what_if:what_if",
            "Show what would change without some records, or with others.",
            "claimledger what-if --without source:rfa-2022",
        ),
        "changes": CommandInfo(
            "what_if:changes",
            "Show which answers changed since an entry or a day.",
            'claimledger changes --since "#300"',
        ),
        "stats": CommandInfo(
            "info:stats",
            "Count records by kind, standing, source, claimant and year.",
            "claimledger stats --as-of 2022",
        ),
    },
    "Publish": {
        "report": CommandInfo(
            "report:report",
            "Write the contested-claims report.",
            "claimledger report -o report.html",
        ),
        "audit": CommandInfo(
            "audit:audit",
            "Trace a figure back to whoever said it first.",
            'claimledger audit "54 stations"',
        ),
        "graph": CommandInfo(
            "graph:graph",
            "Draw claims and the links between them.",
            "claimledger graph rfa-54 -o rfa-54.svg",
        ),
        "timeline": CommandInfo(
            "graph:timeline",
            "Draw figures over time.",
            "claimledger timeline --measure stations -o stations.svg",
        ),
        "export": CommandInfo(
            "import_export:export",
            "Write records, or the log, as JSON Lines.",
            "claimledger export -o records.jsonl",
        ),
    },
    "Keep": {
        "verify": CommandInfo(
            "verify:verify",
            "Check the ledger against its log: every rule, the tree and every view.",
            "claimledger verify",
        ),
        "backup": CommandInfo(
            "backup:backup",
            "Write the whole ledger, or its new entries, to a file.",
            "claimledger backup kept.db",
        ),
        "restore": CommandInfo(
            "backup:restore",
            "Create a ledger from a backup, or add newer entries to it.",
            "claimledger --ledger restored.db restore kept.db",
        ),
        "move": CommandInfo(
            "backup:move",
            "Copy a ledger to another file or database.",
            "claimledger move ledger.db postgresql://ann@db.example.org/news",
        ),
        "grant": CommandInfo(
            "backup:grant",
            "Grant roles to users of a ledger in PostgreSQL.",
            "claimledger --ledger postgresql://db.example.org/news grant recorder ann",
        ),
        "salvage": CommandInfo(
            "verify:salvage",
            "Save what can be saved of a damaged ledger.",
            "claimledger --ledger damaged.db salvage saved.db",
        ),
        "rebuild": CommandInfo(
            "verify:rebuild", "Rebuild the views from the log.", "claimledger rebuild"
        ),
        "schema": CommandInfo(
            "info:schema", "Print the JSON Schema of a kind of record.", "claimledger schema claim"
        ),
    },
}

COMMANDS = {name: info for group in GROUPS.values() for name, info in group.items()}

RENAMED = {"dispose": "close"}
"""Old names of commands; each still works for one release, with a note on standard error."""


class Commands(click.Group):
    """The commands by name, each imported only when it is called."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order of the groups."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or ``None`` if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        info = COMMANDS[cmd_name]
        module, _, function = info.target.partition(":")
        command = getattr(import_module(f"claimledger.cli.{module}"), function)
        assert isinstance(command, click.Command)
        command.epilog = f"Example:\n\n\b\n{_folded(info.example)}"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a command by its name or an old name; suggest the nearest for a mistyped one."""
        name = args[0] if args else ""
        if name in RENAMED:
            click.echo(f"claimledger: {name} is now {RENAMED[name]}", err=True)
            args = [RENAMED[name], *args[1:]]
        elif name not in COMMANDS and not name.startswith("-"):
            near = get_close_matches(name, [*COMMANDS, *RENAMED], n=3, cutoff=0.5)
            near = list(dict.fromkeys(RENAMED.get(word, word) for word in near))
            hint = (
                f" Did you mean {' or '.join(near)}?"
                if near
                else " `claimledger --help` lists all commands."
            )
            ctx.fail(f"There is no command {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by group, without importing any of them."""
        for group, commands in GROUPS.items():
            with formatter.section(group):
                formatter.write_dl([(name, info.summary) for name, info in commands.items()])


_WIDTH = 74


def _folded(example: str) -> str:
    """Return an example in lines that fit the help, continued with a backslash as a shell takes it."""
    lines = ["  "]
    for word in re.findall(r'(?:[^\s"]|"[^"]*")+', example):
        if len(lines[-1]) + len(word) > _WIDTH:
            lines[-1] += "\\"
            lines.append("    ")
        lines[-1] += word + " "
    return "\n".join(line.rstrip() for line in lines)
