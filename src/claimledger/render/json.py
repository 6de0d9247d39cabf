"""The report and the audit as JSON objects with stable field names."""

from __future__ import annotations

from claimledger.present.audit import Audit
from claimledger.present.report import Report
from claimledger.text.unicode import json_text


def report(value: Report) -> str:
    """Return the report as JSON."""
    return _text_of(value)


def audit(value: Audit) -> str:
    """Return the audit as JSON."""
    return _text_of(value)


def _text_of(value: Report | Audit) -> str:
    return json_text(value.as_json()) + "\n"
