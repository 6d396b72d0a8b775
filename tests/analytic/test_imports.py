import ast
from pathlib import Path

import pytest

import jaxq.analytic

SOURCES = sorted(Path(next(iter(jaxq.analytic.__path__))).rglob("*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_the_witness_shares_no_code_with_the_simulator(source: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module)
    outside = {
        name
        for name in imported
        if name.split(".")[0]
        not in (
            *("math", "collections", "contextlib", "functools", "itertools", "numbers", "operator", "typing"),
            *("jaxtyping", "numpy", "scipy"),
        )
    }
    assert all(name.startswith("jaxq.analytic.") or name == "jaxq.checks" for name in outside)
    assert "scipy.stats" not in imported
