"""The report and the audit as HTML pages without scripts, which load nothing from elsewhere."""

from __future__ import annotations

from claimledger.present.audit import Audit
from claimledger.present.report import Report
from claimledger.render.environment import environment


def report(value: Report) -> str:
    """Return the report as a page."""
    sections = (*value.disputes, *value.criticised)
    full = {claim.key for section in sections for claim in section.claims}
    full |= {against.attacker.key for section in sections for against in section.against}
    # A claim that is nowhere shown in full has its anchor where it is first mentioned.
    return environment().get_template("report.html").render(report=value, full=full)


def audit(value: Audit) -> str:
    """Return the audit as a page."""
    return environment().get_template("audit.html").render(audit=value)
