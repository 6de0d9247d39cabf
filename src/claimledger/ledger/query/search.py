"""Full-text search in any script: finds the records that contain some words, and marks the matches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select

from claimledger.ledger.query.records import StoredRecord, at_entries
from claimledger.ledger.query.snapshot import Snapshot
from claimledger.storage.compiled import cached_query
from claimledger.storage.tables import HISTORY, WORDS
from claimledger.text.fold import places_of, words_of

_RANKED = 1000
"""The newest matches, up to this number, are ranked. Ranking more would not change the first page."""


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A record that matches, its score, and its text with the most matches and their positions."""

    stored: StoredRecord
    score: float
    text: str
    marks: tuple[tuple[int, int], ...]


def phrases_of(query: str) -> list[list[str]]:
    """Return the phrases of a query: quoted words form one phrase, every other word one by itself.

    The last word, unless it is quoted, also matches the beginning of a longer word.
    """
    phrases: list[list[str]] = []
    for quoted, bare in re.findall(r'"([^"]*)"|([^\s"]+)', query):
        words = words_of(quoted or bare)
        if words:
            phrases.append(words)
    if phrases and not query.rstrip().endswith('"'):
        phrases[-1] = [*phrases[-1][:-1], phrases[-1][-1] + "*"]
    return phrases


def search(
    snapshot: Snapshot, query: str, *, kinds: Sequence[str] = (), limit: int = 20
) -> list[SearchHit]:
    """Return the live records that contain every phrase of a query, best first."""
    phrases = phrases_of(query)
    if not phrases:
        return []
    entries = list(snapshot.store.fulltext.matching(phrases, _RANKED))
    query_of_words = snapshot.live(_words(tuple(kinds)), HISTORY)
    folded = snapshot.store.select_in(query_of_words, WORDS.c.entry, sorted(entries))
    scores = {entry: _score(words, phrases) for entry, words in folded}
    best = sorted(scores, key=lambda entry: (-scores[entry], entry))[:limit]
    records = at_entries(snapshot.store, best)
    return [_hit(records[entry], scores[entry], phrases) for entry in best]


def _score(words: str, phrases: Sequence[Sequence[str]]) -> float:
    """Return the score of a record: the share of its words that match, and how early the first match is."""
    padded = f" {words} "
    hits, first = 0, len(padded)
    for phrase in phrases:
        needle = f" {' '.join(phrase).rstrip('*')}" + ("" if phrase[-1].endswith("*") else " ")
        hits += padded.count(needle)
        first = min(first, padded.find(needle) % (len(padded) + 1))
    return hits / (1 + words.count(" ")) + 1 / (2 + first)


_COMMON = 400
"""The newest records with a word, up to this number, are compared; a more common word says little."""


def similar_claims(snapshot: Snapshot, statement: str, limit: int) -> list[str]:
    """Return the keys of the live claims that share a statement's rarest words, most similar first."""
    words = [
        word for word in dict.fromkeys(words_of(statement)) if len(word) > 2 or word.isdecimal()
    ]
    scores: dict[int, float] = {}
    for word in sorted(words, key=len, reverse=True)[:16]:
        entries = list(snapshot.store.fulltext.matching([[word]], _COMMON))
        for entry in entries:
            scores[entry] = scores.get(entry, 0.0) + 1 / (1 + len(entries))
    best = sorted(scores, key=lambda entry: (-scores[entry], -entry))[: 4 * limit]
    live = snapshot.live(_CLAIMS, HISTORY)
    keys: dict[int, str] = dict(snapshot.store.select_in(live, HISTORY.c.entry, best))
    return [keys[entry] for entry in best if entry in keys][:limit]


_CLAIMS = select(HISTORY.c.entry, HISTORY.c.key).where(HISTORY.c.kind == "claim")


@cached_query
def _words(kinds: tuple[str, ...]) -> Select[Any]:
    query = select(WORDS.c.entry, WORDS.c.words).join(HISTORY, HISTORY.c.entry == WORDS.c.entry)
    return query.where(HISTORY.c.kind.in_(kinds)) if kinds else query


def _hit(stored: StoredRecord, score: float, phrases: Sequence[Sequence[str]]) -> SearchHit:
    """Return a hit with the text of the record that has the most matches."""
    marked = [(text, tuple(sorted(marks_in(text, phrases)))) for text in _texts(stored)]
    text, marks = max(marked, key=lambda pair: len(pair[1]), default=(stored.record.named, ()))
    return SearchHit(stored=stored, score=score, text=text, marks=marks)


def _texts(stored: StoredRecord) -> Iterator[str]:
    for name in stored.record.searched:
        value = getattr(stored.record, name)
        if isinstance(value, str):
            yield value
        elif value:
            yield from value


def marks_in(text: str, phrases: Sequence[Sequence[str]]) -> Iterator[tuple[int, int]]:
    """Yield the positions of the phrases in a text, as ranges of characters."""
    places = list(places_of(text))
    for phrase in phrases:
        words = [word.rstrip("*") for word in phrase]
        open_end = phrase[-1].endswith("*")
        for start in range(len(places) - len(words) + 1):
            window = [place.word for place in places[start : start + len(words)]]
            begins = window[:-1] == words[:-1] and window[-1].startswith(words[-1])
            if begins and (open_end or window[-1] == words[-1]):
                yield places[start].start, places[start + len(words) - 1].end
