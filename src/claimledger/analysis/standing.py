"""Standing: the one-word answer about a claim."""

from __future__ import annotations

from enum import StrEnum


class Standing(StrEnum):
    """The answer about a claim in one word, from the recorded links and sources.

    The members are in order of precedence: a claim's standing is the first that applies to it (section
    *Standing* of ``docs/semantics.md``). JSON, CSV and options use the values.
    """

    RETRACTED = "retracted"
    SUPERSEDED = "superseded"
    CONTESTED = "contested"
    CORROBORATED = "corroborated"
    SINGLE_ORIGIN = "single-origin"
    ORIGIN_UNCLEAR = "origin-unclear"


STANDINGS: dict[Standing, str] = {
    Standing.RETRACTED: "the claimant took it back",
    Standing.SUPERSEDED: "a newer statement has replaced it, or has replaced what it repeats",
    Standing.CONTESTED: (
        "another claim disputes it or its source, or what it rests on is disputed or was taken back"
    ),
    Standing.CORROBORATED: "at least two independent origins are known",
    Standing.SINGLE_ORIGIN: "everything recorded leads back to one origin at most",
    Standing.ORIGIN_UNCLEAR: "several claimants say it, but nothing shows that they are independent",
}
"""Every standing with its meaning, in order of precedence."""
