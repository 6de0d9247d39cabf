"""The library as others use it: every example runs, what is public is listed, importing costs nothing."""

from __future__ import annotations

import doctest
import importlib
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

import claimledger
from claimledger.ledger.ledger import _RENAMED_METHODS
from claimledger.log.entry import FORMAT
from claimledger.storage.tables import LAYOUT

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "library.md"


def test_every_example_gives_what_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "ledger.db", tmp_path)
    shutil.copytree(ROOT / "fixtures" / "every-link", tmp_path / "fixtures" / "every-link")
    monkeypatch.chdir(tmp_path)
    results = doctest.testfile(
        str(PAGE), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert results.failed == 0
    assert results.attempted > 20


def test_what_is_public_is_listed_typed_and_told() -> None:
    text = PAGE.read_text("utf-8").partition("## Names")[2]
    messages = set(re.findall(r"`(\w+)`", text))
    assert messages - {"Problem"} <= set(claimledger.__all__)
    assert set(claimledger.__all__) <= messages
    assert sorted(claimledger.__all__) == claimledger.__all__
    for name in claimledger.__all__:
        value = getattr(claimledger, name)
        assert value.__doc__, name
        assert value.__module__.startswith("claimledger."), name
    assert not hasattr(claimledger, "no_such_name")
    assert (ROOT / "src" / "claimledger" / "py.typed").exists()


def test_names_of_before_the_first_release_still_work_and_warn() -> None:
    for name, replacement in claimledger._RENAMED.items():
        with pytest.warns(DeprecationWarning, match=f"claimledger.{name} is now.*{replacement}"):
            assert getattr(claimledger, name) is getattr(claimledger, replacement)
    with claimledger.Ledger.open(ROOT / "ledger.db") as ledger:
        for name, replacement in _RENAMED_METHODS.items():
            with pytest.warns(DeprecationWarning, match=f"Ledger.{name} is now.*{replacement}"):
                assert getattr(ledger, name) == getattr(ledger, replacement)
        with pytest.raises(AttributeError, match="no attribute 'no_such_method'"):
            ledger.no_such_method  # noqa: B018


def test_a_type_checker_knows_the_public_names(tmp_path: Path) -> None:
    script = tmp_path / "uses.py"
    script.write_text(
        "from claimledger import Ledger, Analysis, graph_of\n"
        "with Ledger.open('x') as ledger:\n"
        "    size: int = ledger.head().size\n"
        "    found: str = Analysis(graph_of(ledger.whole_graph())).standing('a')\n"
        "    wrong: int = ledger.get('claim', 'a').recorded_by\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(script)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert re.findall(r"uses\.py:(\d+): error", done.stdout) == ["5"], done.stdout


def test_importing_costs_nothing() -> None:
    script = "import sys, claimledger; print(sorted(m for m in sys.modules if 'claimledger.' in m or m in "
    script += "('pydantic', 'sqlalchemy', 'sqlmodel', 'networkx', 'click', 'psycopg')))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_version_tells_the_formats() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "claimledger", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert claimledger.__version__ in done.stdout
    assert f"log format {FORMAT}" in done.stdout
    assert f"layout {LAYOUT}" in done.stdout


# What it stands on


def needed() -> dict[str, str]:
    """Return every package that a user installs along, with what its licence is called."""
    answers: dict[str, str] = {}
    ask = ["claimledger"]
    while ask:
        name = ask.pop()
        try:
            value = distribution(name)
        except PackageNotFoundError:
            continue  # for another system or another Python
        for requirement in value.requires or []:
            what, _, condition = requirement.partition(";")
            bare = re.split(r"[ <>=!~\[(]", what.strip(), maxsplit=1)[0].lower()
            expected = "extra ==" not in condition or (
                name == "claimledger" and "postgresql" in condition
            )
            if expected and bare not in answers:
                answers[bare] = ""
                ask.append(bare)
        answer = value.metadata
        licences = [
            line for line in answer.get_all("Classifier") or [] if line.startswith("License")
        ]
        answers[name] = " ".join(
            [answer.get("License-Expression") or "", (answer.get("License") or "")[:200], *licences]
        )
    return answers


def test_nothing_needed_is_under_a_licence_that_binds_its_users() -> None:
    licences = needed()
    assert {"sqlmodel", "click", "networkx", "psycopg", "pydantic"} <= licences.keys()
    for name, licence in licences.items():
        bare = licence.replace("Lesser General Public", "").replace("LGPL", "")
        assert not re.search(r"GPL|General Public", bare), (name, licence)
        if "LGPL" in licence or "Lesser" in licence:
            assert name in ("psycopg", "psycopg-binary"), (name, licence)


def test_every_package_is_pinned_by_a_range() -> None:
    requires = distribution("claimledger").requires or []
    for requirement in requires:
        if "extra ==" not in requirement or "postgresql" in requirement:
            assert ">=" in requirement, requirement
            assert "<" in requirement, requirement


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, and the sdist it came from."""
    folder = tmp_path_factory.mktemp("built")
    copy = folder / "tree"
    ignored = shutil.ignore_patterns(".venv", ".git", ".*_cache", ".hypothesis", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=ignored)
    build = (
        "from hatchling.build import build_sdist, build_wheel; build_sdist('..'); build_wheel('..')"
    )
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True)
    return folder


def test_a_wheel_works_where_there_is_only_python(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    (sdist,) = built.glob("*.tar.gz")
    assert sdist.stat().st_size < 3_000_000
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", str(bare)], check=True)
    python = bare / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, str(wheel)], check=True, cwd=tmp_path)
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "CLAIMLEDGER_BY": "Ann",
        "LC_ALL": "C.UTF-8",
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(bare / "bin" / "claimledger"), *words], cwd=tmp_path, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert claimledger.__version__ in run("--version").stdout
    assert run("init").returncode == 0
    shutil.copytree(ROOT / "fixtures" / "every-link", tmp_path / "every-link")
    assert run("import", "every-link/case.yaml").returncode == 0
    assert "Clean" in run("verify").stdout
    for words in (["report", "-o", "r.html"], ["disputes"], ["graph", "-o", "g.png"], ["propose"]):
        done = run(*words)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    done = run("--ledger", "postgresql:///x", "stats")
    assert "pip install 'claimledger[postgresql]'" in done.stderr


def test_no_module_of_the_package_fails_to_import() -> None:
    root = ROOT / "src"
    for path in sorted(root.rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        if not name.endswith("__main__"):
            importlib.import_module(name)
