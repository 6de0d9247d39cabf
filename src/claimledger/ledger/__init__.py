"""The ledger: an append-only log, and the views projected from it.

The log is authoritative: the tables and the search index can be rebuilt from it. Code outside this package
writes through :class:`~claimledger.ledger.ledger.Ledger` and reads through
:class:`~claimledger.ledger.view.LedgerView`.
"""

from claimledger.ledger.forking import may_fork
from claimledger.ledger.ledger import Ledger
from claimledger.ledger.maintenance.salvage import SalvageReport, salvage, survey
from claimledger.ledger.query.history import HistoryEntry
from claimledger.ledger.query.records import Reference, StoredRecord
from claimledger.ledger.query.search import SearchHit
from claimledger.ledger.tree_head import TreeHead
from claimledger.ledger.verify.result import VerificationResult
from claimledger.ledger.view import LedgerView, last_day
from claimledger.ledger.write.amend import Change
from claimledger.ledger.write.ingest import ImportResult, InvalidRecord, RecordInput
from claimledger.ledger.write.replicate import LogSegment, entry_of, line_of
from claimledger.log.entry import FORMAT, LARGEST_PAYLOAD, Entry
from claimledger.storage.sqlite.names import database_beside, is_database
from claimledger.storage.tables import LAYOUT
from claimledger.storage.url import LedgerLocation, file_of, shown, without_passwords

__all__ = [
    "FORMAT",
    "LARGEST_PAYLOAD",
    "LAYOUT",
    "Change",
    "Entry",
    "HistoryEntry",
    "ImportResult",
    "InvalidRecord",
    "Ledger",
    "LedgerLocation",
    "LedgerView",
    "LogSegment",
    "RecordInput",
    "Reference",
    "SalvageReport",
    "SearchHit",
    "StoredRecord",
    "TreeHead",
    "VerificationResult",
    "database_beside",
    "entry_of",
    "file_of",
    "is_database",
    "last_day",
    "line_of",
    "may_fork",
    "salvage",
    "shown",
    "survey",
    "without_passwords",
]
