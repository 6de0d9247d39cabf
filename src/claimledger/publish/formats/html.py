"""HTML: one self-contained page, without scripts, nothing loaded from elsewhere.

Autoescape is on; beyond it every text is stripped of control and direction characters (shown escaped)
and set in its own direction, and only http and https addresses become links.
"""

from __future__ import annotations

import re
from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from claimledger.publish.audit import Audit
from claimledger.publish.report import Report
from claimledger.records.text import visible


def report(value: Report) -> str:
    """Return the report as a page."""
    sections = (*value.disputes, *value.criticised)
    full = {claim.key for section in sections for claim in section.claims}
    full |= {against.attacker.key for section in sections for against in section.against}
    # Claims that are only mentioned bear their anchor where they are mentioned first.
    return environment().get_template("report.html").render(report=value, full=full)


def audit(value: Audit) -> str:
    """Return the audit as a page."""
    return environment().get_template("audit.html").render(audit=value)


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
