"""Privileges and owners in a PostgreSQL ledger, as the server has them, and what each role is to have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg

from claimledger.storage.postgresql.connection import shown
from claimledger.storage.postgresql.log_rules import CHECKS
from claimledger.storage.postgresql.schema import CALLED, HEAD, all_tables
from claimledger.storage.postgresql.triggers import FUNCTIONS
from claimledger.storage.tables import ENTRY, VIEWS


class Right(NamedTuple):
    """What may be done with a table, with one of its columns, or with the schema."""

    table: str
    """Empty where the right is on the schema."""

    column: str
    """Empty where the right is on the whole table."""

    name: str

    @property
    def reads(self) -> bool:
        """Whether it changes nothing: reading is left to the server's administrators."""
        return self.name in ("SELECT", "USAGE")

    def __str__(self) -> str:
        return f"{self.name} on its column {self.column}" if self.column else self.name


CREATE = Right("", "", "CREATE")
"""To make objects in the ledger's schema."""


class Privilege(NamedTuple):
    """A right that a role of the server has."""

    grantee: str | None
    """``None`` means PUBLIC."""

    right: Right
    grantable: bool
    """Whether the grantee may grant it to others."""

    grantor: str
    """Who granted it, and can revoke it, as the owner can."""

    of_owner: bool
    """Whether the grantee owns the ledger's tables, or is a member of the role that does."""

    def __str__(self) -> str:
        option = " WITH GRANT OPTION" if self.grantable else ""
        return f"grants {self.right}{option} to {shown(self.grantee or 'PUBLIC')}"


_OWNER = f"""(SELECT relowner FROM pg_class
  WHERE relnamespace = to_regnamespace(%(schema)s) AND relname = '{HEAD}')"""

_PRIVILEGES = f"""
WITH acl AS (
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
SELECT r.rolname, acl.relname, acl.attname, privilege_type, is_grantable, g.rolname,
  r.oid IS NOT NULL AND pg_has_role(r.oid, {_OWNER}, 'MEMBER')
FROM acl LEFT JOIN pg_roles AS r ON r.oid = acl.grantee JOIN pg_roles AS g ON g.oid = acl.grantor
WHERE acl.grantee <> acl.owner
ORDER BY 2, 3, 1, 4, 6"""


def direct_privileges(driver: psycopg.Connection[Any], schema: str) -> list[Privilege]:
    """Return every privilege on a ledger's tables and schema, except those of their owners."""
    rows = driver.execute(_PRIVILEGES, {"schema": schema}).fetchall()
    return [Privilege(row[0], Right(*row[1:4]), *row[4:]) for row in rows]


def rights_of(role: str) -> Iterator[Right]:
    """Yield the rights a role has besides reading."""
    if role == "keeper":  # who owns the tables
        yield CREATE
    if role in ("recorder", "editor"):
        # PostgreSQL locks a row only for users who may update a column; this column has a single value.
        yield Right(HEAD, "held", "UPDATE")
        for table in (ENTRY, *VIEWS.values()):
            yield Right(table.name, "", "INSERT")
            if role == "editor" and "ended_by" in table.columns:
                yield Right(table.name, "ended_by", "UPDATE")


def owner_of(driver: psycopg.Connection[Any], schema: str) -> str:
    """Return the role of the server that owns a ledger: the owner of its head."""
    query = f"SELECT rolname FROM pg_roles WHERE oid = {_OWNER}"
    row = driver.execute(query, {"schema": schema}).fetchone()
    return str(row[0]) if row else ""


_OWNED = """
SELECT relname::text, r.rolname FROM pg_class JOIN pg_roles AS r ON r.oid = relowner
WHERE relnamespace = to_regnamespace(%(schema)s) AND relname = ANY (%(tables)s) AND rolname <> %(owner)s
UNION ALL
SELECT p.oid::regprocedure::text, r.rolname FROM pg_proc AS p JOIN pg_roles AS r ON r.oid = proowner
WHERE pronamespace = to_regnamespace(%(schema)s) AND proname = ANY (%(functions)s) AND rolname <> %(owner)s
ORDER BY 1"""

_SCHEMA_OWNER = f"""
SELECT r.rolname FROM pg_namespace AS n JOIN pg_roles AS r ON r.oid = n.nspowner
WHERE n.oid = to_regnamespace(%(schema)s) AND NOT (
  r.rolsuper OR r.rolname = 'pg_database_owner'
  OR r.oid = (SELECT datdba FROM pg_database WHERE datname = current_database())
  OR pg_has_role(r.oid, {_OWNER}, 'MEMBER'))"""
"""Who owns the schema, where that is nobody who could change the ledger anyway."""


def foreign_owners(driver: psycopg.Connection[Any], schema: str) -> Iterator[tuple[str, str]]:
    """Yield tables, functions and the schema where they are not the ledger's owner's: what, and whose."""
    names = {
        "schema": schema,
        "owner": owner_of(driver, schema),
        "tables": [HEAD, *(table.name for table in all_tables())],
        "functions": [*FUNCTIONS, *CALLED, *CHECKS],
    }
    yield from driver.execute(_OWNED, names).fetchall()
    for (owner,) in driver.execute(_SCHEMA_OWNER, names).fetchall():
        yield "the schema", owner


# Since PostgreSQL 16 who makes a role is a member of it, without any of its rights.
_USABLE = """(coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true)
  OR coalesce((to_jsonb(m) ->> 'set_option')::boolean, true))"""

_MEMBERS = f"""
WITH RECURSIVE member AS (
  SELECT m.member AS oid FROM pg_auth_members AS m JOIN pg_roles AS r ON r.oid = m.roleid
  WHERE r.rolname = %s AND {_USABLE}
  UNION
  SELECT m.member FROM pg_auth_members AS m JOIN member ON member.oid = m.roleid WHERE {_USABLE}
)
SELECT rolname FROM pg_roles JOIN member USING (oid) WHERE rolcanlogin ORDER BY 1"""


def members_of(driver: psycopg.Connection[Any], name: str) -> list[str]:
    """Return the users that are members of a role of the server, also those that are through another role."""
    return [user for (user,) in driver.execute(_MEMBERS, (name,)).fetchall()]


_GRANTORS = f"""
SELECT g.rolname FROM pg_auth_members AS m
JOIN pg_roles AS r ON r.oid = m.roleid JOIN pg_roles AS u ON u.oid = m.member
-- Before PostgreSQL 16 a membership outlives the user who granted it.
LEFT JOIN pg_roles AS g ON g.oid = m.grantor
WHERE r.rolname = %s AND u.rolname = %s AND {_USABLE} ORDER BY 1"""


def grantors_of(driver: psycopg.Connection[Any], name: str, user: str) -> list[str | None]:
    """Return who made a user a direct member of a role of the server; ``None`` if that user was dropped."""
    return [grantor for (grantor,) in driver.execute(_GRANTORS, (name, user)).fetchall()]
