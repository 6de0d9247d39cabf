"""Access control of a ledger in PostgreSQL: roles of the server, and what the server checks of an entry."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

from claimledger.storage.postgresql.connection import server_errors
from claimledger.storage.postgresql.locks import lock_exclusively
from claimledger.storage.postgresql.roles import Roles
from claimledger.storage.postgresql.triggers import CHECKED, CLOCK_IS_RIGHT, Checked

if TYPE_CHECKING:
    from claimledger.storage.postgresql.store import PostgresStore


class PostgresAccess:
    """Implements :class:`~claimledger.storage.base.AccessControl` for a ledger on a server."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self._session = store.session

    @cached_property
    def enforced_author(self) -> str | None:
        """The name of the server's user; ``None`` for the owner, who may write under any name."""
        query = "SELECT session_user, pg_has_role(session_user, relowner, 'MEMBER') FROM pg_class"
        with server_errors(self._store.address):
            row = self._session.execute(f"{query} WHERE oid = 'entry'::regclass").fetchone()
        return None if row is None or row[1] else str(row[0])

    def grant(self, role: str, user: str) -> None:
        """Give a user of the server a role."""
        store = self._store
        roles = self._roles()
        tables = roles.tables_of_others() if role == "keeper" else []
        lock = partial(lock_exclusively, self._session, store.address, tables, store.lock_head)
        with store.transaction_after(lock) if tables else store.transaction():
            roles.grant(role, user)

    def revoke(self, user: str) -> None:
        """Take every role from a user of the server."""
        with self._store.transaction():
            self._roles().revoke(user)

    def grants(self) -> dict[str, list[str]]:
        """Return the users of each role, by role."""
        return self._roles().grants()

    def trust_clock(self) -> None:
        """Accept entry times that are ahead of the server's clock, if this user owns the ledger."""
        self._session.execute("SELECT set_config(%s, 'on', false)", (CLOCK_IS_RIGHT,))

    def expect_log(self) -> None:
        """Accept entries of a log created elsewhere, already checked, until the transaction ends."""
        self._session.execute("SELECT set_config(%s, %s, true)", (CHECKED, str(Checked.LOG)))

    def _roles(self) -> Roles:
        return Roles(self._session.driver, self._store.address)
