"""The mean number of jobs as a differentiable function of phi: fluid limits, and exact for a finite market.

Paper: Chen, Chen and Qian, "Incentivizing Resource Pooling". Notation as in `jaxq.systems.token_pool.model`: utilisation
rho, token-earning probability phi, tokens unconstrained, servers playing Lemma 4.2 for small waits. Nothing here knows
where the minimum is. The dtype follows that of phi; run under ``jax.enable_x64(True)`` for float64.
"""

import functools
import itertools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxq.checks import FieldError
from jaxq.fluid.first_passage import first_passage
from jaxq.systems.token_pool.policy import best_response

Kinds = Float[np.ndarray, " types"] | float
Scalar = Float[Array | np.ndarray, ""] | float

LEAST_PHI = 1e-6
"""phi down to which `levels` includes every line that matters."""
MOST_PHASES = 1024
"""Phases of `finite`; memory grows with the square, time with the cube."""
MANY = 1000
"""Copies of a market that stand for infinitely many."""


def levels(rho, least_phi: float = LEAST_PHI) -> int:
    """The least K with rho^(K+1) <= least_phi at every server: jobs that a server may keep for any phi >= least_phi.

    Args:
        rho: utilisation, in (0, 1), a number or an array; on the host, because it fixes a shape.
        least_phi: the lower bound on phi.
    """
    return max(0, math.ceil(math.log(least_phi) / math.log(float(np.max(rho)))) - 1)


def _lines(rho, phi, levels: int):
    """Increments of the lines k - m(k)(1 - rho)/(1 - phi) from k - 1 to k, k = 1..levels: shape of rho, (levels,)."""
    phi = jnp.asarray(phi)
    powers = jnp.asarray(rho, phi.dtype)[..., None] ** jnp.arange(1, levels + 1)
    return (powers - phi) / (1 - phi)


@functools.partial(jax.jit, static_argnames="levels")
def own_queue(rho: Float[Array | np.ndarray, "*batch"] | float, phi: Scalar, levels: int) -> Float[Array, "*batch"]:
    """Mean own queue of a server in the fluid mean-field problem.

    Formula: q(phi) = max_{0 <= k <= levels} [k - m(k) (1 - rho) / (1 - phi)], where
    m(k) = [k - sum_{i=1}^k rho^i] / (1 - rho). From k - 1 to k a line grows by (rho^k - phi) / (1 - phi), which falls
    with k, so that the maximum is the sum of the positive ones; it is formed so, free of cancellation.

    Args:
        rho: utilisation, in (0, 1), a number or an array (servers).
        phi: probability that an offer earns a token, in (0, 1), a scalar.
        levels: K, static. Below phi = rho^(K+1) the result is too small, by rho^(K+1) / ((1 - rho) (1 - phi)) at most.

    Returns:
        Mean jobs in the own queue, the shape of rho. At a kink, phi = rho^k, the gradient is the mean of both sides'.

    Source: Chen, Chen and Qian, Eq. (11) and Theorem 5.1(1); Section 7 for unlike servers.
    """
    return jnp.sum(jnp.maximum(_lines(rho, phi, levels), 0), axis=-1)


def large_market(rho: Kinds, phi: Scalar, servers, copies: float = MANY) -> Float[Array, ""]:
    """Mean jobs per server, own queues and pool together, in a market of many copies of the given servers.

    Formula: mean_i q_i(phi) + phi / (1 - phi) / (copies N), the fluid limit of the servers plus the closed form of the
    pool for phi >= rho_i, which below it is a lower bound. For N -> infinity the minimum is at the largest rho
    (Theorems 5.2 and 7.1); for finite numbers it is if copies n_max (1 - max rho) >= 1, where n_max servers have it.

    Args:
        rho: utilisation, in (0, 1), a host number or an array of kinds of servers.
        phi: probability that an offer earns a token, in (0, 1), a scalar.
        servers: how many servers have each rho: a number or an array.
        copies: copies of these servers in the market.

    Returns:
        Jobs per server, a scalar.

    Source: Chen, Chen and Qian, Sections 5 and 7.
    """
    return _market(own_queue(rho, phi, levels(rho)), phi, servers, copies)


def _market(queues, phi, servers, copies):
    share = jnp.broadcast_to(jnp.asarray(servers, queues.dtype), queues.shape)
    total = jnp.sum(share)
    return jnp.sum(share * queues) / total + phi / (1 - phi) / (copies * total)


