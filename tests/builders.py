"""Small cases drawn in a few words, recorded in a real ledger, and the answers about them.

A claim is ``key: claimant grounds @source``; a source belongs to the claimant unless told otherwise.
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
    """Return the records of a drawn case. ``extra`` adds fields to claims by key."""
    parties, sources, extra = dict(parties or {}), dict(sources or {}), dict(extra or {})
    created: Records = [{"kind": "subject", "key": "topic", "label": "the topic"}]
    messages: Records = []
    for drawn in claims:
        key, _, rest = drawn.partition(":")
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
        messages.append({**claim, **extra.get(key, {})})
    for key, fields in parties.items():
        created.append({"kind": "party", "key": key, "name": key, **fields})
    for key, fields in sources.items():
        created.append({"kind": "source", "key": key, "title": key, **fields})
    for number, drawn in enumerate(links, 1):
        from_, kind, to = drawn.split()
        target: Any = {"source": to[1:]} if to.startswith("@") else to
        messages.append(
            {"kind": "link", "key": f"l{number}", "type": kind, "from": from_, "to": target}
        )
    return created + messages


def record_all(ledger: Ledger, records: Records, by: str = "Tester") -> None:
    """Record plain objects."""
    ledger.import_records([RecordInput.of(record_from(record)) for record in records], by=by)


def analysis_of(ledger: Ledger, known_at: int | None = None, as_of: int | None = None) -> Analysis:
    """Return the answers about a whole ledger."""
    return ledger.at(known_at=known_at, as_of=as_of).analysis()


def status_line(answers: Analysis, key: str) -> str:
    """Return the four answers about a claim in one line: ``contested 1..1 out``."""
    record = answers.as_json(key)
    return (
        f"{record['standing']} {record['at_least']}..{record['at_most']} {record['acceptability']}"
    )


def status_lines(records: Records) -> dict[str, str]:
    """Record a case and return each claim's answers, the same from the whole and from its part."""
    with tempfile.TemporaryDirectory() as folder, Ledger.create(new_location(folder)) as ledger:
        record_all(ledger, records)
        analysis = analysis_of(ledger)
        answers = {key: status_line(analysis, key) for key in analysis.graph.claims}
        for key, line in answers.items():
            part = Analysis(graph_of(ledger.neighbourhood([key])))
            assert status_line(part, key) == line, f"{key}: the part and the whole differ"
        return answers
