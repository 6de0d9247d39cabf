"""Every sentence about a claim, a source, a link or a dispute, worded once for all outputs.

Text, Markdown, HTML, ``explain``, ``audit`` and ``disputes`` call these functions, so that one thing is
never said in two ways. A key inside a sentence is in quotation marks, after the kind of its record; a key in
square brackets points to the record that a line is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Context, Decimal
from typing import TYPE_CHECKING

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.attacks import Attack
from claimledger.analysis.comparison import ONE_SIDED_PERIOD, RELATIONS, Change, Comparison
from claimledger.analysis.derivations import Derivation
from claimledger.analysis.dispositions import DisputeState
from claimledger.analysis.lineage import Weakness
from claimledger.analysis.origins import MergedOrigins, MergerReason, Origins, Root
from claimledger.analysis.standing import Standing
from claimledger.analysis.uncertainty import OpenQuestion
from claimledger.records import prose_dates
from claimledger.records.citation import Citation
from claimledger.records.claim import Claim
from claimledger.records.dates import Date, day_text
from claimledger.records.figure import Figure, Interval
from claimledger.records.review import Review
from claimledger.services.record_cache import RecordCache

if TYPE_CHECKING:
    from claimledger.services.tally import Recount

# Records in a sentence


def count(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 claim``, ``1,200 claims``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def series(parts: Sequence[str]) -> str:
    """Return parts as an English series: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def named(kind: str, keys: Iterable[str], limit: int = 5) -> str:
    """Return records of a kind by key: ``the claim "a"``, ``the claims "a", "b" and 7 others``."""
    all_keys = list(keys)
    parts = [f'"{key}"' for key in all_keys[:limit]]
    if len(all_keys) > limit:
        parts.append(count(len(all_keys) - limit, "other"))
    noun = kind if len(all_keys) == 1 else {"party": "parties"}.get(kind, kind + "s")
    return f"the {noun} {series(parts)}"


def source_named(key: str, names: RecordCache) -> str:
    """Return a source by title and key: ``“Budget speech” [speech]``."""
    return f"“{names.title(key)}” [{key}]"


def source_noun(key: str, names: RecordCache) -> str:
    """Return what a source is, from its CSL type: ``report``, ``web page``; ``source`` if unknown."""
    source = names.source(key)
    noun = ((source and source.type) or "source").partition("-")[0].replace("_", " ")
    return {"webpage": "web page", "dataset": "data set", "classic": "work"}.get(noun, noun)


def as_sentence(clause: str) -> str:
    """Return a clause with a capital at its start and, unless it has one, a full stop at its end."""
    end = "" if clause.endswith((".", "!", "?", "…", "。")) else "."
    return f"{clause[:1].upper()}{clause[1:]}{end}"


def two_sentences(first: str, second: str) -> str:
    """Return two clauses as sentences, the first as it is written, as it may be a quotation."""
    return f"{first[:1]}{as_sentence(first)[1:]} {as_sentence(second)}"


# Claims and figures

GROUNDS = {
    None: "not checked",
    "observed": "they observed it",
    "documents": "from documents",
    "testimony": "from testimony",
    "analysis": "by analysis",
    "own-act": "it is their own act",
    "unstated": "they do not say",
}
"""How a claimant knows, in the few words that CSV and JSON carry."""

_HOW_KNOWN = {
    "not checked": "nobody has asked yet how they know",
    "from documents": "they know it from documents",
    "from testimony": "they know it from testimony",
    "by analysis": "they worked it out by analysis",
    "they do not say": "they do not say how they know",
}


def how_known(grounds: str) -> str:
    """Return one of the values of :data:`GROUNDS` as a clause."""
    return _HOW_KNOWN.get(grounds, grounds)


def when(claim: Claim, known_by: int) -> str:
    """Return when a claim was asserted, or the day by which it was known, in EDTF for JSON and CSV."""
    if claim.asserted:
        return str(claim.asserted)
    return f"by {day_text(known_by)}"


