"""What only the tests use does not stand in the package."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "jaxq").rglob("*.py"))
WORD = re.compile(r"\w+")


def mentioned(node: ast.AST) -> list[str]:
    """Names that a piece of code reads, imports or writes as a short text, such as a place."""
    found = []
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            found.append(inner.id)
        elif isinstance(inner, ast.Attribute):
            found.append(inner.attr)
        elif isinstance(inner, ast.ImportFrom):
            found += [alias.name for alias in inner.names]
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str) and len(inner.value) < 80:
            found += WORD.findall(inner.value)
    return found


def test_nothing_is_in_the_package_for_the_tests_alone():
    trees = [ast.parse(path.read_text()) for path in FILES if path.name != "skeleton.py"]
    texts = ("benchmarks/*.py", "notebooks/**/*.ipynb", "notebooks/**/*.md", "jaxq/*.pyi", "README.md")
    used = {
        word for text in texts for path in ROOT.glob(text) for word in WORD.findall(path.read_text(encoding="utf8"))
    }
    used |= {name for tree in trees for name in mentioned(tree)}
    defined = [node for tree in trees for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    hooks = ("__getattr__", "__dir__")  # what is decorated is registered where it stands
    assert [n.name for n in defined if n.name not in used and n.name not in hooks and not n.decorator_list] == []
