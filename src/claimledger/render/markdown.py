"""Markdown (CommonMark): the report and the audit, with every text of a record escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from claimledger.present import phrases
from claimledger.present.audit import Audit, AuditItem
from claimledger.present.claim_view import ClaimView
from claimledger.present.report import AttackView, DisputeSection, Report
from claimledger.text.unicode import visible

_SPECIAL = re.compile(r"[\\`*_{}\[\]()<>#+\-.!|~&$^=:@]")
_AS_ENTITY = {"&": "&amp;", "<": "&lt;"}
"""What programs that allow HTML would take for it, also after a backslash."""


def safe(text: str) -> str:
    """Return a text that means itself in Markdown."""
    return _SPECIAL.sub(_escaped, visible(text))


def _escaped(match: re.Match[str]) -> str:
    return _AS_ENTITY.get(match[0]) or f"\\{match[0]}"


def report(value: Report) -> str:
    """Return the report as Markdown."""
    return "\n".join(_report(value)).rstrip() + "\n"


def _report(value: Report) -> Iterator[str]:
    yield "# Contested claims" + (f": {safe(value.subject)}" if value.subject else "")
    yield ""
    for line in value.summary:
        yield safe(line)
        yield ""
    if value.as_of:
        yield f"As of {value.as_of}."
        yield ""
    yield "## Disputes"
    yield ""
    for section in value.disputes:
        yield from _section(section)
    if not value.disputes:
        yield "No recorded claim is contested."
        yield ""
    yield "## Criticised sources"
    yield ""
    for section in value.criticised:
        yield from _section(section)
    if not value.criticised:
        yield "No recorded source is criticised."
        yield ""
    yield from _rest(value)


def _section(section: DisputeSection) -> Iterator[str]:
    yield f"### {safe(section.title)} `[{section.head}]`"
    yield ""
    if section.source:
        yield "The source is criticised; its critics are not recorded as disputing each claim in it."
    else:
        yield f"Behind it: {section.origins}. Against it: {section.attackers_origins}."
    yield ""
    yield f"Since {section.since}; {phrases.bases(section.stated, section.judged)}."
    part = f" Part of the controversy `{section.controversy}`." if section.controversy else ""
    yield f"Last activity known by {section.last}; {safe(section.state_told)}.{part} `[{section.key}]`"
    yield ""
    for claim in section.claims:
        yield from _claim(claim)
    yield "**Against it**"
    yield ""
    for against in section.against:
        yield from _against(against)
    same = "Contested because they say the same as what contradicts it"
    yield from _list(same, _short(section.beside))
    yield from _list("Contested because they rest on it", _short(section.reached))
    yield from _list("Attribution in question", _short(section.questioned))
    replies = [f"{safe(r.who)}: {safe(r.statement)} `[{r.key}]`" for r in section.replies]
    yield from _list("Analysis", replies)
    supports = [f"{safe(r.who)}: {safe(r.statement)} `[{r.key}]`" for r in section.supports]
    yield from _list("Supported by", supports)


def _short(claims: Iterable[ClaimView]) -> list[str]:
    return [
        f"{safe(claim.who)}, {safe(claim.when)}: {safe(claim.statement)} `[{claim.key}]`"
        for claim in claims
    ]


def _claim(claim: ClaimView) -> Iterator[str]:
    yield f"- {safe(claim.statement)} `[{claim.key}]`"
    yield f"  - {safe(claim.who)}, {safe(claim.when)}; how they know: {safe(claim.grounds)}"
    if claim.figures:
        yield f"  - figures: {safe(claim.figures)}"
    yield f"  - standing: {safe(claim.why)}"
    for seen in claim.seen:
        via = f", read via {', '.join(seen.via)}" if seen.via else ""
        place = f", {safe(seen.locator)}" if seen.locator else ""
        yield f"  - seen in {safe(seen.title)} `[{seen.source}]`{via}{place}"
        if seen.quote:
            yield f"    “{safe(seen.quote)}” (from {seen.quoted_from})"
    if claim.flags:
        yield f"  - flags: {safe(', '.join(claim.flags))}"
    if claim.note:
        yield f"  - note: {safe(claim.note)}"
    for review in claim.reviews:
        yield f"  - review: {safe(review)}"
    yield ""


def _against(attack: AttackView) -> Iterator[str]:
    past = " (past)" if attack.past else ""
    yield f"- {attack.type} `{attack.at}`{past}, {phrases.basis(attack.basis)} `[{attack.link}]`"
    yield f"  - {_short([attack.attacker])[0]}"
    if attack.reason:
        yield f"  - reason: {safe(attack.reason)}"
    if attack.compared:
        yield f"  - figures: {safe(attack.compared)}"
    for seen in attack.seen:
        yield f"  - seen in {safe(seen)}"
    yield ""


def _list(title: str, lines: Iterable[str]) -> Iterator[str]:
    items = list(lines)
    if items:
        yield f"**{title}**"
        yield ""
        yield from (f"- {line}" for line in items)
        yield ""


def _rest(value: Report) -> Iterator[str]:
    since = f" since {safe(value.corrections_since)}" if value.corrections_since else ""
    yield f"## Corrections{since}"
    yield ""
    for correction in value.corrections:
        changed = f": {safe('; '.join(correction.changes))}" if correction.changes else ""
        what = f"{correction.kind} `{correction.key}` {correction.action}{changed}"
        yield f"- {correction.when}, entry {correction.entry}: {what}. {safe(correction.reason)}"
    if not value.corrections:
        yield "None."
    yield ""
    yield "## Sources"
    yield ""
    for source in value.sources:
        by = f"{safe(', '.join(source.authors))}. " if source.authors else ""
        who = f" {safe(source.publisher)}." if source.publisher else ""
        yield f"- `{source.key}` {by}{safe(source.title)}.{who} {safe(source.published) or 'Undated'}."
    yield ""
    yield "## Method"
    yield ""
    for words in (value.method, value.links, value.flags):
        for name, meaning in words:
            yield f"- **{name}**: {safe(meaning)}"
        yield ""
    yield f"The ledger's log: {value.size} entries, root `{value.root}`."


def audit(value: Audit) -> str:
    """Return the audit as Markdown."""
    return "\n".join(_audit(value)).rstrip() + "\n"


def _audit(value: Audit) -> Iterator[str]:
    yield f"# Audit of `{value.key}`"
    yield ""
    yield f"> {safe(value.statement)}"
    yield ""
    if value.figures:
        yield f"Figures: {safe(value.figures)}"
        yield ""
    yield f"**Standing:** {safe(value.standing)}"
    yield ""
    yield "## Back to the first voice"
    yield ""
    for step in value.way:
        lead = "  " * step.depth
        if step.again:
            yield f"{lead}- `{step.key}`: already above"
            continue
        yield (
            f"{lead}- {safe(step.when)} {safe(step.who)}: {safe(step.said)}; how they know: "
            f"{safe(step.grounds)} `[{step.key}]`"
        )
        yield from (f"{lead}  - {safe(t)}" for t in (step.rests, *step.seen) if t)
        if step.flags:
            yield f"{lead}  - flags: {safe(', '.join(step.flags))}"
    yield ""
    yield from _list(
        "Trail ends", [f"`{line.key}`: {safe(line.text)}" for line in value.trail_ends]
    )
    yield f"**Independent origins:** {safe(value.origins)}"
    yield ""
    yield from _list("Roots", map(safe, value.roots))
    yield from _list("Counted as one", map(safe, value.mergers))
    yield from _list("DerivationView", map(safe, value.computed))
    for title, lines in (
        ("Said by others too", value.same),
        ("Repeated by", value.repeated_by),
        ("Said otherwise", value.otherwise),
        ("Said otherwise in the past", value.past),
        ("Answered by", value.replies),
        ("Supported by", value.supports),
        ("Critics of its sources", value.critics),
        ("Other counts, none recorded as a contradiction", value.other_counts),
        ("Nearby", value.nearby),
        ("Reviews", value.reviews),
    ):
        yield from _list(title, map(_line, lines))
    if value.note:
        yield f"Note: {safe(value.note)}"
        yield ""
    if value.weakest:
        weak = value.weakest
        yield f"**Weakest step:** `{weak.claim}` is {weak.why}: {safe(weak.detail)}. Next: `{weak.mend}`"


def _line(line: AuditItem) -> str:
    detail = f" ({safe(line.detail)})" if line.detail else ""
    return f"{safe(line.text)} `[{line.key}]`{detail}"
