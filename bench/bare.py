"""Bare queries: the very statements a read asks, asked again with nothing of ours around them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, Self

import psycopg
from sqlalchemy import Engine, event

from bench.places import Places
from claimledger.ledger import Ledger

Asked = list[tuple[Any, Any]]
"""Statements and what is bound in them, in order."""

_heard: Asked = []


class _Cursor(psycopg.Cursor[Any]):
    """A cursor that notes what it is asked."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        _heard.append((query, params))
        return super().execute(query, params, **options)


class Heard:
    """A ledger, what it asks its store for some work, and the store's driver to ask it again."""

    def __init__(self, where: Places, name: str) -> None:
        self._address = where.where(name)
        self._bare = where.bare(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bare.close()

    def by(self, work: Callable[[Ledger], object]) -> Asked:
        """Return what some work asks, inside a transaction and past what the program remembers."""
        _heard.clear()
        connect = psycopg.connect

        def listening(*given: Any, **options: Any) -> psycopg.Connection[Any]:
            driver = connect(*given, **options)
            driver.cursor_factory = _Cursor
            return driver

        def note(_: object, __: object, statement: str, bound: Any, *___: object) -> None:
            if isinstance(self._bare, sqlite3.Connection):
                _heard.append((statement, bound))

        event.listen(Engine, "before_cursor_execute", note)
        psycopg.connect = listening
        try:
            with Ledger.open(self._address) as ledger, ledger.reading():
                _heard.clear()  # what opening asks is not the question's
                work(ledger)
                return list(_heard)
        finally:
            psycopg.connect = connect
            event.remove(Engine, "before_cursor_execute", note)

    def again(self, asked: Asked) -> None:
        """Ask the same, and fetch the answers."""
        for statement, bound in asked:
            self._bare.execute(statement, bound or ()).fetchall()
