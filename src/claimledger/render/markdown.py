"""The report and the audit as Markdown (CommonMark), with every text of a record escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from claimledger.present import phrases
from claimledger.present.audit import NONE_RECORDED, SECTIONS, Audit, AuditItem
from claimledger.present.claim_view import ClaimView, Reply
from claimledger.present.report import (
    CLAIM_LISTS,
    REPLY_LISTS,
    SOURCE_CRITICISED,
    AttackView,
    DisputeSection,
    Report,
)
from claimledger.text.unicode import visible

_SPECIAL = re.compile(r"[\\`*_{}\[\]()<>#+\-.!|~&$^=:@]")
_AS_ENTITY = {"&": "&amp;", "<": "&lt;"}
"""The characters that a program which allows HTML reads as markup even after a backslash."""


def safe(text: str) -> str:
    """Return a text escaped, so that Markdown shows it unchanged."""
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
        yield f"Only what had been asserted by {phrases.in_words(value.as_of)}."
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
    yield from _appendix(value)


def _section(section: DisputeSection) -> Iterator[str]:
    yield f"### {safe(section.title)} `[{section.head}]`"
    yield ""
    since = phrases.in_words(section.since)
    if section.source:
        yield f"Criticised since {since}, by {section.attackers_origins}. {SOURCE_CRITICISED}"
    else:
        yield (
            f"Disputed since {since}. For it: {section.origins}. "
            f"Against it: {section.attackers_origins}."
        )
    yield ""
    part = f" Part of the controversy `{section.controversy}`." if section.controversy else ""
    yield (
        f"{section.bases} Last activity: {phrases.in_words(section.last)}. "
        f"{safe(phrases.as_sentence(section.state_told))}{part} `[{section.key}]`"
    ).strip()
    yield ""
    for claim in section.claims:
        yield from _claim(claim)
    yield "**What is said against it**"
    yield ""
    for attack in section.against:
        yield from _attack(attack, section)
    for name, title in CLAIM_LISTS.items():
        yield from _list(title, _short(getattr(section, name)))
    for name, title in REPLY_LISTS.items():
        yield from _list(title, map(_reply, getattr(section, name)))


def _reply(reply: Reply) -> str:
    return f"{safe(phrases.said_by(reply.who, reply.statement))} `[{reply.key}]`"


def _short(claims: Iterable[ClaimView]) -> list[str]:
    return [
        f"{safe(claim.who)}, {safe(phrases.in_words(claim.when))}: {safe(claim.statement)} `[{claim.key}]`"
        for claim in claims
    ]


def _claim(claim: ClaimView) -> Iterator[str]:
    yield f"- {safe(claim.statement)} `[{claim.key}]`"
    when = phrases.in_words(claim.when)
    yield f"  - {safe(claim.who)}, {safe(when)}; {safe(phrases.how_known(claim.grounds))}"
    if claim.figures:
        yield f"  - figures: {safe(claim.figures)}"
    yield f"  - standing: {safe(claim.why)}"
    for seen in claim.seen:
        via = (
            f", read only through {phrases.series([f'`[{key}]`' for key in seen.via])}"
            if seen.via
            else ""
        )
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


def _attack(attack: AttackView, section: DisputeSection) -> Iterator[str]:
    yield f"- {_short([attack.attacker])[0]}"
    yield f"  - {safe(attack.sentence(section))} `[{attack.link}]`"
    if attack.reason:
        yield f"  - reason: {safe(attack.reason)}"
    if attack.compared:
        yield f"  - figures: {safe(attack.compared)}"
    for seen in attack.seen:
        yield f"  - stated in {safe(seen)}"
    yield ""


def _list(title: str, lines: Iterable[str]) -> Iterator[str]:
    items = list(lines)
    if items:
        yield f"**{title}**"
        yield ""
        yield from (f"- {line}" for line in items)
        yield ""


def _appendix(value: Report) -> Iterator[str]:
    since = f" since {safe(value.corrections_since)}" if value.corrections_since else ""
    yield f"## Corrections{since}"
    yield ""
    for correction in value.corrections:
        changed = f": {safe('; '.join(correction.changes))}" if correction.changes else ""
        what = f"{correction.kind} `{correction.key}` {correction.action}{changed}"
        when = phrases.in_words(correction.when)
        yield f"- {when}, entry {correction.entry}: {what}. {safe(correction.reason)}"
    if not value.corrections:
        yield "No record was amended, withdrawn or redacted."
    yield ""
    yield "## Sources"
    yield ""
    for source in value.sources:
        by = f"{safe(', '.join(source.authors))}. " if source.authors else ""
        who = f" {safe(source.publisher)}." if source.publisher else ""
        published = safe(phrases.in_words(source.published)) or "Undated"
        yield f"- `{source.key}` {by}{safe(source.title)}.{who} {published}."
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
    yield "## Where it comes from"
    yield ""
    for step in value.way:
        lead = "  " * step.depth
        if step.again:
            yield f"{lead}- `[{step.key}]` is shown above."
            continue
        yield (
            f"{lead}- {safe(phrases.in_words(step.when))} {safe(step.who)}: "
            f"{safe(phrases.two_sentences(step.said, phrases.how_known(step.grounds)))} `[{step.key}]`"
        )
        if step.rests:
            yield f"{lead}  - {safe(step.rests)}"
        yield from (f"{lead}  - seen in {safe(seen)}" for seen in step.seen)
        if step.flags:
            yield f"{lead}  - flags: {safe(', '.join(step.flags))}"
    yield ""
    yield from _list("The trail ends here", map(_line, value.trail_ends))
    yield f"**Origins:** {safe(value.origins)}"
    yield ""
    yield from _list("Who said it first", map(safe, value.roots))
    yield from _list("Counted as one voice", map(safe, value.mergers))
    yield from _list("Computed", map(safe, value.computed))
    for name, title in SECTIONS.items():
        if lines := getattr(value, name):
            yield from _list(title, map(_line, lines))
        elif name in NONE_RECORDED:
            yield NONE_RECORDED[name]
            yield ""
    if value.note:
        yield f"Note: {safe(value.note)}"
        yield ""
    if value.weakest:
        weak = value.weakest
        yield f"**Weakest step:** {safe(weak.detail)} `[{weak.claim}]` Next: `{weak.mend}`"


def _line(line: AuditItem) -> str:
    detail = f" ({safe(line.detail)})" if line.detail else ""
    return f"{safe(line.text)} `[{line.key}]`{detail}"
