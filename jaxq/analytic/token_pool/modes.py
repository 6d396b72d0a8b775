"""Mean of the shared pool where servers' queues have too many phases to be counted: an expansion in modes.

Notation as in `jaxq.analytic.token_pool.pool_queue`. The servers are alike and independent, so that a function of their
joint queues is a sum of products of functions of one queue, orthonormal under its stationary law: 1 and the modes, the
other eigenfunctions of its generator. The number of servers enters the matrices, not their size.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from jaxq.analytic.token_pool.pool_queue import count_vectors, first_passage, moved, routed_share


class OneServer(NamedTuple):
    """One server's queue on 1 and its modes.

    Attributes:
        decay: rates at which the modes die out, shape (modes,), the first 0; time unit 1 / mu.
        jobs, units: rates of jobs and of units to the pool, as operators, shape (modes, modes).
    """

    decay: Float[np.ndarray, " modes"]
    jobs: Float[np.ndarray, "modes modes"]
    units: Float[np.ndarray, "modes modes"]


def one_server(rho: float, threshold: int, mix: float, offer: float) -> OneServer:
    """A server's queue in the eigenfunctions of its generator; arguments as `policy_pool_queue`."""
    routed = routed_share(threshold, mix)
    up = rho * (1 - routed[:-1])
    # the generator in the coordinates in which it is symmetric
    off, out = np.sqrt(up), np.append(up, 0.0) + np.append(0.0, np.ones(threshold))
    decay, modes = np.linalg.eigh(np.diag(out) - np.diag(off, 1) - np.diag(off, -1))
    decay[0] = 0.0
    modes[:, 0] = np.abs(modes[:, 0])
    return OneServer(decay, modes.T * (rho * routed) @ modes, offer * np.outer(modes[0], modes[0]))


def pool_queue_of_modes(servers: int, server: OneServer, order: int) -> float:
    """Mean jobs in the shared pool, from products of at most ``order`` modes, one a server.

    Formula: the balance of levels of `policy_pool_queue`, E[Q_0] = <1, A y>, (S - T - A G) y = 1, projected on the
    symmetric products: n_0, ..., n_m servers in mode 0, ..., m with n_1 + ... + n_m <= order, where
    sum_i f(q_i) moves one from l to j with the amplitude f_jl sqrt(n_l (n_j + 1)). Order 0 has Poisson streams,
    phi / (1 - phi); order N is exact.

    Args:
        servers: N.
        server: `one_server`.
        order: 0 or more.
    """
    order = min(order, servers)
    vectors = count_vectors(order, server.decay.size)
    numbers = vectors + np.where(np.arange(server.decay.size) == 0, servers - order, 0)

    def of_all(one: NDArray[np.float64]) -> NDArray[np.float64]:
        found = np.diag(numbers @ np.diag(one))
        for origin in range(one.shape[0]):
            row = np.flatnonzero(vectors[:, origin])
            for target in np.flatnonzero(np.arange(one.shape[0]) != origin) if row.size else ():
                amplitude = np.sqrt(numbers[row, origin] * (numbers[row, target] + 1.0))
                found[moved(vectors[row], origin, int(target)), row] = one[target, origin] * amplitude
        return found

    jobs, units, decay = of_all(server.jobs), of_all(server.units), np.diag(numbers @ server.decay)
    passage = first_passage(jobs + units + decay, jobs, units)
    constant = (vectors[:, 0] == order).astype(float)
    passage[:, constant > 0] = constant[:, None]  # the pool empties surely
    return float(constant @ jobs @ np.linalg.solve(units + decay - jobs @ passage, constant))


def pool_queue_estimate(
    servers: int, rho: float, threshold: int, mix: float, offer: float, order: int
) -> tuple[float, float]:
    """Mean jobs in the shared pool and an estimate of its error, in a time that does not depend on the servers.

    Formula: `pool_queue_of_modes`; the error is the change from the order before (the values go up and down around the
    limit): an estimate, not a bound. It is 0 where nothing is left out, infinite at order 1.

    Args:
        servers, rho, threshold, mix, offer: as `policy_pool_queue`.
        order: 1 or more; there are comb(threshold + order, order) products of modes.

    Returns:
        E[Q_0] and its error, jobs.
    """
    server = one_server(rho, threshold, mix, offer)
    value = pool_queue_of_modes(servers, server, order)
    if order >= servers:
        return value, 0.0
    return value, abs(value - pool_queue_of_modes(servers, server, order - 1)) if order > 1 else math.inf
