"""The documentation is tested: every command in README and docs/ is executed and its output compared.

``UPDATE_DOCS=1 pytest tests/test_docs.py`` rewrites the outputs and the tables of fields; read the difference
before you commit it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from multiprocessing.context import BaseContext
from pathlib import Path

import pytest

from backends import Current, LedgerTemplate
from claimledger.cli.commands import COMMANDS
from claimledger.records.citation import Citation
from claimledger.records.figure import Figure
from claimledger.records.kinds import KINDS, fields_of
from claimledger.records.link import RELATIONS
from cli_runner import TRACED, ProgramServer

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
UPDATING = bool(os.environ.get("UPDATE_DOCS"))
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```(?:sh|bash|shell)\n", re.MULTILINE)


WORKED_CASE = LedgerTemplate.moved_from(ROOT / "ledger.db")


def prepare_folder(folder: Path, program: Path) -> dict[str, str]:
    """Prepare a folder like a fresh clone and return the environment for its commands.

    On PostgreSQL the default ledger is the worked case, moved to the server.
    """
    shutil.copy(ROOT / "ledger.db", folder / "ledger.db")
    shutil.copytree(
        ROOT / "fixtures", folder / "fixtures", ignore=shutil.ignore_patterns("__pycache__")
    )
    locale = {name: value for name, value in os.environ.items() if name.startswith(("LC_", "LANG"))}
    path = f"{program.parent}:/usr/bin:/bin"
    traced = {name: value for name, value in os.environ.items() if name == TRACED}
    environment = {
        **locale,
        **traced,
        "PATH": path,
        "HOME": str(folder),
        "CLAIMLEDGER_BY": "Ann",
        "LC_ALL": "C.UTF-8",
    }
    if Current.store == "postgresql":
        environment["CLAIMLEDGER_DB"] = str(WORKED_CASE.copy(folder))
    return environment


def run(command: str, folder: Path, environment: dict[str, str]) -> str:
    completed = subprocess.run(
        ["/bin/sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True,
        encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip
    return completed.stdout + completed.stderr


def steps(block: str) -> list[tuple[str, str]]:
    """Return the commands of a block, each with its expected output."""
    commands: list[tuple[str, str]] = []
    lines = block.splitlines(keepends=True)
    while lines:
        line = lines.pop(0)
        assert line.startswith("$ "), f"a console block begins with a command, not {line!r}"
        command = line[2:]
        while command.endswith("\\\n"):
            command += lines.pop(0)
        heredoc = re.search(r"<<'?(\w+)'?\s*$", command)
        if heredoc:
            while not command.endswith(f"\n{heredoc[1]}\n"):
                command += lines.pop(0)
        output = ""
        while lines and not lines[0].startswith("$ "):
            output += lines.pop(0)
        commands.append((command, output))
    return commands


def without_now(output: str) -> str:
    """Return an output with ``…`` for what differs at each run: the day, times and roots."""
    now = datetime.now(UTC)
    today, in_words = now.date().isoformat(), f"{now.day} {now:%B} {now.year}"
    return re.sub(rf"{today}(?:T[0-9:.]+Z)?|{in_words}|(?<=root )[0-9a-f]{{64}}", "…", output)


def matches(expected: str, actual: str) -> bool:
    """Return whether an output is as expected; a line ``...`` matches any lines, ``…`` any text."""
    pattern = re.escape(expected).replace(r"\.\.\.\n", "(?:.*\n)*?").replace("…", ".*?")
    return re.fullmatch(pattern, actual) is not None


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_shell_commands_are_in_console_blocks_which_are_tested(page: Path) -> None:
    assert not SHELL.search(page.read_text("utf-8"))


PAGES_WITH_COMMANDS = [page for page in PAGES if BLOCK.search(page.read_text("utf-8"))]


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=page_name)
def test_every_command_gives_the_documented_output(
    page: Path, tmp_path: Path, store: str, launcher: BaseContext
) -> None:
    text = page.read_text("utf-8")
    if UPDATING and store != "file":
        return  # the pages show the output on a file; both stores must give it
    program = tmp_path / "bin" / "claimledger"
    program.parent.mkdir()
    with ProgramServer(launcher, program):
        run_page(page, text, tmp_path, prepare_folder(tmp_path, program))


def run_page(page: Path, text: str, folder: Path, environment: dict[str, str]) -> None:
    """Run a page's commands and compare their output, or rewrite it with ``UPDATE_DOCS``."""
    for match in BLOCK.finditer(text):
        output = ""
        for command, expected in steps(match[1]):
            actual = run(command, folder, environment)
            assert "Traceback" not in actual
            if not UPDATING:
                assert matches(expected, actual), (
                    f"{command}prints\n{actual}\ninstead of\n{expected}"
                )
            is_current = matches(expected, actual) and expected
            output += f"$ {command}{expected if is_current else without_now(actual)}"
        if UPDATING:
            page.write_text(page.read_text("utf-8").replace(match[1], output), "utf-8")


RECORD_TYPES = {**KINDS, "figure": Figure, "citation": Citation}


def field_table(name: str) -> str:
    """Return the Markdown table of a record type's fields."""
    rows = ["| field | is | |", "|---|---|---|"]
    for field in fields_of(RECORD_TYPES[name]):
        kind = {"texts": "list", "parts": f"list of [{field.name[:-1]}s]({field.name[:-1]}.md)",
                "map": "names and texts", "date": "[date](../dates.md)", "decimal": "exact decimal",
                "target": 'key of a claim, or `{"source": key}`'}.get(field.form, "text")  # fmt: skip
        if field.points_to:
            link = f"of a [{field.points_to}]({field.points_to}.md)"
            kind = f"keys {link}" if field.form == "texts" else f"key {link}"
        if field.choices:
            kind = ", ".join(f"`{choice}`" for choice in field.choices)
        required = "; required" if field.required else ""
        rows.append(f"| `{field.name}` | {field.description} | {kind}{required} |")
    return "\n".join(rows)


def relation_table() -> str:
    rows = ["| family | type | meaning | standard |", "|---|---|---|---|"]
    for name, relation in RELATIONS.items():
        standards = ", ".join(relation.standards)
        rows.append(f"| {relation.family.value} | `{name}` | {relation.meaning} | {standards} |")
    return "\n".join(rows)


@pytest.mark.parametrize("record_type", list(RECORD_TYPES))
def test_every_record_type_has_a_page_with_its_fields(record_type: str) -> None:
    page = ROOT / "docs" / "words" / f"{record_type}.md"
    text = page.read_text("utf-8")
    tables = {"fields": field_table(record_type), "relations": relation_table()}
    for name, table in tables.items():
        section = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", text, re.DOTALL)
        if name == "fields":
            assert section, f"{page.name} has no table of fields"
        if section and UPDATING:
            text = text.replace(section[0], f"<!-- {name} -->\n{table}\n<!-- end -->")
            page.write_text(text, "utf-8")
        elif section:
            assert section[1].strip() == table


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_is_documented(command: str) -> None:
    pages = "".join(page.read_text("utf-8") for page in (ROOT / "docs" / "commands").glob("*.md"))
    assert re.search(rf"^#+ .*`{command}`", pages, re.MULTILINE), (
        f"{command} has no heading in docs/commands"
    )
    assert f"| `{command}` |" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_between_pages_have_existing_targets(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target
