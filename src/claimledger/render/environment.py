"""The template environment of all pages, which makes texts of records harmless.

Texts are escaped and isolated in their direction, control characters are escaped, and only http and https
addresses become links.
"""

from __future__ import annotations

import re
from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from claimledger.present import phrases
from claimledger.present.audit import NONE_RECORDED, SECTIONS
from claimledger.present.report import CLAIM_LISTS, REPLY_LISTS, SOURCE_CRITICISED
from claimledger.text.unicode import visible

if TYPE_CHECKING:
    from jinja2 import Environment


@lru_cache
def environment() -> Environment:
    """Return the template environment; templates pass texts of records through the filter ``said``."""
    # Imported late: only pages need it, and the text formats share modules with them.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("claimledger.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "said": _isolated,
        "visible": visible,
        "address": _address,
        "number": _number,
        "date": phrases.in_words,
        "how_known": phrases.how_known,
        "sentence": phrases.as_sentence,
    }
    environment.globals |= {
        "policy": _policy,
        "sections": SECTIONS,
        "none_recorded": NONE_RECORDED,
        "claim_lists": CLAIM_LISTS,
        "reply_lists": REPLY_LISTS,
        "source_criticised": SOURCE_CRITICISED,
    }
    return environment


def script(name: str) -> Markup:
    """Return one of the program's scripts, for use in a page."""
    loader = environment().loader
    assert loader is not None
    text = loader.get_source(environment(), name)[0]
    # A browser normalises line ends before it computes the hash, so they must be the same here.
    return Markup(text.replace("\r\n", "\n"))


def _policy(script: str = "") -> Markup:
    """Return a Content Security Policy (Level 3) that lets a browser show the page and run one script.

    The script is allowed by its hash. Even if a text of a record became markup, the page could not load or
    send anything, or run another script.
    """
    allowed = ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "img-src data:"]
    allowed.append("style-src 'unsafe-inline'")
    if script:
        digest = b64encode(sha256(script.encode()).digest()).decode()
        allowed.append(f"script-src 'sha256-{digest}'")
    content = "; ".join(allowed)
    return Markup(f'<meta http-equiv="Content-Security-Policy" content="{content}">')


def _isolated(text: str) -> Markup:
    """Return a text of a record escaped, and isolated so that its direction does not affect other texts."""
    return Markup("<bdi>{}</bdi>").format(visible(text))


def _address(url: str) -> str:
    """Return a URL of a record if it may become a link, else an empty text."""
    match = re.fullmatch(r"https?://[^\s\"'<>\\\x00-\x20]+", url, re.IGNORECASE)
    return str(escape(url)) if match and visible(url) == url else ""


def _number(value: int) -> str:
    return f"{value:,}"
