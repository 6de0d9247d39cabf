"""Source: a published work in which claims are seen."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from claimledger.records.base import Address, Language, OneOrMany, Record, StringMap
from claimledger.records.dates import Date
from claimledger.records.keys import PartyKey
from claimledger.text.unicode import Name

SourceType = Literal[
    "article",
    "article-journal",
    "article-magazine",
    "article-newspaper",
    "bill",
    "book",
    "broadcast",
    "chapter",
    "classic",
    "collection",
    "dataset",
    "document",
    "entry",
    "entry-dictionary",
    "entry-encyclopedia",
    "event",
    "figure",
    "graphic",
    "hearing",
    "interview",
    "legal_case",
    "legislation",
    "manuscript",
    "map",
    "motion_picture",
    "musical_score",
    "pamphlet",
    "paper-conference",
    "patent",
    "performance",
    "periodical",
    "personal_communication",
    "post",
    "post-weblog",
    "regulation",
    "report",
    "review",
    "review-book",
    "software",
    "song",
    "speech",
    "standard",
    "thesis",
    "treaty",
    "webpage",
]
"""The item types of the Citation Style Language, version 1.0.2."""


class Source(Record):
    """A published work: a report, an article, a page."""

    kind: ClassVar = "source"
    letter: ClassVar = "S"
    label_field: ClassVar = "title"
    searched: ClassVar = ("title", "authors")

    title: Annotated[Name, Field(description="its title, as printed")]
    type: Annotated[SourceType | None, Field(description="its type in CSL's words")] = None
    authors: Annotated[
        tuple[Name, ...], OneOrMany, Field(description="who wrote it, by name, as printed")
    ] = ()
    publisher: Annotated[PartyKey | None, Field(description="the party that published it")] = None
    published: Annotated[Date | None, Field(description="when it was published")] = None
    accessed: Annotated[Date | None, Field(description="when it was read")] = None
    removed: Annotated[Date | None, Field(description="when it was taken down")] = None
    language: Annotated[Language | None, Field(description="its language, in BCP 47")] = None
    url: Annotated[Address | None, Field(description="where it stands")] = None
    archive_url: Annotated[Address | None, Field(description="where a copy is kept")] = None
    identifiers: Annotated[
        StringMap, Field(default_factory=dict, description="DOI, ISBN, ISSN and the like")
    ]
