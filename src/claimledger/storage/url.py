"""Where a ledger is stored: a file's path, or the address of a PostgreSQL database and a schema in it.

``postgresql://user@host:port/database?schema=newsroom`` is a URL as libpq reads it (PostgreSQL manual,
section 32.1.1.2) with one word more, ``schema``. A password in it reaches the server and nobody else: it
is taken out of everything that is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlencode

from claimledger.errors import StoreError

_OURS = re.compile(r"\s*postgres(?:ql)?(?:\+\w+)?://", re.IGNORECASE)
"""How an address begins; SQLAlchemy adds a driver to it."""

_ADDRESS = re.compile(
    r"\s*(?:[a-z][a-z0-9+.-]+:(?=//)|(?:jdbc:)?postgres(?:ql)?[+:])", re.IGNORECASE
)
"""How an address of any kind begins, also a misspelled one of ours."""

_KEYWORDS = re.compile(
    r"(?:^|\s)(?:host|hostaddr|port|dbname|user|password|service)\s*=", re.IGNORECASE
)
"""What libpq accepts instead of a URL: ``host=db user=ann password=…``."""

_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,47}")
_UNDERSTOOD = (
    "postgresql://user@host:port/database?schema=name, with special characters written as %40"
)  # fmt: skip
_CREDENTIALS = re.compile(
    r"//[^/\s]*:.*@|(?:^|[\s;?&])(?:server|data source|pwd|pass\w*)\s*=", re.IGNORECASE | re.DOTALL
)
"""What looks like an address with a password in some other notation."""

_VISIBLE = {
    "application_name", "connect_timeout", "dbname", "host", "hostaddr", "port", "schema", "service",
    "sslmode", "target_session_attrs", "user",
}  # fmt: skip
"""The parameters whose values are shown, if they are plain."""

_PLAIN = re.compile(r"[\w.,/+-]*")

LedgerLocation = str | Path
"""A file's path, or a database's address."""


def is_database(where: LedgerLocation) -> bool:
    """Whether this is the address of a database, and not the path of a file."""
    return isinstance(where, str) and _OURS.match(where) is not None


def file_of(where: LedgerLocation) -> Path:
    """Return the path of a file; raise :class:`StoreError` if the location is an address."""
    if is_database(where):
        raise StoreError(
            f"{shown(where)} is the address of a database; a file's path is needed here"
        )
    if isinstance(where, str) and _is_address(where):
        raise StoreError(f"{shown(where)} is not a valid address; write {_UNDERSTOOD}")
    return Path(where)


def _is_address(text: str) -> bool:
    return bool(_ADDRESS.match(text) or _KEYWORDS.search(text))


def _may_hold_password(text: str) -> bool:
    return _is_address(text) or _CREDENTIALS.search(text) is not None


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a ledger in a PostgreSQL database."""

    options: tuple[tuple[str, str], ...]
    """The connection parameters for libpq, by keyword."""

    schema: str

    @classmethod
    def of(cls, text: str) -> Address:
        """Parse an address; raise :class:`StoreError` if it is not one, without showing its password."""
        from psycopg import Error
        from psycopg.conninfo import conninfo_to_dict

        base, _, query = _OURS.sub("postgresql://", text.rstrip(), count=1).partition("?")
        # As in libpq, a + is a plus sign.
        parameters = query.split("&") if query else []
        schemas = [part.partition("=")[2] for part in parameters if part.startswith("schema=")]
        schema = unquote(schemas[-1]) if schemas else "public"
        unfit = StoreError(f"{shown(text)} is not the address of a database; write {_UNDERSTOOD}")
        try:
            plain = "&".join(part for part in parameters if not part.startswith("schema="))
            options = conninfo_to_dict(f"{base}?{plain}" if plain else base)
        except (Error, ValueError):  # its message contains the whole address
            raise unfit from None
        # Part of a password with an unescaped special character looks like a host, a port or a name.
        authority, _, database = base.partition("://")[2].partition("/")
        port = str(options.get("port", ""))
        if authority.count("@") > 1 or re.search("[@/:]", database) or re.search("[^0-9,]", port):
            raise unfit
        odd = {"host": r"^[^/].*[^\w.,:%-]", "user": "[:@/;=]", "dbname": "[@:=/;]"}
        if any(re.search(signs, str(options.get(name, ""))) for name, signs in odd.items()):
            raise unfit
        if not _SCHEMA.fullmatch(schema):
            raise StoreError(
                f"{shown(text)}: {schema!r} is not a valid schema name; use lower-case letters, digits and "
                "underscores, at most 48, no digit first"
            )
        return cls(tuple((name, str(value)) for name, value in options.items()), schema)

    @property
    def place(self) -> str:
        """The schema as SQL takes it, quoted: its name can be a keyword."""
        return f'"{self.schema}"'

    def __str__(self) -> str:
        """Return the address without its password."""
        options = dict(self.options)
        user = f"{quote(options['user'])}@" if options.get("user") else ""
        host = options.get("host", "")
        query = {} if self.schema == "public" else {"schema": self.schema}
        if "/" in host:  # a folder with the server's socket
            query, host = {"host": host, **query}, ""
        place = f"[{host}]" if ":" in host else quote(host)
        port = f":{options['port']}" if options.get("port") else ""
        rest = f"?{urlencode(query, safe='/')}" if query else ""
        return f"postgresql://{user}{place}{port}/{quote(options.get('dbname', ''))}{rest}"

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"


