"""Many at once on one ledger: one order, no gap, no loss, nobody's write over another's; readers go on."""

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

EACH = 12


def write(values: tuple[LedgerLocation, str]) -> list[tuple[str, int]]:
    """Record one after another; return what was acknowledged: key and entry."""
    where, name = values
    done = []
    with Ledger.open(where, writable=True) as ledger:
        for number in range(EACH):
            record = {"kind": "party", "key": f"{name}-{number}", "name": name}
            taken = ledger.import_records([RecordInput.of(record_from(record))], by=name)
            done += [(key, entry) for _, key, entry in taken.written]
    return done


def without_key(values: tuple[LedgerLocation, str]) -> list[tuple[str, int]]:
    """Record what gets its key from the ledger."""
    where, name = values
    with Ledger.open(where, writable=True) as ledger:
        done = []
        for number in range(EACH):
            record = {"kind": "party", "name": f"{name} {number}"}
            taken = ledger.import_records([RecordInput.of(record_from(record))], by=name)
            done += [(key, entry) for _, key, entry in taken.written]
        return done


def look(values: tuple[LedgerLocation, str]) -> list[tuple[int, bytes]]:
    """Read one moment after another; what was there once stays as it was."""
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


@pytest.mark.parametrize("work", [write, without_key])
def test_one_order_without_gaps_and_nothing_lost(path: LedgerLocation, work: Any) -> None:
    with Ledger.create(path) as ledger:
        record_all(ledger, [{"kind": "subject", "key": "t", "label": "T"}])
    with multiprocessing.get_context("spawn").Pool(5) as pool:
        reading = pool.map_async(look, [(path, "reader")])
        done = pool.map(work, [(path, f"w{n}") for n in range(4)])
        (seen,) = reading.get()
    acknowledged = [part for rows in done for part in rows]
    assert len(acknowledged) == 4 * EACH
    assert sorted(entry for _, entry in acknowledged) == list(range(2, 4 * EACH + 2))
    assert [size for size, _ in seen] == sorted(size for size, _ in seen)
    with Ledger.open(path) as ledger:
        assert ledger.verify().faults == ()
        assert {key for key, _ in acknowledged} == set(ledger.keys("party"))
        for key, entry in acknowledged:
            assert ledger.get("party", key).entry == entry
        for size, root in seen:
            assert ledger.at(known_at=size).head().root == root


@contextmanager
def two(path: LedgerLocation) -> Iterator[tuple[Ledger, Ledger]]:
    with Ledger.open(path, writable=True) as ledger, Ledger.open(path, writable=True) as second:
        yield ledger, second


def test_the_second_to_amend_is_told_and_shown_the_difference(
    path: LedgerLocation, ledger: Ledger
) -> None:
    record_all(ledger, case(["a: one"]))
    ledger.close()
    with two(path) as (first, second):
        seen = second.get("claim", "a").entry
        first.amend("claim", "a", {"note": "mine"}, by="One", reason="r", replaces=seen)
        with pytest.raises(ConflictError, match="by One") as raised:
            second.amend("claim", "a", {"note": "theirs"}, by="Two", reason="r", replaces=seen)
        assert raised.value.difference == (("note", None, "mine"),)
        assert second.get("claim", "a").record.note == "mine"  # type: ignore[attr-defined]


def test_a_reader_does_not_wait_for_a_writer(path: LedgerLocation, ledger: Ledger) -> None:
    record_all(ledger, case(["a: one"]))
    with Ledger.open(path) as reader, ledger._store.writing():
        record_all(ledger, case(["b: one"]))
        start = time.monotonic()
        with reader.reading():
            assert reader.keys("claim") == ["a"]
            assert reader.verify().clean
        assert time.monotonic() - start < 10  # it would wait for the writer for ever
    with Ledger.open(path) as reader:
        assert reader.keys("claim") == ["a", "b"]


@ONLY_FILES  # on a server readers and writers share no lock
def test_a_reader_waits_for_no_writer_that_came_while_another_read(
    path: LedgerLocation, ledger: Ledger
) -> None:
    """The journal with which readers go on cannot be taken while one is inside: it is taken later."""
    record_all(ledger, case(["a: one"]))
    ledger.close()
    with Ledger.open(path) as reader, reader.reading():
        reader.keys("claim")
        writer = Ledger.open(path, writable=True)
    driver = writer._store.driver  # type: ignore[attr-defined]
    driver.execute("PRAGMA cache_size = 10")  # what it writes goes to the disk before its end
    with writer, writer._store.writing():
        records = [{"kind": "party", "key": f"p{n}", "name": "x" * 500} for n in range(500)]
        record_all(writer, records)
        with Ledger.open(path) as another, another.reading():
            assert another.keys("party") == ["one"]
    with Ledger.open(path) as another:
        assert len(another.keys("party")) == 501


