"""Imports follow the arrows of the architecture; an oracle never sees the model it judges."""

import ast
import graphlib
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jaxq"
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    """Names of jaxq and third-party modules that a file imports."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


BUILT = ("model", "oracle", "tails", "theory", "objectives", "planning", "fluid", "diffusion")
"""Modules of a system that stand above its processes and policies."""


def inner(system: str) -> list[str]:
    """What files in the folders of a system may import of it."""
    folder = PACKAGE / "systems" / system
    stems = {path.stem for path in folder.glob("*.py")} | {path.name for path in folder.iterdir() if path.is_dir()}
    return [f"jaxq.systems.{system}.{stem}" for stem in stems - {"__init__", "__pycache__", *BUILT}]


def allowed(path: Path) -> tuple[str, ...] | None:
    """Prefixes of jaxq that a file may import; None: no limit."""
    parts = path.relative_to(PACKAGE).parts
    if parts[0] in ("stats", "analytic", "fluid"):
        return (f"jaxq.{parts[0]}", "jaxq.checks")
    if parts[0] in ("checks.py", "startup.py"):
        return ()
    if parts[0] == "random.py":
        return ("jaxq.checks",)
    if parts[0] == "laws":
        return ("jaxq.laws", "jaxq.checks", "jaxq.engine.fields", "jaxq.engine.host_numbers", "jaxq.random")
    if parts[0] == "engine":
        return ("jaxq.engine", "jaxq.checks", "jaxq.random", "jaxq.stats")
    if parts[0] == "tuning":
        return ("jaxq.tuning", "jaxq.checks", "jaxq.engine", "jaxq.stats", "jaxq.fluid")
    if parts[0] == "plotting":
        return ("jaxq.plotting", "jaxq.tuning", "jaxq.engine")
    if parts[0] == "systems" and len(parts) > 2:
        folder, numbers = f"jaxq.systems.{parts[1]}", f"jaxq.analytic.{parts[1]}.rates"
        if len(parts) > 3:  # processes, policies, input data: nothing that is built on them
            return ("jaxq.checks", "jaxq.engine", "jaxq.random", "jaxq.laws", numbers, *inner(parts[1]))
        if parts[2] in ("oracle.py", "tails.py"):
            return ("jaxq.analytic", "jaxq.engine.reference")
        if parts[2] == "theory.py":
            return ("jaxq.analytic", "jaxq.checks", "jaxq.engine.reference", folder)
        if parts[2] == "planning.py":
            return ("jaxq.analytic", "jaxq.checks")
        if parts[2] == "fluid.py":
            return ("jaxq.fluid", "jaxq.checks", numbers, folder)
        return ("jaxq.engine", "jaxq.checks", "jaxq.random", "jaxq.laws", numbers, folder)
    return None


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_follow_the_arrows(path):
    limits = allowed(path)
    if limits is None:
        assert path.relative_to(PACKAGE).parts[0] in (
            "__init__.py",
            "__main__.py",
            "systems",
            "cli",
            "experiments",
        )
        return
    inside = {name for name in imports(path) if name.split(".")[0] == "jaxq" and name != "jaxq"}
    wrong = [name for name in inside if not any((name + ".").startswith(limit + ".") for limit in limits)]
    wrong = [name for name in wrong if not any(limit.startswith(name + ".") for limit in limits)]
    assert not wrong, f"{path} must not import {wrong}"


PLACE = re.compile(r"(jaxq[.\w]*):\w+")
"""What is imported by the name of its place, ``module:name``, when it is asked for."""


def needs(path: Path, modules: dict[str, Path]) -> set[str]:
    """Modules that a file imports, on top, inside functions or by a place; a package only where it exports what is taken.
    Public names and the systems are asked for by name: of `jaxq` the stub says where they are, `jaxq.systems` has places."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set(PLACE.findall(node.value)) if PLACE.fullmatch(node.value) else set()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in modules else node.module for name in full}
    return found & set(modules)


