"""Who may what in a PostgreSQL ledger: four roles, made when they are first given.

A role of the server belongs to one ledger; users of the server are made members of it. What each may is
held by the server itself: a reader writes nothing, a recorder adds and changes nothing, an editor also ends
versions. None of them has any right to update or delete in the log. A keeper owns the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Any

import psycopg

from claimledger.errors import NotFound, StoreError
from claimledger.ledger.store.postgresql_rules import CHECKS
from claimledger.ledger.store.postgresql_schema import CALLED, HEAD, quoted, tables_made
from claimledger.ledger.store.postgresql_triggers import FUNCTIONS
from claimledger.ledger.tables import ENTRY, VIEWS

ROLES = {
    "reader": "reads and exports everything",
    "recorder": "also records: claims, sources, links, reviews, decisions",
    "editor": "also amends, withdraws, disposes",
    "keeper": "owns it: redacts, rebuilds, gives roles",
}
"""What each role may, beyond the one before it."""


class Roles:
    """The roles of one ledger."""

    def __init__(self, driver: psycopg.Connection[Any], schema: str) -> None:
        self._driver = driver
        self._schema = schema
        row = driver.execute("SELECT current_database()").fetchone()
        self._database = str(row[0]) if row else ""

    def name(self, role: str) -> str:
        """Return the server's name of a role of this ledger, at most 63 bytes."""
        whole = f"{self._database}.{self._schema}.{role}"
        if len(whole.encode()) <= 63:
            return whole
        return f"{sha256(whole.encode()).hexdigest()[:32]}.{role}"

    def grant(self, role: str, user: str) -> None:
        """Make a user a member of a role, and of no other; make the role where it is missing."""
        if role not in ROLES:
            raise StoreError(f"{role!r} is no role; there are {', '.join(ROLES)}")
        self._see(user)
        self._revoke_public_create()
        self._make(role)
        for other in ROLES:
            if other != role and user in self._members(other):
                self._run(f"REVOKE {quoted(self.name(other))} FROM {quoted(user)}")
        self._run(f"GRANT {quoted(self.name(role))} TO {quoted(user)}")

    def revoke(self, user: str) -> None:
        """Take every role from a user."""
        self._see(user)
        held = [role for role in ROLES if user in self._members(role)]
        if not held:
            raise StoreError(f"{user} has no role in this ledger")
        for role in held:
            self._run(f"REVOKE {quoted(self.name(role))} FROM {quoted(user)}")

    def grants(self) -> dict[str, list[str]]:
        """Return the users of each role."""
        return {role: self._members(role) for role in ROLES}

    def renew(self) -> None:
        """Give the roles there are their rights again, on tables that were made anew."""
        for role in ROLES:
            if self._exists(self.name(role)):
                self._run(*self._rights(role))

    def _revoke_public_create(self) -> None:
        """See to it that only keepers make objects beside the ledger's, which others' commands could meet."""
        query = "SELECT has_schema_privilege('public', %s, 'CREATE')"
        if self._driver.execute(query, (self._schema,)).fetchone() != (True,):
            return
        closing = f"REVOKE CREATE ON SCHEMA {quoted(self._schema)} FROM PUBLIC"
        with suppress(psycopg.errors.InsufficientPrivilege), self._driver.transaction():
            self._run(closing)
        if self._driver.execute(query, (self._schema,)).fetchone() == (True,):
            raise StoreError(
                f"everybody may make objects in the schema {self._schema}, which others' commands "
                f"could meet; the schema's owner ends that with: {closing}"
            )

    def _make(self, role: str) -> None:
        name = self.name(role)
        if not self._exists(name):
            self._run(f"CREATE ROLE {quoted(name)} NOLOGIN")
        self._run(*self._rights(role))

    def _rights(self, role: str) -> Iterator[str]:
        schema, name = quoted(self._schema), quoted(self.name(role))
        if role == "keeper":
            yield f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {name}"
            for table in (HEAD, *(table.name for table in tables_made())):
                yield f"ALTER TABLE {schema}.{quoted(table)} OWNER TO {name}"
            for (function,) in self._driver.execute(
                "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = to_regnamespace(%s) "
                "AND proname = ANY (%s) ORDER BY 1",
                (self._schema, [*FUNCTIONS, *CALLED, *CHECKS]),
            ).fetchall():
                yield f"ALTER FUNCTION {function} OWNER TO {name}"
            return
        yield f"GRANT USAGE ON SCHEMA {schema} TO {name}"
        yield f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {name}"
        if role == "reader":
            return
        # Locking the head asks for a right to change some column of it; this one has one value only.
        yield f"GRANT UPDATE (held) ON {schema}.{HEAD} TO {name}"
        for made in (ENTRY, *VIEWS.values()):
            yield f"GRANT INSERT ON {schema}.{quoted(made.name)} TO {name}"
            if role == "editor" and "until" in made.columns:
                yield f"GRANT UPDATE (until) ON {schema}.{quoted(made.name)} TO {name}"

    def _see(self, user: str) -> None:
        if not self._exists(user):
            found = self._driver.execute(
                "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname NOT LIKE 'pg\\_%' ORDER BY 1"
            ).fetchall()
            nearest = [name for (name,) in found][:5]
            raise NotFound("user of the server", user, nearest, known_by="name")

    def _exists(self, name: str) -> bool:
        query = "SELECT 1 FROM pg_roles WHERE rolname = %s"
        return self._driver.execute(query, (name,)).fetchone() is not None

    def _members(self, role: str) -> list[str]:
        found = self._driver.execute(
            "SELECT u.rolname FROM pg_auth_members AS m JOIN pg_roles AS u ON u.oid = m.member "
            "JOIN pg_roles AS g ON g.oid = m.roleid WHERE g.rolname = %s AND u.rolcanlogin ORDER BY 1",
            (self.name(role),),
        )
        return [name for (name,) in found.fetchall()]

    def _run(self, *statements: str) -> None:
        for statement in statements:
            self._driver.execute(statement)
