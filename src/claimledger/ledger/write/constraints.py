"""The rules of a write that span several records; the form of each record is checked elsewhere.

A reference must lead to a live record. Parties, subjects and terms nest without cycles. Only the claimant,
or a party above or below it, can update or retract a claim, and revisions form no cycle. Each rule yields
problems instead of raising an error, so that an import reports everything that is wrong with a file at once.
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
from claimledger.log.entry import WRITES_VERSION
from claimledger.records.claim import Claim
from claimledger.records.kinds import KINDS
from claimledger.records.link import LinkType
from claimledger.storage.base import Store
from claimledger.storage.tables import HISTORY, MIRRORS

Target = tuple[str, str]
"""Kind and key of a record that another refers to."""

# Built once: SQLAlchemy takes longer to build a query than a server to answer it, and writers wait meanwhile.
_LIVE = select(HISTORY.c.kind, HISTORY.c.key).where(
    HISTORY.c.ended_by.is_(None), HISTORY.c.action.in_(WRITES_VERSION)
)

_STATES = select(HISTORY.c.kind, HISTORY.c.action, HISTORY.c.ended_by)

_LINKS = MIRRORS["link"]

# By kind, the field that names the parent.
NESTING = {"party": "part_of", "subject": "broader", "term": "broader"}
REVISIONS = (LinkType.UPDATES, LinkType.RETRACTS)
RULE_FIELDS = {"claim": "claimant", **NESTING}
"""By kind, the field whose change can break a rule for the record itself or for records that refer to it."""

_STORED_REVISIONS = select(_LINKS.c.entry, _LINKS.c.type, _LINKS.c["from"], _LINKS.c.to_key).where(
    _LINKS.c.type.in_(REVISIONS)
)


class EndedReference(NamedTuple):
    """A reference to a record that was withdrawn or never recorded, and the key that replaced it, if any."""

    kind: str
    key: str
    replaced_by: str | None


def blank_label(kind: str, fields: Mapping[str, Any]) -> Problem | None:
    """Return a problem if the text that names a record is blank, else ``None``.

    This is not a rule of the log format, because older logs can contain such a text.
    """
    label = KINDS[kind].label_field
    if isinstance(text := fields.get(label), str) and not text.strip():
        return Problem("is blank", label, expected="enter a text that names the record")
    return None


def ended_references(store: Store, targets: Iterable[Target]) -> list[EndedReference]:
    """Return those of the targets that are not live records, each with the key that replaced it, if any."""
    targets = dict.fromkeys(targets)
    live = set(store.select_in(_LIVE, HISTORY.c.key, dict.fromkeys(key for _, key in targets)))
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
    incoming: Container[Target] = (),
) -> Iterator[Problem]:
    """Yield a problem for each place that refers to a record which is neither live nor replaced.

    ``places`` has, by target, a problem without a message for each place that refers to it. ``incoming`` are
    the records that are about to be written.
    """
    for kind, key, replaced_by in references:
        if replaced_by is None:
            in_file = any(place.file for place in places[kind, key])
            problem = _missing(store, kind, key, incoming, in_file=in_file)
            for place in places[kind, key]:
                with_field = replace(problem, field=place.field)
                yield with_field.at(file=place.file, line=place.line, record=place.record)


def replacing_claims(references: Iterable[EndedReference]) -> set[str]:
    """Return the keys of the claims to which references to replaced claims now resolve."""
    return {
        reference.replaced_by
        for reference in references
        if reference.kind == "claim" and reference.replaced_by
    }


def faults_of_merged_claims(store: Store, keys: Iterable[str]) -> Iterator[Problem]:
    """Yield a problem for each link that has the same claim, one of these, at both ends.

    That happens when the claim at one end is replaced by the claim at the other end.
    """
    for key, referrers in records.references_to(Snapshot(store), "claim", keys).items():
        links = [referrer for referrer in referrers if referrer.kind == "link"]
        sources = {link.key for link in links if link.field == "from"}
        targets = {link.key for link in links if link.field == "to"}
        for link in sorted(sources & targets):
            yield Problem(
                f"would link the claim {key} to itself",
                record=f"link {link}",
                expected="withdraw the link first, or leave it out",
            )


def _missing(
    store: Store, kind: str, key: str, incoming: Container[Target], *, in_file: bool
) -> Problem:
    """Return the problem of a reference whose target is not a live record of this kind."""
    rows = store.select_in(_STATES, HISTORY.c.key, [key])
    actual = next(
        (other_kind for other_kind in KINDS if (other_kind, key) in incoming), None
    ) or next(
        (
            row_kind
            for row_kind, action, ended_by in rows
            if ended_by is None and action in WRITES_VERSION
        ),
        None,
    )
    if any(row_kind == kind for row_kind, *_ in rows):
        message, expected = f"the {kind} {key} was withdrawn", f"refer to a {kind} that is live"
    elif actual is not None:
        message, expected = f"is a {actual}, not a {kind}", f"give the key of a {kind}"
    else:
        near = records.near_keys(Snapshot(store), key, kind)
        message = f"no {kind} with this key"
        hint = f"did you mean {near[0]}? " if near else ""
        expected = f"{hint}record the {kind} first{', or in the same file' if in_file else ''}"
    return Problem(message, value=key, expected=expected)


class Revision(NamedTuple):
    """A link by which one claim updates or retracts another."""

    type: str
    from_: str
    to: str


def nesting_cycles(store: Store, nested: Mapping[str, Collection[str]]) -> Iterator[Problem]:
    """Yield a problem for each of these records that is its own ancestor. ``nested`` has the keys by kind.

    The records must be in the store already.
    """
    for kind, keys in nested.items():
        parents = _parents(store, kind, keys)
        for start in keys:
            cycle = _cycle_through(start, parents)
            if cycle:
                yield Problem(
                    "would be part of itself: " + " → ".join(cycle),
                    field=NESTING[kind],
                    record=f"{kind} {start}",
                    expected=f"remove one `{NESTING[kind]}` of this cycle",
                )


def _parents(store: Store, kind: str, keys: Iterable[str]) -> dict[str, str | None]:
    """Return the parent of these records and of all their ancestors, one query for each level.

    A replaced key has its replacement as its parent.
    """
    table = MIRRORS[kind]
    query = select(table.c.key, table.c[NESTING[kind]]).where(table.c.ended_by.is_(None))
    parents: dict[str, str | None] = {}
    pending = set(keys)
    while pending:
        level: dict[str, str | None] = dict(store.select_in(query, table.c.key, sorted(pending)))
        withdrawn = pending - level.keys()
        if withdrawn:
            level |= records.replacements(Snapshot(store), kind, withdrawn)
        parents |= level
        pending = {parent for parent in level.values() if parent and parent not in parents}
    return parents


def _cycle_through(start: str, parents: Mapping[str, str | None]) -> list[str]:
    """Return the cycle of ancestors that leads from a key back to itself, or an empty list."""
    # The length is limited because the ancestors can run into a cycle that does not contain `start`.
    path, at = [start], parents.get(start)
    while at is not None and at != start and len(path) <= len(parents):
        path.append(at)
        at = parents.get(at)
    return [*path, start] if at == start else []


def faults_of_revisions(store: Store, revisions: Iterable[Revision]) -> Iterator[Problem]:
    """Yield a problem for each revision by an unrelated claimant, and for each cycle of revisions.

    The revisions must be in the store already.
    """
    revisions = list(revisions)
    if not revisions:
        return
    names = _resolved(store, "claim", {key for link in revisions for key in (link.from_, link.to)})
    yield from _unrelated_claimants(store, revisions, names)
    for kind in REVISIONS:
        ends = [(names[link.from_], names[link.to]) for link in revisions if link.type == kind]
        # `faults_of_merged_claims` reports a link from a claim to itself.
        new = [(newer, older) for newer, older in ends if newer != older]
        edges = _reachable_revisions(store, kind, new)
        cycle = _find_cycle(edges, {older for _, older in new})
        if cycle:
            yield Problem(
                f"the `{kind}` links would form a cycle: " + " → ".join(cycle),
                record=f"link {kind} {cycle[0]} {cycle[1]}",
                expected=f"a claim {kind} an older one: remove the link from the older claim",
            )


def _resolved(store: Store, kind: str, keys: Iterable[str]) -> dict[str, str]:
    """Return for each key the key it resolves to: itself, or the key of the record that replaced it."""
    unchanged = {key: key for key in keys}
    return unchanged | records.replacements(Snapshot(store), kind, unchanged)


def _unrelated_claimants(
    store: Store, links: list[Revision], names: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield a problem for each revision whose claimants neither are nor contain the claimants revised.

    ``names`` has the key to which each claim of the links resolves.
    """
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
            reviser == original or reviser in above[original] or original in above[reviser]
            for reviser in new
            for original in old
        )
        if new and old and not related:
            suitable = (
                "`contradicts`" if link.type == LinkType.RETRACTS else "`contradicts` or `answers`"
            )
            yield Problem(
                f"{', '.join(sorted(new))} cannot {link.type.rstrip('s')} what "
                f"{', '.join(sorted(old))} said; only the claimant, or a party above or below it, can",
                field="type",
                record=f"link {link.type} {link.from_} {link.to}",
                expected=f"between different claimants, use {suitable}",
            )