def in_words(edtf: str) -> str:
    """Return a date, or what :func:`when` returns, as prose has it: ``by 12 March 2018``."""
    return prose_dates.in_words(edtf)


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


_HOW_FIGURES_RELATE: dict[str, str] = {
    "agrees": "agree",
    "near": "are nearly the same",
    "compatible": "can both be right",
    "conflicts": "cannot both be right",
    "part exceeds whole": "cannot both be right: the part is larger than the whole",
    "revision": "are an older and a newer version of one figure",
}


def comparison(left: str, right: str, pair: Comparison) -> str:
    """Return how the figures of two claims relate, as a sentence without its full stop."""
    how = _HOW_FIGURES_RELATE.get(pair.relation)
    relation = how + _reasons(pair) if how else f"cannot be compared: {_why_incomparable(pair)}"
    return f"{figure(pair.left)} [{left}] and {figure(pair.right)} [{right}] {relation}"


def compared(pair: Comparison) -> str:
    """Return the relation of two figures in a word, and the reasons for it."""
    return pair.relation + _reasons(pair)


def _reasons(pair: Comparison) -> str:
    reasons = [_reason(reason, pair) for reason in pair.reasons]
    return f" ({'; '.join(reasons)})" if reasons else ""


def _reason(reason: str, pair: Comparison) -> str:
    # Other reasons quote names of measures and scopes, in which nothing may be replaced.
    about_time = pair.relation == "different period" or reason.startswith("totals only grow")
    return prose_dates.replace_dates(reason) if about_time else reason


def relation_of_count(pair: Comparison) -> str:
    """Return how another count relates to a claim's, which no link says."""
    return (
        RELATIONS[pair.relation]
        if pair.relation == "different measure"
        else _why_incomparable(pair)
    )


def _why_incomparable(pair: Comparison) -> str:
    # "About different times (only one says which)" would contradict itself.
    if pair.reasons == (ONE_SIDED_PERIOD,):
        return ONE_SIDED_PERIOD
    return RELATIONS[pair.relation] + _reasons(pair)


def figure_change(became: Change) -> str:
    """Return what became of a figure when it was repeated."""
    return "with the same figure" if became == "same" else f"with the figure {became}"


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
    stated, formula = figure(derivation.figure), derivation.formula
    if derivation.result is None:
        problems = "; ".join(derivation.problems)
        text = f"{stated}: the formula {formula} cannot be computed: {problems}"
    elif derivation.reproduced:
        text = f"{stated}: the formula {formula} gives {interval(derivation.result)}"
    else:
        text = f"{stated}: the formula {formula} now gives {interval(derivation.result)} instead"
    text += "".join(f'; the claim "{key}" is {how}' for key, how in derivation.fallen)
    if derivation.unlinked:
        text += f"; no derives_from link leads to {named('claim', derivation.unlinked)}"
    return text


def recount(recount: Recount) -> str:
    """Return a tally counted again, and which claims make the difference."""
    stated = figure(recount.figure)
    if not recount.stale:
        return f"{stated}: {recount.count} still gives {recount.number:,}"
    text = f"{stated}: out of date; {recount.count} now gives {recount.number:,}"
    for name, keys in (("newly counted", recount.new), ("no longer counted", recount.gone)):
        if keys:
            text += f"; {name}: {named('claim', keys)}"
    return text


def said_by(who: str, statement: str) -> str:
    """Return a claim in a line, also as a reply to another claim or in support of it."""
    return f"{who}: {statement}"


def reading(citation: Citation, names: RecordCache) -> str:
    """Return where a claim was seen, and through which other source it was read."""
    source = names.source(citation.source)
    published = source.published if source else None
    dated = f"dated {in_words(str(published))}" if published else "undated"
    text = f"{source_named(citation.source, names)}, {dated}"
    if citation.via:
        text += f"; read only through {via_chain(citation, lambda key: source_named(key, names))}"
    return text + (f" ({citation.locator})" if citation.locator else "")


def via_chain(citation: Citation, word: Callable[[str], str]) -> str:
    """Return through which sources a citation was read: the one that was read first, then what it quotes."""
    return ", which quotes ".join(word(key) for key in reversed(citation.via))


