"""No parameter or variable has a name that would fit any value, such as ``one`` or ``found``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
EMPTY_NAMES = frozenset(
    "one other found held told made listed said kept here there given asked wanted whole each many".split()
)
EXCEPTIONS = {
    (
        "src/claimledger/analysis/proposals/rule.py",
        "one",
    ): "a field of the JSON that `propose` prints",
    (
        "src/claimledger/analysis/proposals/rule.py",
        "other",
    ): "a field of the JSON that `propose` prints",
    ("src/claimledger/present/audit.py", "said"): "a field of the JSON that `audit` prints",
    (
        "src/claimledger/present/comparison_view.py",
        "one",
    ): "a field of the JSON that `compare` prints",
    (
        "src/claimledger/present/comparison_view.py",
        "other",
    ): "a field of the JSON that `compare` prints",
    (
        "src/claimledger/present/derivation_view.py",
        "told",
    ): "a field of the JSON that `show` prints",
    ("src/claimledger/present/lint.py", "told"): "a field of the JSON that `flags` prints",
}


def bindings(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield every parameter and variable that a module binds, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name, node.lineno
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname, node.lineno


def test_no_parameter_or_variable_has_an_empty_name() -> None:
    empty, exceptions, total = [], set(), 0
    for folder in ("src", "tests", "bench", "fixtures"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            file = path.relative_to(ROOT).as_posix()
            for name, line in bindings(ast.parse(path.read_text("utf-8"))):
                total += 1
                if name.strip("_") not in EMPTY_NAMES:
                    continue
                if (file, name) in EXCEPTIONS:
                    exceptions.add((file, name))
                else:
                    empty.append(f"{file}:{line}: {name}")
    assert empty == []
    assert exceptions == set(EXCEPTIONS), "an exception that is no longer needed"
    assert total > 15_000