def mean_field(rho: Kinds, phi: Scalar, servers) -> Float[Array, ""]:
    """Mean jobs of the given servers and their pool, both from their large-market forms.

    Formula: sum_i q_i(phi) + phi / (1 - phi). Convex in 1 / (1 - phi) and minimal at the largest rho only if
    n_max (1 - max rho) >= 1, where n_max servers have it (the paper's condition w <= 1). In a heterogeneous market with
    few highly loaded servers, and in a small homogeneous one, the minimum is at a lower phi than the paper's: these
    servers then keep jobs so that the pool, which serves all, is shorter. In a small market that is an artefact of the
    approximate pool: with alike servers the exact `finite` is minimal at rho for every N.

    Args:
        rho, phi, servers: as `large_market`.

    Returns:
        Jobs, a scalar.
    """
    return large_market(rho, phi, servers, 1) * np.sum(np.broadcast_to(servers, np.shape(rho)))


def smooth(rho: Kinds, phi: Scalar, servers, tau: float) -> Float[Array, ""]:
    """`large_market` with one copy and the maximum over the lines replaced by tau logsumexp(lines / tau).

    An upper bound of it, by tau log(K + 1) at most with K = `levels`, and smooth in phi. Its minimiser is biased. Where
    two lines matter it is, for alike servers, 1 / (1 - phi) = (1 - tau u) / (1 - rho) with
    1 / (1 + exp(-u)) = 1 / (N (1 - rho)): no bias at N (1 - rho) = 2; for N = 100, rho = 0.8:
    phi = 0.8029 at tau = 0.005, 0.8111 at tau = 0.02.

    Args:
        rho, phi, servers: as `large_market`.
        tau: width of the smoothing, jobs, > 0.

    Returns:
        Jobs per server, a scalar.
    """
    steps = _lines(rho, phi, levels(rho))
    lines = jnp.concatenate([jnp.zeros((*steps.shape[:-1], 1), steps.dtype), jnp.cumsum(steps, axis=-1)], axis=-1)
    return _market(tau * jax.nn.logsumexp(lines / tau, axis=-1), phi, servers, 1)


def finite(rho: Kinds, phi: Scalar, servers, service_rate=1.0) -> Scalar:
    """Exact mean jobs J_N(phi) of N servers and their pool, tokens unconstrained.

    Formula: sum_i q_i(phi) + E[Q_0]. For phi >= rho_i all jobs go to the pool, and E[Q_0] = phi / (1 - phi) if that is so
    of all servers. For rho^(k+1) <= phi < rho^k a job that finds k jobs goes to the pool, one that finds k - 1 with
    probability (phi - rho^(k+1)) / (rho^k - rho^(k+1)), and every idle unit is offered. Then the pool is the level of a
    quasi-birth-death process whose phase is how many servers of each kind have 0..k jobs: with the law d of the phase,
    rates A of jobs and S of units to the pool and T among phases, E[Q_0] = d A y where (S - T - A G) y = 1 and G is
    `first_passage`.

    Args:
        rho: utilisation, in (0, 1), a host number or an array of kinds of servers.
        phi: probability that an offer earns a token, in (0, 1): a scalar that is known when this is called, as k depends
            on it (`jax.value_and_grad` is fine, `jax.jit` is not). Each k compiles a program.
        servers: how many servers have each rho: a number or an array.
        service_rate: mu of each kind, 1/time, a number or an array.

    Returns:
        Jobs, a scalar. Alike servers: minimal at phi = rho for every N >= 2, a kink; N = 1 is flat for phi <= rho.

    Raises:
        ValueError: there are more than 1024 phases, comb(N + k, k) of each kind multiplied.

    Source: Chen, Chen and Qian, Lemma 4.2 and Section 4.2; Latouche and Ramaswami (1993) for the process.
    """
    rhos, counts, services = np.broadcast_arrays(*map(np.atleast_1d, (rho, servers, service_rate)))
    known = float(jax.lax.stop_gradient(phi))
    thresholds = [best_response(float(r), known)[0] for r in rhos]
    count = math.prod(math.comb(int(n) + k, k) for n, k in zip(counts, thresholds, strict=True))
    if count > MOST_PHASES:
        raise FieldError(
            "phi",
            known,
            f"with servers = {counts.sum()} there are {count} phases of the servers' queues; the "
            f"exact objective takes {MOST_PHASES} at most",
            short=True,
        )
    phases = tuple(_phases(int(n), k) for n, k in zip(counts, thresholds, strict=True))
    return _jobs(phases, counts, rhos, services, phi)


