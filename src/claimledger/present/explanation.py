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
"""The most attacks, roots or dependencies that are listed; of the rest only the number is given."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, and the records it rests on."""

    text: str
    records: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The sentences that explain the answers about a claim."""

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
        yield from self._asserted()
        yield from self._revised()
        yield from self._attacked()
        yield from self._rests()
        yield from self._origins()
        yield self._standing()
        yield self._acceptability()

    def _who(self, key: str) -> str:
        return self.names.claimants(self.names.claim(key))

    def _asserted(self) -> Iterator[Sentence]:
        claim = self.names.claim(self.key)
        when = phrases.in_words(phrases.when(claim, self.answers.graph.known_by[self.key]))
        yield Sentence(f"{self._who(self.key)} said ({when}): {claim.statement}", (self.key,))
        for citation in claim.citations[:MOST]:
            via = tuple(citation.via)
            chain = phrases.via_chain(citation, lambda key: f"“{self.names.title(key)}”")
            read = f", and read only through {chain}" if via else ", which somebody here has read"
            title = self.names.title(citation.source)
            yield Sentence(f"It was seen in “{title}”{read}.", (citation.source, *via))
        yield from self._more(len(claim.citations), "citations", (self.key,))

    def _more(self, number: int, what: str, records: tuple[str, ...]) -> Iterator[Sentence]:
        if number > MOST:
            are = "is" if number - MOST == 1 else "are"
            yield Sentence(f"{number - MOST:,} more {what} {are} not listed.", records)

    def _revised(self) -> Iterator[Sentence]:
        revised = self.answers.revisions
        if self.key in revised.retracted:
            link = revised.retracted[self.key]
            yield Sentence("Its claimant took it back.", (link,))
        if self.key in revised.superseded:
            newer = revised.superseded[self.key]
            subject = (
                "The claim that it repeats was" if self._by_repeating(newer) else "Its claimant has"
            )
            verb = "replaced by a newer one" if self._by_repeating(newer) else "replaced it"
            yield Sentence(f"{subject} {verb}: {self.names.claim(newer).statement}", (newer,))

    def _by_repeating(self, by: str) -> bool:
        return any(link.to == by for link in self.answers.graph.from_("repeats", self.key))

    def _attacked(self) -> Iterator[Sentence]:
        attacks = self.answers.attacks.on(self.key)
        for attack in attacks[:MOST]:
            yield self._attack(attack)
        yield from self._more(len(attacks), "attacks", (self.key,))
        for attack in self.answers.attacks.past.get(self.key, ())[:MOST]:
            why = self.answers.standing(attack.attacker)
            text = f"{self._who(attack.attacker)} disputed it, but that claim no longer counts: it is {why}."
            yield Sentence(text, (attack.attacker, attack.link.key))

    def _attack(self, attack: Attack) -> Sentence:
        records: tuple[str, ...] = (attack.attacker, attack.link.key)
        if attack.source:
            what = phrases.attack(attack.link.type, "the source it was seen in")
            records = (*records, attack.source)
        else:
            what = phrases.attack_on_claim(attack, self.answers, self.key)
            records = records if attack.at == self.key else (*records, attack.at)
        basis = phrases.basis(attack.link.basis)
        return Sentence(f"A claim by {self._who(attack.attacker)} {what} ({basis}).", records)

    def _rests(self) -> Iterator[Sentence]:
        fallen = self.answers.attacks.through.get(self.key, ())
        needs = self.answers.dependencies.of(self.key)
        if self.answers.dependencies.circular(self.key):
            loop = self.answers.dependencies.loop(self.key)
            text = "It rests on itself through other claims; together they count as one voice."
            yield Sentence(text, loop[:MOST])
        for need in needs[:MOST]:
            verb = "is computed or inferred from" if need.derived else "repeats"
            claims = "one of these claims" if len(need.alternatives) > 1 else "this claim"
            consequence = (
                ", which is contested or taken back; so this claim is contested too"
                if need in fallen
                else ""
            )
            yield Sentence(f"It {verb} {claims}{consequence}.", need.alternatives[:MOST])
        yield from self._more(len(needs), "claims it rests on", (self.key,))

    def _origins(self) -> Iterator[Sentence]:
        origins = self.answers.origins(self.key)
        members = self.answers.assertions.members[self.answers.assertions.of[self.key]]
        if len(members) > 1:
            yield Sentence(
                f"{len(members):,} claims say the same and share their origins.", members[:MOST]
            )
        for root in origins.roots[:MOST]:
            known = {
                "": "how they know is recorded, and a source of their own is cited",
                "grounds": phrases.how_known(phrases.GROUNDS[self.names.claim(root.name).grounds]),
                "own source": "no source of their own is cited",
            }[root.lacking]
            yield Sentence(
                f"The trail ends with {self._who(root.name)}: {known}.",
                (*root.claims, *root.inputs)[:MOST],
            )
        yield from self._more(len(origins.roots), "ends of the trail", (self.key,))
        for merger, sure in [(m, True) for m in origins.same] + [
            (m, False) for m in origins.perhaps
        ]:
            reason = phrases.merger_reason(merger, self.names)
            voice = "are one voice" if sure else "may be one voice"
            yield Sentence(f"These {voice}: they {reason}.", merger.roots[:MOST])
        yield Sentence(f"It has {phrases.origins(origins)}.", (self.key,))

    def _standing(self) -> Sentence:
        name = self.answers.standing(self.key)
        order = list(STANDINGS)
        before = order[: order.index(name)]
        not_these = ""
        if before:
            *others, last = before
            not_these = f"{', '.join(others)} or {last}" if others else str(last)
            not_these = f" It is not {not_these}."
        return Sentence(f"Its standing is {name}: {STANDINGS[name]}.{not_these}", (self.key,))

    def _acceptability(self) -> Sentence:
        label = self.answers.acceptability[self.key]
        attackers = tuple(attack.attacker for attack in self.answers.attacks.on(self.key))
        accepted = tuple(k for k in attackers if self.answers.acceptability[k] == IN)
        records: tuple[str, ...] = ()
        if label == OUT and self.key in self.answers.revisions.retracted:
            reason = "it was taken back"
        elif label == OUT and accepted:
            reason, records = (
                "an attack on it is accepted, or none of its sources is left",
                accepted,
            )
        elif label == OUT:
            reason = "everything that it could rest on is out"
        elif label == IN and not attackers:
            reason = "no recorded claim attacks it"
        elif label == IN:
            reason, records = "every attack on it is out, or leaves it another source", attackers
        else:
            reason, records = (
                "the attacks on it, or on what it rests on, are not settled",
                attackers,
            )
        return Sentence(f"Its acceptability is “{label}”: {reason}.", records[:MOST] or (self.key,))
