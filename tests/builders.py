"""Build small cases from a compact notation, record them in a real ledger and summarise the analysis.

A claim is written ``key: claimant grounds @source`` and a link ``from type to``. A cited source is
published by the claimant unless ``sources`` says otherwise.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from typing import Any

from backends import new_location
from claimledger.analysis.analysis import Analysis
from claimledger.analysis.graph import graph_of
from claimledger.ledger import Ledger, RecordInput
from claimledger.records.check import record_from

Records = list[dict[str, Any]]


def case(
    claims: Iterable[str],
    links: Iterable[str] = (),
    *,
    parties: Mapping[str, dict[str, Any]] | None = None,
    sources: Mapping[str, dict[str, Any]] | None = None,
    extra: Mapping[str, dict[str, Any]] | None = None,
) -> Records:
    """Return the records of a case, in the order in which they can be recorded.

    Several claimants are joined by ``+``; ``obs`` abbreviates the grounds ``observed``; a link to
    ``@source`` points to a source. Parties and sources that a claim names are added; ``parties`` and
    ``sources`` give them fields, and ``extra`` gives fields to claims, each by key.

        case(["a: mayor obs", "b: paper @article"], ["b contradicts a"])
    """
    parties, sources, extra = dict(parties or {}), dict(sources or {}), dict(extra or {})
    entities: Records = [{"kind": "subject", "key": "topic", "label": "the topic"}]
    claims_and_links: Records = []
    for notation in claims:
        key, _, rest = notation.partition(":")
        words = rest.split()
        cited = [word[1:] for word in words if word.startswith("@")] or [f"{key}-page"]
        plain = [word for word in words if not word.startswith("@")]
        claimants = plain[0].split("+")
        for claimant in claimants:
            parties.setdefault(claimant, {})
        for source in cited:
            sources.setdefault(source, {"publisher": claimants[0]})
        claim = {
            "kind": "claim", "key": key, "statement": f"{key} says so", "claimant": claimants,
            "subject": "topic", "citations": [{"source": source} for source in cited],
            **({"grounds": "observed" if plain[1] == "obs" else plain[1]} if len(plain) > 1 else {}),
        }  # fmt: skip
        claims_and_links.append({**claim, **extra.get(key, {})})
    for key, fields in parties.items():
        entities.append({"kind": "party", "key": key, "name": key, **fields})
    for key, fields in sources.items():
        entities.append({"kind": "source", "key": key, "title": key, **fields})
    for number, notation in enumerate(links, 1):
        from_, kind, to = notation.split()
        target: Any = {"source": to[1:]} if to.startswith("@") else to
        claims_and_links.append(
            {"kind": "link", "key": f"l{number}", "type": kind, "from": from_, "to": target}
        )
    return entities + claims_and_links


def record_all(ledger: Ledger, records: Records, by: str = "Tester") -> None:
    """Record plain dictionaries, all in one transaction."""
    ledger.import_records([RecordInput.of(record_from(record)) for record in records], by=by)


def analysis_of(ledger: Ledger, known_at: int | None = None, as_of: int | None = None) -> Analysis:
    """Return the analysis of a whole ledger, at the given entry and day."""
    return ledger.at(known_at=known_at, as_of=as_of).analysis()


def status_line(analysis: Analysis, key: str) -> str:
    """Return a claim's standing, range of origins and acceptability: ``contested 1..1 out``."""
    status = analysis.as_json(key)
    return (
        f"{status['standing']} {status['at_least']}..{status['at_most']} {status['acceptability']}"
    )


def status_lines(records: Records) -> dict[str, str]:
    """Record a case and return the status line of each claim.

    Check also that the analysis of a claim's neighbourhood gives the same line as that of the whole ledger.
    """
    with tempfile.TemporaryDirectory() as folder, Ledger.create(new_location(folder)) as ledger:
        record_all(ledger, records)
        analysis = analysis_of(ledger)
        lines = {key: status_line(analysis, key) for key in analysis.graph.claims}
        for key, line in lines.items():
            neighbourhood = Analysis(graph_of(ledger.neighbourhood([key])))
            assert status_line(neighbourhood, key) == line, (
                f"{key}: neighbourhood and ledger differ"
            )
        return lines
