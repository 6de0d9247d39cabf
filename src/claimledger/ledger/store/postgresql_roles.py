"""Who may what in a PostgreSQL ledger: four roles, made when they are first given.

A role of the server belongs to one ledger; users of the server are made members of it. What each may is
held by the server itself: a reader writes nothing, a recorder adds and changes nothing, an editor also ends
versions. None of them has any right to update or delete in the log. A keeper owns the tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any, NamedTuple

import psycopg

from claimledger.errors import NotFound, StoreError
from claimledger.ledger.store.address import Address
from claimledger.ledger.store.postgresql_rules import CHECKS
from claimledger.ledger.store.postgresql_schema import CALLED, HEAD, quoted, tables_made
from claimledger.ledger.store.postgresql_server import shown
from claimledger.ledger.store.postgresql_triggers import FUNCTIONS
from claimledger.ledger.tables import ENTRY, VIEWS

ROLES = {
    "reader": "reads and exports everything",
    "recorder": "also records: claims, sources, links, reviews, decisions",
    "editor": "also amends, withdraws, disposes",
    "keeper": "owns it: redacts, rebuilds, gives roles",
}
"""What each role may, beyond the one before it."""


class Privilege(NamedTuple):
    """A privilege that a role of the server holds on a table, on one of its columns, or on the schema."""

    grantee: str | None
    """``None`` stands for PUBLIC."""

    table: str
    """Empty where the privilege is on the schema."""

    column: str
    """Empty where the privilege is on the whole table."""

    name: str

    def __str__(self) -> str:
        column = f" on its column {self.column}" if self.column else ""
        return f"grants {self.name}{column} to {shown(self.grantee or 'PUBLIC')}"


_GRANTABLE = " WITH GRANT OPTION"

_DIRECT_GRANTS = f"""
WITH given AS (
  SELECT c.relname, '' AS attname, c.relowner AS owner, x.*
  FROM pg_class AS c, aclexplode(c.relacl) AS x WHERE c.relnamespace = to_regnamespace(%(schema)s)
  UNION ALL
  SELECT c.relname, a.attname, c.relowner, x.*
  FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid, aclexplode(a.attacl) AS x
  WHERE c.relnamespace = to_regnamespace(%(schema)s)
  UNION ALL
  SELECT '', '', n.nspowner, x.*
  FROM pg_namespace AS n, aclexplode(n.nspacl) AS x WHERE n.oid = to_regnamespace(%(schema)s)
)
SELECT r.rolname, given.relname, given.attname,
  privilege_type || CASE WHEN is_grantable THEN '{_GRANTABLE}' ELSE '' END
FROM given LEFT JOIN pg_roles AS r ON r.oid = given.grantee
WHERE given.grantee <> given.owner
ORDER BY 2, 3, 1, 4"""


def _write_privileges(role: str) -> Iterator[tuple[str, str, str]]:
    """Yield the privileges a role has besides reading: table, column and name, as in :class:`Privilege`."""
    if role == "keeper":  # who owns the tables; this one is on the schema
        yield "", "", "CREATE"
    if role in ("recorder", "editor"):
        # PostgreSQL locks a row only for who may update a column of it; this column has a single value.
        yield HEAD, "held", "UPDATE"
        for made in (ENTRY, *VIEWS.values()):
            yield made.name, "", "INSERT"
            if role == "editor" and "until" in made.columns:
                yield made.name, "until", "UPDATE"


_OWNER_WITHOUT_ROLE = """
SELECT r.rolname FROM pg_class AS c JOIN pg_roles AS r ON r.oid = c.relowner
WHERE c.oid = %s::regclass AND r.rolcanlogin AND NOT r.rolsuper AND NOT EXISTS (
  SELECT FROM pg_auth_members AS m
  WHERE m.member = r.oid AND m.roleid = (SELECT oid FROM pg_roles WHERE rolname = %s)
  -- Since PostgreSQL 16 who makes a role is a member of it, without any of its rights.
  AND coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true)
  AND coalesce((to_jsonb(m) ->> 'set_option')::boolean, true))"""
"""The user who owns the ledger's tables and may not act as a role; none where that is a superuser."""


