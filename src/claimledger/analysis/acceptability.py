"""Acceptability: ``in``, ``out`` or ``undecided``.

The grounded model of an abstract dialectical framework (Brewka and Woltran 2010): a claim is ``in``
when every attacker is ``out`` and each need has an alternative that is ``in``; ``out`` when an attacker
is ``in``, or all alternatives of a need are ``out``; of the sources that speak for it one unfallen is
enough. Retracted is ``out``. Where nothing rests on anything it is Dung's grounded labelling (1995).
Formal, and decides nothing.
"""

from __future__ import annotations

from collections import defaultdict, deque

from claimledger.analysis.attacks import Attacks
from claimledger.analysis.dependencies import Dependencies
from claimledger.analysis.graph import Graph
from claimledger.analysis.revisions import Revisions

IN, OUT, UNDECIDED = "in", "out", "undecided"


def acceptability(
    graph: Graph, rests: Dependencies, revised: Revisions, attacked: Attacks
) -> dict[str, str]:
    """Return the grounded label of every claim of a graph."""
    label = dict.fromkeys(revised.retracted, OUT)
    conditions = {}
    for key in graph.claims:
        if key in label:
            continue
        if key in attacked.current or rests.of(key):
            conditions[key] = _Conditions(graph, rests, attacked, key)
        else:
            label[key] = IN  # nothing attacks it, and it rests on nothing
    waiting: dict[str, list[str]] = defaultdict(list)
    for key, condition in conditions.items():
        for mentioned in condition.mentions():
            waiting[mentioned].append(key)
    queue = deque(conditions)
    while queue:
        key = queue.popleft()
        if key in label:
            continue
        verdict = conditions[key].label(label)
        if verdict is not None:
            label[key] = verdict
            queue.extend(dependent for dependent in waiting[key] if dependent not in label)
    return {key: label.get(key, UNDECIDED) for key in graph.claims}


class _Conditions:
    """What must be settled before a claim is."""

    def __init__(self, graph: Graph, rests: Dependencies, attacked: Attacks, key: str) -> None:
        self.attackers: set[str] = set()
        fallen: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for attack in attacked.on(key):
            if attack.source is None:
                self.attackers.add(attack.attacker)
            else:
                fallen[attack.at][attack.source].add(attack.attacker)
        # A claim all of whose own sources have critics hangs on these; one without is enough.
        self.critics = [
            list(by_source.values())
            for at, by_source in fallen.items()
            if len(by_source) == len(graph.own_sources(graph.claims[at]))
        ]
        self.dependencies = [need.alternatives for need in rests.of(key)]

    def mentions(self) -> set[str]:
        """The claims whose labels this claim's label depends on."""
        mentioned = set(self.attackers)
        mentioned.update(
            critic for sources in self.critics for critics in sources for critic in critics
        )
        mentioned.update(key for need in self.dependencies for key in need)
        return mentioned

    def label(self, known: dict[str, str]) -> str | None:
        """Return the claim's label, ``None`` while it is not settled."""
        get = known.get
        if (
            any(get(key) == IN for key in self.attackers)
            or any(all(any(get(c) == IN for c in by) for by in s) for s in self.critics)
            or any(all(get(key) == OUT for key in need) for need in self.dependencies)
        ):
            return OUT
        if (
            all(get(key) == OUT for key in self.attackers)
            and all(any(all(get(c) == OUT for c in by) for by in s) for s in self.critics)
            and all(any(get(key) == IN for key in need) for need in self.dependencies)
        ):
            return IN
        return None
