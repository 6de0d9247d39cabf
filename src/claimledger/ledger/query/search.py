"""Full-text search in any script: which records hold the words, best first, with the match marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select

from claimledger.ledger.query import records as reading
from claimledger.ledger.query.records import StoredRecord
from claimledger.ledger.query.time_travel import Known, standing_at
from claimledger.storage.base import Store
from claimledger.storage.compiled import kept
from claimledger.storage.tables import HISTORY, WORDS
from claimledger.text.fold import places_of, words_of

_RANKED = 1000
"""Matches that are ranked: the newest so many. Ranking more would not change what a person reads."""


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A record that matches, its score, and the text with the places that match."""

    held: StoredRecord
    score: float
    text: str
    marks: tuple[tuple[int, int], ...]


def phrases_of(query: str) -> list[list[str]]:
    """Return a query's phrases: words in quotes together, each other word alone, runs of signs as one.

    The last word, where it is not quoted, also matches as the beginning of a longer one.
    """
    found: list[list[str]] = []
    for quoted, bare in re.findall(r'"([^"]*)"|([^\s"]+)', query):
        words = words_of(quoted or bare)
        if words:
            found.append(words)
    if found and not query.rstrip().endswith('"'):
        found[-1] = [*found[-1][:-1], found[-1][-1] + "*"]
    return found


def search(
    store: Store,
    query: str,
    *,
    kinds: Sequence[str] = (),
    known_at: Known = None,
    most: int = 20,
) -> list[SearchHit]:
    """Return the records that hold every phrase of a query, best first."""
    phrases = phrases_of(query)
    if not phrases:
        return []
    entries = list(store.matching(phrases, _RANKED))
    folded = store.select_in(_live(tuple(kinds), known_at), WORDS.c.entry, sorted(entries))
    scores = {entry: _score(words, phrases) for entry, words in folded}
    best = sorted(scores, key=lambda entry: (-scores[entry], entry))[:most]
    found = reading.at_entries(store, best)
    return [_match(found[entry], scores[entry], phrases) for entry in best]


def _score(words: str, phrases: Sequence[Sequence[str]]) -> float:
    """Rank a record by its folded words alone: how much of it is asked for, and how near its beginning."""
    padded = f" {words} "
    hits, first = 0, len(padded)
    for phrase in phrases:
        sought = f" {' '.join(phrase).rstrip('*')}" + ("" if phrase[-1].endswith("*") else " ")
        hits += padded.count(sought)
        first = min(first, padded.find(sought) % (len(padded) + 1))
    return hits / (1 + words.count(" ")) + 1 / (2 + first)


_COMMON = 400
"""Newest records that hold a word which are looked at; a word that more hold tells little."""


def similar_claims(store: Store, statement: str, most: int, known_at: Known = None) -> list[str]:
    """Return the keys of the claims that share a statement's rarest words, the likest first."""
    words = [
        word for word in dict.fromkeys(words_of(statement)) if len(word) > 2 or word.isdecimal()
    ]
    scores: dict[int, float] = {}
    for word in sorted(words, key=len, reverse=True)[:16]:
        entries = list(store.matching([[word]], _COMMON))
        for entry in entries:
            scores[entry] = scores.get(entry, 0.0) + 1 / (1 + len(entries))
    best = sorted(scores, key=lambda entry: (-scores[entry], -entry))[: 4 * most]
    keys: dict[int, str] = dict(store.select_in(_claims(known_at), HISTORY.c.entry, best))
    return [keys[entry] for entry in best if entry in keys][:most]


@kept
def _claims(known_at: Known) -> Select[Any]:
    query = select(HISTORY.c.entry, HISTORY.c.key)
    return query.where(HISTORY.c.kind == "claim", standing_at(HISTORY, known_at))


@kept
def _live(kinds: tuple[str, ...], known_at: Known) -> Select[Any]:
    query = select(WORDS.c.entry, WORDS.c.words).join(HISTORY, HISTORY.c.entry == WORDS.c.entry)
    query = query.where(standing_at(HISTORY, known_at))
    return query.where(HISTORY.c.kind.in_(kinds)) if kinds else query


def _match(held: StoredRecord, score: float, phrases: Sequence[Sequence[str]]) -> SearchHit:
    """Return a match with the text of the record in which most is marked."""
    marked = [(text, tuple(sorted(marks_in(text, phrases)))) for text in _texts(held)]
    text, marks = max(marked, key=lambda one: len(one[1]), default=(held.record.named, ()))
    return SearchHit(held, score, text, marks)


def _texts(held: StoredRecord) -> Iterator[str]:
    for name in held.record.searched:
        value = getattr(held.record, name)
        if isinstance(value, str):
            yield value
        elif value:
            yield from value


def marks_in(text: str, phrases: Sequence[Sequence[str]]) -> Iterator[tuple[int, int]]:
    """Yield where the phrases stand in a text, as character ranges."""
    places = list(places_of(text))
    for phrase in phrases:
        words = [word.rstrip("*") for word in phrase]
        open_end = phrase[-1].endswith("*")
        for start in range(len(places) - len(words) + 1):
            here = [place.word for place in places[start : start + len(words)]]
            begins = here[:-1] == words[:-1] and here[-1].startswith(words[-1])
            if begins and (open_end or here[-1] == words[-1]):
                yield places[start].start, places[start + len(words) - 1].end
