"""Sends statements to the server in as few round trips as possible: a write takes one or two.

While a writer holds the lock of the head all others wait, and most of what they wait for is the way to the
server and back. So what a write will have to ask is sent along with the lock, and what it inserts along with
the end of the transaction; the disk is waited for behind it, by several writers at once.

New records, most of what is ever written, take one turn: what they depend on is assumed, and their entries
are numbered from 1. The server takes the lock, sees that it is so, moves the numbers on, hashes the entries
into the tree (``SEQUENCE``). Where it is not so nothing is written, and the write is done anew in two turns.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import RawCursor
from psycopg.pq import TransactionStatus
from sqlalchemy import Dialect, Select, Table

from claimledger.storage.base import Preconditions, Question, WriteConflictError
from claimledger.storage.compiled import written
from claimledger.storage.postgresql.sql import copying, ending, insertion, sequencing
from claimledger.storage.tables import ENTRY, HISTORY, LAYOUT

_FEW = 200
"""Rows up to which single statements in one go are faster than the server's own way of copying."""

_ITERATED = 2000
"""Rows that a server-side cursor returns at a time."""

_ALONE = 0.003
"""Seconds for the lock under which no other writer was waiting."""

_FLUSHES = 170000
"""The server's version from which a writer can flush a message to its log."""


_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"

_FLUSH = "SELECT pg_logical_emit_message(true, 'claimledger', '')"
"""Its own commit is a synchronous one: with it everything before is on the disk, and writers that wait at the
same time wait for one flush.

Never prepared: where the commit before it is refused the server does not see it, and psycopg would take it
for prepared from then on; no transaction is left whose roll-back would have it forget."""

_MOMENT = list(HISTORY.columns).index(HISTORY.c.recorded_at)


