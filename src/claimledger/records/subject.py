"""Subject: something that claims are about. A subject can be part of a broader one."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from claimledger.records.base import OneOrMany, Record, WikidataItem
from claimledger.records.keys import SubjectKey
from claimledger.text.unicode import Name


class Subject(Record):
    """Something that claims are about, such as a topic or an event."""

    kind: ClassVar = "subject"
    letter: ClassVar = "T"
    label_field: ClassVar = "label"
    searched: ClassVar = ("label", "aliases")

    label: Annotated[Name, Field(description="its name")]
    aliases: Annotated[
        tuple[Name, ...], OneOrMany, Field(description="other names, in any language")
    ] = ()
    broader: Annotated[SubjectKey | None, Field(description="the subject it is part of")] = None
    wikidata: Annotated[WikidataItem | None, Field(description="its Wikidata item")] = None
