"""``make bench``: every budget beside its floor, on both stores, as a table and as JSON.

``python -m bench [--store sqlite|postgresql] [--most 1000000] [--folder PATH] [--write docs/performance.md]``
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from bench import pairs
from bench.backends import Files, Places, Schemas, places
from bench.imports import starting, taking_in
from bench.queries import asking
from bench.report import Line, page

SIZES = (10_000, 100_000, 1_000_000)


def measured(where: Places, path: Path, most: int) -> list[Line]:
    """Measure everything on one store."""
    sizes = [size for size in SIZES if size <= most]
    lines = []
    for work in (
        taking_in(where, path, sizes),
        starting(where, sizes[-1]),
        asking(where, path, sizes),
    ):
        for line in work:
            print(*page([line]), sep="\n", file=sys.stderr, flush=True)
            lines.append(line)
    return lines


def rules(folder: Path) -> list[pairs.Measured]:
    """Measure the rules that propose, on the pairs they were not tuned on."""
    return pairs.measure(pairs.matter_of(folder), pairs.halves()[1])


def write(target: Path, store: str, table: list[str]) -> None:
    """Put a table into a page, between its marks."""
    begin, end = f"<!-- {store} -->", "<!-- end -->"
    head, _, rest = target.read_text("utf-8").partition(begin)
    complete = "\n".join([head + begin, *table, end]) + rest.partition(end)[2]
    target.write_text(complete, "utf-8")


def main() -> None:
    """Measure, print, and write the page where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=[Files.name, Schemas.name])
    parser.add_argument("--most", type=int, default=SIZES[-1])
    parser.add_argument("--folder", type=Path, help="keep what is made here, for the next run")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    answers: dict[str, list[Line]] = {}
    with tempfile.TemporaryDirectory() as name:
        created = arguments.folder or Path(name)
        for store in [arguments.store] if arguments.store else [Files.name, Schemas.name]:
            with places(store, Path(name)) as where:
                answers[store] = measured(where, created, arguments.most)
        proposed = rules(Path(name))
    if arguments.json:
        messages = [
            {**vars(measured), "precision": measured.precision, "recall": measured.recall}
            for measured in proposed
        ]
        budgets = {store: [line.as_json() for line in lines] for store, lines in answers.items()}
        print(json.dumps({"budgets": budgets, "rules": messages}, indent=2))
        return
    for store, lines in answers.items():
        table = list(page(lines))
        print(f"\n{store}\n", *table, sep="\n")
        if arguments.write:
            write(arguments.write, store, table)
    print("\nRules that propose, on the pairs they were not tuned on (fixtures/pairs)")
    for rule in proposed:
        shares = [("-" if s is None else f"{s:.2f}") for s in (rule.precision, rule.recall)]
        print(
            f"  {rule.rule:<20} asked {rule.proposed:>3}  precision {shares[0]}  recall {shares[1]}"
        )


if __name__ == "__main__":
    main()