def review(review: Review, names: RecordCache) -> str:
    """Return a fact-checker's published rating, without its summary."""
    who = names.party(review.reviewer) if review.reviewer else "An unnamed reviewer"
    text = f"{who} rated it “{review.rating}”" if review.rating else f"{who} reviewed it, unrated"
    if review.scale:
        text += f" (scale: {review.scale})"
    return text + (f" {prose_dates.at(str(review.reviewed))}" if review.reviewed else "")


# Attacks and disputes

BASES = {"stated": "stated by a source", "judged": "our inference"}


def basis(name: str) -> str:
    """Return what a link is based on."""
    return BASES.get(name, "computed by a rule")


def attack(kind: str, target: str) -> str:
    """Return what an attacking claim does: ``contradicts it``, ``criticises its grounds``.

    ``kind`` is the type of the link. ``target`` is ``it``, or a claim or source in words; a source is
    criticised itself, a claim for its grounds.
    """
    if kind == "contradicts":
        return f"contradicts {target}"
    if target == "it":
        return "criticises its grounds"
    return f"criticises {'the grounds of ' if target.startswith('the claim') else ''}{target}"


def attack_on_claim(attack_on: Attack, answers: Analysis, key: str) -> str:
    """Return an attack that reaches a claim, and the claim in between if it is aimed at another."""
    if attack_on.at == key:
        return attack(attack_on.link.type, "it")
    target = named("claim", [attack_on.at])
    same = answers.assertions.same(attack_on.at, key)
    tie = "says the same" if same else "rests on this one, as this one rests on it"
    return f"{attack(attack_on.link.type, target)}, which {tie}"


def attack_noun(kinds: Iterable[str]) -> str:
    """Return what attacks with links of these types are called, in the singular."""
    nouns = {"contradicts": "contradiction", "undercuts": "criticism"}
    different = {nouns[kind] for kind in kinds}
    return different.pop() if len(different) == 1 else "attack"


def bases(stated: int, inferred: int, noun: str) -> str:
    """Return who says that claims are at odds, as a sentence: the sources, or this ledger."""
    total = stated + inferred
    these = f"these {count(total, noun)}" if total != 1 else f"this {noun}"
    if not stated:
        return f"No source states {these}; {'it is' if total == 1 else 'all are'} our inference."
    if not inferred:
        return f"A source states {these}." if total == 1 else f"Sources state all of {these}."
    rest = "the other one is" if inferred == 1 else f"the other {inferred:,} are"
    by = "A source states" if stated == 1 else "Sources state"
    return f"{by} {stated:,} of {these}; {rest} our inference."


ENDINGS = {
    "resolved": "resolved",
    "conceded": "one side conceded",
    "definition": "a matter of definition",
    "period": "the claims are about different times",
    "dormant": "dormant",
}
"""How a dispute ended, by the name of the ending that a disposition records."""


def state(state: DisputeState) -> str:
    """Return whether a dispute is open, closed or reopened, by whom it was closed, and why."""
    recorded = state.disposition
    if recorded is None:
        return "open"
    closed = (
        f"closed {prose_dates.at(recorded.when[:10])} by {recorded.by} "
        f"({ENDINGS[recorded.record.ending]}; disposition {recorded.record.key}): {recorded.record.reason}"
    )
    if state.status == "reopened":
        return f"reopened by {named('record', state.new)}; it had been {closed}"
    return closed


# Standing, origins and what would improve them


