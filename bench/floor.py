"""The baselines of import, verify and standings: scripts that do the necessary work and nothing else.

The import script writes the same rows, indexes, digests and tree as claimledger. It has no checks, models
or options: it is what a careful person would write for this one file format. It reads with orjson and
writes with sqlite3, or with PostgreSQL's COPY.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import networkx as nx
import orjson
import psycopg

from claimledger.storage.postgresql.schema import HEAD, creation_statements
from claimledger.storage.sqlite.schema import schema
from claimledger.storage.tables import LAYOUT

BATCH = 4000
"""How many records are written at once."""

WORD = re.compile(r"[a-z0-9]+")

Rows = dict[str, list[tuple[Any, ...]]]
"""Rows by table."""

Connection = sqlite3.Connection | psycopg.Connection[Any]


def first_and_last_day(text: str) -> tuple[int, int]:
    """Return the first and last day of an ISO day, month or year."""
    parts = [int(part) for part in text.split("-")]
    if len(parts) == 3:
        day = date(*parts).toordinal()
        return day, day
    year, month = parts if len(parts) == 2 else (parts[0], 1)
    next_period = (
        date(year + month // 12, month % 12 + 1, 1) if len(parts) == 2 else date(year + 1, 1, 1)
    )
    return date(year, month, 1).toordinal(), next_period.toordinal() - 1


def _push_leaf(peaks: list[bytes], index: int, header: bytes) -> bytes:
    """Add the leaf at an index (from 0) to the peaks of a Merkle tree (RFC 6962).

    Returns all nodes that the leaf completes, the leaf first. ``peaks`` are the roots of the complete
    subtrees; a new leaf merges as many of them as the index has trailing one bits.
    """
    node = nodes = sha256(b"\x00" + header).digest()
    while index & 1:
        node = sha256(b"\x01" + peaks.pop() + node).digest()
        nodes += node
        index >>= 1
    peaks.append(node)
    return nodes


def row_batches(source: Path) -> Iterator[Rows]:
    """Read JSON Lines, hash them into a tree, and yield the rows of :data:`BATCH` records at a time."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    rows: Rows = defaultdict(list)
    peaks: list[bytes] = []
    with source.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            record = orjson.loads(line)
            kind, key = record.pop("kind"), record.pop("key")
            payload = orjson.dumps(
                {
                    "action": "record",
                    "key": key,
                    "kind": kind,
                    "record": record,
                    "recorded_by": "x",
                },
                option=orjson.OPT_SORT_KEYS,
            )
            salt = os.urandom(16)
            digest = sha256(salt + payload).hexdigest()
            header = f'{{"digest":"{digest}","format":1,"recorded_at":"{now}"}}'
            nodes = _push_leaf(peaks, number - 1, header.encode())
            rows["entry"].append((number, header, payload.decode(), salt, nodes))
            rows["history"].append(
                (number, kind, key, "record", None, now, "x", None, None, None, None)
            )
            add_rows(rows, number, kind, key, record)
            if number % BATCH == 0:
                yield rows
                rows.clear()
    yield rows


