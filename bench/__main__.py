"""``make bench``: every budget measured beside its floor, printed as a table and as JSON."""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import floor, pairs
from bench.made import write_case
from claimledger.intake.case_files import read_files
from claimledger.ledger import Ledger

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Measured:
    """One budget: what was done, in seconds, beside its floor."""

    what: str
    seconds: float
    beside: str
    floor: float
    budget: float

    @property
    def ratio(self) -> float:
        return self.seconds / self.floor


def timed(work: Callable[[], object]) -> float:
    gc.collect()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def start_of(*command: str, times: int = 9) -> float:
    """The best time of a whole process: what it costs when nothing else is going on."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        taken.append(time.perf_counter() - start)
    return min(taken)


def imports(folder: Path, claims: int) -> list[Measured]:
    case = folder / "case.jsonl"
    write_case(case, claims, claims * 2 // 5)

    def ours() -> None:
        with Ledger.create(folder / "ours.db") as ledger:
            ledger.take(read_files([str(case)]), by="x")

    # Side by side, twice, the better of each: the machine's moods fall on both.
    own, raw = [], []
    for _ in range(2):
        for name in ("ours.db", "raw.db"):
            (folder / name).unlink(missing_ok=True)
        own.append(timed(ours))
        raw.append(timed(lambda: floor.write(case, folder / "raw.db")))
    utils = timed(lambda: with_sqlite_utils(case, folder / "utils.db"))
    tables = timed(lambda: same_tables_with_sqlite_utils(folder / "raw.db", folder / "tables.db"))
    what = f"import {claims:,} claims, {claims * 2 // 5:,} links"
    return [
        Measured(what, min(own), "raw sqlite3 script, same rows", min(raw), 1.5),
        Measured(what, min(own), "sqlite-utils insert + enable-fts", utils, 1.3),
        Measured(what, min(own), "sqlite-utils writing the same tables", tables, 1.0),
    ]


def with_sqlite_utils(case: Path, target: Path) -> None:
    """``sqlite-utils insert`` of the same file, then ``enable-fts`` on the statements."""
    tool = str(Path(sys.executable).parent / "sqlite-utils")
    run = [tool, "insert", str(target), "record", str(case), "--nl", "--alter", "--silent"]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([tool, "enable-fts", str(target), "record", "statement"], check=True)


def same_tables_with_sqlite_utils(made: Path, target: Path) -> None:
    """sqlite-utils as a library, writing the tables that the raw script writes.

    The rows are read from the script's file as they are needed; making them costs this peer less than
    it costs us, since no digest is computed.
    """
    import sqlite3

    import sqlite_utils

    source = sqlite3.connect(made)
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
    source.close()


def verifying(folder: Path, claims: int) -> list[Measured]:
    path = folder / "ours.db"

    def ours() -> None:
        with Ledger.open(path) as ledger:
            assert ledger.verify().clean

    own = min(timed(ours) for _ in range(2))
    raw = min(timed(lambda: floor.check(path)) for _ in range(2))
    with Ledger.open(path) as ledger:
        assert floor.check(path) == ledger.head().root.hex()
    return [Measured(f"verify, {claims:,} claims", own, "read + SHA-256 + tree", raw, 2.0)]


def starts(folder: Path, claims: int) -> list[Measured]:
    tool = str(Path(sys.executable).parent / "claimledger")
    click = start_of(sys.executable, "-c", "import click")
    sqlmodel = start_of(sys.executable, "-c", "import sqlmodel")
    show = start_of(tool, "--ledger", str(ROOT / "ledger.db"), "show", "rfa-54")
    large = start_of(tool, "--ledger", str(folder / "ours.db"), "show", f"claim-{claims - 1}")
    return [
        Measured("--help", start_of(tool, "--help"), "import click", click, 1.6),
        Measured("show, worked case", show, "import sqlmodel", sqlmodel, 1.35),
        Measured("show, the made case", large, "show, worked case", show, 1.5),
    ]


def main() -> None:
    """Measure, print, and say which budgets hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = imports(folder, given.claims)
        found += verifying(folder, given.claims)
        found += starts(folder, given.claims)
        matter = pairs.matter_of(folder)
    rules = pairs.measure(matter, pairs.halves()[1])
    if given.json:
        rows = [
            {**vars(one), "ratio": round(one.ratio, 3), "held": one.ratio <= one.budget}
            for one in found
        ]
        told = [{**vars(one), "precision": one.precision, "recall": one.recall} for one in rules]
        print(json.dumps({"budgets": rows, "rules": told}, indent=2))
        return
    print(f"{'WORK':<40}{'SECONDS':>9}  {'BESIDE':<38}{'SECONDS':>9}{'RATIO':>7}{'BUDGET':>8}")
    for one in found:
        mark = "" if one.ratio <= one.budget else "  over"
        print(
            f"{one.what:<40}{one.seconds:>9.2f}  {one.beside:<38}{one.floor:>9.2f}"
            f"{one.ratio:>7.2f}{one.budget:>8.2f}{mark}"
        )
    print("\nRules that propose, on the pairs they were not tuned on (fixtures/pairs)")
    for rule in rules:
        shares = [("-" if s is None else f"{s:.2f}") for s in (rule.precision, rule.recall)]
        print(f"  {rule.rule:<20} asked {rule.asked:>3}  precision {shares[0]}  recall {shares[1]}")


if __name__ == "__main__":
    main()
