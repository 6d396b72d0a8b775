"""The mean response time of randomised routing as a differentiable function of its probabilities.

Notation: M types of servers, N_j = gamma_j n of rate mu_j, arrival rate Lambda = lambda n of the whole system, p_j the
probability that a draw is of type j. Nothing here knows where the minimum is. The dtype follows that of the probabilities;
run under ``jax.enable_x64(True)`` for float64.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from jaxq.fluid.rest_point import rest_point

Types = Float[Array | np.ndarray, " types"] | tuple | list
Counts = Num[Array | np.ndarray, " types"] | tuple | list
Scalar = Float[Array | np.ndarray, ""] | float

SLACK = 0.01
"""Where `random_routing` leaves the formula: idle fraction of a type's servers over that of all servers together."""
LEVELS = 30
"""Jobs at a server in `power_of_d`. With two draws or more levels empty doubly exponentially: enough up to a load of
1 - 1e-6."""
_LEAST_SLACK = 1e-9


def random_routing(probabilities: Types, arrival_rate: Scalar, rates: Types, servers: Counts) -> Float[Array, ""]:
    """Mean response time if a job goes to type j with probability p_j, to each of its servers alike.

    Formula: T(p) = sum_j p_j / (mu_j (1 - u_j)), u_j = Lambda p_j / (N_j mu_j). Beyond u_j = 1 - e, where e = ``SLACK``
    times (1 - load), 1/(1 - u) is continued by its Taylor polynomial of second order: (1 + v + v^2)/e with
    v = (u - 1 + e)/e. So the value is finite everywhere, its gradient leads back, it stays convex on the simplex, and
    the minimum is that of T unless the speeds differ by a factor of more than 1/SLACK^2.

    Args:
        probabilities: p_j, shape (M,), sum 1.
        arrival_rate: Lambda, 1/time.
        rates: mu_j, shape (M,).
        servers: N_j, shape (M,).

    Returns:
        T, a scalar.

    Source: M/M/1 by server; Poisson splitting.
    """
    probabilities = jnp.asarray(probabilities)
    rates, servers = (jnp.asarray(x, probabilities.dtype) for x in (rates, servers))
    edge = SLACK * jnp.maximum(1 - arrival_rate / jnp.sum(rates * servers), _LEAST_SLACK)
    idle = 1 - arrival_rate * probabilities / (servers * rates)
    beyond = 1 - idle / edge
    inverse = jnp.where(beyond < 0, 1 / jnp.maximum(idle, edge), (1 + beyond + beyond**2) / edge)
    return jnp.sum(probabilities / rates * inverse)


def power_of_d(
    probabilities: Types, draws: int, arrival_rate: Scalar, rates: Types, servers: Counts
) -> Float[Array, ""]:
    """Mean response time if a job joins the shortest of d queues, each of type j with probability p_j, n -> infinity.

    Formula: (sum_{j,i} gamma_j s_{j,i} + c lost) / lambda, with s of `occupancy` and lost = lambda W_K^d the jobs that find
    `LEVELS` = K jobs at every server drawn. In the stable region lost vanishes (doubly exponentially in K). Outside it
    servers of some types are full, and a price of c = 2 K / min mu for each of them keeps the value finite and makes it
    fall towards the stable region.

    Args:
        probabilities: p_j, shape (M,), sum 1.
        draws: d >= 2 with replacement (any d in the limit); static. For d = 1, which needs many levels, `random_routing`.
        arrival_rate: Lambda, 1/time.
        rates: mu_j, shape (M,).
        servers: N_j, shape (M,).

    Returns:
        Mean response time, a scalar.

    Source: Mukhopadhyay and Mazumdar (2016), IEEE Trans. Control of Network Systems 3(2), with weights in the draws.
    """
    servers = np.asarray(servers, np.float64)
    total = servers.sum()
    occupied = occupancy(probabilities, draws, arrival_rate / total, rates, servers / total)
    jobs = jnp.sum(jnp.asarray(servers, occupied.dtype) * jnp.sum(occupied, axis=1))
    lost = (jnp.asarray(probabilities) @ occupied[:, -1]) ** draws
    return jobs / arrival_rate + 2 * LEVELS / np.min(rates) * lost


def occupancy(
    probabilities: Types, draws: int, arrival_rate: Scalar, rates: Types, shares: Types
) -> Float[Array, "types levels"]:
    """s_{j,i}, the fraction of type-j servers with at least i jobs in the stationary mean field of the power of d choices.

    Formula: 0 = lambda (p_j / gamma_j) (s_{j,i-1} - s_{j,i}) F_i - mu_j (s_{j,i} - s_{j,i+1}), where
    F_i = (W_{i-1}^d - W_i^d) / (W_{i-1} - W_i) = sum_{k < d} W_{i-1}^k W_i^{d-1-k} with W_i = sum_j p_j s_{j,i}: all draws
    have i - 1 jobs or more, not all more, and servers tie by weight. s_{j,0} = 1, s_{j,K+1} = 0. The gradient is
    that of the fixed point (`rest_point`).

    Args:
        probabilities: p_j, shape (M,), sum 1.
        draws: d; static.
        arrival_rate: lambda = Lambda / n, 1/time.
        rates: mu_j, shape (M,).
        shares: gamma_j, shape (M,), sum 1.

    Returns:
        Shape (M, K), K = `LEVELS`.

    Source: as `power_of_d`.
    """
    probabilities = jnp.asarray(probabilities)
    rates, shares = (jnp.asarray(x, probabilities.dtype)[:, None] for x in (rates, shares))
    shape = probabilities.size, LEVELS
    drawn = arrival_rate * probabilities[:, None] / shares

    def slope(flat):
        occupied = jnp.reshape(flat, shape)
        padded = jnp.pad(occupied, ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
        at_least = probabilities @ padded
        factor = sum(at_least[:-2] ** k * at_least[1:-1] ** (draws - 1 - k) for k in range(draws))
        exactly = padded[:, :-1] - padded[:, 1:]
        return jnp.ravel(drawn * exactly[:, :-1] * factor - rates * exactly[:, 1:])

    start = jnp.zeros(probabilities.size * LEVELS, probabilities.dtype)
    return jnp.reshape(rest_point(slope, start, 1 / jnp.max(rates)), shape)
