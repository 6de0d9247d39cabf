"""Making a PostgreSQL ledger's tables anew: views from the log, pages without what was deleted."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.errors import Diagnostic

from claimledger.errors import StoreError
from claimledger.ledger.store.address import Address
from claimledger.ledger.store.postgresql_locks import PATIENCE_SECONDS, Turns, lock_alone
from claimledger.ledger.store.postgresql_roles import Roles
from claimledger.ledger.store.postgresql_rules import CHECKS
from claimledger.ledger.store.postgresql_schema import (
    CALLED,
    HEAD,
    KEYS,
    guarding,
    quoted,
    tables_made,
    unsampled_in,
    viewing,
)
from claimledger.ledger.store.postgresql_talk import Talk
from claimledger.ledger.store.postgresql_triggers import FUNCTIONS
from claimledger.ledger.tables import ENTRY, LAYOUT, PENDING_SCRUB, WORDS

logger = logging.getLogger("claimledger")


def renew(talk: Talk, address: Address) -> None:
    """Remove every view and trigger, and make them as this program has them, with the rights of the roles.

    What others made of the views goes with them, and is told: else whoever may read could keep them there.
    """
    schema = address.place
    unscrubbed = _unscrubbed(talk, address)
    found = talk.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename <> %s ORDER BY tablename",
        (address.schema, HEAD),
    ).fetchall()
    tables = {name: f"{schema}.{quoted(name)}" for (name,) in found}
    lock_alone(talk.driver, address, list(tables.values()))
    dropped = [name for name in tables.values() if name != tables.get(ENTRY.name)]
    if dropped:
        _drop(talk, address, f"DROP TABLE {', '.join(dropped)} CASCADE")
    triggers = talk.execute(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal",
        (f"{schema}.entry",),
    ).fetchall()
    for (name,) in triggers:
        talk.execute(f"DROP TRIGGER {quoted(name)} ON {schema}.entry")
    functions = talk.execute(
        "SELECT oid::regprocedure::text FROM pg_proc "
        "WHERE pronamespace = %s::regnamespace AND proname = ANY (%s)",
        (schema, [*FUNCTIONS, *CALLED, *CHECKS]),
    ).fetchall()
    for (function,) in functions:
        _drop(talk, address, f"DROP FUNCTION {function} CASCADE")
    talk.execute(f"DROP INDEX IF EXISTS {schema}.{KEYS}")
    _forget_samples(talk, address)
    talk.execute(";\n".join((*guarding(schema), *viewing(schema))))
    for entry in unscrubbed:
        talk.execute(f"INSERT INTO {schema}.{PENDING_SCRUB.name} VALUES (%s)", (entry,))
    talk.execute(f"UPDATE {HEAD} SET layout = %s", (LAYOUT,))
    Roles(talk.driver, address).renew()


_SAMPLED = """
SELECT a.attname
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = %s::regclass AND a.attname = ANY (%s) AND (
  coalesce(a.attstattarget, -1) <> 0
  OR a.attcollation <> (
    SELECT oid FROM pg_collation WHERE collname = 'C' AND collnamespace = 'pg_catalog'::regnamespace)
  OR EXISTS (
    SELECT FROM pg_stats AS s
    WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname)
)"""
"""Columns that the server samples or sampled, or compares otherwise than sign by sign."""


def _forget_samples(talk: Talk, address: Address) -> None:
    """See to it that the log's texts are compared sign by sign, and that nothing is sampled of them."""
    table = f"{address.place}.{ENTRY.name}"
    sampled = talk.execute(_SAMPLED, (table, unsampled_in(ENTRY))).fetchall()
    for (name,) in sampled:
        altered = f"ALTER TABLE {table} ALTER COLUMN {quoted(name)}"
        # The server forgets what it sampled of a column only with its type, which may be the one it has.
        talk.execute(f'{altered} TYPE text COLLATE pg_catalog."C"')
        talk.execute(f"{altered} SET STATISTICS 0")


def _drop(talk: Talk, address: Address, statement: str) -> None:
    """Drop something with all that depends on it, and tell what else that was."""
    talk.execute("SET LOCAL client_min_messages = notice")
    with noticing(talk.driver) as notices:
        talk.execute(statement)
    told = [line for primary, detail in notices for line in (detail or primary).splitlines()]
    if told:
        logger.warning(
            "%s: what others made of the ledger's tables went with them: %s",
            address,
            "; ".join(told),
        )


@contextmanager
def noticing(driver: psycopg.Connection[Any]) -> Iterator[list[tuple[str, str]]]:
    """Collect what the server remarks: message and detail."""
    notices: list[tuple[str, str]] = []

    def note(notice: Diagnostic) -> None:
        # What a notice holds is gone when this returns.
        notices.append((notice.message_primary or "", notice.message_detail or ""))

    driver.add_notice_handler(note)
    try:
        yield notices
    finally:
        driver.remove_notice_handler(note)


def _unscrubbed(talk: Talk, address: Address) -> list[int]:
    """Return the redactions that a renewal must not forget; none where an older layout had no table."""
    name = f"{address.place}.{PENDING_SCRUB.name}"
    (known,) = talk.execute("SELECT to_regclass(%s)", (name,)).fetchone() or (None,)
    rows = talk.execute(f"SELECT entry FROM {name}").fetchall() if known else []
    return [entry for (entry,) in rows]


def scrub(talk: Talk, address: Address) -> None:
    """Write the tables and their indexes anew. Not inside a transaction.

    Raises :class:`StoreError` where somebody reads, or may still read what was deleted.
    """
    ((patience,),) = talk.execute("SHOW lock_timeout").fetchall()
    talk.execute(f"SET lock_timeout = {int(PATIENCE_SECONDS * 1000)}")
    turns = Turns()
    try:
        for table in tables_made():
            name = f"{address.place}.{quoted(table.name)}"
            while not _rewritten(talk, name):
                if not turns.next():
                    raise StoreError(
                        f"{address}: somebody reads, or may still see what was deleted"
                    )
    finally:
        talk.execute("SELECT set_config('lock_timeout', %s, false)", (patience,))
    with suppress(psycopg.Error):  # what it frees the server writes over sooner
        talk.execute("CHECKPOINT")


def _rewritten(talk: Talk, name: str) -> bool:
    """Write a table anew, unless somebody has it; return whether nothing of what was deleted is left.

    Others who want the table wait behind this, so it waits for a moment only. A reader who has it, and waits
    for another connection of its own that wants it too (as `verify` does), would else wait for this for ever.
    """
    with noticing(talk.driver) as notices:
        try:
            talk.execute(f"VACUUM (FULL, VERBOSE) {name}")
        except psycopg.errors.LockNotAvailable:
            return False
    # Rows that an open transaction may still see are copied too. How many is the first thing in the detail,
    # in whatever language the server speaks: "2 dead row versions cannot be removed yet".
    details = [detail for _, detail in notices if detail]
    copied = re.match(r"\d+", details[-1]) if details else None
    if copied is None:
        raise StoreError(f"the server did not report that it rewrote {name}")
    return int(copied[0]) == 0


def stray_bytes(talk: Talk, texts: Sequence[bytes]) -> list[bytes]:
    """Return those of the texts that still stand in the log or in the search words."""
    found = []
    for text in texts:
        for table, column in ((ENTRY, "payload"), (WORDS, "words")):
            query = f"SELECT 1 FROM {table.name} WHERE position(%s in {column}) > 0 LIMIT 1"
            if talk.execute(query, (text.decode(),)).fetchone():
                found.append(text)
                break
    return found
