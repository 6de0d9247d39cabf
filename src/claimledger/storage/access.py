"""Access control of a ledger in a file: the file's own permissions, with nothing to grant."""

from __future__ import annotations

from typing import NoReturn

from claimledger.errors import StoreError


class FileAccess:
    """Implements :class:`~claimledger.storage.base.AccessControl` for a file."""

    enforced_author: str | None = None

    def grant(self, role: str, user: str) -> None:  # noqa: ARG002
        """Raise :class:`StoreError`: a file has no roles."""
        _refuse()

    def revoke(self, user: str) -> None:  # noqa: ARG002
        """Raise :class:`StoreError`: a file has no roles."""
        _refuse()

    def grants(self) -> dict[str, list[str]]:
        """Raise :class:`StoreError`: a file has no roles."""
        _refuse()

    def trust_clock(self) -> None:
        """Do nothing: a file has no clock of its own."""

    def expect_log(self) -> None:
        """Do nothing: a file does not check entries."""


def _refuse() -> NoReturn:
    raise StoreError(
        "a ledger in a file has the permissions of the file: change them with chmod, chgrp or setfacl. "
        "Only a ledger in PostgreSQL has roles (`claimledger move` copies a ledger there)"
    )
