"""Attacks: the claims that dispute a claim, their links, and the claims contested as a consequence.

A claim is attacked by what contradicts it or its assertion, by what undercuts it, by what undercuts a
source that speaks for its claimant, and through what it rests on. An attacker counts while it is neither
retracted nor superseded; afterwards its attack is listed as a past one.
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
from claimledger.records.link import LinkType


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack: the attacking claim, the link, and the claim or source at which it is aimed."""

    attacker: str
    link: LinkEdge
    at: str
    """The claim at which it is aimed: the attacked claim, or another of the same assertion or loop."""

    source: str | None = None
    """The source that is undercut, if the attack is on a source."""

    own_sources: int = 0
    """If the attack is on a source: how many sources of the claim speak for its claimant."""


@dataclass(frozen=True)
class Attacks:
    """The attacks in a graph, by the claim that they reach."""

    current: Mapping[str, tuple[Attack, ...]]
    past: Mapping[str, tuple[Attack, ...]]
    """Attacks whose attacker was retracted or superseded."""

    through: Mapping[str, tuple[Dependency, ...]]
    """From each claim that is contested through what it rests on, to the dependencies that failed."""

    questioned: Mapping[str, tuple[LinkEdge, ...]]
    """From each claim whose attribution is in question, to the links that criticise a source it cites
    which does not speak for its claimant."""

    @cached_property
    def dependents(self) -> Mapping[str, tuple[str, ...]]:
        """From each contested claim to those that are contested because they rest on it."""
        dependents: dict[str, list[str]] = defaultdict(list)
        for key, failed in self.through.items():
            for dependency in failed:
                for alternative in dependency.alternatives:
                    dependents[alternative].append(key)
        return {key: tuple(keys) for key, keys in dependents.items()}

    def on(self, key: str) -> tuple[Attack, ...]:
        """Return the current attacks on a claim."""
        return self.current.get(key, ())

    def contested(self, key: str) -> bool:
        """Whether a claim is attacked, directly or through what it rests on."""
        return key in self.current or key in self.through


def attacks(
    graph: Graph, assertions: Assertions, dependencies: Dependencies, revisions: Revisions
) -> Attacks:
    """Return the attacks in a graph.

    The cases are those numbered 1 to 4 in section *Attacks* of ``docs/semantics.md``.
    """
    contradicted = _contradictions_by_assertion(graph, assertions)
    criticised = set(graph.criticised_sources)
    by_claim: dict[str, list[Attack]] = {}
    for key in graph.claims:
        if _is_aimed_at(graph, key, criticised):
            if direct := list(_attacks_on_claim(graph, assertions, contradicted, key)):
                by_claim[key] = direct
        elif assertions.of[key] in contradicted:
            # Reached only as a member of its assertion. A denied report can have thousands of repeaters;
            # they share one list, which nothing below modifies, so that this stays linear.
            by_claim[key] = contradicted[assertions.of[key]]
    # An attack on one claim of a loop from outside attacks them all, because each rests on the others. It is
    # taken from the state before this step, so that the result does not depend on the order of the loops.
    before_loops = dict(by_claim)
    for loop in set(dependencies.loops.values()):
        inside = set(loop)
        outside = [
            attack
            for member in loop
            for attack in before_loops.get(member, ())
            if attack.attacker not in inside
        ]
        for member in loop if outside else ():
            own = by_claim.get(member, [])
            by_claim[member] = [*own, *(attack for attack in outside if attack not in own)]
    current = _with_attackers(by_claim, revisions, counting=True)
    past = _with_attackers(by_claim, revisions, counting=False)
    questioned = {
        key: critics
        for key in (graph.claims if criticised else ())
        if (critics := tuple(_critics_of_attribution(graph, revisions, key)))
    }
    through = _failed_dependencies(graph, dependencies, revisions, set(current))
    return Attacks(current=current, past=past, through=through, questioned=questioned)


def _with_attackers(
    by_claim: Mapping[str, list[Attack]], revisions: Revisions, *, counting: bool
) -> dict[str, tuple[Attack, ...]]:
    """Return the attacks whose attackers count, or those whose attackers do not.

    Claims that share a list of attacks share the result too: it is filtered once for each list.
    """
    filtered: dict[int, tuple[Attack, ...]] = {}
    for attack_list in by_claim.values():
        if id(attack_list) not in filtered:
            filtered[id(attack_list)] = tuple(
                attack for attack in attack_list if revisions.counts(attack.attacker) is counting
            )
    return {
        key: attacks
        for key, attack_list in by_claim.items()
        if (attacks := filtered[id(attack_list)])
    }


