"""Graph data: the claims, links, sources and parties that the analysis needs, with replaced keys resolved."""

from __future__ import annotations

from dataclasses import dataclass, field

from claimledger.records.figure import Interval

Bound = int | None


@dataclass(frozen=True, slots=True)
class FigureNode:
    """The fields of a figure that the analysis needs."""

    measure: str
    """The concept that the measure means by the ledger's terms; see :meth:`Vocabulary.concept`."""

    unit: str | None
    interval: Interval


@dataclass(slots=True)
class ClaimNode:
    """The fields of a claim that the analysis needs. Dates are pairs of days; see :class:`Date`."""

    key: str
    entry: int
    claimants: tuple[str, ...]
    grounds: str | None
    asserted: tuple[Bound, Bound] | None
    about: tuple[Bound, Bound] | None
    recorded: int
    """The day on which it was first recorded, as an ordinal."""

    sources: tuple[str, ...] = ()
    """The sources that it cites, without those through which it was read."""

    second_hand: bool = False
    """Whether every citation has a ``via``."""

    figures: tuple[FigureNode, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkEdge:
    """The fields of a link that the analysis needs."""

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
    """The entry that first recorded it; ``entry`` is that of its newest version."""


@dataclass(slots=True)
class SourceNode:
    """The fields of a source that the analysis needs."""

    key: str
    publisher: str | None
    authors: tuple[str, ...]
    days: list[int]
    """The days by which its content was known: its publication, the access to it, its captures."""

    dated: bool
    removed: bool
    captured: bool = False


@dataclass(frozen=True, slots=True)
class PartyNode:
    """The fields of a party that the analysis needs."""

    key: str
    names: frozenset[str]
    type: str | None
    part_of: str | None


@dataclass(slots=True)
class GraphData:
    """A part of a ledger, with replaced keys resolved, from which the graph is built."""

    claims: dict[str, ClaimNode] = field(default_factory=dict)
    links: list[LinkEdge] = field(default_factory=list)
    sources: dict[str, SourceNode] = field(default_factory=dict)
    parties: dict[str, PartyNode] = field(default_factory=dict)
