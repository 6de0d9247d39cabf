"""HTML: one self-contained page, without scripts, nothing loaded from elsewhere."""

from __future__ import annotations

from claimledger.present.audit import Audit
from claimledger.present.report import Report
from claimledger.render.environment import environment


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
