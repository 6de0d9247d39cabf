"""The suggestions that the prompt of ``record`` makes, and the draft that it saves.

A :class:`Draft` has the answers so far. The prompt suggests the figures and dates in the statement, parties,
sources and subjects that match the typed letters, and those of the newest claim. After every answer it saves
the draft in the user's state folder, so that an interrupted dialogue can continue later. It writes nothing to
the ledger before the user confirms.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claimledger.errors import ParseError
from claimledger.records.claim import Claim
from claimledger.records.dates import Date
from claimledger.records.keys import slug
from claimledger.records.number_words import find_values
from claimledger.text.fold import words_of

if TYPE_CHECKING:
    from claimledger.ledger import Ledger, StoredRecord

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_GAP = r"\s{1,3}"
_DATES = re.compile(  # the length of every part is limited, so that a search takes linear time
    rf"between{_GAP}.{{3,20}}?\d{{4}}{_GAP}and{_GAP}.{{3,20}}?\d{{4}}|"
    rf"(?<![a-z])(?:(?:as of|since|late|early|mid|circa){_GAP})?"
    rf"(?:\d{{1,2}}{_GAP}{_MONTH}{_GAP}\d{{4}}|{_MONTH}{_GAP}\d{{1,2}},?{_GAP}\d{{4}}|{_MONTH}{_GAP}\d{{4}}|"
    rf"\d{{4}}-\d\d(?:-\d\d)?|\d{{4}}年(?:\d{{1,2}}月(?:\d{{1,2}}日)?)?|"
    rf"(?:in|since|by|late|early|mid|circa){_GAP}(?:1[89]|20)\d\d)",
    re.IGNORECASE,
)


@dataclass
class Draft:
    """An unfinished claim: its fields as a case file has them, and the new records that it refers to."""

    fields: dict[str, Any] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the draft as the object that is saved."""
        return {"fields": self.fields, "made": self.records}


class DraftFile:
    """The file with the draft of one ledger, which exists until the claim is written."""

    def __init__(self, ledger: str) -> None:
        state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
        name = hashlib.sha256(str(Path(ledger).absolute()).encode()).hexdigest()[:16]
        self._path = Path(state) / "claimledger" / f"draft-{name}.json"

    def load(self) -> Draft | None:
        """Return the saved draft, or ``None`` if there is none or it cannot be read."""
        try:
            saved = json.loads(self._path.read_text("utf-8"))
            return Draft(dict(saved["fields"]), list(saved["made"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, draft: Draft) -> bool:
        """Save the draft; return whether it could be saved."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_suffix(".new")
            temporary.unlink(missing_ok=True)
            # A draft is as confidential as the ledger, so only its author may read it.
            with open(
                os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600),
                "w",
                encoding="utf-8",
            ) as file:
                json.dump(draft.as_json(), file, ensure_ascii=False)
            temporary.replace(self._path)
        except OSError:
            return False
        return True

    def discard(self) -> None:
        """Delete the saved draft, if there is one."""
        self._path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class ProposedFigure:
    """A number in a statement, with the noun after it."""

    value: str
    measure: str


def proposed_figures(statement: str) -> list[ProposedFigure]:
    """Return the figures in a statement: each number with the noun that follows it."""
    dates = [match.span() for match in _DATES.finditer(statement)]
    figures = []
    for value in find_values(statement):
        if any(start < value.end and value.start < end for start, end in dates):
            continue
        wording = statement[value.start : value.end]
        nouns = re.match(
            r"\s*([^\W\d_][^\s,.;:()]*)(?:\s+([^\W\d_][^\s,.;:()]*))?", statement[value.end :]
        )
        if nouns is None:
            continue
        measure = nouns[1]
        if nouns[2] and measure.endswith(_ADJECTIVES) and nouns[2].lower() not in _STOPS:
            measure = f"{measure} {nouns[2]}"
        if measure.lower() not in _STOPS:
            figures.append(ProposedFigure(wording.strip(), measure))
    return figures


_ADJECTIVES = ("ed", "al", "ous", "ese", "ish", "ive", "ic", "ary")
_STOPS = frozenset(
    "of in on at to and or by the a an as from per with years year was were is".split()
)


def proposed_dates(statement: str) -> list[Date]:
    """Return the dates in a statement, in order."""
    dates = []
    for match in _DATES.finditer(statement):
        words = re.sub(r"^(in|by)\s+", "", match.group(), flags=re.IGNORECASE)
        try:
            dates.append(Date.of(words))
        except ParseError:
            continue
    return dates


def matches(ledger: Ledger, kind: str, typed: str, limit: int = 7) -> list[StoredRecord]:
    """Return at most ``limit`` records of a kind that match a few typed letters, the best match first."""
    exact = ledger.get_all(kind, [typed.strip()])
    matching = {stored.key: stored for stored in exact.values()}
    for match in ledger.search(typed, kinds=(kind,), limit=limit):
        matching.setdefault(match.stored.key, match.stored)
    prefix = slug(typed)
    if prefix:
        keys = [key for key in ledger.keys(kind) if key.startswith(prefix)][:limit]
        for key, stored in ledger.get_all(kind, keys).items():
            matching.setdefault(key, stored)
    return list(matching.values())[:limit]


def last_used(ledger: Ledger) -> dict[str, str]:
    """Return the keys of the newest claim's claimant, subject and source; empty if there is no claim."""
    for key in reversed(ledger.keys("claim")[-1:]):
        claim = ledger.get("claim", key).record
        if isinstance(claim, Claim):
            return {
                "claimant": claim.claimant[0],
                "subject": claim.subject,
                "source": claim.citations[0].source,
            }
    return {}


def most_like(ledger: Ledger, statement: str, limit: int = 3) -> Iterator[StoredRecord]:
    """Yield the ``limit`` claims most similar to a statement, by its rarest words and its measures."""
    words = words_of(statement)
    similar = ledger.get_all("claim", ledger.similar_claims(statement, 40))

    def score(place: int, stored: StoredRecord) -> float:
        claim = stored.record
        assert isinstance(claim, Claim)
        shared = len(set(words) & set(words_of(claim.statement))) / (1 + len(set(words)))
        counts = any(set(words_of(figure.measure)) <= set(words) for figure in claim.figures)
        return shared + (0.5 if counts else 0.0) - place / 1000

    ranked = sorted(
        enumerate(similar.values()),
        key=lambda pair: (-score(*pair), pair[1].entry),
    )
    yield from (stored for _, stored in ranked[:limit])


def free_key(ledger: Ledger, kind: str, name: str) -> str | None:
    """Return a key for a new record from its name; ``None`` if it would be too short or is in use."""
    key = slug(name)
    if len(key) < 2:
        return None
    in_use = any(entry.key == key for entry in ledger.history(key, kind))
    return None if in_use else key
