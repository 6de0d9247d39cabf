"""Measures queries on ledgers of 10,000 to 1,000,000 claims, on either store.

There are two questions: how the time of an answer grows with the ledger, and how it compares with a
baseline, such as the SQL statements that the query sends, without claimledger.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import orjson

from bench import floor
from bench.backends import Backend, FileBackend, ServerBackend, copy_ledger
from bench.ledger_generator import build_ledger
from bench.raw_queries import QueryRecorder
from bench.report import Cell, Row, timed
from claimledger.analysis.analysis import ALONE, Analysis
from claimledger.analysis.disputes import disputes
from claimledger.analysis.graph import graph_of
from claimledger.analysis.impact import ImpactIndex
from claimledger.importers.case_files import read_files
from claimledger.ledger import Ledger
from claimledger.present.audit import audit
from claimledger.present.explanation import explain
from claimledger.present.report import report
from claimledger.services.propose import propose

ABOUT_ONE_CLAIM = ("show", "origins", "audit", "explain")
SUBJECT_REPORT = "disputes --subject"
PROPOSE_SINCE = "propose --since the last entry"

Seconds = dict[str, float]
"""The time of each query; that of a baseline has the query's name and ``, bare``."""


def prepare_ledger(backend: Backend, size: int, folder: Path) -> str:
    """Return the name of the generated ledger of a size.

    It is generated once, as a file in ``folder``, and copied from there to the backend.
    """
    name = f"world_{size}"
    files = FileBackend(folder)
    if not files.exists(name):
        build_ledger(Path(files.address(name)), size)
    if not backend.exists(name):
        copy_ledger(files.address(name), backend.address(name))
        backend.update_statistics(name)
    return name


