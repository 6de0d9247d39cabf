"""The answers in words: one sentence each, the same in every command, page and file."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import TYPE_CHECKING

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.attacks import Attack
from claimledger.analysis.comparison import Comparison
from claimledger.analysis.derivations import Derivation
from claimledger.analysis.dispositions import DisputeState
from claimledger.analysis.origins import MergedOrigins, Origins, Root
from claimledger.analysis.uncertainty import OpenQuestion
from claimledger.records.citation import Citation
from claimledger.records.claim import Claim
from claimledger.records.dates import Date, day_text
from claimledger.records.figure import Figure, Interval
from claimledger.services.record_cache import RecordCache

if TYPE_CHECKING:
    from claimledger.services.tally import Recount

GROUNDS = {
    None: "not checked",
    "observed": "they observed it",
    "documents": "from documents",
    "testimony": "from testimony",
    "analysis": "by analysis",
    "own-act": "it is their own act",
    "unstated": "they do not say",
}


def when(claim: Claim, known_by: int) -> str:
    """Return when a claim was asserted, or the day by which it was known."""
    if claim.asserted:
        return str(claim.asserted)
    return f"by {day_text(known_by)}"


def out_by(date: Date | None, as_of: int | None) -> bool:
    """Whether something of this date was out by a day; what bears no date is not hidden."""
    return as_of is None or date is None or date.latest is None or date.latest <= as_of


def figure(figure: Figure) -> str:
    """Return a figure with what it counts: ``54 stations``."""
    base = f" {figure.base}" if figure.base else ""
    scope = ", ".join(f"{name}: {text}" for name, text in figure.scope.items())
    return f"{figure.words} {figure.measure}{base}" + (f" ({scope})" if scope else "")


def figures(claim: Claim) -> str:
    """Return a claim's figures in a row."""
    return "; ".join(figure(stated) for stated in claim.figures)


_STAND: dict[str, str] = {
    "agrees": "agree",
    "near": "are near",
    "compatible": "can both hold",
    "conflicts": "cannot both hold",
    "part exceeds whole": "conflict: the part exceeds the whole",
    "revision": "are revisions of one figure, not rivals",
}


def comparison(left: str, right: str, pair: Comparison) -> str:
    """Return the relation of the figures of two claims, as a sentence."""
    stand = _STAND.get(pair.relation, f"cannot be compared: {pair.relation}")
    why = _because(pair)
    return f"{figure(pair.left)} [{left}] and {figure(pair.right)} [{right}] {stand}{why}"


def compared(pair: Comparison) -> str:
    """Return the relation of two figures in a word, and what it rests on."""
    return pair.relation + _because(pair)


def _because(pair: Comparison) -> str:
    return f" ({'; '.join(pair.reasons)})" if pair.reasons else ""


def interval(interval: Interval) -> str:
    """Return an interval as a reader would meet it: ``99``, ``over 5``, ``1.2 to 1.5``."""
    low, high = (
        None if bound is None else _plain(bound) for bound in (interval.low, interval.high)
    )
    if low is not None and low == high:
        return low
    lower = "" if low is None else f"{'over' if interval.low_open else 'at least'} {low}"
    upper = "" if high is None else f"{'under' if interval.high_open else 'at most'} {high}"
    if low and high and not interval.low_open and not interval.high_open:
        return f"{low} to {high}"
    return " and ".join(bound for bound in (lower, upper) if bound) or "any number"


def _plain(bound: Decimal) -> str:
    """Return a computed number to ten digits at most; what is whole keeps all of its digits."""
    if bound == bound.to_integral_value():
        return f"{bound.quantize(Decimal(1)):,}"
    rounded = Context(prec=10).create_decimal(bound)
    return f"{rounded.normalize():,f}" + ("" if rounded == bound else "…")


