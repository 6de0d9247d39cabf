"""Rewrites a PostgreSQL ledger's tables: views from the log, pages without what was deleted."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any

import psycopg
from psycopg.errors import Diagnostic

from claimledger.errors import StoreError
from claimledger.storage.postgresql.connection import listed
from claimledger.storage.postgresql.dependents import drop_many_views, too_many_views
from claimledger.storage.postgresql.locks import (
    CHANGE_SECONDS,
    LOCK_TIMEOUT_SECONDS,
    attempts_until,
    lock_deadline,
    lock_exclusively,
)
from claimledger.storage.postgresql.log_rules import CHECKS
from claimledger.storage.postgresql.privileges import Privilege
from claimledger.storage.postgresql.roles import Roles
from claimledger.storage.postgresql.schema import (
    CALLED,
    HEAD,
    KEYS,
    RETIRED,
    all_tables,
    guard_statements,
    quoted,
    view_statements,
)
from claimledger.storage.postgresql.session import Session
from claimledger.storage.postgresql.statistics import discard_statements
from claimledger.storage.postgresql.triggers import FUNCTIONS
from claimledger.storage.tables import ENTRY, LAYOUT, PENDING_SCRUB, WORDS
from claimledger.storage.url import Address

logger = logging.getLogger("claimledger")


def renew(session: Session, address: Address, locked: Callable[[], None] = lambda: None) -> None:
    """Drop every view and trigger, and create them as this program defines them, with the roles' privileges.

    Begins a transaction where none is open, and leaves it open. ``locked`` is called once they are locked.
    Other users' objects that depend on the views are dropped too, and logged: otherwise anyone who may read
    could block this.
    """
    schema = address.place
    views = 0 if session.in_transaction else drop_many_views(session, address)
    rows = session.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY tablename <> %s, tablename",
        (address.schema, HEAD),
    ).fetchall()
    head, *tables = (f"{schema}.{quoted(name)}" for (name,) in rows)
    cascades: list[str] = []
    unscrubbed: list[int] = []
    roles = Roles(session.driver, address)
    privileges: list[Privilege] = []

    def drop() -> None:
        locked()
        privileges[:] = roles.privileges()
        unscrubbed[:] = _unscrubbed(session, address)
        cascades[:] = _drop(session, address, tables)

    try:
        # A writer begins with the head: a writer that waits there holds no other table.
        seconds = CHANGE_SECONDS + views / 100
        lock_exclusively(session, address, [head, *tables], drop, seconds)
    except psycopg.errors.OutOfMemory:
        raise too_many_views(session, address) from None
    if cascades:
        logger.warning(
            "%s: objects that depend on the ledger's tables were dropped: %s",
            address,
            listed(cascades),
        )
    session.execute(";\n".join((*guard_statements(schema), *view_statements(schema))))
    for entry in unscrubbed:
        session.execute(f"INSERT INTO {schema}.{PENDING_SCRUB.name} VALUES (%s)", (entry,))
    session.execute(f"UPDATE {HEAD} SET layout = %s", (LAYOUT,))
    roles.renew(privileges)


def _drop(session: Session, address: Address, tables: Sequence[str]) -> list[str]:
    """Drop everything but the log and the head; return what the server says it dropped with them."""
    log = f"{address.place}.{quoted(ENTRY.name)}"
    views = [table for table in tables if table != log]
    session.execute("SET LOCAL client_min_messages = notice")
    with collect_notices(session.driver) as notices:
        if views:
            session.execute(f"DROP TABLE {', '.join(views)} CASCADE")
        triggers = session.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal",
            (log,),
        ).fetchall()
        for (name,) in triggers:
            session.execute(f"DROP TRIGGER {quoted(name)} ON {log}")
        functions = session.execute(
            "SELECT oid::regprocedure::text FROM pg_proc "
            "WHERE pronamespace = %s::regnamespace AND proname = ANY (%s)",
            (address.place, [*FUNCTIONS, *CALLED, *CHECKS, *RETIRED]),
        ).fetchall()
        if functions:
            names = ", ".join(function for (function,) in functions)
            session.execute(f"DROP ROUTINE {names} CASCADE")  # also a procedure under such a name
        session.execute(f"DROP INDEX IF EXISTS {address.place}.{KEYS}")
    # What is locked by now is changed however long it takes: a column of a large log is rewritten.
    session.execute("SET LOCAL statement_timeout = 0")
    for statement in chain.from_iterable(discard_statements(session, address).values()):
        session.execute(statement)
    cascades = [line for message, detail in notices for line in (detail or message).splitlines()]
    return [line for line in cascades if line]


@contextmanager
def collect_notices(driver: psycopg.Connection[Any]) -> Iterator[list[tuple[str, str]]]:
    """Collect the server's notices: message and detail of each."""
    notices: list[tuple[str, str]] = []

    def note(notice: Diagnostic) -> None:
        # The driver frees the notice when this returns.
        notices.append((notice.message_primary or "", notice.message_detail or ""))

    driver.add_notice_handler(note)
    try:
        yield notices
    finally:
        driver.remove_notice_handler(note)


