"""Standing: how a claim stands among the others, with every answer it follows from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from claimledger.analysis.acceptability import acceptability
from claimledger.analysis.assertions import Assertions, assertions
from claimledger.analysis.attacks import Attacks, attacks
from claimledger.analysis.dependencies import Dependencies, dependencies
from claimledger.analysis.graph import Graph
from claimledger.analysis.origins import OriginFinder, Origins
from claimledger.analysis.revisions import Revisions, revisions

Standing = Literal[
    "retracted", "superseded", "contested", "corroborated", "single-origin", "origin-unclear"
]

STANDINGS: dict[Standing, str] = {
    "retracted": "the claimant took it back",
    "superseded": "the claimant has stated it anew",
    "contested": "something recorded speaks against it, or against what it rests on",
    "corroborated": "at least two independent origins",
    "single-origin": "at most one origin",
    "origin-unclear": "several voices, independence not established",
}
"""The standings, in the order in which the first that fits is taken."""


ALONE: dict[str, str | int] = {
    "standing": "single-origin", "at_least": 1, "at_most": 1, "acceptability": "in"
}  # fmt: skip
"""The answers about a claim that no link and no criticised source bears on."""


@dataclass(frozen=True)
class Analysis:
    """All answers about one graph, each computed once and only when asked for."""

    graph: Graph

    @cached_property
    def revisions(self) -> Revisions:
        """What was retracted and superseded."""
        return revisions(self.graph)

    @cached_property
    def assertions(self) -> Assertions:
        """Which claims say the same."""
        return assertions(self.graph)

    @cached_property
    def dependencies(self) -> Dependencies:
        """What each claim rests on."""
        return dependencies(self.graph, self.assertions)

    @cached_property
    def attacks(self) -> Attacks:
        """Who attacks what."""
        return attacks(self.graph, self.assertions, self.dependencies, self.revisions)

    @cached_property
    def _finder(self) -> OriginFinder:
        return OriginFinder(self.graph, self.assertions, self.dependencies, self.revisions)

    @cached_property
    def acceptability(self) -> dict[str, str]:
        """The grounded label of each claim."""
        return acceptability(self.graph, self.dependencies, self.revisions, self.attacks)

    def origin_finder(self, set_aside: Iterable[tuple[str, str]] = ()) -> OriginFinder:
        """Return what finds origins, with some reasons for merging set aside."""
        aside = frozenset(set_aside)
        if not aside:
            return self._finder
        return OriginFinder(self.graph, self.assertions, self.dependencies, self.revisions, aside)

    def origins(self, key: str) -> Origins:
        """Return a claim's independent origins."""
        return self._finder.of(key)

    def origins_of_all(self, keys: tuple[str, ...]) -> Origins:
        """Return the independent origins of several claims together."""
        return self._finder.of_all(keys)

    def standing(self, key: str) -> Standing:
        """Return a claim's standing: the first that fits."""
        if key in self.revisions.retracted:
            return "retracted"
        if key in self.revisions.superseded:
            return "superseded"
        if self.attacks.contested(key):
            return "contested"
        origins = self.origins(key)
        if origins.at_least >= 2:
            return "corroborated"
        return "single-origin" if origins.at_most <= 1 else "origin-unclear"

    def as_json(self, key: str) -> dict[str, str | int]:
        """Return the four answers about a claim that programs ask for most."""
        origins = self.origins(key)
        return {
            "standing": self.standing(key),
            "at_least": origins.at_least,
            "at_most": origins.at_most,
            "acceptability": self.acceptability[key],
        }
