"""Whether the smooth revenue rises where the true one does."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxq.systems.tolled_queues import fluid
from jaxq.systems.tolled_queues.customers import draw_customers
from jaxq.systems.tolled_queues.model import TolledQueues

SMOOTH, HARD = (64, 1000), (256, 3000)
"""Paths and customers of either revenue."""
SKIPPED = 0.1
SURE = 3.0
"""Standard errors from which a difference of true revenues has a sign."""
HIGHEST = 0.8
"""Of the largest reward: the highest toll drawn."""
STEP = 0.02
"""Of the central differences, in the first share (the others shrink in proportion) and in money."""


@dataclasses.dataclass(frozen=True)
class Slopes:
    """Derivatives of revenue with respect to the first share of the capacity and each toll, at random designs.

    Attributes:
        designs: (mu_1/mu_s, theta_1, ..., theta_m), shape (designs, m + 1).
        smooth: gradient of the smooth revenue, same shape.
        hard: central difference of the true one on common random numbers, same shape.
        errors: its standard error.
    """

    designs: np.ndarray
    smooth: np.ndarray
    hard: np.ndarray
    errors: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Where the difference has a sign, boolean."""
        return np.abs(self.hard) > SURE * self.errors

    @property
    def agreement(self) -> tuple[int, int]:
        """(derivatives with the same sign, those with a known one)."""
        same = np.sign(self.smooth) == np.sign(self.hard)
        return int(np.sum(same & self.known)), int(np.sum(self.known))


def slopes(system: TolledQueues, temperatures: Sequence[float], designs: int = 40, seed: int = 0) -> list[Slopes]:
    """Compare the gradient of fractional joins (`fluid.path_revenue`) with finite differences of the true revenue.

    One `Slopes` for each temperature, on the same designs and paths.

    Args:
        system: classes and laws, and how many servers share its capacity; customers see workloads.
        temperatures: eta > 0 of the smooth revenue, money.
        designs: how many; shares uniform on the simplex, tolls uniform up to 0.8 of the largest reward.
        seed: of designs and paths.
    """
    m, top, capacity = system.servers, float(np.max(system.rewards)), float(np.sum(system.service_rates))
    rng = np.random.default_rng(seed)
    shares = np.clip(rng.dirichlet(np.ones(m), designs), 2 * STEP, 1 - 2 * STEP)
    shares /= shares.sum(axis=1, keepdims=True)
    drawn = np.column_stack((shares[:, 0], rng.uniform(0, HIGHEST * top, (designs, m))))

    def revenue(size, seed):
        paths, count = size
        customers = draw_customers(system, seed, paths, count)

        def of(at, shares, temperature):
            others = shares[1:] * (1 - at[0]) / jnp.sum(shares[1:])
            rates = capacity * jnp.concatenate((at[:1], others))
            arguments = customers, np.atleast_1d(system.rewards), np.atleast_1d(system.waiting_costs)
            return fluid.path_revenue(rates, at[1:], *arguments, temperature, skipped=int(SKIPPED * count))

        return of

    soft, true = revenue(SMOOTH, seed), revenue(HARD, seed + 1)
    hard = jax.jit(lambda at, shares: true(at, shares, 0))
    gradient = jax.jit(jax.grad(lambda at, shares, temperature: soft(at, shares, temperature).mean()))
    moves = STEP * np.eye(m + 1)

    def difference(at, shares):
        ends = [[np.asarray(hard(_single(at + s * move), shares), np.float64) for s in (1, -1)] for move in moves]
        return np.array([(up - down) / (2 * STEP) for up, down in ends])

    points = [(_single(at), _single(row)) for at, row in zip(drawn, shares, strict=True)]
    differences = np.stack([difference(at, row) for at, (_, row) in zip(drawn, points, strict=True)])
    hard_slopes, errors = differences.mean(axis=2), differences.std(axis=2) / np.sqrt(HARD[0])
    return [
        Slopes(drawn, np.stack([np.asarray(gradient(*point, _single(eta))) for point in points]), hard_slopes, errors)
        for eta in temperatures
    ]


def _single(x) -> jax.Array:
    return jnp.asarray(x, jnp.float32)
