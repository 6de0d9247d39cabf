"""Generates a case file of any size, always the same for one seed, as JSON Lines."""

from __future__ import annotations

import random
from pathlib import Path

import orjson

WORDS = (
    "station office police report figure count city country government ministry survey census river "
    "bridge school budget water price export import worker patient vaccine forest border vessel "
    "harbour record letter statement witness court charge order permit licence budget audit"
).split()


def write_case(path: Path, claims: int, links: int, seed: int = 1) -> None:
    """Write a case file in which each claim has a figure and a citation.

    Sources are chosen unevenly, as in the world: few are cited by many claims.
    """
    rng = random.Random(seed)
    parties, sources = max(10, claims // 100), max(10, claims // 50)
    with path.open("wb") as file:

        def write(**record: object) -> None:
            file.write(orjson.dumps(record) + b"\n")

        for n in range(parties):
            write(kind="party", key=f"party-{n}", name=f"Party {n} of the {rng.choice(WORDS)}")
        for n in range(sources):
            year = 2000 + n % 24
            write(kind="source", key=f"source-{n}", title=f"{rng.choice(WORDS)} {n}",
                  publisher=f"party-{n % parties}", published=f"{year}-{1 + n % 12:02}")  # fmt: skip
        for n in range(50):
            write(kind="subject", key=f"subject-{n}", label=f"Subject {n}")
        for n in range(claims):
            words = " ".join(rng.choices(WORDS, k=9))
            source = int(sources * rng.random() ** 3)
            write(kind="claim", key=f"claim-{n}", statement=f"{n % 997} {words}.",
                  claimant=[f"party-{rng.randrange(parties)}"], subject=f"subject-{n % 50}",
                  asserted=f"{2000 + n % 24}-{1 + n % 12:02}-{1 + n % 28:02}",
                  figures=[{"measure": rng.choice(WORDS), "low": str(n % 997), "high": str(n % 997),
                            "qualifier": "exact"}],
                  citations=[{"source": f"source-{source}"}])  # fmt: skip
        types = ["repeats"] * 6 + ["corroborates"] * 2 + ["contradicts", "undercuts", "supports"]
        for n in range(links):
            newer = rng.randrange(1, claims)
            older = int(newer * rng.random())
            write(**{"kind": "link", "key": f"link-{n}", "type": rng.choice(types),
                     "from": f"claim-{newer}", "to": f"claim-{older}", "basis": "judged"})  # fmt: skip
