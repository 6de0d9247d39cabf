"""Many writers at once on PostgreSQL, beside a plain loop that locks, inserts the same rows and commits.

``python -m bench.writers [--seconds 6]``: 1 and 8 writers, on a server whose flush is nearly free and on one
whose flush takes 4 ms (a disk with a real flush; injected into the server's ``fdatasync``).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from bench.backends import server
from claimledger.ledger import Ledger, RecordInput
from claimledger.ledger.write.appender import history_row
from claimledger.log.canonical_json import canonical
from claimledger.log.entry import Payload, digest_of, header_of, now, timestamp
from claimledger.records.check import record_from
from claimledger.storage.projection import project
from claimledger.storage.tables import ENTRY, HISTORY, VIEWS

BEGINNING: list[dict[str, Any]] = [
    {"kind": "party", "key": "p", "name": "P"},
    {"kind": "source", "key": "s", "title": "S"},
    {"kind": "subject", "key": "t", "label": "T"},
]


def claim(key: str) -> dict[str, Any]:
    return {
        "kind": "claim", "key": key, "statement": f"{key} says that there are fifty-four stations",
        "claimant": ["p"], "subject": "t", "asserted": "2022-10-12", "citations": [{"source": "s"}],
        "figures": [{"measure": "stations", "value": "54"}],
    }  # fmt: skip


def plain(address: str, name: str, until: float) -> int:
    """Lock, insert the rows of one claim, commit; as often as there is time."""
    driver = psycopg.connect(address.partition("&schema")[0])
    driver.execute(f"SET search_path = {address.rpartition('=')[2]}")
    inserts: dict[str, str] = {}
    for table in (ENTRY, *VIEWS.values()):
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        places = ", ".join(["%s"] * len(table.columns))
        inserts[table.name] = f'INSERT INTO "{table.name}" ({columns}) VALUES ({places})'
    driver.commit()
    done = 0
    while time.time() < until:
        drawn = claim(f"{name}-{done}")
        record = {key: value for key, value in drawn.items() if key not in ("kind", "key")}
        driver.execute("SELECT layout FROM head FOR UPDATE")
        number = driver.execute("SELECT max(number) FROM entry").fetchone()[0] + 1  # type: ignore[index]
        payload = Payload("claim", drawn["key"], "record", "bench", record).encode(
            canonical(record)
        )
        moment, salt = timestamp(now()), os.urandom(16)
        header = header_of(moment, digest_of(salt, payload))
        rows: Any = defaultdict(list)
        acknowledged = Payload("claim", drawn["key"], "record", "bench", record)
        rows[HISTORY.name].append(history_row(number, acknowledged, moment))
        project(number, "claim", drawn["key"], record, rows)
        entry = (number, header.decode(), payload.decode(), salt, b"0" * 32)
        driver.execute(inserts[ENTRY.name], entry)
        for table, entries in rows.items():
            for row in entries:
                driver.execute(inserts[table], row)
        driver.commit()
        done += 1
    driver.close()
    return done


def ours(address: str, name: str, until: float) -> int:
    """Record one claim after another."""
    done = 0
    with Ledger.open(address, writable=True) as ledger:
        while time.time() < until:
            ledger.import_records(
                [RecordInput.of(record_from(claim(f"{name}-{done}")))], by="bench"
            )
            done += 1
    return done


def together(
    work: Callable[[str, str, float], int], address: str, count: int, seconds: float
) -> list[int]:
    """Let many processes write; return what each wrote."""
    with multiprocessing.get_context("fork").Pool(count) as pool:
        until = time.time() + 0.5 + seconds
        values = [(address, f"w{n}", until) for n in range(count)]
        return pool.starmap(work, values)


def on_a_server(seconds: float) -> Iterator[str]:
    """Yield the lines of a table: the loop and the ledger, few and many, at both costs of a flush."""
    yield "| flush | writers | lock, insert, commit | claimledger | ratio | budget |"
    yield "|---|---:|---:|---:|---:|---|"
    for slow in (False, True):
        with server(slow) as uri:
            for count in (1, 8):
                rates = {}
                for work in (plain, ours):
                    address = f"{uri}&schema={work.__name__}{count}"
                    with Ledger.create(address) as ledger:
                        ledger.import_records(
                            [RecordInput.of(record_from(record)) for record in BEGINNING],
                            by="bench",
                        )
                    rates[work] = sum(together(work, address, count, seconds)) / seconds
                    if work is ours:
                        with Ledger.open(address) as ledger, ledger.reading():
                            assert ledger.verify().clean
                ratio = rates[ours] / rates[plain]
                flush = "4 ms" if slow else "nearly free"
                output = f"{rates[plain]:.0f}/s | {rates[ours]:.0f}/s | {ratio:.2f}"
                budget = 1.0 if count == 1 else 3.0 if slow else 1.5
                verdict = "met" if ratio >= budget else "exceeded"
                yield f"| {flush} | {count} | {output} | {budget}, {verdict} |"


def in_a_file(seconds: float) -> str:
    """Return a line: eight processes on one file."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "bench.db")
        with Ledger.create(path) as ledger:
            ledger.import_records(
                [RecordInput.of(record_from(record)) for record in BEGINNING], by="bench"
            )
        done = together(ours, path, 8, seconds)
        with Ledger.open(path) as ledger:
            assert ledger.verify().clean
    share = min(done) * len(done) / sum(done)
    value = "met" if share >= 0.5 else "exceeded"
    return (
        f"Eight processes on one file: {sum(done) / seconds:.0f}/s in total, no errors; the slowest wrote "
        f"{share:.2f} of the mean (budget 0.5, {value})."
    )


def main() -> None:
    """Measure, print, and write into the page where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    lines = []
    for line in (*on_a_server(arguments.seconds), "", in_a_file(arguments.seconds)):
        print(line, flush=True)
        lines.append(line)
    if arguments.write:
        text = arguments.write.read_text("utf-8")
        before, rest = text.split("<!-- writers -->", 1)
        after = rest.split("<!-- end -->", 1)[1]
        table = "\n".join(lines)
        arguments.write.write_text(
            f"{before}<!-- writers -->\n{table}\n<!-- end -->{after}", "utf-8"
        )


if __name__ == "__main__":
    main()