def _unscrubbed(session: Session, address: Address) -> list[int]:
    """Return the redactions that a renewal must not forget; none where an older layout had no table."""
    name = f"{address.place}.{PENDING_SCRUB.name}"
    (known,) = session.execute("SELECT to_regclass(%s)", (name,)).fetchone() or (None,)
    rows = session.execute(f"SELECT entry FROM {name}").fetchall() if known else []
    return [entry for (entry,) in rows]


def scrub(session: Session, address: Address) -> None:
    """Rewrite the tables and their indexes. Not inside a transaction.

    Raises :class:`StoreError` if somebody is reading, or may still read what was deleted.
    """
    _discard_samples(session, address)
    ((patience,),) = session.execute("SHOW lock_timeout").fetchall()
    session.execute(f"SET lock_timeout = {int(LOCK_TIMEOUT_SECONDS * 1000)}")
    deadline = lock_deadline()
    try:
        for table in all_tables():
            name = f"{address.place}.{quoted(table.name)}"
            if not any(_rewrite(session, name) for _ in attempts_until(deadline)):
                raise StoreError(
                    f"{address}: another session reads the ledger, or may still see what was deleted"
                )
    finally:
        session.execute("SELECT set_config('lock_timeout', %s, false)", (patience,))
    with suppress(psycopg.Error):  # what it frees the server writes over sooner
        session.execute("CHECKPOINT")


def _discard_samples(session: Session, address: Address) -> None:
    """Discard what the server sampled of the tables while something had it sample them."""
    statements = discard_statements(session, address)
    if not statements:
        return
    tables = [f"{address.place}.{quoted(table)}" for table in statements]

    def change() -> None:
        for statement in chain.from_iterable(statements.values()):
            session.execute(statement)

    try:
        lock_exclusively(
            session, address, tables, change, seconds=0
        )  # an index of a large ledger takes long
        session.execute("COMMIT")
    except psycopg.errors.FeatureNotSupported:
        raise StoreError(
            f"{address}: the server keeps samples of the ledger's texts, and somebody's view of the tables "
            "keeps them from being discarded: drop the view, and do this again"
        ) from None


def _rewrite(session: Session, name: str) -> bool:
    """Rewrite a table, unless somebody uses it; return whether nothing of what was deleted is left.

    Others who want the table wait behind this, so it waits for a moment only. A reader who has it, and waits
    for another connection of its own that wants it too (as `verify` does), would else wait for this for ever.
    """
    with collect_notices(session.driver) as notices:
        try:
            session.execute(f"VACUUM (FULL, VERBOSE) {name}")
        except psycopg.errors.LockNotAvailable:
            return False
    # Rows that an open transaction may still see are copied too. How many is the first thing in the detail,
    # in whatever language the server speaks: "2 dead row versions cannot be removed yet".
    details = [detail for _, detail in notices if detail]
    copied = re.match(r"\d+", details[-1]) if details else None
    if copied is None:
        raise StoreError(f"the server did not report that it rewrote {name}")
    return int(copied[0]) == 0


def find_residual_text(session: Session, texts: Sequence[bytes]) -> list[bytes]:
    """Return those of the texts that are still in the log or in the search words."""
    residual = []
    for text in texts:
        for table, column in ((ENTRY, "payload"), (WORDS, "words")):
            query = f"SELECT 1 FROM {table.name} WHERE position(%s in {column}) > 0 LIMIT 1"
            if session.execute(query, (text.decode(),)).fetchone():
                residual.append(text)
                break
    return residual
