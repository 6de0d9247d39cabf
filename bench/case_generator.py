"""A made-up case of any size, the same for the same seed, as JSON Lines."""

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
    """Write a case: each claim with a figure and a citation, few sources cited by many."""
    chance = random.Random(seed)
    parties, sources = max(10, claims // 100), max(10, claims // 50)
    with path.open("wb") as out:

        def put(**record: object) -> None:
            out.write(orjson.dumps(record) + b"\n")

        for n in range(parties):
            put(kind="party", key=f"party-{n}", name=f"Party {n} of the {chance.choice(WORDS)}")
        for n in range(sources):
            year = 2000 + n % 24
            put(kind="source", key=f"source-{n}", title=f"{chance.choice(WORDS)} {n}",
                publisher=f"party-{n % parties}", published=f"{year}-{1 + n % 12:02}")  # fmt: skip
        for n in range(50):
            put(kind="subject", key=f"subject-{n}", label=f"Subject {n}")
        for n in range(claims):
            text = " ".join(chance.choices(WORDS, k=9))
            cited = int(sources * chance.random() ** 3)
            put(kind="claim", key=f"claim-{n}", statement=f"{n % 997} {text}.",
                claimant=[f"party-{chance.randrange(parties)}"], subject=f"subject-{n % 50}",
                asserted=f"{2000 + n % 24}-{1 + n % 12:02}-{1 + n % 28:02}",
                figures=[{"measure": chance.choice(WORDS), "low": str(n % 997), "high": str(n % 997),
                          "qualifier": "exact"}],
                citations=[{"source": f"source-{cited}"}])  # fmt: skip
        kinds = ["repeats"] * 6 + ["corroborates"] * 2 + ["contradicts", "undercuts", "supports"]
        for n in range(links):
            left = chance.randrange(1, claims)
            right = int(left * chance.random())
            put(**{"kind": "link", "key": f"link-{n}", "type": chance.choice(kinds),
                   "from": f"claim-{left}", "to": f"claim-{right}", "basis": "judged"})  # fmt: skip
