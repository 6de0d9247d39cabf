"""What verifying a ledger says in the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from claimledger.ledger.verify.faults import Fault


@dataclass(frozen=True, slots=True)
class Redaction:
    """What was redacted: the record's key and the entries that were emptied."""

    kind: str
    key: str
    entry: int
    emptied: tuple[int, ...]
    scrubbed: bool = True
    """Whether its texts are gone from the store's files, and not only from the log."""


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """What verifying found."""

    size: int
    root: bytes
    faults: tuple[Fault, ...]
    redactions: tuple[Redaction, ...]
    continues: bool | None = None
    """Whether the log was seen to continue the earlier one whose size and root were given, if they were."""

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults
