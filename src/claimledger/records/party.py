"""Party: someone who can assert something."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from claimledger.records.base import OneOrMany, Record, WikidataItem
from claimledger.records.keys import PartyKey
from claimledger.text.unicode import Name


class PartyType(StrEnum):
    """The sorts of party."""

    PERSON = "person"
    ORGANISATION = "organisation"
    GOVERNMENT = "government"
    MEDIUM = "medium"
    GROUP = "group"
    UNNAMED = "unnamed"


NAMELESS: frozenset[str] = frozenset({"group", "unnamed"})
"""The types of party that are not identified by name: two such parties may be the same people."""


class Party(Record):
    """A person, organisation, government body, medium, group or unnamed person."""

    kind: ClassVar = "party"
    letter: ClassVar = "P"
    label_field: ClassVar = "name"
    searched: ClassVar = ("name", "aliases")

    name: Annotated[Name, Field(description="the name as it is usually given")]
    type: Annotated[PartyType | None, Field(description="what sort of party it is")] = None
    aliases: Annotated[
        tuple[Name, ...], OneOrMany, Field(description="other names, in any language")
    ] = ()
    part_of: Annotated[PartyKey | None, Field(description="the party it belongs to")] = None
    wikidata: Annotated[WikidataItem | None, Field(description="its Wikidata item")] = None
