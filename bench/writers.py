"""Measures many writers at once, against a plain loop that locks, inserts the same rows and commits.

``python -m bench.writers [--seconds 6]`` runs 1 and 8 writers on a PostgreSQL server whose flush to disk is
nearly free, and on one whose flush takes 4 ms (as on a disk without a write cache; a preloaded library
delays ``fdatasync``). Then it runs eight processes on one SQLite file.
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
from claimledger.storage.postgresql.triggers import CHECKED, Checked
from claimledger.storage.projection import project
from claimledger.storage.tables import ENTRY, HISTORY, VIEWS

BASE_RECORDS: list[dict[str, Any]] = [
    {"kind": "party", "key": "p", "name": "P"},
    {"kind": "source", "key": "s", "title": "S"},
    {"kind": "subject", "key": "t", "label": "T"},
]
"""The records that every claim refers to."""

Writer = Callable[[str, str, float], int]
"""Writes claims to an address, with keys that start with a name, until a time; returns how many."""


def claim(key: str) -> dict[str, Any]:
    return {
        "kind": "claim", "key": key, "statement": f"{key} says that there are fifty-four stations",
        "claimant": ["p"], "subject": "t", "asserted": "2022-10-12", "citations": [{"source": "s"}],
        "figures": [{"measure": "stations", "value": "54"}],
    }  # fmt: skip


def write_with_sql(address: str, name: str, until: float) -> int:
    """Write claims with plain SQL: lock, insert the rows of one claim, commit."""
    connection = psycopg.connect(address.partition("&schema")[0])
    connection.execute(f"SET search_path = {address.rpartition('=')[2]}")
    # As claimledger does, so that the server checks as much for both.
    connection.execute(f"SET {CHECKED} = '{Checked.PAYLOADS}'")
    inserts: dict[str, str] = {}
    for table in (ENTRY, *VIEWS.values()):
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        placeholders = ", ".join(["%s"] * len(table.columns))
        inserts[table.name] = f'INSERT INTO "{table.name}" ({columns}) VALUES ({placeholders})'
    connection.commit()
    written = 0
    while time.time() < until:
        key = f"{name}-{written}"
        record = RecordInput.of(record_from(claim(key))).fields
        connection.execute("SELECT layout FROM head FOR UPDATE")
        number = connection.execute("SELECT max(number) FROM entry").fetchone()[0] + 1  # type: ignore[index]
        payload = Payload("claim", key, "record", "bench", record)
        encoded = payload.encode(canonical(record))
        moment, salt = timestamp(now()), os.urandom(16)
        header = header_of(moment, digest_of(salt, encoded))
        rows_by_table: Any = defaultdict(list)
        rows_by_table[HISTORY.name].append(history_row(number, payload, moment))
        project(number, "claim", key, record, rows_by_table)
        nodes = b"0" * 32  # not a real tree: hashing it is not part of this baseline
        entry = (number, header.decode(), encoded.decode(), salt, nodes)
        connection.execute(inserts[ENTRY.name], entry)
        for table_name, rows in rows_by_table.items():
            for row in rows:
                connection.execute(inserts[table_name], row)
        connection.commit()
        written += 1
    connection.close()
    return written


def write_with_ledger(address: str, name: str, until: float) -> int:
    """Write claims with claimledger, one at a time."""
    written = 0
    with Ledger.open(address, writable=True) as ledger:
        while time.time() < until:
            record = RecordInput.of(record_from(claim(f"{name}-{written}")))
            ledger.import_records([record], by="bench")
            written += 1
    return written


def create_ledger(address: str) -> None:
    """Create a ledger with the records that every claim refers to."""
    with Ledger.create(address) as ledger:
        ledger.import_records(
            [RecordInput.of(record_from(record)) for record in BASE_RECORDS], by="bench"
        )


def require_clean(address: str) -> None:
    """Fail unless a ledger verifies."""
    with Ledger.open(address) as ledger, ledger.reading():
        assert ledger.verify().clean


def run_processes(write: Writer, address: str, processes: int, seconds: float) -> list[int]:
    """Run a writer in several processes at once. Return how many claims each wrote."""
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        until = time.time() + 0.5 + seconds  # half a second for all of them to start
        return pool.starmap(write, [(address, f"w{n}", until) for n in range(processes)])


def measure_server(seconds: float) -> Iterator[str]:
    """Yield the lines of a Markdown table: plain SQL and claimledger, 1 and 8 writers, both flushes."""
    yield "| flush | writers | lock, insert, commit | claimledger | ratio | budget |"
    yield "|---|---:|---:|---:|---:|---|"
    for slow_flush in (False, True):
        with server(slow_flush) as uri:
            for processes in (1, 8):
                rates = {}
                for store, write in (("plain", write_with_sql), ("ours", write_with_ledger)):
                    address = f"{uri}&schema={store}{processes}"
                    create_ledger(address)
                    rates[store] = sum(run_processes(write, address, processes, seconds)) / seconds
                    if store == "ours":  # the plain loop writes no real tree
                        require_clean(address)
                ratio = rates["ours"] / rates["plain"]
                flush = "4 ms" if slow_flush else "nearly free"
                measured = f"{rates['plain']:.0f}/s | {rates['ours']:.0f}/s | {ratio:.2f}"
                # With one writer a flush costs both the same. With eight, claimledger shares one.
                budget = 0.9 if processes == 1 else 1.5 if slow_flush else 1.0
                result = "met" if ratio >= budget else "exceeded"
                yield f"| {flush} | {processes} | {measured} | {budget}, {result} |"


def measure_file(seconds: float) -> str:
    """Return a line about eight processes that write to one file."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "bench.db")
        create_ledger(path)
        written = run_processes(write_with_ledger, path, 8, seconds)
        require_clean(path)
    share = min(written) * len(written) / sum(written)
    result = "met" if share >= 0.5 else "exceeded"
    return (
        f"Eight processes on one file: {sum(written) / seconds:.0f}/s in total, no errors; the slowest wrote "
        f"{share:.2f} of the mean (budget 0.5, {result})."
    )


def main() -> None:
    """Measure and print, and update a page with ``--write``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    lines = []
    for line in (*measure_server(arguments.seconds), "", measure_file(arguments.seconds)):
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