def _contradictions_by_assertion(graph: Graph, assertions: Assertions) -> dict[str, list[Attack]]:
    """Return for each assertion the attacks that contradict a member of it from outside.

    ``contradicts`` is symmetric in effect, so each link gives an attack on both its ends.
    """
    contradicted: dict[str, list[Attack]] = defaultdict(list)
    for link in graph.links:
        if link.type == LinkType.CONTRADICTS:
            for attacker, at in ((link.from_, link.to), (link.to, link.from_)):
                if not assertions.same(attacker, at):
                    contradicted[assertions.of[at]].append(Attack(attacker, link, at))
    for attack_list in contradicted.values():
        attack_list.sort(key=lambda attack: attack.at)
    return contradicted


def _is_aimed_at(graph: Graph, key: str, criticised: set[str]) -> bool:
    """Whether any link attacks a claim itself or a source it cites."""
    return (
        key in graph.links_by_end(LinkType.UNDERCUTS)
        or key in graph.links_by_end(LinkType.CONTRADICTS)
        or key in graph.links_by_start(LinkType.CONTRADICTS)
        or not criticised.isdisjoint(graph.claims[key].sources)
    )


def _attacks_on_claim(
    graph: Graph, assertions: Assertions, contradicted: Mapping[str, list[Attack]], key: str
) -> Iterator[Attack]:
    """Yield the attacks on a claim itself, on its assertion, and on its claimant's own sources."""
    for attacker, link in graph.contradictions(key):
        yield Attack(attacker, link, key)
    for attack in contradicted.get(assertions.of[key], ()):
        if attack.at != key:
            yield attack
    for link in graph.to(LinkType.UNDERCUTS, key):
        yield Attack(link.from_, link, key)
    claim = graph.claims[key]
    criticised = [source for source in claim.sources if graph.critics(source)]
    if criticised:
        own_sources = graph.own_sources(claim)
        for source in criticised:
            for link in graph.critics(source) if source in own_sources else ():
                # A critic who quotes the very source it criticises does not attack itself.
                if link.from_ != key:
                    yield Attack(
                        attacker=link.from_,
                        link=link,
                        at=key,
                        source=source,
                        own_sources=len(own_sources),
                    )


def _critics_of_attribution(graph: Graph, revisions: Revisions, key: str) -> Iterator[LinkEdge]:
    """Yield the links that criticise a source which a claim cites and which is not its claimant's own.

    Such criticism does not attack the claim. It questions whether the claimant said it at all.
    """
    claim = graph.claims[key]
    for source in claim.sources:
        critics = graph.critics(source)
        if critics and not graph.speaks_for(source, claim):
            for link in critics:
                if link.from_ != key and revisions.counts(link.from_):
                    yield link


def _failed_dependencies(
    graph: Graph, dependencies: Dependencies, revisions: Revisions, attacked: set[str]
) -> dict[str, tuple[Dependency, ...]]:
    """Return the claims contested through what they rest on, with the dependencies that failed.

    A dependency fails if all its alternatives are attacked, retracted, or contested in this way themselves.
    """
    # The least fixpoint, with a work list: a claim is examined again only when a claim on which it rests has
    # failed, so the time is linear in the edges. A claim that has failed already is examined too, because
    # ``through`` has to list every dependency that failed and not only the first.
    used_by: dict[str, list[str]] = defaultdict(list)
    for key in graph.claims:
        for dependency in dependencies.of(key):
            for alternative in dependency.alternatives:
                used_by[alternative].append(key)
    failed = attacked | revisions.retracted.keys()
    through: dict[str, tuple[Dependency, ...]] = {}
    queue = deque(failed)
    while queue:
        for key in used_by.get(queue.popleft(), ()):
            failed_here = tuple(
                dependency
                for dependency in dependencies.of(key)
                if all(alternative in failed for alternative in dependency.alternatives)
            )
            if failed_here:
                through[key] = failed_here
                if key not in failed:
                    failed.add(key)
                    queue.append(key)
    return through
