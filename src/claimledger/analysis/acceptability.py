"""Acceptability: the formal label of a claim, ``in``, ``out`` or ``undecided``.

The labels are the grounded model of an abstract dialectical framework (Brewka and Woltran 2010). A claim
is ``in`` when every attacker is ``out`` and each dependency has an alternative that is ``in``. It is
``out`` when an attacker is ``in``, when all alternatives of a dependency are ``out``, or when it was
retracted. Among several sources that speak for the claimant, one without an accepted critic is enough.
In a graph without dependencies this is the grounded labelling of Dung (1995). No standing depends on it; see
section *Acceptability* of ``docs/semantics.md``.
"""

from __future__ import annotations

from collections import defaultdict, deque

from claimledger.analysis.attacks import Attacks
from claimledger.analysis.dependencies import Dependencies
from claimledger.analysis.graph import Graph
from claimledger.analysis.revisions import Revisions

IN, OUT, UNDECIDED = "in", "out", "undecided"


def acceptability(
    graph: Graph, dependencies: Dependencies, revisions: Revisions, attacks: Attacks
) -> dict[str, str]:
    """Return the grounded label of every claim of a graph: ``in``, ``out`` or ``undecided``.

    The grounded model is the least fixpoint: start with no labels, and add those that follow from the labels
    so far until no more follow. The claims of a cycle that get no label are ``undecided``.
    """
    # Each condition is monotone in the labels that it mentions, so a label is never revised. That allows a
    # work list instead of passes over the whole graph: a claim is tried again only after a claim that its
    # condition mentions was labelled.
    labels = dict.fromkeys(revisions.retracted, OUT)
    conditions = {}
    for key in graph.claims:
        if key in labels:
            continue
        if key in attacks.current or dependencies.of(key):
            conditions[key] = _Condition(
                graph=graph, dependencies=dependencies, attacks=attacks, key=key
            )
        else:
            labels[key] = IN  # nothing attacks it, and it rests on nothing
    mentioned_by: dict[str, list[str]] = defaultdict(list)
    for key, condition in conditions.items():
        for mentioned in condition.mentions():
            mentioned_by[mentioned].append(key)
    queue = deque(conditions)
    while queue:
        key = queue.popleft()
        if key in labels:
            continue
        label = conditions[key].label(labels)
        if label is not None:
            labels[key] = label
            queue.extend(dependent for dependent in mentioned_by[key] if dependent not in labels)
    return {key: labels.get(key, UNDECIDED) for key in graph.claims}


class _Condition:
    """The acceptance condition of one claim, in terms of the labels of others."""

    def __init__(
        self, graph: Graph, dependencies: Dependencies, attacks: Attacks, key: str
    ) -> None:
        self._attackers: set[str] = set()
        critics: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for attack in attacks.on(key):
            if attack.source is None:
                self._attackers.add(attack.attacker)
            else:
                critics[attack.at][attack.source].add(attack.attacker)
        # One own source without a critic is enough, so critics matter only if every own source has some.
        self._critics_by_source = [
            list(by_source.values())
            for at, by_source in critics.items()
            if len(by_source) == len(graph.own_sources(graph.claims[at]))
        ]
        self._dependencies = [dependency.alternatives for dependency in dependencies.of(key)]

    def mentions(self) -> set[str]:
        """Return the claims whose labels the label of this claim depends on."""
        mentioned = set(self._attackers)
        mentioned.update(
            critic
            for sources in self._critics_by_source
            for critics in sources
            for critic in critics
        )
        mentioned.update(key for alternatives in self._dependencies for key in alternatives)
        return mentioned

    def label(self, labels: dict[str, str]) -> str | None:
        """Return the label that follows from the labels so far, or ``None`` if none follows yet."""
        # ``OUT`` needs one decisive reason and ``IN`` needs all of them, so the two tests are not
        # complements: with some labels missing, both can fail. An ``else`` would turn "not known yet" into
        # an answer.
        get = labels.get
        if (
            any(get(key) == IN for key in self._attackers)
            or any(
                all(any(get(critic) == IN for critic in critics) for critics in sources)
                for sources in self._critics_by_source
            )
            or any(
                all(get(key) == OUT for key in alternatives) for alternatives in self._dependencies
            )
        ):
            return OUT
        if (
            all(get(key) == OUT for key in self._attackers)
            and all(
                any(all(get(critic) == OUT for critic in critics) for critics in sources)
                for sources in self._critics_by_source
            )
            and all(
                any(get(key) == IN for key in alternatives) for alternatives in self._dependencies
            )
        ):
            return IN
        return None
