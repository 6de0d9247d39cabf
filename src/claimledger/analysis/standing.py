"""Standing: the one-word answer about a claim."""

from __future__ import annotations

from enum import StrEnum


class Standing(StrEnum):
    """What the recorded links and sources say about a claim, in one word.

    The members are in order of precedence: a claim's standing is the first that applies to it (section
    *Standing* of ``docs/semantics.md``). The values are what JSON, CSV and options carry.
    """

    RETRACTED = "retracted"
    SUPERSEDED = "superseded"
    CONTESTED = "contested"
    CORROBORATED = "corroborated"
    SINGLE_ORIGIN = "single-origin"
    ORIGIN_UNCLEAR = "origin-unclear"


STANDINGS: dict[Standing, str] = {
    Standing.RETRACTED: "the claimant took it back",
    Standing.SUPERSEDED: "a newer statement by the claimant replaces it",
    Standing.CONTESTED: "something recorded speaks against it or its source, or what it rests on has fallen",
    Standing.CORROBORATED: "at least two independent origins",
    Standing.SINGLE_ORIGIN: "at most one origin",
    Standing.ORIGIN_UNCLEAR: "several voices, independence not established",
}
"""What each standing means, in order of precedence."""
