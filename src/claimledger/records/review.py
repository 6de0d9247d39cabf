"""Review: a fact-checker's published rating of a claim."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from claimledger.records.base import Address, Record
from claimledger.records.dates import Date
from claimledger.records.keys import ClaimKey, PartyKey
from claimledger.text.unicode import Name, Prose


class Review(Record):
    """A published rating of a claim, with the fields of schema.org's ``ClaimReview``."""

    kind: ClassVar = "review"
    letter: ClassVar = "R"
    label_field: ClassVar = "rating"
    searched: ClassVar = ("summary",)

    claim: Annotated[ClaimKey, Field(description="the claim that was rated")]
    reviewer: Annotated[PartyKey | None, Field(description="the party that rated the claim")] = None
    reviewed: Annotated[Date | None, Field(description="when the review was published")] = None
    rating: Annotated[Name | None, Field(description="the rating, in the reviewer's words")] = None
    scale: Annotated[Name | None, Field(description="the scale that the rating is on")] = None
    summary: Annotated[Prose | None, Field(description="what the review found")] = None
    url: Annotated[Address | None, Field(description="where the review was published")] = None
