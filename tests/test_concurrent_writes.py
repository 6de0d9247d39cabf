"""Concurrent writers and readers: entries get one order without gaps or losses, and readers are not blocked."""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import psycopg
import pytest

from backends import ONLY_FILES, ONLY_SERVERS, RawDatabase
from builders import case, record_all
from claimledger.errors import ConflictError
from claimledger.ledger import Ledger, LedgerLocation, RecordInput
from claimledger.records.check import record_from

RECORDS_PER_WRITER = 12


def write_with_keys(values: tuple[LedgerLocation, str]) -> list[tuple[str, int]]:
    """Record parties one by one; return the key and the entry number of each."""
    where, name = values
    done = []
    with Ledger.open(where, writable=True) as ledger:
        for number in range(RECORDS_PER_WRITER):
            record = {"kind": "party", "key": f"{name}-{number}", "name": name}
            result = ledger.import_records([RecordInput.of(record_from(record))], by=name)
            done += [(key, entry) for _, key, entry in result.written]
    return done


def write_without_keys(values: tuple[LedgerLocation, str]) -> list[tuple[str, int]]:
    """Record parties whose keys the ledger assigns; return the key and the entry number of each."""
    where, name = values
    with Ledger.open(where, writable=True) as ledger:
        done = []
        for number in range(RECORDS_PER_WRITER):
            record = {"kind": "party", "name": f"{name} {number}"}
            result = ledger.import_records([RecordInput.of(record_from(record))], by=name)
            done += [(key, entry) for _, key, entry in result.written]
        return done


def read_repeatedly(values: tuple[LedgerLocation, str]) -> list[tuple[int, bytes]]:
    """Read for 1.5 seconds; check that each snapshot is consistent and that earlier tree heads never change."""
    where, _ = values
    seen: list[tuple[int, bytes]] = []
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        with Ledger.open(where) as ledger, ledger.reading():
            head = ledger.head()
            assert ledger.counts()["party"] == len(ledger.keys("party")) == head.size - 1
            for size, root in seen[-3:]:
                assert ledger.at(known_at=size).head().root == root
            seen.append((head.size, head.root))
    return seen


@pytest.mark.parametrize("work", [write_with_keys, write_without_keys])
def test_concurrent_writes_get_one_order_without_gaps_or_losses(
    path: LedgerLocation, work: Any
) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, [{"kind": "subject", "key": "t", "label": "T"}])
    with multiprocessing.get_context("spawn").Pool(5) as pool:
        reader = pool.map_async(read_repeatedly, [(path, "reader")])
        done = pool.map(work, [(path, f"w{n}") for n in range(4)])
        (seen,) = reader.get()
    acknowledged = [row for rows in done for row in rows]
    assert len(acknowledged) == 4 * RECORDS_PER_WRITER
    assert sorted(entry for _, entry in acknowledged) == list(range(2, 4 * RECORDS_PER_WRITER + 2))
    assert [size for size, _ in seen] == sorted(size for size, _ in seen)
    with Ledger.open(path) as ledger:
        assert ledger.verify().faults == ()
        assert {key for key, _ in acknowledged} == set(ledger.keys("party"))
        for key, entry in acknowledged:
            assert ledger.get("party", key).entry == entry
        for size, root in seen:
            assert ledger.at(known_at=size).head().root == root


@contextmanager
def opened_twice(path: LedgerLocation) -> Iterator[tuple[Ledger, Ledger]]:
    """Open a ledger twice, for writing."""
    with Ledger.open(path, writable=True) as first, Ledger.open(path, writable=True) as second:
        yield first, second


def test_the_second_of_two_amendments_is_refused_with_the_difference(
    path: LedgerLocation, ledger: Ledger
) -> None:
    record_all(ledger, case(["a: one"]))
    ledger.close()
    with opened_twice(path) as (first, second):
        seen = second.get("claim", "a").entry
        first.amend("claim", "a", {"note": "mine"}, by="One", reason="r", replaces=seen)
        with pytest.raises(ConflictError, match="by One") as raised:
            second.amend("claim", "a", {"note": "theirs"}, by="Two", reason="r", replaces=seen)
        assert raised.value.difference == (("note", None, "mine"),)
        assert second.get("claim", "a").record.note == "mine"  # type: ignore[attr-defined]


