"""Term: names that mean the same measure, place or other scope, and the term that it is part of.

A term is a SKOS concept, with a preferred label, other labels and a broader concept. Names that differ mean
the same, and one place lies in another, only if a term says so; the program never guesses.
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
            'is not a valid scheme; write "measure", or the name of a scope such as "place"',
        )
    return text


class Term(Record):
    """The names of one measure, place or other scope, and the term that it is part of."""

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
