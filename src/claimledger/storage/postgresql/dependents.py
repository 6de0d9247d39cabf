"""Views that other users created on a ledger's tables, if there are too many to drop with the tables.

The server drops what depends on a table along with it, and locks each object until the transaction ends.
It can lock some thousands of objects; anyone who may read a table may create any number of views on it.
"""

from __future__ import annotations

import logging
from itertools import groupby

import psycopg

from claimledger.errors import StoreError
from claimledger.storage.postgresql.connection import listed
from claimledger.storage.postgresql.schema import HEAD, quoted
from claimledger.storage.postgresql.session import Session
from claimledger.storage.tables import ENTRY
from claimledger.storage.url import Address

logger = logging.getLogger("claimledger")

_BATCH = 500
"""Views from which they are dropped before the tables; and how many in one transaction."""

_VIEWS = """
WITH RECURSIVE base AS (
  SELECT 'pg_class'::regclass AS class, oid FROM pg_class
  WHERE relnamespace = to_regnamespace(%(schema)s) AND relkind = 'r' AND relname <> ALL (%(kept)s)
  UNION ALL
  SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = to_regnamespace(%(schema)s)
), dependent AS (
  SELECT r.ev_class AS oid FROM base
  JOIN pg_depend AS d ON d.refclassid = base.class AND d.refobjid = base.oid
  JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
  UNION
  SELECT r.ev_class FROM dependent JOIN pg_depend AS d
  ON d.refclassid = 'pg_class'::regclass AND d.refobjid = dependent.oid
  JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
)
SELECT c.relkind::text, n.nspname, c.relname, r.rolname, pg_has_role(c.relowner, 'USAGE')
FROM dependent JOIN pg_class AS c USING (oid) JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_roles AS r ON r.oid = c.relowner WHERE c.relkind IN ('v', 'm') ORDER BY 1, 2, 3"""
"""Views that depend on the ledger's views and functions: sort, schema, name, owner, droppable."""


def drop_many_views(session: Session, address: Address) -> int:
    """Drop other users' views, where they are many and we may, in transactions of their own; log their names.

    Returns how many there are.
    """
    views = _views(session, address)
    if len(views) < _BATCH:
        return len(views)
    ours = [
        (kind, f"{quoted(schema)}.{quoted(name)}") for kind, schema, name, _, may in views if may
    ]
    for kind, group in groupby(ours, key=lambda view: view[0]):
        names = [name for _, name in group]
        sort = "MATERIALIZED VIEW" if kind == "m" else "VIEW"
        for start in range(0, len(names), _BATCH):
            batch = names[start : start + _BATCH]
            try:
                session.execute(f"DROP {sort} IF EXISTS {', '.join(batch)} CASCADE")
            except psycopg.errors.LockNotAvailable:
                break  # who holds the lock is named where the tables are locked
            logger.warning(
                "%s: views of the ledger's tables were dropped: %s", address, listed(batch)
            )
    return len(_views(session, address))


def too_many_views(session: Session, address: Address) -> StoreError:
    """Return the error of views that the server cannot drop together, and that we may not drop before."""
    session.roll_back()
    views = _views(session, address)
    owners = listed(sorted({owner for _, _, _, owner, _ in views}))
    return StoreError(
        f"{address}: {len(views)} views depend on the ledger's tables, more than the server can lock at "
        f"once; nothing was written. Let their owners ({owners}) or a superuser drop them, and try again"
    )


def _views(session: Session, address: Address) -> list[tuple[str, str, str, str, bool]]:
    names = {"schema": address.schema, "kept": [HEAD, ENTRY.name]}
    return session.execute(_VIEWS, names).fetchall()
