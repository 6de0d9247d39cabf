"""The ledger: an append-only log, the views projected from it, and one door to both.

The log is the ledger; tables and search index can be rebuilt from it. Everything outside this
folder goes through :class:`~claimledger.ledger.ledger.Ledger`.
"""

from claimledger.ledger.forking import may_fork
from claimledger.ledger.head import Head
from claimledger.ledger.ledger import Ledger
from claimledger.ledger.log import FORMAT, LARGEST_PAYLOAD, Entry
from claimledger.ledger.reading.history import Event
from claimledger.ledger.reading.records import Held, Referrer
from claimledger.ledger.reading.search import Match
from claimledger.ledger.store.address import Where, file_of, shown, without_passwords
from claimledger.ledger.store.sqlite_names import database_beside, is_database
from claimledger.ledger.tables import LAYOUT
from claimledger.ledger.verifying.verdict import Verdict
from claimledger.ledger.writing.changing import Change
from claimledger.ledger.writing.receiving import Strand, entry_of, line_of
from claimledger.ledger.writing.salvaging import Survey, salvage, survey
from claimledger.ledger.writing.taking import Faulty, Given, Taken

__all__ = [
    "FORMAT",
    "LARGEST_PAYLOAD",
    "LAYOUT",
    "Change",
    "Entry",
    "Event",
    "Faulty",
    "Given",
    "Head",
    "Held",
    "Ledger",
    "Match",
    "Referrer",
    "Strand",
    "Survey",
    "Taken",
    "Verdict",
    "Where",
    "database_beside",
    "entry_of",
    "file_of",
    "is_database",
    "line_of",
    "may_fork",
    "salvage",
    "shown",
    "survey",
    "without_passwords",
]
