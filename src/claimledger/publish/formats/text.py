"""The audit as text for a terminal or a pipe: 80 columns, no colour."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from claimledger.publish.audit import Audit, Line, Way
from claimledger.records.text import visible

WIDTH = 80


def audit(value: Audit) -> str:
    """Return the audit as text."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Audit) -> Iterator[str]:
    yield from _wrap(f"{visible(value.statement)}  [{value.key}]", 0, 2)
    if value.figures:
        yield from _wrap(f"Figures: {visible(value.figures)}", 0, 2)
    yield from _wrap(f"Standing: {visible(value.standing)}", 0, 2)
    yield "Back to the first voice"
    for step in value.way:
        yield from _step(step)
    for line in value.trail_ends:
        yield from _wrap(f"TRAIL ENDS at {line.key}: {visible(line.text)}", 2, 2)
    yield from _wrap(f"Origins: {value.origins}", 0, 2)
    for told in value.roots:
        yield from _wrap(visible(told), 2, 2)
    for told in value.mergers:
        yield from _wrap(f"counted as one: {visible(told)}", 2, 2)
    for told in value.computed:
        yield from _wrap(f"Computed: {visible(told)}", 0, 2)
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
        yield from _wrap(f"Note: {visible(value.note)}", 0, 2)
    if value.weakest:
        weak = value.weakest
        yield from _wrap(f"Weakest step: {weak.claim} is {weak.why}: {visible(weak.detail)}.", 0, 2)
        yield from _wrap(f"Next: {visible(weak.mend)}", 0, 2)


def _step(step: Way) -> Iterator[str]:
    indent = 2 + 2 * min(step.depth, 8)
    if step.again:
        yield from _wrap(f"{step.key}: already above", indent, 2)
        return
    told = f"{step.when}  {step.who}: {step.said}; how they know: {step.grounds}  [{step.key}]"
    yield from _wrap(visible(told), indent, 2)
    if step.rests:
        yield from _wrap(step.rests, indent + 2, 2)
    for seen in step.seen:
        yield from _wrap(f"seen in {visible(seen)}", indent + 2, 2)
    if step.flags:
        yield from _wrap("flags: " + ", ".join(step.flags), indent + 2, 2)


def _section(title: str, lines: tuple[Line, ...], none: str = "") -> Iterator[str]:
    if not lines:
        if none:
            yield f"{title}: {none}"
        return
    yield title
    for line in lines:
        yield from _wrap(f"{visible(line.text)}  [{line.key}]", 2, 2)
        if line.detail:
            yield from _wrap(visible(line.detail), 4, 2)


def _wrap(text: str, indent: int, hang: int) -> Iterator[str]:
    lead = " " * indent
    yield from textwrap.wrap(
        text,
        WIDTH,
        initial_indent=lead,
        subsequent_indent=lead + " " * hang,
        break_on_hyphens=False,
    ) or [lead]
