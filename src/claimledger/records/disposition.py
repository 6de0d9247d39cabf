"""Disposition: how a dispute was closed, in the judgement of whoever maintains the ledger."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from claimledger.records.base import Record
from claimledger.records.keys import LinkKey
from claimledger.text.unicode import Prose


class Ending(StrEnum):
    """How a dispute ended."""

    RESOLVED = "resolved"
    CONCEDED = "conceded"
    DEFINITION = "definition"
    PERIOD = "period"
    DORMANT = "dormant"


class Disposition(Record):
    """How a dispute was closed. It does not say who was right; new activity reopens the dispute."""

    kind: ClassVar = "disposition"
    letter: ClassVar = "O"
    label_field: ClassVar = "ending"
    searched: ClassVar = ("reason",)
    fixed: ClassVar = ("dispute",)

    dispute: Annotated[LinkKey, Field(description="the link that names the dispute")]
    ending: Annotated[
        Ending,
        Field(
            description="resolved, conceded by a side, a matter of definition or of period, or dormant"
        ),
    ]
    reason: Annotated[Prose, Field(description="why the dispute was closed in this way")]
