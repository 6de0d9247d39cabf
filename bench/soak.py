"""Soak test: many writers and readers on one ledger, then a check of everything that was acknowledged.

``python -m bench.soak [--minutes 10] [--writers 30] [--readers 60] [--where postgresql://…]``. Without an
address it runs twice: on a file, and on a server that it starts. The exit status is 1 if an acknowledged
record is lost, was written twice or changed its entry, if the ledger fails to verify, or if a process saw
an error.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.backends import server
from bench.writers import BASE_RECORDS, claim
from claimledger.analysis.analysis import Analysis
from claimledger.analysis.graph import graph_of
from claimledger.ledger import Ledger, RecordInput
from claimledger.records.check import record_from


@dataclass
class Observations:
    """What one process did and saw."""

    acknowledged: list[tuple[str, int]] = field(default_factory=list)
    """The claims it recorded, each with its entry in the log."""

    seconds: list[float] = field(default_factory=list)
    """How long each write or read took."""

    waited: list[float] = field(default_factory=list)
    """Of a reader: the time from opening the ledger to its first answer, where a lock would delay it."""

    without_scheduling: list[float] = field(default_factory=list)
    """The same without the time in which the process ran or waited for a core: locks and the disk."""

    errors: list[str] = field(default_factory=list)


def writer(address: str, name: str, until: float) -> Observations:
    """Record claims, links and amendments until a time."""
    observed = Observations()
    try:
        with Ledger.open(address, writable=True) as ledger:
            number = 0
            while time.time() < until:
                start = time.perf_counter()
                records = [RecordInput.of(record_from(claim(f"{name}-{number}")))]
                if number % 5 == 4:
                    link = {"kind": "link", "type": "repeats", "from": f"{name}-{number}",
                            "to": f"{name}-{number - 1}", "basis": "judged"}  # fmt: skip
                    records.append(RecordInput.of(record_from(link)))
                imported = ledger.import_records(records, by=name)
                if number % 11 == 10:
                    ledger.amend("claim", f"{name}-{number}", {"note": "n"}, by=name, reason="soak")
                observed.seconds.append(time.perf_counter() - start)
                observed.acknowledged += [
                    (key, entry) for kind, key, entry in imported.written if kind == "claim"
                ]
                number += 1
    except Exception:
        observed.errors.append(traceback.format_exc())
    return observed


def reader(address: str, name: str, until: float) -> Observations:
    """Search and analyse until a time. Check each time that the log only grew since the last."""
    observed = Observations()
    last_head: tuple[int, bytes] = (0, b"")
    while time.time() < until:
        try:
            start, scheduled = time.perf_counter(), scheduling_seconds()
            with Ledger.open(address) as ledger, ledger.reading():
                head = ledger.head()
                waited = time.perf_counter() - start
                observed.waited.append(waited)
                observed.without_scheduling.append(waited - (scheduling_seconds() - scheduled))
                size, root = last_head
                if size and ledger.at(known_at=size).head().root != root:
                    observed.errors.append(f"{name}: the tree of {size} entries changed")
                keys = ledger.similar_claims("fifty-four stations", 3)
                analysis = Analysis(graph_of(ledger.neighbourhood(keys)))
                for key in keys:
                    analysis.as_json(key)
            observed.seconds.append(time.perf_counter() - start)
            last_head = (head.size, head.root)
        except Exception:
            observed.errors.append(traceback.format_exc())
            return observed
        time.sleep(0.05)  # a person reads the answer
    return observed


def scheduling_seconds() -> float:
    """Return for how long this thread has run or waited for a core so far; 0 where Linux does not say."""
    try:
        statistics = Path("/proc/thread-self/schedstat").read_text()
    except OSError:
        return 0.0
    running, waiting, _ = map(int, statistics.split())
    return (running + waiting) / 1e9


def run(address: str, minutes: float, writers: int, readers: int) -> bool:
    """Run all processes on a new ledger, print a summary as JSON, and return whether all is well."""
    with Ledger.create(address) as ledger:
        ledger.import_records(
            [RecordInput.of(record_from(record)) for record in BASE_RECORDS], by="soak"
        )
    until = time.time() + 60 * minutes
    with multiprocessing.get_context("fork").Pool(writers + readers) as pool:
        writing = [pool.apply_async(writer, (address, f"w{n}", until)) for n in range(writers)]
        reading = [pool.apply_async(reader, (address, f"r{n}", until)) for n in range(readers)]
        by_writers = [process.get() for process in writing]
        by_readers = [process.get() for process in reading]
    acknowledged = [written for observed in by_writers for written in observed.acknowledged]
    with Ledger.open(address) as ledger, ledger.reading():
        verified = ledger.verify()
        keys = ledger.keys("claim")
        # The history of every claim would take longer than the run, so about 2,000 are looked at.
        sample = acknowledged[:: max(1, len(acknowledged) // 2000)]
        first_entries = {key: ledger.history(key)[0].entry for key, _ in sample}
    errors = [error for observed in (*by_writers, *by_readers) for error in observed.errors]
    lost = {key for key, _ in acknowledged} - set(keys)
    duplicates = len(keys) - len(set(keys))
    moved = [key for key, entry in acknowledged if first_entries.get(key, entry) != entry]
    summary = {
        "entries": verified.size, "claims": len(keys), "acknowledged": len(acknowledged), "lost": len(lost),
        "doubled": duplicates, "moved": len(moved),
        "faults": [str(fault) for fault in verified.faults[:5]],
        "errors": errors[:3],
        "writing": percentiles(observed.seconds for observed in by_writers),
        "reading": percentiles(observed.seconds for observed in by_readers),
        "to a reader's first answer": percentiles(observed.waited for observed in by_readers),
        "of that held up, not short of a core": percentiles(
            observed.without_scheduling for observed in by_readers
        ),
        "slowest writer beside the mean": share_of_slowest(by_writers),
    }  # fmt: skip
    print(json.dumps(summary, indent=2))
    return not (lost or moved or errors or verified.faults or duplicates)


def percentiles(by_process: Iterable[list[float]]) -> dict[str, Any]:
    """Return the number of times measured, with their median, 99th percentile and maximum."""
    seconds = sorted(value for values in by_process for value in values)
    if not seconds:
        return {}
    shares = {"50th": 0.5, "99th": 0.99}
    at_share = {
        name: f"{seconds[int(share * (len(seconds) - 1))] * 1000:.1f} ms"
        for name, share in shares.items()
    }
    return {"done": len(seconds), **at_share, "worst": f"{seconds[-1] * 1000:.1f} ms"}


def share_of_slowest(by_writers: list[Observations]) -> float:
    """Return the number of writes of the slowest writer as a share of the mean."""
    writes = [len(observed.seconds) for observed in by_writers]
    return round(min(writes) * len(writes) / max(1, sum(writes)), 2)


def main() -> None:
    """Run on the ledger at an address, or on both stores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--writers", type=int, default=30)
    parser.add_argument("--readers", type=int, default=60)
    parser.add_argument("--where")
    arguments = parser.parse_args()
    size = (arguments.minutes, arguments.writers, arguments.readers)
    if arguments.where:
        sys.exit(not run(arguments.where, *size))
    with tempfile.TemporaryDirectory() as folder:
        print("A file:")
        file_is_well = run(str(Path(folder) / "soak.db"), *size)
    with server(max_connections=arguments.writers + arguments.readers + 20) as uri:
        print("A server:")
        server_is_well = run(f"{uri}&schema=soak", *size)
    sys.exit(not (file_is_well and server_is_well))


if __name__ == "__main__":
    main()
