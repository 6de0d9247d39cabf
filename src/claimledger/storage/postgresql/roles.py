"""Access to a PostgreSQL ledger: four roles, created when they are first granted.

A role of the server belongs to one ledger; users of the server are made members of it. What each may is
held by the server itself: a reader writes nothing, a recorder adds and changes nothing, an editor also ends
versions. None of them has any right to update or delete in the log. A keeper owns the tables.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any

import psycopg

from claimledger.errors import NotFoundError, StoreError
from claimledger.storage.postgresql.connection import listed, shown
from claimledger.storage.postgresql.log_rules import CHECKS
from claimledger.storage.postgresql.privileges import (
    CREATE,
    Privilege,
    Right,
    direct_privileges,
    foreign_owners,
    grantors_of,
    members_of,
    owner_of,
    rights_of,
)
from claimledger.storage.postgresql.schema import CALLED, HEAD, all_tables, quoted
from claimledger.storage.postgresql.triggers import FUNCTIONS
from claimledger.storage.tables import ENTRY
from claimledger.storage.url import Address

logger = logging.getLogger("claimledger")

ROLES = {
    "reader": "reads and exports everything",
    "recorder": "also records: claims, sources, links, reviews, decisions",
    "editor": "also amends, withdraws, disposes",
    "keeper": "owns it: redacts, rebuilds, gives roles",
}
"""What each role may, beyond the one before it."""

_OWNER_WITHOUT_ROLE = """
SELECT r.rolname FROM pg_class AS c JOIN pg_roles AS r ON r.oid = c.relowner
WHERE c.oid = %s::regclass AND r.rolcanlogin AND NOT r.rolsuper AND NOT EXISTS (
  SELECT FROM pg_auth_members AS m
  WHERE m.member = r.oid AND m.roleid = (SELECT oid FROM pg_roles WHERE rolname = %s)
  -- Since PostgreSQL 16 who makes a role is a member of it, without any of its rights.
  AND coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true)
  AND coalesce((to_jsonb(m) ->> 'set_option')::boolean, true))"""
"""The user who owns the ledger's tables and may not act as a role; none where that is a superuser."""

