"""How answers grow with the ledger: the same questions of ledgers of 10,000 to 1,000,000 claims.

``python -m bench.scale [--most 1000000] [--folder PATH] [--write docs/performance.md]``
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import networkx as nx

from bench import floor
from bench.world import build
from claimledger.disputes.disputes import disputes
from claimledger.disputes.graph import graph_of
from claimledger.disputes.loadbearing import Loads
from claimledger.disputes.proposals.gathering import propose
from claimledger.disputes.standing import ALONE, Answers
from claimledger.ledger import Ledger
from claimledger.ledger.words import words_of
from claimledger.publish.audit import audit
from claimledger.publish.explain import explain
from claimledger.publish.report import report

SIZES = (10_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Grown:
    """One question at several sizes, in seconds, with its budget."""

    what: str
    seconds: dict[int, float]
    budget: str
    ratio: float | None
    held: bool | None


def timed(work: Callable[[], object], times: int = 1) -> float:
    taken = []
    for _ in range(times):
        gc.collect()
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def some_claims(ledger: Ledger, size: int) -> list[str]:
    """Claims of the same parts of each world: alone, and in cascades of a few."""
    answers = Answers(
        graph_of(ledger.neighbourhood([f"c{n}" for n in range(size // 2, size // 2 + 400)]))
    )
    members = answers.assertions.members
    alone = [key for key in answers.graph.claims if len(members[answers.assertions.of[key]]) == 1]
    some = [
        key for key in answers.graph.claims if 3 <= len(members[answers.assertions.of[key]]) <= 8
    ]
    return [*alone[:10], *some[:10]]


def of_one(ledger: Ledger, known: int | None) -> dict[str, Callable[[str], object]]:
    def answers(key: str) -> Answers:
        return Answers(graph_of(ledger.neighbourhood([key], known)))

    return {
        "show": lambda key: answers(key).as_json(key),
        "origins": lambda key: answers(key).origins(key),
        "audit": lambda key: audit(ledger, key, known),
        "explain": lambda key: explain(ledger, answers(key), key, known),
    }


def at_size(path: Path, size: int) -> dict[str, float]:
    found: dict[str, float] = {}
    with Ledger.open(path) as ledger, ledger.reading():
        keys = some_claims(ledger, size)
        known = ledger.head().size - 1
        for clock, name in ((None, ""), (known, " --known-at")):
            for what, ask in of_one(ledger, clock).items():
                found[what + name] = median(timed(partial(ask, key), 3) for key in keys)
        subject = f"t{11}"
        found["disputes --subject"] = timed(
            lambda: report(ledger, subject=subject, corrections=False), 3
        )
        since = ledger.head().size - 1
        found["propose --since the last entry"] = timed(lambda: propose(ledger, since), 3)
        query = "harvest railway"
        raw = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        match = " AND ".join(words_of(query))
        bare = "SELECT rowid FROM search WHERE search MATCH ? ORDER BY rowid DESC LIMIT 1000"
        found["search"] = timed(lambda: ledger.search(query), 3)
        found["search: bare FTS5"] = timed(lambda: raw.execute(bare, (match,)).fetchall(), 3)
        raw.close()
    return found


def of_all(path: Path) -> dict[str, float]:
    """Everything at once, in a process of its own, so that its memory can be told."""
    found: dict[str, float] = {}
    gc.disable()  # as the program itself does
    with Ledger.open(path) as ledger, ledger.reading():
        start = time.perf_counter()
        answers = Answers(graph_of(ledger.linked()))
        linked = answers.graph.claims
        told = {
            key: answers.as_json(key) if key in linked else ALONE for key in ledger.keys("claim")
        }
        found["standings of all"] = time.perf_counter() - start
        assert len(told) == ledger.counts()["claim"]
        found["networkx, linked part"] = linked_part(path)
        start = time.perf_counter()
        disputes(answers)
        found["disputes of all"] = time.perf_counter() - start
        start = time.perf_counter()
        Loads(answers).heaviest(20)
        found["load-bearing, linked part"] = time.perf_counter() - start
    found["memory, MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def linked_part(path: Path) -> float:
    """The floor of ``standings``: read the links, build them in networkx, pass over them once."""
    start = time.perf_counter()
    raw = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    graph = nx.MultiDiGraph()
    query = "SELECT \"from\", to_key, type FROM link WHERE until IS NULL AND to_kind = 'claim'"
    graph.add_edges_from((one, other, {"type": kind}) for one, other, kind in raw.execute(query))
    raw.close()
    seen = 0
    for node in graph:
        seen += sum(1 for _ in graph.in_edges(node)) + sum(1 for _ in graph.out_edges(node))
    return time.perf_counter() - start


def giant(folder: Path, repeats: int) -> float:
    """One claim that ``repeats`` others pass on."""
    import orjson

    from claimledger.intake.case_files import read_files

    case = folder / "giant.jsonl"
    with case.open("wb") as out:
        for one in (
            {"kind": "party", "key": "p", "name": "P"},
            {"kind": "source", "key": "s", "title": "S"},
            {"kind": "subject", "key": "t", "label": "T"},
        ):
            out.write(orjson.dumps(one) + b"\n")
        for n in range(repeats + 1):
            out.write(orjson.dumps({"kind": "claim", "key": f"c{n}", "statement": "so", "claimant": ["p"],
                                    "subject": "t", "citations": [{"source": "s"}]}) + b"\n")  # fmt: skip
        for n in range(1, repeats + 1):
            out.write(orjson.dumps({"kind": "link", "key": f"l{n}", "type": "repeats", "from": f"c{n}",
                                    "to": "c0", "basis": "judged"}) + b"\n")  # fmt: skip
    path = folder / "giant.db"
    with Ledger.create(path) as ledger:
        ledger.take(read_files([str(case)]), by="bench")
    with Ledger.open(path) as ledger, ledger.reading():
        return timed(lambda: Answers(graph_of(ledger.neighbourhood(["c0"]))).as_json("c0"))


def grown(by_size: dict[int, dict[str, float]]) -> list[Grown]:
    least, most = min(by_size), max(by_size)
    found = []
    for what in by_size[least]:
        if what == "search: bare FTS5":
            continue
        seconds = {size: one[what] for size, one in by_size.items()}
        ratio = seconds[most] / seconds[least]
        if what.endswith("--known-at"):
            plain = by_size[most][what.removesuffix(" --known-at")]
            ratio, budget, limit = seconds[most] / plain, "2 × without", 2.0
        elif what == "search":
            ratio, budget, limit = (
                seconds[most] / by_size[most]["search: bare FTS5"],
                "1.5 × bare FTS5",
                1.5,
            )
        else:
            budget, limit = f"1.5 × at {least:,}", 1.5
        found.append(Grown(what, seconds, budget, ratio, ratio <= limit))
    return found


def elsewhere(path: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.scale", "--all-of", str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def lines(found: list[Grown], every: dict[int, dict[str, float]], verify: dict[int, tuple[float, float]],
          many: tuple[int, float]) -> list[str]:  # fmt: skip
    sizes = sorted(every)
    told = ["| question of one claim | " + " | ".join(f"{s:,}" for s in sizes) + " | ratio | budget | |",
            "|---|" + "---:|" * (len(sizes) + 1) + "---|---|"]  # fmt: skip
    for one in found:
        cells = " | ".join(f"{one.seconds[s] * 1000:.1f} ms" for s in sizes)
        told.append(
            f"| {one.what} | {cells} | {one.ratio:.2f} | {one.budget} | {'held' if one.held else 'over'} |"
        )
    told += ["", "| of everything | " + " | ".join(f"{s:,}" for s in sizes) + " | budget | |",
             "|---|" + "---:|" * len(sizes) + "---|---|"]  # fmt: skip
    for what in every[sizes[0]]:
        unit = "" if what.endswith("MiB") else " s"
        cells = " | ".join(f"{every[s][what]:.2f}{unit}" for s in sizes)
        told.append(f"| {what} | {cells} | | |")
    most = sizes[-1]
    ratio = every[most]["standings of all"] / every[most]["networkx, linked part"]
    told.append(f"| standings beside networkx | {' | '.join('' for _ in sizes[1:])} | {ratio:.2f} | 3 | "
                f"{'held' if ratio <= 3 else 'over'} |")  # fmt: skip
    cells = " | ".join(f"{own / raw:.2f}" for own, raw in (verify[s] for s in sizes))
    held = all(own / raw <= 2 for own, raw in verify.values())
    told.append(
        f"| verify beside read, SHA-256, tree | {cells} | 2 | {'held' if held else 'over'} |"
    )
    repeats, seconds = many
    told += [
        "",
        f"A claim that {repeats:,} others repeat answers in {seconds:.2f} s (budget: 1 s).",
    ]
    return told


def verifying(path: Path) -> tuple[float, float]:
    def ours() -> None:
        with Ledger.open(path) as ledger:
            assert ledger.verify().clean

    return timed(ours), timed(lambda: floor.check(path))


BEGIN, END = "<!-- measured -->", "<!-- end -->"


def main() -> None:
    """Measure, print, and write the page where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--all-of", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.all_of:
        print(json.dumps(of_all(given.all_of)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = given.folder or Path(name)
        paths = {size: folder / f"world-{size}.db" for size in SIZES if size <= given.most}
        for size, path in paths.items():
            if not path.exists():
                build(path, size)
        found = grown({size: at_size(path, size) for size, path in paths.items()})
        every = {size: elsewhere(path) for size, path in paths.items()}
        verify = {size: verifying(path) for size, path in paths.items()}
        repeats = min(100_000, given.most // 10)
        told = lines(found, every, verify, (repeats, giant(Path(name), repeats)))
    print("\n".join(told))
    if given.write:
        page = given.write.read_text("utf-8")
        head, _, rest = page.partition(BEGIN)
        given.write.write_text(
            "\n".join([head + BEGIN, *told, END]) + rest.partition(END)[2], "utf-8"
        )


if __name__ == "__main__":
    main()