def standing(answers: Analysis, key: str, names: RecordCache) -> str:
    """Return a claim's standing and the first reason for it."""
    origins_of_claim = answers.origins(key)
    voices = origin_count(origins_of_claim.at_least, origins_of_claim.at_most)
    name = answers.standing(key)
    if name == Standing.RETRACTED:
        link = answers.revisions.retracted[key]
        return f"retracted by its claimant ({named('link', [link])})"
    if name == Standing.SUPERSEDED:
        newer = named("claim", [answers.revisions.superseded[key]])
        against = "; it is also contested" if answers.attacks.contested(key) else ""
        return f"superseded by {newer}{against}"
    if name == Standing.CONTESTED:
        return f"{_contested(answers, key, names)}; {voices}"
    if name == Standing.CORROBORATED:
        text = f"corroborated by {origins(origins_of_claim)}"
    elif name == Standing.SINGLE_ORIGIN:
        text = voices
    else:
        text = f"several voices that may not be independent ({voices})"
    return f"{text}; no recorded claim disputes it"


def _contested(answers: Analysis, key: str, names: RecordCache) -> str:
    attacks = answers.attacks.on(key)
    direct = sorted({a.attacker for a in attacks if a.source is None})
    parts = [f"contested by {named('claim', direct)}"] if direct else []
    for source in sorted({a.source for a in attacks if a.source}):
        attackers = {a.attacker for a in attacks if a.source == source}
        critics = {party for a in attackers for party in answers.graph.claims[a].claimants}
        who = series(sorted(names.party(party) for party in critics))
        text = f"{who} criticised {source_named(source, names)}"
        if direct:
            text += ", which it cites"
        else:
            text = f"contested through a source: {text}, but no record says that they disputed this claim"
        parts.append(text)
    for need in answers.attacks.through.get(key, ()):
        text = f"it rests on {named('claim', need.alternatives)}"
        parts.append(text if parts else f"contested because {text}")
    return "; ".join(parts)


ACCEPTABILITY = {
    "in": "in (no accepted claim defeats it)",
    "out": "out (an accepted claim defeats it, or what it rests on)",
    "undecided": "undecided (the attacks on it are not settled)",
}
"""The three results of the formal analysis, in words."""


def origin_count(low: int, high: int) -> str:
    """Return a number of origins without calling them independent."""
    if high < 2:
        return "no origin is left" if not high else "one origin" if low else "at most one origin"
    return f"{_range(low, high)} origins"


def origins(origins: Origins) -> str:
    """Return the number of independent origins; a range only where its ends differ."""
    low, high = origins.at_least, origins.at_most
    if not high:
        return "no independent origin"
    if low == high:
        return count(high, "independent origin")
    return f"{_range(low, high)} independent origins"


def _range(low: int, high: int) -> str:
    if low == high:
        return f"{low:,}"
    return f"{low:,} or {high:,}" if high == low + 1 else f"between {low:,} and {high:,}"


def merger(merged: MergedOrigins, names: RecordCache) -> str:
    """Return which roots count as one voice, and why."""
    return f"{named('claim', merged.roots)} {merger_reason(merged, names)}"


def merger_reason(merged: MergedOrigins, names: RecordCache) -> str:
    """Return why some roots count as one voice, with the roots as the subject left out."""
    shared = merged.shared
    if merged.reason == MergerReason.NAMELESS:
        return "have claimants who are not named, and may be the same people"
    if merged.reason == MergerReason.UPSTREAM_CLAIM:
        return f"rest on {named('claim', [shared])}"
    if merged.reason in (MergerReason.CLAIMANT, MergerReason.PARTY_ABOVE):
        tie = (
            "the same claimant,"
            if merged.reason == MergerReason.CLAIMANT
            else "claimants that belong to"
        )
        return f"have {tie} {names.party(shared)}"
    source = source_named(shared, names)
    if merged.reason == MergerReason.PUBLISHER:
        return f"share {source}, which one cites and the other's claimant published"
    return f"cite the same source, {source}"


def settling(question: OpenQuestion, names: RecordCache) -> str:
    """Return what to look up, what the answer could be worth, and the command that records it."""
    key = question.roots[0]
    worth = f"(this could establish {count(question.worth, 'more origin')})"
    if question.what == "tie":
        merged = MergedOrigins(question.roots, MergerReason(question.reason), question.shared)
        return f"look up whether these are one voice: {merger(merged, names)} {worth}"
    claim = names.claim(key)
    who = names.claimants(claim)
    if question.what == "own source":
        return f"find what {who} published about it {worth}: {remedy('attributed by', key)}"
    return f"ask {who} how they know {worth}: {grounds_remedy(key, claim)}"


