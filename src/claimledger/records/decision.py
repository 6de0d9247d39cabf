"""Decision: a person's answer to a proposal, recorded so that the question is not asked again."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from claimledger.records.base import OneOrMany, Record
from claimledger.text.unicode import Name, Prose


class Outcome(StrEnum):
    """The answer to a proposal."""

    ACCEPTED = "accepted"
    DECLINED = "declined"


class Decision(Record):
    """The answer to one proposal: the rule, the records, the evidence, and the reason."""

    kind: ClassVar = "decision"
    letter: ClassVar = "D"
    label_field: ClassVar = "rule"
    searched: ClassVar = ("reason",)

    rule: Annotated[Name, Field(description="the rule that made the proposal")]
    outcome: Annotated[Outcome, Field(description="the answer")]
    # Plain names instead of references, because a decision must not prevent the withdrawal of a record.
    about: Annotated[
        tuple[Name, ...],
        OneOrMany,
        Field(min_length=1, description="the keys of the records that the proposal was about"),
    ]
    evidence: Annotated[
        Name | None,
        Field(
            description="a digest of the proposal's evidence; if that changes, it may be proposed again"
        ),
    ] = None
    link: Annotated[Name | None, Field(description="the key of the link that was recorded")] = None
    reason: Annotated[Prose | None, Field(description="why it was answered in this way")] = None
