"""The audit as text for a terminal or a pipe: 80 columns, no colour."""

from __future__ import annotations

from collections.abc import Iterator

from claimledger.present.audit import Audit, AuditItem, LineageStep
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
    yield "Back to the first voice"
    for step in value.way:
        yield from _step(step)
    for line in value.trail_ends:
        yield from wrapped(f"TRAIL ENDS at {line.key}: {visible(line.text)}", WIDTH, 2, 2)
    yield from wrapped(f"Origins: {value.origins}", WIDTH, 0, 2)
    for root in value.roots:
        yield from wrapped(visible(root), WIDTH, 2, 2)
    for root in value.mergers:
        yield from wrapped(f"counted as one: {visible(root)}", WIDTH, 2, 2)
    for root in value.computed:
        yield from wrapped(f"Computed: {visible(root)}", WIDTH, 0, 2)
    yield from _section("Said by others too", value.same)
    yield from _section("Repeated by", value.repeated_by, "none recorded")
    yield from _section("Said otherwise", value.otherwise, "none recorded")
    yield from _section("Said otherwise in the past", value.past)
    yield from _section("Answered by", value.replies)
    yield from _section("Supported by", value.supports)
    yield from _section("Critics of its sources", value.critics)
    yield from _section("Other counts, none recorded as a contradiction", value.other_counts)
    yield from _section("Nearby", value.nearby)
    yield from _section("Reviews", value.reviews)
    if value.note:
        yield from wrapped(f"Note: {visible(value.note)}", WIDTH, 0, 2)
    if value.weakest:
        weak = value.weakest
        yield from wrapped(
            f"Weakest step: {weak.claim} is {weak.why}: {visible(weak.detail)}.", WIDTH, 0, 2
        )
        yield from wrapped(f"Next: {visible(weak.mend)}", WIDTH, 0, 2)


def _step(step: LineageStep) -> Iterator[str]:
    indent = 2 + 2 * min(step.depth, 8)
    if step.again:
        yield from wrapped(f"{step.key}: already above", WIDTH, indent, 2)
        return
    sentence = f"{step.when}  {step.who}: {step.said}; how they know: {step.grounds}  [{step.key}]"
    yield from wrapped(visible(sentence), WIDTH, indent, 2)
    if step.rests:
        yield from wrapped(step.rests, WIDTH, indent + 2, 2)
    for seen in step.seen:
        yield from wrapped(f"seen in {visible(seen)}", WIDTH, indent + 2, 2)
    if step.flags:
        yield from wrapped("flags: " + ", ".join(step.flags), WIDTH, indent + 2, 2)


def _section(title: str, lines: tuple[AuditItem, ...], none: str = "") -> Iterator[str]:
    if not lines:
        if none:
            yield f"{title}: {none}"
        return
    yield title
    for line in lines:
        yield from wrapped(f"{visible(line.text)}  [{line.key}]", WIDTH, 2, 2)
        if line.detail:
            yield from wrapped(visible(line.detail), WIDTH, 4, 2)
