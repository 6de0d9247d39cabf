"""Independent origins: the number of voices behind an assertion, at least and at most.

No graph can prove independence, so the answer is a range. *At most*: roots that share a claimant or an
upstream claim are merged. *At least*: roots are also merged when they share a party above their
claimants or a cited source, when one cites a source that the other's claimant published, or when none of
them names a claimant; and only those roots count whose grounds are recorded. Each merger is returned
with its reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from claimledger.analysis.assertions import Assertions, DisjointSet
from claimledger.analysis.closure import closure
from claimledger.analysis.dependencies import Dependencies, upstream
from claimledger.analysis.graph import Graph
from claimledger.analysis.revisions import Revisions
from claimledger.records.party import NAMELESS


@dataclass(frozen=True, slots=True)
class Root:
    """The end of a chain of ``repeats`` links: a claim or a loop of claims, together with its inputs."""

    claims: tuple[str, ...]
    established: bool = False
    """Whether its grounds are recorded and it cites a source of its claimant's own."""

    lacking: str = ""
    """Why it is not established: ``grounds`` or ``own source``."""

    graph: Graph | None = field(default=None, repr=False, compare=False)
    """The graph in which it rests on other claims; ``None`` if it rests on none."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The claims on which it rests, directly or through others, in order of key.

        Computed lazily: storing them for every root would be quadratic on long chains of derivations.
        """
        if self.graph is None:
            return ()
        return tuple(sorted(upstream(self.graph, self.claims) - set(self.claims)))

    def as_json(self) -> dict[str, object]:
        """Return the root as a JSON object."""
        return {
            "claims": list(self.claims),
            "inputs": list(self.inputs),
            "established": self.established,
            "lacking": self.lacking,
        }

    @property
    def name(self) -> str:
        """The claim that names the root: the first of its claims."""
        return self.claims[0]


class MergerReason(StrEnum):
    """The reasons why roots count, or may count, as one origin: what they share."""

    CLAIMANT = "claimant"
    UPSTREAM_CLAIM = "upstream claim"
    PARTY_ABOVE = "party above"
    SOURCE = "source"
    PUBLISHER = "publisher"
    NAMELESS = "nameless"


@dataclass(frozen=True, slots=True)
class MergedOrigins:
    """Roots that count as one origin, and what they share."""

    roots: tuple[str, ...]
    reason: MergerReason
    shared: str
    """The key of what they share; empty for ``nameless``."""


@dataclass(frozen=True, slots=True)
class Origins:
    """The number of independent origins as a range, with the roots and the mergers behind it."""

    at_least: int
    at_most: int
    roots: tuple[Root, ...] = ()
    same: tuple[MergedOrigins, ...] = ()
    """The mergers that lower both bounds."""

    perhaps: tuple[MergedOrigins, ...] = ()
    """The mergers that lower only the lower bound."""


NONE = Origins(0, 0)