_RETIRED_COLUMNS = {"until"}
"""Columns of earlier layouts: privileges on them end with the column, which is not worth a warning."""


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
        qualified = f"{self._database}.{self._schema}.{role}"
        if len(qualified.encode()) <= 63:
            return qualified
        return f"{sha256(qualified.encode()).hexdigest()[:32]}.{role}"

    def grant(self, role: str, user: str) -> None:
        """Make a user a member of a role, and of no other; make the role where it is missing.

        Where that is ``keeper``, it becomes the owner of :meth:`tables_of_others`, which are locked already.
        """
        if role not in ROLES:
            raise StoreError(f"{role!r} is not a role; there are {', '.join(ROLES)}")
        self._require_user(user)
        self._revoke_public_create()
        self._create_role(role)
        for other_role in ROLES:
            if other_role != role:
                self._revoke_role(other_role, user)
        self._run(f"GRANT {quoted(self.name(role))} TO {quoted(user)}")

    def revoke(self, user: str) -> None:
        """Revoke every role of a user, and every privilege granted to it directly.

        Raises :class:`StoreError` if the server leaves one, because somebody else granted it.
        """
        self._require_user(user)
        roles = [role for role in ROLES if user in members_of(self._driver, self.name(role))]
        if not roles and not self._privileges_of(user):
            raise StoreError(f"{user} has no role in this ledger")
        for role in roles:
            self._revoke_role(role, user)
        self._revoke(self._privileges_of(user))
        left = self._privileges_of(user)
        if left:
            raise StoreError(f"not revoked, and nothing was changed: {_revocable(left)}")

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield who could change the ledger without a role of it: the object, and what is wrong with it."""
        for privilege in self._excess():
            target = privilege.right.table or "the schema"
            yield f"privileges on {target}", f"{privilege}, which no role of the ledger has"
        for name, role in self._former_roles().items():
            yield f"role {name}", self._former_role_fault(name, role)
        owner = shown(owner_of(self._driver, self._schema))
        for target, actual_owner in foreign_owners(self._driver, self._schema):
            yield (
                f"owner of {target}",
                f"is {shown(actual_owner)}, where it should be {owner}, who owns the ledger",
            )

    def grants(self) -> dict[str, list[str]]:
        """Return the users of each role; log what to do about roles named after another database."""
        for name, role in self._former_roles().items():
            logger.warning(
                "%s: role %s %s", self._address, shown(name), self._former_role_fault(name, role)
            )
        return {role: members_of(self._driver, self.name(role)) for role in ROLES}

    def privileges(self) -> list[Privilege]:
        """Return every privilege that was granted on the ledger's tables and schema."""
        return direct_privileges(self._driver, self._schema)

    def revoke_excess(self) -> None:
        """Revoke privileges that no role of the ledger has."""
        self._revoke(self._excess())

    def renew(self, before: Sequence[Privilege]) -> None:
        """Grant again what stays of the privileges from before the tables were recreated; revoke all others.

        Logs what is revoked, and what the server does not let this user revoke.
        """
        lost = [
            privilege
            for privilege in self._excess(before)
            if privilege.right.column not in _RETIRED_COLUMNS
        ]
        self.revoke_excess()
        left = self._excess()
        revoked = [str(privilege) for privilege in lost if privilege not in left]
        if revoked:
            logger.warning("%s: revoked what no role has: %s", self._address, listed(revoked))
        if left:
            logger.warning("%s: not revoked: %s", self._address, _revocable(left))
        owner = owner_of(self._driver, self._schema)
        names = {self.name(role): role for role in ROLES if self._exists(self.name(role))}
        for name, role in (self._former_roles(before) | names).items():
            if role != "keeper":
                self._give_rights(role, name)
        self._regrant(
            privilege
            for privilege in before
            if privilege.right.reads and privilege.right.table not in (HEAD, ENTRY.name)
        )
        self._set_owner(self.name("keeper") if self.name("keeper") in names else owner)

    def tables_of_others(self, owner: str = "") -> list[str]:
        """Return the ledger's tables, by their quoted names, that another than the keepers' role owns."""
        names = [HEAD, *(table.name for table in all_tables())]
        rows = self._driver.execute(
            "SELECT relname FROM pg_class JOIN pg_roles AS r ON r.oid = relowner "
            "WHERE relnamespace = to_regnamespace(%s) AND relname = ANY (%s) AND rolname <> %s "
            "ORDER BY relname <> %s, relname",
            (self._schema, names, owner or self.name("keeper"), HEAD),
        ).fetchall()
        return [f"{quoted(self._schema)}.{quoted(table)}" for (table,) in rows]

    def _excess(self, privileges: Sequence[Privilege] | None = None) -> list[Privilege]:
        """Return the privileges, besides reading, that go beyond those of the ledger's roles.

        Reading and the PostgreSQL default for the schema ``public`` are left to the server's administrators.
        """
        granted = self.privileges() if privileges is None else privileges
        roles = self._former_roles(granted) | {self.name(role): role for role in ROLES}
        expected: set[tuple[str | None, Right]] = {
            (name, right) for name, role in roles.items() for right in rights_of(role)
        }
        if self._schema == "public":
            expected.add((None, CREATE))
        return [
            privilege
            for privilege in granted
            if not privilege.right.reads
            and not (privilege.right == CREATE and privilege.of_owner)
            and (privilege.grantable or (privilege.grantee, privilege.right) not in expected)
        ]

    def _former_roles(self, privileges: Sequence[Privilege] | None = None) -> dict[str, str]:
        """Return the roles of the ledger under another name of its database, with what they are, by name.

        A database that is renamed, or restored from a dump under another name, keeps their privileges.
        """
        former = {}
        granted = self.privileges() if privileges is None else privileges
        for name in {privilege.grantee or "" for privilege in granted}:
            qualified, _, role = name.rpartition(".")
            ours = qualified.endswith(f".{self._schema}") or re.fullmatch("[0-9a-f]{32}", qualified)
            if role in ROLES and ours and name != self.name(role):
                former[name] = role
        return dict(sorted(former.items()))

    def _former_role_fault(self, name: str, role: str) -> str:
        """Return what to do about a role of the ledger that is named after another database."""
        users = ", ".join(map(shown, members_of(self._driver, name))) or "nobody"
        return (
            f"is this ledger's {role} under another name of its database, which was renamed or restored from "
            f"a dump; its members ({users}) keep its rights. Give them a role with `claimledger grant {role} "
            f'USER`, then take its rights from it with `claimledger grant none "{shown(name)}"`'
        )

    def _privileges_of(self, user: str) -> list[Privilege]:
        """Return what was granted to a user directly, except an owner's privileges on the schema."""
        former = user in self._former_roles()
        return [
            privilege
            for privilege in self.privileges()
            if privilege.grantee == user
            and (former or privilege.right.table or not privilege.of_owner)
        ]

    def _revoke(self, privileges: Sequence[Privilege]) -> None:
        for privilege in privileges:
            right = privilege.right
            of_column = f" ({quoted(right.column)})" if right.column else ""
            role = "PUBLIC" if privilege.grantee is None else quoted(privilege.grantee)
            target = self._target(right.table)
            self._run(f"REVOKE {right.name}{of_column} ON {target} FROM {role} CASCADE")

    def _regrant(self, privileges: Iterator[Privilege]) -> None:
        """Grant again what was granted on tables that were recreated."""
        columns = {table.name: {"", *table.columns.keys()} for table in all_tables()}
        for privilege in privileges:
            right = privilege.right
            if right.column in columns.get(right.table, ()):
                of_column = f" ({quoted(right.column)})" if right.column else ""
                role = "PUBLIC" if privilege.grantee is None else quoted(privilege.grantee)
                option = " WITH GRANT OPTION" if privilege.grantable else ""
                target = self._target(right.table)
                self._run(f"GRANT {right.name}{of_column} ON {target} TO {role}{option}")

    def _target(self, table: str) -> str:
        schema = quoted(self._schema)
        return f"{schema}.{quoted(table)}" if table else f"SCHEMA {schema}"

    def _revoke_role(self, role: str, user: str) -> None:
        """End a user's membership of a role; raise :class:`StoreError` if it does not end."""
        name = self.name(role)
        for grantor in grantors_of(self._driver, name, user):
            granted_by = "" if grantor is None else f" GRANTED BY {quoted(grantor)}"
            self._run(f"REVOKE {quoted(name)} FROM {quoted(user)}{granted_by}")
        if user in members_of(self._driver, name):
            raise StoreError(
                f"{shown(user)} still has the role {role} through another role of the server, a member of "
                f"{shown(name)}; nothing was changed. Whoever manages that role ends this with REVOKE"
            )

    def _revoke_public_create(self) -> None:
        """Make sure that only keepers create objects in the schema, which others' commands could run into."""
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

    def _create_role(self, role: str) -> None:
        name = self.name(role)
        if not self._exists(name):
            self._run(f"CREATE ROLE {quoted(name)} NOLOGIN")
        if role != "keeper":
            self._give_rights(role, name)
            return
        self._keep_owner(name)
        self._set_owner(name)

    def _keep_owner(self, name: str) -> None:
        """Make the user who owns the tables so far a keeper: only a member can give them to the role."""
        row = self._driver.execute(_OWNER_WITHOUT_ROLE, (f"{self._schema}.{HEAD}", name)).fetchone()
        if row is not None:
            (user,) = row
            self._run(f"GRANT {quoted(name)} TO {quoted(user)}")

    def _give_rights(self, role: str, name: str) -> None:
        """Grant an existing role of the server the privileges of a role that owns nothing."""
        schema = quoted(self._schema)
        self._run(f"GRANT USAGE ON SCHEMA {schema} TO {quoted(name)}")
        self._require_schema("USAGE", name)
        self._run(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {quoted(name)}")
        for right in rights_of(role):
            of_column = f" ({quoted(right.column)})" if right.column else ""
            target = self._target(right.table)
            self._run(f"GRANT {right.name}{of_column} ON {target} TO {quoted(name)}")

    def _set_owner(self, name: str) -> None:
        """Make a role of the server the owner of the ledger's tables and functions."""
        if name == self.name("keeper"):
            # The server gives an object only to a role that may create objects in the schema.
            self._run(f"GRANT USAGE, CREATE ON SCHEMA {quoted(self._schema)} TO {quoted(name)}")
            self._require_schema("CREATE", name)
        for table in self.tables_of_others(name):
            self._run(f"ALTER TABLE {table} OWNER TO {quoted(name)}")
        functions = self._driver.execute(
            "SELECT p.oid::regprocedure::text FROM pg_proc AS p JOIN pg_roles AS r ON r.oid = proowner "
            "WHERE pronamespace = to_regnamespace(%s) AND proname = ANY (%s) AND rolname <> %s ORDER BY 1",
            (self._schema, [*FUNCTIONS, *CALLED, *CHECKS], name),
        ).fetchall()
        for (function,) in functions:
            self._run(f"ALTER ROUTINE {function} OWNER TO {quoted(name)}")

    def _require_schema(self, privilege: str, name: str) -> None:
        """Raise :class:`StoreError` if a role does not have a privilege on the schema.

        Only the schema's owner grants one; the server answers anybody else with a warning.
        """
        query = "SELECT has_schema_privilege(%s, %s, %s), current_user"
        row = self._driver.execute(query, (name, self._schema, privilege)).fetchone()
        if row is not None and not row[0]:
            raise StoreError(
                f"{self._address}: only the owner of the schema {self._schema} can let others use it; "
                "nothing was changed. The owner lets you do that with: GRANT USAGE, CREATE ON SCHEMA "
                f"{quoted(self._schema)} TO {shown(quoted(row[1]))} WITH GRANT OPTION"
            )

    def _require_user(self, user: str) -> None:
        if user in map(self.name, ROLES):
            raise StoreError(f"{user} is a role of this ledger itself, and no user of the server")
        if not self._exists(user):
            users = self._driver.execute(
                "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname NOT LIKE 'pg\\_%' ORDER BY 1"
            ).fetchall()
            nearest = [shown(name) for (name,) in users][:5]
            raise NotFoundError("user of the server", user, nearest, known_by="name")

    def _exists(self, name: str) -> bool:
        query = "SELECT 1 FROM pg_roles WHERE rolname = %s"
        return self._driver.execute(query, (name,)).fetchone() is not None

    def _run(self, *statements: str) -> None:
        for statement in statements:
            self._driver.execute(statement)


def _revocable(privileges: Sequence[Privilege]) -> str:
    """Return privileges in words, each with who granted it."""
    return listed(
        [
            f"{privilege.right.table or 'the schema'} {privilege} (granted by {privilege.grantor}, who can "
            "revoke it)"
            for privilege in privileges
        ]
    )
