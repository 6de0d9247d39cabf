"""The floor: a plain script that writes the same rows, indexes, digests and tree, and nothing else.

No checks, no models, no options: what a careful person would write for this one file format and be
done with. It reads with orjson and writes with sqlite3, or with PostgreSQL's COPY.
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

from claimledger.storage.postgresql.schema import HEAD, making
from claimledger.storage.sqlite.schema import schema
from claimledger.storage.tables import LAYOUT

BATCH = 4000
WORD = re.compile(r"[a-z0-9]+")


def days(text: str) -> tuple[int, int]:
    """The first and last day of an ISO day, month or year."""
    parts = [int(part) for part in text.split("-")]
    if len(parts) == 3:
        day = date(*parts).toordinal()
        return day, day
    year, month = parts if len(parts) == 2 else (parts[0], 1)
    last = date(year + month // 12, month % 12 + 1, 1) if len(parts) == 2 else date(year + 1, 1, 1)
    return date(year, month, 1).toordinal(), last.toordinal() - 1


def batches(source: Path) -> Iterator[dict[str, list[tuple[Any, ...]]]]:
    """Read JSON Lines, hash them into a tree, and yield the rows of some thousand records by table."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
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
            node = nodes = sha256(b"\x00" + header.encode()).digest()
            left = number - 1
            while left & 1:
                node = sha256(b"\x01" + peaks.pop() + node).digest()
                nodes += node
                left >>= 1
            peaks.append(node)
            rows["entry"].append((number, header, payload.decode(), salt, nodes))
            rows["history"].append(
                (number, kind, key, "record", None, now, "x", None, None, None, None)
            )
            row(rows, number, kind, key, record)
            if number % BATCH == 0:
                yield rows
                rows.clear()
    yield rows


def write(source: Path, target: Path) -> None:
    """Write a ledger in a file from JSON Lines."""
    db = sqlite3.connect(target, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA secure_delete = ON")
    db.execute("PRAGMA cache_size = -65536")
    db.execute("BEGIN IMMEDIATE")
    for statement in schema():
        db.execute(statement)
    places = {
        name: ", ".join("?" * len(db.execute(f"PRAGMA table_info({name})").fetchall()))
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    }
    for rows in batches(source):
        for name, entries in rows.items():
            db.executemany(f"INSERT INTO {name} VALUES ({places[name]})", entries)
        db.executemany("INSERT INTO search (rowid, words) VALUES (?, ?)", rows["search_words"])
    db.execute("COMMIT")
    db.execute("PRAGMA journal_mode = DELETE")
    db.close()


def copy_in(source: Path, uri: str, name: str) -> None:
    """Write a ledger in a server's schema from JSON Lines, with ``COPY``."""
    with psycopg.connect(uri) as db:
        db.execute(f"CREATE SCHEMA {name}")
        for statement in making(name):
            db.execute(statement)
        db.execute(f"SET search_path = {name}")
        db.execute(f"INSERT INTO {HEAD} VALUES (true, 'claimledger', {LAYOUT})")
        for rows in batches(source):
            for table, entries in rows.items():
                with db.cursor() as cursor, cursor.copy(f'COPY "{table}" FROM STDIN') as copy:
                    for part in entries:
                        copy.write_row(part)


def row(rows: dict[str, list[tuple[Any, ...]]], n: int, kind: str, key: str, record: dict) -> None:
    """Add a record's rows."""
    get = record.get
    if kind == "claim":
        first, last = days(record["asserted"])
        rows["claim"].append(
            (n, key, record["statement"], orjson.dumps(record["claimant"]).decode(), record["subject"],
             record["asserted"], None, first, last, None, None, None, None, None, None, None, None, None)
        )  # fmt: skip
        for place, fields in enumerate(record["figures"]):
            rows["claim_figure"].append(
                (n, place, fields["measure"], fields["low"], float(fields["low"]), fields["high"],
                 float(fields["high"]), fields["qualifier"], *[None] * 8)
            )  # fmt: skip
        for place, fields in enumerate(record["citations"]):
            rows["claim_citation"].append(
                (n, place, fields["source"], None, None, None, None, None)
            )
            rows["reference"].append(("source", fields["source"], n, "citations.source", None))
        for party in record["claimant"]:
            rows["reference"].append(("party", party, n, "claimant", None))
        rows["reference"].append(("subject", record["subject"], n, "subject", None))
        words = record["statement"]
    elif kind == "link":
        rows["link"].append(
            (
                n,
                key,
                record["type"],
                record["from"],
                "claim",
                record["to"],
                None,
                None,
                "judged",
                None,
                None,
                None,
            )
        )
        rows["reference"].append(("claim", record["from"], n, "from", None))
        rows["reference"].append(("claim", record["to"], n, "to", None))
        return
    elif kind == "source":
        first, last = days(record["published"])
        rows["source"].append(
            (n, key, record["title"], None, None, record["publisher"], record["published"], None, first,
             last, *[None] * 8, None, None, None, None, None, None)
        )  # fmt: skip
        rows["reference"].append(("party", record["publisher"], n, "publisher", None))
        words = record["title"]
    elif kind == "party":
        rows["party"].append((n, key, record["name"], None, None, get("part_of"), None, None, None))
        words = record["name"]
    else:
        rows["subject"].append((n, key, record["label"], None, None, None, None, None))
        words = record["label"]
    rows["search_words"].append((n, " ".join(WORD.findall(words.lower()))))


LOG = "SELECT number, header, payload, salt FROM entry ORDER BY number"
LINKS = "SELECT \"from\", to_key, type FROM link WHERE until IS NULL AND to_kind = 'claim'"


def stream(db: sqlite3.Connection | psycopg.Connection[Any], query: str) -> Iterator[Any]:
    """Yield the rows of a query, not all of them at once."""
    if isinstance(db, sqlite3.Connection):
        yield from db.execute(query)
        return
    with db.transaction(), db.cursor("stream", binary=True) as cursor:
        cursor.itersize = 5000
        yield from cursor.execute(query)


def check(db: sqlite3.Connection | psycopg.Connection[Any]) -> str:
    """Read every entry, hash it, build the tree, return its root: the floor of ``verify``."""
    peaks: list[bytes] = []
    for number, header, payload, salt in stream(db, LOG):
        digest = sha256(salt + payload.encode()).hexdigest()
        if orjson.loads(header)["digest"] != digest:
            raise ValueError(number)
        node = sha256(b"\x00" + header.encode()).digest()
        left = number - 1
        while left & 1:
            node = sha256(b"\x01" + peaks.pop() + node).digest()
            left >>= 1
        peaks.append(node)
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = sha256(b"\x01" + peak + root).digest()
    return root.hex()


def linked_part(db: sqlite3.Connection | psycopg.Connection[Any]) -> int:
    """Read the links, build them in networkx, pass over them once: the floor of all standings."""
    graph = nx.MultiDiGraph()
    graph.add_edges_from((part, right, {"type": kind}) for part, right, kind in stream(db, LINKS))
    return sum(
        sum(1 for _ in graph.in_edges(node)) + sum(1 for _ in graph.out_edges(node))
        for node in graph
    )