@dataclass
class OriginFinder:
    """Finds the origins of claims in one graph. Results are cached for each assertion."""

    graph: Graph
    assertions: Assertions
    dependencies: Dependencies
    revisions: Revisions
    set_aside: frozenset[tuple[str, str]] = frozenset()
    """Mergers to ignore, each as its reason and what is shared."""

    _cache: dict[tuple[str, bool], Origins] = field(default_factory=dict)
    _claims_of_root: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The claims and inputs of each root in the current count, computed once because that is slow."""

    def of(self, key: str) -> Origins:
        """Return the origins of a claim: those of its assertion, or none if the claim was retracted."""
        if key in self.revisions.retracted:
            return NONE
        # A superseded claim may rest on superseded claims, which no longer count for a current one.
        superseded = key in self.revisions.superseded
        name = self.assertions.of[key]
        origins = self._cache.get((name, superseded))
        if origins is None:
            roots = self._roots(self.assertions.members[name], superseded)
            origins = self._cache[name, superseded] = self._count(roots)
        return origins

    def of_all(self, keys: Iterable[str]) -> Origins:
        """Return the origins of several claims together: ten claims that repeat one denial have one."""
        roots: dict[tuple[str, ...], Root] = {}
        for key in keys:
            roots |= {root.claims: root for root in self.of(key).roots}
        return self._count([roots[claims] for claims in sorted(roots)])

    def of_roots(self, roots: Iterable[Root]) -> Origins:
        """Return the origins that some roots represent."""
        return self._count(list(roots))

    def _is_active(self, key: str, superseded: bool) -> bool:
        if key in self.revisions.retracted:
            return False
        return superseded or key not in self.revisions.superseded

    def _roots(self, members: Iterable[str], superseded: bool) -> list[Root]:
        """Return the roots of an assertion, in order of key.

        From every member, ``repeats`` is followed while a claim does nothing but repeat one assertion.
        Loops are followed as one claim, so the walk is over loops rather than claims.
        """
        dependencies = self.dependencies

        def next_loops(loop: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
            for key in dependencies.repeated_assertion(loop[0]):
                if self._is_active(key, superseded):
                    yield dependencies.loop(key)

        start = [dependencies.loop(key) for key in members if self._is_active(key, superseded)]
        roots = []
        for loop in sorted(closure(start, next_loops)):
            if not dependencies.repeated_assertion(loop[0]):
                active = [key for key in loop if self._is_active(key, superseded)]
                if active:
                    roots.append(self._root(loop, active))
        return roots

    def _root(self, loop: tuple[str, ...], active: list[str]) -> Root:
        """Return a root. A loop is as well established as the best of its active claims."""
        lacking = min((self._lacking(key) for key in active), key=_LACKING.index)
        rests_on_something = any(self.dependencies.of(key) for key in loop)
        return Root(
            claims=loop,
            established=not lacking,
            lacking=lacking,
            graph=self.graph if rests_on_something else None,
        )

    def _lacking(self, key: str) -> str:
        claim = self.graph.claims[key]
        if claim.grounds in (None, "unstated"):
            return "grounds"
        return "" if self.graph.own_sources(claim) else "own source"

    def _count(self, roots: list[Root]) -> Origins:
        """Return the origins of some roots: the upper bound merges identities, the lower one also ties."""
        # Both rounds merge into the same disjoint set. The upper bound is read after the first round and the
        # lower one after the second, which only merges further, so the lower bound can never exceed the
        # upper. An order that merged ties first could blame a tie for a merger that an identity proves.
        if not roots:
            return NONE
        if len(roots) == 1:
            return Origins(1, 1, (roots[0],))
        self._claims_of_root = {root.name: (*root.claims, *root.inputs) for root in roots}
        union = DisjointSet(root.name for root in roots)
        same = self._merge(union, roots, self._identities)
        at_most = len({union.find(root.name) for root in roots})
        perhaps = self._merge(union, roots, self._ties)
        perhaps += self._merge_publishers(union, roots)
        # Unknown grounds establish nothing, so only sets with an established root count at least.
        established = {union.find(root.name) for root in roots if root.established}
        return Origins(
            at_least=max(1, len(established)),
            at_most=at_most,
            roots=tuple(roots),
            same=tuple(same),
            perhaps=tuple(perhaps),
        )

    def _merge(
        self,
        union: DisjointSet,
        roots: list[Root],
        tokens_of: Callable[[Root], Iterator[tuple[MergerReason, str]]],
    ) -> list[MergedOrigins]:
        """Merge the roots that have a token in common. Return the mergers that changed something.

        A token is a reason and what is shared. Grouping roots by token avoids comparing all pairs.
        """
        roots_by_token: dict[tuple[MergerReason, str], list[str]] = defaultdict(list)
        for root in roots:
            for token in dict.fromkeys(tokens_of(root)):
                if token not in self.set_aside:
                    roots_by_token[token].append(root.name)
        mergers = []
        # In sorted order: of two reasons for one merger, the same one is reported every time.
        for (reason, shared), names in sorted(roots_by_token.items()):
            changed = [union.join(names[0], name) for name in names[1:]]
            if any(changed):
                mergers.append(MergedOrigins(tuple(names), reason, shared))
        return mergers

    def _identities(self, root: Root) -> Iterator[tuple[MergerReason, str]]:
        """Yield the tokens that prove that two roots are one voice."""
        for key in self._claims_of_root[root.name]:
            yield MergerReason.UPSTREAM_CLAIM, key
        for party in self._claimants(root):
            yield MergerReason.CLAIMANT, party

    def _ties(self, root: Root) -> Iterator[tuple[MergerReason, str]]:
        """Yield the tokens that suggest that two roots may be one voice."""
        for party in self._claimants(root):
            for above in self.graph.above(party):
                yield MergerReason.PARTY_ABOVE, above
            claimant = self.graph.parties.get(party)
            if claimant and claimant.type in NAMELESS:
                yield MergerReason.NAMELESS, ""
        for source in self._sources(root):
            yield MergerReason.SOURCE, source

    def _merge_publishers(self, union: DisjointSet, roots: list[Root]) -> list[MergedOrigins]:
        """Merge each root with those that cite a source which its claimant published.

        This cannot be a shared token: one root has the publisher as its claimant, the other cites the source.
        """
        roots_by_claimant: Mapping[str, list[str]] = defaultdict(list)
        for root in roots:
            for party in self._claimants(root):
                roots_by_claimant[party].append(root.name)
        mergers = []
        for root in roots:
            for source in self._sources(root):
                cited = self.graph.sources.get(source)
                if (
                    cited is None
                    or not cited.publisher
                    or (MergerReason.PUBLISHER, source) in self.set_aside
                ):
                    continue
                for publishing in roots_by_claimant.get(cited.publisher, ()):
                    if union.join(root.name, publishing):
                        mergers.append(
                            MergedOrigins((root.name, publishing), MergerReason.PUBLISHER, source)
                        )
        return mergers

    def _claimants(self, root: Root) -> list[str]:
        """Return the claimants of a root and of its inputs."""
        claims = self.graph.claims
        return sorted(
            {party for key in self._claims_of_root[root.name] for party in claims[key].claimants}
        )

    def _sources(self, root: Root) -> list[str]:
        """Return the sources that a root and its inputs cite."""
        claims = self.graph.claims
        return sorted(
            {source for key in self._claims_of_root[root.name] for source in claims[key].sources}
        )


_LACKING = ["", "own source", "grounds"]
"""The values of ``Root.lacking``, the least serious first."""