def derivation(derivation: Derivation) -> str:
    """Return what a formula gives now, and whether that is still the figure."""
    stated = figure(derivation.figure)
    if derivation.result is None:
        text = (
            f"{stated}: {derivation.formula} cannot be computed: {'; '.join(derivation.problems)}"
        )
    elif derivation.reproduced:
        text = f"{stated}: {derivation.formula} gives {interval(derivation.result)}"
    else:
        text = (
            f"{stated}: {derivation.formula} no longer gives it, but {interval(derivation.result)}"
        )
    text += "".join(f"; {key} is {how}" for key, how in derivation.fallen)
    if derivation.unlinked:
        text += f"; no `derives_from` leads to {', '.join(derivation.unlinked)}"
    return text


def recount(recount: Recount) -> str:
    """Return a tally counted again."""
    stated = figure(recount.figure)
    if not recount.stale:
        return f"{stated}: {recount.count} still counts {recount.number:,}"
    text = f"{stated}: stale, {recount.count} now counts {recount.number:,}"
    for name, keys in (("new", recount.new), ("gone", recount.gone)):
        if keys:
            more = f" and {len(keys) - 5:,} more" if len(keys) > 5 else ""
            text += f"; {name}: {', '.join(keys[:5])}{more}"
    return text


ENDINGS = {
    "resolved": "closed as resolved",
    "conceded": "closed: one side conceded",
    "definition": "closed: a matter of definition",
    "period": "closed: the claims are about different times",
    "dormant": "dormant",
}


def state(state: DisputeState) -> str:
    """Return what became of a dispute."""
    if state.disposition is None:
        return "open"
    laid = state.disposition
    how = f"{ENDINGS[laid.record.ending]} on {laid.when[:10]} by {laid.by}: {laid.record.reason}"
    if state.status == "reopened":
        more = f" and {len(state.new) - 5} more" if len(state.new) > 5 else ""
        return f"reopened by {', '.join(state.new[:5])}{more}; before, {how} [{laid.record.key}]"
    return f"{how} [{laid.record.key}]"


def reading(citation: Citation, names: RecordCache) -> str:
    """Return where a claim was seen, and through what it was read."""
    source = names.source(citation.source)
    date = f"dated {source.published}" if source and source.published else "undated"
    text = f"{citation.source}, {date}"
    if citation.via:
        text += "; read only via " + " via ".join(reversed(citation.via))
    if citation.locator:
        text += f", {citation.locator}"
    return text


def standing(answers: Analysis, key: str, names: RecordCache | None = None) -> str:
    """Return a claim's standing and the first reason for it."""
    origins_of_claim = answers.origins(key)
    origins = f"{origins_of_claim.at_least}..{origins_of_claim.at_most}"
    name = answers.standing(key)
    if name == "retracted":
        return f"retracted; see {answers.revisions.retracted[key]}"
    if name == "superseded":
        by = answers.revisions.superseded[key]
        against = "; also contested" if answers.attacks.contested(key) else ""
        return f"superseded by {by}{against}"
    if name == "contested":
        return f"contested, {_contested(answers, key, names)}; origins {origins}"
    if name == "corroborated":
        return f"corroborated by independent origins ({origins}); no recorded claim disputes it"
    if name == "single-origin":
        voices = "one origin found" if origins_of_claim.at_most else "no origin stands"
        return f"{voices} ({origins}); no recorded claim disputes it"
    return (
        f"several voices, independence not established ({origins}); no recorded claim disputes it"
    )


def _contested(answers: Analysis, key: str, names: RecordCache | None) -> str:
    attacks = answers.attacks.on(key)
    parts = []
    direct = sorted({a.attacker for a in attacks if a.source is None})
    if direct:
        parts.append("by " + ", ".join(direct))
    for source in sorted({a.source for a in attacks if a.source}):
        critics = {p for a in attacks if a.source == source for p in _voices(answers, a.attacker)}
        who = ", ".join(sorted(names.party(p) if names else p for p in critics))
        parts.append(
            f"its source {source} is criticised by {who}; {who} "
            f"{'is' if len(critics) == 1 else 'are'} not recorded as disputing this claim"
            if not direct
            else f"through its source {source}, criticised by {who}"
        )
    through = [" or ".join(need.alternatives) for need in answers.attacks.through.get(key, ())]
    if through:
        parts.append("through what it rests on: " + ", ".join(through))
    return "; ".join(parts)


def _voices(answers: Analysis, key: str) -> tuple[str, ...]:
    return answers.graph.claims[key].claimants


