"""Generates ledgers of any size with a realistic shape, always the same for one seed.

Few sources are cited by many claims. Reports spread in cascades of repeats, most short and a few very
long. Most disputes involve a few claims, one involves thousands. There are loops, amendments and
withdrawals. A ledger of a million claims is like a hundred ledgers of ten thousand, not like one with
disputes a hundred times larger: only the few largest structures grow with it.
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


class LedgerGenerator:
    """Generates the records of one ledger, each after the records that it refers to."""

    def __init__(self, claims: int, seed: int = 1) -> None:
        self.claims = claims
        self._rng = random.Random(seed)
        self._parties = max(20, claims // 100)
        self._sources = max(40, claims // 25)
        # A subject has a few hundred claims whatever the size, and lies under one of ten broad ones.
        self._subjects = max(10, claims // 200)
        self._links = 0

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the parties, sources, subjects and claims, then the links."""
        rng = self._rng
        for n in range(self._parties):
            part_of = {"part_of": f"p{rng.randrange(n)}"} if n and n % 7 == 0 else {}
            yield {
                "kind": "party", "key": f"p{n}", "name": f"Party {n} of the {rng.choice(WORDS)}", **part_of,
            }  # fmt: skip
        for n in range(self._sources):
            yield {
                "kind": "source", "key": f"s{n}", "title": f"{rng.choice(WORDS).title()} no. {n}",
                "publisher": f"p{n % self._parties}", "published": f"{2000 + n % 24}-{1 + n % 12:02}",
            }  # fmt: skip
        for n in range(self._subjects):
            broader = {"broader": f"t{n % 10}"} if n >= 10 else {}
            yield {
                "kind": "subject", "key": f"t{n}", "label": f"Matter {n} of the {rng.choice(WORDS)}",
                **broader,
            }  # fmt: skip
        links: list[dict[str, Any]] = []
        first = 0
        while first < self.claims:
            size = min(self._cluster_size(first), self.claims - first)
            yield from self._cluster(first, size, links)
            first += size
        yield from links

    def _cluster_size(self, first: int) -> int:
        """Return the size of the next cluster: a report with the claims that repeat or dispute it.

        Most claims are alone. The sizes of clusters follow a power law, and the first one is very large.
        """
        rng = self._rng
        if first == 0:
            return max(50, self.claims // 200)
        if rng.random() < 0.93:
            return 1
        return min(400, 2 + int(rng.paretovariate(1.3)))

    def _cluster(
        self, first: int, size: int, links: list[dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        """Yield the claims of a cluster, and append the links between them to ``links``."""
        rng = self._rng
        subject, measure = f"t{rng.randrange(self._subjects)}", rng.choice(WORDS)
        number = rng.randrange(2, 90_000)
        words = rng.choices(WORDS, k=8)
        for n in range(first, first + size):
            is_rival = size > 2 and rng.random() < 0.08
            is_original = n == first or is_rival
            party = rng.randrange(self._parties)
            # An original claim is in a source of its claimant's own, a repeated one in a popular source.
            source = (
                party + self._parties * rng.randrange(3)
                if is_original
                else int(self._sources * rng.random() ** 4)
            )
            figure = number + rng.randrange(1, 999) if is_rival else number
            yield self._claim(
                n, party, source % self._sources, subject, measure, figure, words, is_original
            )
            if n == first:
                continue
            # Most repeats are of recent claims, which makes long chains as well as broad fans.
            target = first if rng.random() < 0.4 else rng.randrange(max(first, n - 30), n)
            if is_rival:
                links.append(
                    self._link("contradicts" if rng.random() < 0.7 else "undercuts", n, target)
                )
            else:
                kind = "corroborates" if is_original or rng.random() < 0.05 else "repeats"
                links.append(self._link(kind, n, target))
        if size > 3 and rng.random() < 0.02:
            links.append(self._link("repeats", first, first + size - 1))  # closes a loop
        if size > 2 and rng.random() < 0.1:
            source_key = f"s{rng.randrange(self._sources)}"
            criticism = self._link("undercuts", first + 1, first)
            links.append({**criticism, "to": {"source": source_key}})

    def _claim(
        self,
        n: int,
        party: int,
        source: int,
        subject: str,
        measure: str,
        number: int,
        words: list[str],
        is_original: bool,
    ) -> dict[str, Any]:
        rng = self._rng
        text = " ".join(words if not is_original else rng.choices(WORDS, k=8))
        grounds = {"grounds": rng.choice(GROUNDS)} if is_original and rng.random() < 0.4 else {}
        return {
            "kind": "claim", "key": f"c{n}", "statement": f"{number:,} {measure}s: {text}.",
            "claimant": [f"p{party}"], "subject": subject,
            "asserted": f"{2000 + n % 24}-{1 + n % 12:02}-{1 + n % 28:02}", **grounds,
            "figures": [{"measure": measure, "low": str(number), "high": str(number), "qualifier": "exact"}],
            "citations": [{"source": f"s{source}"}],
        }  # fmt: skip

    def _link(self, kind: str, from_: int, to: int) -> dict[str, Any]:
        self._links += 1
        return {"kind": "link", "key": f"l{self._links}", "type": kind, "from": f"c{from_}", "to": f"c{to}",
                "basis": "judged"}  # fmt: skip


def build_ledger(path: Path, claims: int, seed: int = 1) -> None:
    """Build a generated ledger in a file.

    One claim in a thousand is amended, and one in two thousand is withdrawn.
    """
    case = path.with_suffix(".jsonl")
    with case.open("wb") as file:
        for record in LedgerGenerator(claims, seed).records():
            file.write(orjson.dumps(record) + b"\n")
    rng = random.Random(seed)
    with Ledger.create(path) as ledger:
        ledger.import_records(read_files([str(case)]), by="bench")

        def change() -> None:
            for n in rng.sample(range(claims), claims // 1000):
                ledger.amend("claim", f"c{n}", {"note": "read again"}, by="bench", reason="a slip")
            for n in rng.sample(range(claims // 2, claims), claims // 2000):
                ledger.withdraw("claim", f"c{n}", by="bench", reason="a slip", cascade=True)

        ledger.transaction(change)
    case.unlink()
