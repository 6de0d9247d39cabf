"""The report and the audit as HTML pages without scripts, which load no other files."""

from __future__ import annotations

from claimledger.present.audit import Audit
from claimledger.present.report import Report
from claimledger.render.environment import environment


def report(value: Report) -> str:
    """Return the report as a page."""
    sections = (*value.disputes, *value.criticised)
    full = {claim.key for section in sections for claim in section.claims}
    full |= {attack.attacker.key for section in sections for attack in section.against}
    # A claim that no section shows in full gets its anchor where it is first mentioned.
    return environment().get_template("report.html").render(report=value, full=full)


def audit(value: Audit) -> str:
    """Return the audit as a page."""
    return environment().get_template("audit.html").render(audit=value)
