"""SQLModel classes of every table of a ledger, for queries of your own.

    from sqlmodel import select
    from claimledger import Ledger, models

    with Ledger.open("ledger.db") as ledger, ledger.session() as session:
        claims = models.live(session, models.Claim).where(models.Claim.subject == "legality")
        for claim in session.exec(claims):
            print(claim.key, claim.statement)

Tables keep every version of a record; a list in a record, such as ``claimant``, is JSON text, and its
figures and citations have tables of their own. The classes are generated from the tables, which are
generated from the records: the columns of a class are the fields of its record (``docs/words``). Each row
belongs to one entry of the log (``entry``) and is live until another ends it (``ended_by``); :func:`live`
selects the live ones. Importing this module takes a quarter of a second, so it is not imported with the
package.
"""

from __future__ import annotations

from types import new_class
from typing import Any

from sqlalchemy import BLOB, REAL, Column, Integer, MetaData, Table, func, or_
from sqlmodel import Field, Session, SQLModel, select
from sqlmodel.sql.expression import SelectOfScalar

from claimledger.storage.tables import ENTRY, HISTORY, MIRRORS, REFERENCE, WORDS

_PYTHON_TYPES: dict[type, Any] = {Integer: int, REAL: float, BLOB: bytes}


__all__ = [
    "BY_TABLE",
    "Capture",
    "Claim",
    "ClaimCitation",
    "ClaimFigure",
    "Decision",
    "Disposition",
    "Entry",
    "History",
    "Link",
    "LinkCitation",
    "Party",
    "Reference",
    "Review",
    "SearchWords",
    "Source",
    "Subject",
    "Term",
    "count_live",
    "live",
]


class Row(SQLModel):
    """A row of a table."""

    metadata = MetaData()


def _model(table: Table) -> Any:
    """Return the SQLModel class of a table, such as ``ClaimFigure`` of ``claim_figure``."""
    annotations: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    for column in table.columns:
        attribute = f"{column.name}_" if column.name == "from" else column.name  # a Python keyword
        python_type = _PYTHON_TYPES.get(type(column.type), str)
        annotations[attribute] = python_type | None if column.nullable else python_type
        copied = Column(
            column.name, column.type, primary_key=column.primary_key, nullable=column.nullable
        )
        fields[attribute] = Field(default=None, sa_column=copied)
    name = "".join(word.capitalize() for word in table.name.split("_"))
    namespace = {
        "__tablename__": table.name,
        "__annotations__": annotations,
        "__module__": __name__,
        "__doc__": f"A row of the table ``{table.name}``.",
        **fields,
    }
    return new_class(name, (Row,), {"table": True}, lambda body: body.update(namespace))


Entry: Any = _model(ENTRY)
History: Any = _model(HISTORY)
Reference: Any = _model(REFERENCE)
SearchWords: Any = _model(WORDS)
Party: Any = _model(MIRRORS["party"])
Source: Any = _model(MIRRORS["source"])
Subject: Any = _model(MIRRORS["subject"])
Term: Any = _model(MIRRORS["term"])
Claim: Any = _model(MIRRORS["claim"])
ClaimFigure: Any = _model(MIRRORS["claim_figure"])
ClaimCitation: Any = _model(MIRRORS["claim_citation"])
Capture: Any = _model(MIRRORS["capture"])
Link: Any = _model(MIRRORS["link"])
LinkCitation: Any = _model(MIRRORS["link_citation"])
Review: Any = _model(MIRRORS["review"])
Decision: Any = _model(MIRRORS["decision"])
Disposition: Any = _model(MIRRORS["disposition"])

BY_TABLE: dict[str, Any] = {
    str(model.__tablename__): model for model in Row.__subclasses__() if model is not Entry
}
"""The class of each view, by the name of its table. A test compares the names with those of the views."""


def live(session: Session, model: Any) -> SelectOfScalar[Any]:
    """Return the query for the rows of a table that are live at the session's clock.

    ``session`` is one of :meth:`LedgerView.session`, which has the view's ``known_at``. A row of
    :class:`History`, :class:`Claim` or another record is live until its record is amended, withdrawn or
    redacted.
    """
    known_at = session.info["known_at"]
    query = select(model)
    if known_at is None:
        return query.where(model.ended_by.is_(None))
    return query.where(
        model.entry <= known_at, or_(model.ended_by.is_(None), model.ended_by > known_at)
    )


def count_live(session: Session, model: Any) -> int:
    """Return how many rows of a table are live at the session's clock."""
    return session.exec(select(func.count()).select_from(live(session, model).subquery())).one()
