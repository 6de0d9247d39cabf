"""Disputes: one contested assertion, or one criticised source, with its direct attackers.

A pair that contradict each other is one dispute; sides are never inferred. A claim contested only
through a source or through what it rests on is told where that is told.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.attacks import Attack
from claimledger.analysis.origins import Origins
from claimledger.records.graph_data import LinkEdge


@dataclass(frozen=True, slots=True)
class Dispute:
    """What is disputed, by whom, through which links, since when."""

    head: str
    """The claim, or the source, the dispute is named by."""

    source: bool
    """Whether a source is criticised rather than an assertion contested."""

    claims: tuple[str, ...]
    """The claims of the contested assertion; of a criticised source, those it is an attack on."""

    attackers: tuple[str, ...]
    links: tuple[LinkEdge, ...]
    past: tuple[LinkEdge, ...]
    """Links of attackers that were retracted or superseded."""

    beside: tuple[str, ...]
    """Claims that say the same as an attacker, and are contested with it."""

    reached: tuple[str, ...]
    """Claims contested only through these claims, because they rest on them."""

    questioned: tuple[str, ...]
    """Claims whose attribution a criticised source puts in question."""

    since: int
    """The day by which the first of the attacks was known."""

    last: int
    """The day by which the last of them was, past ones included."""

    key: str = ""
    """The link that names it: the oldest in it that names no other. It stays when the dispute grows."""

    @property
    def every(self) -> tuple[LinkEdge, ...]:
        """All its links, past ones too, the oldest record first."""
        return tuple(sorted({*self.links, *self.past}, key=lambda link: (link.first, link.key)))

    @property
    def voices(self) -> frozenset[str]:
        """The claims that take part in it."""
        return frozenset((*self.claims, *self.attackers))

    @property
    def stated(self) -> int:
        """How many of the attacks a source states."""
        return sum(link.basis == "stated" for link in self.links)

    @property
    def judged(self) -> int:
        """How many of the attacks are the recorder's reading."""
        return len(self.links) - self.stated


def disputes(answers: Analysis) -> list[Dispute]:
    """Return the disputes of a graph: contested assertions first, those with most attackers first."""
    return _named([*_contested(answers), *_criticised(answers)])


def _named(disputes: list[Dispute]) -> list[Dispute]:
    """Give each dispute its key. Whose links are older chooses first, so that no key moves on."""
    order = sorted(disputes, key=lambda dispute: [(link.first, link.key) for link in dispute.every])
    keys: dict[int, str] = {}
    taken: set[str] = set()
    for dispute in order:
        free = [link.key for link in dispute.every if link.key not in taken]
        keys[id(dispute)] = free[0] if free else f"{dispute.every[0].key}~{dispute.head}"
        taken.add(keys[id(dispute)])
    return [replace(dispute, key=keys[id(dispute)]) for dispute in disputes]


def attackers_origins(answers: Analysis, dispute: Dispute) -> Origins:
    """Return between how many and how many independent voices speak against what is disputed."""
    return answers.origins_of_all(dispute.attackers)


def _contested(answers: Analysis) -> list[Dispute]:
    by_assertion: dict[str, list[Attack]] = defaultdict(list)
    past: dict[str, set[LinkEdge]] = defaultdict(set)
    asserted = answers.assertions
    for key in answers.graph.claims:
        for attack in answers.attacks.current.get(key, ()):
            if attack.source is None and attack.at == key:
                by_assertion[asserted.of[key]].append(attack)
        for attack in answers.attacks.past.get(key, ()):
            if attack.source is None and attack.at == key:
                past[asserted.of[key]].add(attack.link)
    disputes = []
    seen: set[str] = set()
    order = sorted(
        by_assertion,
        key=lambda name: (
            -len({attack.attacker for attack in by_assertion[name]}),
            min(answers.graph.known_by[key] for key in asserted.members[name]),
            name,
        ),
    )
    for name in order:
        links = {attack.link.key: attack.link for attack in by_assertion[name]}
        if seen.issuperset(links):
            continue  # the other side of contradictions told already
        seen.update(links)
        disputes.append(
            _dispute(answers, name, list(links.values()), by_assertion[name], past[name])
        )
    return disputes


def _dispute(
    answers: Analysis, name: str, links: list[LinkEdge], attacks: list[Attack], past: set[LinkEdge]
) -> Dispute:
    members = answers.assertions.members[name]
    head = min(members, key=lambda key: (answers.graph.known_by[key], key))
    attackers = tuple(sorted({attack.attacker for attack in attacks}))
    return Dispute(
        head,
        False,
        members,
        attackers,
        tuple(sorted(links, key=lambda link: link.entry)),
        tuple(sorted(past, key=lambda link: link.entry)),
        _beside(answers, members, attackers),
        _reached(answers, members),
        (),
        _since(answers, links),
        _latest(answers, [*links, *past]),
    )


def _criticised(answers: Analysis) -> list[Dispute]:
    graph = answers.graph
    hit: dict[str, set[str]] = defaultdict(set)
    questioned: dict[str, set[str]] = defaultdict(set)
    for key in graph.claims:
        for attack in answers.attacks.current.get(key, ()):
            if attack.source is not None and attack.at == key:
                hit[attack.source].add(key)
        for link in answers.attacks.questioned.get(key, ()):
            questioned[link.to].add(key)
    disputes = []
    for source in sorted(graph.criticised):
        links = [link for link in graph.critics(source) if answers.revisions.counts(link.from_)]
        past = [link for link in graph.critics(source) if link not in links]
        if links:
            claims = tuple(sorted(hit[source]))
            disputes.append(
                Dispute(
                    source,
                    True,
                    claims,
                    tuple(sorted({link.from_ for link in links})),
                    tuple(links),
                    tuple(past),
                    (),
                    _reached(answers, claims),
                    tuple(sorted(questioned[source])),
                    min(graph.known_by[link.from_] for link in links),
                    max(graph.known_by[link.from_] for link in (*links, *past)),
                )
            )
    return disputes


def _beside(
    answers: Analysis, members: tuple[str, ...], attackers: tuple[str, ...]
) -> tuple[str, ...]:
    involved = {*members, *attackers}
    asserted = answers.assertions
    same = {key for attacker in attackers for key in asserted.members[asserted.of[attacker]]}
    return tuple(sorted(key for key in same - involved if answers.attacks.contested(key)))


def _since(answers: Analysis, links: list[LinkEdge]) -> int:
    known = answers.graph.known_by
    return min(max(known[link.from_], known.get(link.to, 0)) for link in links)


def _latest(answers: Analysis, links: list[LinkEdge]) -> int:
    known = answers.graph.known_by
    return max(max(known[link.from_], known.get(link.to, 0)) for link in links)


def _reached(answers: Analysis, claims: tuple[str, ...]) -> tuple[str, ...]:
    """Return the claims contested only through these, near and far."""
    reached: set[str] = set()
    fallen = set(claims)
    stack = list(claims)
    while stack:
        for key in answers.attacks.users.get(stack.pop(), ()):
            if key not in fallen and key not in answers.attacks.current:
                fallen.add(key)
                reached.add(key)
                stack.append(key)
    return tuple(sorted(reached))