def sample_claims(ledger: Ledger, size: int) -> list[str]:
    """Return claims from the middle of a ledger: ten that are alone, ten from small cascades.

    They are of the same kind at every size, so that the times can be compared.
    """
    middle = [f"c{n}" for n in range(size // 2, size // 2 + 400)]
    analysis = Analysis(graph_of(ledger.neighbourhood(middle)))
    assertions = analysis.assertions
    members_of = {key: len(assertions.members[assertions.of[key]]) for key in analysis.graph.claims}
    alone = [key for key, members in members_of.items() if members == 1]
    in_cascades = [key for key, members in members_of.items() if 3 <= members <= 8]
    return [*alone[:10], *in_cascades[:10]]


def queries_about_one(ledger: Ledger, known_at: int | None) -> dict[str, Callable[[str], object]]:
    """Return the queries about one claim. Each call takes a new view, which has nothing cached."""

    def explain_claim(key: str) -> object:
        view = ledger.at(known_at=known_at)
        return explain(view, view.analysis([key]), key)

    return {
        "show": lambda key: ledger.at(known_at=known_at).analysis([key]).as_json(key),
        "origins": lambda key: ledger.at(known_at=known_at).analysis([key]).origins(key),
        "audit": lambda key: audit(ledger.at(known_at=known_at), key),
        "explain": explain_claim,
    }


def time_queries(backend: Backend, name: str, size: int) -> Seconds:
    """Return the time of every query on one ledger, and of the baselines."""
    seconds: Seconds = {}
    with Ledger.open(backend.address(name)) as ledger, ledger.reading():
        keys = sample_claims(ledger, size)
        last_but_one = ledger.head().size - 1
        for known_at, suffix in ((None, ""), (last_but_one, " --known-at")):
            for query, ask in queries_about_one(ledger, known_at).items():
                seconds[query + suffix] = median(timed(partial(ask, key), 3) for key in keys)
        seconds[SUBJECT_REPORT] = timed(lambda: report(ledger, subject="t11", corrections=False), 3)
        seconds[PROPOSE_SINCE] = timed(lambda: propose(ledger, last_but_one), 3)
        seconds["search"] = timed(lambda: ledger.search("harvest railway"), 3)
        seconds["get"] = median(timed(partial(ledger.get, "claim", key), 3) for key in keys)
    with QueryRecorder(backend, name) as recorder:

        def replayed(work: Callable[..., object]) -> float:
            recorded = [recorder.record(partial(work, key=key)) for key in keys]
            return median(timed(partial(recorder.replay, queries), 3) for queries in recorded)

        seconds["get, bare"] = replayed(_get)
        seconds["show, bare"] = replayed(_show)
        # The first statement is the full-text query; the rest load what it matched.
        search = recorder.record(lambda ledger: ledger.search("harvest railway"))[:1]
        seconds["search, bare"] = timed(partial(recorder.replay, search), 3)
    return seconds


def _get(ledger: Ledger, key: str) -> object:
    return ledger.get("claim", key)


def _show(ledger: Ledger, key: str) -> object:
    return queries_about_one(ledger, None)["show"](key)


def best_times(backend: Backend, names: dict[int, str], times: int = 3) -> dict[int, Seconds]:
    """Return the best time of every query at each size.

    The sizes alternate. They are reported as ratios of each other, so a slow phase of the machine must not
    fall on one size alone.
    """
    best: dict[int, Seconds] = {size: {} for size in names}
    for _ in range(times):
        for size, name in names.items():
            for query, seconds in time_queries(backend, name, size).items():
                best[size][query] = min(seconds, best[size].get(query, seconds))
    return best


def time_all_claims(backend: Backend, name: str) -> dict[str, float]:
    """Return the times of the analysis of a whole ledger, and the memory it needed in MiB.

    It runs in a process of its own (see :func:`time_in_process`), so that the memory is that of this work.
    """
    results: dict[str, float] = {}
    gc.disable()  # as the program itself does
    with Ledger.open(backend.address(name)) as ledger, ledger.reading():
        start = time.perf_counter()
        analysis = Analysis(graph_of(ledger.linked_graph()))
        linked = analysis.graph.claims
        statuses = {
            key: analysis.as_json(key) if key in linked else ALONE for key in ledger.keys("claim")
        }
        results["standings of all"] = time.perf_counter() - start
        assert len(statuses) == ledger.counts()["claim"]
        with backend.connect(name) as connection:
            results["networkx"] = timed(partial(floor.traverse_links, connection))
        start = time.perf_counter()
        disputes(analysis)
        results["disputes of all"] = time.perf_counter() - start
        start = time.perf_counter()
        ImpactIndex(analysis).heaviest(20)
        results["load-bearing, linked part"] = time.perf_counter() - start
    results["memory"] = peak_memory()
    return results


def peak_memory() -> float:
    """Return the most memory that this process has had, in MiB (Linux only)."""
    # Not getrusage: after a fork it includes the memory of the parent.
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def time_in_process(backend: Backend, name: str) -> dict[str, float]:
    """Run :func:`time_all_claims` in a new process and return its results."""
    base = backend.uri if isinstance(backend, ServerBackend) else str(backend.folder)
    command = [sys.executable, "-m", "bench.queries", backend.name, base, name]
    completed = subprocess.run(command, check=True, capture_output=True)
    results: dict[str, float] = json.loads(completed.stdout)
    return results


def time_repeated_claim(backend: Backend, case: Path, repeats: int) -> float:
    """Return the time of the standing of one claim that ``repeats`` others repeat."""
    claim = {"kind": "claim", "statement": "so", "claimant": ["p"], "subject": "t",
             "citations": [{"source": "s"}]}  # fmt: skip
    link = {"kind": "link", "type": "repeats", "to": "c0", "basis": "judged"}
    with case.open("wb") as file:
        for record in (
            {"kind": "party", "key": "p", "name": "P"},
            {"kind": "source", "key": "s", "title": "S"},
            {"kind": "subject", "key": "t", "label": "T"},
        ):
            file.write(orjson.dumps(record) + b"\n")
        for n in range(repeats + 1):
            file.write(orjson.dumps({**claim, "key": f"c{n}"}) + b"\n")
        for n in range(1, repeats + 1):
            file.write(orjson.dumps({**link, "key": f"l{n}", "from": f"c{n}"}) + b"\n")
    backend.remove("giant")
    with Ledger.create(backend.address("giant")) as ledger:
        ledger.import_records(read_files([str(case)]), by="bench")
    backend.update_statistics("giant")
    with Ledger.open(backend.address("giant")) as ledger, ledger.reading():
        return timed(lambda: Analysis(graph_of(ledger.neighbourhood(["c0"]))).as_json("c0"))


def measure_queries(backend: Backend, folder: Path, sizes: list[int]) -> Iterator[Row]:
    """Yield how long every query takes at each size."""
    names = {size: prepare_ledger(backend, size, folder) for size in sizes}
    by_size = best_times(backend, names)
    smallest, largest = min(sizes), max(sizes)

    def growth(query: str) -> Row:
        """Compare a query with itself on the smallest ledger."""
        cells = {
            size: Cell(seconds[query], by_size[smallest][query])
            for size, seconds in by_size.items()
        }
        return Row(query, f"the same at {smallest:,}", 1.5, cells=cells)

    def against(query: str, other_query: str, baseline: str, budget: float) -> Row:
        """Compare a query with another one at the same size."""
        cells = {size: Cell(times[query], times[other_query]) for size, times in by_size.items()}
        return Row(query, baseline, budget, cells=cells)

    yield against("get", "get, bare", "its SQL statements alone", 1.5)
    yield against("show", "show, bare", "its SQL statements alone", 1.5)
    for query in (*ABOUT_ONE_CLAIM, SUBJECT_REPORT, PROPOSE_SINCE):
        yield growth(query)
    for query in ABOUT_ONE_CLAIM:
        yield against(f"{query} --known-at", query, "without `--known-at`", 2.0)
    yield against("search", "search, bare", "the full-text query alone", 1.5)
    all_claims = {size: time_in_process(backend, name) for size, name in names.items()}
    standings = {
        size: Cell(results["standings of all"], results["networkx"])
        for size, results in all_claims.items()
    }
    yield Row("standings of all", "networkx: build graph, one pass", 3.0, cells=standings)
    for work in ("disputes of all", "load-bearing, linked part"):
        yield Row(work, cells={size: Cell(results[work]) for size, results in all_claims.items()})
    memory = {size: Cell(results["memory"], 2048) for size, results in all_claims.items()}
    yield Row("memory for these", "2 GiB", 1.0, "MiB", memory)
    verified = {size: measure_verify(backend, name) for size, name in names.items()}
    yield Row("verify", "read, SHA-256, tree", 2.0, cells=verified)
    repeats = largest // 10
    seconds = time_repeated_claim(backend, folder / "giant.jsonl", repeats)
    yield Row(
        f"a claim that {repeats:,} claims repeat", "1 s", 1.0, cells={largest: Cell(seconds, 1.0)}
    )


def measure_verify(backend: Backend, name: str) -> Cell:
    """Measure ``verify`` against reading and hashing every entry and building the tree."""

    def verify() -> str:
        with Ledger.open(backend.address(name)) as ledger, ledger.reading():
            result = ledger.verify()
            assert result.clean
            return result.root.hex()

    def verify_raw() -> str:
        with backend.connect(name) as connection:
            return floor.verify_log(connection)

    assert verify() == verify_raw()
    return Cell(timed(verify), timed(verify_raw))


def main() -> None:
    """Print the results of :func:`time_all_claims` as JSON. Arguments: store, its folder or URI, ledger."""
    store, base, name = sys.argv[1:]
    is_server = store == ServerBackend.name
    backend: Backend = ServerBackend(base) if is_server else FileBackend(Path(base))
    print(json.dumps(time_all_claims(backend, name)))


if __name__ == "__main__":
    main()
