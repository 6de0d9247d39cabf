"""Link: how a claim relates to another claim, or to a source. There are nine types in five families."""

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
    """The families of link types: disputes, replies, support, provenance and revisions."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A type of link: its family, its meaning, the terms of standards for it, and its wording in a sentence.

    ``reads`` is the verb from the claim at which the link starts to its target; ``reversed`` is the verb in
    the other direction.
    """

    family: Family
    meaning: str
    standards: tuple[str, ...]
    reads: str
    reversed: str
    symmetric: bool = False
    to_source: bool = False


RELATIONS: dict[str, Relation] = {
    LinkType.CONTRADICTS: Relation(
        family=Family.DISPUTE,
        meaning="the two claims cannot both be right; the link does not say which one is wrong",
        standards=("cito:disputes",),
        reads="contradicts",
        reversed="contradicted by",
        symmetric=True,
    ),
    LinkType.UNDERCUTS: Relation(
        family=Family.DISPUTE,
        meaning=(
            "criticises how the other claim is known (its method, source or translation), not what it says"
        ),
        standards=("cito:critiques",),
        reads="criticises",
        reversed="criticised by",
        to_source=True,
    ),
    LinkType.ANSWERS: Relation(
        family=Family.REPLY,
        meaning="replies to the other claim, denies it or gives another account; both may be right",
        standards=("cito:repliesTo",),
        reads="answers",
        reversed="answered by",
    ),
    LinkType.CORROBORATES: Relation(
        family=Family.SUPPORT,
        meaning="says the same as the other claim",
        standards=("cito:agreesWith",),
        reads="corroborates",
        reversed="corroborated by",
        symmetric=True,
    ),
    LinkType.SUPPORTS: Relation(
        family=Family.SUPPORT,
        meaning="gives a reason to believe the other claim, without saying the same",
        standards=("cito:supports",),
        reads="supports",
        reversed="supported by",
    ),
    LinkType.REPEATS: Relation(
        family=Family.PROVENANCE,
        meaning="passes the other claim on (reports, quotes or translates it) and adds no observation",
        standards=("prov:wasQuotedFrom",),
        reads="repeats",
        reversed="repeated by",
    ),
    LinkType.DERIVES_FROM: Relation(
        family=Family.PROVENANCE,
        meaning="is computed or inferred from the other claim",
        standards=("prov:wasDerivedFrom",),
        reads="is derived from",
        reversed="is used to derive",
    ),
    LinkType.UPDATES: Relation(
        family=Family.REVISION,
        meaning="is a newer statement of the same thing by the same claimant, and replaces the other claim",
        standards=("cito:updates", "prov:wasRevisionOf"),
        reads="updates",
        reversed="updated by",
    ),
    LinkType.RETRACTS: Relation(
        family=Family.REVISION,
        meaning="says that the claimant takes the other claim back",
        standards=("cito:retracts",),
        reads="retracts",
        reversed="retracted by",
    ),
}
"""Every link type, with its meaning."""


class Basis(StrEnum):
    """The basis of a link: a source states it, the recorder judged it so, or a rule computed it."""

    STATED = "stated"
    JUDGED = "judged"
    COMPUTED = "computed"


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a link: a claim or, for ``undercuts`` only, a source."""

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
        """The link's type, with its family and its meaning."""
        return RELATIONS[self.type]

    @model_validator(mode="after")
    def _ends_fit(self) -> Link:
        if self.to.kind == "source" and not self.relation.to_source:
            raise PydanticCustomError(
                "ends",
                "{type} leads to a source; only undercuts may, so link to the claim made there instead",
                {"type": self.type},
            )
        if self.to == Target("claim", self.from_):
            raise PydanticCustomError(
                "ends",
                "links the claim {key} to itself; to correct a record, amend it, and record a newer "
                "statement as a claim of its own that `updates` it",
                {"key": self.from_},
            )
        return self
