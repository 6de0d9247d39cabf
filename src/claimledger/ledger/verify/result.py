"""The result of verifying a ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from claimledger.ledger.verify.faults import Fault


@dataclass(frozen=True, slots=True)
class Redaction:
    """A redaction in the log: the record, the entry that redacts it, and the entries that were emptied."""

    kind: str
    key: str
    entry: int
    emptied: tuple[int, ...]
    scrubbed: bool = True
    """Whether its texts were removed from the store's files too, and not only from the log."""


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """The size and root of the log that was verified, and the faults of the ledger."""

    size: int
    """The number of entries without a gap from the first."""

    root: bytes
    """The Merkle root over those entries, recomputed."""

    faults: tuple[Fault, ...]
    redactions: tuple[Redaction, ...]
    continues: bool | None = None
    """Whether the log continues the earlier tree head that was given; ``None`` if none was."""

    @property
    def clean(self) -> bool:
        """Whether no fault was found."""
        return not self.faults
