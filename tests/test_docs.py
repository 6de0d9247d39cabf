"""The documentation is run: every command in README and docs/ is executed and its output compared.

``UPDATE_DOCS=1 pytest tests/test_docs.py`` writes the outputs and the tables of fields anew; read the
difference before you commit it.
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

from backends import Current, schema_url
from claimledger.cli.commands import COMMANDS
from claimledger.records.citation import Citation
from claimledger.records.figure import Figure
from claimledger.records.kinds import KINDS, fields_of
from claimledger.records.link import RELATIONS
from cli_runner import ProgramServer

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
UPDATING = bool(os.environ.get("UPDATE_DOCS"))
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```(?:sh|bash|shell)\n", re.MULTILINE)


def in_a_folder(folder: Path, program: Path) -> dict[str, str]:
    """Prepare a folder as a fresh clone looks to somebody who tries the documentation.

    On PostgreSQL the ledger that commands use unless told otherwise is the worked case, moved there.
    """
    shutil.copy(ROOT / "ledger.db", folder / "ledger.db")
    shutil.copytree(
        ROOT / "fixtures", folder / "fixtures", ignore=shutil.ignore_patterns("__pycache__")
    )
    saved = {name: value for name, value in os.environ.items() if name.startswith(("LC_", "LANG"))}
    path = f"{program.parent}:/usr/bin:/bin"
    created = {
        **saved,
        "PATH": path,
        "HOME": str(folder),
        "CLAIMLEDGER_BY": "Ann",
        "LC_ALL": "C.UTF-8",
    }
    if Current.store == "postgresql":
        created["CLAIMLEDGER_DB"] = schema_url()
        assert "331 entries" in run('claimledger move ledger.db "$CLAIMLEDGER_DB"', folder, created)
    return created


def run(command: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True,
        encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def steps(block: str) -> list[tuple[str, str]]:
    """Return the commands of a block, each with the output that is to follow it."""
    results: list[tuple[str, str]] = []
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
        results.append((command, output))
    return results


def without_now(output: str) -> str:
    """Return an output with the times and the day of this very run left open."""
    today = datetime.now(UTC).date().isoformat()
    return re.sub(rf"{today}(?:T[0-9:.]+Z)?|(?<=root )[0-9a-f]{{64}}", "…", output)


def agree(expected: str, actual: str) -> bool:
    """Whether an output is as told; a line ``...`` stands for any lines, ``…`` for any text."""
    parts = re.escape(expected).replace(r"\.\.\.\n", "(?:.*\n)*?").replace("…", ".*?")
    return re.fullmatch(parts, actual) is not None


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_command_gives_the_output_that_is_told(
    page: Path, tmp_path: Path, store: str, launcher: BaseContext
) -> None:
    text = page.read_text("utf-8")
    if UPDATING and store != "file":
        return  # written from the file's answers; the other store's are compared with them
    assert not SHELL.search(text), "shell commands stand in console blocks, so that they are run"
    program = tmp_path / "bin" / "claimledger"
    program.parent.mkdir()
    with ProgramServer(launcher, program):
        run_page(page, text, tmp_path, in_a_folder(tmp_path, program))


def run_page(page: Path, text: str, folder: Path, environment: dict[str, str]) -> None:
    """Run a page's commands and compare what they print; or write it down."""
    for match in BLOCK.finditer(text):
        output = ""
        for command, expected in steps(match[1]):
            actual = run(command, folder, environment)
            assert "Traceback" not in actual
            if not UPDATING:
                assert agree(expected, actual), f"{command}gives\n{actual}\nand not\n{expected}"
            keep = agree(expected, actual) and expected
            output += f"$ {command}{expected if keep else without_now(actual)}"
        if UPDATING:
            page.write_text(page.read_text("utf-8").replace(match[1], output), "utf-8")


WORDS = {**KINDS, "figure": Figure, "citation": Citation}


def field_table(word: str) -> str:
    """Return the table of a word's fields."""
    rows = ["| field | is | |", "|---|---|---|"]
    for field in fields_of(WORDS[word]):
        kind = {"texts": "list", "parts": f"list of [{field.name[:-1]}s]({field.name[:-1]}.md)",
                "map": "names and texts", "date": "[date](../dates.md)", "decimal": "exact decimal",
                "target": 'key of a claim, or `{"source": key}`'}.get(field.form, "text")  # fmt: skip
        if field.points_to:
            of = f"of a [{field.points_to}]({field.points_to}.md)"
            kind = f"keys {of}" if field.form == "texts" else f"key {of}"
        if field.choices:
            kind = ", ".join(f"`{choice}`" for choice in field.choices)
        need = "required" if field.required else ""
        rows.append(
            f"| `{field.name}` | {field.description} | {kind}{'; ' + need if need else ''} |"
        )
    return "\n".join(rows)


def relation_table() -> str:
    rows = ["| family | type | meaning | standard |", "|---|---|---|---|"]
    for name, part in RELATIONS.items():
        standards = ", ".join(part.standards)
        rows.append(f"| {part.family.value} | `{name}` | {part.meaning} | {standards} |")
    return "\n".join(rows)


@pytest.mark.parametrize("word", list(WORDS))
def test_every_word_has_a_page_with_its_fields(word: str) -> None:
    page = ROOT / "docs" / "words" / f"{word}.md"
    text = page.read_text("utf-8")
    tables = {"fields": field_table(word), "relations": relation_table()}
    for name, table in tables.items():
        marked = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", text, re.DOTALL)
        if name == "fields":
            assert marked, f"{page.name} has no table of fields"
        if marked and UPDATING:
            text = text.replace(marked[0], f"<!-- {name} -->\n{table}\n<!-- end -->")
            page.write_text(text, "utf-8")
        elif marked:
            assert marked[1].strip() == table


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_is_documented(command: str) -> None:
    pages = "".join(page.read_text("utf-8") for page in (ROOT / "docs" / "commands").glob("*.md"))
    assert re.search(rf"^#+ .*`{command}`", pages, re.MULTILINE), (
        f"{command} has no heading in docs/commands"
    )
    assert f"| `{command}` |" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target
