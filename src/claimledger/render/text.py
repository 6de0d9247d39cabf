"""The audit as text for a terminal or a pipe: 80 columns, no colour."""

from __future__ import annotations

from collections.abc import Iterator

from claimledger.present.audit import NONE_RECORDED, SECTIONS, Audit, AuditItem, LineageStep
from claimledger.present.phrases import how_known, in_words, two_sentences
from claimledger.text.unicode import visible
from claimledger.text.width import wrapped

WIDTH = 80


def audit(value: Audit) -> str:
    """Return the audit as text."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Audit) -> Iterator[str]:
    yield from wrapped(f"{visible(value.statement)}  [{value.key}]", WIDTH, 0, 2)
    if value.figures:
        yield from wrapped(f"Figures: {visible(value.figures)}", WIDTH, 0, 2)
    yield from wrapped(f"Standing: {visible(value.standing)}", WIDTH, 0, 2)
    yield "Where it comes from"
    for step in value.way:
        yield from _step(step)
    for line in value.trail_ends:
        end = f"The trail ends here: {visible(line.text)}.  [{line.key}]"
        yield from wrapped(end, WIDTH, 2, 2)
    yield from wrapped(f"Origins: {value.origins}", WIDTH, 0, 2)
    for root in value.roots:
        yield from wrapped(visible(root), WIDTH, 2, 2)
    for root in value.mergers:
        yield from wrapped(f"Counted as one voice: {visible(root)}", WIDTH, 2, 2)
    for root in value.computed:
        yield from wrapped(f"Computed: {visible(root)}", WIDTH, 0, 2)
    for name, title in SECTIONS.items():
        yield from _section(title, getattr(value, name), NONE_RECORDED.get(name, ""))
    if value.note:
        yield from wrapped(f"Note: {visible(value.note)}", WIDTH, 0, 2)
    if value.weakest:
        weak = value.weakest
        yield from wrapped(f"Weakest step: {visible(weak.detail)}  [{weak.claim}]", WIDTH, 0, 2)
        yield from wrapped(f"Next: {visible(weak.mend)}", WIDTH, 0, 2)


def _step(step: LineageStep) -> Iterator[str]:
    indent = 2 + 2 * min(step.depth, 8)
    if step.again:
        yield from wrapped(f"[{step.key}] is shown above.", WIDTH, indent, 2)
        return
    statement = two_sentences(step.said, how_known(step.grounds))
    sentence = f"{in_words(step.when)}  {step.who}: {statement}  [{step.key}]"
    yield from wrapped(visible(sentence), WIDTH, indent, 2)
    if step.rests:
        yield from wrapped(step.rests, WIDTH, indent + 2, 2)
    for seen in step.seen:
        yield from wrapped(f"seen in {visible(seen)}", WIDTH, indent + 2, 2)
    if step.flags:
        yield from wrapped("flags: " + ", ".join(step.flags), WIDTH, indent + 2, 2)


def _section(title: str, lines: tuple[AuditItem, ...], if_none: str) -> Iterator[str]:
    if not lines:
        if if_none:
            yield if_none
        return
    yield title
    for line in lines:
        yield from wrapped(f"{visible(line.text)}  [{line.key}]", WIDTH, 2, 2)
        if line.detail:
            yield from wrapped(visible(line.detail), WIDTH, 4, 2)
