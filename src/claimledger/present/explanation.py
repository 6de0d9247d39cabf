"""A claim's standing, origins and acceptability explained in sentences, each naming its record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from claimledger.analysis.acceptability import IN, OUT
from claimledger.analysis.analysis import Analysis
from claimledger.analysis.attacks import Attack
from claimledger.analysis.standing import STANDINGS
from claimledger.present import phrases
from claimledger.services.record_cache import RecordCache

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView

MOST = 12
"""Attacks, roots or needs that are listed one by one; of more, only the number is given."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, and the records it rests on."""

    text: str
    records: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a reader needs to follow the answers about a claim without the program."""

    key: str
    sentences: tuple[Sentence, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the explanation as an object."""
        return asdict(self)


def explain(view: LedgerView, answers: Analysis, key: str) -> Explanation:
    """Return the explanation of a claim that is in view."""
    return Explanation(key, tuple(_Explainer(answers, RecordCache(view), key).sentences()))


class _Explainer:
    def __init__(self, answers: Analysis, names: RecordCache, key: str) -> None:
        self.answers = answers
        self.names = names
        self.key = key

    def sentences(self) -> Iterator[Sentence]:
        yield from self._said()
        yield from self._revised()
        yield from self._attacked()
        yield from self._rests()
        yield from self._origins()
        yield self._standing()
        yield from self._formally()

    def _who(self, key: str) -> str:
        return self.names.claimants(self.names.claim(key))

    def _said(self) -> Iterator[Sentence]:
        claim = self.names.claim(self.key)
        when = phrases.when(claim, self.answers.graph.known_by[self.key])
        yield Sentence(f"{self._who(self.key)} said it ({when}): {claim.statement}", (self.key,))
        for citation in claim.citations[:MOST]:
            via = tuple(citation.via)
            read = (
                f", read only via {' via '.join(reversed(via))}" if via else ", read at first hand"
            )
            title = self.names.title(citation.source)
            yield Sentence(f"It was seen in “{title}”{read}.", (citation.source, *via))
        yield from self._more(len(claim.citations), "citations", (self.key,))

    def _more(self, number: int, what: str, records: tuple[str, ...]) -> Iterator[Sentence]:
        if number > MOST:
            yield Sentence(f"{number - MOST:,} more {what} are not listed.", records)

    def _revised(self) -> Iterator[Sentence]:
        revised = self.answers.revisions
        if self.key in revised.retracted:
            link = revised.retracted[self.key]
            yield Sentence("Its claimant took it back.", (link,))
        if self.key in revised.superseded:
            by = revised.superseded[self.key]
            sentence = (
                "What it repeats was stated anew"
                if self._by_repeating(by)
                else "Its claimant stated it anew"
            )
            yield Sentence(f"{sentence}: {self.names.claim(by).statement}", (by,))

    def _by_repeating(self, by: str) -> bool:
        return any(link.to == by for link in self.answers.graph.from_("repeats", self.key))

    def _attacked(self) -> Iterator[Sentence]:
        attacks = self.answers.attacks.on(self.key)
        for attack in attacks[:MOST]:
            yield self._attack(attack)
        yield from self._more(len(attacks), "attacks", (self.key,))
        for attack in self.answers.attacks.past.get(self.key, ())[:MOST]:
            how = self.answers.standing(attack.attacker)
            text = f"{self._who(attack.attacker)} spoke against it, which no longer counts: that is {how}."
            yield Sentence(text, (attack.attacker, attack.link.key))

    def _attack(self, attack: Attack) -> Sentence:
        who, basis = self._who(attack.attacker), phrases.basis(attack.link.basis)
        records = (attack.attacker, attack.link.key)
        if attack.source:
            text = f"{who} criticises the source it was seen in ({basis})."
            return Sentence(text, (*records, attack.source))
        what = "contradicts" if attack.link.type == "contradicts" else "undercuts the grounds of"
        if attack.at == self.key:
            return Sentence(f"{who} {what} it ({basis}).", records)
        tie = (
            "says the same"
            if self.answers.assertions.same(attack.at, self.key)
            else "it forms a loop with"
        )
        return Sentence(f"{who} {what} a claim that {tie} ({basis}).", (*records, attack.at))

    def _rests(self) -> Iterator[Sentence]:
        fallen = self.answers.attacks.through.get(self.key, ())
        needs = self.answers.dependencies.of(self.key)
        if self.answers.dependencies.circular(self.key):
            loop = self.answers.dependencies.loop(self.key)
            yield Sentence(
                "It rests on itself through others, which count as one with it.", loop[:MOST]
            )
        for need in needs[:MOST]:
            how = "is computed or inferred from" if need.derived else "passes on"
            several = "one of these" if len(need.alternatives) > 1 else "this claim"
            end = (
                ", which is contested or taken back: so it is contested through it."
                if need in fallen
                else "."
            )
            yield Sentence(f"It {how} {several}{end}", need.alternatives[:MOST])
        yield from self._more(len(needs), "claims it rests on", (self.key,))

    def _origins(self) -> Iterator[Sentence]:
        origins = self.answers.origins(self.key)
        members = self.answers.assertions.members[self.answers.assertions.of[self.key]]
        if len(members) > 1:
            yield Sentence(
                f"{len(members):,} claims say the same and share their origins.", members[:MOST]
            )
        for root in origins.roots[:MOST]:
            who = self._who(root.name)
            knows = {
                "": "how they know is recorded, and a source of their own is cited",
                "grounds": "nobody has recorded how they know",
                "own source": "no source of their own is cited",
            }[root.lacking]
            yield Sentence(
                f"{who} is where the trail ends: {knows}.", (*root.claims, *root.inputs)[:MOST]
            )
        yield from self._more(len(origins.roots), "such ends", (self.key,))
        for merger, sure in [(m, True) for m in origins.same] + [
            (m, False) for m in origins.perhaps
        ]:
            reason = phrases.merger(merger, self.names).partition(": ")[2]
            count = "These are one voice" if sure else "These are perhaps one voice"
            yield Sentence(f"{count}: {reason}.", merger.roots[:MOST])
        yield Sentence(f"So there stands {phrases.origins(origins)} behind it.", (self.key,))

    def _standing(self) -> Sentence:
        name = self.answers.standing(self.key)
        order = list(STANDINGS)
        before = order[: order.index(name)]
        ruled = f" ({', '.join(before)} do not fit)" if before else ""
        return Sentence(f"Its standing is {name}: {STANDINGS[name]}{ruled}.", (self.key,))

    def _formally(self) -> Iterator[Sentence]:
        label = self.answers.acceptability[self.key]
        attackers = [attack.attacker for attack in self.answers.attacks.on(self.key)]
        yes = tuple(k for k in attackers if self.answers.acceptability[k] == IN)[:MOST]
        if label == OUT and self.key in self.answers.revisions.retracted:
            yield Sentence("Formally it is out: it was taken back.", (self.key,))
        elif label == OUT and yes:
            yield Sentence("Formally it is out: an attacker is in, or its last source fell.", yes)
        elif label == OUT:
            yield Sentence("Formally it is out: all that it could rest on is out.", (self.key,))
        elif label == IN and not attackers:
            yield Sentence("Formally it is in: nothing recorded attacks it.", (self.key,))
        elif label == IN:
            text = "Formally it is in: what attacks it is out, or leaves it a source that stands."
            yield Sentence(text, tuple(attackers[:MOST]))
        else:
            text = "Formally it is undecided: what attacks it, or it rests on, is not settled either way."
            yield Sentence(text, tuple(attackers[:MOST]) or (self.key,))
