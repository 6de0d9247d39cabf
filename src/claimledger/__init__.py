"""claimledger: a claim-tracking provenance ledger.

Every assertion is a dated claim tied to a source, a claimant and a subject; links between claims
show which are corroborated and which are contested; nothing is ever silently changed.

What is named in ``__all__`` is public and stays as it is within a version's first number; each name is
imported when it is first asked for, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from claimledger.analysis.analysis import Answers
    from claimledger.analysis.graph import graph_of
    from claimledger.errors import (
        BadInput,
        ClaimledgerError,
        ClockInDoubt,
        Conflict,
        NotFound,
        Problem,
        Refused,
        StoreError,
        Unreadable,
    )
    from claimledger.importers.case_files import read_files
    from claimledger.ledger import Change, Event, Given, Head, Held, Ledger, Match, Taken
    from claimledger.present.audit import audit
    from claimledger.present.explanation import explain
    from claimledger.present.report import report
    from claimledger.records.check import record_of
    from claimledger.records.dates import Date

__version__ = "0.1.0"

_HOMES = {
    "claimledger.analysis.graph": ("graph_of",),
    "claimledger.analysis.analysis": ("Answers",),
    "claimledger.errors": (
        "BadInput", "ClaimledgerError", "ClockInDoubt", "Conflict", "NotFound", "Problem", "Refused",
        "StoreError", "Unreadable",
    ),
    "claimledger.importers.case_files": ("read_files",),
    "claimledger.ledger": (
        "Change", "Event", "Given", "Head", "Held", "Ledger", "Match", "Taken",
    ),
    "claimledger.present.audit": ("audit",),
    "claimledger.present.explanation": ("explain",),
    "claimledger.present.report": ("report",),
    "claimledger.records.check": ("record_of",),
    "claimledger.records.dates": ("Date",),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Answers",
    "BadInput",
    "Change",
    "ClaimledgerError",
    "ClockInDoubt",
    "Conflict",
    "Date",
    "Event",
    "Given",
    "Head",
    "Held",
    "Ledger",
    "Match",
    "NotFound",
    "Problem",
    "Refused",
    "StoreError",
    "Taken",
    "Unreadable",
    "audit",
    "explain",
    "graph_of",
    "read_files",
    "record_of",
    "report",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'claimledger' has no attribute {name!r}")
    found: object = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
