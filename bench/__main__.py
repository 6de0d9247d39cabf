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


def measured(where: Places, made: Path, most: int) -> list[Line]:
    """Measure everything on one store."""
    sizes = [size for size in SIZES if size <= most]
    lines = []
    for work in (
        taking_in(where, made, sizes),
        starting(where, sizes[-1]),
        asking(where, made, sizes),
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
    whole = "\n".join([head + begin, *table, end]) + rest.partition(end)[2]
    target.write_text(whole, "utf-8")


def main() -> None:
    """Measure, print, and write the page where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=[Files.name, Schemas.name])
    parser.add_argument("--most", type=int, default=SIZES[-1])
    parser.add_argument("--folder", type=Path, help="keep what is made here, for the next run")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found: dict[str, list[Line]] = {}
    with tempfile.TemporaryDirectory() as name:
        made = given.folder or Path(name)
        for store in [given.store] if given.store else [Files.name, Schemas.name]:
            with places(store, Path(name)) as where:
                found[store] = measured(where, made, given.most)
        proposed = rules(Path(name))
    if given.json:
        told = [{**vars(one), "precision": one.precision, "recall": one.recall} for one in proposed]
        budgets = {store: [line.as_json() for line in lines] for store, lines in found.items()}
        print(json.dumps({"budgets": budgets, "rules": told}, indent=2))
        return
    for store, lines in found.items():
        table = list(page(lines))
        print(f"\n{store}\n", *table, sep="\n")
        if given.write:
            write(given.write, store, table)
    print("\nRules that propose, on the pairs they were not tuned on (fixtures/pairs)")
    for rule in proposed:
        shares = [("-" if s is None else f"{s:.2f}") for s in (rule.precision, rule.recall)]
        print(f"  {rule.rule:<20} asked {rule.asked:>3}  precision {shares[0]}  recall {shares[1]}")


if __name__ == "__main__":
    main()
