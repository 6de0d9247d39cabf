"""The base classes of records, and the field types that several kinds of record use.

Records are frozen and accept no unknown fields; a field that is not known stays empty. The type of a field
says what tables, schemas and checks need: a key type has a :class:`~claimledger.records.keys.RefersTo`, and
a tuple of :class:`Part` has a table of its own. So a field is declared in one place only.
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
    """A frozen value that accepts no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)

    def as_json(self) -> dict[str, Any]:
        """Return the fields that are not empty, as JSON values, in the order of their declaration."""
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
        """Return the attribute of each field, with the name that the field has in files."""
        names: tuple[tuple[str, str], ...] | None = cls.__dict__.get("_names_in_files")
        if names is None:
            fields = cls.model_fields.items()
            names = tuple((attribute, field.alias or attribute) for attribute, field in fields)
            type.__setattr__(cls, "_names_in_files", names)
        return names


class Part(Value):
    """A part of a record that has a table of its own: a figure or a citation."""


class Record(Value):
    """The base of all records. A record has a key that is unique among the records of its kind."""

    kind: ClassVar[str]
    letter: ClassVar[str]
    label_field: ClassVar[str]
    """The field that names the record to people: a name, a title or a statement."""

    searched: ClassVar[tuple[str, ...]]
    """The fields that full-text search covers."""

    fixed: ClassVar[tuple[str, ...]] = ()
    """The fields that an amendment must not change."""

    key: Annotated[Key | None, Field(description="what people type, cite and link to")] = None
    note: Annotated[Prose | None, Field(description="anything else worth knowing")] = None

    @field_validator("key")
    @classmethod
    def _own_letter(cls, key: str | None) -> str | None:
        if key is not None and key[0].isupper() and key[0] != cls.letter:
            raise PydanticCustomError(
                "key",
                "begins with the letter of another kind; a numbered key of a {kind} begins with {letter}",
                {"kind": cls.kind, "letter": cls.letter},
            )
        return key

    @property
    def named(self) -> str:
        """The text that names the record to people: its name, title, label, statement or type."""
        return str(getattr(self, self.label_field) or self.key or "")


def json_value(value: Any) -> Any:
    """Return the value of a field as JSON: a string, or a list or an object of strings."""
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
"""Accepts a single value for a field that is a list."""


_NAME_IN_MAP = re.compile(r"[a-z][a-z0-9_-]{0,39}", re.ASCII)


def is_name_in_map(text: str) -> bool:
    """Whether a text is a valid name of a scope or an identifier, which users choose freely."""
    return bool(_NAME_IN_MAP.fullmatch(text))


def _plain_names(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if not is_name_in_map(name):
            raise PydanticCustomError(
                "names", "has the name {name}; names are a-z, 0-9, _ and -", {"name": repr(name)}
            )
    return value


StringMap = Annotated[dict[str, Prose], AfterValidator(_plain_names)]
"""A map from names that users choose to texts: ``place: NLD``, ``doi: 10.1000/182``."""


def _wikidata(text: str) -> str:
    if not re.fullmatch(r"Q[1-9][0-9]{0,14}", text, re.ASCII):
        raise PydanticCustomError("wikidata", "is not a Wikidata item; write it like Q42")
    return text


def _language(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}", text, re.ASCII):
        raise PydanticCustomError(
            "language", "is not a BCP 47 language tag; write it like nl or zh-CN"
        )
    return text


def _address(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*:[^\s\x00-\x1f\x7f]+", text, re.ASCII | re.IGNORECASE):
        raise PydanticCustomError(
            "url", "is not a valid address; write it like https://example.org/page"
        )
    return text


WikidataItem = Annotated[str, AfterValidator(_wikidata)]
Language = Annotated[str, AfterValidator(_language)]
Address = Annotated[str, AfterValidator(_address)]
"""A URL with any scheme. Pages link only to http and https addresses."""
