"""Measures imports and the start of the program, against scripts and tools that do only the same work."""

from __future__ import annotations

import compileall
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import orjson
import sqlite_utils

from bench import floor
from bench.backends import Backend, FileBackend
from bench.case_generator import write_case
from bench.report import Cell, Row, timed
from claimledger.importers.case_files import read_files
from claimledger.ledger import Ledger

ROOT = Path(__file__).parent.parent
CASE_LEDGER = "ours"
"""The name of the ledger into which a generated case is imported."""

_MOST_REPEATED = 500_000
"""From this many claims, an import is measured once only and the slower comparisons are left out."""


def measure_imports(backend: Backend, folder: Path, sizes: list[int]) -> Iterator[Row]:
    """Yield how long importing a generated case takes at each size.

    A claim has one figure and one citation, and there are two links for every five claims.
    """
    raw, utils, tables, amended = {}, {}, {}, {}
    for size in sizes:
        case = folder / f"case-{size}.jsonl"
        if not case.exists():
            write_case(case, size, size * 2 // 5)
        own_times, raw_times = [], []
        # Alternating runs, the best of each: a slow phase of the machine then affects both.
        for _ in range(3 if size < _MOST_REPEATED else 1):
            for name in (CASE_LEDGER, "raw"):
                backend.remove(name)
            own_times.append(timed(partial(_import_case, backend, case)))
            raw_times.append(timed(partial(_import_raw, backend, case)))
        own = min(own_times)
        raw[size] = Cell(own, min(raw_times))
        if size < _MOST_REPEATED:
            amended[size] = Cell(_time_of_amending(backend, folder, case), own)
        if isinstance(backend, FileBackend) and size < _MOST_REPEATED:
            target = backend.folder
            utils[size] = Cell(own, timed(partial(_insert_with_tool, case, target / "utils.db")))
            tables[size] = Cell(
                own, timed(partial(_copy_tables, target / "raw.db", target / "tables.db"))
            )
            for name in ("utils", "tables"):
                backend.remove(name)
    if isinstance(backend, FileBackend):
        yield Row("import", "raw `sqlite3` script, same rows", 1.5, cells=raw)
        yield Row("import", "`sqlite-utils insert` + `enable-fts`", 1.3, cells=utils)
        yield Row("import", "sqlite-utils writing the same tables", 1.0, cells=tables)
    else:
        yield Row("import", "raw `COPY`, same rows", 2.0, cells=raw)
    yield Row("import --amend, every claim", "importing them", 2.0, cells=amended)


def _import_case(backend: Backend, case: Path) -> None:
    with Ledger.create(backend.address(CASE_LEDGER)) as ledger:
        ledger.import_records(read_files([str(case)]), by="x")


def _time_of_amending(backend: Backend, folder: Path, case: Path) -> float:
    """Return how long a second import of a case takes in which every claim has gained a note."""
    amended_case = folder / f"{case.stem}-amended.jsonl"
    with case.open("rb") as lines, amended_case.open("wb") as file:
        for record in map(orjson.loads, lines):
            if record["kind"] == "claim":
                file.write(orjson.dumps({**record, "note": "seen again"}) + b"\n")
    with Ledger.open(backend.address(CASE_LEDGER), writable=True) as ledger:
        size = ledger.head().size
        incoming = read_files([str(amended_case)])
        seconds = timed(
            lambda: ledger.import_records(incoming, by="x", amend=True, reason="seen again")
        )
        assert ledger.head().size == size + ledger.counts()["claim"]
    amended_case.unlink()
    return seconds


def _import_raw(backend: Backend, case: Path) -> None:
    if isinstance(backend, FileBackend):
        floor.write_sqlite(case, Path(backend.address("raw")))
    else:
        floor.copy_to_postgresql(case, backend.uri, "raw")


def _insert_with_tool(case: Path, target: Path) -> None:
    """Run ``sqlite-utils insert`` on a case file, then ``enable-fts`` on the statements."""
    tool = str(Path(sys.executable).parent / "sqlite-utils")
    insert = [tool, "insert", str(target), "record", str(case), "--nl", "--alter", "--silent"]
    subprocess.run(insert, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([tool, "enable-fts", str(target), "record", "statement"], check=True)


def _copy_tables(raw: Path, target: Path) -> None:
    """Write the tables of the raw script with sqlite-utils as a library.

    The rows are read from the script's file while they are written. That costs less than making them
    as claimledger does, since no digest is computed, so the comparison favours sqlite-utils.
    """
    source = sqlite3.connect(raw)
    source.row_factory = sqlite3.Row
    target_db = sqlite_utils.Database(str(target))
    keys = {"entry": "number", "reference": ("kind", "key", "entry", "field")}
    keys |= dict.fromkeys(("claim_figure", "claim_citation"), ("entry", "position"))
    plain = "entry history party source subject claim claim_figure claim_citation link reference"
    for name in (*plain.split(), "search_words"):
        rows = (dict(row) for row in source.execute(f"SELECT * FROM {name}"))
        target_db[name].insert_all(rows, pk=keys.get(name, "entry"), batch_size=4000)
    for index in ("CREATE INDEX a ON history(key, kind)", "CREATE INDEX b ON claim_figure(low_sort)",
                  "CREATE INDEX c ON claim_figure(high_sort)",
                  "CREATE INDEX d ON claim(asserted_earliest, asserted_latest)"):  # fmt: skip
        target_db.execute(index)
    target_db["search_words"].enable_fts(["words"])
    target_db.close()
    source.close()


def measure_startup(backend: Backend, size: int) -> Iterator[Row]:
    """Yield how long whole commands take: ``--help``, and ``show`` on a small and on a large ledger."""
    compileall.compile_dir(ROOT / "src", quiet=1)  # pip does this when it installs a package
    tool = str(Path(sys.executable).parent / "claimledger")
    if isinstance(backend, FileBackend):
        own_help, click = _best_process_times(
            [tool, "--help"], [sys.executable, "-c", "import click"]
        )
        yield Row("`--help`", "`import click`", 1.6, cells={size: Cell(own_help, click)})
        baseline, needed = "`import sqlmodel`", "import sqlmodel"
    else:
        baseline = "`import sqlmodel, psycopg`, connect"
        needed = f"import sqlmodel, psycopg; psycopg.connect({backend.uri!r})"
    backend.remove("worked")
    with Ledger.open(ROOT / "ledger.db") as ledger:
        ledger.move(backend.address("worked"))
    small, large, imports = _best_process_times(
        [tool, "--ledger", backend.address("worked"), "show", "rfa-54"],
        [tool, "--ledger", backend.address(CASE_LEDGER), "show", f"claim-{size - 1}"],
        [sys.executable, "-c", needed],
    )
    worked = "`show`, the worked example"
    yield Row(worked, baseline, 1.35, cells={size: Cell(small, imports)})
    yield Row("`show`, a generated case", worked, 1.5, cells={size: Cell(large, small)})


def _best_process_times(*commands: list[str], times: int = 9) -> list[float]:
    """Return the best time of each command as a process of its own, with the runs alternating."""
    best = [float("inf")] * len(commands)
    for _ in range(times):
        for position, command in enumerate(commands):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
            best[position] = min(best[position], time.perf_counter() - start)
    return best