def write_sqlite(source: Path, target: Path) -> None:
    """Write a ledger in a file from JSON Lines."""
    db = sqlite3.connect(target, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA secure_delete = ON")
    db.execute("PRAGMA cache_size = -65536")
    db.execute("BEGIN IMMEDIATE")
    for statement in schema():
        db.execute(statement)
    placeholders = {
        name: ", ".join("?" * len(db.execute(f"PRAGMA table_info({name})").fetchall()))
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    }
    for batch in row_batches(source):
        for name, rows in batch.items():
            db.executemany(f"INSERT INTO {name} VALUES ({placeholders[name]})", rows)
        db.executemany("INSERT INTO search (rowid, words) VALUES (?, ?)", batch["search_words"])
    db.execute("COMMIT")
    db.execute("PRAGMA journal_mode = DELETE")
    db.close()


def copy_to_postgresql(source: Path, uri: str, name: str) -> None:
    """Write a ledger in a server's schema from JSON Lines, with ``COPY``."""
    with psycopg.connect(uri) as db:
        db.execute(f"CREATE SCHEMA {name}")
        for statement in creation_statements(name):
            db.execute(statement)
        db.execute(f"SET search_path = {name}")
        db.execute(f"INSERT INTO {HEAD} VALUES (true, 'claimledger', {LAYOUT})")
        for batch in row_batches(source):
            for table, rows in batch.items():
                with db.cursor() as cursor, cursor.copy(f'COPY "{table}" FROM STDIN') as copy:
                    for row in rows:
                        copy.write_row(row)


def add_rows(rows: Rows, entry: int, kind: str, key: str, record: dict[str, Any]) -> None:
    """Add the rows of one record, in the column order of the tables."""
    get = record.get
    if kind == "claim":
        first, last = first_and_last_day(record["asserted"])
        rows["claim"].append(
            (entry, key, record["statement"], orjson.dumps(record["claimant"]).decode(),
             record["subject"], record["asserted"], None, first, last, *[None] * 9)
        )  # fmt: skip
        for position, figure in enumerate(record["figures"]):
            rows["claim_figure"].append(
                (entry, position, figure["measure"], figure["low"], float(figure["low"]), figure["high"],
                 float(figure["high"]), figure["qualifier"], *[None] * 8)
            )  # fmt: skip
        for position, citation in enumerate(record["citations"]):
            rows["claim_citation"].append((entry, position, citation["source"], *[None] * 5))
            rows["reference"].append(
                ("source", citation["source"], entry, "citations.source", None)
            )
        for party in record["claimant"]:
            rows["reference"].append(("party", party, entry, "claimant", None))
        rows["reference"].append(("subject", record["subject"], entry, "subject", None))
        text = record["statement"]
    elif kind == "link":
        rows["link"].append(
            (entry, key, record["type"], record["from"], "claim", record["to"], None, None, "judged",
             None, None, None)
        )  # fmt: skip
        rows["reference"].append(("claim", record["from"], entry, "from", None))
        rows["reference"].append(("claim", record["to"], entry, "to", None))
        return  # a link has no words that are searched
    elif kind == "source":
        first, last = first_and_last_day(record["published"])
        rows["source"].append(
            (entry, key, record["title"], None, None, record["publisher"], record["published"], None,
             first, last, *[None] * 14)
        )  # fmt: skip
        rows["reference"].append(("party", record["publisher"], entry, "publisher", None))
        text = record["title"]
    elif kind == "party":
        rows["party"].append(
            (entry, key, record["name"], None, None, get("part_of"), None, None, None)
        )
        text = record["name"]
    else:
        rows["subject"].append((entry, key, record["label"], *[None] * 5))
        text = record["label"]
    rows["search_words"].append((entry, " ".join(WORD.findall(text.lower()))))


LOG = "SELECT number, header, payload, salt FROM entry ORDER BY number"
LINKS = "SELECT \"from\", to_key, type FROM link WHERE ended_by IS NULL AND to_kind = 'claim'"


def stream_rows(db: Connection, query: str) -> Iterator[Any]:
    """Yield the rows of a query without loading them all at once."""
    if isinstance(db, sqlite3.Connection):
        yield from db.execute(query)
        return
    with db.transaction(), db.cursor("stream", binary=True) as cursor:
        cursor.itersize = 5000
        yield from cursor.execute(query)


def verify_log(db: Connection) -> str:
    """Read and hash every entry, build the tree, and return its root: the baseline of ``verify``.

    Raises :class:`ValueError` with the number of an entry whose digest is wrong.
    """
    peaks: list[bytes] = []
    for number, header, payload, salt in stream_rows(db, LOG):
        digest = sha256(salt + payload.encode()).hexdigest()
        if orjson.loads(header)["digest"] != digest:
            raise ValueError(number)
        _push_leaf(peaks, number - 1, header.encode())
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = sha256(b"\x01" + peak + root).digest()
    return root.hex()


def traverse_links(db: Connection) -> int:
    """Load the links into networkx and visit each edge once: the baseline of all standings."""
    graph = nx.MultiDiGraph()
    graph.add_edges_from((from_, to, {"type": kind}) for from_, to, kind in stream_rows(db, LINKS))
    return sum(
        sum(1 for _ in graph.in_edges(node)) + sum(1 for _ in graph.out_edges(node))
        for node in graph
    )
