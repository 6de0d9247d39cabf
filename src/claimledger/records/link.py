"""Link: how a claim relates to another claim, or to a source. Nine types in five families."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from claimledger.records.base import OneOrMany, Record
from claimledger.records.citation import Citation
from claimledger.records.keys import ClaimKey, is_key
from claimledger.text.unicode import Name, Prose


class Family(StrEnum):
    """What a link is about: the claims' dispute, or where one of them came from."""

    DISPUTE = "dispute"
    REPLY = "reply"
    SUPPORT = "support"
    PROVENANCE = "provenance"
    REVISION = "revision"


class LinkType(StrEnum):
    """How a claim relates to another record; :data:`RELATIONS` has what each type means."""

    CONTRADICTS = "contradicts"
    UNDERCUTS = "undercuts"
    ANSWERS = "answers"
    CORROBORATES = "corroborates"
    SUPPORTS = "supports"
    REPEATS = "repeats"
    DERIVES_FROM = "derives_from"
    UPDATES = "updates"
    RETRACTS = "retracts"


@dataclass(frozen=True, slots=True)
class Relation:
    """A type of link: its family, what it means, the standards' term, how it reads."""

    family: Family
    meaning: str
    standards: tuple[str, ...]
    reads: str
    reversed: str
    symmetric: bool = False
    to_source: bool = False


RELATIONS: dict[str, Relation] = {
    LinkType.CONTRADICTS: Relation(
        Family.DISPUTE,
        "both cannot hold; neither is thereby refuted",
        ("cito:disputes",),
        "contradicts",
        "contradicted by",
        symmetric=True,
    ),
    LinkType.UNDERCUTS: Relation(
        Family.DISPUTE,
        "attacks the grounds of the other (its method, source, translation), not its conclusion",
        ("cito:critiques",),
        "undercuts",
        "undercut by",
        to_source=True,
    ),
    LinkType.ANSWERS: Relation(
        Family.REPLY,
        "a reply, a denial, a rival account: both may hold; attacks nothing",
        ("cito:repliesTo",),
        "answers",
        "answered by",
    ),
    LinkType.CORROBORATES: Relation(
        Family.SUPPORT,
        "asserts the same",
        ("cito:agreesWith",),
        "corroborates",
        "corroborated by",
        symmetric=True,
    ),
    LinkType.SUPPORTS: Relation(
        Family.SUPPORT,
        "gives grounds for the other without asserting it",
        ("cito:supports",),
        "supports",
        "supported by",
    ),
    LinkType.REPEATS: Relation(
        Family.PROVENANCE,
        "passes the other on: reports, quotes, translates; adds no observation",
        ("prov:wasQuotedFrom",),
        "repeats",
        "repeated by",
    ),
    LinkType.DERIVES_FROM: Relation(
        Family.PROVENANCE,
        "computed or inferred from the other",
        ("prov:wasDerivedFrom",),
        "derives from",
        "is an input of",
    ),
    LinkType.UPDATES: Relation(
        Family.REVISION,
        "a newer statement of the same thing by the same claimant, which supersedes the other",
        ("cito:updates", "prov:wasRevisionOf"),
        "updates",
        "updated by",
    ),
    LinkType.RETRACTS: Relation(
        Family.REVISION,
        "the claimant takes the other back",
        ("cito:retracts",),
        "retracts",
        "retracted by",
    ),
}
"""What each link type means."""


class Basis(StrEnum):
    """What a link is based on."""

    STATED = "stated"
    JUDGED = "judged"
    COMPUTED = "computed"


@dataclass(frozen=True, slots=True)
class Target:
    """What a link points to: a claim, or (``undercuts`` only) a source."""

    kind: str
    key: str

    def as_json(self) -> str | dict[str, str]:
        """Return a claim's key, or ``{"source": KEY}``."""
        return self.key if self.kind == "claim" else {self.kind: self.key}

    @classmethod
    def _validate(cls, value: object) -> Target:
        if isinstance(value, Target):
            return value
        kind, key = "claim", value
        if isinstance(value, dict) and len(value) == 1:
            kind, key = next(iter(value.items()))
        if kind not in ("claim", "source") or not isinstance(key, str) or not is_key(key):
            raise PydanticCustomError(
                "target", 'is not a valid target; give a claim\'s key or {{"source": KEY}}'
            )
        return cls(kind, key)

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(Target.as_json),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, object]:
        source = {
            "type": "object",
            "properties": {"source": {"type": "string"}},
            "required": ["source"],
            "additionalProperties": False,
        }
        return {"anyOf": [{"type": "string", "description": "a claim's key"}, source]}


class Link(Record):
    """How one claim relates to another claim, or to a source."""

    kind: ClassVar = "link"
    letter: ClassVar = "L"
    label_field: ClassVar = "type"
    searched: ClassVar = ("reason",)
    fixed: ClassVar = ("type", "from", "to")

    type: Annotated[LinkType, Field(description="how the claim relates to the target")]
    from_: Annotated[ClaimKey, Field(alias="from", description="the claim that relates")]
    to: Annotated[Target, Field(description="the claim or source that it relates to")]
    part: Annotated[
        Name | None, Field(description="the measure that the link is about, if not the whole claim")
    ] = None
    reason: Annotated[Prose | None, Field(description="why they relate in this way")] = None
    basis: Annotated[
        Basis,
        Field(description="stated by a source, judged by the recorder, or computed by a rule"),
    ] = Basis.JUDGED
    rule: Annotated[Name | None, Field(description="the rule that computed it")] = None
    citations: Annotated[
        tuple[Citation, ...], OneOrMany, Field(description="where the link is stated")
    ] = ()

    @property
    def relation(self) -> Relation:
        """The link's type, with its family and its words."""
        return RELATIONS[self.type]

    @model_validator(mode="after")
    def _ends_fit(self) -> Link:
        if self.to.kind == "source" and not self.relation.to_source:
            raise PydanticCustomError(
                "ends",
                "{type} a source, which only undercuts may; link to the claim made there",
                {"type": self.type},
            )
        if self.to == Target("claim", self.from_):
            raise PydanticCustomError(
                "ends",
                "links the claim {key} with itself; a correction of one's own record is an "
                "amendment, a newer statement a claim of its own that `updates` it",
                {"key": self.from_},
            )
        return self
