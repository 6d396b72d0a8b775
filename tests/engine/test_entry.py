"""One entry of a vector moved: alone, over replicas, over replicas of several points, and of a vector that all share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxq.engine.entry import add_at

ROWS, ENTRIES = 12, 7


@pytest.fixture
def arguments() -> tuple:
    rng = np.random.default_rng(0)
    values = rng.integers(-9, 9, (ROWS, ENTRIES)).astype(np.int32)
    return values, rng.integers(0, ENTRIES, ROWS).astype(np.int32), rng.integers(-3, 3, ROWS).astype(np.int32)


def moved(values, place, change) -> np.ndarray:
    """By hand, row by row."""
    values = np.array(np.broadcast_to(values, (ROWS, ENTRIES)))
    for row in range(ROWS):
        values[row, place[row]] += change[row]
    return values


def test_alone(arguments) -> None:
    values, place, change = (x[0] for x in arguments)
    assert np.array_equal(add_at(values, place, change), moved(*arguments)[0])


def test_over_replicas(arguments) -> None:
    assert np.array_equal(jax.jit(jax.vmap(add_at))(*arguments), moved(*arguments))


def test_over_replicas_and_points(arguments) -> None:
    cut = [jnp.reshape(x, (3, 4, *x.shape[1:])) for x in arguments]
    found = jax.jit(jax.vmap(jax.vmap(add_at)))(*cut)
    assert np.array_equal(found.reshape(ROWS, ENTRIES), moved(*arguments))


def test_a_vector_and_a_change_that_all_share(arguments) -> None:
    values, place, _ = arguments
    found = jax.jit(jax.vmap(add_at, in_axes=(None, 0, None)))(values[0], place, jnp.int32(2))
    assert np.array_equal(found, moved(values[0], place, np.full(ROWS, 2)))
