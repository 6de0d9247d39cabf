"""Bare queries: the very statements a read asks, asked again with nothing of ours around them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, Self
from unittest import mock

import psycopg

from bench.backends import Places
from claimledger.ledger import Ledger

Asked = list[tuple[Any, Any]]
"""Statements and what is bound in them, in order."""

_heard: Asked = []


class _Connection(sqlite3.Connection):
    """A connection that notes what it is asked."""

    def execute(self, query: str, params: Any = ()) -> sqlite3.Cursor:
        _heard.append((query, params))
        return super().execute(query, params)


class _Cursor(psycopg.Cursor[Any]):
    """A cursor that notes what it is asked."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        _heard.append((query, params))
        return super().execute(query, params, **options)


def _listening(*values: Any, **options: Any) -> psycopg.Connection[Any]:
    driver: psycopg.Connection[Any] = psycopg.Connection.connect(*values, **options)
    driver.cursor_factory = _Cursor
    return driver


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
        """Return what some work asks, inside a transaction."""
        with (
            mock.patch("sqlite3.connect", partial(sqlite3.connect, factory=_Connection)),
            mock.patch("psycopg.connect", _listening),
            Ledger.open(self._address) as ledger,
            ledger.reading(),
        ):
            _heard.clear()  # what opening asks is not the question's
            work(ledger)
            return list(_heard)

    def again(self, queries: Asked) -> None:
        """Ask the same, and fetch the answers."""
        for statement, bound in queries:
            self._bare.execute(statement, bound or ()).fetchall()
