"""What reads a text takes a time that grows with its size, and no faster: three sizes, and their ratio."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest

from claimledger.analysis.analysis import Analysis
from claimledger.analysis.proposals.rule import RuleContext
from claimledger.errors import ClaimledgerError
from claimledger.importers.case_files import read_in_turn
from claimledger.importers.prompt import proposed_dates, proposed_figures
from claimledger.records.check import record_from
from claimledger.records.claim import Claim
from claimledger.records.dates import Date
from claimledger.records.formula import read_formula
from claimledger.records.number_words import find_values
from claimledger.render import csv, markdown
from claimledger.render.diagrams.text_width import lines_of
from claimledger.text.fold import places_of, words_of
from claimledger.text.unicode import nfc, visible
from claimledger.text.width import wrapped

SIZES = (10_000, 40_000, 160_000)
"""Signs; each four times the one before."""

MOST = 60.0
"""How many times as long sixteen times the size may take: a square would take 256 times."""

FLOOR = 0.005
"""Seconds: what takes less says more of the machine than of the work."""

TEXTS = {
    "marks": "\u0301\u0323",
    "a letter and its marks": "e\u0301",
    "months": "jan",
    "months apart": "jan ",
    "spaces": " ",
    "since": "since ",
    "between": "between 1 2022 ",
    "digits": "1",
    "groups": "1,000,",
    "number words": "hundred and ",
    "ranges": "1-",
    "money": "$1 ",
    "letters": "a",
    "Han": "\u670d",
    "brackets": "[(",
    "quotes": '"\\',
    "stars": "*_",
    "amps": "&lt;",
    "folded": "\u0130",
    "surroundings": "\u0930\u094d",
    "lines": "a\n",
    "controls": "\u202e",
}


def likeness(text: str) -> float:
    """Return how alike a statement and its reverse are to the rules that propose links."""
    statements = {"one": text, "other": text[::-1]}
    claims = {key: Claim.model_construct(statement=text) for key, text in statements.items()}
    return RuleContext(cast("Analysis", None), claims).similarity("one", "other")


READERS: dict[str, Callable[[str], object]] = {
    "likeness": likeness,
    "nfc": nfc,
    "visible": visible,
    "words": words_of,
    "places": lambda text: list(places_of(text)),
    "values": lambda text: list(find_values(text)),
    "dates in a statement": proposed_dates,
    "figures in a statement": proposed_figures,
    "a date": Date.of,
    "a formula": read_formula,
    "a claim": lambda text: record_from(
        {
            "kind": "claim",
            "statement": text,
            "claimant": text,
            "subject": "s",
            "citations": [{"source": "s"}],
        }
    ),
    "a name": lambda text: record_from({"kind": "party", "name": text}),
    "markdown": markdown.safe,
    "csv": csv.safe,
    "lines of a picture": lambda text: lines_of(text, 200, 3),
    "lines of a terminal": lambda text: list(wrapped(text, 80)),
}


def seconds(work: Callable[[], object]) -> float:
    """Return the shortest of some turns, in which whatever is refused is refused."""
    best = 1e9
    gc.disable()  # looking for rings among many values is not the work
    try:
        for _ in range(2):
            begun = time.process_time()
            with suppress(ClaimledgerError):
                work()
            best = min(best, time.process_time() - begun)
            if best > 1:
                break
    finally:
        gc.enable()
    return best


def see_linear(work: Callable[[int], Callable[[], object]]) -> None:
    """Raise where a piece of work of three sizes takes a time that grows faster than its size."""
    took: list[float] = []
    for size in SIZES:
        took.append(seconds(work(size)))
        # A busy machine makes a turn ten times as long now and then; a square makes every turn so.
        for _ in range(5):
            if took[-1] <= MOST * max(took[0], FLOOR):
                break
            took[-1] = min(took[-1], seconds(work(size)))
        assert took[-1] <= MOST * max(took[0], FLOOR), took


@pytest.mark.parametrize("reader", list(READERS))
def test_readers_of_text_are_linear(reader: str) -> None:
    for name, piece in TEXTS.items():

        def work(size: int, piece: str = piece) -> Callable[[], object]:
            text = piece * (size // len(piece))
            return lambda: READERS[reader](text)

        try:
            see_linear(work)
        except AssertionError as error:
            raise AssertionError(f"{reader} of {name}: {error}") from None


def names(number: int) -> Iterator[str]:
    return (f'"n{place}": 1' for place in range(number))


TWICE = '"n1": 2'

FILES: dict[str, Callable[[int], str]] = {
    "json with a name twice at its end": lambda size: (
        "[{" + ", ".join([*names(size // 12), TWICE]) + "}]"
    ),
    "json of many names": lambda size: "[{" + ", ".join(names(size // 12)) + "}]",
    "json of records": lambda size: json.dumps([{"kind": "party", "name": "x"}] * (size // 30)),
    "json of defaults": lambda size: json.dumps(
        {
            "defaults": {"claim": {f"n{place}": 1 for place in range(size // 12)}},
            "records": [{"kind": "claim"}] * (size // 20),
        }
    ),
    "json of a long default": lambda size: json.dumps(
        {
            "defaults": {"note": "x" * (size // 2)},
            "records": [{"kind": "party", "name": "x"}] * (size // 60),
        }
    ),
    "json of one long name": lambda size: json.dumps([{"kind": "party", "a" * size: "x"}]),
    "json of a long kind": lambda size: json.dumps([{"kind": "party " * (size // 6)}]),
    "json of a long key": lambda size: json.dumps(
        [{"kind": "party", "key": "P" * size, "name": "x"}]
    ),
    "json nested": lambda size: "[" * size,
    "json unclosed": lambda size: '[{"kind": "' + "x" * size,
    "json of backslashes": lambda size: '["' + "\\" * size,
    "jsonl with a name twice": lambda size: "{" + ", ".join([*names(size // 12), TWICE]) + "}\n",
    "yaml of records": lambda size: "- {kind: party, name: x}\n" * (size // 250),
    "yaml with a name twice": lambda size: (
        "- " + "\n  ".join(f"n{p}: 1" for p in [*range(size // 80), 1])
    ),
    "yaml nested": lambda size: "[" * (size // 10),
    "yaml of anchors": lambda size: "".join(f"- &a{p} x\n- *a{p}\n" for p in range(size // 200)),
    "yaml of marks": lambda size: "- {kind: party, name: e" + "\u0301" * size + "}\n",
}


@pytest.mark.parametrize("name", list(FILES))
def test_readers_of_files_are_linear(name: str, tmp_path: Path) -> None:
    form = name.split(maxsplit=1)[0]

    def work(size: int) -> Callable[[], object]:
        file = tmp_path / f"{size}.{form}"
        file.write_text(FILES[name](size), "utf-8")
        return lambda: list(read_in_turn([str(file)]))

    see_linear(work)