def shown(where: LedgerLocation) -> str:
    """Return a path or an address as it may be shown, without a password.

    Only the parts of an address that cannot be secret are shown, since a password can be misplaced in many
    ways.
    """
    text = str(where)
    if not isinstance(where, str) or not _may_hold_password(text):
        return text
    if "//" not in text and "=" in text:
        return re.sub(r"[^\s;]+", _visible_parts, text)
    # From the first colon to the last @, so that an unescaped password is masked too.
    start = r".*?//" if "//" in text else r"[^:]*:/?"
    text = re.sub(rf"^({start}[^:@]*):.*@", r"\1@", text, count=1, flags=re.DOTALL)
    base, question_mark, query = text.partition("?")
    return _visible_base(base) + question_mark + re.sub("[^&]+", _visible_parts, query)


_BASE = re.compile(
    r"(?P<scheme>[\"'<\s]*[\w+.:-]*//)(?:(?P<user>[^@]*)@)?"
    r"(?P<host>\[[^]]*\]|[^:/\[]*)(?::(?P<port>[^/]*))?(?:/(?P<database>.*))?",
    re.DOTALL,
)
_PLAIN_PARTS = {
    "user": r"[\w.+-]*", "host": r"[\w.,-]*|\[[0-9a-fA-F:.%]*\]", "port": "[0-9,]*", "database": r"[\w.+-]*",
}  # fmt: skip


def _visible_base(base: str) -> str:
    """Return an address up to its parameters, with each part that is not plain masked."""
    match = _BASE.fullmatch(base)
    if match is None:
        return "…" if "//" in base else base
    masked = {
        name: part if part is None or re.fullmatch(_PLAIN_PARTS[name], unquote(part)) else "…"
        for name, part in match.groupdict().items()
        if name != "scheme"
    }
    user = "" if masked["user"] is None else f"{masked['user']}@"
    port = "" if masked["port"] is None else f":{masked['port']}"
    database = "" if masked["database"] is None else f"/{masked['database']}"
    return f"{match['scheme']}{user}{masked['host']}{port}{database}"


def _visible_parts(parameter: re.Match[str]) -> str:
    """Return a parameter with its value, which is masked if it may be secret."""
    name, separator, value = parameter.group().partition("=")
    if not separator:
        return "…"
    word = unquote(name).strip().lower()
    plain = word in _VISIBLE and _PLAIN.fullmatch(unquote(value))
    return f"{name}={value}" if plain else f"{name if word.isidentifier() else ''}=…"


def without_passwords(message: str, addresses: Iterable[str]) -> str:
    """Return a message in which neither an address nor a path derived from one shows a password."""
    for text in filter(_may_hold_password, addresses):
        message = _replaced(message, text, shown(text))
        for path in (Path(text), *Path(text).parents):
            # If an address was taken for a path, it has one slash where the address has two.
            masked = re.sub(
                r"^([^@]*?/[^:@/]*):(?:.*@|.*$)", r"\1@", shown(str(path)), flags=re.DOTALL
            )
            message = _replaced(message, str(path), masked)
    return message


def _replaced(message: str, text: str, replacement: str) -> str:
    if text == replacement:
        return message
    return message.replace(text, replacement).replace(repr(text)[1:-1], replacement)
