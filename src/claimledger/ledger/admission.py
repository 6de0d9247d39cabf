"""What a write is refused for, beyond the form of the record itself.

References must stand; parties and subjects nest without rings; only the claimant, or a party above or
below it, takes back or renews a claim; revisions make no ring. Every rule yields problems, so that a
file's faults are all told at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import select

from claimledger.errors import Problem
from claimledger.ledger.reading import records as reading
from claimledger.ledger.store.base import Store
from claimledger.ledger.tables import HISTORY, MIRRORS
from claimledger.records.claim import Claim
from claimledger.records.kinds import KINDS

Target = tuple[str, str]
"""A record that is pointed to: kind and key."""

LIVE = select(HISTORY.c.kind, HISTORY.c.key).where(
    HISTORY.c.until.is_(None), HISTORY.c.action.in_(("record", "amend"))
)

_OTHERS = select(HISTORY.c.kind, HISTORY.c.action, HISTORY.c.until)

NESTING = {"party": "part_of", "subject": "broader", "term": "broader"}
REVISIONS = ("updates", "retracts")


def missing_references(
    store: Store, wanted: Mapping[Target, list[Problem]], coming: Container[Target] = ()
) -> Iterator[Problem]:
    """Yield a problem for each place that points to what no live record answers to.

    ``coming`` are the records that are about to be written.
    """
    live = set(store.tuples_by(LIVE, HISTORY.c.key, dict.fromkeys(key for _, key in wanted)))
    by_kind: dict[str, list[str]] = defaultdict(list)
    for kind, key in wanted:
        if (kind, key) not in live:
            by_kind[kind].append(key)
    for kind, absent in by_kind.items():
        replaced = reading.replacements(store, kind, absent)
        for key in absent:
            if key not in replaced:
                what = _missing(store, kind, key, coming)
                for place in wanted[kind, key]:
                    told = replace(what, field=place.field)
                    yield told.at(file=place.file, line=place.line, record=place.record)


def _missing(store: Store, kind: str, key: str, coming: Container[Target]) -> Problem:
    rows = store.tuples_by(_OTHERS, HISTORY.c.key, [key])
    actual = next((other for other in KINDS if (other, key) in coming), None) or next(
        (held for held, action, until in rows if until is None and action in ("record", "amend")),
        None,
    )
    if any(held == kind for held, *_ in rows):
        message, expected = f"the {kind} {key} was withdrawn", "point to a record that stands"
    elif actual is not None:
        message, expected = f"is a {actual}, not a {kind}", f"give a {kind}'s key"
    else:
        near = reading.near_keys(store, key, kind)
        message = f"no {kind} with this key"
        hint = f"did you mean {near[0]}? " if near else ""
        expected = f"{hint}record the {kind} first, or in the same file".strip()
    return Problem(message, value=key, expected=expected)


class Revision(NamedTuple):
    """A link by which a claim renews or takes back another."""

    type: str
    from_: str
    to: str


def rings_of_nesting(store: Store, nested: Mapping[str, Mapping[str, str]]) -> Iterator[Problem]:
    """Yield a problem for each record that would be part of itself.

    ``nested`` gives by kind what each record is part of.
    """
    for kind, parents in nested.items():
        field = NESTING[kind]
        climbed: dict[str, str | None] = dict(parents)
        ask = set(parents.values()) - climbed.keys()
        table = MIRRORS[kind]
        query = select(table.c.key, table.c[field]).where(table.c.until.is_(None))
        while ask:
            step = dict(store.tuples_by(query, table.c.key, sorted(ask)))
            climbed |= step
            ask = {parent for parent in step.values() if parent and parent not in climbed}
        for start in parents:
            ring = _ring_through(start, climbed)
            if ring:
                yield Problem(
                    "would be part of itself: " + " → ".join(ring),
                    field=field,
                    record=f"{kind} {start}",
                    expected="leave one of these out",
                )


def _ring_through(start: str, parents: Mapping[str, str | None]) -> list[str]:
    path, at = [start], parents.get(start)
    while at is not None and at != start and len(path) <= len(parents):
        path.append(at)
        at = parents.get(at)
    return [*path, start] if at == start else []


def faults_of_revisions(store: Store, revisions: Iterable[Revision]) -> Iterator[Problem]:
    """Yield a problem for each revision by a stranger, and for each ring of revisions."""
    revisions = list(revisions)
    if not revisions:
        return
    yield from _strangers(store, revisions)
    for kind in REVISIONS:
        new = [(link.from_, link.to) for link in revisions if link.type == kind]
        edges = _revisions_beyond(store, kind, new)
        ring = _ring_among(edges, {older for _, older in new})
        if ring:
            yield Problem(
                f"a ring of `{kind}` would close: " + " → ".join(ring),
                record=f"link {kind} {ring[0]} {ring[1]}",
                expected=f"each claim {kind} an older one: withdraw the link that points forward",
            )


def _strangers(store: Store, links: list[Revision]) -> Iterator[Problem]:
    ends = {key for link in links for key in (link.from_, link.to)}
    held = reading.held(store, "claim", ends)
    resolved = reading.replacements(store, "claim", [key for key in ends if key not in held])
    held |= {
        key: found[to]
        for key, to in resolved.items()
        if to in (found := reading.held(store, "claim", [to]))
    }
    claimants = {
        key: set(one.record.claimant) for key, one in held.items() if isinstance(one.record, Claim)
    }
    above = parties_above(store, {party for listed in claimants.values() for party in listed})
    for link in links:
        new, old = claimants.get(link.from_, set()), claimants.get(link.to, set())
        related = any(
            one == other or one in above[other] or other in above[one]
            for one in new
            for other in old
        )
        if new and old and not related:
            right = "contradicts" if link.type == "retracts" else "contradicts` or `answers"
            yield Problem(
                f"{', '.join(sorted(new))} cannot {link.type.rstrip('s')} what "
                f"{', '.join(sorted(old))} said; only the claimant, or a party above or below it, can",
                field="type",
                record=f"link {link.type} {link.from_} {link.to}",
                expected=f"between rivals the link is `{right}`",
            )


def parties_above(store: Store, keys: Iterable[str]) -> dict[str, set[str]]:
    """Return for each party the parties it is part of, near and far."""
    table = MIRRORS["party"]
    query = select(table.c.key, table.c.part_of).where(table.c.until.is_(None))
    parents: dict[str, str | None] = {}
    ask = set(keys)
    wanted = set(ask)
    while ask:
        parents |= dict(store.tuples_by(query, table.c.key, sorted(ask)))
        ask = {parent for parent in parents.values() if parent and parent not in parents} - ask
    above: dict[str, set[str]] = {}
    for key in wanted:
        found: set[str] = set()
        at = parents.get(key)
        while at is not None and at not in found:
            found.add(at)
            at = parents.get(at)
        above[key] = found
    return above


def _revisions_beyond(store: Store, kind: str, new: list[tuple[str, str]]) -> dict[str, set[str]]:
    """Return the revisions of a kind that can be reached from the new ones, newer to older."""
    table = MIRRORS["link"]
    query = select(table.c["from"], table.c.to_key).where(
        table.c.until.is_(None), table.c.type == kind
    )
    edges: dict[str, set[str]] = defaultdict(set)
    for newer, older in new:
        edges[newer].add(older)
    ask = {older for _, older in new}
    seen: set[str] = set()
    while ask:
        seen |= ask
        pointing = reading.referrers(store, "claim", ask)
        entries = [r.entry for listed in pointing.values() for r in listed if r.field == "from"]
        for newer, older in store.tuples_by(query, table.c.entry, entries):
            edges[newer].add(older)
        ask = {older for newer in ask for older in edges.get(newer, ())} - seen
    return edges


def _ring_among(edges: Mapping[str, set[str]], starts: Iterable[str]) -> list[str]:
    """Return a ring reachable from the starts, closed, or nothing."""
    done: set[str] = set()
    for start in sorted(starts):
        path: list[str] = []
        stack: list[tuple[str, bool]] = [(start, False)]
        on_path: set[str] = set()
        while stack:
            key, leaving = stack.pop()
            if leaving:
                on_path.discard(path.pop())
                done.add(key)
                continue
            if key in on_path:
                return [*path[path.index(key) :], key]
            if key in done:
                continue
            path.append(key)
            on_path.add(key)
            stack.append((key, True))
            stack.extend((older, False) for older in sorted(edges.get(key, ())))
    return []
