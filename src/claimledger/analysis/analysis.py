"""All answers about one graph, each computed once, when it is first needed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from claimledger.analysis.acceptability import acceptability
from claimledger.analysis.assertions import Assertions, assertions
from claimledger.analysis.attacks import Attacks, attacks
from claimledger.analysis.dependencies import Dependencies, dependencies
from claimledger.analysis.graph import Graph
from claimledger.analysis.origins import OriginFinder, Origins
from claimledger.analysis.revisions import Revisions, revisions
from claimledger.analysis.standing import Standing

ALONE: dict[str, str | int] = {
    "standing": Standing.SINGLE_ORIGIN.value, "at_least": 1, "at_most": 1, "acceptability": "in"
}  # fmt: skip
"""The result of :meth:`Analysis.as_json` for a claim with no link and no criticised source.

Most claims of a large ledger are of this sort; callers use this instead of loading them into a graph.
"""


@dataclass(frozen=True)
class Analysis:
    """The answers about one graph.

    The properties build on each other in the order in which they are listed. Each is cached, so that
    asking for one claim's standing and then for all of them costs no more than asking for all.

    For example, ``Analysis(graph_of(view.linked_graph())).standing("rfa-54")`` is ``single-origin``.
    """

    graph: Graph

    @cached_property
    def revisions(self) -> Revisions:
        """The claims that were retracted or superseded."""
        return revisions(self.graph)

    @cached_property
    def assertions(self) -> Assertions:
        """The partition of the claims into assertions: sets of claims that say the same."""
        return assertions(self.graph)

    @cached_property
    def dependencies(self) -> Dependencies:
        """The dependencies of each claim: the claims on which it rests."""
        return dependencies(self.graph, self.assertions)

    @cached_property
    def attacks(self) -> Attacks:
        """The attacks on each claim."""
        return attacks(self.graph, self.assertions, self.dependencies, self.revisions)

    @cached_property
    def acceptability(self) -> dict[str, str]:
        """The grounded label of each claim: ``in``, ``out`` or ``undecided``."""
        return acceptability(self.graph, self.dependencies, self.revisions, self.attacks)

    @cached_property
    def _origin_finder(self) -> OriginFinder:
        return OriginFinder(
            graph=self.graph,
            assertions=self.assertions,
            dependencies=self.dependencies,
            revisions=self.revisions,
        )

    def origin_finder(self, set_aside: Iterable[tuple[str, str]] = ()) -> OriginFinder:
        """Return a finder of origins that ignores some reasons for merging them.

        ``set_aside`` has pairs of a reason and what is shared, such as ``("source", "rfa-2022")``.
        """
        ignored = frozenset(set_aside)
        if not ignored:
            return self._origin_finder
        return OriginFinder(
            graph=self.graph,
            assertions=self.assertions,
            dependencies=self.dependencies,
            revisions=self.revisions,
            set_aside=ignored,
        )

    def origins(self, key: str) -> Origins:
        """Return the independent origins behind a claim."""
        return self._origin_finder.of(key)

    def origins_of_all(self, keys: tuple[str, ...]) -> Origins:
        """Return the independent origins behind several claims taken together."""
        return self._origin_finder.of_all(keys)

    def standing(self, key: str) -> Standing:
        """Return a claim's standing: the first of :class:`Standing` that applies."""
        if key in self.revisions.retracted:
            return Standing.RETRACTED
        if key in self.revisions.superseded:
            return Standing.SUPERSEDED
        if self.attacks.contested(key):
            return Standing.CONTESTED
        origins = self.origins(key)
        if origins.at_least >= 2:
            return Standing.CORROBORATED
        return Standing.SINGLE_ORIGIN if origins.at_most <= 1 else Standing.ORIGIN_UNCLEAR

    def as_json(self, key: str) -> dict[str, str | int]:
        """Return a claim's standing, its range of origins and its acceptability."""
        origins = self.origins(key)
        return {
            "standing": self.standing(key).value,
            "at_least": origins.at_least,
            "at_most": origins.at_most,
            "acceptability": self.acceptability[key],
        }
