"""Making a PostgreSQL ledger's tables anew: views from the log, pages without what was deleted."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence
from contextlib import suppress

import psycopg
from psycopg.errors import Diagnostic

from claimledger.errors import StoreError
from claimledger.ledger.store.address import Address
from claimledger.ledger.store.postgresql_roles import Roles
from claimledger.ledger.store.postgresql_rules import CHECKS
from claimledger.ledger.store.postgresql_schema import (
    CALLED,
    HEAD,
    KEYS,
    guarding,
    quoted,
    tables_made,
    viewing,
)
from claimledger.ledger.store.postgresql_talk import Talk
from claimledger.ledger.store.postgresql_triggers import FUNCTIONS
from claimledger.ledger.tables import ENTRY, LAYOUT, PENDING_SCRUB, WORDS


def renew(talk: Talk, address: Address) -> None:
    """Remove every view and trigger, and make them as this program has them, with the rights there were."""
    schema = address.place
    unscrubbed = _unscrubbed(talk, address)
    tables = talk.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = %s", (address.schema,)
    ).fetchall()
    for (name,) in tables:
        if name not in ("entry", HEAD):
            talk.execute(f"DROP TABLE {schema}.{quoted(name)}")
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
        talk.execute(f"DROP FUNCTION {function}")
    talk.execute(f"DROP INDEX IF EXISTS {schema}.{KEYS}")
    talk.execute(";\n".join((*guarding(schema), *viewing(schema))))
    for entry in unscrubbed:
        talk.execute(f"INSERT INTO {schema}.{PENDING_SCRUB.name} VALUES (%s)", (entry,))
    talk.execute(f"UPDATE {HEAD} SET layout = %s", (LAYOUT,))
    Roles(talk.driver, address.schema).renew()


def _unscrubbed(talk: Talk, address: Address) -> list[int]:
    """Return the redactions that a renewal must not forget; none where an older layout had no table."""
    name = f"{address.place}.{PENDING_SCRUB.name}"
    (known,) = talk.execute("SELECT to_regclass(%s)", (name,)).fetchone() or (None,)
    rows = talk.execute(f"SELECT entry FROM {name}").fetchall() if known else []
    return [entry for (entry,) in rows]


PATIENCE_SECONDS = 0.5
"""How long a table's lock is waited for at once: whoever comes meanwhile waits as well."""

SCRUB_SECONDS = 30.0
"""How long it is tried again and again to have a table alone."""


def scrub(talk: Talk, address: Address) -> None:
    """Write the tables and their indexes anew. Not inside a transaction.

    Raises :class:`StoreError` where somebody reads, or may still read what was deleted.
    """
    ((patience,),) = talk.execute("SHOW lock_timeout").fetchall()
    talk.execute(f"SET lock_timeout = {int(PATIENCE_SECONDS * 1000)}")
    end = time.monotonic() + SCRUB_SECONDS
    try:
        for table in tables_made():
            name = f"{address.place}.{quoted(table.name)}"
            while not _rewritten(talk, name):
                if time.monotonic() > end:
                    raise StoreError(
                        f"{address}: somebody reads, or may still see what was deleted"
                    )
                time.sleep(PATIENCE_SECONDS * random.uniform(0.5, 1.5))
    finally:
        talk.execute("SELECT set_config('lock_timeout', %s, false)", (patience,))
    with suppress(psycopg.Error):  # what it frees the server writes over sooner
        talk.execute("CHECKPOINT")


def _rewritten(talk: Talk, name: str) -> bool:
    """Write a table anew, unless somebody has it; return whether nothing of what was deleted is left.

    Others who want the table wait behind this, so it waits for a moment only. A reader who has it, and waits
    for another connection of its own that wants it too (as `verify` does), would else wait for this for ever.
    """
    details: list[str] = []

    def note(notice: Diagnostic) -> None:
        # What a notice holds is gone when this returns.
        if notice.message_detail:
            details.append(notice.message_detail)

    talk.driver.add_notice_handler(note)
    try:
        talk.execute(f"VACUUM (FULL, VERBOSE) {name}")
    except psycopg.errors.LockNotAvailable:
        return False
    finally:
        talk.driver.remove_notice_handler(note)
    # Rows that an open transaction may still see are copied too. How many is the first thing in the detail,
    # in whatever language the server speaks: "2 dead row versions cannot be removed yet".
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
