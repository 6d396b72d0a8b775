"""Smooth stand-ins for the revenue of tolled queues, differentiable in the rates and the tolls.

Revenue is a staircase, or jumps, as a function of tolls and rates. Here a customer joins server j with the logit
probability e^{u_j / eta} / (1 + sum_k e^{u_k / eta}), u_j its utility there: the best server as the temperature eta
falls to 0. The dtype follows that of the arguments; run under ``jax.enable_x64(True)`` for float64.
"""

import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxq.checks import FieldError

Servers = Float[Array | np.ndarray, " servers"] | tuple | list
Classes = Float[Array | np.ndarray, " classes"] | tuple | list

MOST_STATES = 4000
"""States of a chain that are solved densely."""


class Customers(NamedTuple):
    """Customers in order of arrival; each entry of shape (customers, ...), the rest being independent paths.

    ``gaps``: time to the next one; ``kinds``: class, from 0; ``sizes``: work, 0 where nobody comes.
    """

    gaps: Any
    kinds: Any
    sizes: Any


def logit_chain(
    service_rates: Servers,
    tolls: Servers,
    arrival_rates: Classes,
    rewards: Classes,
    waiting_costs: Classes,
    temperature,
    most: int = 14,
    mean_size: float = 1.0,
) -> Float[Array, ""]:
    """Revenue per unit of time of customers who see lengths and choose by logit; exponential sizes, Poisson arrivals.

    Formula: J = sum_n pi(n) sum_{i,j} lambda_i p_ij(n) theta_j, u_ij = R_i - theta_j - c_i (n_j + 1) s / mu_j, with pi
    the stationary law of (n_1, ..., n_m), a queue of ``most`` customers being closed: the dense solution of global
    balance, whose derivative is implicit, A dpi = -dA pi.

    Args:
        service_rates: mu_j, work/time, shape (m,).
        tolls: theta_j, money, shape (m,).
        arrival_rates, rewards, waiting_costs: lambda_i, R_i, c_i, shape (I,).
        temperature: eta > 0, money.
        most: customers at a server at most; static.
        mean_size: s, work.

    Returns:
        J, a scalar.

    Raises:
        ValueError: the chain has more than 4000 states.

    Source: Train (2009), Discrete Choice Methods with Simulation, Chapter 3 (logit).
    """
    rates, prices = jnp.asarray(service_rates) / mean_size, jnp.asarray(tolls)
    servers = rates.size
    states = (most + 1) ** servers
    if states > MOST_STATES:
        raise FieldError("most", most, f"must leave at most {MOST_STATES} states of {servers} servers, not {states}")
    numbers = np.array(list(itertools.product(range(most + 1), repeat=servers)))
    steps = (most + 1) ** np.arange(servers)[::-1]
    arriving, gains, costs = (jnp.asarray(x, rates.dtype) for x in (arrival_rates, rewards, waiting_costs))
    utility = gains[:, None, None] - prices - costs[:, None, None] * (numbers + 1) / rates
    joins = jnp.einsum("i,isj->sj", arriving, _logit(jnp.where(numbers == most, -jnp.inf, utility), temperature))
    generator = jnp.zeros((states, states), rates.dtype)
    for j, step in enumerate(steps):
        open_, busy = np.flatnonzero(numbers[:, j] < most), np.flatnonzero(numbers[:, j] > 0)
        generator = generator.at[open_, open_ + step].add(joins[open_, j]).at[busy, busy - step].add(rates[j])
    balance = (generator - jnp.diag(generator.sum(axis=1))).T.at[0].set(1.0)
    law = jnp.linalg.solve(balance, jnp.zeros(states, rates.dtype).at[0].set(1.0))
    return law @ joins @ prices


def path_revenue(
    service_rates: Servers,
    tolls: Servers,
    customers: Customers,
    rewards: Classes,
    waiting_costs: Classes,
    temperature,
    mean_sizes: Classes | None = None,
    skipped: int = 0,
) -> Float[Array, "*batch"]:
    """Revenue per unit of time along given paths, with customers who join by fractions.

    Formula: customer n of class i and size S brings work p_j S to server j, and pays p_j theta_j, with p_j the logit
    probabilities of u_j = R_i - theta_j - c_i (W_j + S) / mu_j; then W_j <- (W_j + p_j S - mu_j gap)+. Where the
    temperature is 0 the first best server gets it all, if its utility is >= 0: the true revenue of this path.

    Args:
        service_rates: mu_j, work/time, shape (m,).
        tolls: theta_j, money, shape (m,).
        customers: the path, entries of shape (customers,) or (customers, paths).
        rewards, waiting_costs: R_i, c_i, shape (I,).
        temperature: eta, money; 0, a Python number, for hard choices.
        mean_sizes: what customers take their size for, shape (I,); None: they know it.
        skipped: customers at the beginning that are not counted; static.

    Returns:
        Revenue, shape () or (paths,).

    Source: Shen, "A study on the splitting strategy of server resources", Section 1 (utilities).
    """
    rates, prices = jnp.asarray(service_rates), jnp.asarray(tolls)
    gains, costs = (jnp.asarray(x, rates.dtype) for x in (rewards, waiting_costs))
    hard = isinstance(temperature, (int, float)) and temperature == 0

    def step(work, customer):
        gap, kind, size = customer
        expected = size if mean_sizes is None else jnp.asarray(mean_sizes, rates.dtype)[kind]
        utility = gains[kind][..., None] - prices - costs[kind][..., None] * (work + expected[..., None]) / rates
        joins = _best(utility) if hard else _logit(utility, temperature)
        joins = joins * (size > 0)[..., None]
        work = jnp.maximum(work + joins * size[..., None] - rates * gap[..., None], 0)
        return work, joins @ prices

    gaps = jnp.asarray(customers.gaps, rates.dtype)
    sizes = jnp.asarray(customers.sizes, rates.dtype)
    empty = jnp.zeros((*gaps.shape[1:], rates.size), rates.dtype)
    paid = jax.lax.scan(step, empty, (gaps, jnp.asarray(customers.kinds), sizes))[1]
    return paid[skipped:].sum(axis=0) / gaps[skipped:].sum(axis=0)


def _logit(utility, temperature):
    """Joining probabilities over the last axis; balking has utility 0."""
    balk = jnp.zeros((*utility.shape[:-1], 1), utility.dtype)
    scaled = jnp.concatenate([utility, balk], axis=-1) / jnp.asarray(temperature, utility.dtype)
    return jax.nn.softmax(scaled, axis=-1)[..., :-1]


def _best(utility):
    """1 at the first server of greatest utility, if that is >= 0 up to rounding."""
    chosen = jax.nn.one_hot(jnp.argmax(utility, axis=-1), utility.shape[-1], dtype=utility.dtype)
    return chosen * (jnp.max(utility, axis=-1, keepdims=True) >= 0)
