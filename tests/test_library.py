"""The library as its users see it: documentation, public names, imports, licences and packaging."""

from __future__ import annotations

import doctest
import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest

import claimledger
from claimledger.ledger.ledger import _RENAMED_METHODS
from claimledger.log.entry import FORMAT
from claimledger.storage.tables import LAYOUT

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "library.md"


def test_every_example_of_the_page_runs_and_prints_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "ledger.db", tmp_path)
    shutil.copytree(ROOT / "fixtures" / "every-link", tmp_path / "fixtures" / "every-link")
    monkeypatch.chdir(tmp_path)
    results = doctest.testfile(
        str(PAGE), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert results.failed == 0
    assert results.attempted > 20


def test_public_names_are_sorted_documented_and_typed() -> None:
    text = PAGE.read_text("utf-8").partition("## Names")[2]
    documented = set(re.findall(r"`(\w+)`", text))
    assert documented - {"Problem"} <= set(claimledger.__all__)
    assert set(claimledger.__all__) <= documented
    assert sorted(claimledger.__all__) == claimledger.__all__
    for name in claimledger.__all__:
        value = getattr(claimledger, name)
        assert value.__doc__, name
        assert value.__module__.startswith("claimledger."), name
    assert not hasattr(claimledger, "no_such_name")
    assert (ROOT / "src" / "claimledger" / "py.typed").exists()


def test_former_names_still_work_and_warn() -> None:
    for name, replacement in claimledger._RENAMED.items():
        with pytest.warns(DeprecationWarning, match=f"claimledger.{name} is now.*{replacement}"):
            assert getattr(claimledger, name) is getattr(claimledger, replacement)
    with claimledger.Ledger.open(ROOT / "ledger.db") as ledger:
        for name, replacement in _RENAMED_METHODS.items():
            with pytest.warns(DeprecationWarning, match=f"Ledger.{name} is now.*{replacement}"):
                assert getattr(ledger, name) == getattr(ledger, replacement)
        with pytest.raises(AttributeError, match="no attribute 'no_such_method'"):
            ledger.no_such_method  # noqa: B018


def test_former_keywords_still_work_and_warn() -> None:
    with claimledger.Ledger.open(ROOT / "ledger.db") as ledger:
        old_calls: list[tuple[Callable[..., Any], tuple[Any, ...], str, Any]] = [
            (ledger.search, ("stations",), "most", 2),
            (ledger.similar_claims, ("54 stations in 30 countries",), "most", 2),
            (ledger.claims_with_figure, (54.0, 54.0), "most", 2),
            (ledger.claims_about, (["number-of-stations"],), "most", 2),
            (ledger.newest_claims_with, ("party", "rfa", "claimant"), "most", 2),
            (ledger.narrower_subjects, ("number-of-stations",), "most", 1),
            (ledger.dependents, (), "named", [("claim", "rfa-54")]),
        ]
        for method, args, old, value in old_calls:
            new = "targets" if old == "named" else "limit"
            with pytest.warns(
                DeprecationWarning, match=f"{method.__name__}: `{old}` is now `{new}`"
            ):
                answer = method(*args, **{old: value})
            assert answer == method(*args, **{new: value})
        with pytest.raises(TypeError, match="give only `limit`"):
            ledger.search("stations", limit=1, most=1)  # type: ignore[call-arg]
        with (
            pytest.warns(DeprecationWarning, match="withdraw: `most` is now `limit`"),
            pytest.raises(claimledger.StoreError),
        ):
            ledger.withdraw("claim", "rfa-54", by="T", reason="r", most=1)  # type: ignore[call-arg]


def test_a_type_checker_knows_the_public_names(tmp_path: Path) -> None:
    script = tmp_path / "uses.py"
    script.write_text(
        "from claimledger import Ledger, Analysis, graph_of\n"
        "with Ledger.open('x') as ledger:\n"
        "    size: int = ledger.head().size\n"
        "    standing: str = Analysis(graph_of(ledger.whole_graph())).standing('a')\n"
        "    wrong: int = ledger.get('claim', 'a').recorded_by\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(script)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert re.findall(r"uses\.py:(\d+): error", result.stdout) == ["5"], result.stdout


def test_importing_the_package_loads_no_module_or_dependency() -> None:
    script = "import sys, claimledger; print(sorted(m for m in sys.modules if 'claimledger.' in m or m in "
    script += "('pydantic', 'sqlalchemy', 'sqlmodel', 'networkx', 'click', 'psycopg')))"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_the_version_names_the_log_format_and_the_layout() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "claimledger", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert claimledger.__version__ in result.stdout
    assert f"log format {FORMAT}" in result.stdout
    assert f"layout {LAYOUT}" in result.stdout


# Dependencies and packaging


def installed_licences() -> dict[str, str]:
    """Return every package that comes with the program and its extra ``postgresql``, with its licence."""
    licences: dict[str, str] = {}
    pending = ["claimledger"]
    while pending:
        name = pending.pop()
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # required on other systems or Python versions only
        for requirement in package.requires or []:
            specifier, _, condition = requirement.partition(";")
            required = re.split(r"[ <>=!~\[(]", specifier.strip(), maxsplit=1)[0].lower()
            applies = "extra ==" not in condition or (
                name == "claimledger" and "postgresql" in condition
            )
            if applies and required not in licences:
                licences[required] = ""
                pending.append(required)
        metadata = package.metadata
        classifiers = [
            line for line in metadata.get_all("Classifier") or [] if line.startswith("License")
        ]
        expression, text = metadata.get("License-Expression"), metadata.get("License")
        licences[name] = " ".join([expression or "", (text or "")[:200], *classifiers])
    return licences


def test_no_dependency_has_a_copyleft_licence_except_psycopg() -> None:
    licences = installed_licences()
    assert {"sqlmodel", "click", "networkx", "psycopg", "pydantic"} <= licences.keys()
    for name, licence in licences.items():
        without_lgpl = licence.replace("Lesser General Public", "").replace("LGPL", "")
        assert not re.search(r"GPL|General Public", without_lgpl), (name, licence)
        if "LGPL" in licence or "Lesser" in licence:
            assert name in ("psycopg", "psycopg-binary"), (name, licence)


def test_every_requirement_has_a_lower_and_an_upper_bound() -> None:
    requires = distribution("claimledger").requires or []
    for requirement in requires:
        if "extra ==" not in requirement or "postgresql" in requirement:
            assert ">=" in requirement, requirement
            assert "<" in requirement, requirement


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a wheel and the source distribution it was built from."""
    folder = tmp_path_factory.mktemp("built")
    copy = folder / "tree"
    ignored = shutil.ignore_patterns(".venv", ".git", ".*_cache", ".hypothesis", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=ignored)
    build = (
        "from hatchling.build import build_sdist, build_wheel; build_sdist('..'); build_wheel('..')"
    )
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True)
    return folder


def test_the_wheel_works_in_an_empty_environment(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    (sdist,) = built.glob("*.tar.gz")
    assert sdist.stat().st_size < 3_000_000
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(bare / "bin" / "python"), "install"]
    options = [
        "--quiet",
        "--disable-pip-version-check",
        "--no-compile",
    ]  # few of the modules are used
    subprocess.run([*pip, *options, str(wheel)], check=True, cwd=tmp_path)
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
        result = run(*words)
        assert (result.returncode, "Traceback" in result.stderr) == (0, False)
    result = run("--ledger", "postgresql:///x", "stats")
    assert "pip install 'claimledger[postgresql]'" in result.stderr


def test_no_module_of_the_package_fails_to_import() -> None:
    root = ROOT / "src"
    for path in sorted(root.rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        if not name.endswith("__main__"):
            importlib.import_module(name)