def test_a_reader_does_not_wait_for_an_open_transaction(
    path: LedgerLocation, ledger: Ledger
) -> None:
    record_all(ledger, case(["a: one"]))
    with Ledger.open(path) as reader, ledger._store.transaction():
        record_all(ledger, case(["b: one"]))
        start = time.monotonic()
        with reader.reading():
            assert reader.keys("claim") == ["a"]
            assert reader.verify().clean
        # A blocked reader would wait for the end of this very transaction.
        assert time.monotonic() - start < 10
    with Ledger.open(path) as reader:
        assert reader.keys("claim") == ["a", "b"]


@ONLY_FILES  # on a server readers and writers share no lock
def test_a_writer_that_opened_during_a_read_does_not_block_later_readers(
    path: LedgerLocation, ledger: Ledger
) -> None:
    """SQLite cannot switch to its write-ahead log while a reader is active; the writer switches later."""
    record_all(ledger, case(["a: one"]))
    ledger.close()
    with Ledger.open(path) as reader, reader.reading():
        reader.keys("claim")
        writer = Ledger.open(path, writable=True)
    driver = writer._store.driver  # type: ignore[attr-defined]
    driver.execute("PRAGMA cache_size = 10")  # changes spill to the disk before the commit
    with writer, writer._store.transaction():
        records = [{"kind": "party", "key": f"p{n}", "name": "x" * 500} for n in range(500)]
        record_all(writer, records)
        with Ledger.open(path) as another, another.reading():
            assert another.keys("party") == ["one"]
    with Ledger.open(path) as another:
        assert len(another.keys("party")) == 501


def hold_a_read(path: LedgerLocation, inside: Event, leave: Event) -> None:
    """Read in one transaction until ``leave`` is set."""
    with Ledger.open(path) as ledger, ledger.reading():
        assert ledger.keys("claim") == ["a"]
        inside.set()
        leave.wait()


def write_once(path: LedgerLocation, opened: Event, wrote: Event) -> None:
    with Ledger.open(path, writable=True) as ledger:
        opened.set()
        record_all(ledger, case(["b: two"]))
        wrote.set()


@ONLY_FILES  # on a server readers and writers share no lock
def test_a_writer_that_waits_for_a_reader_does_not_block_new_readers(
    path: LedgerLocation, ledger: Ledger
) -> None:
    record_all(ledger, case(["a: one"]))
    ledger.close()
    processes = multiprocessing.get_context("spawn")
    inside, leave, opened, wrote = (processes.Event() for _ in range(4))
    reader = processes.Process(target=hold_a_read, args=(path, inside, leave))
    writer = processes.Process(target=write_once, args=(path, opened, wrote))
    reader.start()
    inside.wait()
    writer.start()
    reads = 0
    try:
        while not opened.is_set() or reads < 100:
            # A ledger waits six times as long as this before it gives up.
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as another:
                assert another.execute("SELECT key FROM claim").fetchall() == [("a",)]
            reads += opened.is_set()
        assert not wrote.is_set()
    finally:
        leave.set()
        reader.join()
        writer.join()
    assert wrote.is_set()


