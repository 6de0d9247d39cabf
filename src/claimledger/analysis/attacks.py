"""Attacks: who speaks against a claim, through what, and what falls with it.

A claim is attacked by what contradicts it or its assertion, by what undercuts it, by what undercuts a
source that speaks for its claimant, and through what it rests on. An attacker counts while it is
neither retracted nor superseded; then it is shown as past.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from claimledger.analysis.assertions import Assertions
from claimledger.analysis.dependencies import Dependencies, Dependency
from claimledger.analysis.graph import Graph
from claimledger.analysis.revisions import Revisions
from claimledger.records.graph_data import LinkEdge


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack: by which claim, through which link, aimed at what."""

    attacker: str
    link: LinkEdge
    at: str
    """The claim it is aimed at: the one asked about, or another of its assertion or loop."""

    source: str | None = None
    """The source undercut, where the attack is on a source."""

    own_sources: int = 0
    """How many of the claim's sources speak for it, where the attack is on one of them."""


@dataclass(frozen=True)
class Attacks:
    """Who attacks what, now and in the past."""

    current: Mapping[str, tuple[Attack, ...]]
    past: Mapping[str, tuple[Attack, ...]]
    through: Mapping[str, tuple[Dependency, ...]]
    """From each claim contested through what it rests on to the needs that fell."""

    questioned: Mapping[str, tuple[LinkEdge, ...]]
    """From each claim whose attribution is questioned to the critics of a source it cites that does
    not speak for its claimant."""

    @cached_property
    def users(self) -> Mapping[str, tuple[str, ...]]:
        """From each claim that fell to those contested because they rest on it."""
        attackers: dict[str, list[str]] = defaultdict(list)
        for key, needs in self.through.items():
            for need in needs:
                for alternative in need.alternatives:
                    attackers[alternative].append(key)
        return {key: tuple(users) for key, users in attackers.items()}

    def on(self, key: str) -> tuple[Attack, ...]:
        """Return the attacks on a claim that count."""
        return self.current.get(key, ())

    def contested(self, key: str) -> bool:
        """Whether a claim is under attack, itself or through what it rests on."""
        return key in self.current or key in self.through


def attacks(graph: Graph, asserted: Assertions, rests: Dependencies, revised: Revisions) -> Attacks:
    """Return the attacks in a graph."""
    opposed = _opposed(graph, asserted)
    criticised = set(graph.criticised)
    by_claim: dict[str, list[Attack]] = {}
    for key in graph.claims:
        if _aimed_at(graph, key, criticised):
            if direct := list(_own(graph, asserted, opposed, key)):
                by_claim[key] = direct
        elif asserted.of[key] in opposed:
            # Hit only as one of its assertion: thousands may share the list, which nobody changes.
            by_claim[key] = opposed[asserted.of[key]]
    own = dict(by_claim)
    for loop in set(rests.loops.values()):
        inside = set(loop)
        outside = [a for member in loop for a in own.get(member, ()) if a.attacker not in inside]
        for member in loop if outside else ():
            shared = by_claim.get(member, [])
            by_claim[member] = [*shared, *(attack for attack in outside if attack not in shared)]
    current = _kept(by_claim, revised, True)
    past = _kept(by_claim, revised, False)
    questioned = {
        key: critics
        for key in (graph.claims if any(graph.criticised) else ())
        if (critics := tuple(_questioning(graph, revised, key)))
    }
    through = _through(graph, rests, revised, set(current))
    return Attacks(current, past, through, questioned)


def _kept(
    by_claim: Mapping[str, list[Attack]], revised: Revisions, counting: bool
) -> dict[str, tuple[Attack, ...]]:
    counted: dict[int, tuple[Attack, ...]] = {}
    for of_claim in by_claim.values():
        if id(of_claim) not in counted:
            counted[id(of_claim)] = tuple(
                attack for attack in of_claim if revised.counts(attack.attacker) is counting
            )
    return {
        key: attacks for key, of_claim in by_claim.items() if (attacks := counted[id(of_claim)])
    }


def _opposed(graph: Graph, asserted: Assertions) -> dict[str, list[Attack]]:
    """Return for each assertion what contradicts a member of it from outside, found once for all."""
    opposed: dict[str, list[Attack]] = defaultdict(list)
    for link in graph.links:
        if link.type == "contradicts":
            for attacker, at in ((link.from_, link.to), (link.to, link.from_)):
                if not asserted.same(attacker, at):
                    opposed[asserted.of[at]].append(Attack(attacker, link, at))
    for opposing in opposed.values():
        opposing.sort(key=lambda attack: attack.at)
    return opposed


def _aimed_at(graph: Graph, key: str, criticised: set[str]) -> bool:
    """Whether any attack is aimed at a claim itself or at a source it cites."""
    return (
        key in graph.ending("undercuts")
        or key in graph.ending("contradicts")
        or key in graph.beginning("contradicts")
        or not criticised.isdisjoint(graph.claims[key].sources)
    )


def _own(
    graph: Graph, asserted: Assertions, opposed: Mapping[str, list[Attack]], key: str
) -> Iterator[Attack]:
    """Yield the attacks on a claim itself, on its assertion, and on its own sources."""
    for attacker, link in graph.opposed(key):
        yield Attack(attacker, link, key)
    for attack in opposed.get(asserted.of[key], ()):
        if attack.at != key:
            yield attack
    for link in graph.to("undercuts", key):
        yield Attack(link.from_, link, key)
    claim = graph.claims[key]
    criticised = [source for source in claim.sources if graph.critics(source)]
    if criticised:
        speaking = graph.own_sources(claim)
        for source in criticised:
            for link in graph.critics(source) if source in speaking else ():
                if link.from_ != key:
                    yield Attack(link.from_, link, key, source, len(speaking))


def _questioning(graph: Graph, revised: Revisions, key: str) -> Iterator[LinkEdge]:
    claim = graph.claims[key]
    for source in claim.sources:
        critics = graph.critics(source)
        if critics and not graph.speaks_for(source, claim):
            for link in critics:
                if link.from_ != key and revised.counts(link.from_):
                    yield link


def _through(
    graph: Graph, rests: Dependencies, revised: Revisions, contested: set[str]
) -> dict[str, tuple[Dependency, ...]]:
    """Let attacks and retractions reach what rests on them alone."""
    users: dict[str, list[str]] = defaultdict(list)
    for key in graph.claims:
        for need in rests.of(key):
            for alternative in need.alternatives:
                users[alternative].append(key)
    fallen = contested | revised.retracted.keys()
    through: dict[str, tuple[Dependency, ...]] = {}
    queue = deque(fallen)
    while queue:
        for key in users.get(queue.popleft(), ()):
            down = tuple(
                need
                for need in rests.of(key)
                if all(alternative in fallen for alternative in need.alternatives)
            )
            if down:
                through[key] = down
                if key not in fallen:
                    fallen.add(key)
                    queue.append(key)
    return through
