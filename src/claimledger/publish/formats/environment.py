"""What every page is made with: autoescape on, each text of a record visible and in its own direction.

Beyond the escaping, control and direction characters are shown written out, and only http and https
addresses become links.
"""

from __future__ import annotations

import re
from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from claimledger.records.text import visible


@lru_cache
def environment() -> Environment:
    """Return what pages are made with: autoescape on, and texts of records through ``said``."""
    environment = Environment(
        loader=PackageLoader("claimledger.publish.formats"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"said": _said, "address": _address, "number": _number}
    return environment


def _said(text: str) -> Markup:
    """A text of a record: escaped, visible, in its own direction."""
    return Markup("<bdi>{}</bdi>").format(visible(text))


def _address(url: str) -> str:
    """A record's URL where it may become a link, else nothing."""
    fit = re.fullmatch(r"https?://[^\s\"'<>\\\x00-\x20]+", url, re.IGNORECASE)
    return str(escape(url)) if fit and visible(url) == url else ""


def _number(value: int) -> str:
    return f"{value:,}"
