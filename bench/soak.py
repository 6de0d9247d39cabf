"""Many hands for a long time: writers and readers on one ledger, and what became of what was acknowledged.

``python -m bench.soak [--minutes 10] [--writers 30] [--readers 60] [--where postgresql://…]``; without an
address once in a file and once on a server of its own. Ends with status 1 if anything was lost, doubled or
torn, or if anybody saw an error.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.backends import server
from bench.writers import BEGINNING, claim
from claimledger.analysis.analysis import Analysis
from claimledger.analysis.graph import graph_of
from claimledger.ledger import Ledger, RecordInput
from claimledger.records.check import record_from


@dataclass
class Observations:
    """What one process did and saw."""

    acknowledged: list[tuple[str, int]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    """Of a reader: from opening the ledger to its first answer, which is where a lock would hold it up."""

    without_scheduling: list[float] = field(default_factory=list)
    """What of that it was held up by a lock or the disk, and not by ninety others on the same cores."""

    errors: list[str] = field(default_factory=list)


def writer(where: str, name: str, until: float) -> Observations:
    seen = Observations()
    try:
        with Ledger.open(where, writable=True) as ledger:
            number = 0
            while time.time() < until:
                start = time.perf_counter()
                values = [RecordInput.of(record_from(claim(f"{name}-{number}")))]
                if number % 5 == 4:
                    link = {"kind": "link", "type": "repeats", "from": f"{name}-{number}",
                            "to": f"{name}-{number - 1}", "basis": "judged"}  # fmt: skip
                    values.append(RecordInput.of(record_from(link)))
                taken = ledger.import_records(values, by=name)
                if number % 11 == 10:
                    ledger.amend("claim", f"{name}-{number}", {"note": "n"}, by=name, reason="soak")
                seen.seconds.append(time.perf_counter() - start)
                seen.acknowledged += [
                    (key, entry) for kind, key, entry in taken.written if kind == "claim"
                ]
                number += 1
    except Exception:
        seen.errors.append(traceback.format_exc())
    return seen


def reader(where: str, name: str, until: float) -> Observations:
    seen = Observations()
    last: tuple[int, bytes] = (0, b"")
    number = 0
    while time.time() < until:
        try:
            start, scheduled = time.perf_counter(), scheduling()
            with Ledger.open(where) as ledger, ledger.reading():
                head = ledger.head()
                seen.waited.append(time.perf_counter() - start)
                seen.without_scheduling.append(seen.waited[-1] - (scheduling() - scheduled))
                if last[0] and ledger.at(known_at=last[0]).head().root != last[1]:
                    seen.errors.append(f"{name}: the tree of {last[0]} entries changed")
                keys = ledger.similar_claims("fifty-four stations", 3)
                answers = Analysis(graph_of(ledger.neighbourhood(keys)))
                for key in keys:
                    answers.as_json(key)
            seen.seconds.append(time.perf_counter() - start)
            last = (head.size, head.root)
            number += 1
        except Exception:
            seen.errors.append(traceback.format_exc())
            return seen
        time.sleep(0.05)  # a person reads what was answered
    return seen


def scheduling() -> float:
    """Return the seconds for which this thread ran or waited for a core so far, where Linux tells."""
    try:
        output = Path("/proc/thread-self/schedstat").read_text()
    except OSError:
        return 0.0
    ran, queued, _ = map(int, output.split())
    return (ran + queued) / 1e9


def run(where: str, minutes: float, writers: int, readers: int) -> bool:
    """Let them all work, then look for what is lost, doubled or torn; return whether nothing is."""
    with Ledger.create(where) as ledger:
        ledger.import_records(
            [RecordInput.of(record_from(record)) for record in BEGINNING], by="soak"
        )
    until = time.time() + 60 * minutes
    with multiprocessing.get_context("fork").Pool(writers + readers) as pool:
        wrote = [pool.apply_async(writer, (where, f"w{n}", until)) for n in range(writers)]
        read = [pool.apply_async(reader, (where, f"r{n}", until)) for n in range(readers)]
        written = [part.get() for part in wrote]
        looked = [part.get() for part in read]
    acknowledged = [part for seen in written for part in seen.acknowledged]
    with Ledger.open(where) as ledger, ledger.reading():
        verdict = ledger.verify()
        keys = ledger.keys("claim")
        history = {
            key: ledger.history(key)[0].entry
            for key, _ in acknowledged[:: max(1, len(acknowledged) // 2000)]
        }
    errors = [error for seen in (*written, *looked) for error in seen.errors]
    lost = {key for key, _ in acknowledged} - set(keys)
    moved = [key for key, entry in acknowledged if history.get(key, entry) != entry]
    answers = {
        "entries": verdict.size, "claims": len(keys), "acknowledged": len(acknowledged), "lost": len(lost),
        "doubled": len(keys) - len(set(keys)), "moved": len(moved),
        "faults": [str(fault) for fault in verdict.faults[:5]],
        "errors": errors[:3], "writing": times([citation.seconds for citation in written]),
        "reading": times([citation.seconds for citation in looked]),
        "to a reader's first answer": times([citation.waited for citation in looked]),
        "of that held up, not short of a core": times([citation.without_scheduling for citation in looked]),
        "slowest writer beside the mean": beside(written),
    }  # fmt: skip
    print(json.dumps(answers, indent=2))
    return not (lost or moved or errors or verdict.faults or len(keys) != len(set(keys)))


def times(taken: list[list[float]]) -> dict[str, Any]:
    every = sorted(second for part in taken for second in part)
    if not every:
        return {}
    at = {"50th": 0.5, "99th": 0.99}
    answers = {
        name: f"{every[int(share * (len(every) - 1))] * 1000:.1f} ms" for name, share in at.items()
    }
    return {"done": len(every), **answers, "worst": f"{every[-1] * 1000:.1f} ms"}


def beside(seen: list[Observations]) -> float:
    """Return how many writes the slowest did, beside the mean."""
    done = [len(citation.seconds) for citation in seen]
    return round(min(done) * len(done) / max(1, sum(done)), 2)


def main() -> None:
    """Run on one store or on both."""
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
        is_complete = run(str(Path(folder) / "soak.db"), *size)
    with server(most=arguments.writers + arguments.readers + 20) as address:
        print("A server:")
        is_complete = run(f"{address}&schema=soak", *size) and is_complete
    sys.exit(not is_complete)


if __name__ == "__main__":
    main()