def test_no_import_goes_round():
    names = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in FILES}
    modules = {name.removesuffix(".__init__"): path for name, path in names.items()}
    arrows = {name: needs(path, modules) for name, path in modules.items()}
    arrows["jaxq"] |= needs(PACKAGE / "__init__.pyi", modules)
    try:
        order = list(graphlib.TopologicalSorter(arrows).static_order())
    except graphlib.CycleError as error:
        pytest.fail(f"imports go round: {' <- '.join(error.args[1])}")
    assert set(order) == set(modules) and order.index("jaxq.checks") < order.index("jaxq.engine.model")


ROLES = {"model", "policy", "fluid", "diffusion", "objectives", "planning", "oracle", "tails", "theory"}
FOLDERS = {"processes", "policies"}
OWN = {
    "token_pool": {"costs"},
    "load_balancing": {"speeds", "response"},
    "parallel_servers": {"network", "observables", "safety_staffing"},
    "queueing_networks": {"network"},
    "tolled_queues": {"arrivals", "customers", "split_search"},
}
"""Input data of a system, and what it has that the others have not."""


@pytest.mark.parametrize("system", sorted(path.parent.name for path in PACKAGE.glob("systems/*/__init__.py")))
def test_systems_have_the_same_files(system):
    folder = PACKAGE / "systems" / system
    found = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    found |= {path.parent.name for path in folder.glob("*/__init__.py")}
    assert {"model", "oracle"} <= found <= ROLES | FOLDERS | OWN.get(system, set())


BESIDE = {
    "oracle": "references of the metrics",
    "theory": "what is known without simulating",
    "_control": "the policy as the oracle has it",
    "predicted_growth": "a warning of load balancing: what a formula says of stability",
    "single_toll": "the best single toll, printed beside a tuned one",
    "_market": "what the two of tolled queues are asked with",
}
"""The functions of a system that may read its oracle: what they return is printed, and nothing is simulated with it."""


def readers(path: Path) -> set[str]:
    """Names of the functions that import an oracle; ``<module>`` where it is imported on top."""
    found = set()

    def visit(node: ast.AST, inside: str) -> None:
        for child in ast.iter_child_nodes(node):
            names = [alias.name for alias in child.names] if isinstance(child, (ast.Import, ast.ImportFrom)) else []
            module = child.module if isinstance(child, ast.ImportFrom) else ""
            if any("oracle" in f"{module}.{name}".split(".") for name in names):
                found.add(inside)
            visit(child, child.name if isinstance(child, ast.FunctionDef) else inside)

    visit(ast.parse(path.read_text()), "<module>")
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("systems/*/**/*.py")), ids=lambda p: "/".join(p.parts[-3:]))
def test_an_oracle_feeds_no_simulator(path):
    allowed = set(BESIDE) if path in PACKAGE.glob("systems/*/*.py") and path.stem in ("model", "diffusion") else set()
    assert readers(path) <= allowed


def test_nothing_is_stepped_with_what_may_only_be_printed():
    calls = re.compile(rf"\.({'|'.join(BESIDE)})\(")
    for path in PACKAGE.glob("systems/*/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name in (
                "process",
                "init",
                "next_event",
                "update",
                "rates",
                "jump",
            ):
                assert not calls.search(ast.unparse(node)), f"{path}: {node.name}"


def test_the_witness_knows_no_jax():
    for path in (PACKAGE / "analytic").rglob("*.py"):
        assert not any(name.split(".")[0] in ("jax", "jaxlib", "equinox") for name in imports(path))


def test_importing_jaxq_needs_no_command_line_and_starts_no_device():
    import subprocess
    import sys

    code = (
        "import sys, jaxq; assert 'jax' not in sys.modules; [getattr(jaxq, x) for x in jaxq.__all__ if x != 'plot'];"
        "import jax; bad = {'typer', 'rich', 'matplotlib', 'optax'} & set(sys.modules);"
        "bad |= {'scipy.special', 'scipy.sparse', 'scipy.optimize', 'scipy.stats'} & set(sys.modules);"
        "assert not bad, bad; jax.config.update('jax_num_cpu_devices', 3); assert len(jax.devices()) == 3"
    )
    assert subprocess.run([sys.executable, "-c", code], env=None).returncode == 0
