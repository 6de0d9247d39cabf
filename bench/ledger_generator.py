"""Ledgers of any size with the shape of the world, the same for the same seed.

Few sources are cited by many; reports run in cascades of repeats, most short, a few very long; most
disputes are of a few claims, one is of thousands; there are loops, amendments and withdrawals. A ledger
of a million claims is a hundred times one of ten thousand, not one with a hundred times larger disputes:
only the few largest things grow with it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from claimledger.importers.case_files import read_files
from claimledger.ledger import Ledger

WORDS = (
    "station office police report figure count city country government ministry survey census river "
    "bridge school budget water price export import worker patient vaccine forest border vessel "
    "harbour record letter statement witness court charge order permit licence audit island valley "
    "council region museum railway signal garden factory union strike harvest winter summer teacher"
).split()
GROUNDS = ("observed", "documents", "testimony", "analysis", "unstated")


class World:
    """Makes the records of one world, in an order in which they can be read in one go."""

    def __init__(self, claims: int, seed: int = 1) -> None:
        self.claims = claims
        self._chance = random.Random(seed)
        self._parties = max(20, claims // 100)
        self._sources = max(40, claims // 25)
        # Subjects have a few hundred claims whatever the size, and hang under a few wide ones.
        self._subjects = max(10, claims // 200)
        self._links = 0

    def records(self) -> Iterator[dict[str, Any]]:
        chance = self._chance
        for n in range(self._parties):
            above = {"part_of": f"p{chance.randrange(n)}"} if n and n % 7 == 0 else {}
            yield {
                "kind": "party",
                "key": f"p{n}",
                "name": f"Party {n} of the {chance.choice(WORDS)}",
                **above,
            }
        for n in range(self._sources):
            yield {
                "kind": "source", "key": f"s{n}", "title": f"{chance.choice(WORDS).title()} no. {n}",
                "publisher": f"p{n % self._parties}", "published": f"{2000 + n % 24}-{1 + n % 12:02}",
            }  # fmt: skip
        for n in range(self._subjects):
            above = {"broader": f"t{n % 10}"} if n >= 10 else {}
            yield {
                "kind": "subject",
                "key": f"t{n}",
                "label": f"Matter {n} of the {chance.choice(WORDS)}",
                **above,
            }
        links: list[dict[str, Any]] = []
        n = 0
        while n < self.claims:
            size = min(self._size(n), self.claims - n)
            yield from self._cluster(n, size, links)
            n += size
        yield from links

    def _size(self, n: int) -> int:
        """Most claims stand alone; some are a report with those that pass it on; one is very large."""
        chance = self._chance
        if n == 0:
            return max(50, self.claims // 200)
        if chance.random() < 0.93:
            return 1
        return min(400, 2 + int(chance.paretovariate(1.3)))

    def _cluster(
        self, first: int, size: int, links: list[dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        chance = self._chance
        subject, measure = f"t{chance.randrange(self._subjects)}", chance.choice(WORDS)
        number = chance.randrange(2, 90_000)
        words = chance.choices(WORDS, k=8)
        for n in range(first, first + size):
            rival = size > 2 and chance.random() < 0.08
            own = n == first or rival
            party = chance.randrange(self._parties)
            source = (
                party + self._parties * chance.randrange(3)
                if own
                else int(self._sources * chance.random() ** 4)
            )
            entry = number + chance.randrange(1, 999) if rival else number
            yield self._claim(n, party, source % self._sources, subject, measure, entry, words, own)
            if n == first:
                continue
            target = first if chance.random() < 0.4 else chance.randrange(max(first, n - 30), n)
            if rival:
                links.append(
                    self._link("contradicts" if chance.random() < 0.7 else "undercuts", n, target)
                )
            else:
                kind = "corroborates" if own or chance.random() < 0.05 else "repeats"
                links.append(self._link(kind, n, target))
        if size > 3 and chance.random() < 0.02:
            links.append(self._link("repeats", first, first + size - 1))  # a ring
        if size > 2 and chance.random() < 0.1:
            source = f"s{chance.randrange(self._sources)}"
            links.append({**self._link("undercuts", first + 1, first), "to": {"source": source}})

    def _claim(
        self,
        n: int,
        party: int,
        source: int,
        subject: str,
        measure: str,
        number: int,
        words: list[str],
        own: bool,
    ) -> dict[str, Any]:
        chance = self._chance
        output = " ".join(words if not own else chance.choices(WORDS, k=8))
        grounds = {"grounds": chance.choice(GROUNDS)} if own and chance.random() < 0.4 else {}
        return {
            "kind": "claim", "key": f"c{n}", "statement": f"{number:,} {measure}s: {output}.",
            "claimant": [f"p{party}"], "subject": subject,
            "asserted": f"{2000 + n % 24}-{1 + n % 12:02}-{1 + n % 28:02}", **grounds,
            "figures": [{"measure": measure, "low": str(number), "high": str(number), "qualifier": "exact"}],
            "citations": [{"source": f"s{source}"}],
        }  # fmt: skip

    def _link(self, kind: str, left: int, right: int) -> dict[str, Any]:
        self._links += 1
        return {"kind": "link", "key": f"l{self._links}", "type": kind, "from": f"c{left}", "to": f"c{right}",
                "basis": "judged"}  # fmt: skip


def build(path: Path, claims: int, seed: int = 1) -> None:
    """Build a ledger of a world, with one in a thousand claims amended and one in two thousand withdrawn."""
    case = path.with_suffix(".jsonl")
    with case.open("wb") as out:
        for record in World(claims, seed).records():
            out.write(orjson.dumps(record) + b"\n")
    chance = random.Random(seed)
    with Ledger.create(path) as ledger:
        ledger.import_records(read_files([str(case)]), by="bench")

        def change() -> None:
            for n in chance.sample(range(claims), claims // 1000):
                ledger.amend("claim", f"c{n}", {"note": "read again"}, by="bench", reason="a slip")
            for n in chance.sample(range(claims // 2, claims), claims // 2000):
                ledger.withdraw("claim", f"c{n}", by="bench", reason="a slip", cascade=True)

        ledger.transaction(change)
    case.unlink()
