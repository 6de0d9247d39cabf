"""Reading a text takes time linear in its size: three sizes are measured, and the ratio is limited."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator, Sequence
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

pytestmark = pytest.mark.no_cover  # the time of the tracer is not part of the work either

SIZES = (10_000, 40_000, 160_000)
"""Numbers of characters, each four times the one before."""

LARGEST_RATIO = 60.0
"""The largest ratio of the times for the last and the first size, which is sixteen times smaller.

Quadratic work has a ratio of 256.
"""

SHORTEST_TIME = 0.005
"""Seconds; a shorter time depends more on the machine than on the work."""

TEXTS = {
    "combining marks": "\u0301\u0323",
    "a letter with a combining mark": "e\u0301",
    "months": "jan",
    "separate months": "jan ",
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
    "entities": "&lt;",
    "a letter whose folding is longer": "\u0130",
    "conjuncts": "\u0930\u094d",
    "lines": "a\n",
    "controls": "\u202e",
}


def similarity(text: str) -> float:
    """Return the similarity that the rules of proposals see between a statement and its reverse."""
    statements = {"one": text, "other": text[::-1]}
    claims = {key: Claim.model_construct(statement=text) for key, text in statements.items()}
    return RuleContext(cast("Analysis", None), claims).similarity("one", "other")


READERS: dict[str, Callable[[str], object]] = {
    "similarity": similarity,
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
    "lines of a diagram": lambda text: lines_of(text, 200, 3),
    "lines of a terminal": lambda text: list(wrapped(text, 80)),
}


def time_of(work: Callable[[], object]) -> float:
    """Return the processor time of a run; input that is refused counts as well."""
    gc.disable()  # the time of the garbage collector is not part of the work
    try:
        start = time.process_time()
        with suppress(ClaimledgerError):
            work()
        return time.process_time() - start
    finally:
        gc.enable()


def require_linear(
    work: Callable[[int], Callable[[], object]], sizes: Sequence[int] = SIZES
) -> None:
    """Raise an assertion error if the time of the work grows faster than its size.

    The last size is sixteen times the first.
    """
    times: list[float] = []
    for size in sizes:
        run = work(size)
        times.append(time_of(run) if times else min(time_of(run), time_of(run)))
        limit = LARGEST_RATIO * max(times[0], SHORTEST_TIME)
        # On a busy machine a single run can take ten times as long; quadratic work always does.
        for _ in range(5):
            if times[-1] <= limit:
                break
            times[-1] = min(times[-1], time_of(run))
        assert times[-1] <= limit, times


@pytest.mark.parametrize("reader", list(READERS))
def test_reading_a_text_is_linear(reader: str) -> None:
    for name, piece in TEXTS.items():

        def work(size: int, piece: str = piece) -> Callable[[], object]:
            text = piece * (size // len(piece))
            return lambda: READERS[reader](text)

        try:
            require_linear(work)
        except AssertionError as error:
            raise AssertionError(f"{reader} of {name}: {error}") from None


def members(count: int) -> Iterator[str]:
    """Return the members of a JSON object, each with another name."""
    return (f'"n{number}": 1' for number in range(count))


REPEATED_MEMBER = '"n1": 2'

FILES: dict[str, Callable[[int], str]] = {
    "json with a name repeated at its end": lambda size: (
        "[{" + ", ".join([*members(size // 12), REPEATED_MEMBER]) + "}]"
    ),
    "json of many names": lambda size: "[{" + ", ".join(members(size // 12)) + "}]",
    "json of records": lambda size: json.dumps([{"kind": "party", "name": "x"}] * (size // 30)),
    "json of defaults": lambda size: json.dumps(
        {
            "defaults": {"claim": {f"n{number}": 1 for number in range(size // 12)}},
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
    "jsonl with a repeated name": lambda size: (
        "{" + ", ".join([*members(size // 12), REPEATED_MEMBER]) + "}\n"
    ),
    "yaml of records": lambda size: "- {kind: party, name: x}\n" * (size // 250),
    "yaml with a repeated name": lambda size: (
        "- " + "\n  ".join(f"n{number}: 1" for number in [*range(size // 80), 1])
    ),
    "yaml nested": lambda size: "[" * (size // 10),
    "yaml of anchors": lambda size: "".join(
        f"- &a{number} x\n- *a{number}\n" for number in range(size // 200)
    ),
    "yaml of combining marks": lambda size: "- {kind: party, name: e" + "\u0301" * size + "}\n",
}


@pytest.mark.parametrize("name", list(FILES))
def test_reading_a_file_is_linear(name: str, tmp_path: Path) -> None:
    ending = name.split(maxsplit=1)[0]

    def work(size: int) -> Callable[[], object]:
        file = tmp_path / f"{size}.{ending}"
        file.write_text(FILES[name](size), "utf-8")
        return lambda: list(read_in_turn([str(file)]))

    require_linear(work)