class Session:
    """One connection, with the statements that wait for the next round trip."""

    def __init__(self, driver: psycopg.Connection[Any], dialect: Dialect) -> None:
        self.driver = driver
        self._dialect = dialect
        self._put: dict[Table, list[Sequence[Any]]] = {}
        self._ends: dict[Table, list[Sequence[Any]]] = {}
        self._waited = 0.0
        self._rolled_back = 0
        self._streams = 0
        self._known: dict[Select[Any], dict[Any, list[tuple[Any, ...]]]] = {}
        self._assumed: Preconditions | None = None
        self._size = -1
        """Of the log, as far as this writer knows it."""

        self._alone = False
        """Whether nobody else wrote since it did."""

    @property
    def inside(self) -> bool:
        """Whether a transaction is open, or a write that assumes what it depends on."""
        status = self.driver.info.transaction_status
        return self._assumed is not None or status != TransactionStatus.IDLE

    def execute(
        self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()
    ) -> psycopg.Cursor[Any]:
        """Ask one thing, after what was put off."""
        self.send()
        return self.driver.execute(statement, values or None)

    def begin(
        self, begin: Sequence[str], last: str, questions: Iterable[Question]
    ) -> tuple[Any, ...]:
        """Begin a transaction and return the one row of ``last``; learn the answers to questions.

        All of it is one round trip, and each statement sees what was committed before it.
        """
        self.forget()
        queries = [
            (query, written(query, self._dialect, column), values)
            for query, column, values in questions
        ]
        cursors = []
        start = time.perf_counter()
        with self.driver.pipeline():
            for statement in begin:
                self.driver.execute(statement)
            begun = self.driver.execute(last)
            for _, hint, values in queries:
                parameters = {**hint.bound, "wanted": list(values)}
                cursors.append(self.driver.execute(hint.text, parameters, prepare=True))
        self._waited = time.perf_counter() - start
        row = begun.fetchone()
        assert row is not None
        for (query, hint, values), cursor in zip(queries, cursors, strict=True):
            assert hint.place is not None, "who foresees a question asks for its column too"
            answers: dict[Any, list[tuple[Any, ...]]] = {value: [] for value in values}
            for answer in cursor.fetchall():
                answers[answer[hint.place]].append(answer)
            self._known[query] = answers
        return tuple(row)

    def assume(self, assumed: Preconditions) -> None:
        """Begin a write without asking anything, as if what it depends on were so."""
        self.forget()
        self._assumed = assumed
        standing: dict[Any, list[tuple[Any, ...]]] = {}
        for kind, key in assumed.standing:
            standing.setdefault(key, []).append((kind, key))
        self._known[assumed.question] = standing

    def rows(self, query: Select[Any]) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        compiled = written(query, self._dialect)
        self.send()
        return self.driver.execute(compiled.text, compiled.bound).fetchall()

    def rows_by(
        self, query: Select[Any], column: Any, values: Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a query for which a column is one of some values."""
        known = self._known.get(query)
        if known is not None and all(value in known for value in values):
            return [row for value in dict.fromkeys(values) for row in known[value]]
        compiled = written(query, self._dialect, column)
        self.send()
        return self.driver.execute(
            compiled.text, {**compiled.bound, "wanted": list(values)}
        ).fetchall()

    def stream(self, query: Select[Any]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query from a cursor of the server's; inside a transaction."""
        compiled = written(query, self._dialect)
        self.send()
        self._streams += 1
        with self.driver.cursor(f"stream{self._streams}", binary=True) as cursor:
            cursor.itersize = _ITERATED
            yield from cursor.execute(compiled.text, compiled.bound)

    def insert(self, rows_of: Mapping[Table, Sequence[Sequence[Any]]]) -> None:
        """Insert rows: few with the next round trip, many with COPY."""
        if not any(rows_of.values()):
            return
        self._known.clear()
        if sum(map(len, (*self._put.values(), *rows_of.values()))) <= _FEW:
            for table, rows in rows_of.items():
                if rows:
                    self._put.setdefault(table, []).extend(rows)
            return
        self.send()
        for table, rows in rows_of.items():
            with self.driver.cursor() as cursor, cursor.copy(copying(table)) as copy:
                for row in rows:
                    copy.write_row(row)

    def close_versions(self, ends: Mapping[Table, Sequence[Sequence[Any]]]) -> None:
        """Write into rows the entry that ended them: with the next round trip, after the inserts."""
        if not ends:
            return
        self._known.clear()
        for table, rows in ends.items():
            self._ends.setdefault(table, []).extend(rows)

    def send(self) -> None:
        """Send what was put off, before something is asked."""
        if self._assumed:
            raise WriteConflictError("more was asked than assumed")
        if self._put or self._ends:
            with self.driver.pipeline():
                self._send_put()

    def commit(self) -> int:
        """Send what was put off, commit, which lets the next writer in, and wait for the disk.

        Returns by how much the entries' numbers are larger than they were given.
        """
        if self._assumed:
            return self._sequence(self._assumed)
        with self.driver.pipeline():
            self._send_put()
            if self._waited < _ALONE:
                # Nobody else writes: to wait for the disk with the commit itself is one flush, not two.
                self.driver.execute("SET LOCAL synchronous_commit = on")
                self.driver.execute("COMMIT")
            else:
                self.driver.execute("COMMIT")
                self.driver.execute(_FLUSH, prepare=False)
        self.forget()
        return 0

    def _sequence(self, assumed: Preconditions) -> int:
        """Have the server put new records behind all others, where what they assume is so."""
        put, self._put = self._put, {}
        if not put:
            self.forget()
            return 0
        entries = put.pop(ENTRY)
        _, headers, payloads, salts, _ = zip(*entries, strict=True)
        moment = put[HISTORY][0][_MOMENT]
        kinds, keys = zip(*assumed.standing, strict=True) if assumed.standing else ((), ())
        lists = (assumed.unused, kinds, keys, headers, payloads, salts)
        shape = tuple((table, len(rows)) for table, rows in put.items())
        statement = sequencing(tuple(map(len, lists)), shape)
        parameters: list[Any] = [LAYOUT, self._alone, moment]
        parameters += (row for rows in lists for row in rows)
        parameters += (cell for rows in put.values() for row in rows for cell in row)
        with RawCursor(self.driver) as cursor:
            if self._alone:
                # To wait for the disk with the commit itself is one flush, not two.
                cursor.execute(statement, parameters, prepare=True)
            else:
                with self.driver.pipeline():
                    self.driver.execute(_BEGIN)
                    cursor.execute(statement, parameters, prepare=True)
                    self.driver.execute("COMMIT")
                    self.driver.execute(_FLUSH, prepare=False)
            row = cursor.fetchone()
        assert row is not None
        shift = int(row[0])
        self._alone = shift == self._size
        self._size = shift + len(entries)
        self.forget()
        return shift

    def roll_back(self) -> None:
        """End a transaction of which nothing is to stay, if one is open."""
        self.forget()
        if self.inside:
            # psycopg takes a statement for prepared that it sent behind the one that failed, in one
            # pipeline. A roll-back has it prepare all anew, but only one with words it has not seen yet.
            self._rolled_back += 1
            with suppress(psycopg.Error):
                self.driver.execute(f"ROLLBACK -- {self._rolled_back}", prepare=False)

    def flush_to_disk(self) -> None:
        """Have everything that was committed so far on the disk."""
        recovering = self.execute("SELECT pg_is_in_recovery()").fetchone()
        if recovering and recovering[0]:
            return  # a standby has what its primary flushed
        if self.driver.info.server_version >= _FLUSHES:
            self.driver.execute("SELECT pg_logical_emit_message(false, 'claimledger', '', true)")
            return
        # Before that version a reader cannot have it flushed; the server does within three of these.
        row = self.driver.execute(
            "SELECT setting::integer FROM pg_settings WHERE name = 'wal_writer_delay'"
        ).fetchone()
        time.sleep(3 * (row[0] if row else 200) / 1000)

    def forget(self) -> None:
        """Drop what was put off and what was learned: the transaction is over."""
        self._put.clear()
        self._ends.clear()
        self._known.clear()
        self._assumed = None

    def _send_put(self) -> None:
        put, self._put = self._put, {}
        if put:
            shape = tuple((table, len(rows)) for table, rows in put.items())
            cells = [cell for rows in put.values() for row in rows for cell in row]
            # psycopg's own placeholders cost more here than the insert: it does not keep what it read
            # of a statement with more than fifty of them.
            with RawCursor(self.driver) as cursor:
                cursor.execute(insertion(shape), cells, prepare=sum(map(len, put.values())) < 20)
        ends, self._ends = self._ends, {}
        for table, rows in ends.items():
            with RawCursor(self.driver) as cursor:
                cursor.execute(
                    ending(table), list(map(list, zip(*rows, strict=True))), prepare=True
                )