def root(origin: Root, names: RecordCache) -> str:
    """Return a root: who said it first, and whether a record shows how they know."""
    claim = names.claim(origin.name)
    text = f"{names.claimants(claim)} [{origin.name}]"
    if len(origin.claims) > 1:
        text += f", in a loop with {named('claim', origin.claims[1:])}"
    if origin.inputs:
        text += f", derived from {named('claim', origin.inputs, 12)}"
    lacking = {
        "grounds": how_known(GROUNDS[claim.grounds]),
        "own source": "known only as reported by others, as no source of their own is cited",
    }.get(origin.lacking)
    return f"{text}; {lacking}" if lacking else text


def trail_end(claim: Claim, names: RecordCache) -> str:
    """Return what is known about a claim that rests on no other recorded claim."""
    who = names.claimants(claim)
    if claim.grounds is None:
        return f"nobody knows yet whether {who} counted or repeated somebody"
    return f"{who}; {how_known(GROUNDS[claim.grounds])}"


def weakness(weak: Weakness, claim: Claim, names: RecordCache) -> str:
    """Return what is weak about a step of a lineage, as a sentence. ``claim`` is the step's claim."""
    if weak.why == "retracted":
        return "The claimant took the claim back."
    if weak.why == "undercut":
        critics = names.claimants(names.claim(weak.about))
        target = (
            f"the {source_noun(weak.through_source, names)}"
            if weak.through_source
            else "its grounds"
        )
        return f"{critics} criticised {target}."
    if weak.why == "without grounds":
        if claim.grounds == "unstated":
            return "The claimant does not say how they know."
        return "Nobody has asked the claimant how they know."
    noun = source_noun(weak.about, names)
    return {
        "unread": f"Nobody here has read the {noun}; the claim is known only through others.",
        "undated": f"The {noun} has no date.",
        "not captured": f"No copy of the {noun} is stored.",
    }[weak.why]


_REMEDIES = {
    "second-hand": "claimledger cite {key} {source}",
    "attributed by": "claimledger cite {key} SOURCE",
    "grounds": 'claimledger amend {key} --set grounds=... --reason "..."',
    "anachronism": 'claimledger amend {key} --set asserted=... --reason "..."',
    "before the fact": 'claimledger amend {key} --set about=... --reason "..."',
    "said after publication": 'claimledger amend {key} --set asserted=... --reason "..."',
    "figures": 'claimledger amend {key} --set figures=... --reason "..."',
    "quote without its figure": 'claimledger amend {key} --set citations=... --reason "..."',
    "undated source": 'claimledger amend {source} --set published=... --reason "..."',
    "removed source": 'claimledger amend {source} --set archive_url=... --reason "..."',
    "no capture": "claimledger import FILE, with a capture of {source}",
    "attack": "claimledger audit {key}",
}


def remedy(what: str, key: str = "", source: str = "") -> str:
    """Return the command that repairs something about a claim or a source.

    ``what`` names a flag or an entry of the table above; for anything else the command shows the record.
    """
    return _REMEDIES.get(what, "claimledger show {key}").format(key=key, source=source)


def grounds_remedy(key: str, claim: Claim) -> str:
    """Return the command that records how a claimant knows; an unread source has to be read first."""
    unread = [citation.source for citation in claim.citations if citation.via]
    if len(unread) == len(claim.citations):
        return remedy("second-hand", key, unread[0])
    return remedy("grounds", key)


def weakness_remedy(weak: Weakness) -> str:
    """Return the command that improves the weakest step of a lineage."""
    if weak.why in ("retracted", "undercut"):
        return remedy("attack" if weak.why == "undercut" else "", weak.about)
    flag = {
        "unread": "second-hand",
        "without grounds": "grounds",
        "undated": "undated source",
        "not captured": "no capture",
    }[weak.why]
    return remedy(flag, weak.claim, weak.about)
