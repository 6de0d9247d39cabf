"""Questions of ledgers of 10,000 to 1,000,000 claims, on either store: how answers grow, and their floors."""

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
from bench.backends import Files, Places, Schemas, moved
from bench.ledger_generator import build
from bench.raw_queries import Heard
from bench.report import Cell, Line, timed
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


def world(where: Places, size: int, path: Path) -> str:
    """Return the address of the world of a size; it is made once, in ``path``, and moved from there."""
    name = f"world_{size}"
    source = Files(path)
    if not source.holds(name):
        build(Path(source.where(name)), size)
    if not where.holds(name):
        moved(source.where(name), where.where(name))
        where.settle(name)
    return name


def some_claims(ledger: Ledger, size: int) -> list[str]:
    """Claims of the same parts of each world: alone, and in cascades of a few."""
    answers = Analysis(
        graph_of(ledger.neighbourhood([f"c{n}" for n in range(size // 2, size // 2 + 400)]))
    )
    members = answers.assertions.members
    alone = [key for key in answers.graph.claims if len(members[answers.assertions.of[key]]) == 1]
    some = [
        key for key in answers.graph.claims if 3 <= len(members[answers.assertions.of[key]]) <= 8
    ]
    return [*alone[:10], *some[:10]]


def of_one(ledger: Ledger, known_at: int | None) -> dict[str, Callable[[str], object]]:
    """Return the questions about one claim. Each call takes a new view, which has read nothing yet."""

    def explained(key: str) -> object:
        view = ledger.at(known_at=known_at)
        return explain(view, view.analysis([key]), key)

    return {
        "show": lambda key: ledger.at(known_at=known_at).analysis([key]).as_json(key),
        "origins": lambda key: ledger.at(known_at=known_at).analysis([key]).origins(key),
        "audit": lambda key: audit(ledger.at(known_at=known_at), key),
        "explain": explained,
    }


def at_size(where: Places, name: str, size: int) -> dict[str, float]:
    """Ask one world, in seconds; a floor is named after its question."""
    answers: dict[str, float] = {}
    with Ledger.open(where.where(name)) as ledger, ledger.reading():
        keys = some_claims(ledger, size)
        known = ledger.head().size - 1
        for clock, ending in ((None, ""), (known, " --known-at")):
            for what, ask in of_one(ledger, clock).items():
                answers[what + ending] = median(timed(partial(ask, key), 3) for key in keys)
        answers["disputes --subject"] = timed(
            lambda: report(ledger, subject="t11", corrections=False), 3
        )
        since = ledger.head().size - 1
        answers["propose --since the last entry"] = timed(lambda: propose(ledger, since), 3)
        answers["search"] = timed(lambda: ledger.search("harvest railway"), 3)
        answers["get"] = median(timed(partial(ledger.get, "claim", key), 3) for key in keys)
    with Heard(where, name) as heard:
        gets = [heard.by(partial(_get, key=key)) for key in keys]
        answers["get, bare"] = median(timed(partial(heard.again, queries), 3) for queries in gets)
        shows = [heard.by(partial(_show, key=key)) for key in keys]
        answers["show, bare"] = median(timed(partial(heard.again, queries), 3) for queries in shows)
        first = heard.by(lambda ledger: ledger.search("harvest railway"))[:1]
        answers["search, bare"] = timed(partial(heard.again, first), 3)
    return answers


def _get(ledger: Ledger, key: str) -> object:
    return ledger.get("claim", key)


def _show(ledger: Ledger, key: str) -> object:
    return of_one(ledger, None)["show"](key)


def by_turns(where: Places, names: dict[int, str], times: int = 3) -> dict[int, dict[str, float]]:
    """Ask every world, a size after the other and again; keep the best of each question."""
    # One size is told as so many times another: the machine's moods must not fall on one alone.
    best: dict[int, dict[str, float]] = {size: {} for size in names}
    for _ in range(times):
        for size, name in names.items():
            for what, took in at_size(where, name, size).items():
                best[size][what] = min(took, best[size].get(what, took))
    return best


def of_all(where: Places, name: str) -> dict[str, float]:
    """Ask for everything at once, in a process of its own, so that its memory can be told."""
    results: dict[str, float] = {}
    gc.disable()  # as the program itself does
    with Ledger.open(where.where(name)) as ledger, ledger.reading():
        start = time.perf_counter()
        answers = Analysis(graph_of(ledger.linked_graph()))
        linked = answers.graph.claims
        answer = {
            key: answers.as_json(key) if key in linked else ALONE for key in ledger.keys("claim")
        }
        results["standings of all"] = time.perf_counter() - start
        assert len(answer) == ledger.counts()["claim"]
        with where.bare(name) as bare:
            results["networkx"] = timed(partial(floor.linked_part, bare))
        start = time.perf_counter()
        disputes(answers)
        results["disputes of all"] = time.perf_counter() - start
        start = time.perf_counter()
        ImpactIndex(answers).heaviest(20)
        results["load-bearing, linked part"] = time.perf_counter() - start
    results["memory"] = most_memory()
    return results


def most_memory() -> float:
    """Return the most memory this process had, in MiB."""
    # Not getrusage: it counts what the parent had when this process was forked.
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def elsewhere(where: Places, name: str) -> dict[str, float]:
    """Do the work of :func:`of_all` in another process."""
    base = where.uri if isinstance(where, Schemas) else str(where.folder)
    run = [sys.executable, "-m", "bench.asking", where.name, base, name]
    answers: dict[str, float] = json.loads(
        subprocess.run(run, check=True, capture_output=True).stdout
    )
    return answers


def giant(where: Places, case: Path, repeats: int) -> float:
    """One claim that ``repeats`` others pass on."""
    with case.open("wb") as out:
        for record in (
            {"kind": "party", "key": "p", "name": "P"},
            {"kind": "source", "key": "s", "title": "S"},
            {"kind": "subject", "key": "t", "label": "T"},
        ):
            out.write(orjson.dumps(record) + b"\n")
        for n in range(repeats + 1):
            out.write(orjson.dumps({"kind": "claim", "key": f"c{n}", "statement": "so", "claimant": ["p"],
                                    "subject": "t", "citations": [{"source": "s"}]}) + b"\n")  # fmt: skip
        for n in range(1, repeats + 1):
            out.write(orjson.dumps({"kind": "link", "key": f"l{n}", "type": "repeats", "from": f"c{n}",
                                    "to": "c0", "basis": "judged"}) + b"\n")  # fmt: skip
    where.clear("giant")
    with Ledger.create(where.where("giant")) as ledger:
        ledger.import_records(read_files([str(case)]), by="bench")
    where.settle("giant")
    with Ledger.open(where.where("giant")) as ledger, ledger.reading():
        return timed(lambda: Analysis(graph_of(ledger.neighbourhood(["c0"]))).as_json("c0"))


SINCE = "propose --since the last entry"
ONE = ("show", "origins", "audit", "explain")


def asking(where: Places, path: Path, sizes: list[int]) -> Iterator[Line]:
    """Yield what questions took at every size."""
    names = {size: world(where, size, path) for size in sizes}
    answers = by_turns(where, names)
    least = min(sizes)

    def grown(what: str) -> Line:
        cells = {
            size: Cell(results[what], answers[least][what]) for size, results in answers.items()
        }
        return Line(what, f"the same at {least:,}", 1.5, cells=cells)

    def beside(what: str, name: str, budget: float, right: str) -> Line:
        cells = {size: Cell(times[what], times[right]) for size, times in answers.items()}
        return Line(what, name, budget, cells=cells)

    yield beside("get", "its SQL statements alone", 1.5, "get, bare")
    yield beside("show", "its SQL statements alone", 1.5, "show, bare")
    for what in (*ONE, "disputes --subject", SINCE):
        yield grown(what)
    for what in ONE:
        yield beside(f"{what} --known-at", "without `--known-at`", 2.0, what)
    yield beside("search", "the full-text query alone", 1.5, "search, bare")
    every = {size: elsewhere(where, name) for size, name in names.items()}
    all_of = {
        size: Cell(record["standings of all"], record["networkx"]) for size, record in every.items()
    }
    yield Line("standings of all", "networkx: build graph, one pass", 3.0, cells=all_of)
    for what in ("disputes of all", "load-bearing, linked part"):
        yield Line(what, cells={size: Cell(record[what]) for size, record in every.items()})
    memory = {size: Cell(record["memory"], 2048) for size, record in every.items()}
    yield Line("memory for these", "2 GiB", 1.0, "MiB", memory)
    yield Line("verify", "read, SHA-256, tree", 2.0,
               cells={size: verifying(where, name) for size, name in names.items()})  # fmt: skip
    most = max(sizes)
    took = giant(where, path / "giant.jsonl", most // 10)
    yield Line(
        f"a claim that {most // 10:,} claims repeat", "1 s", 1.0, cells={most: Cell(took, 1.0)}
    )


def verifying(where: Places, name: str) -> Cell:
    """Measure ``verify`` beside reading every entry, hashing it and building the tree."""

    def ours() -> str:
        with Ledger.open(where.where(name)) as ledger, ledger.reading():
            verdict = ledger.verify()
            assert verdict.clean
            return verdict.root.hex()

    def bare() -> str:
        with where.bare(name) as db:
            return floor.check(db)

    assert ours() == bare()
    return Cell(timed(ours), timed(bare))


if __name__ == "__main__":
    store, base, schema = sys.argv[1:]
    right = Schemas(base) if store == Schemas.name else Files(Path(base))
    print(json.dumps(of_all(right, schema)))
