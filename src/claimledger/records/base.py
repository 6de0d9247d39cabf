"""What every record shares: frozen, closed to unknown fields, empty where unknown.

Field types carry markers that say what a table, a schema or a check needs to know: a key type
:class:`~claimledger.records.keys.RefersTo` to another kind, a ``Date`` is dated, a tuple of
:class:`Part` has its own table. Nothing else spells a field again.
"""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from claimledger.records.keys import Key
from claimledger.text.unicode import Prose


class Value(BaseModel):
    """A frozen value with known fields only."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)

    def as_json(self) -> dict[str, Any]:
        """Return the fields that are not empty, as plain JSON values, in the order declared."""
        values = self.__dict__
        fields: dict[str, Any] = {}
        for attribute, name in self._names():
            value = values[attribute]
            if value is None:
                continue
            plain = type(value)
            if plain is str:
                fields[name] = value
            elif plain is tuple or plain is dict:
                if value:
                    fields[name] = json_value(value)
            else:
                fields[name] = json_value(value)
        return fields

    @classmethod
    def _names(cls) -> tuple[tuple[str, str], ...]:
        """Return each field's attribute with the name it bears in files."""
        names: tuple[tuple[str, str], ...] | None = cls.__dict__.get("_names_in_files")
        if names is None:
            fields = cls.model_fields.items()
            names = tuple((attribute, field.alias or attribute) for attribute, field in fields)
            type.__setattr__(cls, "_names_in_files", names)
        return names


class Part(Value):
    """A part of a record that has its own table: a figure of a claim, a citation."""


class Record(Value):
    """A record: one of the ledger's words, with a key unique in its kind."""

    kind: ClassVar[str]
    letter: ClassVar[str]
    label_field: ClassVar[str]
    """The field that names the record to a person."""

    searched: ClassVar[tuple[str, ...]]
    """The fields whose words full-text search finds."""

    fixed: ClassVar[tuple[str, ...]] = ()
    """Fields no amendment may change."""

    key: Annotated[Key | None, Field(description="what people type, cite and link to")] = None
    note: Annotated[Prose | None, Field(description="anything else worth knowing")] = None

    @field_validator("key")
    @classmethod
    def _own_letter(cls, key: str | None) -> str | None:
        if key is not None and key[0].isupper() and key[0] != cls.letter:
            raise PydanticCustomError(
                "key",
                "has a number of another kind; a {kind} the ledger numbers begins with {letter}",
                {"kind": cls.kind, "letter": cls.letter},
            )
        return key

    @property
    def named(self) -> str:
        """What names the record to a person: its name, title, label, statement or type."""
        return str(getattr(self, self.label_field) or self.key or "")


def json_value(value: Any) -> Any:
    """Return a field's value as plain JSON: strings, lists and objects of strings."""
    plain = type(value)
    if plain is str:
        return value
    if plain is tuple:
        return [part if type(part) is str else json_value(part) for part in value]
    if plain is dict:
        return value.copy()
    if isinstance(value, StrEnum):
        return str(value)
    if plain is Decimal:
        return format(value, "f")  # without an exponent
    return value.as_json()  # a date, a target, a part


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str | dict) else value


OneOrMany = BeforeValidator(_one_or_more)
"""Accepts one value for a field that is a list."""


_NAME_IN_MAP = re.compile(r"[a-z][a-z0-9_-]{0,39}", re.ASCII)


def is_name_in_map(text: str) -> bool:
    """Whether a text can be a name of one's own choosing: a scope's, an identifier's."""
    return bool(_NAME_IN_MAP.fullmatch(text))


def _plain_names(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if not is_name_in_map(name):
            raise PydanticCustomError(
                "names", "has the name {name}; names are a-z, 0-9, _ and -", {"name": repr(name)}
            )
    return value


StringMap = Annotated[dict[str, Prose], AfterValidator(_plain_names)]
"""Names of one's own choosing with texts: ``place: NLD``, ``doi: 10.1000/182``."""


def _wikidata(text: str) -> str:
    if not re.fullmatch(r"Q[1-9][0-9]{0,14}", text, re.ASCII):
        raise PydanticCustomError("wikidata", "is no Wikidata item; it reads like Q42")
    return text


def _language(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}", text, re.ASCII):
        raise PydanticCustomError(
            "language", "is no BCP 47 language tag; it reads like nl or zh-CN"
        )
    return text


def _address(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*:[^\s\x00-\x1f\x7f]+", text, re.ASCII | re.IGNORECASE):
        raise PydanticCustomError(
            "url", "is not a valid address; it reads like https://example.org/page"
        )
    return text


WikidataItem = Annotated[str, AfterValidator(_wikidata)]
Language = Annotated[str, AfterValidator(_language)]
Address = Annotated[str, AfterValidator(_address)]
"""A URL. Any scheme may be recorded; only http and https ever become a link in a page."""
