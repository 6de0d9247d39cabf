"""claimledger: a claim-tracking provenance ledger.

Every assertion is a dated claim tied to a source, a claimant and a subject; links between claims
show which are corroborated and which are contested; nothing is ever silently changed.

What is named in ``__all__`` is public and stays as it is within a version's first number; each name is
imported when it is first asked for, so that importing the package costs nothing.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from claimledger.analysis.analysis import Analysis
    from claimledger.analysis.graph import graph_of
    from claimledger.errors import (
        AmbiguousError,
        ClaimledgerError,
        ClockError,
        ConflictError,
        InvalidInputError,
        MissingFontError,
        NotFoundError,
        NotYetKnownError,
        ParseError,
        Problem,
        RuleViolationError,
        StoreError,
    )
    from claimledger.importers.case_files import read_files
    from claimledger.ledger import (
        Change,
        HistoryEntry,
        ImportResult,
        Ledger,
        LedgerView,
        RecordInput,
        SearchHit,
        StoredRecord,
        TreeHead,
    )
    from claimledger.present.audit import audit
    from claimledger.present.explanation import explain
    from claimledger.present.report import report
    from claimledger.records.check import record_of
    from claimledger.records.dates import Date
    from claimledger.services.networkx_export import to_networkx

__version__ = "0.1.0"

_MODULE_OF = {
    "AmbiguousError": "errors",
    "Analysis": "analysis.analysis",
    "Change": "ledger",
    "ClaimledgerError": "errors",
    "ClockError": "errors",
    "ConflictError": "errors",
    "Date": "records.dates",
    "HistoryEntry": "ledger",
    "ImportResult": "ledger",
    "InvalidInputError": "errors",
    "Ledger": "ledger",
    "LedgerView": "ledger",
    "MissingFontError": "errors",
    "NotFoundError": "errors",
    "NotYetKnownError": "errors",
    "ParseError": "errors",
    "Problem": "errors",
    "RecordInput": "ledger",
    "RuleViolationError": "errors",
    "SearchHit": "ledger",
    "StoreError": "errors",
    "StoredRecord": "ledger",
    "TreeHead": "ledger",
    "audit": "present.audit",
    "explain": "present.explanation",
    "graph_of": "analysis.graph",
    "read_files": "importers.case_files",
    "record_of": "records.check",
    "report": "present.report",
    "to_networkx": "services.networkx_export",
}
"""The module that defines each public name."""

_RENAMED = {
    "Answers": "Analysis",
    "BadInput": "InvalidInputError",
    "ClockInDoubt": "ClockError",
    "Conflict": "ConflictError",
    "Event": "HistoryEntry",
    "Given": "RecordInput",
    "Head": "TreeHead",
    "Held": "StoredRecord",
    "Match": "SearchHit",
    "NotFound": "NotFoundError",
    "Refused": "RuleViolationError",
    "Taken": "ImportResult",
    "Unreadable": "ParseError",
}
"""Names of before 0.1, each with the name that replaces it; they go with the release after 0.1."""

__all__ = [
    "AmbiguousError",
    "Analysis",
    "Change",
    "ClaimledgerError",
    "ClockError",
    "ConflictError",
    "Date",
    "HistoryEntry",
    "ImportResult",
    "InvalidInputError",
    "Ledger",
    "LedgerView",
    "MissingFontError",
    "NotFoundError",
    "NotYetKnownError",
    "ParseError",
    "Problem",
    "RecordInput",
    "RuleViolationError",
    "SearchHit",
    "StoreError",
    "StoredRecord",
    "TreeHead",
    "audit",
    "explain",
    "graph_of",
    "read_files",
    "record_of",
    "report",
    "to_networkx",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used; warn if it is a deprecated one."""
    if name in _RENAMED:
        replacement = _RENAMED[name]
        warnings.warn(
            f"claimledger.{name} is now claimledger.{replacement}",
            DeprecationWarning,
            stacklevel=2,
        )
        return __getattr__(replacement)
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'claimledger' has no attribute {name!r}")
    value: object = getattr(import_module(f"claimledger.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
