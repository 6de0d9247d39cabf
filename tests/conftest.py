"""Fixtures for every test: a real ledger in a temporary folder or on a server, and a way to run the program."""

from __future__ import annotations

import gc
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from multiprocessing import forkserver, get_context
from multiprocessing.context import BaseContext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import backends
import cli_runner
from claimledger.ledger import Ledger, LedgerLocation
from hypothesis_profile import trials
from terminal import OpenTerminal, Terminal

settings.register_profile(
    "steady",
    trials(100),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("steady")

ROOT = Path(__file__).parent.parent


ABOUT_STORES = (
    "test_postgresql", "test_roles", "test_concurrent_writes", "test_backup", "test_redaction", "test_sql", "test_server"
)  # fmt: skip
"""Modules whose tests are traced for coverage on a server too."""

TRACED_PARAMETERS = 6
"""How many of a test's parameters are traced for coverage."""

EACH_IS_A_COMMAND = (
    "test_every_command_gives_the_documented_output", "test_every_example_of_the_help_runs"
)  # fmt: skip
"""Tests of which each parameter runs other commands: all are traced."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Choose the tests that are traced for coverage: tracing doubles the time of a test.

    Not traced are most tests on a server that are traced on a file, random examples, and the later
    parameters of a test, which reach the lines of the first ones. The floor holds for the lines that the
    traced tests alone reach.
    """
    traced: Counter[str] = Counter()
    for item in items:
        on_a_server = "postgresql" in item.name.partition("[")[2]
        is_repeated = on_a_server and item.path.stem not in ABOUT_STORES
        function = item.nodeid.partition("[")[0]
        is_late = traced[function] >= TRACED_PARAMETERS and not function.endswith(EACH_IS_A_COMMAND)
        if is_repeated or is_late or item.get_closest_marker("at_random"):
            item.add_marker(pytest.mark.no_cover)
        else:
            traced[function] += 1


@pytest.fixture(autouse=True)
def traced_commands(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the coverage of the commands that a traced test runs."""
    is_traced = request.node.get_closest_marker("no_cover") is None
    if is_traced and request.config.pluginmanager.hasplugin("_cov"):
        monkeypatch.setenv(cli_runner.TRACED, "1")


def pytest_collection_finish() -> None:
    """Exempt what is imported by now from the garbage collector, which would visit it at each of its runs."""
    gc.collect()
    gc.freeze()


@pytest.fixture(params=backends.STORES)
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test once on each store."""
    backends.Current.store = request.param
    yield request.param
    backends.drop_databases()
    backends.Current.store = "file"


@pytest.fixture
def path(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> LedgerLocation:
    """Return a location for a new ledger; commands that name no ledger use it."""
    if store != "file" and "ledger" in request.fixturenames:
        # Copying an empty database takes a third of the time of creating a ledger in a schema.
        location = backends.EMPTY.copy(tmp_path)
    else:
        location = backends.new_location(tmp_path)
    if store != "file":
        monkeypatch.setenv("CLAIMLEDGER_DB", str(location))
    return location


@pytest.fixture
def ledger(path: LedgerLocation) -> Iterator[Ledger]:
    is_file = isinstance(path, Path)
    with Ledger.create(path) if is_file else Ledger.open(path, writable=True) as ledger:
        yield ledger


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's drafts and settings out of the tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("CLAIMLEDGER_BY", "Tester")
    monkeypatch.setenv("CLAIMLEDGER_TRACEBACK", "1")  # show a bug as a traceback, not as a message
    monkeypatch.delenv("CLAIMLEDGER_DB", raising=False)


CompletedCommand = subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def launcher() -> BaseContext:
    """Return a fork server that has imported the program: imports are two thirds of a command's time."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["warm_cli_runner"])
    with pytest.MonkeyPatch.context() as patched:
        # Python 3.11 does not pass sys.path to the fork server, which then silently preloads nothing.
        patched.setenv("PYTHONPATH", str(Path(__file__).parent))
        forkserver.ensure_running()
    return context


@pytest.fixture
def call(tmp_path: Path, launcher: BaseContext) -> Callable[..., CompletedCommand]:
    """Return a function that runs the program in a process of its own, as a user does.

    It takes the arguments of the program, ``text`` for standard input, and ``cwd`` for the working folder,
    which is the test's temporary folder if omitted.
    """

    def run(
        *words: str | Path, text: str | None = None, cwd: Path | None = None
    ) -> CompletedCommand:
        return cli_runner.call(launcher, [str(word) for word in words], text, cwd or tmp_path)

    return run


@pytest.fixture
def terminal(tmp_path: Path, launcher: BaseContext) -> Iterator[OpenTerminal]:
    """Return a function that opens a terminal in which the program runs, in the test's temporary folder."""
    with ExitStack() as stack:
        yield lambda *words: stack.enter_context(Terminal(launcher, tmp_path, list(words)))
