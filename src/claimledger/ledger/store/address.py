"""Where a ledger is kept: a file's path, or the address of a PostgreSQL database and a schema in it.

``postgresql://user@host:port/database?schema=newsroom`` is a URL as libpq reads it (PostgreSQL manual,
section 32.1.1.2) with one word more, ``schema``. A password in it reaches the server and nobody else: it
is taken out of everything that is shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

from claimledger.errors import StoreError

_SCHEMES = ("postgresql", "postgres")
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,47}")
_SECRET = ("password", "sslpassword")

Where = str | Path
"""A file's path, or a database's address."""


def is_database(where: Where) -> bool:
    """Whether this is the address of a database, and not the path of a file."""
    return isinstance(where, str) and where.partition(":")[0].lower() in _SCHEMES and "://" in where


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a ledger in a PostgreSQL database."""

    options: tuple[tuple[str, str], ...]
    """What libpq is told, by its keywords."""

    schema: str

    @classmethod
    def of(cls, text: str) -> Address:
        """Read an address; raise :class:`StoreError` where it is none, without showing its password."""
        from psycopg import Error
        from psycopg.conninfo import conninfo_to_dict

        base, _, query = text.partition("?")
        given = parse_qsl(query, keep_blank_values=True)
        schema = next((value for name, value in reversed(given) if name == "schema"), "public")
        try:
            plain = urlencode([one for one in given if one[0] != "schema"], quote_via=quote)
            options = conninfo_to_dict(f"{base}?{plain}" if plain else base)
        except (Error, ValueError):  # its message holds the whole address
            raise StoreError(
                f"{shown(text)} is not the address of a database: what is understood is "
                "postgresql://user@host:port/database?schema=name, signs in it that mean something "
                "written as %40"
            ) from None
        if not _SCHEMA.fullmatch(schema):
            raise StoreError(
                f"{shown(text)}: {schema!r} is no schema's name here; use small letters, digits and "
                "underscores, at most 48, no digit first"
            )
        return cls(tuple((name, str(value)) for name, value in options.items()), schema)

    @property
    def place(self) -> str:
        """The schema as a statement takes it: its name can be a word of SQL."""
        return f'"{self.schema}"'

    def __str__(self) -> str:
        """Return the address without what is secret in it."""
        told = dict(self.options)
        user = f"{quote(told['user'])}@" if told.get("user") else ""
        host = told.get("host", "")
        query = {} if self.schema == "public" else {"schema": self.schema}
        if "/" in host:  # a folder with the server's socket
            query, host = {"host": host, **query}, ""
        place = f"[{host}]" if ":" in host else quote(host)
        port = f":{told['port']}" if told.get("port") else ""
        rest = f"?{urlencode(query, safe='/')}" if query else ""
        return f"postgresql://{user}{place}{port}/{quote(told.get('dbname', ''))}{rest}"

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"


def shown(where: Where) -> str:
    """Return a path or an address as it may be shown: without a password."""
    if not is_database(where):
        return str(where)
    text = str(where)
    # From the first colon to the last @, whatever stands between: a password that was not quoted too.
    text = re.sub(r"(?<=://)([^:]*):.*@", r"\1@", text, flags=re.DOTALL)
    return re.sub(rf"((?:^|[?&])(?:{'|'.join(_SECRET)})=)[^&#]*", r"\1…", text, flags=re.IGNORECASE)
