"""Taking a case in, and starting the program: beside scripts and tools that do the same and no more."""

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
from bench.backends import Files, Places
from bench.case_generator import write_case
from bench.report import Cell, Line, timed
from claimledger.importers.case_files import read_files
from claimledger.ledger import Ledger

ROOT = Path(__file__).parent.parent
CASE = "ours"
"""The name of the ledger a made case is taken into."""


def taking_in(where: Places, path: Path, sizes: list[int]) -> Iterator[Line]:
    """Yield what importing took at every size: a figure and a citation a claim, two links for five."""
    raw, utils, tables, amended = {}, {}, {}, {}
    for size in sizes:
        case = path / f"case-{size}.jsonl"
        if not case.exists():
            write_case(case, size, size * 2 // 5)
        own, bare = [], []
        # Side by side, the better of each: the machine's moods fall on both.
        for _ in range(3 if size < 500_000 else 1):
            for name in (CASE, "raw"):
                where.clear(name)
            own.append(timed(partial(_ours, where, case)))
            bare.append(timed(partial(_raw, where, case)))
        raw[size] = Cell(min(own), min(bare))
        if size < 500_000:
            amended[size] = Cell(_amending(where, path, case), min(own))
        if isinstance(where, Files) and size < 500_000:
            target = where.folder
            took = timed(partial(with_sqlite_utils, case, target / "utils.db"))
            utils[size] = Cell(min(own), took)
            took = timed(partial(same_tables, target / "raw.db", target / "tables.db"))
            tables[size] = Cell(min(own), took)
            for name in ("utils", "tables"):
                where.clear(name)
    if isinstance(where, Files):
        yield Line("import", "raw `sqlite3` script, same rows", 1.5, cells=raw)
        yield Line("import", "`sqlite-utils insert` + `enable-fts`", 1.3, cells=utils)
        yield Line("import", "sqlite-utils writing the same tables", 1.0, cells=tables)
    else:
        yield Line("import", "raw `COPY`, same rows", 2.0, cells=raw)
    yield Line("import --amend, every claim", "importing them", 2.0, cells=amended)


def _ours(where: Places, case: Path) -> None:
    with Ledger.create(where.where(CASE)) as ledger:
        ledger.import_records(read_files([str(case)]), by="x")


def _amending(where: Places, path: Path, case: Path) -> float:
    """Measure a second import of a case, in which every claim has a note more."""
    changed = path / f"{case.stem}-amended.jsonl"
    with case.open("rb") as lines, changed.open("wb") as out:
        for line in map(orjson.loads, lines):
            if line["kind"] == "claim":
                out.write(orjson.dumps({**line, "note": "seen again"}) + b"\n")
    with Ledger.open(where.where(CASE), writable=True) as ledger:
        size = ledger.head().size
        incoming = read_files([str(changed)])
        took = timed(
            lambda: ledger.import_records(incoming, by="x", amend=True, reason="seen again")
        )
        assert ledger.head().size == size + ledger.counts()["claim"]
    changed.unlink()
    return took


def _raw(where: Places, case: Path) -> None:
    if isinstance(where, Files):
        floor.write(case, Path(where.where("raw")))
    else:
        floor.copy_in(case, where.uri, "raw")


def with_sqlite_utils(case: Path, target: Path) -> None:
    """``sqlite-utils insert`` of the same file, then ``enable-fts`` on the statements."""
    tool = str(Path(sys.executable).parent / "sqlite-utils")
    run = [tool, "insert", str(target), "record", str(case), "--nl", "--alter", "--silent"]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([tool, "enable-fts", str(target), "record", "statement"], check=True)


def same_tables(path: Path, target: Path) -> None:
    """sqlite-utils as a library, writing the tables that the raw script writes.

    The rows are read from the script's file as they are needed; making them costs this peer less than
    it costs us, since no digest is computed.
    """
    source = sqlite3.connect(path)
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


def starting(where: Places, size: int) -> Iterator[Line]:
    """Yield what starting the program takes, help and one claim, the worked case and a made one."""
    compileall.compile_dir(ROOT / "src", quiet=1)  # as pip leaves it, wherever it is installed
    tool = str(Path(sys.executable).parent / "claimledger")
    if isinstance(where, Files):
        answers, click = starts([tool, "--help"], [sys.executable, "-c", "import click"])
        yield Line("`--help`", "`import click`", 1.6, cells={size: Cell(answers, click)})
        beside, needed = "`import sqlmodel`", "import sqlmodel"
    else:
        beside = "`import sqlmodel, psycopg`, connect"
        needed = f"import sqlmodel, psycopg; psycopg.connect({where.uri!r})"
    where.clear("worked")
    with Ledger.open(ROOT / "ledger.db") as ledger:
        ledger.move(where.where("worked"))
    show, large, least = starts(
        [tool, "--ledger", where.where("worked"), "show", "rfa-54"],
        [tool, "--ledger", where.where(CASE), "show", f"claim-{size - 1}"],
        [sys.executable, "-c", needed],
    )
    yield Line("`show`, the worked example", beside, 1.35, cells={size: Cell(show, least)})
    yield Line(
        "`show`, a generated case",
        "`show`, the worked example",
        1.5,
        cells={size: Cell(large, show)},
    )


def starts(*commands: list[str], times: int = 9) -> list[float]:
    """Return the best time of each whole process, started by turns: the machine's moods fall on all."""
    best = [float("inf")] * len(commands)
    for _ in range(times):
        for place, command in enumerate(commands):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
            best[place] = min(best[place], time.perf_counter() - start)
    return best
