"""Statements compiled once and run by the driver directly.

SQLAlchemy writes a statement in either dialect, but compiling the same one for every read costs five
times the read itself. A cached query (see ``cached_query``) is compiled once for each dialect and then handed
to the driver as text; rows come back as plain tuples, since every column is an integer, a text, a float or
bytes, which both drivers return unchanged.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import ARRAY, Delete, Dialect, Select, Update, any_, bindparam, literal_column

cached_query = lru_cache(maxsize=256)
"""Decorates a function that builds a query: built once for its arguments."""

IN_LIST = "(:MANY:)"
"""Where, in a statement for SQLite, the values of a column go."""

_COMPILED: WeakKeyDictionary[
    Select[Any] | Update | Delete, dict[tuple[str, int], CompiledStatement]
] = WeakKeyDictionary()


class CompiledStatement(NamedTuple):
    """A statement in one dialect, and the values bound in it."""

    text: str
    by_name: dict[str, Any]
    by_position: tuple[Any, ...]
    """The same values in order; empty if the dialect binds by name."""


def compile_statement(
    statement: Select[Any] | Update | Delete, dialect: Dialect, column: Any = None
) -> CompiledStatement:
    """Return a statement as the driver takes it; a query with a condition on ``column`` if one is given.

    In PostgreSQL the column's values are one array, ``wanted``; in SQLite they replace ``IN_LIST``.
    """
    by_dialect = _COMPILED.setdefault(statement, {})
    cache_key = (dialect.name, id(column))  # a table's columns live as long as the program
    compiled_statement = by_dialect.get(cache_key)
    if compiled_statement is None:
        restricted = statement
        if column is not None and dialect.name == "sqlite":
            restricted = statement.where(column.op("IN")(literal_column(IN_LIST)))
        elif column is not None:
            restricted = statement.where(
                column == any_(bindparam("wanted", [], type_=ARRAY(column.type)))
            )
        compiled = restricted.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        by_name = dict(compiled.params)
        by_position = tuple(by_name[name] for name in getattr(compiled, "positiontup", None) or ())
        compiled_statement = CompiledStatement(str(compiled), by_name, by_position)
        by_dialect[cache_key] = compiled_statement
    return compiled_statement
