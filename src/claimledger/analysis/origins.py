"""Independent origins: how many voices there are behind an assertion, at least and at most.

No graph can prove independence, so the answer is a range. *At most*: roots that share a claimant or an
upstream claim are one. *At least*: also those that share a party above their claimants, a cited
source, a source that the other's claimant published, or that both name nobody; and of these only those
count of which somebody has asked how they know.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from claimledger.analysis.assertions import Assertions, DisjointSet
from claimledger.analysis.dependencies import Dependencies, upstream
from claimledger.analysis.graph import Graph
from claimledger.analysis.revisions import Revisions
from claimledger.records.party import NAMELESS


@dataclass(frozen=True, slots=True)
class Root:
    """Where the following of repeats ends: a claim, or a loop of claims, with its inputs."""

    claims: tuple[str, ...]
    established: bool = False
    """Whether how they know is recorded, and a source of their own is cited."""

    lacking: str = ""
    """Why it is not established: ``grounds`` or ``own source``."""

    graph: Graph | None = field(default=None, repr=False, compare=False)

    @property
    def inputs(self) -> tuple[str, ...]:
        """All that it rests on, near and far.

        Sought when asked for: in a chain of derivations each claim's would be all the rest.
        """
        if self.graph is None:
            return ()
        return tuple(sorted(upstream(self.graph, self.claims) - set(self.claims)))

    def as_json(self) -> dict[str, object]:
        """Return the root as an object."""
        return {
            "claims": list(self.claims),
            "inputs": list(self.inputs),
            "established": self.established,
            "lacking": self.lacking,
        }

    @property
    def name(self) -> str:
        """The claim that names the root."""
        return self.claims[0]


@dataclass(frozen=True, slots=True)
class MergedOrigins:
    """Roots that count as one, and why: what they share."""

    roots: tuple[str, ...]
    reason: str
    """``claimant``, ``upstream claim``, ``party above``, ``source``, ``publisher`` or ``nameless``."""

    shared: str


@dataclass(frozen=True, slots=True)
class Origins:
    """The independent origins of some claims, as a range, with the why."""

    at_least: int
    at_most: int
    roots: tuple[Root, ...] = ()
    same: tuple[MergedOrigins, ...] = ()
    """What makes roots one even at most."""

    perhaps: tuple[MergedOrigins, ...] = ()
    """What makes roots one at least."""


NONE = Origins(0, 0)


@dataclass
class OriginFinder:
    """Finds origins in one graph, each assertion's once."""

    graph: Graph
    asserted: Assertions
    rests: Dependencies
    revised: Revisions
    set_aside: frozenset[tuple[str, str]] = frozenset()
    """Reasons for merging that are not to count, each with what is shared."""

    _counted_origins: dict[tuple[str, bool], Origins] = field(default_factory=dict)
    _claims_of_root: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Of the roots being counted: their claims with all they rest on."""

    def of(self, key: str) -> Origins:
        """Return the origins of a claim: those of its assertion, none where it is retracted."""
        if key in self.revised.retracted:
            return NONE
        superseded = key in self.revised.superseded
        name = self.asserted.of[key]
        cached = self._counted_origins.get((name, superseded))
        if cached is None:
            roots = self._roots(self.asserted.members[name], superseded)
            cached = self._counted_origins[name, superseded] = self._counted(roots)
        return cached

    def of_all(self, keys: Iterable[str]) -> Origins:
        """Return the origins of several claims together: ten that carry one denial have one."""
        roots: dict[tuple[str, ...], Root] = {}
        for key in keys:
            roots |= {root.claims: root for root in self.of(key).roots}
        return self._counted([roots[claims] for claims in sorted(roots)])

    def _active(self, key: str, superseded: bool) -> bool:
        if key in self.revised.retracted:
            return False
        return superseded or key not in self.revised.superseded

    def _roots(self, members: Iterable[str], superseded: bool) -> list[Root]:
        """Follow repeats up from every member, while there is exactly one need, to where that ends."""
        roots: dict[tuple[str, ...], Root] = {}
        seen: set[tuple[str, ...]] = set()
        stack = [m for m in members if self._active(m, superseded)]
        while stack:
            loop = self.rests.loop(stack.pop())
            if loop in seen:
                continue
            seen.add(loop)
            needs = self.rests.of(loop[0])
            if len(needs) == 1 and not needs[0].derived:
                stack += [key for key in needs[0].alternatives if self._active(key, superseded)]
                continue
            standing = [key for key in loop if self._active(key, superseded)]
            if standing:
                roots[loop] = self._root(loop, standing)
        return [roots[claims] for claims in sorted(roots)]

    def _root(self, loop: tuple[str, ...], standing: list[str]) -> Root:
        lacking = min((self._lacking(key) for key in standing), key=["", *_LACKS].index)
        rests = any(self.rests.of(key) for key in loop)
        return Root(loop, not lacking, lacking, self.graph if rests else None)

    def _lacking(self, key: str) -> str:
        claim = self.graph.claims[key]
        if claim.grounds in (None, "unstated"):
            return "grounds"
        return "" if self.graph.own_sources(claim) else "own source"

    def counted(self, roots: Iterable[Root]) -> Origins:
        """Return the origins that some roots come to."""
        return self._counted(list(roots))

    def _counted(self, roots: list[Root]) -> Origins:
        if not roots:
            return NONE
        if len(roots) == 1:
            return Origins(1, 1, (roots[0],))  # nothing to merge
        self._claims_of_root = {root.name: (*root.claims, *root.inputs) for root in roots}
        union = DisjointSet(root.name for root in roots)
        same = self._merge(union, roots, self._identities)
        at_most = len({union.find(root.name) for root in roots})
        perhaps = self._merge(union, roots, self._ties)
        perhaps += self._merge_publishers(union, roots)
        established = {union.find(root.name) for root in roots if root.established}
        return Origins(max(1, len(established)), at_most, tuple(roots), tuple(same), tuple(perhaps))

    def _merge(
        self,
        union: DisjointSet,
        roots: list[Root],
        tokens: Callable[[Root], Iterator[tuple[str, str]]],
    ) -> list[MergedOrigins]:
        """Join roots that hold the same token; return the mergers that joined something."""
        holders: dict[tuple[str, str], list[str]] = defaultdict(list)
        for root in roots:
            for token in dict.fromkeys(tokens(root)):
                if token not in self.set_aside:
                    holders[token].append(root.name)
        mergers = []
        for (reason, shared), names in sorted(holders.items()):
            joined = [union.join(names[0], name) for name in names[1:]]
            if any(joined):
                mergers.append(MergedOrigins(tuple(names), reason, shared))
        return mergers

    def _identities(self, root: Root) -> Iterator[tuple[str, str]]:
        for key in self._claims_of_root[root.name]:
            yield "upstream claim", key
        for party in self._claimants(root):
            yield "claimant", party

    def _ties(self, root: Root) -> Iterator[tuple[str, str]]:
        for party in self._claimants(root):
            for above in self.graph.above(party):
                yield "party above", above
            claimant = self.graph.parties.get(party)
            if claimant and claimant.type in NAMELESS:
                yield "nameless", ""
        for source in self._sources(root):
            yield "source", source

    def _merge_publishers(self, union: DisjointSet, roots: list[Root]) -> list[MergedOrigins]:
        """Join a root with those that cite a source which its claimant published."""
        voices: Mapping[str, list[str]] = defaultdict(list)
        for root in roots:
            for party in self._claimants(root):
                voices[party].append(root.name)
        mergers = []
        for root in roots:
            for source in self._sources(root):
                cited = self.graph.sources.get(source)
                if ("publisher", source) in self.set_aside:
                    continue
                for voice in voices.get(cited.publisher, ()) if cited and cited.publisher else ():
                    if union.join(root.name, voice):
                        mergers.append(MergedOrigins((root.name, voice), "publisher", source))
        return mergers

    def _claimants(self, root: Root) -> list[str]:
        claimants = {
            p for key in self._claims_of_root[root.name] for p in self.graph.claims[key].claimants
        }
        return sorted(claimants)

    def _sources(self, root: Root) -> list[str]:
        sources = {
            s for key in self._claims_of_root[root.name] for s in self.graph.claims[key].sources
        }
        return sorted(sources)


_LACKS = ["own source", "grounds"]
