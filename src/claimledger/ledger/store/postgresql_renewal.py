"""Making a PostgreSQL ledger's tables anew: views from the log, pages without what was deleted."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import psycopg

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


def scrub(talk: Talk, address: Address) -> None:
    """Write the tables and their indexes anew. Not inside a transaction."""
    for table in tables_made():
        talk.execute(f"VACUUM (FULL) {address.place}.{quoted(table.name)}")
    with suppress(psycopg.Error):  # what it frees the server writes over sooner
        talk.execute("CHECKPOINT")


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
