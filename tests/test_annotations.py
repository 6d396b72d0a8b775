"""The shapes and types that annotations promise are checked while tests run."""

import ast
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError

from jaxq.analytic.load_balancing.mean_field import MeanField
from jaxq.analytic.load_balancing.policies import Policy
from jaxq.analytic.tolled_queues.customers import accepted
from jaxq.engine.rarity import rare_order
from jaxq.fluid.in_order import fill
from jaxq.random import uniform
from jaxq.stats.estimate import Estimate
from jaxq.stats.windows import WindowedSums
from jaxq.systems.load_balancing.fluid import random_routing
from jaxq.systems.tolled_queues.policy import thresholds
from jaxq.tuning.polish import by_simplex
from tests import annotations
from tests.analytic.load_balancing.ranks import shortest

ROOT = Path(__file__).parent.parent
CHECKED = [name.replace(".", "/") for name in (*annotations.EVERYTHING, *annotations.ARRAYS)]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: accepted(np.ones(2), np.ones(3), 1.0, 0.5),  # two sizes of one axis
        lambda: MeanField(0.5, (2.0, 1.0), (0.5, 0.5), Policy(shortest, 2), levels=4).slope(np.zeros(4)),  # no types
        lambda: fill(np.ones(2), np.zeros((2, 3)), np.ones(2)),  # an order of edges that is no square
        lambda: Estimate(1.0, np.ones(3, np.int64)),  # whole numbers
        lambda: WindowedSums(2, 3).extend(np.ones(3), 1),  # one row, which would go into every column
        lambda: uniform(jnp.ones(3, jnp.int32)),  # whole numbers that are no random words
        lambda: rare_order(np.ones(3), 1.0),  # rates without states
        lambda: thresholds(np.ones(2), np.ones(3), np.ones(1), np.ones(1)),  # two numbers of classes
        lambda: by_simplex(np.sum, np.ones((2, 2))),  # two points
        lambda: jax.jit(lambda x: random_routing(x, 0.5, np.ones(2), np.ones(2)))(
            np.ones(3)
        ),  # traced, of another size
    ],
)
def test_a_wrong_array_is_refused(wrong):
    with pytest.raises(TypeCheckError):
        wrong()


def test_traced_arrays_are_arrays():
    words = jnp.arange(4, dtype=jnp.uint32)
    np.testing.assert_array_equal(jax.jit(jax.vmap(uniform))(words), uniform(words))


def axes(path: Path) -> set[str]:
    """Names of axes in the annotations of a file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf8"))):
        if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Tuple) or len(node.slice.elts) != 2:
            continue
        kind, shape = node.value, node.slice.elts[1]
        if isinstance(kind, ast.Name) and kind.id in annotations.KINDS:
            assert isinstance(shape, ast.Constant) and isinstance(shape.value, str)
            found |= set(re.findall(r"(?<!\{)\b[a-z]+\b(?!\})", shape.value))
    return found


def files(name: str) -> list[Path]:
    """Of a package or a module."""
    module = (ROOT / name).with_suffix(".py")
    return [module] if module.exists() else list((ROOT / name).rglob("*.py"))


def test_axes_are_those_of_the_vocabulary():
    page = (ROOT / "notebooks" / "architecture.md").read_text("utf8")
    table = page.split("## Shapes", 1)[1].split("\n## ", 1)[0]
    known = {name for row in re.findall(r"^\| (`.*?) \|", table, re.M) for name in re.findall(r"`([a-z]+)`", row)}
    used = {name for package in CHECKED for path in files(package) for name in axes(path)}
    assert used == known