def stay_reading(path: LedgerLocation, inside: Event, leave: Event) -> None:
    with Ledger.open(path) as ledger, ledger.reading():
        assert ledger.keys("claim") == ["a"]
        inside.set()
        leave.wait()


def come_to_write(path: LedgerLocation, opened: Event, wrote: Event) -> None:
    with Ledger.open(path, writable=True) as ledger:
        opened.set()
        record_all(ledger, case(["b: two"]))
        wrote.set()


@ONLY_FILES  # on a server readers and writers share no lock
def test_a_writer_that_waits_for_a_reader_keeps_no_other_out(
    path: LedgerLocation, ledger: Ledger
) -> None:
    record_all(ledger, case(["a: one"]))
    ledger.close()
    processes = multiprocessing.get_context("spawn")
    inside, leave, opened, wrote = (processes.Event() for _ in range(4))
    reader = processes.Process(target=stay_reading, args=(path, inside, leave))
    writer = processes.Process(target=come_to_write, args=(path, opened, wrote))
    reader.start()
    inside.wait()
    writer.start()
    visits = 0
    try:
        while not opened.is_set() or visits < 100:
            # A sixth of the patience that a ledger's own readers have.
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as another:
                assert another.execute("SELECT key FROM claim").fetchall() == [("a",)]
            visits += opened.is_set()
        assert not wrote.is_set()
    finally:
        leave.set()
        reader.join()
        writer.join()
    assert wrote.is_set()


@ONLY_SERVERS  # a file is no turn away
def test_a_write_takes_few_turns_to_the_server(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a writer waits for an answer, all others wait for it."""
    waits = 0
    wait = psycopg.Connection.wait

    def waiting(*values: Any, **options: Any) -> Any:
        nonlocal waits
        waits += 1
        return wait(*values, **options)

    def waited(work: Callable[[], object]) -> int:
        before = waits
        work()
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
    took = [waited(lambda n=n: record_all(ledger, [{**source, "key": f"s{n}"}])) for n in range(4)]
    assert took[2:] == [1, 1]  # whoever was alone before sends all of it at once
    # What ends does not go row by row, but a table at a time.
    assert waited(amending(300, "b")) < waited(amending(20, "a")) + 50
    assert ledger.verify().clean


@ONLY_SERVERS  # what a file's lock does is SQLite's
def test_a_transaction_the_server_refuses_for_others_is_begun_again(
    path: LedgerLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is serialisable throughout answers 40001 where others wait for the lock."""
    schema = str(path).rpartition("=")[2]
    with RawDatabase(path) as raw:
        raw.run(
            "CREATE SEQUENCE asked",
            "ALTER TABLE head RENAME TO held_head",
            "CREATE FUNCTION refused(boolean) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN "
            f"IF nextval('{schema}.asked') < 4 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; "
            "RETURN $1; END $$",
            "CREATE VIEW head AS SELECT held, program, layout FROM held_head WHERE refused(held)",
        )
    record_all(ledger, case(["a: one"]))
    assert ledger.keys("claim") == ["a"]
    with RawDatabase(path) as raw:
        # Three refused, one taken, and once more by the trigger that has every writer wait for its turn.
        assert raw.rows("SELECT last_value FROM asked") == [(5,)]


@ONLY_SERVERS  # a file has one writer at a time
@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("when", ["in the middle", "at the end"])
def test_a_write_that_a_server_refuses_because_of_others_is_done_again(
    path: LedgerLocation,
    ledger: Ledger,
    when: str,
    alone: bool,
    call: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A trigger answers 40001 to the first three of each, as a server that is serialisable throughout can."""
    # Who is not alone waits for the disk behind the commit, in the same turn.
    monkeypatch.setattr("claimledger.storage.postgresql.session._ALONE", 60 if alone else 0)
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
            "CREATE SEQUENCE asked",
            "CREATE FUNCTION refused() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF nextval('asked') % 4 <> 0 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; "
            "RETURN NEW; END $$",
            f"CREATE {kind} TRIGGER refused {moment} INSERT ON history {deferred} FOR EACH ROW "
            "WHEN (NEW.kind = 'claim' AND NEW.action <> 'redacted') EXECUTE FUNCTION refused()",
        )
    for write in writes:
        write()
    with RawDatabase(path) as raw:
        raw.run("DROP TRIGGER refused ON history", "DROP FUNCTION refused", "DROP SEQUENCE asked")
    actions = [event.action for event in ledger.history("b")]
    assert actions == ["redacted", "redacted", "redacted", "redact"]
    assert ledger.keys("claim") == ["a", "c", "e"]
    assert ledger.verify().clean
