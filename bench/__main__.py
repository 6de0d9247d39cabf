"""``make bench``: measures every budget on both stores, and prints the results as tables or JSON.

``python -m bench [--store sqlite|postgresql] [--most 1000000] [--folder PATH] [--write docs/performance.md]``
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from bench import pairs
from bench.backends import Backend, FileBackend, ServerBackend, open_backend
from bench.imports import measure_imports, measure_startup
from bench.queries import measure_queries
from bench.report import Row, markdown_table

SIZES = (10_000, 100_000, 1_000_000)


def measure_all(backend: Backend, folder: Path, most: int) -> list[Row]:
    """Return the rows of one store, for ledgers of up to ``most`` claims.

    ``folder`` is where generated ledgers and case files are written.
    """
    sizes = [size for size in SIZES if size <= most]
    rows = []
    for measurement in (
        measure_imports(backend, folder, sizes),
        measure_startup(backend, sizes[-1]),
        measure_queries(backend, folder, sizes),
    ):
        for row in measurement:
            print(*markdown_table([row]), sep="\n", file=sys.stderr, flush=True)
            rows.append(row)
    return rows


def measure_rules(folder: Path) -> list[pairs.RuleScore]:
    """Return how the rules that propose did on the labelled pairs that they were not tuned on."""
    _, reported = pairs.halves()
    return pairs.measure(pairs.build_context(folder), reported)


def replace_table(page: Path, store: str, table: list[str]) -> None:
    """Replace the table of a store in a page, between the comment with its name and the end mark."""
    begin, end = f"<!-- {store} -->", "<!-- end -->"
    before, _, rest = page.read_text("utf-8").partition(begin)
    after = rest.partition(end)[2]
    page.write_text("\n".join([before + begin, *table, end]) + after, "utf-8")


def main() -> None:
    """Measure both stores or one, print the results, and update a page with ``--write``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=[FileBackend.name, ServerBackend.name])
    parser.add_argument("--most", type=int, default=SIZES[-1])
    parser.add_argument("--folder", type=Path, help="keep generated ledgers here for the next run")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    stores = [arguments.store] if arguments.store else [FileBackend.name, ServerBackend.name]
    rows: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        for store in stores:
            with open_backend(store, temporary) as backend:
                rows[store] = measure_all(backend, arguments.folder or temporary, arguments.most)
        scores = measure_rules(temporary)
    if arguments.json:
        budgets = {
            store: [row.as_json() for row in store_rows] for store, store_rows in rows.items()
        }
        rules = [
            {**vars(score), "precision": score.precision, "recall": score.recall}
            for score in scores
        ]
        print(json.dumps({"budgets": budgets, "rules": rules}, indent=2))
        return
    for store, store_rows in rows.items():
        table = list(markdown_table(store_rows))
        print(f"\n{store}\n", *table, sep="\n")
        if arguments.write:
            replace_table(arguments.write, store, table)
    print("\nRules that propose, on the pairs they were not tuned on (fixtures/pairs)")
    for score in scores:
        print(f"  {score.as_text()}")


if __name__ == "__main__":
    main()