class Roles:
    """The roles of one ledger."""

    def __init__(self, driver: psycopg.Connection[Any], address: Address) -> None:
        self._driver = driver
        self._address = address
        self._schema = address.schema
        row = driver.execute("SELECT current_database()").fetchone()
        self._database = str(row[0]) if row else ""

    def name(self, role: str) -> str:
        """Return the server's name of a role of this ledger, at most 63 bytes."""
        whole = f"{self._database}.{self._schema}.{role}"
        if len(whole.encode()) <= 63:
            return whole
        return f"{sha256(whole.encode()).hexdigest()[:32]}.{role}"

    def grant(self, role: str, user: str) -> None:
        """Make a user a member of a role, and of no other; make the role where it is missing.

        Where that is ``keeper``, it becomes the owner of :meth:`tables_of_others`, which are locked already.
        """
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
        """Revoke every role of a user, and every privilege granted to it directly."""
        self._see(user)
        held = [role for role in ROLES if user in self._members(role)]
        direct = [privilege for privilege in self._direct_grants() if privilege.grantee == user]
        if not held and not direct:
            raise StoreError(f"{user} has no role in this ledger")
        for role in held:
            self._run(f"REVOKE {quoted(self.name(role))} FROM {quoted(user)}")
        self._revoke(direct)

    def excess(self) -> list[Privilege]:
        """Return the privileges, besides reading, that are held beyond those of the ledger's roles.

        Reading and the PostgreSQL default for the schema ``public`` are left to the server's administrators.
        """
        expected = {
            Privilege(self.name(role), *privilege)
            for role in ROLES
            for privilege in _write_privileges(role)
        }
        if self._schema == "public":
            expected.add(Privilege(None, "", "", "CREATE"))
        reading = ("SELECT", "USAGE")
        return [
            privilege
            for privilege in self._direct_grants()
            if privilege.name not in reading and privilege not in expected
        ]

    def revoke_excess(self) -> None:
        """Revoke what :meth:`excess` returns."""
        self._revoke(self.excess())

    def grants(self) -> dict[str, list[str]]:
        """Return the users of each role."""
        return {role: self._members(role) for role in ROLES}

    def renew(self) -> None:
        """Grant the existing roles their privileges on recreated tables, and revoke all others."""
        self.revoke_excess()
        for role in ROLES:
            if self._exists(self.name(role)):
                self._give_rights(role)

    def _direct_grants(self) -> list[Privilege]:
        """Return every privilege on the ledger's tables and schema, except those of their owners."""
        return [
            Privilege(*row)
            for row in self._driver.execute(_DIRECT_GRANTS, {"schema": self._schema}).fetchall()
        ]

    def _revoke(self, privileges: Sequence[Privilege]) -> None:
        schema = quoted(self._schema)
        for grantee, table, column, name in privileges:
            target = f"{schema}.{quoted(table)}" if table else f"SCHEMA {schema}"
            of_column = f" ({quoted(column)})" if column else ""
            privilege = name.removesuffix(_GRANTABLE)
            role = "PUBLIC" if grantee is None else quoted(grantee)
            self._run(f"REVOKE {privilege}{of_column} ON {target} FROM {role} CASCADE")

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
        if role == "keeper":
            self._keep_owner()
        self._give_rights(role)

    def _keep_owner(self) -> None:
        """Make the user who owns the tables so far a keeper: only a member can give them to the role."""
        name = self.name("keeper")
        row = self._driver.execute(_OWNER_WITHOUT_ROLE, (f"{self._schema}.{HEAD}", name)).fetchone()
        if row is not None:
            (user,) = row
            self._run(f"GRANT {quoted(name)} TO {quoted(user)}")

    def _give_rights(self, role: str) -> None:
        """Grant an existing role of the server its privileges, and the keepers' role the ownership."""
        schema, name = quoted(self._schema), quoted(self.name(role))
        if role == "keeper":
            # The server gives an object only to a role that may create objects in the schema.
            self._run(f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {name}")
            for table in self.tables_of_others():
                self._run(f"ALTER TABLE {table} OWNER TO {name}")
            self._own_functions(self.name(role))
            return
        self._run(f"GRANT USAGE ON SCHEMA {schema} TO {name}")
        self._run(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {name}")
        for table, column, privilege in _write_privileges(role):
            of_column = f" ({quoted(column)})" if column else ""
            self._run(f"GRANT {privilege}{of_column} ON {schema}.{quoted(table)} TO {name}")

    def _own_functions(self, name: str) -> None:
        """Make a role of the server the owner of the ledger's functions."""
        functions = self._driver.execute(
            "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = to_regnamespace(%s) "
            "AND proname = ANY (%s) ORDER BY 1",
            (self._schema, [*FUNCTIONS, *CALLED, *CHECKS]),
        ).fetchall()
        for (function,) in functions:
            self._run(f"ALTER FUNCTION {function} OWNER TO {quoted(name)}")

    def tables_of_others(self) -> list[str]:
        """Return the ledger's tables, by their quoted names, that another than the keepers' role owns."""
        names = [HEAD, *(table.name for table in tables_made())]
        rows = self._driver.execute(
            "SELECT relname FROM pg_class JOIN pg_roles AS r ON r.oid = relowner "
            "WHERE relnamespace = to_regnamespace(%s) AND relname = ANY (%s) AND rolname <> %s "
            "ORDER BY relname <> %s, relname",
            (self._schema, names, self.name("keeper"), HEAD),
        ).fetchall()
        return [f"{quoted(self._schema)}.{quoted(table)}" for (table,) in rows]

    def _see(self, user: str) -> None:
        if not self._exists(user):
            found = self._driver.execute(
                "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname NOT LIKE 'pg\\_%' ORDER BY 1"
            ).fetchall()
            nearest = [shown(name) for (name,) in found][:5]
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
