"""Queries compiled once and run by the driver directly.

SQLAlchemy writes a query in either dialect, but compiling the same statement for every read costs five
times the read itself. A cached query (see ``cached_query``) is compiled once for each dialect and then handed
to the driver as text; rows come back as plain tuples, since every column is an integer, a text, a float or
bytes, which both drivers return unchanged.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import ARRAY, Dialect, Select, any_, bindparam, literal_column

cached_query = lru_cache(maxsize=256)
"""Decorates a function that builds a query: built once for its arguments."""

IN_LIST = "(:MANY:)"
"""Where, in a statement for SQLite, the values of a column go."""

_WRITTEN: WeakKeyDictionary[Select[Any], dict[tuple[str, int], CompiledQuery]] = WeakKeyDictionary()


class CompiledQuery(NamedTuple):
    """A query in one dialect."""

    text: str
    bound: dict[str, Any]
    in_order: tuple[Any, ...]
    """What is bound, where the dialect goes by order."""

    place: int | None
    """The position in a row of the column that is restricted, if it is selected."""


def written(query: Select[Any], dialect: Dialect, column: Any = None) -> CompiledQuery:
    """Return a query as the driver takes it, with a condition on ``column`` if there is one.

    In PostgreSQL the column's values are one array, ``wanted``; in SQLite they replace ``IN_LIST``.
    """
    by_dialect = _WRITTEN.setdefault(query, {})
    which = (dialect.name, id(column))  # a table's columns live as long as the program
    compiled_query = by_dialect.get(which)
    if compiled_query is None:
        restricted = query
        if column is not None and dialect.name == "sqlite":
            restricted = query.where(column.op("IN")(literal_column(IN_LIST)))
        elif column is not None:
            restricted = query.where(
                column == any_(bindparam("wanted", [], type_=ARRAY(column.type)))
            )
        compiled = restricted.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        columns = list(query.selected_columns)
        place = next((n for n, selected in enumerate(columns) if selected is column), None)
        bound = dict(compiled.params)
        in_order = tuple(bound[name] for name in getattr(compiled, "positiontup", None) or ())
        compiled_query = by_dialect[which] = CompiledQuery(str(compiled), bound, in_order, place)
    return compiled_query
