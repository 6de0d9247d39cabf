"""Compares the answers before and after a change, of the past or a hypothetical one.

Only the part of the ledger that the change can reach is loaded.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from claimledger.analysis.diff import AnalysisDiff, difference, remove_records
from claimledger.records.link import Link

if TYPE_CHECKING:
    from claimledger.ledger import InvalidRecord, Ledger, LedgerView, RecordInput
    from claimledger.records.graph_data import GraphData

Named = tuple[str, str]
"""A record by kind and key."""


def claims_affected(view: LedgerView, records: Iterable[Named]) -> set[str]:
    """Return the claims that some records affect: the claims among them, the ends of links, the claims that
    cite a source, and the claims by a party.
    """
    claims: set[str] = set()
    ask = {record for record in records if record[0] in _AFFECTING}
    seen: set[Named] = set()
    while ask:
        seen |= ask
        reached: set[Named] = set()
        for kind in {kind for kind, _ in ask}:
            keys = [key for of_kind, key in ask if of_kind == kind]
            if kind == "claim":
                claims.update(keys)
            elif kind == "link":
                reached |= _ends(view, keys)
            else:
                for references in view.references_to(kind, keys).values():
                    reached |= {
                        (reference.kind, reference.key)
                        for reference in references
                        if reference.kind in _AFFECTING
                    }
        ask = reached - seen
    return claims


_AFFECTING = ("claim", "link", "source", "party", "capture")


def _ends(view: LedgerView, keys: list[str]) -> set[Named]:
    ends: set[Named] = set()
    for stored in view.versions("link", keys):
        if isinstance(stored.record, Link):
            ends |= {("claim", stored.record.from_), (stored.record.to.kind, stored.record.to.key)}
    return ends


def what_if(
    view: LedgerView,
    removed: Iterable[Named],
    incoming: Iterable[RecordInput | InvalidRecord],
) -> AnalysisDiff:
    """Return what would change if some records did not exist and others did; nothing is written.

    Everything that refers to a removed record is removed with it, as `withdraw --cascade` does.
    """
    gone = view.dependents(removed)
    with _with_records(view, incoming) as (trial, written):
        keys = claims_affected(view, gone) | claims_affected(trial, written)
        before, after = _both_graphs(keys, view, trial)
    claims, links = (
        {key for kind, key in gone if kind == of_kind} for of_kind in ("claim", "link")
    )
    remaining = remove_records(after, claims, links)
    return difference(view.analysis_of(before), view.analysis_of(remaining))


@contextmanager
def _with_records(
    view: LedgerView, incoming: Iterable[RecordInput | InvalidRecord]
) -> Iterator[tuple[LedgerView, list[Named]]]:
    """Yield a view of a copy of the ledger with further records, and those records.

    Without further records, yield the view itself.
    """
    records = list(incoming)
    if not records:
        yield view, []
        return
    with (
        tempfile.TemporaryDirectory(prefix="claimledger-") as folder,
        _copy(view, Path(folder) / "trial.db") as copy,
    ):
        imported = copy.import_records(records, by="a trial")
        # In the copy the newest state counts: only the imported records are newer than the ledger.
        trial = copy.at(as_of=view.as_of, known_at=None if imported.written else view.known_at)
        yield trial, [(kind, key) for kind, key, _ in imported.written]


def _copy(view: LedgerView, path: Path) -> Ledger:
    from claimledger.ledger import Ledger  # late, as this loads the database

    view.copy_to(path)
    return Ledger.open(path, writable=True)


def _both_graphs(
    keys: set[str], left: LedgerView, right: LedgerView
) -> tuple[GraphData, GraphData]:
    """Return, for each of two states, the graph around all claims that ``keys`` reach in either state."""
    # A fixpoint: the two graphs must cover the same claims, or a claim that only one of them has would be
    # reported as changed. It ends because each round adds claims of a finite ledger.
    while True:
        before, after = left.neighbourhood(keys), right.neighbourhood(keys)
        reached = {*keys, *before.claims, *after.claims}
        for graph, view in ((before, left), (after, right)):
            # A critic of a source affects all claims that cite it, though no link joins them.
            criticised = {("source", link.to) for link in graph.links if link.to_kind == "source"}
            reached |= claims_affected(view, criticised)
        if reached == keys:
            return before, after
        # A link that only one state has reaches further in that state: look again from there.
        keys = reached


def changes(view: LedgerView, since: int) -> AnalysisDiff:
    """Return what changed between an entry and the view."""
    earlier = view.at(as_of=view.as_of, known_at=since)
    records = view.records_changed_since(since)
    if any(kind == "term" for kind, _ in records):
        # A term can change which claims say the same anywhere in the ledger, so compare all of it.
        return difference(earlier.analysis(), view.analysis())
    keys = claims_affected(view, records) | claims_affected(earlier, records)
    before, after = _both_graphs(keys, earlier, view)
    return difference(view.analysis_of(before), view.analysis_of(after))
