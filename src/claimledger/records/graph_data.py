"""A part of the ledger as answers need it: claims, links, sources and parties, keys resolved."""

from __future__ import annotations

from dataclasses import dataclass, field

from claimledger.records.figure import Interval

Bound = int | None


@dataclass(frozen=True, slots=True)
class FigureNode:
    """A figure of a claim, as far as answers need it."""

    measure: str
    """What the measure means by the ledger's terms."""

    unit: str | None
    interval: Interval


@dataclass(slots=True)
class ClaimNode:
    """A claim, as far as answers need it."""

    key: str
    entry: int
    claimants: tuple[str, ...]
    grounds: str | None
    asserted: tuple[Bound, Bound] | None
    about: tuple[Bound, Bound] | None
    recorded: int
    """The day it was recorded, as an ordinal."""

    sources: tuple[str, ...] = ()
    """The sources it cites, not those it was read through."""

    second_hand: bool = False
    """Whether every citation has a ``via``."""

    figures: tuple[FigureNode, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkEdge:
    """A link, as far as answers need it."""

    key: str
    entry: int
    type: str
    from_: str
    to_kind: str
    to: str
    basis: str
    recorded: int
    sources: tuple[str, ...] = ()
    first: int = 0
    """The entry it was first recorded with; ``entry`` is that of its newest version."""


@dataclass(slots=True)
class SourceNode:
    """A source, as far as answers need it."""

    key: str
    publisher: str | None
    authors: tuple[str, ...]
    days: list[int]
    """The days by which what it says was known: publication, access, captures."""

    dated: bool
    removed: bool
    captured: bool = False


@dataclass(frozen=True, slots=True)
class PartyNode:
    """A party, as far as answers need it."""

    key: str
    names: frozenset[str]
    type: str | None
    part_of: str | None


@dataclass(slots=True)
class GraphData:
    """A part of the ledger with keys resolved, from which the dispute graph is built."""

    claims: dict[str, ClaimNode] = field(default_factory=dict)
    links: list[LinkEdge] = field(default_factory=list)
    sources: dict[str, SourceNode] = field(default_factory=dict)
    parties: dict[str, PartyNode] = field(default_factory=dict)