@ONLY_SERVERS  # a file needs no round trips
def test_a_write_takes_few_round_trips_to_the_server(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All other writers wait during each round trip of a writer."""
    waits = 0
    wait = psycopg.Connection.wait

    def waiting(*values: Any, **options: Any) -> Any:
        nonlocal waits
        waits += 1
        return wait(*values, **options)

    def count_waits(write: Callable[[], object]) -> int:
        before = waits
        write()
        return waits - before

    def amending(count: int, note: str) -> Callable[[], object]:
        amended = [
            RecordInput.of(record_from({**record, "note": note})) for record in parties[:count]
        ]
        return lambda: ledger.import_records(iter(amended), by="T", amend=True, reason="r")

    monkeypatch.setattr(psycopg.Connection, "wait", waiting)
    parties = [{"kind": "party", "key": f"p{n}", "name": "P"} for n in range(300)]
    record_all(ledger, parties)
    source = {"kind": "source", "title": "S", "publisher": "p0"}
    round_trips = [
        count_waits(lambda n=n: record_all(ledger, [{**source, "key": f"s{n}"}])) for n in range(4)
    ]
    # Begin, lock, two queries, one insert, commit, flush, whatever the number of rows.
    assert round_trips[2:] == [7, 7]
    # Old versions are closed per table, not row by row: 280 more records cost fewer than 50 round trips.
    assert count_waits(amending(300, "b")) < count_waits(amending(20, "a")) + 50
    assert ledger.verify().clean


@ONLY_SERVERS  # what a file's lock does is SQLite's
def test_a_transaction_that_fails_to_serialise_at_its_start_is_retried(
    path: LedgerLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view over ``head`` raises 40001 like a server on which transactions are serializable by default."""
    schema = str(path).rpartition("=")[2]
    with RawDatabase(path) as raw:
        raw.run(
            "CREATE SEQUENCE attempts",
            "ALTER TABLE head RENAME TO real_head",
            "CREATE FUNCTION refused(boolean) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN "
            f"IF nextval('{schema}.attempts') < 4 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; "
            "RETURN $1; END $$",
            "CREATE VIEW head AS SELECT held, program, layout FROM real_head WHERE refused(held)",
        )
    record_all(ledger, case(["a: one"]))
    assert ledger.keys("claim") == ["a"]
    with RawDatabase(path) as raw:
        # Three refusals, one success, and one read by the trigger that makes writers wait for each other.
        assert raw.rows("SELECT last_value FROM attempts") == [(5,)]


@ONLY_SERVERS  # a file has one writer at a time
@pytest.mark.parametrize("when", ["in the middle", "at the end"])
def test_a_write_that_fails_to_serialise_is_retried(
    path: LedgerLocation,
    ledger: Ledger,
    when: str,
    call: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """A trigger raises 40001 on the first three attempts of each write, as a serializable server may."""
    record_all(ledger, case(["a: one"]))
    kind, moment = ("", "BEFORE") if when == "in the middle" else ("CONSTRAINT", "AFTER")
    deferred = "DEFERRABLE INITIALLY DEFERRED" if kind else ""
    writes: list[Callable[[], object]] = [
        lambda: record_all(ledger, case(["b: two"])),
        lambda: ledger.amend("claim", "b", {"note": "n"}, by="T", reason="r"),
        lambda: ledger.withdraw("claim", "b", by="T", reason="r"),
        lambda: ledger.redact("claim", "b", by="T", reason="r"),
        lambda: call("--ledger", str(path), "import", files),
        lambda: ledger.transaction(lambda: record_all(ledger, case(["e: four"]))),
    ]
    files = tmp_path / "more.jsonl"
    files.write_text("".join(f"{json.dumps(record)}\n" for record in case(["c: three"])))
    with RawDatabase(path) as raw:
        raw.run(
            "CREATE SEQUENCE attempts",
            "CREATE FUNCTION refused() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF nextval('attempts') % 4 <> 0 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; "
            "RETURN NEW; END $$",
            f"CREATE {kind} TRIGGER refused {moment} INSERT ON history {deferred} FOR EACH ROW "
            "WHEN (NEW.kind = 'claim' AND NEW.action <> 'redacted') EXECUTE FUNCTION refused()",
        )
    for write in writes:
        write()
    with RawDatabase(path) as raw:
        raw.run(
            "DROP TRIGGER refused ON history", "DROP FUNCTION refused", "DROP SEQUENCE attempts"
        )
    actions = [entry.action for entry in ledger.history("b")]
    assert actions == ["redacted", "redacted", "redacted", "redact"]
    assert ledger.keys("claim") == ["a", "c", "e"]
    assert ledger.verify().clean
