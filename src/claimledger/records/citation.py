"""Citation: the source in which a claim or a link was seen, and the place in it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from claimledger.records.base import OneOrMany, Part
from claimledger.records.keys import CaptureKey, SourceKey
from claimledger.text.unicode import Prose


class Citation(Part):
    """The source in which something was seen, and the sources through which it was read, if any.

    ``locator`` and ``quote`` belong to the document that was actually read: the last ``via``, else
    ``source``.
    """

    source: Annotated[SourceKey, Field(description="the source in which it was seen")]
    via: Annotated[
        tuple[SourceKey, ...],
        OneOrMany,
        Field(description="if not read at first hand, the sources it was read through"),
    ] = ()
    locator: Annotated[
        Prose | None, Field(description="the place in the source that was read, such as p. 12")
    ] = None
    quote: Annotated[
        Prose | None, Field(description="the words of the source that was read, verbatim")
    ] = None
    capture: Annotated[
        CaptureKey | None,
        Field(description="the capture, which is the copy of the source that was kept"),
    ] = None

    @property
    def read(self) -> str:
        """The key of the source that was actually read: the last ``via``, else ``source``."""
        return self.via[-1] if self.via else self.source