def parties_above(store: Store, keys: Iterable[str]) -> dict[str, set[str]]:
    """Return for each party all parties that it is part of, directly or indirectly."""
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

    ``changed`` has, by kind, the keys of claims with new claimants, of records with a new parent, and of
    records that replaced another. The changes must be in the store already.
    """
    yield from nesting_cycles(
        store, {kind: keys for kind, keys in changed.items() if kind in NESTING}
    )
    claims = set(changed.get("claim", ()))
    yield from faults_of_merged_claims(store, claims)
    claims |= _claims_of(store, changed.get("party", ()))
    yield from faults_of_revisions(store, _revisions_of(store, claims))


def _claims_of(store: Store, parties: Iterable[str]) -> set[str]:
    """Return the keys of the claims of these parties and of all parties within them."""
    claims: set[str] = set()
    pending, seen = set(parties), set[str]()
    while pending:
        seen |= pending
        by_party = records.references_to(Snapshot(store), "party", pending)
        references = [reference for group in by_party.values() for reference in group]
        claims |= {
            reference.key
            for reference in references
            if (reference.kind, reference.field) == ("claim", "claimant")
        }
        pending = {
            reference.key
            for reference in references
            if (reference.kind, reference.field) == ("party", "part_of")
        } - seen
    return claims


def _revisions_of(store: Store, claims: Iterable[str]) -> list[Revision]:
    """Return the revisions that have one of these claims at either end."""
    by_claim = records.references_to(Snapshot(store), "claim", claims)
    entries = {
        reference.entry
        for references in by_claim.values()
        for reference in references
        if reference.kind == "link"
    }
    rows = store.select_in(_STORED_REVISIONS, _LINKS.c.entry, sorted(entries))
    return [Revision(*row) for _, *row in sorted(rows)]


def _reachable_revisions(
    store: Store, kind: str, new: list[tuple[str, str]]
) -> dict[str, set[str]]:
    """Return the graph of revisions of a kind that can be reached from the new ones, newer to older claims.

    Only this part of the ledger is loaded, because a new cycle contains at least one new link.
    """
    query = select(_LINKS.c.entry, _LINKS.c.to_key).where(
        _LINKS.c.ended_by.is_(None), _LINKS.c.type == kind
    )
    edges: dict[str, set[str]] = defaultdict(set)
    for newer, older in new:
        edges[newer].add(older)
    pending = {older for _, older in new}
    seen: set[str] = set()
    while pending:
        seen |= pending
        newer_of = {
            reference.entry: newer
            for newer, references in records.references_to(
                Snapshot(store), "claim", pending
            ).items()
            for reference in references
            if (reference.kind, reference.field) == ("link", "from")
        }
        links = store.select_in(query, _LINKS.c.entry, list(newer_of))
        names = _resolved(store, "claim", {older for _, older in links})
        for entry, older in links:
            edges[newer_of[entry]].add(names[older])
        pending = set(names.values()) - seen
    return edges


def _find_cycle(edges: Mapping[str, set[str]], starts: Iterable[str]) -> list[str]:
    """Return a reachable cycle, closed with its first key; an empty list if there is none."""
    # A depth-first search with its own stack: chains of revisions can exceed Python's recursion limit.
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
