"""Commands as a user runs them: exit status, messages, JSON, pipes, prompts, and what a start may import."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backends import LedgerTemplate
from builders import case, record_all
from claimledger.cli.commands import COMMANDS
from claimledger.ledger import Ledger, LedgerLocation
from terminal import OpenTerminal

ROOT = Path(__file__).parent.parent
Call = Callable[..., "subprocess.CompletedProcess[str]"]


def record_four_claims(ledger: Ledger) -> None:
    extra = {"a": {"figures": [{"measure": "stations", "value": "54"}], "asserted": "2022-10-12"},
             "c": {"figures": [{"measure": "stations", "value": "over 60"}]}}  # fmt: skip
    record_all(
        ledger,
        case(["a: one obs", "b: two", "c: three", "d: four"],
             ["b repeats a", "c contradicts a", "d undercuts @b-page"], extra=extra),
    )  # fmt: skip


FOUR_CLAIMS = LedgerTemplate.filled(record_four_claims)


@pytest.fixture
def filled(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LedgerLocation:
    """Return a ledger with four claims; commands that name no ledger use it."""
    location = FOUR_CLAIMS.copy(tmp_path)
    monkeypatch.setenv("CLAIMLEDGER_DB", str(location))
    return location


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help(call: Call, command: str) -> None:
    completed = call(command, "--help")
    assert completed.returncode == 0
    assert "Usage: claimledger" in completed.stdout
    assert max(map(len, completed.stdout.splitlines())) <= 80


EXAMPLES_WITH_PREREQUISITES = {
    "accept": "an id that `propose` printed",
    "decline": "an id that `propose` printed",
    "withdraw": "the key of a record to lose",
    "redact": "the key of a withdrawn record",
    "move": "a server",
    "grant": "a server",
    "restore": "a backup",
    "salvage": "a damaged ledger",
}


@pytest.mark.parametrize(
    "command", [name for name in COMMANDS if name not in EXAMPLES_WITH_PREREQUISITES]
)
def test_every_example_of_the_help_runs(
    call: Call, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "ledger.db", tmp_path)
    shutil.copytree(ROOT / "fixtures" / "every-link", tmp_path / "fixtures" / "every-link")
    monkeypatch.setenv("CLAIMLEDGER_DB", "ledger.db")
    program, *words = shlex.split(COMMANDS[command].example)
    completed = call(*words, cwd=tmp_path)
    assert (program, completed.returncode, completed.stderr.count("Error")) == (
        "claimledger",
        0,
        0,
    ), completed


def test_the_old_name_of_a_command_still_works_and_names_the_new_one(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "ledger.db", tmp_path)
    monkeypatch.setenv("CLAIMLEDGER_DB", "ledger.db")
    completed = call(
        "dispose",
        "sd-110-overseas",
        "--as",
        "definition",
        "--reason",
        "two definitions",
        cwd=tmp_path,
    )
    assert completed.returncode == 0
    assert completed.stderr == "claimledger: dispose is now close\n"
    assert "(a matter of definition)" in completed.stdout
    mistyped = call("dispos", "sd-110-overseas", cwd=tmp_path)
    assert "Did you mean close" in mistyped.stderr


def test_a_second_equal_link_is_recorded_with_a_warning(call: Call, filled: Path) -> None:
    with Ledger.open(filled) as ledger:
        first, second = ledger.keys("claim")[:2]
    words = ("--ledger", filled, "link", "contradicts")
    assert call(*words, first, second, "--key", "once").stderr == ""
    again = call(*words, second, first)
    assert again.returncode == 0
    assert 'the link "once" already says so' in again.stderr


WRITES = (
    "init record link cite review amend withdraw redact import close accept decline verify backup restore "
    "grant move salvage rebuild schema"
).split()  # fmt: skip


@pytest.mark.parametrize(
    "command", [name for name in COMMANDS if name not in ("party", "source", "subject", "term")]
)
def test_the_options_of_the_two_clocks_are_offered_by_reading_commands_only(
    call: Call, command: str
) -> None:
    is_offered = "--as-of" in call(command, "--help").stdout
    assert is_offered == (command not in WRITES)


def test_party_list_takes_the_two_clocks_and_party_add_does_not(call: Call) -> None:
    assert "--as-of" not in call("party", "add", "--help").stdout
    assert "--as-of" in call("party", "list", "--help").stdout


QUERIES = [
    ["show", "a"], ["list"], ["search", "says"], ["disputes"], ["origins", "a"], ["standings"], ["audit", "a"],
    ["verify"], ["stats"], ["history", "a"], ["schema", "claim"], ["party", "list"], ["report"],
    ["source", "show", "a-page"],
]  # fmt: skip


@pytest.mark.parametrize("words", QUERIES, ids=[" ".join(words) for words in QUERIES])
def test_every_answer_is_one_json_object_wherever_the_option_is_placed(
    call: Call, filled: LedgerLocation, words: list[str]
) -> None:
    after = call(*words, "--json")
    before = call("--json", *words)
    assert after.returncode == before.returncode == 0, after.stderr
    assert isinstance(json.loads(after.stdout), dict)
    assert after.stdout == before.stdout


@pytest.mark.parametrize("words", QUERIES, ids=[" ".join(words) for words in QUERIES])
def test_output_to_a_pipe_is_plain_text_of_80_columns(
    call: Call, filled: LedgerLocation, words: list[str]
) -> None:
    completed = call(*words)
    assert completed.returncode == 0
    assert "\x1b" not in completed.stdout
    assert not re.search("[─━│┃┌└╭]", completed.stdout)
    if words[0] not in ("schema", "report"):
        assert max(map(len, completed.stdout.splitlines())) <= 80


def test_standings_and_show_give_the_same_status(call: Call, filled: LedgerLocation) -> None:
    standings = json.loads(call("standings", "--json").stdout)
    status = json.loads(call("show", "a", "--json").stdout)
    assert standings["a"] == {
        "standing": "contested", "at_least": 1, "at_most": 1, "acceptability": "undecided"
    }  # fmt: skip
    assert {name: status[name] for name in standings["a"]} == standings["a"]
    assert standings["b"]["standing"] == "contested"


@pytest.mark.parametrize(
    ("words", "status", "hint"),
    [
        (["shwo", "a"], 2, "Did you mean show?"),
        (["show"], 2, "Missing argument"),
        (["show", "aa"], 1, "nearest: a"),
        (["--ledger", "none.db", "show", "a"], 1, "does not exist"),
        (["audit"], 2, "give a claim's key, words"),
        (["audit", "--figure", "many"], 1, "is not understood as a number"),
        (["audit", "--figure", "57"], 1, ""),
        (["show", "a", "--as-of", "03/04/2022"], 1, "two ways"),
        (["show", "a", "--known-at", "sometime"], 1, "entry number"),
        (["show", "a", "--known-at", "999"], 1, "no entry with the number '999'"),
        (["show", "a", "--known-at", "#1000"], 1, "no entry with the number '1000'"),
        (["show", "a", "--known-at", "2022-01-01T77:00:00Z"], 1, "cannot be read"),
        (["show", "a", "--as-of", "2022-01-01T77:00:00Z"], 1, "cannot be read"),
        (["show", "a", "--as-of", ""], 2, "--as-of is empty"),
        (["--known-at", " ", "list"], 2, "--known-at is empty"),
        (["report", "--since", "999"], 1, "no entry with the number '999'"),
        (["backup", "--since", "999", "new"], 1, "no entry with the number '999'"),
        (["amend", "a", "--set", "note=n", "--reason", " "], 1, "needs a reason"),
        (["record", "--statement", "x", "--known-at", "3"], 2, "leave out --as-of and --known-at"),
        (["import", "none.yaml"], 1, "cannot be read"),
        (["import", "x.yaml", "--amend"], 2, "--amend needs --reason"),
        (["link", "rebuts", "a", "b"], 1, "is not one of the allowed values"),
        (["link", "repeats", "a", "zz"], 1, "no claim with this key"),
        (["list", "--standing", "fine"], 1, "unknown standing"),
        (["schema", "clam"], 2, "did you mean claim?"),
        (["withdraw", "a", "--reason", "r"], 1, "is referred to by"),
        (["amend", "a", "--set", "nonsense", "--reason", "r"], 2, "--set takes FIELD=VALUE"),
        (
            ["report", "-o", "no/such/folder/x.html"],
            1,
            "no/such/folder/x.html: No such file or directory",
        ),
        (["report", "-o", "."], 1, ".: is a folder; name a file in it"),
        (["import", "."], 1, ".: is a folder; name the files in it, as in *.yaml"),
        (["--ledger", ".", "init"], 1, ". is a folder; a ledger is one file"),
        (["--ledger", "/", "init"], 1, "/ is a folder; a ledger is one file"),
        (["--ledger", "new.db", "restore", "."], 1, ". is a folder"),
        (["amend", "a", "--set", "key=z", "--reason", "r"], 1, "a key never changes"),
        (["amend", "a", "--set", "kye=z", "--reason", "r"], 1, "its fields are statement"),
        (
            ["amend", "a", "--set", "note=x", "--set", "note=y", "--reason", "r"],
            2,
            "--set note is given twice",
        ),
        (
            ["record", "--statement", "x", "--claimant", "one", "--subject", "topic"],
            2,
            "a claim needs --source KEY",
        ),
        (["record", "--via", "a-page"], 2, "a claim needs --statement TEXT, --claimant KEY"),
        (
            [
                "record",
                "--statement",
                " ",
                "--claimant",
                "one",
                "--subject",
                "topic",
                "--source",
                "a-page",
            ],
            1,
            "statement: is blank",
        ),
        (
            [
                "record",
                "--statement",
                "x",
                "--claimant",
                "one",
                "--subject",
                "topic",
                "--source",
                "a-page",
                "--scope",
                "place=NLD",
                "--scope",
                "place=BEL",
            ],
            1,
            "scope.place: is given twice",
        ),
        (
            ["source", "add", "Another", "--key", "a-page"],
            1,
            'the key is in use: "a-page" has it; choose another',
        ),
        (
            ["source", "add", "X", "--published", "31 February 2024"],
            1,
            "the month does not have this day",
        ),
        (
            ["cite", "a", "a-page", "--reason", "r"],
            1,
            'the claim "a" already has this citation of "a-page"',
        ),
        (
            ["history", "a", "--known-at", "1"],
            1,
            "no record with the key 'a': it was recorded by entry",
        ),
        (["audit", "a", "--known-at", "1"], 1, "no claim with the key 'a': entry "),
        (["explain", "a", "--known-at", "1"], 1, "no claim with the key 'a': entry "),
        (
            ["audit", "a-page"],
            1,
            "it is the key of a source; `claimledger list --source a-page` lists its",
        ),
        (
            ["origins", "one"],
            1,
            "it is the key of a party; `claimledger list --claimant one` lists its",
        ),
        (["explain", "l1"], 1, "no claim with the key 'l1': it is the key of a link"),
        (
            ["origins", "a", "--subject", "topic"],
            2,
            "give a claim's key or --subject, not both",
        ),
        (["audit", "a", "--figure", "54"], 2, "give a claim or --figure, not both"),
        (
            ["search", "says", "--kind", "clam"],
            2,
            "there is no kind of record 'clam'; did you mean claim?",
        ),
        (
            ["history", "a", "--kind", "clam"],
            2,
            "there is no kind of record 'clam'; did you mean claim?",
        ),
        (["move", "none.db", "new.db", "--known-at", "3"], 2, "leave out --as-of and --known-at"),
        (["--ledger", "new.db", "init", "--as-of", "2020"], 2, "leave out --as-of and --known-at"),
        (["move", "none.db", "new.db"], 1, "/none.db does not exist; FROM is the ledger to move"),
        (
            ["--ledger", "none.db", "list"],
            1,
            "/none.db does not exist. Is the ledger elsewhere? --ledger or",
        ),
        (["restore", "."], 1, ". is a folder; a backup is one file"),
        (["--ledger", "none.db", "restore", __file__], 1, Path(__file__).name),
        (["backup", "-"], 2, "name a file"),
        (["backup", "."], 1, ". is a folder; a backup is one file"),
        (["backup", "/"], 1, "/ is a folder; a backup is one file"),
        (["timeline", "--measure", "staton"], 1, "nearest: stations"),
        (["graph", "ghost"], 1, "no claim with the key"),
        (["graph", "a", "--subject", "topic"], 2, "not both"),
        (["compare", "a", "b", "--tolerance", "3"], 2, "write 2% or 0.02"),
        (["origins"], 2, "a claim's key or --subject"),
        (["origins", "a", "--set-aside", "source:x"], 2, "no origins are merged"),
        (["close", "ghost", "--as", "resolved", "--reason", "x"], 1, "no dispute with the key"),
        (
            ["tally", "--subject", "topic", "--count", "places", "--record"],
            2,
            "--record needs --claimant",
        ),
        (
            ["tally", "--subject", "topic", "--count", "claims", "--by", "mood"],
            1,
            "--by takes",
        ),
        (["explain", "ghost"], 1, "no claim with the key"),
        (["changes", "--since", "abc"], 1, "cannot be read as a date"),
        (["propose", "--rule", "agree"], 2, "there is no rule"),
        (["flags", "--kind", "odd"], 1, "unknown kind of oddity"),
        (["load-bearing", "ghost"], 1, "no claim with the key"),
        (["init"], 1, "a new"),
    ],
)
def test_a_mistake_is_reported_and_writes_nothing(
    call: Call, filled: LedgerLocation, words: list[str], status: int, hint: str
) -> None:
    with Ledger.open(filled) as ledger:
        before = ledger.head()
    completed = call(*words)
    assert (completed.returncode, "Traceback" in completed.stderr) == (status, False), (
        completed.stderr
    )
    assert hint in completed.stderr + completed.stdout
    with Ledger.open(filled) as ledger:
        assert ledger.head() == before
        assert ledger.verify().faults == ()


def test_as_of_restricts_every_query_to_claims_known_by_then(
    call: Call, filled: LedgerLocation
) -> None:
    # Only `a` is dated; the others are known by the day they were recorded.
    for words in (["search", "says"], ["list"], ["standings"]):
        output = call(*words, "--as-of", "2022-12-31").stdout
        assert re.search(r"\ba\b", output)
        assert not re.search(r"^(claim )?[bcd]\b", output, re.MULTILINE), output
    assert call("disputes", "--as-of", "2022-12-31").stdout == "Nothing recorded is disputed.\n"
    assert "not known yet" in call("audit", "b", "--as-of", "2022-12-31").stderr


def test_an_error_as_json_names_its_problems(
    call: Call, filled: LedgerLocation, tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text("- {kind: party}\n")
    completed = call("import", "bad.yaml", "--json")
    answer = json.loads(completed.stderr)
    assert answer["problems"] == [
        {"file": "bad.yaml", "line": 1, "record": "party", "field": "name", "message": "is missing",
         "expected": "give `name`"}
    ]  # fmt: skip


def test_exported_records_can_be_imported_unchanged(
    call: Call, filled: LedgerLocation, tmp_path: Path
) -> None:
    assert call("export", "-o", "all.jsonl").returncode == 0
    assert call("--ledger", "copy.db", "init").returncode == 0
    assert call("--ledger", "copy.db", "import", "all.jsonl").returncode == 0
    assert call("--ledger", "copy.db", "export").stdout == (tmp_path / "all.jsonl").read_text()
    assert (
        call("--ledger", "copy.db", "standings", "--json").stdout
        == call("standings", "--json").stdout
    )
    log = [json.loads(line) for line in call("export", "--log").stdout.splitlines()]
    assert [line["number"] for line in log] == list(range(1, len(log) + 1))


def test_the_author_of_a_write_is_an_option_a_variable_or_the_git_user(
    call: Call, filled: LedgerLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "as Bea." in call("party", "add", "P1", "--by", "Bea").stdout
    assert "as Tester." in call("party", "add", "P2").stdout
    monkeypatch.delenv("CLAIMLEDGER_BY")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "Git User")
    assert "as Git User." in call("party", "add", "P3").stdout


def test_a_closed_pipe_is_not_reported_as_an_error(filled: LedgerLocation) -> None:
    command = f"{sys.executable} -m claimledger --ledger '{filled}' export | head -c 1"
    completed = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in completed.stderr
    assert "Exception" not in completed.stderr


def imported_by(*words: str | Path) -> set[str]:
    command = [sys.executable, "-X", "importtime", "-m", "claimledger", *map(str, words)]
    completed = subprocess.run(command, capture_output=True, text=True, check=True)
    return {line.rsplit("|", 1)[1].strip() for line in completed.stderr.splitlines() if "|" in line}


def test_help_imports_click_and_little_else() -> None:
    assert not {"pydantic", "sqlalchemy", "sqlmodel", "networkx", "rich"} & imported_by("--help")


def test_the_help_of_a_command_does_not_load_the_database() -> None:
    modules = sorted(path.stem for path in (ROOT / "src/claimledger/cli").glob("[a-z]*.py"))
    imports = "; ".join(f"import claimledger.cli.{name}" for name in modules)
    script = f"{imports}; import sys; print(*sys.modules)"
    completed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(completed.stdout.split())
    assert "claimledger.records.kinds" in loaded
    assert not {"sqlalchemy", "psycopg", "jinja2", "networkx", "yaml", "pint", "resvg_py"} & loaded


@pytest.mark.parametrize(
    "words", [["show", "a"], ["origins", "a"], ["history", "a"], ["audit", "a"]]
)
def test_commands_about_one_claim_import_neither_networkx_nor_rich(
    filled: LedgerLocation, words: list[str]
) -> None:
    modules = imported_by("--ledger", filled, *words)
    assert not {"networkx", "rich", "edtf", "yaml", "jinja2"} & modules


def test_an_export_names_the_file_it_wrote(call: Call, filled: LedgerLocation) -> None:
    completed = call("export", "-o", "out.jsonl")
    assert (completed.returncode, completed.stdout, completed.stderr) == (
        0,
        "",
        "Wrote out.jsonl\n",
    )


def test_importing_a_csv_file_is_refused_with_the_accepted_formats(
    call: Call, filled: LedgerLocation, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("kind,key,name\nparty,x,X\n", "utf-8")
    completed = call("import", "a.csv")
    assert completed.returncode == 1
    assert "YAML, JSON or JSON Lines" in completed.stderr


def test_a_failed_query_does_not_mention_writing(call: Call, filled: LedgerLocation) -> None:
    for words in (["list", "--standing", "fine"], ["flags", "--kind", "fine"]):
        completed = call(*words)
        assert (completed.returncode, "unknown" in completed.stderr) == (1, True)
        assert "written" not in completed.stderr


def test_a_query_about_a_withdrawn_claim_says_so(call: Call, filled: LedgerLocation) -> None:
    assert call("withdraw", "d", "--cascade", "--reason", "r").returncode == 0
    for words in (["audit", "d"], ["explain", "d"], ["origins", "d"]):
        assert "withdrew it; `claimledger history" in call(*words).stderr


def test_stats_as_of_a_day_count_the_records_known_by_then(
    call: Call, filled: LedgerLocation
) -> None:
    answer = json.loads(call("stats", "--as-of", "1900", "--json").stdout)
    assert answer["records"] == {"claim": 0, "link": 0}
    assert json.loads(call("stats", "--json").stdout)["records"]["claim"] == 4


def test_a_cascade_is_previewed_and_confirmed_at_a_terminal(
    call: Call, filled: LedgerLocation, terminal: OpenTerminal
) -> None:
    words = ("withdraw", "a", "--cascade", "--reason", "r")
    preview = '3 records would be withdrawn: the claim "a", and 2 links that refer to it'
    screen = terminal(*words)
    screen.until(preview)
    screen.until("what-if --without claim:a")
    screen.until("Withdraw them all? [y/N]")
    screen.type("")
    screen.until("nothing was written")
    assert screen.status() == 1
    with Ledger.open(filled) as ledger:
        size = ledger.head().size
        assert ledger.keys("claim") == ["a", "b", "c", "d"]
    screen = terminal(*words)
    screen.until("Withdraw them all?")
    screen.type("y")
    screen.until(f'Withdrew the claim "a" with entry {size + 3}')
    assert screen.status() == 0
    # A cascade of a single record needs no confirmation.
    assert call("withdraw", "b", "--cascade", "--reason", "r").returncode == 0


def test_a_large_cascade_without_a_terminal_needs_yes(call: Call, filled: LedgerLocation) -> None:
    with Ledger.open(filled, writable=True) as ledger:
        record_all(ledger, case([f"more-{number}: one" for number in range(3)]))
        size = ledger.head().size
    words = ("withdraw", "one", "--cascade", "--reason", "r")
    refused = call(*words)
    assert refused.returncode == 1
    assert (
        '11 records would be withdrawn: the party "one", and 4 claims, 2 links and 4 sources'
        in refused.stderr
    )
    assert "what-if --without party:one" in refused.stderr
    assert "--yes to withdraw them all; nothing was written" in refused.stderr
    with Ledger.open(filled) as ledger:
        assert ledger.head().size == size
    completed = call(*words, "--yes", "--json")
    assert completed.returncode == 0
    assert len(json.loads(completed.stdout)["also"]) == 10


def test_completion_offers_commands_and_keys(filled: LedgerLocation, tmp_path: Path) -> None:
    def completions(words: str) -> str:
        environment = {**os.environ, "_CLAIMLEDGER_COMPLETE": "bash_complete", "COMP_WORDS": words,
                       "COMP_CWORD": str(len(words.split()) - 1)}  # fmt: skip
        script = (
            "import sys; sys.argv = ['claimledger']; from claimledger.cli.main import main; main()"
        )
        completed = subprocess.run(
            [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        return completed.stdout

    assert "standings" in completions("claimledger stand")
    assert "a-page" in completions("claimledger show a-")
