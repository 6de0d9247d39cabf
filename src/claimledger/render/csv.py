"""The report as CSV (RFC 4180), one row per attack.

A cell that a spreadsheet could read as a formula begins with an apostrophe, as OWASP advises to prevent CSV
injection.
"""

from __future__ import annotations

import csv
import io
import unicodedata

from claimledger.present.claim_view import ClaimView
from claimledger.present.report import AttackView, DisputeSection, Report
from claimledger.text.unicode import visible

COLUMNS = (
    "dispute", "disputed_since", "last_move", "state", "criticised_source",
    "claim", "statement", "claimant", "asserted",
    "about", "figures", "grounds", "standing", "at_least", "at_most", "sources", "flags", "note",
    "attacker", "attacker_statement", "attacker_claimant", "attacker_asserted", "attack", "link",
    "basis", "reason", "figures_compared", "past", "reached_through",
)  # fmt: skip


def report(value: Report) -> str:
    """Return the report's attacks as CSV, with a byte order mark so that spreadsheets see UTF-8."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for section in (*value.disputes, *value.criticised):
        for row in _rows(section):
            writer.writerow([safe(cell) for cell in row])
    return "\ufeff" + out.getvalue()


def _rows(section: DisputeSection) -> list[list[str]]:
    rows = []
    for claim in section.claims or (None,):
        aimed = [
            attack
            for attack in section.against
            if claim is None or section.source or attack.at == claim.key
        ]
        # A claim at which no attack is aimed is reached by all attacks on its assertion.
        for attack in aimed or section.against:
            rows.append([*_head(section), *_claim(claim), *_attack(attack), ""])
    for claim in (*section.beside, *section.reached):
        blank = [""] * 10
        rows.append([*_head(section), *_claim(claim), *blank, section.head])
    return rows


def _head(section: DisputeSection) -> list[str]:
    source = section.head if section.source else ""
    return [section.key, section.since, section.last, section.state, source]


def _claim(claim: object) -> list[str]:
    if not isinstance(claim, ClaimView):
        return [""] * 13
    return [
        claim.key, claim.statement, claim.who, claim.when, claim.about, claim.figures, claim.grounds,
        claim.standing, str(claim.at_least), str(claim.at_most),
        "; ".join(seen.source for seen in claim.seen), "; ".join(claim.flags), claim.note,
    ]  # fmt: skip


def _attack(attack: AttackView) -> list[str]:
    attacker = attack.attacker
    return [
        attacker.key, attacker.statement, attacker.who, attacker.when, attack.type, attack.link,
        attack.basis, attack.reason, attack.compared, "past" if attack.past else "",
    ]  # fmt: skip


def safe(cell: str) -> str:
    """Return a cell that no spreadsheet reads as a formula, with control characters escaped."""
    shown = visible(cell)
    first = unicodedata.normalize("NFKC", shown.lstrip()[:1])
    return f"'{shown}" if first and first in "=+-@|%" else shown
