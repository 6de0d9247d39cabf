"""JSON: the report or the audit as one object with stable names."""

from __future__ import annotations

import json

from claimledger.publish.audit import Audit
from claimledger.publish.report import Report


def report(value: Report) -> str:
    """Return the report as JSON."""
    return _written(value)


def audit(value: Audit) -> str:
    """Return the audit as JSON."""
    return _written(value)


def _written(value: Report | Audit) -> str:
    return json.dumps(value.as_json(), ensure_ascii=False, indent=2) + "\n"
