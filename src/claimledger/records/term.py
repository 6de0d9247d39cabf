"""Term: the ledger's own word that several names mean one thing, and that one thing is part of another.

A SKOS concept: a preferred label, other labels, a broader concept. Two figures count the same, and one
place lies in another, where a term says so, and never by guess.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from claimledger.records.base import OneOrMany, Record, is_name_in_map
from claimledger.records.keys import TermKey
from claimledger.text.unicode import Name, Prose


def _scheme(text: str) -> str:
    if not is_name_in_map(text):
        raise PydanticCustomError(
            "scheme",
            'is not a valid scheme; it is "measure", or the name of a scope such as "place"',
        )
    return text


class Term(Record):
    """What a measure, a place or another scope is called, and what it is part of."""

    kind: ClassVar = "term"
    letter: ClassVar = "V"
    label_field: ClassVar = "label"
    searched: ClassVar = ("label", "aliases")

    of: Annotated[
        str,
        AfterValidator(_scheme),
        Field(description="what it names: measure, or a scope's name such as place"),
    ]
    label: Annotated[Name, Field(description="its name, as figures and scopes write it")]
    aliases: Annotated[
        tuple[Name, ...], OneOrMany, Field(description="other names that mean the same")
    ] = ()
    broader: Annotated[TermKey | None, Field(description="the term it is part of")] = None
    reason: Annotated[Prose | None, Field(description="why these are one")] = None