def attack(attack: Attack, answers: Analysis, names: RecordCache, of: str) -> str:
    """Return one attack as a sentence."""
    who = names.claimants(names.claim(attack.attacker))
    based = basis(attack.link.basis)
    if attack.source:
        hit = len({a.source for a in answers.attacks.on(of) if a.source and a.at == attack.at})
        return (
            f"its source {attack.source} is criticised by {who} [{attack.attacker}] "
            f"({hit} of {attack.own_sources} of its own sources; {based}); "
            f"{who} is not recorded as disputing this claim"
        )
    verb = "undercut" if attack.link.type == "undercuts" else "contradicted"
    aim = "" if attack.at == of else f" through {attack.at}, which says the same"
    if attack.at != of and not answers.assertions.same(attack.at, of):
        aim = f" through {attack.at}, with which it forms a loop"
    return f"{verb} by {who} [{attack.attacker}]{aim} ({based}, {attack.link.key})"


def basis(name: str) -> str:
    """Return what a link is based on."""
    return BASES.get(name, "computed by a rule and accepted")


BASES = {"stated": "stated by a source", "judged": "inferred by this ledger"}


def bases(stated: int, judged: int) -> str:
    """Return how many attacks a source states and how many this ledger infers, without zeros."""
    counts = (("stated", stated), ("judged", judged))
    return ", ".join(f"{number} {BASES[name]}" for name, number in counts if number)


def origins(origins: Origins) -> str:
    """Return a range of origins as a sentence."""
    if not origins.at_most:
        return "no origin stands"
    if origins.at_least == origins.at_most:
        return f"{origins.at_least} independent {'origin' if origins.at_least == 1 else 'origins'}"
    return f"between {origins.at_least} and {origins.at_most} independent origins"


def merger(merged: MergedOrigins, names: RecordCache) -> str:
    """Return why some roots count as one."""
    which = ", ".join(merged.roots)
    party = merged.shared if merged.reason in ("claimant", "party above") else ""
    shared = {
        "claimant": f"{names.party(party)} speaks in each",
        "upstream claim": f"each rests on {merged.shared}",
        "party above": f"those who speak belong to {names.party(party)}",
        "source": f"each cites {merged.shared}",
        "publisher": f"one cites {merged.shared}, which the other published",
        "nameless": "who speaks is not named, so it may be the same people",
    }[merged.reason]
    return f"{which}: {shared}"


def settling(question: OpenQuestion, names: RecordCache) -> str:
    """Return what to look up, and what it would be worth."""
    key = question.roots[0]
    worth = f" (worth {question.worth:,} {'origin' if question.worth == 1 else 'origins'})"
    if question.what == "tie":
        reason = merger(MergedOrigins(question.roots, question.reason, question.shared), names)
        return f"look up whether these are one voice: {reason}{worth}"
    claim = names.claim(key)
    who = names.claimants(claim)
    if question.what == "own source":
        return f"what did {who} publish of it? claimledger cite {key} SOURCE{worth}"
    unread = [citation.source for citation in claim.citations if citation.via]
    if len(unread) == len(claim.citations):
        mend = f"claimledger cite {key} {unread[0]} --grounds ..."
    else:
        mend = f'claimledger amend {key} --set grounds=... --reason "..."'
    return f"how does the claimant ({who}) know? {mend}{worth}"


def root(origin: Root, names: RecordCache) -> str:
    """Return a root: who first said it, and whether it is established that they know."""
    claim = names.claim(origin.name)
    who = names.claimants(claim)
    loop = f" (a loop with {', '.join(origin.claims[1:])})" if len(origin.claims) > 1 else ""
    resting = origin.inputs
    more = f" and {len(resting) - 12:,} more" if len(resting) > 12 else ""
    inputs = f", from {', '.join(resting[:12])}{more}" if resting else ""
    lacks = {
        "": "",
        "grounds": "; how they know: " + GROUNDS[claim.grounds],
        "own source": "; as reported by others, no source of their own is cited",
    }[origin.lacking]
    return f"{origin.name}: {who}{loop}{inputs}{lacks}"