@jax.jit
def _jobs(kinds: tuple["_Phases", ...], servers, rhos, services, phi):
    """J_N(phi) of kinds of servers with the thresholds of their phases."""
    phi = jnp.asarray(phi)
    thresholds = [phases.counts.shape[1] - 1 for phases in kinds]
    own = sum(n * own_queue(r, phi, max(k, 1)) for n, r, k in zip(servers, rhos, thresholds, strict=True))
    return own + (_pool(kinds, rhos * services, services, phi) if any(thresholds) else phi / (1 - phi))


def _mixing(rho, phi, threshold: int):
    """Probability of routing at threshold - 1, of a threshold of at least 1."""
    low, high = rho ** (threshold + 1), rho**threshold
    return (phi - low) / (high - low)


def capped(rho: Kinds, phi: Scalar, servers, token_cap: int) -> Scalar:
    """Mean jobs of the given servers with at most C tokens each, and their pool at its large-market form.

    Formula: sum_i E[q_i] + phi / (1 - phi), E[q_i] of the chain (q, s) of Section 6.1 in which p_{k+i,0} = rho^i p_{k,0};
    for phi >= rho_i, rho_i / (1 - rho_i) / (1 + C (1 - rho_i)), whatever phi. The own queues are exact for every N. The
    pool is off by less than a job or so: with a cap it holds fewer (lambda = .5, phi = .4, C = 3, N = 2: .58, not .67),
    where servers keep jobs it holds more in small markets. So, as with `mean_field`, the minimum of few servers may be
    below the largest rho where that of the market is not.

    Args:
        rho, servers: as `large_market`.
        phi: as `finite`, known when this is called.
        token_cap: C, 1 or more.

    Returns:
        Jobs, a scalar.

    Raises:
        ValueError: a server has more than 1024 states (q <= k, s <= C).

    Source: Chen, Chen and Qian, Section 6.1 and Appendix C.
    """
    known = float(jax.lax.stop_gradient(phi))
    rhos, counts = np.broadcast_arrays(*map(np.atleast_1d, (rho, servers)))
    thresholds = tuple(best_response(r, known)[0] for r in rhos.tolist())
    states = (max(thresholds) + 1) * (token_cap + 1)
    if any(thresholds) and states > MOST_PHASES:
        raise FieldError(
            "phi",
            known,
            f"with token_cap = {token_cap} a server has {states} states; the objective takes {MOST_PHASES} at most",
            short=True,
        )
    rates = tuple(_token_rates(r, k, token_cap) if k else () for r, k in zip(rhos.tolist(), thresholds, strict=True))
    return _capped_jobs(thresholds, rates, rhos, counts, token_cap, phi)


@functools.partial(jax.jit, static_argnums=0)
def _capped_jobs(thresholds: tuple[int, ...], rates, rhos, counts, token_cap, phi):
    """`capped` of kinds of servers with these thresholds; rates as `_token_rates`, where the threshold is not 0."""
    phi = jnp.asarray(phi)
    total = phi / (1 - phi)
    for k, parts, r, n in zip(thresholds, rates, rhos.astype(phi.dtype), counts, strict=True):
        if k == 0:
            total += n * r / (1 - r) / (1 + token_cap * (1 - r))
            continue
        constant, mixed, earning, weights, jobs = parts
        generator = constant + _mixing(r, phi, k) * mixed + phi * earning
        # the law up to a factor: balance of all states but the first, whose weight is 1
        rest = jnp.linalg.solve(generator.T[1:, 1:], -generator[0, 1:])
        law = jnp.concatenate([jnp.ones(1, rest.dtype), rest])
        total += n * (law @ jobs) / (law @ weights)
    return total


