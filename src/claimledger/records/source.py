"""Source: a published work in which claims are seen."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from claimledger.records.base import Address, Language, OneOrMany, Record, StringMap
from claimledger.records.dates import Date
from claimledger.records.keys import PartyKey
from claimledger.text.unicode import Name


class SourceType(StrEnum):
    """The item types of the Citation Style Language, version 1.0.2."""

    ARTICLE = "article"
    ARTICLE_JOURNAL = "article-journal"
    ARTICLE_MAGAZINE = "article-magazine"
    ARTICLE_NEWSPAPER = "article-newspaper"
    BILL = "bill"
    BOOK = "book"
    BROADCAST = "broadcast"
    CHAPTER = "chapter"
    CLASSIC = "classic"
    COLLECTION = "collection"
    DATASET = "dataset"
    DOCUMENT = "document"
    ENTRY = "entry"
    ENTRY_DICTIONARY = "entry-dictionary"
    ENTRY_ENCYCLOPEDIA = "entry-encyclopedia"
    EVENT = "event"
    FIGURE = "figure"
    GRAPHIC = "graphic"
    HEARING = "hearing"
    INTERVIEW = "interview"
    LEGAL_CASE = "legal_case"
    LEGISLATION = "legislation"
    MANUSCRIPT = "manuscript"
    MAP = "map"
    MOTION_PICTURE = "motion_picture"
    MUSICAL_SCORE = "musical_score"
    PAMPHLET = "pamphlet"
    PAPER_CONFERENCE = "paper-conference"
    PATENT = "patent"
    PERFORMANCE = "performance"
    PERIODICAL = "periodical"
    PERSONAL_COMMUNICATION = "personal_communication"
    POST = "post"
    POST_WEBLOG = "post-weblog"
    REGULATION = "regulation"
    REPORT = "report"
    REVIEW = "review"
    REVIEW_BOOK = "review-book"
    SOFTWARE = "software"
    SONG = "song"
    SPEECH = "speech"
    STANDARD = "standard"
    THESIS = "thesis"
    TREATY = "treaty"
    WEBPAGE = "webpage"


class Source(Record):
    """A published work: a report, an article, a page."""

    kind: ClassVar = "source"
    letter: ClassVar = "S"
    label_field: ClassVar = "title"
    searched: ClassVar = ("title", "authors")

    title: Annotated[Name, Field(description="its title, as printed")]
    type: Annotated[SourceType | None, Field(description="its type, in the terms of CSL")] = None
    authors: Annotated[
        tuple[Name, ...], OneOrMany, Field(description="who wrote it, by name, as printed")
    ] = ()
    publisher: Annotated[PartyKey | None, Field(description="the party that published it")] = None
    published: Annotated[Date | None, Field(description="when it was published")] = None
    accessed: Annotated[Date | None, Field(description="when it was read")] = None
    removed: Annotated[Date | None, Field(description="when it was taken down")] = None
    language: Annotated[Language | None, Field(description="its language, in BCP 47")] = None
    url: Annotated[Address | None, Field(description="where it is published")] = None
    archive_url: Annotated[Address | None, Field(description="where an archived copy is")] = None
    identifiers: Annotated[
        StringMap, Field(default_factory=dict, description="DOI, ISBN, ISSN and the like")
    ]
