"""What a write is refused for, beyond the form of the record itself.

References must stand; parties and subjects nest without rings; only the claimant, or a party above or
below it, takes back or renews a claim; revisions make no ring. Every rule yields problems, so that a
file's faults are all told at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import select

from claimledger.errors import Problem
from claimledger.ledger.query import records
from claimledger.ledger.query.snapshot import Snapshot
from claimledger.records.claim import Claim
from claimledger.records.kinds import KINDS
from claimledger.storage.base import Store
from claimledger.storage.tables import HISTORY, MIRRORS

Target = tuple[str, str]
"""A record that is pointed to: kind and key."""

LIVE = select(HISTORY.c.kind, HISTORY.c.key).where(
    HISTORY.c.until.is_(None), HISTORY.c.action.in_(("record", "amend"))
)

_OTHERS = select(HISTORY.c.kind, HISTORY.c.action, HISTORY.c.until)

NESTING = {"party": "part_of", "subject": "broader", "term": "broader"}
REVISIONS = ("updates", "retracts")
RESTED_ON = {"claim": "claimant", **NESTING}
"""By kind the field whose change can break a rule, in the record itself or in records that refer to it."""


class EndedReference(NamedTuple):
    """A reference to a record that was withdrawn or never recorded, and the key that replaced it, if any."""

    kind: str
    key: str
    replaced_by: str | None


def blank_label(kind: str, fields: Mapping[str, Any]) -> Problem | None:
    """Return what is wrong if the text that names a record is only white space.

    No rule of the log's format: an older log may hold such a text.
    """
    label = KINDS[kind].label_field
    if isinstance(text := fields.get(label), str) and not text.strip():
        return Problem("is blank", label, expected="say what is meant")
    return None


def ended_references(store: Store, targets: Iterable[Target]) -> list[EndedReference]:
    """Return the references, out of those given, that no current record has the key of."""
    targets = dict.fromkeys(targets)
    live = set(store.select_in(LIVE, HISTORY.c.key, dict.fromkeys(key for _, key in targets)))
    by_kind: dict[str, list[str]] = defaultdict(list)
    for kind, key in targets:
        if (kind, key) not in live:
            by_kind[kind].append(key)
    references: list[EndedReference] = []
    for kind, keys in by_kind.items():
        replaced = records.replacements(Snapshot(store), kind, keys)
        references += [EndedReference(kind, key, replaced.get(key)) for key in keys]
    return references


def missing_references(
    store: Store,
    references: Iterable[EndedReference],
    places: Mapping[Target, list[Problem]],
    coming: Container[Target] = (),
) -> Iterator[Problem]:
    """Yield a problem for each place of a reference to a record that was not replaced.

    ``places`` has, by kind and key, the problem of each place with its message still empty; ``coming`` are
    the records that are about to be written.
    """
    for kind, key, replaced_by in references:
        if replaced_by is None:
            problem = _missing(store, kind, key, coming)
            for place in places[kind, key]:
                named = replace(problem, field=place.field)
                yield named.at(file=place.file, line=place.line, record=place.record)


def replacing_claims(references: Iterable[EndedReference]) -> set[str]:
    """Return the keys of the claims that replaced the target of a reference."""
    return {
        reference.replaced_by
        for reference in references
        if reference.kind == "claim" and reference.replaced_by
    }


def faults_of_merged_claims(store: Store, keys: Iterable[str]) -> Iterator[Problem]:
    """Yield a problem for each link whose two ends resolve to the same one of these claims."""
    for key, referrers in records.references_to(Snapshot(store), "claim", keys).items():
        links = [referrer for referrer in referrers if referrer.kind == "link"]
        sources = {link.key for link in links if link.field == "from"}
        targets = {link.key for link in links if link.field == "to"}
        for link in sorted(sources & targets):
            yield Problem(
                f"would link the claim {key} with itself",
                record=f"link {link}",
                expected="withdraw the link first, or leave it out",
            )


def _missing(store: Store, kind: str, key: str, coming: Container[Target]) -> Problem:
    rows = store.select_in(_OTHERS, HISTORY.c.key, [key])
    actual = next(
        (other_kind for other_kind in KINDS if (other_kind, key) in coming), None
    ) or next(
        (
            row_kind
            for row_kind, action, until in rows
            if until is None and action in ("record", "amend")
        ),
        None,
    )
    if any(row_kind == kind for row_kind, *_ in rows):
        message, expected = f"the {kind} {key} was withdrawn", "point to a record that stands"
    elif actual is not None:
        message, expected = f"is a {actual}, not a {kind}", f"give a {kind}'s key"
    else:
        near = records.near_keys(Snapshot(store), key, kind)
        message = f"no {kind} with this key"
        hint = f"did you mean {near[0]}? " if near else ""
        expected = f"{hint}record the {kind} first, or in the same file".strip()
    return Problem(message, value=key, expected=expected)


class Revision(NamedTuple):
    """A link by which a claim renews or takes back another."""

    type: str
    from_: str
    to: str


def rings_of_nesting(store: Store, nested: Mapping[str, Collection[str]]) -> Iterator[Problem]:
    """Yield a problem for each of these records, given by kind and key, that is stored as part of itself."""
    for kind, keys in nested.items():
        parents = _parents(store, kind, keys)
        for start in keys:
            ring = _ring_through(start, parents)
            if ring:
                yield Problem(
                    "would be part of itself: " + " → ".join(ring),
                    field=NESTING[kind],
                    record=f"{kind} {start}",
                    expected="leave one of these out",
                )


def _parents(store: Store, kind: str, keys: Iterable[str]) -> dict[str, str | None]:
    """Return the parent of each record and its ancestors; a replaced key has its replacement as parent."""
    table = MIRRORS[kind]
    query = select(table.c.key, table.c[NESTING[kind]]).where(table.c.until.is_(None))
    parents: dict[str, str | None] = {}
    ask = set(keys)
    while ask:
        step: dict[str, str | None] = dict(store.select_in(query, table.c.key, sorted(ask)))
        withdrawn = ask - step.keys()
        if withdrawn:
            step |= records.replacements(Snapshot(store), kind, withdrawn)
        parents |= step
        ask = {parent for parent in step.values() if parent and parent not in parents}
    return parents


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
    names = _resolved(store, "claim", {key for link in revisions for key in (link.from_, link.to)})
    yield from _strangers(store, revisions, names)
    for kind in REVISIONS:
        ends = [(names[link.from_], names[link.to]) for link in revisions if link.type == kind]
        # A link of a claim with itself is reported by `faults_of_merged_claims`.
        new = [(newer, older) for newer, older in ends if newer != older]
        edges = _revisions_beyond(store, kind, new)
        ring = _ring_among(edges, {older for _, older in new})
        if ring:
            yield Problem(
                f"a ring of `{kind}` would close: " + " → ".join(ring),
                record=f"link {kind} {ring[0]} {ring[1]}",
                expected=f"each claim {kind} an older one: withdraw the link that points forward",
            )


def _resolved(store: Store, kind: str, keys: Iterable[str]) -> dict[str, str]:
    """Return for each key the key it resolves to: itself, or the key of the record that replaced it."""
    unchanged = {key: key for key in keys}
    return unchanged | records.replacements(Snapshot(store), kind, unchanged)


def _strangers(store: Store, links: list[Revision], names: Mapping[str, str]) -> Iterator[Problem]:
    claims = {
        key: stored.record
        for key, stored in records.records_by_key(
            Snapshot(store), "claim", set(names.values())
        ).items()
        if isinstance(stored.record, Claim)
    }
    parties = _resolved(
        store, "party", {party for claim in claims.values() for party in claim.claimant}
    )
    claimants = {key: {parties[party] for party in claim.claimant} for key, claim in claims.items()}
    above = parties_above(store, parties.values())
    for link in links:
        new = claimants.get(names[link.from_], set())
        old = claimants.get(names[link.to], set())
        related = any(
            input_ == old_claimant or input_ in above[old_claimant] or old_claimant in above[input_]
            for input_ in new
            for old_claimant in old
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
    children = set(keys)
    parents = _parents(store, "party", children)
    above: dict[str, set[str]] = {}
    for key in children:
        ancestors: set[str] = set()
        at = parents.get(key)
        while at is not None and at not in ancestors:
            ancestors.add(at)
            at = parents.get(at)
        above[key] = ancestors
    return above


def faults_of_changes(store: Store, changed: Mapping[str, Collection[str]]) -> Iterator[Problem]:
    """Yield a problem for each rule that changed records, or the records that refer to them, now break.

    ``changed`` has keys by kind: of claims with new claimants, of records with a new parent, and of records
    that replaced another. The changes must be in the store.
    """
    yield from rings_of_nesting(
        store, {kind: keys for kind, keys in changed.items() if kind in NESTING}
    )
    claims = set(changed.get("claim", ()))
    yield from faults_of_merged_claims(store, claims)
    claims |= _said_by(store, changed.get("party", ()))
    yield from faults_of_revisions(store, _revisions_at(store, claims))


def _said_by(store: Store, parties: Iterable[str]) -> set[str]:
    """Return the claims of parties and of all that are part of them."""
    claims: set[str] = set()
    ask, seen = set(parties), set[str]()
    while ask:
        seen |= ask
        pointing = records.references_to(Snapshot(store), "party", ask)
        near = [reference for references in pointing.values() for reference in references]
        claims |= {
            reference.key
            for reference in near
            if (reference.kind, reference.field) == ("claim", "claimant")
        }
        ask = {
            reference.key
            for reference in near
            if (reference.kind, reference.field) == ("party", "part_of")
        } - seen
    return claims


def _revisions_at(store: Store, claims: Iterable[str]) -> list[Revision]:
    """Return the revisions that begin or end at these claims."""
    pointing = records.references_to(Snapshot(store), "claim", claims)
    entries = {
        reference.entry
        for references in pointing.values()
        for reference in references
        if reference.kind == "link"
    }
    table = MIRRORS["link"]
    query = select(table.c.entry, table.c.type, table.c["from"], table.c.to_key)
    query = query.where(table.c.type.in_(REVISIONS)).order_by(table.c.entry)
    return [Revision(*row) for _, *row in store.select_in(query, table.c.entry, sorted(entries))]


def _revisions_beyond(store: Store, kind: str, new: list[tuple[str, str]]) -> dict[str, set[str]]:
    """Return the revisions of a kind that can be reached from the new ones, newer to older."""
    table = MIRRORS["link"]
    query = select(table.c.entry, table.c.to_key).where(
        table.c.until.is_(None), table.c.type == kind
    )
    edges: dict[str, set[str]] = defaultdict(set)
    for newer, older in new:
        edges[newer].add(older)
    ask = {older for _, older in new}
    seen: set[str] = set()
    while ask:
        seen |= ask
        newer_of = {
            reference.entry: newer
            for newer, pointing in records.references_to(Snapshot(store), "claim", ask).items()
            for reference in pointing
            if (reference.kind, reference.field) == ("link", "from")
        }
        links = store.select_in(query, table.c.entry, list(newer_of))
        names = _resolved(store, "claim", {older for _, older in links})
        for entry, older in links:
            edges[newer_of[entry]].add(names[older])
        ask = set(names.values()) - seen
    return edges


def _ring_among(edges: Mapping[str, set[str]], starts: Iterable[str]) -> list[str]:
    """Return a cycle that can be reached from the starts, closed, or nothing."""
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
