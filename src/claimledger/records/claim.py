"""Claim: one assertion by one claimant, or by several who speak together, in neutral words."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from claimledger.records.base import Language, OneOrMany, Record, StringMap
from claimledger.records.citation import Citation
from claimledger.records.dates import Date
from claimledger.records.figure import Figure
from claimledger.records.keys import PartyKey, SubjectKey
from claimledger.text.unicode import Prose


class Grounds(StrEnum):
    """How a claimant knows what they assert."""

    OBSERVED = "observed"
    DOCUMENTS = "documents"
    TESTIMONY = "testimony"
    ANALYSIS = "analysis"
    OWN_ACT = "own-act"
    UNSTATED = "unstated"


MOST_FIGURES = 500
"""The most figures that a claim can have: comparing two claims compares all pairs of their figures."""


class Claim(Record):
    """One assertion: who makes it, about what and when, how they know, and where it was seen."""

    kind: ClassVar = "claim"
    letter: ClassVar = "C"
    label_field: ClassVar = "statement"
    searched: ClassVar = ("statement",)

    statement: Annotated[Prose, Field(description="what is asserted, in neutral words")]
    claimant: Annotated[
        tuple[PartyKey, ...],
        OneOrMany,
        Field(min_length=1, description="who asserts it: a party, or several who speak together"),
    ]
    subject: Annotated[SubjectKey, Field(description="what it is about")]
    asserted: Annotated[Date | None, Field(description="when the claimant said it")] = None
    about: Annotated[Date | None, Field(description="the time it is about")] = None
    grounds: Annotated[Grounds | None, Field(description="how the claimant knows")] = None
    scope: Annotated[
        StringMap,
        Field(default_factory=dict, description="what it is limited to, by name (place, operator)"),
    ]
    figures: Annotated[
        tuple[Figure, ...],
        OneOrMany,
        Field(max_length=MOST_FIGURES, description="the numbers in it"),
    ] = ()
    language: Annotated[Language | None, Field(description="the language of the assertion")] = None
    citations: Annotated[
        tuple[Citation, ...], OneOrMany, Field(min_length=1, description="where it was seen")
    ]

    @model_validator(mode="after")
    def _grounds_were_read(self) -> Claim:
        if self.grounds is not None and all(citation.via for citation in self.citations):
            raise PydanticCustomError(
                "grounds",
                "has the grounds {grounds}, but every citation has a `via`: only the claimant's own words "
                "show how they know, so leave `grounds` out until somebody has read them",
                {"grounds": repr(self.grounds)},
            )
        return self

    def scope_of(self, figure: Figure) -> dict[str, str]:
        """Return the scope of a figure of this claim: the figure's own scope, then the claim's."""
        return {**self.scope, **figure.scope}
