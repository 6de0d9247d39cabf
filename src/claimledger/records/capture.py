"""Capture: a stored copy of a source."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from claimledger.records.base import Record
from claimledger.records.dates import Date
from claimledger.records.keys import SourceKey
from claimledger.text.unicode import Name


def _digest(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text, re.ASCII):
        raise PydanticCustomError(
            "sha256", "is not a SHA-256 digest, which has 64 lowercase hexadecimal digits"
        )
    return text


def _media_type(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+(;.*)?", text, re.ASCII | re.IGNORECASE):
        raise PydanticCustomError(
            "media_type", "is not a valid media type; write it like application/pdf"
        )
    return text


class Capture(Record):
    """A stored copy of a source as it was at one moment, identified by its digest."""

    kind: ClassVar = "capture"
    letter: ClassVar = "K"
    label_field: ClassVar = "path"
    searched: ClassVar = ()

    source: Annotated[SourceKey, Field(description="the source it is a copy of")]
    sha256: Annotated[
        str | None,
        AfterValidator(lambda v: v if v is None else _digest(v)),
        Field(description="its digest"),
    ] = None
    media_type: Annotated[
        str | None,
        AfterValidator(lambda v: v if v is None else _media_type(v)),
        Field(description="its media type"),
    ] = None
    captured_at: Annotated[Date | None, Field(description="when it was taken")] = None
    path: Annotated[Name | None, Field(description="where it is kept")] = None