@functools.lru_cache(maxsize=32)
def _token_rates(rho: float, threshold: int, token_cap: int) -> tuple[np.ndarray, ...]:
    """Generator of a server's (s, q) with every unit at q = 0 offered, as constant + mix x mixed + phi x earning; then the
    weight of each state, and its jobs times that: (k, 0) stands for all q >= k without a token."""
    width, states = threshold + 1, (threshold + 1) * (token_cap + 1)
    parts = np.zeros((3, states, states))
    for state in range(states):
        s, q = divmod(state, width)
        if q < threshold:
            parts[0, state, state + 1] += rho
        if s and q == threshold:
            parts[0, state, state - width] += rho
        if s and q == threshold - 1:
            parts[1, state, state - width] += rho
            parts[1, state, state + 1] -= rho
        if q:
            parts[0, state, state - 1] += 1
        elif s < token_cap:
            parts[2, state, state + width] += 1
    parts -= np.eye(states) * parts.sum(axis=2)[:, :, None]
    weights, jobs = np.ones(states), np.tile(np.arange(width), token_cap + 1).astype(float)
    weights[threshold] = 1 / (1 - rho)
    jobs[threshold] = threshold / (1 - rho) + rho / (1 - rho) ** 2
    return (*parts, weights, jobs)


class _Phases(NamedTuple):
    """How many servers have 0..k jobs, in every possible way."""

    counts: np.ndarray  # (phases, k + 1)
    log_ways: np.ndarray  # log of the multinomial coefficients
    joins: np.ndarray  # (phases, phases): servers with q < k - 1 that a job makes q + 1
    last_joins: np.ndarray  # the same with q = k - 1
    leaves: np.ndarray  # servers with q > 0 that a service makes q - 1


@functools.lru_cache(maxsize=8)
def _phases(servers: int, threshold: int) -> _Phases:
    from scipy.special import gammaln

    # bars between stars: all ways to part the servers into threshold + 1 classes
    bars = itertools.combinations(range(servers + threshold), threshold)
    edges = np.array([(-1, *chosen, servers + threshold) for chosen in bars])
    counts = np.diff(edges, axis=1) - 1
    place = {tuple(row): i for i, row in enumerate(counts.tolist())}
    joins, last_joins, leaves = (np.zeros((len(counts), len(counts))) for _ in range(3))
    for i, row in enumerate(counts.tolist()):
        for q in range(threshold):
            for origin, target in ((q, q + 1), (q + 1, q)):
                if row[origin]:
                    after = list(row)
                    after[origin], after[target] = after[origin] - 1, after[target] + 1
                    matrix = leaves if target < origin else last_joins if target == threshold else joins
                    matrix[i, place[tuple(after)]] = row[origin]
    log_ways = gammaln(servers + 1) - gammaln(counts + 1).sum(axis=1)
    return _Phases(counts, log_ways, joins, last_joins, leaves)


def _pool(kinds: tuple[_Phases, ...], arrivals, services, phi):
    """E[Q_0] of kinds of servers with the thresholds of their phases, of which not all are 0."""
    law, jobs, units, moves = (
        jnp.ones(1, phi.dtype),
        jnp.zeros(1, phi.dtype),
        jnp.zeros(1, phi.dtype),
        jnp.zeros((1, 1)),
    )
    for i, phases in enumerate(kinds):
        parts: Any = jax.tree.map(lambda x: jnp.asarray(x, phi.dtype), phases)
        threshold, arrival, service = phases.counts.shape[1] - 1, arrivals[i], services[i]
        rho = arrival / service
        mix, offer = (_mixing(rho, phi, threshold), 1.0) if threshold else (0.0, rho / phi)
        one = jnp.concatenate([rho ** jnp.arange(threshold), (rho**threshold * (1 - mix))[None]]).astype(phi.dtype)
        here = jnp.exp(parts.log_ways + parts.counts @ jnp.log(one / jnp.sum(one)))
        inside = arrival * (parts.joins + (1 - mix) * parts.last_joins) + service * parts.leaves
        routed = parts.counts[:, -1] + (mix * parts.counts[:, -2] if threshold else 0.0)
        law = jnp.kron(law, here)
        jobs = jnp.add.outer(jobs, arrival * routed).ravel()
        units = jnp.add.outer(units, service * offer * parts.counts[:, 0]).ravel()
        size, more = len(moves), len(inside)
        moves = jnp.kron(moves, jnp.eye(more)) + jnp.kron(jnp.eye(size), inside)
    up, down, local = jnp.diag(jobs), jnp.diag(units), moves - jnp.diag(jnp.sum(moves, axis=1))
    passage = first_passage(down, local - up - down, up)
    return law @ (jobs * jnp.linalg.solve(down - local - up @ passage, jnp.ones_like(jobs)))
